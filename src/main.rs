//! Door one: the program. The wiring, on one screen: options, the host of Perl, the server, the end.
//!
//! ```text
//! 0 stopped   1 failed while running   2 options   3 the application did not load   4 no address
//! ```
//!
//! [`supervisor::run`] comes back in the supervisor and in every worker; each ends its own perl,
//! with END blocks, and leaves with the status that they leave.
//!
//! Not here: what a word of the command line means ([`cli`], and the table of options).

mod cli;

use std::io::Write as _;
use std::process::ExitCode;

use monoceros_psgi::{Origin, PerlHost, Plan};
use monoceros_server::config::{Config, HostFacts, OptionError, Options, exit};
use monoceros_server::supervisor::{self, End};
use monoceros_server::worker::app::Host as _;

use crate::cli::Asked;

fn main() -> ExitCode {
    let status = match cli::parse(std::env::args_os()) {
        Ok(Asked::Text(text)) => say(&text),
        Ok(Asked::Serve(options)) => decided(&options, serve),
        Ok(Asked::Check(options)) => decided(&options, check),
        Err(errors) => complain(&errors),
    };
    // A status is a byte to whoever waits; 255 is what perl says of what does not fit.
    ExitCode::from(u8::try_from(status & 0xff).unwrap_or(u8::MAX))
}

/// Decides, and goes on with what was decided.
fn decided(options: &Options, then: fn(&Config, Plan) -> i32) -> i32 {
    match Config::decide(options, &HostFacts::look()) {
        Ok(config) => {
            let plan = plan(options, &config);
            then(&config, plan)
        }
        Err(errors) => complain(&errors),
    }
}

fn serve(config: &Config, plan: Plan) -> i32 {
    let mut host = PerlHost::new(plan);
    let (End::Over(status) | End::Worker(status)) =
        supervisor::run(config, &mut host, &mut |_, _| ());
    host.shutdown(status)
}

/// `--check`: what would be done, and whether the application loads.
fn check(config: &Config, mut plan: Plan) -> i32 {
    say(&format!("{config}\n"));
    plan.preload = true;
    let mut host = PerlHost::new(plan);
    match host.load() {
        Ok(()) => {
            // Not on standard output: that is perl's from its boot on.
            shout("the application loads");
            host.shutdown(exit::STOPPED)
        }
        Err(why) => {
            shout(&format!("the application could not be loaded: {why}"));
            host.shutdown(exit::LOAD)
        }
    }
}

/// What plackup does for the other door.
fn plan(options: &Options, config: &Config) -> Plan {
    let asked = &options.perl;
    let include = asked.include.iter().map(|folder| format!("-I{folder}"));
    let modules = asked.modules.iter().map(|module| format!("-M{module}"));
    let origin = match (&asked.eval, &asked.app) {
        (Some(text), None) => Origin::Text(text.clone()),
        // As plackup: what was typed wraps what is in the file.
        (Some(text), Some(file)) => {
            let file = file.replace('\\', "\\\\").replace('\'', "\\'");
            Origin::Text(format!("{text};\nPlack::Util::load_psgi('{file}')"))
        }
        (None, Some(file)) => Origin::File(file.clone()),
        (None, None) => Origin::File("app.psgi".to_owned()),
    };
    let env = asked.env.clone().or_else(|| std::env::var("PLACK_ENV").ok());
    let env = env.unwrap_or_else(|| "deployment".to_owned());
    Plan {
        switches: include.chain(modules).collect(),
        development: env == "development" && asked.bare != Some(true),
        child_exit: asked.child_exit.clone(),
        mount: asked.mount.clone(),
        plack_env: Some(env),
        ..Plan::of(config, origin)
    }
}

/// Before there is a perl, standard output is ours.
fn say(text: &str) -> i32 {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => exit::STOPPED,
        Err(_) => exit::FAILED,
    }
}

fn shout(line: &str) {
    // If standard error is closed there is nobody else to tell.
    drop(writeln!(std::io::stderr(), "monoceros: {line}"));
}

fn complain(errors: &[OptionError]) -> i32 {
    errors.iter().for_each(|error| shout(&error.to_string()));
    exit::OPTIONS
}

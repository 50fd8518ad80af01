//! The benchmark program: `monoceros-bench keepalive [options] ADDRESS`.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "figures are what it is for")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clap::{Arg, ArgMatches, Command, value_parser};
use monoceros_bench::{Amount, Idle, Plan, raise_descriptors, run};

fn main() -> anyhow::Result<()> {
    let matches = command().get_matches();
    match matches.subcommand() {
        Some(("keepalive", options)) => keepalive(options),
        _ => Ok(()),
    }
}

fn command() -> Command {
    let number = |name: &'static str, default: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .default_value(default)
            .value_parser(value_parser!(usize))
            .help(help)
    };
    let keepalive = Command::new("keepalive")
        .about("Every kept connection makes its own requests, one after the other")
        .arg(Arg::new("address").required(true).value_parser(value_parser!(SocketAddr)))
        .arg(number("connections", "100", "Kept connections"))
        .arg(number("requests", "250", "Requests of each"))
        .arg(number("seconds", "0", "Run for so long instead"))
        .arg(number("fresh", "0", "Clients beside them that connect anew for each request"))
        .arg(number("idle", "0", "Idle connections held beside them, asked again at the end"))
        .arg(number("patience", "5", "Seconds that a request may take"))
        .arg(Arg::new("path").long("path").help("What to ask for"));
    Command::new("monoceros-bench")
        .about("Measures how long requests wait")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .subcommand(keepalive)
}

fn keepalive(options: &ArgMatches) -> anyhow::Result<()> {
    let count = |name| options.get_one::<usize>(name).copied().unwrap_or_default();
    let seconds = |name| u64::try_from(count(name)).map(Duration::from_secs);
    let address = *options.get_one::<SocketAddr>("address").expect("clap requires it");
    raise_descriptors();

    let mut plan = Plan::keepalive(address, count("connections"));
    plan.fresh = count("fresh");
    plan.patience = seconds("patience")?;
    plan.amount = match seconds("seconds")? {
        Duration::ZERO => Amount::RequestsPerConnection(u32::try_from(count("requests"))?),
        time => Amount::Time(time),
    };
    if let Some(path) = options.get_one::<String>("path") {
        plan.path.clone_from(path);
    }

    let opening = Instant::now();
    let mut idle = Idle::open(address, count("idle"))?;
    if idle.count() > 0 {
        println!("{} idle connections opened in {:.2?}", idle.count(), opening.elapsed());
    }
    print!("{}", run(&plan)?);
    if idle.count() > 0 {
        let longest = idle.ask_all()?;
        println!("all {} idle connections answered; longest wait {longest:.2?}", idle.count());
    }
    Ok(())
}

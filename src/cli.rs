//! The program's command line, made from the table of options.
//!
//! clap splits the words; what they mean, and every message, is the table's. What is the program's
//! alone is here: `--help`, `--version`, `--check`, and the application as a word of its own.
//!
//! All errors are found in one go: clap stops at the first, so that word is taken out and the rest
//! read again.

use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use monoceros_server::config::{Doors, Opt, OptionError, Options, Standing, TABLE, Unit, VERSION};

/// What somebody who typed this wants.
#[derive(Debug, PartialEq)]
pub(crate) enum Asked {
    /// Serve.
    Serve(Box<Options>),
    /// Say what would be done, load the application, and end (`--check`).
    Check(Box<Options>),
    /// Read this (`--help`, `--version`); exit 0.
    Text(String),
}

const WORDS: &str = "application";
const HELP: &str = "help";
const VERSION_ASKED: &str = "version";
const CHECK: &str = "check";

/// Reads a command line, program's name first.
///
/// # Errors
///
/// All that is wrong with it, to be printed line by line; exit 2.
pub(crate) fn parse<I>(args: I) -> Result<Asked, Vec<OptionError>>
where
    I: IntoIterator<Item = OsString>,
{
    let mut args: Vec<OsString> = args.into_iter().collect();
    let mut options = Options::default();
    let mut errors = Vec::new();
    let matches = loop {
        match command().try_get_matches_from(&args) {
            Ok(matches) => break Some(matches),
            Err(error) => {
                let word = culprit(&error);
                errors.push(complaint(&mut options, &word, &error));
                if !take_out(&mut args, &word) {
                    break None;
                }
            }
        }
    };
    let Some(matches) = matches else { return Err(errors) };
    if matches.get_flag(HELP) {
        return Ok(Asked::Text(command().render_help().to_string()));
    }
    if matches.get_flag(VERSION_ASKED) {
        return Ok(Asked::Text(format!("monoceros {VERSION}\n")));
    }
    apply(&matches, &mut options, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    let options = Box::new(options);
    Ok(if matches.get_flag(CHECK) { Asked::Check(options) } else { Asked::Serve(options) })
}

/// The command as clap sees it.
fn command() -> Command {
    let flag = |id, short: Option<char>, help| {
        let arg = Arg::new(id).long(id).action(ArgAction::SetTrue).help(help);
        short.map_or(arg.clone(), |short| arg.short(short)).help_heading("The program")
    };
    Command::new("monoceros")
        .about("Serves a PSGI application: ten thousand clients on a handful of blocking workers")
        .override_usage("monoceros [options] [app.psgi]")
        .after_help("docs/options.md has the units, the ranges, and what else to know.")
        .disable_help_flag(true)
        .disable_version_flag(true)
        .arg(Arg::new(WORDS).num_args(0..).value_parser(value_parser!(OsString)).hide(true))
        .args(TABLE.iter().filter(|opt| !opt.name.ends_with('*')).flat_map(arguments))
        .arg(flag(CHECK, None, "Print the decided configuration, load the application, and exit"))
        .arg(flag(HELP, Some('h'), "Print this"))
        .arg(flag(VERSION_ASKED, Some('v'), "Print the version"))
}

/// What clap needs of one option. Each name is an argument of its own, so that two names with
/// different values can be told from one name given twice.
fn arguments(opt: &'static Opt) -> Vec<Arg> {
    let mut all = vec![argument(opt, opt.name).help(help(opt))];
    if let Some(short) = opt.short {
        all[0] = all[0].clone().short(short);
    }
    all.extend(opt.also.iter().map(|&name| argument(opt, name).hide(true)));
    if opt.unit == Unit::Boolean {
        all.extend(["enable", "disable"].map(|state| {
            let name = format!("{state}-{}", opt.name);
            let switch = Arg::new(format!("--{name}")).alias(name.replace('-', "_"));
            // Counted, not set: given twice it says the same.
            switch.long(name).action(ArgAction::Count).hide(true)
        }));
    }
    if opt.standing != Standing::Built || opt.doors == Doors::Plackup {
        all = all.into_iter().map(|arg| arg.hide(true)).collect();
    }
    all
}

fn argument(opt: &'static Opt, name: &'static str) -> Arg {
    let letter = name.chars().next().filter(|_| name.len() == 1);
    let dashes = if letter.is_some() { "-" } else { "--" };
    let arg = Arg::new(format!("{dashes}{name}"))
        .action(ArgAction::Append)
        .value_parser(value_parser!(OsString))
        .value_name(opt.unit.placeholder())
        .help_heading(opt.part);
    let arg = match letter {
        Some(letter) => arg.short(letter).allow_hyphen_values(true),
        None if name.contains('-') => arg.long(name).alias(name.replace('-', "_")),
        None => arg.long(name),
    };
    match opt.unit {
        // A word behind it is the application, not its value.
        Unit::Boolean => arg.num_args(0..=1).require_equals(true).default_missing_value("on"),
        _ => arg.num_args(1),
    }
}

fn help(opt: &Opt) -> String {
    match opt.default {
        "none" => opt.help.to_owned(),
        default => format!("{} [{default}]", opt.help),
    }
}

/// Sets what was found. The order of different names does not matter, that of one name is kept.
fn apply(matches: &ArgMatches, options: &mut Options, errors: &mut Vec<OptionError>) {
    for id in matches.ids().map(|id| id.as_str()).filter(|id| id.starts_with('-')) {
        if matches.value_source(id) == Some(clap::parser::ValueSource::DefaultValue) {
            continue;
        }
        if let Ok(Some(_)) = matches.try_get_one::<u8>(id) {
            errors.extend(options.set(id, None).err());
            continue;
        }
        for value in matches.get_many::<OsString>(id).into_iter().flatten() {
            errors.extend(set(options, id, value).err());
        }
    }
    let mut words = matches.get_many::<OsString>(WORDS).into_iter().flatten();
    if let Some(word) = words.next() {
        // The value of an unknown option looks like an application, too: no need to complain twice.
        if errors.is_empty() {
            errors.extend(the_application(options, word, words.next()));
        }
    }
}

fn set(options: &mut Options, name: &str, value: &OsStr) -> Result<(), OptionError> {
    let text = value.to_str().ok_or_else(|| OptionError::BadValue {
        name: name.to_owned(),
        value: Some(value.to_string_lossy().into_owned()),
        expected: "UTF-8".to_owned(),
    })?;
    options.set(name, Some(text))
}

fn the_application(
    options: &mut Options,
    word: &OsStr,
    second: Option<&OsString>,
) -> Option<OptionError> {
    if let Some(word) =
        [Some(word), second.map(OsString::as_os_str)].into_iter().flatten().find(is_state)
    {
        return Some(OptionError::Refused {
            name: word.to_string_lossy().into_owned(),
            why:
                "this is taken for the application; an option's on or off stands behind a =, as in \
                  --keepalive=off"
                    .to_owned(),
        });
    }
    let other = second.map(|word| word.to_string_lossy().into_owned());
    if let Some(other) = other.or_else(|| options.perl.app.clone()) {
        return Some(OptionError::Conflict {
            name: word.to_string_lossy().into_owned(),
            other,
            why: "there can be one application".to_owned(),
        });
    }
    set(options, "--app", word).err()
}

/// Whether it looks like the value of an option that is on or off. (An application of that name is
/// `./on`.)
fn is_state(word: &&OsStr) -> bool {
    ["on", "off", "yes", "no", "true", "false", "1", "0"].iter().any(|state| word == state)
}

/// The option that clap stopped at, with its dashes and without a value.
fn culprit(error: &clap::Error) -> String {
    let arg = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(arg)) => arg.as_str(),
        Some(ContextValue::Strings(args)) => args.first().map_or("", String::as_str),
        _ => "",
    };
    // clap shows `--port <port>`, `--keepalive[=<on|off>]` and `--disable-keepalive...`.
    arg.split([' ', '=', '[', '<', '.']).next().unwrap_or_default().to_owned()
}

/// What is wrong with it, in the table's words where it has any.
fn complaint(options: &mut Options, word: &str, error: &clap::Error) -> OptionError {
    options.set(word, None).err().unwrap_or_else(|| OptionError::Refused {
        name: word.to_owned(),
        why: match error.kind() {
            ErrorKind::TooManyValues => "takes no value".to_owned(),
            kind => kind.as_str().unwrap_or("not understood").to_owned(),
        },
    })
}

/// Takes the words out that clap stopped at. False if there is none.
fn take_out(args: &mut Vec<OsString>, word: &str) -> bool {
    let is_letter = word.len() == 2;
    let names = |arg: &OsString| {
        let text = arg.to_string_lossy();
        let rest = text.strip_prefix(word);
        rest.is_some_and(|rest| is_letter || rest.is_empty() || rest.starts_with('='))
    };
    let before = args.len();
    if !word.is_empty() {
        let mut first = true;
        args.retain(|arg| std::mem::take(&mut first) || !names(arg));
    }
    args.len() < before
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &[&str]) -> Result<Asked, Vec<OptionError>> {
        parse(std::iter::once("monoceros").chain(line.iter().copied()).map(OsString::from))
    }

    fn options(line: &[&str]) -> Options {
        match read(line) {
            Ok(Asked::Serve(options)) => *options,
            other => panic!("{line:?}: {other:?}"),
        }
    }

    fn message(line: &[&str]) -> String {
        let errors = read(line).expect_err("a wrong line");
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn clap_finds_no_fault_with_the_table() {
        command().debug_assert();
    }

    #[test]
    fn the_command_line_that_everybody_has_works() {
        let line = ["-E", "production", "--port", "5000", "--max-workers=15"];
        let rest = ["--max-reqs-per-child=50000", "-a", "app.psgi"];
        let options = options(&[&line[..], &rest[..]].concat());
        assert_eq!(options.perl.env.as_deref(), Some("production"));
        assert_eq!(options.perl.app.as_deref(), Some("app.psgi"));
        assert_eq!((options.port, options.max_workers), (Some(5000), Some(15)));
        assert_eq!(options.max_reqs_per_child, Some(50_000));
    }

    #[test]
    fn a_boolean_does_not_swallow_the_application() {
        let app = |options: Options| (options.preload_app, options.perl.app);
        let found = Some("app.psgi".to_owned());
        assert_eq!(app(options(&["--preload-app", "app.psgi"])), (Some(true), found.clone()));
        assert_eq!(app(options(&["--preload_app=0", "app.psgi"])), (Some(false), found.clone()));
        assert_eq!(app(options(&["--disable-preload-app", "app.psgi"])), (Some(false), found));
    }

    #[test]
    fn a_value_of_a_boolean_stands_behind_an_equals_sign() {
        for line in [&["--keepalive", "0", "app.psgi"][..], &["app.psgi", "--keepalive", "off"]] {
            assert!(message(line).contains("--keepalive=off"), "{}", message(line));
        }
        assert!(message(&["--keepalive=maybe"]).contains("is not one of on, off"));
        assert_eq!(options(&["./on"]).perl.app.as_deref(), Some("./on"));
    }

    #[test]
    fn what_perl_takes_may_be_cuddled_and_repeated() {
        let options = options(&["-Ilib", "-I", "t/lib", "-MFoo=a,b", "-e", "-f 'x'; sub {}"]);
        assert_eq!(options.perl.include, ["lib", "t/lib"]);
        assert_eq!(options.perl.modules, ["Foo=a,b"]);
        assert_eq!(options.perl.eval.as_deref(), Some("-f 'x'; sub {}"));
    }

    #[test]
    fn every_option_is_known_under_each_of_its_names_with_dashes_and_underscores() {
        for opt in TABLE.iter().filter(|opt| !opt.name.ends_with('*')) {
            for name in std::iter::once(&opt.name).chain(opt.also) {
                let dashes = if name.len() == 1 { "-" } else { "--" };
                for name in
                    [format!("{dashes}{name}"), format!("{dashes}{}", name.replace('-', "_"))]
                {
                    if let Err(errors) = read(&[&format!("{name}=no")]) {
                        assert!(!errors[0].to_string().contains("unknown option"), "{name}");
                    }
                }
            }
        }
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let line = ["--max-worker=5", "--colour", "red", "--timeout=soon", "--dir", "/", "-x"];
        let mut said: Vec<_> = message(&line).lines().map(str::to_owned).collect();
        said.sort_unstable();
        assert_eq!(
            said,
            [
                "--dir: not in this version; until then: start_server itself, or cd",
                "--timeout: \"soon\" is not seconds from 0.1 to 86400, decimals allowed",
                "unknown option --colour",
                "unknown option --max-worker: did you mean --max-workers?",
                "unknown option -x",
            ]
        );
    }

    #[test]
    fn what_is_plackups_is_named_so() {
        assert!(message(&["-r"]).contains("plackup"));
        assert!(message(&["-s", "Starman"]).contains("plackup"));
        assert!(message(&["-L", "Delayed"]).contains("--disable-preload-app"));
        assert!(message(&["--net-server-user=x"]).contains("Net::Server"));
    }

    #[test]
    fn a_value_that_is_missing_is_missed() {
        assert!(message(&["--max-workers"]).starts_with("--max-workers: nothing is not a whole"));
        assert!(message(&["app.psgi", "-p"]).contains("nothing is not a port"));
        assert!(message(&["--disable-keepalive=5"]).contains("takes no value"));
    }

    #[test]
    fn two_names_or_two_applications_contradict_each_other() {
        assert!(message(&["--workers=5", "--max-workers=7"]).contains("two names"));
        assert_eq!(options(&["--workers=5", "--workers=7"]).max_workers, Some(7));
        assert!(message(&["a.psgi", "b.psgi"]).contains("one application"));
        assert!(message(&["-a", "a.psgi", "b.psgi"]).contains("one application"));
    }

    #[test]
    fn help_version_and_check_are_asked_for() {
        let Ok(Asked::Text(help)) = read(&["--help"]) else { panic!("no help") };
        assert!(help.contains("--max-workers <number>"), "{help}");
        assert!(!help.contains("--envdir"), "{help}");
        assert_eq!(read(&["-v"]), Ok(Asked::Text(format!("monoceros {VERSION}\n"))));
        assert!(matches!(read(&["--check", "app.psgi"]), Ok(Asked::Check(_))));
    }
}

//! Ours and other servers, the same application, the same workers: every scenario against each in turn.
//!
//! In each round all servers are started, and are measured in turns of a second, in an order that
//! changes, so that a machine that becomes busy is busy for all. Figures are medians of the rounds,
//! ratios are medians of the rounds' ratios. Processor time per request is told beside requests per
//! second: on a machine that is shared it is the steadier of the two.
//!
//! Not here: how high a server could go at all, which is [`floor`](crate::floor).

mod beside;
pub(crate) mod figures;
pub(crate) mod foreign;
pub(crate) mod machine;
pub(crate) mod measure;
pub(crate) mod peers;
pub(crate) mod plot;
mod report;
mod results;
pub(crate) mod scenarios;
pub(crate) mod started;
pub(crate) mod table;
mod turns;
mod verdicts;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use self::foreign::Tool;
use self::measure::Setup;
use self::peers::{Ours, Peer};
use self::report::Report;
use self::results::{Results, Row};
use self::scenarios::{App, Load, Scenario};
use crate::interrupt::Interrupt;

const HELP: &str = "\
Every server that is installed is started with the same application, the same number of workers, 50,000 requests of
a worker's life and keep-alive. What cannot be started, fails or answers wrongly is a row that says so. Peers that are
not installed where perl finds them: set PERL5LIB, or name them:
  --peer 'feersum=plackup -I /src/Feersum/blib/lib -I /src/Feersum/blib/arch -s Feersum -E deployment \
-l 127.0.0.1:{port} --pre-fork={workers} --keepalive=1 {app}'
The command is a line for sh, with {port} {workers} {app} {life} (requests) and {idle} (seconds). A name that is
known already replaces that server.";

/// What was asked for.
#[derive(Debug)]
struct Asked {
    scenarios: Vec<Scenario>,
    servers: Vec<String>,
    peers: Vec<String>,
    ours: Ours,
    rounds: u32,
    seconds: u32,
    quick: bool,
    keep: bool,
    path: String,
    out: PathBuf,
}

/// The subcommand.
pub fn command() -> Command {
    let number = |name: &'static str, default: &'static str, help: &'static str| {
        let parser = value_parser!(u32).range(1..1000);
        Arg::new(name).long(name).default_value(default).value_parser(parser).help(help)
    };
    let path = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_parser(value_parser!(PathBuf)).help(help)
    };
    let names = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_delimiter(',').help(help)
    };
    let about = scenarios::ALL.map(|one| format!("  {:<18} {}", one.name, one.about)).join("\n");
    Command::new("compare")
        .about("Ours and every peer that is installed, scenario by scenario: tables, plots, a page")
        .arg(names("only", "Scenarios whose names begin so, by commas"))
        .arg(names("servers", "Only these servers, by commas: monoceros, monoceros-plackup, starlet, starman, feersum, gazelle, uwsgi, twiggy"))
        .arg(
            Arg::new("peer")
                .long("peer")
                .action(ArgAction::Append)
                .value_name("NAME=COMMAND")
                .help("One more server: see below"),
        )
        .arg(number("rounds", "3", "How often all is started and measured"))
        .arg(number("seconds", "3", "How long one measurement is, in turns of a second"))
        .arg(
            Arg::new("quick")
                .long("quick")
                .action(ArgAction::SetTrue)
                .help("One short round with fewer points: a look, no figures to quote"),
        )
        .arg(
            Arg::new("keep")
                .long("keep")
                .action(ArgAction::SetTrue)
                .help("Keep what the folder's raw.tsv has of other scenarios"),
        )
        .arg(
            Arg::new("path")
                .long("path")
                .default_value("/foo?foo=bar&bar=baz&baz=hoge&hoge=foo")
                .help("What to ask for"),
        )
        .arg(path("out", "Where tables, plots and the page go [target/compare]"))
        .arg(path("program", "Ours [beside this program]"))
        .arg(path("blib", "The distribution's [dist/Plack-Handler-Monoceros/blib]"))
        .after_help(format!("{HELP}\n\nScenarios:\n{about}"))
}

impl Asked {
    fn read(options: &ArgMatches) -> anyhow::Result<Self> {
        let texts = |name: &str| -> Vec<String> {
            options.get_many::<String>(name).unwrap_or_default().cloned().collect()
        };
        let number = |name: &str| options.get_one::<u32>(name).copied().unwrap_or(1);
        let path = |name: &str| options.get_one::<PathBuf>(name).cloned();
        let quick = options.get_flag("quick");
        Ok(Self {
            scenarios: scenarios::select(&texts("only"))?,
            servers: texts("servers"),
            peers: texts("peer"),
            ours: Ours::read(options)?,
            rounds: if quick { 1 } else { number("rounds") },
            seconds: if quick { 1 } else { number("seconds") },
            quick,
            keep: options.get_flag("keep"),
            path: options.get_one::<String>("path").cloned().unwrap_or_default(),
            out: path("out").unwrap_or_else(|| PathBuf::from("target/compare")),
        })
    }
}

/// Measures, and gives the Markdown; everything is written into the folder that was asked for.
///
/// # Errors
///
/// Nothing can be measured, files cannot be written, or it was interrupted: then what had been measured
/// was written first.
pub fn compare(options: &ArgMatches, interrupt: &Interrupt) -> anyhow::Result<String> {
    let asked = Asked::read(options)?;
    let (known, missing) = peers::find(&asked.ours, &asked.peers)?;
    let (peers, missing) = choose(&asked, known.clone(), missing)?;
    need_tools(&asked.scenarios)?;
    fs::create_dir_all(&asked.out).with_context(|| format!("making {}", asked.out.display()))?;
    let folder = std::env::temp_dir().join(format!("monoceros-compare-{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    for app in App::ALL {
        fs::write(folder.join(app.file()), app.text())?;
    }
    let Asked { seconds, quick, path, .. } = &asked;
    let (seconds, quick, path) = (*seconds, *quick, path.clone());
    let setup = Setup { folder, seconds, quick, path, interrupt: interrupt.clone() };
    let mut results = kept(&asked)?;
    measure_all(&asked, &peers, &setup, &mut results);
    let rounds = format!(
        "{seconds} s each in a round, of {:?}, in turns of a second (longer beside thousands of connections; \
         burst and blocking in one; idle: the same server without and with idle connections); figures are medians \
         of the rounds, ratios are medians of the rounds' ratios{}",
        asked.path,
        if quick { ". A quick look: not to be quoted" } else { "" }
    );
    let mut remarks = vec![machine::describe(), rounds];
    if !missing.is_empty() {
        remarks.push(format!("not installed here: {}", missing.join(", ")));
    }
    let told: Vec<Peer> = known.into_iter().filter(|peer| results.has(&peer.name)).collect();
    let report =
        Report { peers: &told, results: &results, remarks, processors: machine::processors() };
    let text = report.write(&asked.out)?;
    _ = fs::remove_dir_all(&setup.folder);
    interrupt.check().with_context(|| format!("what there is, is in {}", asked.out.display()))?;
    Ok(text)
}

/// What the folder has of scenarios that are not measured now.
fn kept(asked: &Asked) -> anyhow::Result<Results> {
    let path = asked.out.join("raw.tsv");
    if !asked.keep || !path.exists() {
        return Ok(Results::default());
    }
    let text = fs::read_to_string(&path)?;
    let now = |name: &str| asked.scenarios.iter().any(|scenario| scenario.name == name);
    Results::read(&text, |name| !now(name)).with_context(|| format!("reading {}", path.display()))
}

/// Those that were asked for, of all that are known.
fn choose(
    asked: &Asked,
    mut peers: Vec<Peer>,
    mut missing: Vec<String>,
) -> anyhow::Result<(Vec<Peer>, Vec<String>)> {
    let wanted = |name: &String| asked.servers.is_empty() || asked.servers.contains(name);
    let every: Vec<_> = peers.iter().map(|peer| &peer.name).chain(&missing).cloned().collect();
    for name in &asked.servers {
        ensure!(every.contains(name), "--servers: nobody is called {name}: {}", every.join(", "));
    }
    peers.retain(|peer| wanted(&peer.name));
    missing.retain(wanted);
    ensure!(!peers.is_empty(), "none of these servers is installed: {}", missing.join(", "));
    Ok((peers, missing))
}

/// Nothing is left out in silence because a generator is missing.
fn need_tools(scenarios: &[Scenario]) -> anyhow::Result<()> {
    let needs = |tool: Tool| {
        let by = |load: Load| match tool {
            Tool::Wrk => matches!(load, Load::Wrk | Load::Idle),
            Tool::Ab => load == Load::Ab,
        };
        scenarios.iter().any(|scenario| by(scenario.load))
    };
    let tools = [Tool::Wrk, Tool::Ab];
    let missing = tools.into_iter().filter(|tool| needs(*tool) && !tool.is_installed());
    let missing: Vec<_> = missing.map(Tool::package).collect();
    if !missing.is_empty() {
        bail!(
            "load generators are missing: apt-get install {}, or leave their scenarios out by --only",
            missing.join(" ")
        );
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "progress is shown beside the figures")]
fn measure_all(asked: &Asked, peers: &[Peer], setup: &Setup, results: &mut Results) {
    for round in 1..=asked.rounds {
        let turn = usize::try_from(round - 1).unwrap_or(0) % peers.len();
        for scenario in &asked.scenarios {
            let (later, sooner) = peers.split_at(turn);
            eprintln!("{round}/{} {}: {} servers", asked.rounds, scenario.name, peers.len());
            for mut stand in setup.measure(scenario, sooner.iter().chain(later)) {
                if setup.interrupt.is_set() {
                    // What was not finished is no fault of the server's.
                    stand.outcomes.retain(|(_, figures)| figures.is_ok());
                }
                for row in results.add(scenario.name, &stand.peer.name, round, stand.outcomes) {
                    eprintln!("{round}/{} {}", asked.rounds, progress(row));
                }
            }
            if setup.interrupt.is_set() {
                return;
            }
        }
    }
}

fn progress(row: &Row) -> String {
    let Row { scenario, at, server, figures, .. } = row;
    let place = if *at == 0 { (*scenario).to_owned() } else { format!("{scenario} at {at}") };
    let figures = match figures {
        Err(why) => why.clone(),
        Ok(it) => {
            let rate = it.rate.map(|rate| format!("{rate:.0} requests/s"));
            let cost = it.cost.map(|[user, system]| format!("{user:.1} + {system:.1} us each"));
            let failed = (it.failures > 0).then(|| format!("{} failed", it.failures));
            let memory = it.memory.map(|kib| format!("{kib:.0} KiB"));
            [rate, cost, memory, failed].into_iter().flatten().collect::<Vec<_>>().join(", ")
        }
    };
    format!("{place:<22} {server:<18} {figures}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> anyhow::Result<Asked> {
        let words = std::iter::once("compare").chain(line.split_whitespace());
        Asked::read(&command().try_get_matches_from(words)?)
    }

    #[test]
    fn what_is_asked_for() {
        let all = asked("").unwrap();
        assert_eq!((all.rounds, all.seconds, all.quick), (3, 3, false));
        assert_eq!(all.scenarios.len(), scenarios::ALL.len());
        let some = asked("--only two,six --rounds 5 --servers feersum --out /tmp/x").unwrap();
        assert_eq!((some.scenarios.len(), some.rounds), (2, 5));
        assert_eq!((some.servers, some.out), (vec!["feersum".to_owned()], PathBuf::from("/tmp/x")));
        assert_eq!(asked("--quick --rounds 9").unwrap().rounds, 1);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for wrong in ["--only nothing", "--rounds 0", "--seconds x", "more"] {
            assert!(asked(wrong).is_err(), "{wrong}");
        }
    }
}

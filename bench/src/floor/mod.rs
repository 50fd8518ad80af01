//! How high a server could go on this machine, and how near ours comes.
//!
//! Three rates of the whole machine, measured in turn with ours: the application called in a loop on
//! every processor, with no network; the least loop that accepts, reads and writes; and our server with
//! a function as application. Whoever serves must do the first two for each request, so the limit is
//! 1 / (1 / application + 1 / network). It cannot be reached: somebody has to understand HTTP, make
//! %env, and give work to processes.

mod closure;
mod least;

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::{Arg, ArgMatches, Command as Subcommand, value_parser};

use crate::compare::figures::median;
use crate::compare::foreign::{Ask, Tool, wait};
use crate::compare::machine;
use crate::compare::peers::{self, Filling, Peer};
use crate::compare::plot::grouped;
use crate::compare::scenarios::App;
use crate::compare::started::{Question, Started, free_port};
use crate::compare::table::Table;
use crate::interrupt::Interrupt;

/// The subcommand.
pub fn command() -> Subcommand {
    let number = |name: &'static str, default: &'static str, help: &'static str| {
        let parser = value_parser!(u32).range(1..100_000);
        Arg::new(name).long(name).default_value(default).value_parser(parser).help(help)
    };
    let path = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_parser(value_parser!(PathBuf)).help(help)
    };
    Subcommand::new("floor")
        .about("The ceiling on this machine, and what share of it ours reaches")
        .arg(
            Arg::new("app")
                .long("app")
                .default_value("seed")
                .value_parser(["seed", "hello"])
                .help("The application"),
        )
        .arg(number("workers", "4", "Workers of ours"))
        .arg(number("connections", "30", "Kept connections"))
        .arg(number("rounds", "5", "How often all is measured"))
        .arg(number("seconds", "3", "How long one measurement is"))
        .arg(
            Arg::new("peers")
                .long("peers")
                .value_delimiter(',')
                .help("Peers to measure beside ours, by the names that compare has"),
        )
        .arg(path("program", "Ours [beside this program]"))
        .arg(path("blib", "The distribution's [dist/Plack-Handler-Monoceros/blib]"))
        .after_help(
            "limit = 1 / (1 / application + 1 / network): the application called in a loop on every processor, and the \
             least loop that accepts, reads and writes, each as requests per second of the whole machine.",
        )
}

/// The subcommands that [`floor`] starts itself with.
pub fn inner() -> [Subcommand; 2] {
    let number =
        |name: &'static str| Arg::new(name).required(true).value_parser(value_parser!(u32));
    ["floor-least", "floor-closure"]
        .map(|name| Subcommand::new(name).hide(true).arg(number("port")).arg(number("count")))
}

/// Runs one of [`inner`]; gives the exit status.
///
/// # Errors
///
/// If it cannot serve.
pub fn serve(name: &str, options: &ArgMatches) -> anyhow::Result<i32> {
    let number = |name| options.get_one::<u32>(name).copied().unwrap_or_default();
    let (port, count) = (u16::try_from(number("port"))?, number("count"));
    match (name, count) {
        ("floor-closure", workers) => closure::serve(port, workers),
        (_, 0) => least::child(port).map(|()| 0),
        (_, count) => least::parent(port, count).map(|()| 0),
    }
}

/// One thing that is measured, with its rates.
struct Part {
    what: String,
    peer: Option<Peer>,
    body: &'static str,
    rates: Vec<f64>,
    /// Microseconds of processor time per request, of the server or of the calls.
    costs: Vec<f64>,
}

struct Floor {
    folder: PathBuf,
    app: App,
    ask: Ask,
    workers: u32,
    interrupt: Interrupt,
    /// Calls per second by the clock, on all processors, by round.
    by_the_clock: Vec<f64>,
}

const APPLICATION: usize = 0;
const NETWORK: usize = 1;
const FUNCTION: usize = 2;
/// How many are ours: both doors.
const OURS: usize = 2;

/// Measures, and gives the Markdown.
///
/// # Errors
///
/// If something cannot be started, or it was interrupted.
#[expect(clippy::print_stderr, reason = "progress is shown beside the figures")]
pub fn floor(options: &ArgMatches, interrupt: &Interrupt) -> anyhow::Result<String> {
    let number = |name: &str| options.get_one::<u32>(name).copied().unwrap_or(1);
    ensure!(Tool::Wrk.is_installed(), "wrk is missing: apt-get install wrk");
    let folder = std::env::temp_dir().join(format!("monoceros-floor-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let app = if options.get_one::<String>("app").is_some_and(|app| app == "hello") {
        App::Hello
    } else {
        App::Seed
    };
    fs::write(folder.join(app.file()), app.text())?;
    fs::write(folder.join("calls.pl"), include_str!("calls.pl"))?;
    let mut floor = Floor {
        folder,
        app,
        ask: Ask {
            path: "/foo?foo=bar&bar=baz&baz=hoge&hoge=foo".to_owned(),
            connections: number("connections"),
            seconds: number("seconds"),
            // The least loop outruns one thread.
            threads: machine::processors().min(number("connections")),
        },
        workers: number("workers"),
        interrupt: interrupt.clone(),
        by_the_clock: Vec::new(),
    };
    let mut parts = parts(options, app)?;
    let rounds = number("rounds");
    let measured = (1..=rounds).try_for_each(|round| {
        for part in &mut parts {
            let [rate, cost] = floor.rate(part).with_context(|| part.what.clone())?;
            eprintln!("{round}/{rounds} {:<45} {rate:.0}/s, {cost:.1} us each", part.what);
            part.rates.push(rate);
            part.costs.push(cost);
        }
        anyhow::Ok(())
    });
    _ = fs::remove_dir_all(&floor.folder);
    measured?;
    Ok(floor.tell(&parts))
}

fn parts(options: &ArgMatches, app: App) -> anyhow::Result<Vec<Part>> {
    let part = |what: &str, peer, body| {
        let what = what.to_owned();
        Part { what, peer, body, rates: Vec::new(), costs: Vec::new() }
    };
    let program = std::env::current_exe()?;
    let own = |name: &str, count: &str| Peer {
        name: name.to_owned(),
        version: String::new(),
        template: format!("{} {name} {{port}} {count}", peers::quoted(&program.to_string_lossy())),
        note: String::new(),
    };
    let ours = peers::Ours::read(options)?;
    let [one, two] = peers::own(&ours)?;
    let processors = machine::processors().to_string();
    let hello = App::Hello.body();
    let mut parts = vec![
        part("the application, called in a loop", None, ""),
        part("the least loop: accept, read, write", Some(own("floor-least", &processors)), hello),
        part("ours with a Rust function", Some(own("floor-closure", "{workers}")), hello),
        part("monoceros", Some(one), app.body()),
        part("monoceros-plackup", Some(two), app.body()),
    ];
    let (known, _) = peers::find(&ours, &[])?;
    for name in options.get_many::<String>("peers").into_iter().flatten() {
        let peer = known.iter().skip(OURS).find(|peer| peer.name == *name);
        let peer = peer.with_context(|| format!("there is no peer {name:?} installed"))?;
        parts.push(part(name, Some(peer.clone()), app.body()));
    }
    Ok(parts)
}

impl Floor {
    /// Requests per second, and microseconds of processor time of each.
    fn rate(&mut self, part: &Part) -> anyhow::Result<[f64; 2]> {
        let Some(peer) = &part.peer else { return self.call() };
        let app = self.folder.join(self.app.file());
        let filling = Filling { port: free_port()?, workers: self.workers, app: &app, idle: 10 };
        let question = Question { path: &self.ask.path, body: part.body };
        let log = self.folder.join(format!("{}.log", peer.name));
        let started = Started::start(peer, &filling, question, &log, &self.interrupt)?;
        let warm = Ask { seconds: 1, ..self.ask.clone() };
        Tool::Wrk.run(started.address, &warm, &self.interrupt)?;
        let before = started.spent();
        let (figures, answered) = Tool::Wrk.run(started.address, &self.ask, &self.interrupt)?;
        let [user, system] = started.spent().since(before).per_request(answered);
        ensure!(answered > 0.0 && figures.failures == 0, "{} requests failed", figures.failures);
        Ok([figures.rate.context("no rate")?, user + system])
    }

    /// The application in a loop, on every processor at once. The rate is what its processor time allows:
    /// whoever else is on the machine meanwhile would make it slower by the clock, and the limit too low.
    fn call(&mut self) -> anyhow::Result<[f64; 2]> {
        let (mut rate, mut cost) = (0.0, 0.0);
        let children: Vec<Child> = (0..machine::processors())
            .map(|_| {
                Command::new("perl")
                    .arg(self.folder.join("calls.pl"))
                    .arg(self.folder.join(self.app.file()))
                    .arg(self.ask.seconds.to_string())
                    .stdin(Stdio::null())
                    .stdout(Stdio::piped())
                    .spawn()
            })
            .collect::<Result<_, _>>()
            .context("running perl")?;
        let patience = Duration::from_secs(u64::from(self.ask.seconds) + 20);
        let count = f64::from(machine::processors());
        // Everyone is waited for, whatever becomes of the first.
        let ended: Vec<_> =
            children.into_iter().map(|child| wait(child, patience, &self.interrupt)).collect();
        for child in ended {
            let out = child?.wait_with_output()?;
            let [calls, wall, spent] = three(&String::from_utf8_lossy(&out.stdout))?;
            rate += calls / wall;
            cost += spent / calls * 1e6 / count;
        }
        self.by_the_clock.push(rate);
        Ok([count * 1e6 / cost, cost])
    }

    fn tell(&self, parts: &[Part]) -> String {
        let mut table = Table::new(&[
            "",
            "requests/s",
            "share of the limit",
            "CPU µs per request",
            "share, by CPU",
        ]);
        let middle = |values: &[f64]| median(values.iter().copied()).unwrap_or_default();
        let rates = |at: usize| parts[at].rates.as_slice();
        let limits = pairs(rates(APPLICATION), rates(NETWORK), limit);
        let both = pairs(&parts[APPLICATION].costs, &parts[NETWORK].costs, |one, two| one + two);
        for (at, part) in parts.iter().enumerate() {
            let mut row = vec![part.what.clone(), grouped(middle(&part.rates)), String::new()];
            row.extend([format!("{:.1}", middle(&part.costs)), String::new()]);
            if at > FUNCTION {
                row[2] = format!(
                    "{:.2}",
                    middle(&pairs(&part.rates, &limits, |ours, limit| ours / limit))
                );
                row[4] = format!(
                    "{:.2}",
                    middle(&pairs(&both, &part.costs, |least, ours| least / ours))
                );
            }
            table.rows.push(row);
            if at == NETWORK {
                let what = "limit: 1 / (1 / application + 1 / network)".to_owned();
                let [rate, cost] = [grouped(middle(&limits)), format!("{:.1}", middle(&both))];
                table.rows.push(vec![what, rate, String::new(), cost, String::new()]);
            }
        }
        let Ask { connections, threads, seconds, .. } = &self.ask;
        let mut text = format!(
            "# The ceiling\n\nWritten by `monoceros-bench floor`.\n\n- {}\n- {} rounds of {seconds} s each, interleaved; medians; \
             {}, {connections} connections, {} workers, wrk with {threads} threads\n- the application alone is told by its \
             processor time on all processors; by the clock: {} calls/s\n\n{}\n",
            machine::describe(),
            parts[NETWORK].rates.len(),
            self.app.file(),
            self.workers,
            grouped(middle(&self.by_the_clock)),
            table.markdown()
        );
        let function = middle(&pairs(rates(FUNCTION), rates(NETWORK), |ours, least| ours / least));
        _ = writeln!(text, "- {}: {function:.2} of the least loop", parts[FUNCTION].what);
        for part in parts.iter().skip(FUNCTION + 1).take(OURS) {
            let share = middle(&pairs(&part.rates, &limits, |ours, limit| ours / limit));
            let word = if share >= WANTED { "met" } else { "missed" };
            let what = &part.what;
            _ = writeln!(text, "- {what}: {share:.2} of the limit; at least {WANTED}: **{word}**");
        }
        text
    }
}

/// What share of the limit ours is to reach.
const WANTED: f64 = 0.80;

/// What both rates leave possible together.
fn limit(application: f64, network: f64) -> f64 {
    1.0 / (1.0 / application + 1.0 / network)
}

/// Round by round.
fn pairs(one: &[f64], other: &[f64], both: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    one.iter().zip(other).map(|(one, other)| both(*one, *other)).collect()
}

fn three(text: &str) -> anyhow::Result<[f64; 3]> {
    let all: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match all[..] {
        [calls, wall, spent] if calls > 0.0 && wall > 0.0 => Ok([calls, wall, spent]),
        _ => bail!("the loop of calls said {text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_has_both_costs() {
        let limits = pairs(&[100.0], &[300.0], limit);
        assert!((limits[0] - 75.0).abs() < 1e-9, "{limits:?}");
    }

    #[test]
    fn what_the_loop_says_is_three_numbers() {
        assert_eq!(three("200 0.5 0.4\n").unwrap(), [200.0, 0.5, 0.4]);
        assert!(three("Can't locate Plack/Util.pm in @INC").is_err());
    }
}

//! What one request costs in things that can be counted: system calls and instructions.
//!
//! Neither depends on how busy the machine is, so a bound can be kept by every run of the tests: they
//! are in `bounds.txt`, a line each, and whatever costs more fails, by name.

mod calls;
mod client;
mod instructions;

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Arg, ArgMatches, Command as Subcommand, value_parser};

use self::calls::Calls;
use crate::compare::peers::{self, Filling, Ours, Peer};
use crate::compare::plot::grouped;
use crate::compare::scenarios::App;
use crate::compare::started::{Question, Started, free_port};
use crate::compare::table::Table;
use crate::interrupt::Interrupt;

/// How long anything may take that is counted: strace and valgrind are slow, and so are machines.
const PATIENCE: Duration = Duration::from_secs(120);

/// The subcommand.
pub fn command() -> Subcommand {
    let path = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_parser(value_parser!(PathBuf)).help(help)
    };
    Subcommand::new("count")
        .about("System calls and instructions per request, against the bounds that are kept")
        .arg(path("blib", "The distribution's [dist/Plack-Handler-Monoceros/blib]"))
        .arg(path("program", "Count this program, not plackup -s Monoceros"))
        .arg(path("bounds", "Other bounds than those that are built in"))
        .after_help(
            "Needs strace and valgrind, and builds with optimisation. System calls are those of one worker and of \
             the manager; instructions those of a worker that is warm.",
        )
}

/// How it is counted.
pub(crate) struct Counting {
    folder: PathBuf,
    peer: Peer,
    interrupt: Interrupt,
}

impl Counting {
    /// Starts the server with one worker behind another program.
    fn start(&self, before: &str, app: App) -> anyhow::Result<Started> {
        let peer =
            Peer { template: format!("{before} {}", self.peer.template), ..self.peer.clone() };
        let file = self.folder.join(app.file());
        fs::write(&file, app.text())?;
        let filling = Filling { port: free_port()?, workers: 1, app: &file, idle: 60 };
        let question = Question { path: client::PATH, body: app.body() };
        let log = self.folder.join("log");
        let mut started = Started::start(&peer, &filling, question, &log, &self.interrupt)?;
        // What is counted is written at the end.
        started.end = PATIENCE;
        Ok(started)
    }

    fn log(&self) -> anyhow::Result<String> {
        fs::read_to_string(self.folder.join("log")).context("reading the server's log")
    }
}

/// The process numbers that the lines with these words end in, in order.
fn pids(log: &str, words: &str) -> Vec<u32> {
    let number = |line: &str| {
        let rest = line.rsplit_once("pid=")?.1;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    log.lines().filter(|line| line.contains(words)).filter_map(number).collect()
}

/// Counts, and gives the Markdown, and what costs more than it may.
///
/// # Errors
///
/// Something is missing, or a request failed.
pub fn count(options: &ArgMatches, interrupt: &Interrupt) -> anyhow::Result<(String, Vec<String>)> {
    need("strace")?;
    need("valgrind")?;
    let path = |name: &str| options.get_one::<PathBuf>(name);
    let bounds = match path("bounds") {
        None => include_str!("bounds.txt").to_owned(),
        Some(path) => {
            fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?
        }
    };
    let bounds = read(&bounds)?;
    let folder = std::env::temp_dir().join(format!("monoceros-count-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let counting = Counting { peer: peer(options)?, folder, interrupt: interrupt.clone() };
    let counted = all(&counting);
    if counted.is_ok() {
        _ = fs::remove_dir_all(&counting.folder);
    }
    let counted = counted.with_context(|| format!("logs are in {}", counting.folder.display()))?;
    Ok(judge(&counted, &bounds))
}

fn need(program: &str) -> anyhow::Result<()> {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().with_context(|| format!("apt-get install {program}"))?;
    Ok(())
}

/// The one door that was asked for, with workers that live for ever.
fn peer(options: &ArgMatches) -> anyhow::Result<Peer> {
    let perl = std::env::var("PERL").unwrap_or_else(|_| "perl".to_owned());
    let program = options.get_one::<PathBuf>("program");
    let blib = options.get_one::<PathBuf>("blib").cloned();
    let mut peer = match program {
        Some(program) => peers::program(program)?,
        None => peers::handler(&blib.unwrap_or_else(Ours::blib), &format!("{perl} -S plackup"))?,
    };
    peer.template = peer.template.replace("{life}", "0");
    Ok(peer)
}

/// A figure, its name, and what it is made of.
struct Count {
    name: String,
    value: f64,
    parts: String,
}

fn all(counting: &Counting) -> anyhow::Result<Vec<Count>> {
    let mut all = Vec::new();
    for (phase, who, calls) in calls::count(counting)? {
        // A worker that has just served looks again for a moment (sched_yield, then epoll_wait). How
        // often depends on how soon the client asks again, and nobody waits for it.
        let looks = calls.get("sched_yield").copied().unwrap_or(0.0);
        let value = calls.values().fold(0.0, |sum, count| sum + count) - 2.0 * looks;
        all.push(Count { name: format!("{phase} {who}"), value, parts: parts(&calls) });
    }
    for (name, app) in [("hello", App::Hello), ("seed", App::Seed)] {
        let value = instructions::count(counting, app).with_context(|| name.to_owned())?;
        all.push(Count { name: format!("{name} instructions"), value, parts: String::new() });
    }
    Ok(all)
}

/// `recvmsg 1, sendmsg 1`, the most frequent first.
fn parts(calls: &Calls) -> String {
    let mut all: Vec<_> = calls.iter().filter(|(_, count)| **count >= 0.005).collect();
    all.sort_by(|one, other| other.1.total_cmp(one.1));
    let all: Vec<_> =
        all.iter().map(|(name, count)| format!("{name} {}", figure(**count))).collect();
    all.join(", ")
}

/// `4`, `4.02`, `23,456`.
fn figure(value: f64) -> String {
    if value >= 1000.0 {
        return grouped(value);
    }
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `name of words, bound` per line; `#` begins a comment.
fn read(text: &str) -> anyhow::Result<Vec<(String, f64)>> {
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, bound) = line.rsplit_once(' ').unwrap_or((line, ""));
            let bound = bound.parse().with_context(|| format!("bounds: {line:?} has no number"))?;
            Ok((name.trim().to_owned(), bound))
        })
        .collect()
}

fn judge(counted: &[Count], bounds: &[(String, f64)]) -> (String, Vec<String>) {
    let mut table = Table::new(&["per request", "counted", "at most", "made of"]);
    let mut grown = Vec::new();
    for Count { name, value, parts } in counted {
        let bound = bounds.iter().find(|(of, _)| of == name).map(|(_, bound)| *bound);
        let shown = bound.map(figure).unwrap_or_default();
        table.rows.push(vec![name.clone(), figure(*value), shown, parts.clone()]);
        match bound {
            Some(bound) if *value <= bound => {}
            Some(bound) => {
                let mut text = format!("{name}: {}, at most {}", figure(*value), figure(bound));
                if !parts.is_empty() {
                    _ = write!(text, " ({parts})");
                }
                grown.push(text);
            }
            None => grown.push(format!("{name}: {}, and there is no bound", figure(*value))),
        }
    }
    let uncounted = bounds.iter().filter(|(name, _)| !counted.iter().any(|one| one.name == *name));
    grown.extend(
        uncounted.map(|(name, _)| format!("{name}: there is a bound, and nothing is counted")),
    );
    (table.markdown(), grown)
}

/// Counts, shows the table, and fails if something costs more than it may.
///
/// # Errors
///
/// As [`count`], and if something has grown.
#[expect(clippy::print_stdout, reason = "figures are what it is for")]
pub fn check(options: &ArgMatches, interrupt: &Interrupt) -> anyhow::Result<()> {
    let (table, grown) = count(options, interrupt)?;
    print!("# What one request costs\n\nWritten by `monoceros-bench count`.\n\n{table}");
    if !grown.is_empty() {
        bail!("more than it may be (bench/src/count/bounds.txt):\n  {}", grown.join("\n  "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(name: &str, value: f64) -> Count {
        Count { name: name.to_owned(), value, parts: "read 5".to_owned() }
    }

    #[test]
    fn whoever_costs_more_is_named() {
        let bounds = read("# calls\nwarm worker 4.1\nhello instructions 20000\n").unwrap();
        let fine = [counted("warm worker", 4.05), counted("hello instructions", 20_000.0)];
        assert_eq!(judge(&fine, &bounds).1, Vec::<String>::new());
        let dear = [counted("warm worker", 5.0), counted("hello instructions", 1.0)];
        assert_eq!(judge(&dear, &bounds).1, ["warm worker: 5, at most 4.1 (read 5)"]);
    }

    #[test]
    fn bounds_and_counts_go_together() {
        let bounds = read("warm worker 4.1\nold worker 1").unwrap();
        let grown = judge(&[counted("warm worker", 4.0), counted("new worker", 1.0)], &bounds).1;
        assert_eq!(grown.len(), 2, "{grown:?}");
        assert!(read("warm worker").is_err());
    }

    #[test]
    fn processes_are_found_in_a_log() {
        let log = "x INFO manager pid=7 ready to read\nx INFO manager pid=7 born worker=1 pid=12\n";
        assert_eq!(pids(log, " born worker="), [12]);
        assert_eq!(pids(log, " ready to read"), [7]);
    }

    #[test]
    fn built_in_bounds_can_be_read() {
        assert!(read(include_str!("bounds.txt")).is_ok_and(|bounds| bounds.len() == 14));
    }
}

//! System calls per request, of the manager and of a worker, as strace sees them.
//!
//! The server runs under strace from its first moment, so that nobody has to be attached to. The phases
//! of the workload are told apart by the clock, which strace writes before every line; processes by
//! what the server's log says of them.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;

use super::Counting;
use super::client::Clients;
use crate::compare::scenarios::App;
use crate::pause;

/// Clients that ask together, so that the worker always finds one that waits.
const TOGETHER: usize = 32;

/// Requests of one phase.
const REQUESTS: usize = 320;

/// What a phase is.
struct Phase {
    /// Its name in the table of bounds.
    name: &'static str,
    /// How many ask together. One alone waits before it asks, until everybody sleeps.
    together: usize,
    /// Requests of a connection: 0 is every one of them.
    kept: bool,
    close: bool,
}

const PHASES: [Phase; 6] = [
    Phase { name: "warm", together: TOGETHER, kept: true, close: false },
    Phase { name: "warm-asleep", together: 1, kept: true, close: false },
    Phase { name: "first", together: TOGETHER, kept: false, close: false },
    Phase { name: "first-asleep", together: 1, kept: false, close: false },
    Phase { name: "fresh", together: TOGETHER, kept: false, close: true },
    Phase { name: "fresh-asleep", together: 1, kept: false, close: true },
];

/// Calls of a process per request, by name.
pub(crate) type Calls = BTreeMap<String, f64>;

/// One phase: its name, who made the calls, and which.
pub(crate) type Counted = (&'static str, &'static str, Calls);

/// Runs all phases, and counts.
///
/// # Errors
///
/// If strace is missing, or a request fails.
pub(crate) fn count(counting: &Counting) -> anyhow::Result<Vec<Counted>> {
    let trace = counting.folder.join("trace");
    let before = format!("strace -D -f -ttt -s 0 -o {}", trace.display());
    let mut phases = Vec::new();
    let log = {
        let started = counting.start(&before, App::Hello)?;
        for phase in &PHASES {
            phases.push((phase, run(started.address, phase).context(phase.name)?));
        }
        counting.log()?
    };
    let text = fs::read_to_string(&trace).context("reading what strace wrote")?;
    let pid = |of: &str| super::pids(&log, of).first().copied().context("the log has no such line");
    let (manager, worker) = (pid(" ready to read")?, pid(" born worker=")?);
    let mut counted = Vec::new();
    for (phase, [from, to]) in phases {
        for (who, pid) in [("manager", manager), ("worker", worker)] {
            let mut calls = Calls::new();
            for name in lines(&text, pid, [from, to]) {
                *calls.entry(name.to_owned()).or_default() += 1.0 / REQUESTS as f64;
            }
            counted.push((phase.name, who, calls));
        }
    }
    Ok(counted)
}

/// Makes the requests of a phase; gives when it began and ended, in seconds since 1970.
fn run(address: std::net::SocketAddr, phase: &Phase) -> anyhow::Result<[f64; 2]> {
    let connect = || Clients::connect(address, phase.together, phase.close);
    let settle = || pause(Duration::from_millis(100));
    let think = || pause(Duration::from_millis(if phase.together == 1 { 3 } else { 0 }));
    let mut kept = connect()?;
    if phase.kept {
        // The first one of each connection is another phase.
        kept.ask()?;
        kept.ask()?;
    }
    settle()?;
    let from = now()?;
    for _ in 0..REQUESTS / phase.together {
        think()?;
        if phase.kept {
            kept.ask()?;
        } else {
            connect()?.ask()?;
        }
    }
    settle()?;
    let to = now()?;
    drop(kept);
    settle()?;
    Ok([from, to])
}

fn now() -> anyhow::Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64())
}

/// The names of the calls that a process began in between.
fn lines(trace: &str, pid: u32, [from, to]: [f64; 2]) -> impl Iterator<Item = &str> {
    trace.lines().filter_map(move |line| {
        let (number, rest) = line.trim_start().split_once(' ')?;
        let (time, call) = rest.trim_start().split_once(' ')?;
        let time: f64 = time.parse().ok()?;
        // What is resumed has begun on a line of its own; signals and ends are no calls.
        let (name, _) = call.split_once('(')?;
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let ours = number.parse() == Ok(pid) && time >= from && time < to;
        (ours && is_name).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_where_they_begin() {
        let trace = "\
7  10.1 read(3, \"\"..., 9) = 9
8  10.2 read(3, \"\"..., 9) = 9
7  10.3 recvmsg(13,  <unfinished ...>
7  10.4 <... recvmsg resumed>{msg_name=0x7f}) = 1
7  10.5 --- SIGTERM {si_signo=SIGTERM} ---
7  11.0 close(3)        = 0
7  11.1 +++ exited with 0 +++
";
        let names: Vec<_> = lines(trace, 7, [10.0, 11.0]).collect();
        assert_eq!(names, ["read", "recvmsg"]);
    }
}

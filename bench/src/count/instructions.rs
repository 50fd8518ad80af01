//! Instructions per request of a worker that is warm, as callgrind counts them.
//!
//! One server, two workers after each other, the second with many more requests than the first: what
//! the second needs more, shared by the requests that it has more, is one request. What is done once
//! per worker, and what the supervisor had done before it forked, is in both.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::Counting;
use super::client::Clients;
use crate::compare::scenarios::App;
use crate::pause;

/// Connections of each worker's clients.
const CONNECTIONS: usize = 8;

/// Requests on each of them, for the first worker and for the second.
const ROUNDS: [usize; 2] = [10, 135];

/// Instructions of one request to `app`.
///
/// # Errors
///
/// If valgrind is missing, or a request fails.
pub(crate) fn count(counting: &Counting, app: App) -> anyhow::Result<f64> {
    let out = counting.folder.join(format!("callgrind-{}", app.file()));
    let before = format!(
        "env PERL_HASH_SEED=0 valgrind -q --tool=callgrind --vgdb=no --trace-children=yes --callgrind-out-file={}.%p",
        out.display()
    );
    let log = {
        let started = counting.start(&before, app)?;
        work(started.address, ROUNDS[0])?;
        let first = workers(counting)?;
        let first = first.first().copied().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        kill_process(first.context("the log names no worker")?, Signal::TERM)?;
        until_born(counting)?;
        work(started.address, ROUNDS[1])?;
        workers(counting)?
    };
    ensure!(log.len() == 2, "there were {} workers and not two", log.len());
    let total = |pid: u32| {
        let file = format!("{}.{pid}", out.display());
        let text = fs::read_to_string(&file).with_context(|| format!("reading {file}"))?;
        summary(&text).with_context(|| format!("{file} has no sum"))
    };
    let more = total(log[1])? - total(log[0])?;
    let requests = (ROUNDS[1] - ROUNDS[0]) * CONNECTIONS;
    Ok(more / requests as f64)
}

fn work(address: std::net::SocketAddr, rounds: usize) -> anyhow::Result<()> {
    let mut clients = Clients::connect(address, CONNECTIONS, false)?;
    (0..rounds).try_for_each(|_| clients.ask())
}

fn workers(counting: &Counting) -> anyhow::Result<Vec<u32>> {
    Ok(super::pids(&counting.log()?, " born worker="))
}

/// Waits for the successor, so that no request of its is served by the first.
fn until_born(counting: &Counting) -> anyhow::Result<()> {
    let until = Instant::now() + super::PATIENCE;
    while Instant::now() < until {
        if workers(counting)?.len() == 2 {
            return Ok(());
        }
        counting.interrupt.check()?;
        pause(Duration::from_millis(10))?;
    }
    anyhow::bail!("the worker that was sent away has no successor")
}

/// The sum of a file of callgrind's.
fn summary(text: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix("summary: "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_found() {
        assert_eq!(summary("version: 1\nsummary: 314455821\ntotals: 1\n"), Some(314_455_821.0));
        assert_eq!(summary("fn=(1)\n"), None);
    }
}

//! Millions of requests of mixed kinds, and whether the server grows by them.
//!
//! Before each time that it is weighed, all clients finish and leave, and the server is given time to
//! close what is theirs: then what it has more than before, it has lost.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::deeds::{Deed, all};
use crate::mixed::Mixed;
use crate::tree::{Process, weigh};

/// How long a server may take to come to rest: longer than it lingers, and than a stalled answer may
/// take (two windows of 20 s).
const REST: Duration = Duration::from_secs(50);

/// At rest are descriptors whose number has not changed for so long.
const STILL: Duration = Duration::from_secs(3);

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub struct SoakPlan {
    /// The server.
    pub address: SocketAddr,
    /// Its supervisor.
    pub server: u32,
    /// Clients at a time.
    pub clients: usize,
    /// Requests in all.
    pub requests: u64,
    /// After how many hundredths of them the server is weighed, at rest; the last is 100.
    pub samples: &'static [u64],
}

/// The server at rest, after so many requests.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Requests made by then.
    pub requests: u64,
    /// Each of its processes.
    pub processes: Vec<Process>,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct SoakReport {
    /// As the plan wanted them.
    pub samples: Vec<Sample>,
    /// Requests that were made.
    pub requests: u64,
    /// What was not as it should have been, and how often.
    pub unexpected: BTreeMap<String, u64>,
    /// How long the run was, without its rests.
    pub elapsed: Duration,
}

impl SoakReport {
    /// By how much each process has grown from the first sample to the last: its number, KiB of
    /// resident memory without that of files, and descriptors. A worker that had served less than others by the first
    /// sample may become as large as the largest of them was.
    pub fn growth(&self) -> Vec<(u32, i64, i64)> {
        let (Some(first), Some(last)) = (self.samples.first(), self.samples.last()) else {
            return Vec::new();
        };
        let grown = |before: u64, after: u64| after.cast_signed() - before.cast_signed();
        let workers = first.processes.iter().filter(|process| process.worker);
        let largest = workers.map(|worker| worker.own).max();
        let of = |after: &Process| {
            let before = first.processes.iter().find(|before| before.pid == after.pid)?;
            let descriptors = |process: &Process| u64::try_from(process.descriptors).ok();
            let more = grown(descriptors(before)?, descriptors(after)?);
            let warm = largest.filter(|_| after.worker).unwrap_or(before.own);
            Some((after.pid, grown(warm, after.own), more))
        };
        last.processes.iter().filter_map(of).collect()
    }

    /// Whether the same processes live as at the first sample.
    pub fn all_live(&self) -> bool {
        let pids = |sample: &Sample| sample.processes.iter().map(|p| p.pid).collect::<Vec<_>>();
        let mut all = self.samples.iter().map(pids);
        let first = all.next();
        all.all(|pids| Some(&pids) == first.as_ref())
    }
}

impl fmt::Display for SoakReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (requests, seconds) = (self.requests, self.elapsed.as_secs_f64());
        writeln!(f, "{requests} requests in {seconds:.1} s")?;
        for sample in &self.samples {
            write!(f, "after {:>8}:", sample.requests)?;
            for process in &sample.processes {
                let Process { pid, rss, own, descriptors, .. } = process;
                write!(f, "  {pid}: {rss} KiB ({own} without files) {descriptors} fds")?;
            }
            writeln!(f)?;
        }
        for (pid, memory, descriptors) in self.growth() {
            writeln!(f, "process {pid} has grown by {memory} KiB and {descriptors} descriptors")?;
        }
        let unexpected = self.unexpected.iter();
        unexpected
            .map(|(what, count)| (count, what))
            .try_for_each(|(count, what)| writeln!(f, "unexpected: {count} x {what}"))
    }
}

/// Runs a plan to its end.
///
/// # Errors
///
/// If the system refuses descriptors or sockets. What the server does is in the report.
pub fn soak(plan: &SoakPlan) -> anyhow::Result<SoakReport> {
    let deeds: Vec<Deed> = all();
    let mut mixed = Mixed::new(plan.address, &deeds, plan.clients)?;
    let mut report = SoakReport::default();
    for hundredths in plan.samples {
        let begun = Instant::now();
        mixed.run(plan.requests * hundredths / 100)?;
        report.elapsed += begun.elapsed();
        rest(plan)?;
        let processes = weigh(plan.server);
        report.samples.push(Sample { requests: mixed.requests(), processes });
    }
    report.requests = mixed.requests();
    report.unexpected = mixed.unexpected();
    Ok(report)
}

/// Waits until the server's descriptors have stopped changing. Whoever comes and goes meanwhile wakes its
/// manager, which closes its copies of what is over only when it is awake.
fn rest(plan: &SoakPlan) -> anyhow::Result<()> {
    let deadline = Instant::now() + REST;
    let count = || weigh(plan.server).iter().map(|process| process.descriptors).sum::<usize>();
    let (mut last, mut since) = (count(), Instant::now());
    while since.elapsed() < STILL && Instant::now() < deadline {
        drop(TcpStream::connect(plan.address)?);
        crate::pause(Duration::from_millis(200))?;
        let now = count();
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(processes: &[(u32, bool, u64)]) -> Sample {
        let weighed =
            |&(pid, worker, own)| Process { pid, worker, rss: own, own, pss: own, descriptors: 9 };
        Sample { requests: 0, processes: processes.iter().map(weighed).collect() }
    }

    #[test]
    fn a_worker_may_become_as_large_as_another_was_and_a_manager_may_not() {
        let first = sample(&[(1, false, 500), (2, true, 9_000), (3, true, 4_000)]);
        let last = sample(&[(1, false, 501), (2, true, 9_002), (3, true, 9_001)]);
        let report = SoakReport { samples: vec![first, last], ..SoakReport::default() };
        assert_eq!(report.growth(), [(1, 1, 0), (2, 2, 0), (3, 1, 0)]);
    }
}

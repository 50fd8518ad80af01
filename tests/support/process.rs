//! Processes: the tree under a supervisor, signals, and waiting for an end.
//!
//! A process is waited for through a pidfd, so a number that is used again is never mistaken for it.

use std::collections::BTreeSet;
use std::fs;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{PidfdFlags, kill_process, pidfd_open};

use super::DEADLINE;
pub(crate) use rustix::process::{Pid, Signal};

/// Some processes and their pidfds, taken while they lived.
pub(crate) struct Tree(Vec<(Pid, OwnedFd)>);

impl Tree {
    /// `root` and all its descendants, as they are now. Who ends meanwhile is left out.
    pub(crate) fn of(root: Pid) -> Self {
        let pairs = parents();
        let mut pids = BTreeSet::from([root.as_raw_nonzero().get()]);
        loop {
            let before = pids.len();
            pids.extend(
                pairs
                    .iter()
                    .filter(|(_, up)| pids.contains(up))
                    .map(|(pid, _)| *pid)
                    .collect::<Vec<_>>(),
            );
            if pids.len() == before {
                break;
            }
        }
        let open = |pid| Some((pid, pidfd_open(pid, PidfdFlags::empty()).ok()?));
        Self(pids.into_iter().filter_map(Pid::from_raw).filter_map(open).collect())
    }

    /// One process.
    pub(crate) fn one(pid: Pid) -> Self {
        let fd = pidfd_open(pid, PidfdFlags::empty()).expect("the process lives");
        Self(vec![(pid, fd)])
    }

    /// Everybody's number.
    pub(crate) fn pids(&self) -> Vec<Pid> {
        self.0.iter().map(|(pid, _)| *pid).collect()
    }

    /// Who is still there after [`DEADLINE`].
    pub(crate) fn survivors(&self) -> Vec<Pid> {
        let deadline = Instant::now() + DEADLINE;
        self.0.iter().filter(|(_, fd)| !ended(fd, deadline)).map(|(pid, _)| *pid).collect()
    }
}

/// Sends a signal. A process that is gone already is no failure here: what follows will tell.
pub(crate) fn signal(pid: Pid, signal: Signal) {
    _ = kill_process(pid, signal);
}

/// Ends a process at once.
pub(crate) fn kill(pid: Pid) {
    signal(pid, Signal::KILL);
}

/// Waits until the process behind a pidfd has ended; `false` at the deadline.
pub(crate) fn ended(fd: &OwnedFd, deadline: Instant) -> bool {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).expect("a deadline of this century");
        let mut fds = [PollFd::new(fd, PollFlags::IN)];
        match poll(&mut fds, Some(&left)) {
            Ok(0) => return false,
            Ok(_) => return true,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("polling a pidfd: {error}"),
        }
    }
}

/// Proportional memory of a process, in KiB: what it shares counts by its share. Pages of files are left
/// out, because their share changes whenever another test begins or ends a server of the same program.
pub(crate) fn pss(pid: Pid) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", pid.as_raw_nonzero()));
    let text = text.unwrap_or_default();
    let ours = |line: &&str| line.starts_with("Pss_Anon:") || line.starts_with("Pss_Shmem:");
    let number = |line: &str| line.split_whitespace().nth(1)?.parse::<u64>().ok();
    text.lines().filter(ours).filter_map(number).sum()
}

/// Every process and its parent. A zombie is nobody.
fn parents() -> Vec<(i32, i32)> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let pair = |name: &str| {
        let pid = name.parse().ok()?;
        let stat = fs::read_to_string(format!("/proc/{name}/stat")).ok()?;
        // The name of a program may hold anything, spaces and parentheses too: start behind its end.
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        let state = fields.next()?;
        (state != "Z").then_some((pid, fields.next()?.parse().ok()?))
    };
    entries.filter_map(|entry| pair(entry.file_name().to_str()?)).collect()
}

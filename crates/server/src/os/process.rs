//! Processes: forking, dying with the parent, scheduling, and the limit of descriptors.
//!
//! Forking is safe to offer because these processes have one thread: in the child everything is as
//! the parent left it. The price is that whoever calls [`fork`] must be single-threaded, which
//! [`has_one_thread`] can assert.
//!
//! Not here: waiting for children and sending signals, for which `rustix` needs no help.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::available_parallelism;

use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, getppid, getrlimit, pidfd_open,
    set_parent_process_death_signal, setrlimit,
};
use rustix::thread::sched_getaffinity;

use super::signal;

/// Forks. `Some(pid)` in the parent, `None` in the child.
///
/// # Errors
///
/// The kernel refused: too many processes, or no memory.
pub fn fork() -> io::Result<Option<i32>> {
    // SAFETY: fork takes no pointers. The child of a process with several threads could wait for
    // ever on a lock that another thread held; the supervisor has one thread, and tests that call
    // this run in a process of their own.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        pid => Ok(Some(pid)),
    }
}

/// How many processes can compute at the same time: as many as there are processors for them, and one more beneath a
/// quota (cgroups): what the standard library says of it is rounded down.
pub fn at_once() -> usize {
    let whole = available_parallelism().map_or(1, usize::from);
    let processors = sched_getaffinity(None).map_or(0, |set| set.count());
    at_once_of(whole, usize::try_from(processors).unwrap_or(0))
}

/// Whoever has fewer whole processors than it may run on has a quota.
fn at_once_of(whole: usize, processors: usize) -> usize {
    whole + usize::from(processors > whole)
}

/// Forks a process that has nothing of this one but what it is `given`, and returns its pid. Of all
/// descriptors only the standard ones stay open there, and those that `kept` names. It runs `run`
/// and then leaves with its answer; a panic there makes that 70.
///
/// In it every signal has its default disposition and all are blocked, so that only KILL (and the
/// kernel's own SEGV, BUS, ILL, FPE) ends it; and KILL comes when this process dies.
///
/// # Errors
///
/// The kernel refused to fork.
pub fn fork_apart<T>(
    given: T,
    kept: impl FnOnce(&T) -> Vec<BorrowedFd<'_>>,
    run: impl FnOnce(T) -> i32,
) -> io::Result<i32> {
    let parent = this();
    // Before the fork: no handler of this process may run in the new one.
    let before = signal::block_all();
    let forked = fork();
    if let Ok(None) = forked {
        signal::all_to_default();
        die_with(parent);
        close_all_but(&kept(&given));
        // The frames above are the parent's: neither a return nor an unwind may reach them.
        leave(catch_unwind(AssertUnwindSafe(|| run(given))).unwrap_or(70));
    }
    signal::restore(&before);
    forked.map(|pid| pid.unwrap_or(0))
}

/// Closes every descriptor above 2 that is not in `kept`.
///
/// Private, because whoever owned the others is left with numbers that mean nothing: it is for a
/// process that never returns to the frames that own them.
fn close_all_but(kept: &[BorrowedFd<'_>]) {
    let mut numbers: Vec<u32> =
        kept.iter().filter_map(|fd| u32::try_from(raw(fd)).ok()).filter(|&n| n > 2).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut first = 3;
    for number in numbers.into_iter().chain([u32::MAX]) {
        if first < number {
            // SAFETY: no memory is touched. The descriptors closed are owned by frames of the
            // parent's that `fork_apart` never returns to, so nobody here uses or closes them.
            unsafe { libc::close_range(first, number - 1, 0) };
        }
        first = number.saturating_add(1);
    }
}

#[expect(clippy::disallowed_methods, reason = "the number is only compared, to spare it")]
fn raw(fd: &BorrowedFd<'_>) -> i32 {
    fd.as_fd().as_raw_fd()
}

/// Ends this process at once: no destructor runs, no buffer is flushed.
pub fn leave(status: i32) -> ! {
    // SAFETY: _exit takes no pointers and does not return.
    unsafe { libc::_exit(status) }
}

/// This process.
pub fn this() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

/// From now on the kernel kills this process when `parent` dies; if it has died already, this
/// process leaves here and now.
///
/// Called in a child, after it has dropped privileges (that clears the order).
pub fn die_with(parent: i32) {
    // It cannot fail for a valid signal; if it did, the lifeline still ends this process.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    // After the order, not before: in between the parent could die unnoticed.
    if getppid().map(Pid::as_raw_pid) != Some(parent) {
        leave(1);
    }
}

/// Puts this process under `SCHED_BATCH`, but not the children it will have.
///
/// # Errors
///
/// The kernel refused (a sandbox may): the process goes on as it was.
pub fn sched_batch() -> io::Result<()> {
    let param = libc::sched_param { sched_priority: 0 };
    // SAFETY: the kernel reads `param`, which lives across the call, and keeps no pointer to it.
    let done = unsafe {
        libc::sched_setscheduler(0, libc::SCHED_BATCH | libc::SCHED_RESET_ON_FORK, &raw const param)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Raises the soft limit of open descriptors to the hard one, and returns what it is now.
///
/// # Errors
///
/// The kernel refused: the limit is as it was.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    }
    Ok(maximum.unwrap_or(u64::MAX))
}

/// The hard limit of open descriptors, which [`raise_descriptor_limit`] would make the soft one.
pub fn descriptor_limit() -> u64 {
    getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX)
}

/// A child of this process, as a descriptor that its children may copy the child's descriptors with
/// (pidfd_getfd(2)). `None` beneath a filter of system calls.
pub fn to_copy_from(child: i32) -> Option<OwnedFd> {
    let pid = Pid::from_raw(child).filter(|_| is_unfiltered())?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// Whether no filter of system calls is above this process, which may kill who asks for a rare one. `false`
/// also where `/proc` does not tell.
pub fn is_unfiltered() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line == "Seccomp:\t0")
}

/// Whether this process has one thread, as far as `/proc` tells.
pub fn has_one_thread() -> bool {
    std::fs::read_dir("/proc/self/task").map_or(true, |tasks| tasks.count() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_counts_as_one_more() {
        assert_eq!(at_once_of(2, 2), 2);
        assert_eq!(at_once_of(2, 64), 3, "of 2.5 processors");
        assert_eq!(at_once_of(2, 0), 2, "the kernel has more than can be asked for");
        assert!(at_once() >= 1);
    }
}

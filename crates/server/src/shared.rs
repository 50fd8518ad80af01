//! The shared things of one generation: made by its supervisor before it forks, inherited by all.
//!
//! The connection table, the ready list and the job socket; beside them a few flags, the scoreboard,
//! the lifeline's read end, and an eventfd that wakes a worker for nothing.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};

use rustix::event::{EventfdFlags, eventfd};

use crate::arrivals::Arrivals;
use crate::channel::over::Over;
use crate::channel::socket;
use crate::os::process;
use crate::os::shared::{Pages, zeroable};
use crate::ready::ReadyList;
use crate::rounds::Rounds;
use crate::scoreboard::Scoreboard;
use crate::table::Table;
use crate::tally::Tally;

/// Bytes of send buffer asked for the job socket: the kernel holds a few jobs, the manager the rest.
const JOB_ROOM: usize = 4 << 20;

/// Numbers that all processes look at.
#[derive(Debug)]
pub struct Flags {
    spooled_in_memory: AtomicU64,
    spooled_on_disk: AtomicU64,
    jobs: AtomicU32,
    phase: AtomicU32,
    reopen: AtomicU32,
    copies_refused: AtomicU32,
}

zeroable!(Flags {
    spooled_in_memory: AtomicU64,
    spooled_on_disk: AtomicU64,
    jobs: AtomicU32,
    phase: AtomicU32,
    reopen: AtomicU32,
    copies_refused: AtomicU32,
});

/// What a generation is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Serving.
    Running,
    /// Answers say `Connection: close`; running requests are finished.
    Stopping,
    /// The manager has drained, or is dead: workers finish what they have, and leave.
    Over,
}

impl Flags {
    /// A job is about to be sent. The count is a hint: deaths may leave it wrong, claims mend it.
    pub fn job_sent(&self) {
        self.jobs.fetch_add(1, AcqRel);
    }

    /// A job was taken, or could not be sent after all.
    pub fn job_taken(&self) {
        // An error is a count of zero already.
        let _ = self.jobs.fetch_update(AcqRel, Acquire, |n| n.checked_sub(1));
    }

    /// There was no job, though the count was this: unless one was sent meanwhile, there is none.
    pub fn no_jobs(&self, count: u32) {
        // An error is a newer count.
        let _ = self.jobs.compare_exchange(count, 0, AcqRel, Acquire);
    }

    /// How many jobs wait.
    pub fn jobs(&self) -> u32 {
        self.jobs.load(Acquire)
    }

    /// Says how many bytes the manager holds in spools, in memory and on disk. The manager only.
    pub fn set_spooled(&self, memory: u64, disk: u64) {
        self.spooled_in_memory.store(memory, Release);
        self.spooled_on_disk.store(disk, Release);
    }

    /// How many bytes the manager holds in spools, in memory and on disk.
    pub fn spooled(&self) -> (u64, u64) {
        (self.spooled_in_memory.load(Acquire), self.spooled_on_disk.load(Acquire))
    }

    /// What the generation is about to do.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Acquire) {
            0 => Phase::Running,
            1 => Phase::Stopping,
            _ => Phase::Over,
        }
    }

    /// Goes on to a later phase; there is no way back.
    pub fn enter(&self, phase: Phase) {
        let number = match phase {
            Phase::Running => 0,
            Phase::Stopping => 1,
            Phase::Over => 2,
        };
        self.phase.fetch_max(number, AcqRel);
    }

    /// The kernel does not let workers copy the manager's descriptors. Returns whether that is news.
    pub fn refuse_copies(&self) -> bool {
        self.copies_refused.swap(1, AcqRel) == 0
    }

    /// Whether workers may try to.
    pub fn may_copy(&self) -> bool {
        self.copies_refused.load(Acquire) == 0
    }

    /// Asks all processes to open their log files anew.
    pub fn reopen_logs(&self) {
        self.reopen.fetch_add(1, AcqRel);
    }

    /// How often that was asked for.
    pub fn reopened(&self) -> u32 {
        self.reopen.load(Acquire)
    }
}

/// All that is shared.
#[derive(Debug)]
pub struct Shared {
    /// One row per connection.
    pub table: Table,
    /// Where idle connections are armed.
    pub ready: ReadyList,
    /// Jobs go in here.
    pub jobs_in: OwnedFd,
    /// And come out here.
    pub jobs_out: OwnedFd,
    /// End of file when the supervisor is dead.
    pub lifeline: OwnedFd,
    /// In the ready list, edge-triggered, and without a meaning.
    pub wake: OwnedFd,
    /// What each worker is doing.
    pub scoreboard: Scoreboard,
    /// What each worker has taken at once.
    pub rounds: Rounds,
    /// When what was taken last had arrived.
    pub arrivals: Arrivals,
    /// Connections that workers have ended.
    pub over: Over,
    /// The manager's process, where workers may try to copy its descriptors.
    pub manager: Option<OwnedFd>,
    /// What was refused, shed and dropped.
    pub tally: Tally,
    /// How many processes of the server can compute at the same time.
    pub at_once: usize,
    flags: Pages<Flags>,
}

impl Shared {
    /// Makes them for up to `connections` connections and `workers` worker numbers. `lifeline` is
    /// the read end of a pipe whose write end only the supervisor has.
    ///
    /// # Errors
    ///
    /// Memory or descriptors have run out.
    pub fn new(connections: u32, workers: u32, lifeline: OwnedFd) -> io::Result<Self> {
        let (jobs_in, jobs_out) = socket::pair(JOB_ROOM)?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let ready = ReadyList::new()?;
        ready.watch_common(jobs_out.as_fd(), lifeline.as_fd(), wake.as_fd())?;
        Ok(Self {
            table: Table::new(connections)?,
            ready,
            jobs_in,
            jobs_out,
            lifeline,
            wake,
            scoreboard: Scoreboard::new(workers)?,
            rounds: Rounds::new(workers)?,
            arrivals: Arrivals::new()?,
            over: Over::new(workers)?,
            manager: None,
            tally: Tally::new()?,
            // Here, because a worker's application may choose a processor for itself.
            at_once: process::at_once(),
            flags: Pages::new(1)?,
        })
    }

    /// The flags.
    pub fn flags(&self) -> &Flags {
        // The mapping was made with room for one.
        &self.flags[0]
    }

    /// Wakes one worker that sleeps on the ready list, so that a wake-up which a killed process
    /// took along is not missed.
    pub fn wake_one(&self) {
        // Full means that a wake-up is pending already.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }
}

//! Who lives and who has died, and what follows from it. Pure: facts go in with the time, decisions
//! come out, and system calls happen elsewhere.
//!
//! The supervisor reports what happened ([`Children::born`], [`Children::died`], …), then takes
//! decisions from [`Children::decide`] until there is none, and sleeps until
//! [`Children::deadline`].
//!
//! A worker number goes round: free, living, dead until the manager has *buried* it, free again.
//! There are more numbers than workers wanted, so that a replacement need not wait for a burial.
//!
//! A manager and the workers that were forked beside it are a *set*. When the manager dies, its
//! workers become leftovers, told to finish and leave, and a new set begins with all numbers free.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use self::pause::Pause;
use crate::table::WorkerId;

/// How long an application that was interrupted has to end its request, and its worker to leave.
pub const INTERRUPTED: Duration = Duration::from_secs(2);
/// From TERM to KILL when the stop is fast.
pub const FAST: Duration = Duration::from_secs(2);
/// A second TERM within this time after the first is the same one, sent to the group and passed on.
pub const SAME_TERM: Duration = Duration::from_secs(1);
/// The longest time between telling all workers to leave and killing them, when a graceful stop
/// takes too long; at most a quarter of its patience.
pub const LAST_CALL: Duration = Duration::from_secs(1);
/// The longest pause after failed births.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The intervals that an operator chooses.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Pause between births when workers are recycled.
    pub spawn_interval: Duration,
    /// Pause after a failed birth; doubles up to [`LONGEST_PAUSE`].
    pub err_respawn_interval: Duration,
    /// From a graceful stop to KILL.
    pub graceful_timeout: Duration,
}

/// What the supervisor is to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Begin a set: new shared things, and a manager. Answer with [`Children::manager_born`].
    Begin,
    /// Fork this worker. Answer with [`Children::born`] or [`Children::not_born`].
    Spawn(WorkerId),
    /// Tell the manager to stop gracefully.
    TellStop,
    /// Tell the manager to break off everything.
    TellFast,
    /// Tell the manager that this worker has died.
    TellDied(WorkerId),
    /// Tell this process to leave when it has finished what it does.
    Term(i32),
    /// Interrupt what this worker's application does: its request has taken too long.
    Interrupt(i32),
    /// Kill this process: it has not left in time.
    Kill(i32),
    /// Kill this manager, whom nobody needs any more: it holds nothing.
    EndManager(i32),
    /// Nothing is left: end with this status.
    Over(i32),
}

/// Whose death it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The manager of the present set.
    Manager,
    /// A worker; whether it had ever been ready.
    Worker(WorkerId, bool),
    /// A worker of a set whose manager died earlier.
    Leftover,
    /// Nobody that we forked: a grandchild without a parent, or a child of the application's loading.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Starting,
    Ready,
    Leaving,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Free,
    Living { pid: i32, stage: Stage },
    Dead,
}

#[derive(Debug, Clone, Copy)]
enum Manager {
    /// `proven`: one of its workers has been ready. `ended`: it was killed.
    Living {
        pid: i32,
        proven: bool,
        ended: bool,
    },
    Missing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// Since when; when all workers are told to leave, unless they were; and from when on all are
    /// killed.
    Stopping {
        since: Instant,
        last_call: Option<Instant>,
        until: Instant,
    },
    Fast {
        until: Instant,
    },
}

/// One recycling of a worker: its replacement is ready first, where numbers allow.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Replacing(i32),
    Leaving { pid: i32, until: Instant },
}

/// The table.
#[derive(Debug)]
pub struct Children {
    policy: Policy,
    wanted: usize,
    numbers: Vec<Number>,
    manager: Manager,
    manager_pause: Pause,
    birth_pause: Pause,
    /// No births until then: a worker has lived in vain.
    vain_until: Option<Instant>,
    /// Those who were interrupted, and when they are killed.
    interrupted: Vec<(i32, Instant)>,
    leftovers: Vec<(i32, Option<Instant>)>,
    recycle: VecDeque<i32>,
    turn: Option<Turn>,
    next_turn: Option<Instant>,
    /// The server stops slowly: when the next worker is one too many.
    fewer_at: Option<Instant>,
    phase: Phase,
    drained: bool,
    killed: bool,
    was_ready: bool,
    status: i32,
    out: VecDeque<Decision>,
}

impl Children {
    /// A table that wants `wanted` workers and gives them numbers below `numbers`, which should be
    /// larger. The first decision is [`Decision::Begin`].
    pub fn new(wanted: u32, numbers: u32, policy: Policy) -> Self {
        let size = |n| usize::try_from(n).unwrap_or(usize::MAX);
        Self {
            policy,
            wanted: size(wanted).max(1),
            numbers: vec![Number::Free; size(numbers.max(wanted)).max(1)],
            manager: Manager::Missing,
            manager_pause: Pause::default(),
            birth_pause: Pause::default(),
            vain_until: None,
            interrupted: Vec::new(),
            leftovers: Vec::new(),
            recycle: VecDeque::new(),
            turn: None,
            next_turn: None,
            fewer_at: None,
            phase: Phase::Running,
            drained: false,
            killed: false,
            was_ready: false,
            status: 0,
            out: VecDeque::new(),
        }
    }

    /// A set has begun: its manager is this process.
    pub fn manager_born(&mut self, pid: i32) {
        self.numbers.fill(Number::Free);
        self.manager = Manager::Living { pid, proven: false, ended: false };
    }

    /// A set could not begin: the kernel refused.
    pub fn manager_not_born(&mut self, now: Instant) {
        self.manager_pause.fail(self.policy.err_respawn_interval, now);
    }

    /// This worker was forked.
    pub fn born(&mut self, worker: WorkerId, pid: i32) {
        self.put(worker, Number::Living { pid, stage: Stage::Starting });
    }

    /// This worker could not be forked.
    pub fn not_born(&mut self, worker: WorkerId, now: Instant) {
        self.put(worker, Number::Free);
        self.birth_pause.fail(self.policy.err_respawn_interval, now);
    }

    /// The manager says that this worker can serve. `true`: it is the first that ever could.
    pub fn ready(&mut self, worker: WorkerId) -> bool {
        self.birth_pause.succeed();
        self.manager_pause.succeed();
        if let Manager::Living { proven, .. } = &mut self.manager {
            *proven = true;
        }
        if let Some(Number::Living { stage: stage @ Stage::Starting, .. }) = self.number(worker) {
            *stage = Stage::Ready;
        }
        !std::mem::replace(&mut self.was_ready, true)
    }

    /// The manager has dealt with what this dead worker left behind.
    pub fn buried(&mut self, worker: WorkerId) {
        if let Some(number @ Number::Dead) = self.number(worker) {
            *number = Number::Free;
        }
    }

    /// The manager has no connection left: workers may leave.
    pub fn drained(&mut self) {
        if self.phase != Phase::Running && !self.drained {
            self.drained = true;
            self.all_leave();
        }
    }

    /// This process was reaped. `was_ready`: what the scoreboard says of a worker, which knows it
    /// earlier than the manager's report does.
    pub fn died(
        &mut self,
        pid: i32,
        was_ready: impl FnOnce(WorkerId) -> bool,
        now: Instant,
    ) -> Who {
        self.interrupted.retain(|(other, _)| *other != pid);
        if let Manager::Living { pid: manager, proven, .. } = self.manager
            && manager == pid
        {
            self.manager_died(proven, now);
            return Who::Manager;
        }
        if let Some(at) = self.leftovers.iter().position(|(leftover, _)| *leftover == pid) {
            self.leftovers.swap_remove(at);
            return Who::Leftover;
        }
        let found = self.living().find(|(_, other, _)| *other == pid);
        let Some((worker, _, stage)) = found else {
            return Who::Unknown;
        };
        let ready = stage == Stage::Ready || was_ready(worker);
        if !ready && stage == Stage::Starting {
            self.birth_pause.fail(self.policy.err_respawn_interval, now);
        }
        self.put(worker, Number::Dead);
        self.out.push_back(Decision::TellDied(worker));
        if self.turn.is_some_and(|turn| turn.pid() == pid) {
            self.end_turn(now);
        }
        Who::Worker(worker, ready)
    }

    /// A worker that was ready has died soon, and without a request: another one may do so, too.
    pub fn lived_in_vain(&mut self, now: Instant) {
        self.vain_until = Some(now + self.policy.err_respawn_interval);
    }

    fn manager_died(&mut self, proven: bool, now: Instant) {
        self.manager = Manager::Missing;
        // Nobody is left to hear what was to be told.
        self.out.retain(|decision| matches!(decision, Decision::Term(_) | Decision::Kill(_)));
        if !proven {
            self.manager_pause.fail(self.policy.err_respawn_interval, now);
        }
        let until = match self.phase {
            Phase::Running => now + self.policy.graceful_timeout,
            Phase::Stopping { until, .. } | Phase::Fast { until } => until,
        };
        let living: Vec<_> = self.living().collect();
        for (_, pid, stage) in living {
            if stage != Stage::Leaving {
                self.out.push_back(Decision::Term(pid));
            }
            // Whoever was killed already is not killed again.
            self.leftovers.push((pid, (!self.killed).then_some(until)));
        }
        self.numbers.fill(Number::Free);
        self.recycle.clear();
        self.turn = None;
    }

    /// TERM or QUIT came.
    pub fn stop(&mut self, now: Instant) {
        match self.phase {
            Phase::Running => {
                let patience = self.policy.graceful_timeout;
                let until = now + patience;
                let last_call = Some(until - LAST_CALL.min(patience / 4));
                self.phase = Phase::Stopping { since: now, last_call, until };
                self.recycle.clear();
                self.turn = None;
                for (_, deadline) in &mut self.leftovers {
                    *deadline = deadline.map(|old| old.min(until));
                }
                match self.manager {
                    Manager::Living { .. } => self.out.push_back(Decision::TellStop),
                    Manager::Missing => self.drained(),
                }
            }
            Phase::Stopping { since, .. } if now > since + SAME_TERM => self.fast(now),
            Phase::Stopping { .. } | Phase::Fast { .. } => {}
        }
    }

    /// INT came, or TERM once more.
    pub fn fast(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Fast { .. }) {
            return;
        }
        self.phase = Phase::Fast { until: now + FAST };
        self.recycle.clear();
        self.turn = None;
        if matches!(self.manager, Manager::Living { .. }) {
            self.out.push_back(Decision::TellFast);
        }
        self.all_leave();
    }

    /// The application cannot be loaded by any worker: end with this status, unless a worker has
    /// ever been ready.
    pub fn give_up(&mut self, status: i32, now: Instant) {
        if !self.was_ready {
            self.status = status;
            self.fast(now);
        }
    }

    /// HUP came: each worker that lives now is to be replaced, one after another.
    pub fn recycle(&mut self) {
        if self.phase == Phase::Running {
            let pids: Vec<_> = self.active().map(|(_, pid, _)| pid).collect();
            let turn = self.turn.map(|turn| turn.pid());
            self.recycle = pids.into_iter().filter(|pid| Some(*pid) != turn).collect();
        }
    }
}

impl Turn {
    fn pid(self) -> i32 {
        match self {
            Self::Replacing(pid) | Self::Leaving { pid, .. } => pid,
        }
    }
}

mod decide;
mod number;
mod pause;
#[cfg(test)]
mod tests;

//! The manager: one process, one thread, one event loop. Steps 1 to 3 and 10 of a request, and the
//! recovery from deaths.
//!
//! It keeps a descriptor of every connection from accept to close and does whatever would make a
//! worker wait: reading what has not come, draining what is not taken, lingering, and deciding when
//! silence has lasted long enough. It runs no application and hosts no Perl.
//!
//! First the word, then the world: Queued, then send; Held, then touch. Nothing is closed unseen.

mod accept;
mod control;
mod desk;
mod drain;
mod expire;
mod lend;
mod linger;
mod message;
mod patience;
mod poll;
mod read;
mod recover;
mod request;
mod rounds;
mod shed;

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::OwnedFd;

use tracing::{error, info};

use self::accept::Accepting;
use self::desk::Desks;
use self::expire::Expire;
use self::poll::{Event, Poll};
use self::rounds::Looking;
use crate::access;
use crate::config::{Config, exit};
use crate::http::{Limits, date};
use crate::ledger::Ledger;
use crate::limits::limits;
use crate::listener::Listener;
use crate::log::Follower;
use crate::os::clock;
use crate::shared::{Phase, Shared};
use crate::table::{ConnId, WorkerId};

/// Bytes of one read.
const READ: usize = 64 * 1024;

/// While stopping, how often to look for connections that have become idle, in milliseconds.
const STOP_SCAN: u64 = 50;

struct Manager<'a> {
    config: &'a Config,
    limits: Limits,
    shared: &'a Shared,
    control: OwnedFd,
    listeners: Vec<Listener>,
    poll: Poll,
    accepting: Accepting,
    desks: Desks,
    expire: Expire,
    /// The manager's ends of the workers' pairs.
    workers: BTreeMap<WorkerId, OwnedFd>,
    /// Complete requests that wait for room in the job socket, in the order of their completion.
    waiting: VecDeque<ConnId>,
    /// Jobs that were sent, in that order; their bytes go when their rows are Lent.
    sent: VecDeque<ConnId>,
    /// The job socket is full.
    jobs_full: bool,
    /// When to try it again all the same: the user's descriptors on the way may be others' jobs.
    try_jobs: Option<u64>,
    /// What one read brings.
    scratch: Vec<u8>,
    /// What one message brings.
    mail: Vec<u8>,
    access: access::Log,
    /// How much of what workers say without a message has been looked at.
    over: u32,
    /// How much is spooled.
    ledger: Ledger,
    /// Milliseconds of the monotonic clock, as of this turn of the loop.
    now: u64,
    next_scan: u64,
    next_shed: u64,
    looking: Looking,
    drained_said: bool,
}

/// How a turn of the loop ended.
enum Turn {
    On,
    Leave(i32),
}

/// Runs until the supervisor has gone, and returns the exit status.
pub fn run(config: &Config, shared: &Shared, listeners: Vec<Listener>, control: OwnedFd) -> i32 {
    match Manager::new(config, shared, listeners, control) {
        Ok(mut manager) => {
            info!("ready to read");
            manager.serve()
        }
        Err(error) => {
            error!("the manager cannot begin: {error}");
            exit::FAILED
        }
    }
}

impl<'a> Manager<'a> {
    fn new(
        config: &'a Config,
        shared: &'a Shared,
        listeners: Vec<Listener>,
        control: OwnedFd,
    ) -> std::io::Result<Self> {
        let poll = Poll::new(&control, shared)?;
        Ok(Self {
            config,
            limits: limits(config),
            shared,
            control,
            listeners,
            poll,
            accepting: Accepting::NotYet,
            desks: Desks::new(shared.table.len()),
            expire: Expire::default(),
            workers: BTreeMap::new(),
            waiting: VecDeque::new(),
            sent: VecDeque::new(),
            jobs_full: false,
            try_jobs: None,
            scratch: vec![0; READ],
            mail: vec![0; crate::channel::message::MOST],
            access: access::Log::open(config.access_log.as_deref(), shared.flags().reopened()),
            over: 0,
            ledger: Ledger::default(),
            now: clock::now(),
            next_scan: 0,
            next_shed: 0,
            looking: Looking::default(),
            drained_said: false,
        })
    }

    /// The loop: the only place that asks the clock.
    fn serve(&mut self) -> i32 {
        let mut events = Vec::with_capacity(256);
        let mut log = Follower::at(self.shared.flags().reopened());
        loop {
            let until = self.next_look();
            let patience = until.map(|until| until.saturating_sub(clock::now()));
            if let Err(error) = self.poll.wait(&mut events, patience) {
                error!("the manager cannot wait: {error}");
                return exit::FAILED;
            }
            self.now = clock::now();
            log.look(self.shared.flags().reopened());
            self.close_what_is_over();
            for event in events.drain(..) {
                if let Turn::Leave(status) = self.handle(event) {
                    return status;
                }
            }
            self.expire_due();
            self.look_at_rounds();
            self.ledger.publish(self.shared.flags());
            self.lend_waiting();
            self.forget_taken();
            self.shed_idle();
            self.resume_accepting();
            if self.stopping() {
                self.end_idle();
            }
        }
    }

    fn handle(&mut self, event: Event) -> Turn {
        match event {
            Event::Control => return self.take_orders(),
            Event::Lifeline => {
                error!("the supervisor is dead");
                return Turn::Leave(exit::FAILED);
            }
            Event::JobsHaveRoom => self.jobs_full = false,
            // If more wait, the set says so again.
            Event::Listener(number) => _ = self.accept(number),
            Event::Worker(worker) => self.take_messages(worker),
            Event::Connection(id) => self.connection_ready(id),
        }
        Turn::On
    }

    /// When the loop has to wake by itself.
    fn next_look(&self) -> Option<u64> {
        let deadline = self.expire.next();
        let scan = self.stopping().then_some(self.next_scan);
        let others = [self.accepting.until(), self.next_shed(), self.try_jobs, self.looking.next()];
        [deadline, scan].into_iter().chain(others).flatten().min()
    }

    fn stopping(&self) -> bool {
        self.shared.flags().phase() != Phase::Running
    }

    /// `Date`'s text, for an answer of ours.
    fn date() -> String {
        String::from_utf8_lossy(&date::imf_fixdate(clock::unix_seconds())).into_owned()
    }
}

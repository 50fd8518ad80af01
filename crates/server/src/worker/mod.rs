//! A worker: one process, one request at a time. Steps 4 to 9 of a request, in order.
//!
//! A worker never waits for a client. It claims one thing (a job from the manager, or a connection
//! that has become readable), answers what is complete, and gives everything else away.
//!
//! Not here: forking, and what a process must do before and after ([`supervisor`](crate::supervisor)).

pub mod app;
mod aside;
mod cache;
mod claim;
mod copy;
pub mod deadline;
mod fetch;
mod forwarded;
mod idle;
mod last_resort;
mod outlet;
pub mod plain;
mod read;
mod release;
pub mod reply;
mod round;
mod serve;
mod site;
mod tiny;
mod unsent;
mod verdict;
mod wear;
mod x_sendfile;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use tracing::{debug, error, info};

use self::app::App;
use self::aside::Aside;
use self::cache::Cache;
use self::round::Round;
use self::site::Site;
use self::tiny::Tiny;
use self::wear::Wear;
use crate::channel::message::Message;
use crate::config::{Config, exit};
use crate::listener::Address;
use crate::log::{self, Follower};
use crate::os::signal::{self, Mask};
use crate::os::{clock, process};
use crate::scoreboard::State;
use crate::shared::{Phase, Shared};
use crate::steps::step;
use crate::table::{ConnId, WorkerId};

/// What a new worker is given.
#[derive(Debug)]
pub struct Birth<'a> {
    /// The decided configuration.
    pub config: &'a Config,
    /// The shared things of its generation.
    pub shared: &'a Shared,
    /// Its number.
    pub me: WorkerId,
    /// Its end of the pair that it shares with the manager.
    pub manager: OwnedFd,
    /// What the listeners are called, by number.
    pub addresses: &'a [Address],
    /// The signal mask to serve under.
    pub mask: &'a Mask,
}

/// How one turn of the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Claim the next thing.
    On,
    /// Leave with this status.
    Leave(i32),
    /// This is no worker but a child that the application forked: leave, and touch nothing.
    Vanish(i32),
}

/// Whether the connection at hand is in the ready list: if not it is armed when it is released, and if it is
/// it leaves when it is given away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listed {
    /// Not as far as this worker knows: it came with a job.
    No,
    /// An event brought it, and the list tells of whatever comes from now on.
    Yes,
    /// The same, but something may be left of which the list does not tell again, unless it is armed.
    Spent,
}

/// How often a worker closes copies of connections that are over.
const SWEEP: Duration = Duration::from_secs(1);

/// How long an idle worker without copies sleeps.
const DOZE: Duration = Duration::from_secs(60);

struct Worker<'a> {
    shared: &'a Shared,
    me: WorkerId,
    manager: OwnedFd,
    cache: Cache,
    site: Site<'a>,
    /// Standard error, as a log that may be moved away.
    log: Follower,
    /// Requests that this worker may still serve; `None`: no limit.
    budget: Option<u32>,
    wear: Wear,
    round: Round,
    tiny: Tiny,
    aside: Aside,
    listed: Listed,
    /// When the last claim brought something, in milliseconds of the monotonic clock.
    found: u64,
    /// When copies of connections that are over were closed last, on the same clock.
    swept: u64,
    /// No filter of system calls would end this worker for trying to copy a descriptor.
    copies: bool,
    /// The supervisor does not count on this worker any more: its request has taken too long.
    given_up: bool,
    /// What one read brings.
    input: Vec<u8>,
    /// What one job brings.
    job: Vec<u8>,
    /// The body of a chunked request.
    decoded: Vec<u8>,
    /// The head of an answer and what is gathered behind it.
    out: Vec<u8>,
}

/// Serves until it is told to leave, and returns the exit status.
pub fn run(birth: Birth<'_>, app: &mut dyn App) -> i32 {
    app.born(birth.me);
    signal::restore(birth.mask);
    if let Err(why) = app.load() {
        error!("the application could not be loaded: {why}");
        return exit::LOAD;
    }
    log::settle();
    let mut worker = Worker::new(birth);
    if let Err(why) = worker.announce(app) {
        return why;
    }
    let status = loop {
        if let Some(status) = worker.must_leave(app) {
            break status;
        }
        match worker.turn(app) {
            Turn::On => {}
            Turn::Leave(status) => {
                worker.state(State::Leaving);
                info!(status, "leaving");
                break status;
            }
            Turn::Vanish(status) => return status,
        }
    };
    worker.end_round();
    if worker.shared.flags().phase() == Phase::Over {
        worker.cache.shut_down();
    }
    app.leaving();
    status
}

impl<'a> Worker<'a> {
    fn new(birth: Birth<'a>) -> Self {
        let Birth { config, shared, me, manager, addresses, .. } = birth;
        let rows = usize::try_from(shared.table.len()).unwrap_or(usize::MAX);
        let chance = clock::now() ^ u64::from(std::process::id());
        let draw = |(least, most): (u32, u32)| {
            let span = u64::from(most.saturating_sub(least)) + 1;
            least + u32::try_from(scatter(chance) % span).unwrap_or(0)
        };
        Self {
            shared,
            me,
            manager,
            cache: Cache::new(rows),
            log: Follower::at(shared.flags().reopened()),
            site: Site::new(
                config,
                addresses,
                draw(config.max_readahead_reqs),
                shared.flags().reopened(),
            ),
            budget: config.requests_per_worker.map(draw),
            wear: Wear::new(config, clock::now(), scatter(!chance)),
            round: Round::default(),
            tiny: Tiny::new(),
            aside: Aside::new(shared.at_once),
            listed: Listed::No,
            found: 0,
            swept: 0,
            // Anew, for the application may have put itself beneath a filter when it was loaded.
            copies: process::is_unfiltered(),
            given_up: false,
            input: vec![0; read::MOST],
            job: vec![0; crate::channel::job::MOST],
            decoded: Vec::new(),
            out: Vec::new(),
        }
    }

    /// Tells the manager that this worker can serve.
    fn announce(&mut self, app: &mut dyn App) -> Result<(), i32> {
        self.state(State::Idle);
        info!("ready");
        match self.tell(app, &Message::Ready, None) {
            Turn::On => Ok(()),
            Turn::Leave(status) | Turn::Vanish(status) => Err(status),
        }
    }

    /// Whether it is time to leave, asked when nothing is in hand.
    fn must_leave(&mut self, app: &mut dyn App) -> Option<i32> {
        self.log.look(self.shared.flags().reopened());
        let over = self.shared.flags().phase() == Phase::Over;
        if over || self.budget == Some(0) || app.caught().leave || self.wear.is_out() {
            debug!(over, budget = self.budget, "time to leave");
            // Since it became idle: who has been so for long has not lived in vain.
            let idle = self.shared.scoreboard.read(self.me).filter(|it| it.state == State::Idle);
            let since = idle.map_or_else(clock::now, |it| it.since);
            self.shared.scoreboard.set(self.me, State::Leaving, since);
            return Some(exit::STOPPED);
        }
        None
    }

    /// Takes the connection at hand out of the ready list, before it is given away.
    fn leave_list(&self, id: ConnId) {
        if self.listed != Listed::No
            && let Some(client) = self.cache.get(id)
        {
            self.shared.ready.leave(client);
            step("leave");
        }
    }

    /// Sends a message to the manager. If it is dead, so is this generation: leave.
    fn tell(&self, app: &mut dyn App, message: &Message<'_>, file: Option<BorrowedFd<'_>>) -> Turn {
        if let Message::Partial(id, _) | Message::Drain(id, _) = message {
            self.leave_list(*id);
        }
        match fetch::tell(app, self.manager.as_fd(), message, file) {
            Ok(()) => Turn::On,
            Err(fetch::TellError::Gone(why)) => {
                info!("the manager has gone: {why}");
                Turn::Leave(exit::STOPPED)
            }
            Err(fetch::TellError::Exit(status)) => Turn::Leave(status),
        }
    }

    /// Closes copies of connections that are over, if it is time. Nothing is in hand, for there may be thousands.
    fn sweep(&mut self, now: u64) {
        if self.swept + clock::milliseconds(SWEEP) <= now {
            self.swept = now;
            self.cache.sweep(&self.shared.table);
        }
    }

    fn state(&self, state: State) {
        self.shared.scoreboard.set(self.me, state, clock::now());
    }
}

/// Spreads the bits of a number, so that near ones give far ones (SplitMix64's last step).
fn scatter(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

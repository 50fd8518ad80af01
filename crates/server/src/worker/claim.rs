//! Step 4 of a request: ask the ready list for one thing to do, and claim it.
//!
//! The answer is a job from the manager, or a connection that has become readable; or several of them,
//! while requests are tiny ([`tiny`](super::tiny), [`round`](super::round)). The list is one
//! epoll instance shared by all workers that tells of each thing once, so the kernel is the run queue: first
//! come, first served, and nothing waits behind a busy worker while another is free; or for milliseconds behind one
//! whose requests were tiny until now ([`aside`](super::aside)).
//!
//! All jobs together are one entry of the list, so beside a hundred ready connections they would get
//! one claim in a hundred: while jobs wait, a worker tries the job socket first if the next job may be
//! older than what the list has next ([`arrivals`](crate::arrivals)).
//!
//! The price: an event may be older than the row it speaks of. So it carries the row's serial, and
//! a claim is one compare-and-swap; who loses it says so beside the word, looks again, drops the event and
//! leaves the socket alone.
//!
//! Not here: the descriptor ([`cache`](super::cache)), and whether the request is complete
//! ([`super::read`]).

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use tracing::{error, info};

use super::app::{App, Claimed};
use super::fetch::{self, FetchError};
use super::read::{self, Got};
use super::{Listed, Turn, Worker};
use crate::channel::job;
use crate::channel::message::{End, Message};
use crate::config::exit;
use crate::os::{clock, usage};
use crate::ready::Event;
use crate::rounds::MOST;
use crate::scoreboard::State;
use crate::steps::step;
use crate::table::{ConnId, Owner, Row};

impl Worker<'_> {
    /// One turn: the next thing of the round; or a claim, and what it brings.
    pub(super) fn turn(&mut self, app: &mut dyn App) -> Turn {
        if let Some(bits) = self.round.next() {
            let turn = self.see_to(app, bits);
            if turn == Turn::On {
                self.go_on();
            }
            return turn;
        }
        self.look_at_ends();
        self.sweep(self.found);
        if let Some(turn) = self.stand_aside(app) {
            return turn;
        }
        let jobs = self.shared.flags().jobs();
        if jobs > 0 && self.shared.arrivals.jobs_first() {
            if let Some(turn) = self.take_job(app) {
                return turn;
            }
            self.shared.flags().no_jobs(jobs);
        }
        // Its last connection may have ended otherwise than by being armed.
        self.shared.scoreboard.wait(self.me, clock::now);
        let mut events = [0; MOST];
        let ask =
            self.tiny.ask().min(self.shared.rounds.most(self.found)).min(self.may_still_serve());
        let mut claimed = self.look(app, &mut events[..ask]);
        match claimed {
            Claimed::Events(0) => claimed = self.wait_for_work(app, &mut events),
            Claimed::Events(count) => self.tiny.claimed(count, ask, usage::of_thread),
            Claimed::Exit(_) => {}
        }
        if !matches!(claimed, Claimed::Events(0)) {
            self.note_claim();
        }
        match claimed {
            Claimed::Exit(status) => Turn::Leave(status),
            Claimed::Events(0) => Turn::On,
            Claimed::Events(1) => self.see_to(app, events[0]),
            Claimed::Events(count) => self.begin_round(app, &events[..count.min(ask)]),
        }
    }

    /// A claim has brought something.
    fn note_claim(&mut self) {
        self.found = clock::now();
        if self.tiny.is_many() {
            self.shared.rounds.take(self.me, self.found);
        }
    }

    /// Sees one event through.
    fn see_to(&mut self, app: &mut dyn App, bits: u64) -> Turn {
        match Event::from_bits(bits) {
            Event::Connection { id, ended } => {
                step("event");
                self.claim_connection(app, id, ended)
            }
            Event::Jobs => {
                self.shared.arrivals.entry(self.found);
                self.take_job(app).unwrap_or(Turn::On)
            }
            Event::Wake => Turn::On,
            Event::Lifeline => {
                error!("the supervisor is dead");
                Turn::Leave(exit::FAILED)
            }
        }
    }

    /// Requests that this worker may serve before it leaves, at least one.
    fn may_still_serve(&self) -> usize {
        self.budget.map_or(MOST, |budget| usize::try_from(budget).unwrap_or(MOST).max(1))
    }

    /// Takes a job, if there is one, and serves it if nobody has been faster.
    fn take_job(&mut self, app: &mut dyn App) -> Option<Turn> {
        let mut buffer = std::mem::take(&mut self.job);
        let turn = match job::receive(self.shared.jobs_out.as_fd(), &mut buffer) {
            Ok(taken) => {
                step("receive");
                self.shared.flags().job_taken();
                Some(self.claim_job(app, taken))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                // The job stays Queued, and the manager lends it once more: then there is room.
                error!("a job was lost on the way: {error}");
                self.shared.flags().job_taken();
                self.make_room();
                Some(Turn::On)
            }
            Err(error) => {
                info!("the manager has gone: {error}");
                Some(Turn::Leave(exit::STOPPED))
            }
        };
        self.job = buffer;
        turn
    }

    fn claim_job(&mut self, app: &mut dyn App, taken: job::Taken<'_>) -> Turn {
        let job::Taken { job, client, file } = taken;
        let shared = self.shared;
        shared.arrivals.job(job.complete);
        let Some(row) = shared.table.row(job.id.slot) else { return Turn::On };
        if !row.change(job.id.serial, Owner::Queued(job.number), Owner::lent(self.me)) {
            return Turn::On;
        }
        step("claim-job");
        self.listed = Listed::No;
        if self.cache.get(job.id).is_none() {
            self.cache.put(job.id, client);
        }
        self.serve_job(app, row, &job, file.as_ref().map(AsFd::as_fd))
    }

    fn claim_connection(&mut self, app: &mut dyn App, id: ConnId, ended: bool) -> Turn {
        let shared = self.shared;
        let Some(row) = shared.table.row(id.slot) else { return Turn::On };
        if !self.claim_row(id, row) {
            return Turn::On;
        }
        step("claim-event");
        // A read of a UNIX socket stops where the client has sent descriptors along.
        self.listed = if ended || row.peer().is_none() { Listed::Spent } else { Listed::Yes };
        if self.cache.get(id).is_none() && !self.copy(id, row) {
            match fetch::fetch(app, self.manager.as_fd(), &mut self.cache, id) {
                Ok(()) => {}
                Err(FetchError::Closed(_)) => return Turn::On,
                Err(FetchError::Exit(_, status)) => return Turn::Leave(status),
                Err(why @ FetchError::Refused(..)) => {
                    error!("{why}");
                    self.make_room();
                    return self.tell(app, &Message::Partial(id, &[]), None);
                }
                Err(why @ FetchError::Gone(..)) => {
                    info!("{why}");
                    return Turn::Leave(exit::STOPPED);
                }
            }
        }
        self.read_connection(app, id, row)
    }

    /// Watched becomes Lent to this worker. If it is lent to another one already, they may have read too early
    /// for what the event was about: they are told to have the list look again.
    fn claim_row(&mut self, id: ConnId, row: &Row) -> bool {
        let me = self.me;
        let claim = || row.change(id.serial, Owner::Watched, Owner::lent(me));
        if claim() {
            return true;
        }
        if row.owner(id.serial).is_none() {
            // It is over, so the copy is not needed any more.
            self.cache.forget(id);
            return false;
        }
        step("too-early");
        row.stir();
        step("stir");
        claim()
    }

    /// Step 6: one read.
    fn read_connection(&mut self, app: &mut dyn App, id: ConnId, row: &Row) -> Turn {
        // Under the number that it has in the ready list, from which it may have to leave.
        let Some(client) = self.cache.numbered(id) else { return Turn::On };
        let mut input = std::mem::take(&mut self.input);
        let turn = match read::once(client, &mut input, row.peer().is_some()) {
            Got::Bytes(n, age) => {
                step("read");
                if n == input.len() {
                    self.listed = Listed::Spent;
                }
                self.note_arrival(age);
                self.serve(app, id, row, input.get(..n).unwrap_or_default(), age)
            }
            Got::Nothing => {
                self.note_arrival(None);
                self.watch(app, id, row)
            }
            Got::End => {
                self.note_arrival(None);
                self.closed(app, id, End::Gone)
            }
        };
        self.input = input;
        turn
    }

    /// Something of this age came out of the ready list, which says how old its next may be.
    fn note_arrival(&self, age: Option<Duration>) {
        if self.shared.flags().jobs() > 0 {
            let arrived = age.map(|age| clock::now().saturating_sub(clock::milliseconds(age)));
            self.shared.arrivals.event(arrived);
        }
    }

    /// Closes copies, because this process can have no more descriptors. What is held back for one of them
    /// could not be pushed afterwards.
    fn make_room(&mut self) {
        self.push_held();
        self.cache.make_room();
    }

    /// Says what this worker is doing, and for whom.
    pub(super) fn serving(&self, state: State, id: ConnId, now: u64) {
        self.shared.scoreboard.serve(self.me, state, id, now);
    }
}

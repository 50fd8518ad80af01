//! A round: the events of one claim, when there are several, one after another.
//!
//! Answers but the last are held back: they go to the kernel at once, which is asked to wait for more
//! (MSG_MORE), and leave together at the end of the round. Nothing depends on that end: the connection is
//! released as ever, whatever is written next pushes the answer out, the manager does when the round lasts
//! too long ([`rounds`](crate::rounds)), and the kernel by itself after 200 ms.
//!
//! Nor are connections shut down one by one that end with their answer, while more jobs wait. They are
//! given away already: should it take too long, or this worker die, the manager shuts them down.

use std::os::fd::OwnedFd;

use super::app::App;
use super::release::shut_down;
use super::{Turn, Worker};
use crate::channel::message::Message;
use crate::os::socket::push;
use crate::os::{clock, usage};
use crate::rounds::MOST;
use crate::steps::step;
use crate::table::ConnId;

/// How long answers are held back before some of them leave early, in milliseconds.
const LONG: u64 = 1;

/// So many connections are shut down together at most.
const ENDS: usize = MOST / 2;

/// The round of one worker; with one event at a time, it is always over.
#[derive(Debug, Default)]
pub(super) struct Round {
    events: [u64; MOST],
    next: usize,
    count: usize,
    /// Whose answers are held back.
    held: Vec<ConnId>,
    /// Whose end is, with the answer before it.
    ends: Vec<OwnedFd>,
    /// There are no events: it is for those ends alone.
    for_ends: bool,
    /// Since when.
    since: u64,
    /// It has lasted so long that nothing is held back any more.
    is_long: bool,
}

impl Round {
    /// The next event.
    pub(super) fn next(&mut self) -> Option<u64> {
        let event = self.events.get(..self.count)?.get(self.next).copied()?;
        self.next += 1;
        Some(event)
    }

    /// Whether another event follows the one at hand.
    pub(super) fn goes_on(&self) -> bool {
        self.next < self.count
    }

    /// Whether the answer to the event at hand may be held back.
    pub(super) fn may_hold(&self) -> bool {
        self.goes_on() && !self.is_long
    }
}

impl Worker<'_> {
    /// Begins a round with what one claim has brought.
    pub(super) fn begin_round(&mut self, app: &mut dyn App, events: &[u64]) -> Turn {
        let round = &mut self.round;
        for (place, event) in round.events.iter_mut().zip(events) {
            *place = *event;
        }
        (round.next, round.count, round.since) = (0, events.len().min(MOST), clock::now());
        (round.is_long, round.for_ends) = (false, events.is_empty());
        let unseen = self.shared.rounds.begin(self.me, events, round.since);
        step("round");
        if unseen {
            return self.tell(app, &Message::Rounds, None);
        }
        Turn::On
    }

    /// Between two events of a round, and after the last.
    pub(super) fn go_on(&mut self) {
        if !self.round.goes_on() {
            self.end_round();
        } else {
            self.push_if_long();
        }
    }

    /// The kernel holds back the answer to this client. Not for long: who freed this round meanwhile does
    /// not do so again, and the application may be about to take its time with what follows.
    pub(super) fn hold(&mut self, id: ConnId) {
        self.round.held.push(id);
        self.push_if_long();
    }

    /// Holds back the end of a connection that the manager has been given, as long as jobs wait. If there is
    /// no round it is one without events, so that somebody looks whether it lasts too long.
    pub(super) fn hold_end(&mut self, app: &mut dyn App, client: OwnedFd) -> Turn {
        let begins = self.round.count == 0 && self.round.ends.is_empty();
        self.round.ends.push(client);
        let most = ENDS.min(self.tiny.allowed());
        if self.round.ends.len() >= most || self.shared.flags().jobs() == 0 {
            self.push_ends();
            return Turn::On;
        }
        if begins {
            return self.begin_round(app, &[]);
        }
        self.push_if_long();
        Turn::On
    }

    /// What is held back for its end is not held for long, whatever else there is to do.
    pub(super) fn look_at_ends(&mut self) {
        if !self.round.ends.is_empty() {
            self.push_if_long();
        }
    }

    /// Everything that was given away is shut down, unless some ends are held back.
    pub(super) fn tell_shut(&self) {
        if self.round.ends.is_empty() {
            self.shared.over.are_shut(self.me);
        }
    }

    fn push_if_long(&mut self) {
        if self.round.is_long || clock::now() > self.round.since + LONG {
            self.round.is_long = true;
            self.push_held();
        }
    }

    /// Ends the round. What was not looked at is left to the manager: only it has all descriptors.
    pub(super) fn end_round(&mut self) {
        self.push_held();
        if self.round.count > 0 && !self.round.goes_on() {
            self.is_over();
        }
        (self.round.next, self.round.count) = (0, 0);
    }

    /// Lets go what the kernel holds back.
    pub(super) fn push_held(&mut self) {
        let cache = &self.cache;
        for id in self.round.held.drain(..) {
            if let Some(client) = cache.get(id) {
                push(client);
            }
        }
        self.push_ends();
    }

    fn push_ends(&mut self) {
        if !self.round.ends.is_empty() {
            self.round.ends.drain(..).for_each(shut_down);
            self.tell_shut();
        }
        if std::mem::take(&mut self.round.for_ends) {
            self.is_over();
        }
    }

    /// The round is over. If it was for others already, requests may not be tiny any more.
    fn is_over(&mut self) {
        if !self.shared.rounds.end(self.me) {
            self.tiny.doubt(usage::of_thread);
        }
    }
}

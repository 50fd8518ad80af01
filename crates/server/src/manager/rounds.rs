//! Rounds that last too long: a worker has taken several events at once, and one of them takes its time.
//!
//! Looked at only while there are any: the first worker that begins one says so. The connections that
//! the worker has not come to are armed again, for others to take; the answers that it holds back are pushed, and
//! those connections end whose end it holds back.

use std::os::fd::AsFd;

use tracing::info;

use super::Manager;
use crate::os::socket::push;
use crate::ready::Event;
use crate::table::{ConnId, Owner, WorkerId};

/// How often rounds are looked at, and how long one may last, in milliseconds: a worker that waits for a
/// core is to get it in this time.
const LOOK: u64 = 10;

/// After so many looks that saw none, nobody looks any more.
const QUIET: u32 = 100;

/// When and how the manager looks at rounds.
#[derive(Debug, Default)]
pub(super) struct Looking {
    /// The next look, in milliseconds of the monotonic clock.
    next: Option<u64>,
    /// Looks that saw none, in a row.
    quiet: u32,
    /// The log has heard of a round that was freed.
    told: bool,
}

impl Looking {
    /// When the next look is due.
    pub(super) fn next(&self) -> Option<u64> {
        self.next
    }
}

impl Manager<'_> {
    /// A worker says that rounds have begun.
    pub(super) fn begin_looking(&mut self) {
        self.looking = Looking { next: Some(self.now.saturating_add(LOOK)), quiet: 0, told: false };
    }

    /// Frees the rounds that have lasted too long, if it is time for a look.
    pub(super) fn look_at_rounds(&mut self) {
        if self.looking.next.is_none_or(|next| next > self.now) {
            return;
        }
        let mut any = false;
        for worker in self.workers.keys().copied().collect::<Vec<_>>() {
            let Some(round) = self.shared.rounds.read(worker) else { continue };
            any = true;
            if round.since.saturating_add(LOOK) <= self.now
                && self.shared.rounds.end_this(worker, round.since)
            {
                if !std::mem::replace(&mut self.looking.told, true) {
                    info!(worker, "a round lasts too long: others take what is left of it");
                }
                self.free(&round.events);
                self.take_what_is_to_end(worker);
            }
        }
        let Looking { next, quiet, .. } = &mut self.looking;
        *quiet = if any { 0 } else { *quiet + 1 };
        let stop = *quiet >= QUIET && self.shared.rounds.stop_looking();
        *next = (!stop).then(|| self.now.saturating_add(LOOK));
    }

    /// What a worker leaves of its round when it dies. Its connections are armed again as all are.
    pub(super) fn bury_round(&mut self, worker: WorkerId) {
        if let Some(round) = self.shared.rounds.read(worker) {
            self.free(&round.events);
        }
        self.shared.rounds.bury(worker);
        // It may have died when it was about to say that rounds have begun, which nobody else says then.
        if self.looking.next.is_none() && self.shared.rounds.are_looked_at() {
            self.begin_looking();
        }
    }

    fn free(&mut self, events: &[u64]) {
        for bits in events {
            if let Event::Connection { id, .. } = Event::from_bits(*bits) {
                self.free_one(id);
            }
        }
    }

    /// Whether it was answered, is being answered, or has not been looked at, it is right to do both.
    fn free_one(&mut self, id: ConnId) {
        let Some(connection) = self.desks.find(id) else { return };
        push(connection.fd.as_fd());
        let Some(row) = self.shared.table.row(id.slot) else { return };
        row.stir();
        if row.owner(id.serial) == Some(Owner::Watched) {
            self.arm_again(id);
        }
    }
}

//! Step 10: how long a client may take, and what happens at its deadline.
//!
//! A row's time says only that a connection *may* be silent. To expire one, the manager moves
//! Watched to Held and looks: if there are bytes, it has spoken (all workers may have been busy for
//! longer than the timeout), and step 2 goes on.

use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use std::time::Duration;
use tracing::debug;

use super::Manager;
use super::desk::Stage;
use super::poll::Interest;
use super::read::Reading;
use crate::channel::message::End;
use crate::http::refusal::Refusal;
use crate::os::{clock, socket};
use crate::table::{ConnId, Owner};

/// Without keep-alive, how long a connection may be silent that is kept all the same, because its
/// answer was begun before.
const NO_KEEPALIVE: Duration = Duration::from_secs(1);

/// Who has been silent this long, in milliseconds, has read its last answer: no reset can eat it any
/// more, so there is nothing to linger for.
pub(super) const QUIET: u64 = 250;

/// How long a job may wait until the manager looks whether it was lost, in milliseconds.
const LOST: u64 = 2_000;

/// A connection in work is looked at no more often than this, in milliseconds.
const SELDOM: u64 = 1_000;

impl Manager<'_> {
    /// When a head that begins now has to be complete.
    pub(super) fn header_deadline(&self) -> u64 {
        self.now.saturating_add(clock::milliseconds(self.config.header_timeout))
    }

    /// When a connection that is silent from now on is looked at.
    pub(super) fn silence_deadline(&self) -> u64 {
        self.now.saturating_add(self.keepalive())
    }

    /// When a connection is looked at whose request waits for a worker.
    pub(super) fn job_deadline(&self) -> u64 {
        self.now.saturating_add(self.keepalive().min(LOST))
    }

    fn keepalive(&self) -> u64 {
        clock::milliseconds(self.config.keepalive.unwrap_or(NO_KEEPALIVE))
    }

    pub(super) fn set_deadline(&mut self, id: ConnId, at: u64) {
        let desks = &self.desks;
        self.expire.prune(desks.count(), |id| desks.find(id).map(|found| found.deadline));
        if let Some(connection) = self.desks.get(id) {
            self.expire.set(id, &mut connection.deadline, at);
        }
    }

    /// Sees to all connections whose deadline has passed.
    pub(super) fn expire_due(&mut self) {
        while let Some((id, entry)) = self.expire.due(self.now) {
            let Some(connection) = self.desks.get(id) else { continue };
            let deadline = &mut connection.deadline;
            if self.expire.has_passed(id, deadline, entry, self.now) {
                self.expired(id);
            }
        }
    }

    fn expired(&mut self, id: ConnId) {
        let owner = self.shared.table.row(id.slot).and_then(|row| row.owner(id.serial));
        match owner {
            Some(Owner::Held) => self.held_expired(id),
            Some(Owner::Watched) => self.watched_expired(id),
            Some(queued @ Owner::Queued(_)) => {
                self.set_deadline(id, self.now.saturating_add(LOST));
                self.lend_if_lost(id, queued);
                // From now on its client's going is noticed, and frees its slot.
                self.watch(id, Interest::Gone);
            }
            Some(Owner::Lent { .. }) => {
                let look = self.now.saturating_add(self.keepalive().max(SELDOM));
                self.set_deadline(id, look);
            }
            None => {}
        }
    }

    fn held_expired(&mut self, id: ConnId) {
        let (now, look) = (self.now, self.silence_deadline());
        let (body_rate, drain_rate) = (self.config.body_min_rate, self.config.drain_min_rate);
        let Some(connection) = self.desks.get(id) else { return };
        match &mut connection.stage {
            Stage::Reading(reading) if reading.is_silent() => self.end_if_silent(id),
            Stage::Reading(reading) => {
                let late = match reading.window() {
                    None => Some("the head took too long (header-timeout)"),
                    Some(window) => window
                        .too_slow(now, body_rate)
                        .then_some("the body came too slowly (body-min-rate)"),
                };
                let until = reading.window().map_or(look, |window| window.until());
                match late {
                    Some(why) => self.refuse(id, &Refusal::new(408, why)),
                    None => self.set_deadline(id, until),
                }
            }
            Stage::Draining(draining) => {
                // What the kernel takes is no measure: it takes nothing for long, then megabytes.
                let unsent = socket::unsent(connection.fd.as_fd());
                if draining.window.until() <= now {
                    draining.window.settle(std::mem::replace(&mut draining.unsent, unsent), unsent);
                }
                if draining.window.too_slow(now, drain_rate) {
                    debug!(connection = %id, "the answer is read too slowly (drain-min-rate)");
                    self.end(id, End::Reset);
                } else {
                    let until = draining.window.until();
                    self.set_deadline(id, until);
                }
            }
            Stage::Lingering(_) => self.linger_expired(id),
            Stage::Job(_) | Stage::Away => self.set_deadline(id, look),
        }
    }

    fn watched_expired(&mut self, id: ConnId) {
        let Some(row) = self.shared.table.row(id.slot) else { return };
        let until = row.last().saturating_add(self.keepalive());
        if until > self.now {
            self.set_deadline(id, until);
        } else {
            self.end_if_silent(id);
        }
    }

    /// Ends a connection that is Watched, or Held and silent, unless it has spoken.
    pub(super) fn end_if_silent(&mut self, id: ConnId) {
        let (now, shared) = (self.now, self.shared);
        let Some(row) = shared.table.row(id.slot) else { return };
        let held = row.owner(id.serial) == Some(Owner::Held);
        if !held && !row.change(id.serial, Owner::Watched, Owner::Held) {
            return self.set_deadline(id, self.silence_deadline()); // a worker was faster
        }
        if !held {
            self.leave_list(id);
        }
        let Some(connection) = self.desks.get(id) else { return };
        match recv(&connection.fd, &mut [0_u8; 1], RecvFlags::DONTWAIT | RecvFlags::PEEK) {
            Ok((n, _)) if n > 0 && held => {
                // It began before its deadline, unseen: the clock of its head starts now.
                self.set_deadline(id, self.header_deadline());
                self.read(id);
            }
            Ok((n, _)) if n > 0 => self.go_on_reading(id, Reading::default()),
            Ok(_) => self.end(id, End::Gone),
            Err(Errno::AGAIN | Errno::INTR) => {
                debug!(connection = %id, "silent");
                // Nor may a newcomer wait for a slot that is only lingered in.
                let quiet = row.last().saturating_add(QUIET) <= now || self.has_paused();
                self.end(id, if quiet { End::Gone } else { End::Linger });
            }
            Err(_) => self.end(id, End::Gone),
        }
    }
}

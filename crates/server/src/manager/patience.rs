//! Step 10: how long a client may take, and what happens at its deadline.
//!
//! A row's time says only that a connection *may* be silent. To expire one, the manager moves
//! Watched to Held and looks: if there are bytes, it has spoken (all workers may have been busy for
//! longer than the timeout), and step 2 goes on.

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use std::time::Duration;
use tracing::debug;

use super::Manager;
use super::desk::Stage;
use super::read::Reading;
use crate::channel::message::End;
use crate::http::refusal::Refusal;
use crate::table::{ConnId, Owner};

/// Without keep-alive, how long a connection may be silent that is kept all the same, because its
/// answer was begun before.
const NO_KEEPALIVE: Duration = Duration::from_secs(1);

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Manager<'_> {
    /// When a head that begins now has to be complete.
    pub(super) fn header_deadline(&self) -> u64 {
        self.now.saturating_add(milliseconds(self.config.header_timeout))
    }

    /// When a connection that is silent from now on is looked at.
    pub(super) fn silence_deadline(&self) -> u64 {
        self.now.saturating_add(self.keepalive())
    }

    fn keepalive(&self) -> u64 {
        milliseconds(self.config.keepalive.unwrap_or(NO_KEEPALIVE))
    }

    pub(super) fn set_deadline(&mut self, id: ConnId, at: u64) {
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
            Some(Owner::Queued(_) | Owner::Lent { .. }) => {
                self.set_deadline(id, self.silence_deadline());
            }
            None => {}
        }
    }

    fn held_expired(&mut self, id: ConnId) {
        let (now, look) = (self.now, self.silence_deadline());
        let (body_rate, drain_rate) = (self.config.body_min_rate, self.config.drain_min_rate);
        let Some(connection) = self.desks.get(id) else { return };
        match &mut connection.stage {
            Stage::Reading(reading) if reading.is_silent() => self.end(id, End::Linger),
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
                if draining.window.too_slow(now, drain_rate) {
                    debug!(connection = %id, "the answer is read too slowly (drain-min-rate)");
                    self.end(id, End::Reset);
                } else {
                    let until = draining.window.until();
                    self.set_deadline(id, until);
                }
            }
            Stage::Lingering(_) => self.close(id, true),
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

    /// Ends a connection of which nothing was read and to which nothing is owed. While stopping there
    /// is no need to linger: the copies that would keep it open go with their processes.
    pub(super) fn end_idle_one(&mut self, id: ConnId) {
        let how = if self.stopping() { End::Gone } else { End::Linger };
        self.end(id, how);
    }

    /// Takes a Watched connection and ends it, unless it has spoken.
    pub(super) fn end_if_silent(&mut self, id: ConnId) {
        let Some(row) = self.shared.table.row(id.slot) else { return };
        if !row.change(id.serial, Owner::Watched, Owner::Held) {
            return self.set_deadline(id, self.silence_deadline()); // a worker was faster
        }
        let Some(connection) = self.desks.get(id) else { return };
        match recv(&connection.fd, &mut [0_u8; 1], RecvFlags::DONTWAIT | RecvFlags::PEEK) {
            Ok((n, _)) if n > 0 => self.go_on_reading(id, Reading::default()),
            Ok(_) => self.end(id, End::Gone),
            Err(Errno::AGAIN | Errno::INTR) => {
                debug!(connection = %id, "silent");
                self.end_idle_one(id);
            }
            Err(_) => self.end(id, End::Gone),
        }
    }
}

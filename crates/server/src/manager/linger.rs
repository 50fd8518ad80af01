//! Step 10: the end of a connection.
//!
//! Whoever ends one calls shutdown: the other copies of the descriptor would keep it open for the
//! client. After an answer our half is closed first, and what still comes is read and dropped for a
//! bounded time, so that no reset eats the answer (RFC 9112 §9.6).

use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::net::{self, RecvFlags, Shutdown};
use tracing::debug;

use super::Manager;
use super::desk::{Lingering, Stage};
use super::expire::Window;
use super::poll::Interest;
use crate::channel::message::End;
use crate::os::{clock, socket};
use crate::table::ConnId;

/// How often it is looked whether a slow reader has got everything, in milliseconds.
const SELDOM: u64 = 1_000;

/// The most bytes that are read and dropped.
const MOST: usize = 1 << 20;

impl Manager<'_> {
    /// Ends a connection whose row is Held.
    pub(super) fn end(&mut self, id: ConnId, how: End) {
        match how {
            End::Linger => self.begin_linger(id),
            End::Done => self.end_at_once(id),
            End::Gone => self.close(id, false),
            End::Reset => self.close(id, true),
        }
    }

    /// Closes it if nothing has come behind the last request, and the kernel can be left alone with what
    /// it still holds for the client.
    fn end_at_once(&mut self, id: ConnId) {
        let Some(connection) = self.desks.get(id) else { return };
        if socket::is_settled(connection.fd.as_fd()) {
            self.close(id, false);
        } else {
            self.begin_linger(id);
        }
    }

    fn begin_linger(&mut self, id: ConnId) {
        let until = self.now.saturating_add(clock::milliseconds(self.config.linger_timeout));
        let Some(connection) = self.desks.get(id) else { return };
        if net::shutdown(&connection.fd, Shutdown::Write).is_err() {
            return self.close(id, false);
        }
        let unsent = socket::unsent(connection.fd.as_fd());
        let window = Window::begin(self.now);
        connection.stage = Stage::Lingering(Lingering { dropped: 0, window, unsent });
        self.set_deadline(id, until);
        self.linger(id);
    }

    /// Reads and drops what has come.
    pub(super) fn linger(&mut self, id: ConnId) {
        loop {
            let Some(connection) = self.desks.get(id) else { return };
            let Stage::Lingering(Lingering { dropped, .. }) = &mut connection.stage else { return };
            match net::recv(&connection.fd, &mut self.scratch[..], RecvFlags::DONTWAIT) {
                Ok((0, _)) => return self.close(id, false),
                Ok((n, _)) => {
                    *dropped += n;
                    if *dropped > MOST {
                        return self.close(id, true);
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return self.watch(id, Interest::Read),
                Err(_) => return self.close(id, false),
            }
        }
    }

    /// The linger timeout has passed. A slow reader may still be taking what the kernel holds for it: a
    /// reset would throw that away, so it has time as long as it keeps to drain-min-rate.
    pub(super) fn linger_expired(&mut self, id: ConnId) {
        let (now, rate) = (self.now, self.config.drain_min_rate);
        let Some(connection) = self.desks.get(id) else { return };
        let Stage::Lingering(lingering) = &mut connection.stage else { return };
        let unsent = socket::unsent(connection.fd.as_fd());
        if unsent == 0 {
            return self.close(id, true);
        }
        if lingering.window.until() <= now {
            lingering.window.settle(lingering.unsent, unsent);
            lingering.unsent = unsent;
            if lingering.window.too_slow(now, rate) {
                debug!(connection = %id, "the answer's end is read too slowly (drain-min-rate)");
                return self.close(id, true);
            }
        }
        let until = lingering.window.until().min(now.saturating_add(SELDOM));
        self.set_deadline(id, until);
    }

    /// Ends it now, whatever copies there are.
    pub(super) fn close(&mut self, id: ConnId, reset: bool) {
        let Some(connection) = self.desks.get(id) else { return };
        // A UNIX socket cannot be reset; there the shutdown has to do.
        if !reset || net::connect_unspec(&connection.fd).is_err() {
            // An error means that the client has ended it before us.
            let _ = net::shutdown(&connection.fd, Shutdown::Both);
        }
        self.forget(id);
        debug!(connection = %id, reset, "closed");
    }

    /// Closes the manager's copy of a connection that is shut down, and frees its slot under a new serial.
    pub(super) fn forget(&mut self, id: ConnId) {
        let Some(connection) = self.desks.remove(id) else { return };
        if connection.polled {
            self.poll.remove(connection.fd.as_fd());
        }
        if let Some(row) = self.shared.table.row(id.slot) {
            row.retire(id.serial);
        }
        self.slot_freed();
    }
}

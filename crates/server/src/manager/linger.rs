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
use super::desk::Stage;
use super::poll::Interest;
use crate::channel::message::End;
use crate::table::ConnId;

/// The most bytes that are read and dropped.
const MOST: usize = 1 << 20;

impl Manager<'_> {
    /// Ends a connection whose row is Held.
    pub(super) fn end(&mut self, id: ConnId, how: End) {
        match how {
            End::Linger => self.begin_linger(id),
            End::Gone => self.close(id, false),
            End::Reset => self.close(id, true),
        }
    }

    fn begin_linger(&mut self, id: ConnId) {
        let linger = u64::try_from(self.config.linger_timeout.as_millis()).unwrap_or(u64::MAX);
        let until = self.now.saturating_add(linger);
        let Some(connection) = self.desks.get(id) else { return };
        if net::shutdown(&connection.fd, Shutdown::Write).is_err() {
            return self.close(id, false);
        }
        connection.stage = Stage::Lingering(0);
        self.set_deadline(id, until);
        self.linger(id);
    }

    /// Reads and drops what has come.
    pub(super) fn linger(&mut self, id: ConnId) {
        loop {
            let Some(connection) = self.desks.get(id) else { return };
            let Stage::Lingering(dropped) = &mut connection.stage else { return };
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

    /// Ends it now, whatever copies there are, and frees its slot under a new serial.
    pub(super) fn close(&mut self, id: ConnId, reset: bool) {
        let Some(connection) = self.desks.remove(id) else { return };
        if connection.polled {
            self.poll.remove(connection.fd.as_fd());
        }
        // A UNIX socket cannot be reset; there the shutdown has to do.
        if !reset || net::connect_unspec(&connection.fd).is_err() {
            // An error means that the client has ended it before us.
            let _ = net::shutdown(&connection.fd, Shutdown::Both);
        }
        if let Some(row) = self.shared.table.row(id.slot) {
            row.retire(id.serial);
        }
        debug!(connection = %id, reset, "closed");
        self.slot_freed();
    }
}

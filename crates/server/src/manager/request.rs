//! Steps 2 and 3 between the socket and the pure part: bytes in, 100 Continue and refusals out.

use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tracing::{debug, error, info, warn};

use super::Manager;
use super::desk::Stage;
use super::poll::Interest;
use super::read::{Reading, Rules, Step};
use crate::channel::message::{Drain, End};
use crate::http::{self, refusal::Refusal};
use crate::os::clock;
use crate::spool::Place;
use crate::table::{ConnId, Owner, Row};
use crate::tally::Reason;

impl Manager<'_> {
    /// Something has happened on a connection that the manager waits for.
    pub(super) fn connection_ready(&mut self, id: ConnId) {
        let owner = self.shared.table.row(id.slot).and_then(|row| row.owner(id.serial));
        let Some(connection) = self.desks.get(id) else { return };
        match (&connection.stage, owner) {
            (Stage::Job(_), _) => self.withdraw(id),
            (Stage::Reading(_), Some(Owner::Held)) => self.read(id),
            (Stage::Draining(_), Some(Owner::Held)) => self.drain(id),
            (Stage::Lingering(_), Some(Owner::Held)) => self.linger(id),
            _ => {} // it is somebody else's now
        }
    }

    /// One read of a connection whose row is Held.
    pub(super) fn read(&mut self, id: ConnId) {
        let Some(connection) = self.desks.get(id) else { return };
        let Stage::Reading(reading) = &mut connection.stage else { return };
        match recv(&connection.fd, &mut self.scratch[..], RecvFlags::DONTWAIT) {
            Ok((0, _)) if reading.cut_short() => {
                self.refuse(id, &Refusal::new(400, "the request ends before it is complete"));
            }
            Ok((0, _)) => self.end(id, End::Gone),
            Ok((n, _)) => {
                let began = reading.is_silent() && !reading.first;
                reading.push(self.scratch.get(..n).unwrap_or_default());
                if began {
                    self.set_deadline(id, self.header_deadline());
                }
                self.step(id);
            }
            Err(Errno::AGAIN | Errno::INTR) => self.watch(id, Interest::Read),
            Err(_) => self.end(id, End::Gone),
        }
    }

    /// The manager's turn with a connection that was a worker's, or that was drained.
    pub(super) fn go_on_reading(&mut self, id: ConnId, reading: Reading) {
        let silent = reading.is_silent();
        let until = if silent { self.silence_deadline() } else { self.header_deadline() };
        if let Some(row) = self.shared.table.row(id.slot).filter(|_| silent) {
            row.touch(self.now);
        }
        let Some(connection) = self.desks.get(id) else { return };
        connection.stage = Stage::Reading(Box::new(reading));
        self.set_deadline(id, until);
        if silent { self.read(id) } else { self.step(id) }
    }

    /// Looks whether the request is complete, and sees to it.
    fn step(&mut self, id: ConnId) {
        let rules = Rules {
            limits: &self.limits,
            body_buffer_size: self.config.body_buffer_size,
            spool_dir: &self.config.spool_dir,
            max_spool_size: self.config.max_spool_size,
            ledger: &self.ledger,
        };
        let now = self.now;
        let Some(connection) = self.desks.get(id) else { return };
        let Stage::Reading(reading) = &mut connection.stage else { return };
        let step = reading.step(&rules, now);
        let body_until = reading.window().map(|window| window.until());
        let bytes = reading.come();
        match step {
            Step::Complete(waiting) => return self.enqueue(id, waiting),
            Step::Refuse(refusal) => return self.refuse(id, &refusal),
            Step::Fail(refusal, why) => {
                if self.shared.tally.tell(Reason::Unspooled, now) {
                    let dir = self.config.spool_dir.display();
                    error!(bytes, "cannot store a body in {dir} (spool-dir): {why}");
                }
                return self.refuse(id, &refusal);
            }
            Step::Continue => {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                // A client that cannot take 25 bytes will not send its body either, and times out.
                let _ = send(&connection.fd, b"HTTP/1.1 100 Continue\r\n\r\n", flags);
            }
            Step::More => {}
        }
        if let Some(until) = body_until {
            self.set_deadline(id, until);
        }
        self.watch(id, Interest::Read);
    }

    /// Answers a request that is not let through, and ends the connection.
    pub(super) fn refuse(&mut self, id: ConnId, refusal: &Refusal) {
        debug!(connection = %id, status = refusal.status, "refused: {}", refusal.why);
        if refusal.why == http::head::TLS && self.shared.tally.tell(Reason::Tls, self.now) {
            let number = self.shared.table.row(id.slot).map_or(u32::MAX, |row| row.listener());
            let listener = usize::try_from(number).ok().and_then(|n| self.listeners.get(n));
            let address = listener.map_or("", |listener| &listener.address.shown);
            warn!(address, "a client spoke TLS to a listener that speaks plain HTTP");
        }
        if let Some(row) = self.shared.table.row(id.slot) {
            let reopened = self.shared.flags().reopened();
            self.access.refused(reopened, row, refusal.status, clock::unix_seconds());
        }
        if self.shared.tally.count(Reason::Refused(refusal.status)) {
            info!(status = refusal.status, "the first of its kind refused: {}", refusal.why);
        }
        let Some(connection) = self.desks.get(id) else { return };
        let is_head = match &connection.stage {
            Stage::Reading(reading) => reading.is_head(),
            // A worker had it, and is dead.
            _ => self.shared.table.row(id.slot).is_some_and(Row::is_head),
        };
        let refusal = Refusal { head_only: refusal.head_only || is_head, ..refusal.clone() };
        let server = self.config.server_software.as_deref();
        let bytes = refusal.render(&Self::date(), server);
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match send(connection.fd.as_fd(), &bytes, flags) {
            Ok(sent) if sent >= bytes.len() => self.end(id, End::Linger),
            Ok(sent) => self.drain_refusal(id, bytes.get(sent..).unwrap_or_default()),
            // The answers before this one fill the socket: their reader is slow.
            Err(Errno::AGAIN | Errno::NOBUFS | Errno::INTR) => self.drain_refusal(id, &bytes),
            Err(_) => self.end(id, End::Gone),
        }
    }

    fn drain_refusal(&mut self, id: ConnId, bytes: &[u8]) {
        let (place, then) = (Place::Elsewhere, Some(End::Linger));
        let drain = Drain { place, then, first: bytes, offset: 0, length: 0, rest: &[] };
        self.begin_drain(id, &drain, None);
    }

    /// Waits for one thing to happen on a connection.
    pub(super) fn watch(&mut self, id: ConnId, interest: Interest) {
        let Some(connection) = self.desks.get(id) else { return };
        let fd = &connection.fd;
        if let Err(error) = self.poll.watch(fd, id, &mut connection.polled, interest) {
            error!(connection = %id, "cannot wait for a client: {error}");
            self.end(id, End::Reset);
        }
    }
}

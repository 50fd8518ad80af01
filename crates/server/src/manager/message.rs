//! What workers say: each message gives a connection away, and taking it moves the row to Held.
//!
//! Until then the row says whose it was, so neither a death nor a reused slot can lose or misplace
//! the bytes. A message for a row that is not Lent to its sender is stale, and dropped.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use tracing::{debug, error};

use super::Manager;
use super::desk::{Draining, Kept, Stage};
use super::expire::Window;
use super::read::Reading;
use crate::channel::control::Report;
use crate::channel::message::{self, Drain, End, Message};
use crate::channel::socket;
use crate::os::socket::unsent;
use crate::steps::step;
use crate::table::{ConnId, Owner, WorkerId};

/// How many messages of one worker are taken before others have their turn.
const AT_ONCE: usize = 64;

impl Manager<'_> {
    /// Takes some messages of a worker.
    pub(super) fn take_messages(&mut self, worker: WorkerId) {
        for _ in 0..AT_ONCE {
            if !self.take_message(worker) {
                return;
            }
        }
    }

    /// Takes all that a dead worker has left.
    pub(super) fn take_all_messages(&mut self, worker: WorkerId) {
        while self.take_message(worker) {}
        self.take_what_is_to_end(worker);
    }

    /// Forgets the connections that workers have shut down since the last turn.
    pub(super) fn close_what_is_over(&mut self) {
        let shut = self.shared.over.shut();
        if std::mem::replace(&mut self.over, shut) != shut {
            for worker in self.shared.over.workers() {
                self.take_what_is_over(worker);
            }
        }
    }

    /// Ends the connections that workers have given away, shut down or not.
    pub(super) fn end_what_is_over(&mut self) {
        for worker in self.shared.over.workers() {
            self.take_what_is_to_end(worker);
        }
    }

    /// From now on workers do not give connections away without waking this process.
    pub(super) fn ask_for_messages(&mut self) {
        self.shared.over.ask(true);
        self.end_what_is_over();
    }

    fn take_what_is_over(&mut self, worker: WorkerId) {
        while let Some(id) = self.shared.over.take(worker) {
            step("take-over");
            if self.take_back(worker, id) {
                debug!(connection = %id, worker, "over");
                self.forget(id);
            }
        }
    }

    /// Ends whatever a worker has given away, for it is needed, or the worker does not come to it, or is dead.
    pub(super) fn take_what_is_to_end(&mut self, worker: WorkerId) {
        while let Some(id) = self.shared.over.take_any(worker) {
            step("take-over");
            if self.take_back(worker, id) {
                self.end(id, End::Done);
            }
        }
    }

    /// Takes one. `false`: there is none.
    fn take_message(&mut self, worker: WorkerId) -> bool {
        let Some(pair) = self.workers.get(&worker) else { return false };
        let mut buffer = std::mem::take(&mut self.mail);
        let got = socket::receive(pair.as_fd(), &mut buffer);
        let more = match got {
            Ok(got) if got.len == 0 => {
                // Its death is the supervisor's to tell; until then there is nothing to hear.
                self.poll.remove(pair.as_fd());
                false
            }
            Ok(got) => {
                let bytes = buffer.get(..got.len).unwrap_or_default();
                match Message::parse(bytes) {
                    Some(message) => {
                        step("take");
                        self.obey(worker, message, got.descriptors);
                    }
                    None => error!(worker, "a message that is none"),
                }
                true
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            // It died with an answer of ours unread. What it has said itself comes behind this.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => true,
            Err(error) => {
                error!(worker, "a message was lost: {error}");
                error.kind() == io::ErrorKind::InvalidData
            }
        };
        self.mail = buffer;
        more
    }

    fn obey(&mut self, worker: WorkerId, message: Message<'_>, files: Vec<OwnedFd>) {
        match message {
            Message::Ready => {
                self.begin_accepting();
                self.report(Report::Ready(worker));
            }
            Message::Fetch(id) => self.fetched(worker, id),
            Message::Partial(id, bytes) => {
                if self.take_back(worker, id) {
                    self.go_on_reading(id, Reading::new(bytes.to_vec(), false));
                }
            }
            Message::Drain(id, drain) => {
                if self.take_back(worker, id) {
                    let file = files.into_iter().next().map(File::from);
                    self.begin_drain(id, &drain, file);
                }
            }
            Message::Closed(id, end) => {
                if self.take_back(worker, id) {
                    self.end(id, end);
                }
            }
            Message::Rounds => self.begin_looking(),
        }
    }

    /// Lent to this worker becomes Held. `false`: the row has moved on.
    fn take_back(&mut self, worker: WorkerId, id: ConnId) -> bool {
        let Some(row) = self.shared.table.row(id.slot) else { return false };
        match row.owner(id.serial) {
            Some(lent @ Owner::Lent { worker: whose, .. }) if whose == worker => {
                row.change(id.serial, lent, Owner::Held)
            }
            owner => {
                debug!(connection = %id, worker, ?owner, "stale: dropped");
                false
            }
        }
    }

    fn fetched(&mut self, worker: WorkerId, id: ConnId) {
        let owner = self.shared.table.row(id.slot).and_then(|row| row.owner(id.serial));
        let mine = matches!(owner, Some(Owner::Lent { worker: whose, .. }) if whose == worker);
        let Some(pair) = self.workers.get(&worker) else { return };
        let connection = self.desks.get(id).filter(|_| mine);
        let fd = connection.as_ref().map(|connection| connection.fd.as_fd());
        match message::send_fetched(pair.as_fd(), id, fd) {
            Ok(()) => return,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return, // it is dead
            Err(error) => error!(worker, connection = %id, "cannot send a descriptor: {error}"),
        }
        // Then the worker goes without it, and does not wait for ever.
        let told = message::send_fetched(pair.as_fd(), id, None);
        if told.is_ok() && self.take_back(worker, id) {
            self.go_on_reading(id, Reading::default());
        }
    }

    /// Keeps the rest of an answer, and sends it as the socket takes it.
    pub(super) fn begin_drain(&mut self, id: ConnId, drain: &Drain<'_>, file: Option<File>) {
        let file = file.map(|file| {
            let mut share = self.ledger.share(drain.place);
            share.add(drain.length, 0);
            Kept { file, share }
        });
        let draining = Draining {
            first: drain.first.to_vec(),
            file,
            offset: drain.offset,
            end: drain.offset.saturating_add(drain.length),
            then: drain.then,
            rest: drain.rest.to_vec(),
            window: Window::begin(self.now),
            unsent: self.desks.get(id).map_or(0, |found| unsent(found.fd.as_fd())),
        };
        if draining.file.is_none() && drain.length > 0 {
            error!(connection = %id, "no descriptor is free for the rest of an answer");
            return self.end(id, End::Reset);
        }
        let until = draining.window.until();
        if let Some(connection) = self.desks.get(id) {
            connection.stage = Stage::Draining(Box::new(draining));
            self.set_deadline(id, until);
            self.drain(id);
        }
    }
}

//! What follows the death of a worker, or its request's deadline, decided from the table. It costs at
//! most one answer.
//!
//! The order matters: messages first, because a connection in one of them is not the dead worker's
//! any more; its number is free only when nothing of it is left.

use std::os::fd::AsFd;

use rustix::io::fcntl_dupfd_cloexec;
use tracing::{info, warn};

use super::Manager;
use super::read::Reading;
use crate::channel::control::Report;
use crate::channel::message::End;
use crate::http::refusal::Refusal;
use crate::os::socket;
use crate::ready;
use crate::steps::step;
use crate::table::{ConnId, Owner, WorkerId};

impl Manager<'_> {
    /// Deals with what a dead worker has left behind.
    pub(super) fn recover(&mut self, worker: WorkerId) {
        self.take_all_messages(worker);
        step("messages");
        self.bury_round(worker);
        for id in self.desks.ids() {
            self.recover_row(worker, id);
        }
        step("recover");
        // A killed process may have taken a wake-up along: the others would sleep on.
        self.shared.wake_one();
        if let Some(pair) = self.workers.remove(&worker) {
            self.poll.remove(pair.as_fd());
        }
        info!(worker, "buried");
        self.report(Report::Buried(worker));
    }

    /// The request that this worker runs has taken too long. If its answer has begun, or has been given
    /// away, there is nothing to say.
    pub(super) fn answer_for(&mut self, worker: WorkerId) {
        let Some(id) = self.shared.scoreboard.read(worker).map(|entry| entry.connection) else {
            return;
        };
        let Some(row) = self.shared.table.row(id.slot) else { return };
        if row.change(id.serial, Owner::lent(worker), Owner::Held) {
            self.leave_list(id);
            self.refuse(id, &Refusal::new(504, "the application has taken too long"));
        }
    }

    fn recover_row(&mut self, worker: WorkerId, id: ConnId) {
        let Some(row) = self.shared.table.row(id.slot) else { return };
        // What the dead worker was told of it, if anything, is told to nobody else.
        row.stir();
        match row.owner(id.serial) {
            Some(lent @ Owner::Lent { worker: whose, begun }) if whose == worker => {
                if !row.change(id.serial, lent, Owner::Held) {
                    return;
                }
                self.leave_list(id);
                if begun {
                    warn!(connection = %id, worker, "reset: its worker died in mid-answer");
                    self.end(id, End::Reset);
                } else {
                    warn!(connection = %id, worker, "502: its worker died");
                    self.refuse(id, &Refusal::new(502, "the worker died"));
                }
            }
            Some(queued @ Owner::Queued(_)) => self.lend_again(id, queued),
            Some(Owner::Watched) => self.arm_again(id),
            _ => {}
        }
    }

    /// A worker may have been given the event and not have claimed the row. What cannot be armed is read here.
    pub(super) fn arm_again(&mut self, id: ConnId) {
        let Some(row) = self.shared.table.row(id.slot) else { return };
        let is_armed = self.has_number(id)
            && self.desks.get(id).is_some_and(|connection| {
                self.shared.ready.arm(connection.fd.as_fd(), id, false).is_ok()
            });
        if !is_armed && row.change(id.serial, Owner::Watched, Owner::Held) {
            self.go_on_reading(id, Reading::default());
        }
    }

    /// Calls a connection by the number that it has in all processes: armed under another one it would be in
    /// the list twice, and two workers would be told of each request. `false`: something else has that here.
    fn has_number(&mut self, id: ConnId) -> bool {
        let number = ready::number(id.slot);
        let Some(row) = self.shared.table.row(id.slot) else { return false };
        let Some(connection) = self.desks.get(id) else { return false };
        if socket::number(connection.fd.as_fd()) == number {
            return true;
        }
        let Ok(fd) = fcntl_dupfd_cloexec(&connection.fd, number) else { return false };
        if socket::number(fd.as_fd()) != number {
            return false;
        }
        if std::mem::take(&mut connection.polled) {
            self.poll.remove(connection.fd.as_fd());
        }
        row.renumber(number);
        connection.fd = fd;
        true
    }

    /// Takes a connection that was Watched, and is the manager's now, out of the ready list.
    pub(super) fn leave_list(&mut self, id: ConnId) {
        if self.has_number(id)
            && let Some(connection) = self.desks.get(id)
        {
            self.shared.ready.leave(connection.fd.as_fd());
        }
    }
}

//! Step 3 of a request: the job, to whichever worker is free.
//!
//! First the word, then the world: the row is Queued, then the job is sent, so that no worker finds
//! it still Held. What the job socket has no room for goes back to Held and is tried again, in order.
//! A job's bytes are kept until its row is Lent: a worker that dies with it in its hand has not begun.
//!
//! After a death all jobs that nobody has taken are sent once more, each under the number that it has: where its
//! first copy is still in the socket, that one is taken, in its turn, and the second finds the row moved on.

use std::io;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tracing::error;

use super::Manager;
use super::desk::{Stage, Waiting};
use super::poll::Interest;
use crate::channel::job::Job;
use crate::channel::message::End;
use crate::steps::step;
use crate::table::{ConnId, Owner, next_job};

/// When to try again after too many of the user's descriptors were on their way, in milliseconds.
const AGAIN: u64 = 50;

enum Sent {
    Yes,
    Full,
    /// It cannot be sent at all.
    Never,
}

impl Manager<'_> {
    /// A request is complete.
    pub(super) fn enqueue(&mut self, id: ConnId, waiting: Waiting) {
        let look = self.job_deadline();
        self.forget_withdrawn();
        let Some(connection) = self.desks.get(id) else { return };
        connection.stage = Stage::Job(Box::new(waiting));
        self.set_deadline(id, look);
        self.waiting.push_back(id);
        self.lend_waiting();
        if self.waiting.back() == Some(&id) {
            // It has to wait: notice if the client goes meanwhile.
            self.watch(id, Interest::Gone);
        }
    }

    /// Forgets requests whose clients have gone while they waited: all workers may be busy for ever,
    /// and clients come and go.
    fn forget_withdrawn(&mut self) {
        if self.waiting.len() > 2 * self.desks.count() + 64 {
            self.waiting.retain(|id| self.desks.find(*id).is_some());
        }
    }

    /// Sends what waits, as far as there is room.
    pub(super) fn lend_waiting(&mut self) {
        if self.try_jobs.take_if(|at| *at <= self.now).is_some() {
            self.jobs_full = false;
        }
        while !self.jobs_full
            && let Some(id) = self.waiting.front().copied()
        {
            match self.lend(id, Owner::Held) {
                Sent::Full => self.jobs_full = true,
                Sent::Yes => {
                    self.waiting.pop_front();
                    self.sent.push_back(id);
                }
                Sent::Never => {
                    self.waiting.pop_front();
                }
            }
        }
    }

    /// Queues and sends one job, whose row is Held, or Queued already: then it keeps its number.
    fn lend(&mut self, id: ConnId, from: Owner) -> Sent {
        let shared = self.shared;
        let Some(row) = shared.table.row(id.slot) else { return Sent::Never };
        let Some(connection) = self.desks.get(id) else { return Sent::Never };
        let Stage::Job(waiting) = &connection.stage else { return Sent::Never };
        let number = if let Owner::Queued(number) = from {
            number
        } else {
            connection.lends = next_job(connection.lends);
            if !row.change(id.serial, from, Owner::Queued(connection.lends)) {
                return Sent::Never;
            }
            connection.lends
        };
        step("queue");
        let job = Job {
            id,
            number,
            complete: waiting.complete,
            head: &waiting.head,
            body: &waiting.body,
            file: waiting.file.as_ref().map(|kept| kept.file.as_fd()),
            rest: &waiting.rest,
        };
        shared.flags().job_sent();
        let Err(error) = job.send(shared.jobs_in.as_fd(), connection.fd.as_fd()) else {
            step("send");
            return Sent::Yes;
        };
        shared.flags().job_taken();
        if !row.change(id.serial, Owner::Queued(number), Owner::Held) {
            if from == Owner::Held {
                error!("connection {id} was lent by a job that could not be sent");
            }
            return Sent::Never; // a worker has an earlier copy
        }
        if error.kind() == io::ErrorKind::WouldBlock {
            if let Err(error) = self.poll.want_room(&shared.jobs_in) {
                error!("cannot wait for room in the job socket: {error}");
                self.try_jobs = Some(self.now + AGAIN);
            }
            return Sent::Full;
        }
        if Errno::from_io_error(&error) == Some(Errno::TOOMANYREFS) {
            self.try_jobs = Some(self.now + AGAIN);
            return Sent::Full;
        }
        error!("connection {id} cannot be lent: {error}");
        self.end(id, End::Reset);
        Sent::Never
    }

    /// Drops the bytes of jobs that workers have taken.
    pub(super) fn forget_taken(&mut self) {
        while let Some(id) = self.sent.front().copied() {
            let shared = self.shared;
            let owner = shared.table.row(id.slot).and_then(|row| row.owner(id.serial));
            if let Some(Owner::Queued(_)) = owner {
                return;
            }
            self.sent.pop_front();
            // Held: it is back already, and may be a job anew.
            if let (Some(Owner::Lent { .. } | Owner::Watched), Some(connection)) =
                (owner, self.desks.get(id))
            {
                connection.stage = Stage::Away;
            }
        }
    }

    /// Sends a Queued job once more after a death: the dead worker may have had it in its hand. It is among
    /// those that were sent already, and keeps its place there.
    pub(super) fn lend_again(&mut self, id: ConnId, queued: Owner) {
        if matches!(self.lend(id, queued), Sent::Full) {
            self.jobs_full = true;
            self.waiting.push_front(id);
        }
    }

    /// Lends a job once more that has been Queued for long though the job socket is empty, or though
    /// others have been taken that were sent behind it: a worker had no descriptor free to take it.
    /// Of two who have it in hand one loses the swap.
    pub(super) fn lend_if_lost(&mut self, id: ConnId, queued: Owner) {
        // Not FIONREAD: it walks through all the jobs that wait there.
        let mut one = [PollFd::new(&self.shared.jobs_out, PollFlags::IN)];
        let is_empty = matches!(poll(&mut one, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(0));
        if is_empty || self.is_overtaken(id) {
            if self.sent.front() == Some(&id) {
                self.sent.pop_front();
                self.sent.push_back(id);
            }
            self.lend_again(id, queued);
        }
    }

    /// Whether this is the first of the jobs that were sent, and another one has been taken.
    fn is_overtaken(&self, id: ConnId) -> bool {
        let is_taken = |id: &ConnId| {
            let owner = self.shared.table.row(id.slot).and_then(|row| row.owner(id.serial));
            matches!(owner, Some(Owner::Lent { .. } | Owner::Watched))
        };
        self.sent.front() == Some(&id) && self.sent.iter().skip(1).any(is_taken)
    }

    /// The client of a job that nobody has taken has gone.
    pub(super) fn withdraw(&mut self, id: ConnId) {
        let shared = self.shared;
        let Some(row) = shared.table.row(id.slot) else { return };
        let is_ours = match row.owner(id.serial) {
            Some(Owner::Held) => true,
            Some(queued @ Owner::Queued(_)) => row.change(id.serial, queued, Owner::Held),
            _ => false,
        };
        if is_ours {
            shared.tally.count_gone();
            self.end(id, End::Gone);
        }
    }
}

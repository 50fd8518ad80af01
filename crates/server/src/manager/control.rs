//! What the supervisor orders, and what it is told.

use std::io;
use std::os::fd::AsFd;

use tracing::{error, info};

use super::patience::QUIET;
use super::{Manager, STOP_SCAN, Turn};
use crate::channel::control::{Order, Report};
use crate::config::exit;
use crate::shared::Phase;
use crate::table::Owner;

impl Manager<'_> {
    /// Obeys the orders that have come.
    pub(super) fn take_orders(&mut self) -> Turn {
        loop {
            match Order::receive(self.control.as_fd()) {
                Ok(Order::Born { worker, pid, socket }) => {
                    info!(worker, pid, "born");
                    if let Err(error) = self.poll.add_worker(worker, &socket) {
                        error!(worker, "cannot listen to a worker: {error}");
                    }
                    self.workers.insert(worker, socket);
                }
                Ok(Order::Died(worker)) => self.recover(worker),
                Ok(Order::Overdue(worker)) => self.answer_for(worker),
                Ok(Order::Stop) => self.stop(),
                Ok(Order::Fast) => self.stop_fast(),
                Ok(Order::Count) => self.count(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Turn::On,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Turn::Leave(exit::STOPPED);
                }
                Err(error) => {
                    error!("cannot receive an order: {error}");
                    return Turn::Leave(exit::FAILED);
                }
            }
        }
    }

    /// Logs how many connections are in which stage, and how much is spooled for them.
    fn count(&mut self) {
        let mut idle = 0;
        let [mut running, mut queued] = [0; 2];
        for (_, row) in self.shared.table.rows() {
            match row.state().1 {
                Owner::Watched => idle += 1,
                Owner::Lent { .. } => running += 1,
                Owner::Queued(_) => queued += 1,
                Owner::Held => {}
            }
        }
        let [reading, draining, lingering] = self.desks.stages();
        let (spooled_memory, spooled_disk) = self.ledger.sums();
        let connections = self.desks.count();
        let waiting = queued + self.waiting.len();
        info!(
            connections,
            idle,
            reading,
            waiting,
            running,
            draining,
            lingering,
            spooled_memory,
            spooled_disk,
            "connections"
        );
    }

    pub(super) fn report(&self, report: Report) {
        if let Err(error) = report.send(self.control.as_fd()) {
            error!(?report, "cannot report: {error}");
        }
    }

    /// Accepts no more, ends what is idle, and finishes the rest.
    fn stop(&mut self) {
        info!("stopping");
        self.shared.flags().enter(Phase::Stopping);
        // Whoever has connected already is served.
        for number in (0..).take(self.listeners.len()) {
            while self.accept(number) {}
        }
        self.stop_accepting();
        self.next_scan = self.now;
    }

    /// Ends what has become idle since the last look. When nothing is left, says so, once.
    pub(super) fn end_idle(&mut self) {
        if self.now >= self.next_scan {
            self.next_scan = self.now + STOP_SCAN;
            for (last, id) in self.silent(true) {
                // A busy client's next request is on its way: its answer will tell it to go.
                if last.saturating_add(QUIET) <= self.now {
                    self.end_if_silent(id);
                }
            }
        }
        if self.desks.count() == 0 && !self.drained_said {
            self.drained_said = true;
            info!("drained");
            self.report(Report::Drained);
        }
    }

    /// Breaks everything off.
    fn stop_fast(&mut self) {
        self.stop();
        for id in self.desks.ids() {
            let Some(row) = self.shared.table.row(id.slot) else { continue };
            match row.owner(id.serial) {
                Some(Owner::Held) | None => {}
                // The worker that serves it finds the row taken away, or the client gone.
                Some(owner) => {
                    if !row.change(id.serial, owner, Owner::Held) {
                        continue;
                    }
                }
            }
            self.close(id, true);
        }
    }
}

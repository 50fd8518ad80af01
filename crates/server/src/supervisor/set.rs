//! A manager and what it shares with its workers; and the orders that wait for it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use tracing::warn;

use super::listen::Listeners;
use crate::channel::control::{self, Order, Report};
use crate::channel::socket;
use crate::config::Config;
use crate::listener::Listener;
use crate::log::{self, Role};
use crate::manager;
use crate::os::{process, title};
use crate::shared::Shared;

/// The shared things of one manager, and the way to talk to it.
#[derive(Debug)]
pub(super) struct Set {
    /// What it shares with its workers.
    pub(super) shared: Shared,
    /// Its process.
    pub(super) manager: i32,
    control: OwnedFd,
    orders: VecDeque<Order>,
    gone: bool,
}

impl Set {
    /// Makes the shared things, with room for `numbers` worker numbers, and forks the manager.
    ///
    /// # Errors
    ///
    /// Memory, descriptors or processes have run out: nothing is left behind.
    pub(super) fn begin(
        config: &Config,
        listeners: &Listeners,
        numbers: u32,
        lifeline: BorrowedFd<'_>,
    ) -> io::Result<Self> {
        let lifeline = lifeline.try_clone_to_owned()?;
        let mut shared = Shared::new(config.max_connections, numbers, lifeline)?;
        let (control, theirs) = socket::pair(control::ROOM)?;
        let given = (&shared, listeners.try_clone()?, theirs);
        let manager = process::fork_apart(given, kept, |(shared, listeners, control)| {
            log::this_is(Role::Manager, 0);
            log::settle();
            if config.proctitle {
                title::set("monoceros: manager");
            }
            // Not at every connection that comes or goes, but at several at once, and never in the
            // midst of a request.
            if config.sched_batch
                && let Err(why) = process::sched_batch()
            {
                warn!("the manager cannot run under SCHED_BATCH: {why}");
            }
            manager::run(config, shared, listeners, control)
        })?;
        shared.manager = process::to_copy_from(manager);
        Ok(Self { shared, manager, control, orders: VecDeque::new(), gone: false })
    }

    /// Tells the manager something, now or as soon as it listens.
    pub(super) fn tell(&mut self, order: Order) {
        self.orders.push_back(order);
        self.send();
    }

    /// Sends what waits, as far as there is room.
    pub(super) fn send(&mut self) {
        while let Some(order) = self.orders.front() {
            match order.send(self.control.as_fd()).map_err(|error| Errno::from_io_error(&error)) {
                Ok(()) => {}
                Err(Some(Errno::AGAIN | Errno::TOOMANYREFS)) => return,
                // Nobody will ever hear it.
                Err(_) => self.gone = true,
            }
            self.orders.pop_front();
        }
    }

    /// What the manager says next, if it says anything.
    pub(super) fn hear(&mut self) -> Option<Report> {
        match Report::receive(self.control.as_fd()) {
            Ok(report) => Some(report),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(_) => {
                self.gone = true;
                None
            }
        }
    }

    /// Whether the manager's end of the pair is closed: it is dead, or as good as dead.
    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }

    /// Whether orders wait for room.
    pub(super) fn is_behind(&self) -> bool {
        !self.orders.is_empty() && !self.gone
    }

    /// Takes out what a worker needs. All else is closed.
    pub(super) fn into_shared(self) -> Shared {
        self.shared
    }
}

/// The descriptors that the manager is given.
fn kept<'a>(
    (shared, listeners, control): &'a (&Shared, Vec<Listener>, OwnedFd),
) -> Vec<BorrowedFd<'a>> {
    let mut kept = vec![
        control.as_fd(),
        shared.ready.as_fd(),
        shared.jobs_in.as_fd(),
        shared.jobs_out.as_fd(),
        shared.lifeline.as_fd(),
        shared.wake.as_fd(),
    ];
    kept.extend(listeners.iter().map(AsFd::as_fd));
    kept
}

impl AsFd for Set {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }
}

//! Step 1 of a request: a listener becomes a row.
//!
//! Nothing is accepted before a worker is ready. When slots or descriptors run out, the longest
//! idle connections are ended and accepting pauses until something is free; the kernel's backlog
//! holds the newcomers. Never a loop on accept, never an accept followed by a close.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::net::{SocketAddrAny, SocketFlags, acceptfrom_with, getsockname, sockopt};
use tracing::{debug, info, warn};

use super::Manager;
use super::desk::{Connection, Stage};
use super::expire::Deadline;
use super::read::Reading;
use crate::os::{socket, stamp};
use crate::steps::step;
use crate::table::{ConnId, Newcomer};
use crate::tally::Reason;

/// How many are accepted before others have their turn.
const AT_ONCE: usize = 64;

/// How long accepting pauses when the kernel had nothing to give, in milliseconds.
const PAUSE: u64 = 100;

/// Whether the listeners are listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accepting {
    /// No worker is ready yet.
    NotYet,
    /// Yes.
    Yes,
    /// Until something is free, or this time.
    Paused(u64),
    /// The server is stopping.
    NoMore,
}

impl Accepting {
    /// When to try again.
    pub(super) fn until(self) -> Option<u64> {
        match self {
            Self::Paused(until) => Some(until),
            _ => None,
        }
    }
}

fn address(any: Option<SocketAddrAny>) -> Option<(IpAddr, u16)> {
    match std::net::SocketAddr::try_from(any?) {
        Ok(address) => Some((address.ip(), address.port())),
        Err(_) => None, // a UNIX socket
    }
}

impl Manager<'_> {
    /// Begins to accept, once.
    pub(super) fn begin_accepting(&mut self) {
        if self.accepting == Accepting::NotYet {
            for listener in self.listeners.iter().filter(|listener| !listener.address.unix) {
                // Accepted sockets inherit it: an answer leaves when it is written.
                if let Err(error) = sockopt::set_tcp_nodelay(listener, true) {
                    warn!("cannot set TCP_NODELAY on {}: {error}", listener.address.shown);
                }
                let defer = self.config.defer_accept;
                if defer > 0
                    && let Err(error) = socket::defer_accept(listener.as_fd(), defer)
                {
                    warn!("cannot defer accepting at {}: {error}", listener.address.shown);
                }
                // So does this: a worker that claims a connection knows how old its request is.
                if let Err(error) = stamp::enable(listener.as_fd()) {
                    warn!("requests to {} have no age: {error}", listener.address.shown);
                }
            }
            self.listen();
            info!("accepting");
        }
    }

    fn listen(&mut self) {
        self.accepting = Accepting::Yes;
        self.shared.over.ask(false);
        for (number, listener) in (0..).zip(&self.listeners) {
            if let Err(error) = self.poll.add_listener(number, listener.as_fd()) {
                warn!("cannot wait for connections to {}: {error}", listener.address.shown);
            }
        }
    }

    fn pause(&mut self) {
        for listener in &self.listeners {
            self.poll.remove(listener.as_fd());
        }
        self.accepting = Accepting::Paused(self.now + PAUSE);
        self.next_shed = self.now;
        self.ask_for_messages();
    }

    /// Accepts again, if there is something to accept with.
    pub(super) fn resume_accepting(&mut self) {
        if self.accepting.until().is_some_and(|until| until <= self.now) {
            self.listen();
        }
    }

    /// A slot has become free.
    pub(super) fn slot_freed(&mut self) {
        if matches!(self.accepting, Accepting::Paused(_)) {
            self.accepting = Accepting::Paused(self.now);
        }
    }

    /// Stops accepting for good. The supervisor has the listeners as well, and closes its own.
    pub(super) fn stop_accepting(&mut self) {
        for listener in self.listeners.drain(..) {
            self.poll.remove(listener.as_fd());
        }
        self.accepting = Accepting::NoMore;
        self.ask_for_messages();
    }

    /// Accepts from one listener. Returns whether more may be waiting.
    pub(super) fn accept(&mut self, number: u32) -> bool {
        for _ in 0..AT_ONCE {
            if self.accepting != Accepting::Yes {
                return false;
            }
            let slot = self.desks.free_slot().or_else(|| {
                self.end_what_is_over();
                self.desks.free_slot()
            });
            let Some(slot) = slot else {
                debug!("all slots are taken");
                self.pause();
                return false;
            };
            if let Err(error) = self.accept_into(number, slot) {
                self.desks.give_back(slot);
                match error.kind() {
                    io::ErrorKind::WouldBlock => return false,
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    _ => {
                        if self.shared.tally.tell(Reason::Unaccepted, self.now) {
                            warn!("cannot accept: {error}");
                        }
                        self.pause();
                        return false;
                    }
                }
            }
        }
        true
    }

    fn accept_into(&mut self, number: u32, slot: u32) -> io::Result<()> {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        let listener = self.listeners.get(index).ok_or(Errno::AGAIN)?;
        let wildcard = listener.address.wildcard;
        let (connection, peer) = acceptfrom_with(listener, SocketFlags::CLOEXEC)?;
        let local = if wildcard { getsockname(&connection).ok() } else { None };
        let row = self.shared.table.row(slot).ok_or(Errno::MFILE)?;
        let id = ConnId { slot, serial: row.state().0 };
        row.begin(&Newcomer {
            peer: address(peer),
            local: address(local),
            listener: number,
            number: socket::number(connection.as_fd()),
            now: self.now,
        });
        self.desks.put(Connection {
            id,
            fd: connection,
            polled: false,
            deadline: Deadline::NEVER,
            lends: 0,
            stage: Stage::Reading(Box::new(Reading::new(Vec::new(), true))),
        });
        step("accept");
        self.set_deadline(id, self.header_deadline());
        self.read(id);
        Ok(())
    }
}

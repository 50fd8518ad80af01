//! The ready list: one epoll instance, made before forking and shared by all processes.
//!
//! Idle connections are in it, edge-triggered: what comes is told once, to one worker, so that an event is a
//! claim: first come, first served, any free worker, and nothing waits behind a busy one. A connection remains
//! in the list while workers serve it one request after another, without a system call of theirs. It is
//! armed when it enters, and again when something may be there that was told already: that asks the
//! kernel to look. It leaves when the manager is given it, or when it ends: nobody shall wake for what is
//! somebody's.
//!
//! Every process keeps a connection under the same descriptor number, [`number`], so there is one registration
//! per connection. (The kernel's key is file *and* number: with numbers at random each pair of connection
//! and worker would be a registration of its own.) One that was left behind goes with the last copy of its
//! file, and until then tells workers what they need not know.
//!
//! An event may be older than the row it speaks of, and may come while the row is Lent; see
//! [`table`](crate::table).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;

pub use crate::os::wait::ENDED;
use crate::table::ConnId;

/// Numbers below this one are the application's (`select` knows no larger ones).
pub const BASE: u32 = 1024;

/// The descriptor number under which every process keeps the connection in this slot.
pub fn number(slot: u32) -> i32 {
    i32::try_from(BASE.saturating_add(slot)).unwrap_or(i32::MAX)
}

/// What an event of the list speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Something has come to a connection.
    Connection {
        /// Which one.
        id: ConnId,
        /// Its end was there as well: of that the list does not tell again.
        ended: bool,
    },
    /// There may be a job.
    Jobs,
    /// The supervisor is dead.
    Lifeline,
    /// Nothing: look at the flags.
    Wake,
}

const JOBS: u32 = u32::MAX;
const LIFELINE: u32 = u32::MAX - 1;
const WAKE: u32 = u32::MAX - 2;

impl Event {
    /// Reads the data that an event came with, [`ENDED`] included.
    pub fn from_bits(bits: u64) -> Self {
        match ConnId::from_bits(bits | ENDED).slot {
            JOBS => Self::Jobs,
            LIFELINE => Self::Lifeline,
            WAKE => Self::Wake,
            _ => {
                Self::Connection { id: ConnId::from_bits(bits & !ENDED), ended: bits & ENDED != 0 }
            }
        }
    }
}

/// The list itself.
#[derive(Debug)]
pub struct ReadyList {
    epoll: OwnedFd,
}

impl ReadyList {
    /// An empty list.
    ///
    /// # Errors
    ///
    /// No descriptor is left.
    pub fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)? })
    }

    /// Registers the workers' end of the job socket, level-triggered (an event would die with a
    /// worker), the lifeline's read end, and the eventfd that wakes a worker, edge-triggered.
    ///
    /// # Errors
    ///
    /// The kernel has no memory.
    pub fn watch_common(
        &self,
        jobs: BorrowedFd<'_>,
        lifeline: BorrowedFd<'_>,
        wake: BorrowedFd<'_>,
    ) -> io::Result<()> {
        let data = |slot| EventData::new_u64(ConnId { slot, serial: 0 }.to_bits());
        epoll::add(&self.epoll, jobs, data(JOBS), EventFlags::IN)?;
        epoll::add(&self.epoll, lifeline, data(LIFELINE), EventFlags::IN)?;
        epoll::add(&self.epoll, wake, data(WAKE), EventFlags::IN | EventFlags::ET)?;
        Ok(())
    }

    /// Arms a connection: some worker is told when it has bytes or its end, at once if they are there, and
    /// whenever more of it comes. `is_new`: it is not in the list, as far as the caller knows.
    ///
    /// # Errors
    ///
    /// The kernel has no memory, the user's limit of watches is reached, or it cannot be armed under
    /// this number: give the connection to the manager.
    pub fn arm(&self, connection: BorrowedFd<'_>, id: ConnId, is_new: bool) -> io::Result<()> {
        let events = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
        let data = EventData::new_u64(id.to_bits());
        if !is_new {
            match epoll::modify(&self.epoll, connection, data, events) {
                // New after all, or this process has it under another number than its registration.
                Err(Errno::NOENT) => {}
                armed => return Ok(armed?),
            }
        }
        match epoll::add(&self.epoll, connection, data, events) {
            Err(Errno::EXIST) => Ok(epoll::modify(&self.epoll, connection, data, events)?),
            added => Ok(added?),
        }
    }

    /// Takes a connection out, whatever may come. Whoever it belongs to, before they give it away.
    pub fn leave(&self, connection: BorrowedFd<'_>) {
        // An error: it is not there, or under another number.
        let _ = epoll::delete(&self.epoll, connection);
    }
}

impl AsFd for ReadyList {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::*;
    use crate::os::wait::claim;

    fn told(list: &ReadyList) -> Vec<u64> {
        let mut two = [0; 2];
        let count = claim(list.as_fd(), Some(Duration::ZERO), None, &mut two).unwrap();
        two[..count].to_vec()
    }

    #[test]
    fn what_comes_is_told_once_and_again_by_arming() {
        let list = ReadyList::new().unwrap();
        let (client, server) = UnixStream::pair().unwrap();
        let id = ConnId { slot: 3, serial: 4 };
        let bits = id.to_bits();
        let say = || rustix::io::write(&client, b"x").unwrap();
        say();
        for is_new in [false, true, true, false] {
            list.arm(server.as_fd(), id, is_new).unwrap();
            assert_eq!(told(&list), [bits]);
            assert_eq!(told(&list), [], "it is told already");
        }
        say();
        assert_eq!(told(&list), [bits], "more has come");
        list.leave(server.as_fd());
        say();
        assert_eq!(told(&list), []);
        list.arm(server.as_fd(), id, false).unwrap();
        drop(client);
        assert_eq!(told(&list), [bits | ENDED]);
    }

    #[test]
    fn an_event_says_whether_the_end_is_there() {
        let id = ConnId { slot: 3, serial: 4 };
        for (bits, ended) in [(id.to_bits(), false), (id.to_bits() | ENDED, true)] {
            assert_eq!(Event::from_bits(bits), Event::Connection { id, ended });
        }
        let of = |slot| Event::from_bits(ConnId { slot, serial: 0 }.to_bits());
        assert_eq!([JOBS, LIFELINE, WAKE].map(of), [Event::Jobs, Event::Lifeline, Event::Wake]);
    }
}

//! The ready list: one epoll instance, made before forking and shared by all processes.
//!
//! Idle connections are in it, one-shot, so that an event is a claim: first come, first served, any
//! free worker, and nothing waits behind a busy one. Every process keeps a connection under the same
//! descriptor number, [`number`], so there is one registration per connection, made when it is armed
//! first; arming it again is one system call and takes no memory. (The kernel's key is file *and* number:
//! with numbers at random each pair of connection and worker would be a registration of its own.) Most
//! connections without keep-alive are never in the list, and none is before: a registration that waits for
//! nothing is told of the connection's end all the same, and a worker would wake for it.
//!
//! Nothing is ever deleted from the list: a registration goes with the last copy of its file.
//! An event may be older than the row it speaks of; see [`table`](crate::table).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;

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
    /// A Watched connection has bytes, or its end.
    Connection(ConnId),
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
    /// Reads the data that an event came with.
    pub fn from_bits(bits: u64) -> Self {
        let id = ConnId::from_bits(bits);
        match id.slot {
            JOBS => Self::Jobs,
            LIFELINE => Self::Lifeline,
            WAKE => Self::Wake,
            _ => Self::Connection(id),
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

    /// Registers the workers' end of the job socket, level-triggered (one-shot would die with a
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

    /// Arms a connection: the next worker that asks is told when it has bytes, once. `is_new`: nobody
    /// has armed it before, as far as the caller knows.
    ///
    /// # Errors
    ///
    /// The kernel has no memory, the user's limit of watches is reached, or it cannot be armed under
    /// this number: give the connection to the manager.
    pub fn arm(&self, connection: BorrowedFd<'_>, id: ConnId, is_new: bool) -> io::Result<()> {
        let events = EventFlags::IN | EventFlags::RDHUP | EventFlags::ONESHOT;
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
}

impl AsFd for ReadyList {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::mem::MaybeUninit;
    use std::os::unix::net::UnixStream;

    use rustix::event::Timespec;

    use super::*;

    #[test]
    fn arming_needs_no_earlier_registration_and_takes_one() {
        let list = ReadyList::new().unwrap();
        let (client, server) = UnixStream::pair().unwrap();
        let id = ConnId { slot: 3, serial: 4 };
        let told = || {
            let mut one = [MaybeUninit::uninit(); 1];
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            let (events, _) = epoll::wait(&list, &mut one, Some(&now)).unwrap();
            events.iter().map(|event| event.data.u64()).collect::<Vec<_>>()
        };
        rustix::io::write(&client, b"x").unwrap();
        for is_new in [false, true, true, false] {
            list.arm(server.as_fd(), id, is_new).unwrap();
            assert_eq!(told(), [id.to_bits()]);
            assert_eq!(told(), [], "one-shot");
        }
    }
}

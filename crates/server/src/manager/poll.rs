//! What the manager waits for: a poll set of its own, beside the ready list.
//!
//! Connections are in it one-shot, and only while the manager has something to wait for. They are
//! taken out before they are closed: a worker's copy would keep the registration alive, and nobody
//! could remove it any more.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;

use crate::shared::Shared;
use crate::table::{ConnId, WorkerId};

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The supervisor has said something.
    Control,
    /// The supervisor is dead.
    Lifeline,
    /// The job socket has room again.
    JobsHaveRoom,
    /// Somebody connects to this listener.
    Listener(u32),
    /// This worker has said something.
    Worker(WorkerId),
    /// What was waited for on this connection, or its end.
    Connection(ConnId),
}

const CONTROL: u32 = u32::MAX;
const LIFELINE: u32 = u32::MAX - 1;
const JOBS: u32 = u32::MAX - 2;
const LISTENER: u32 = u32::MAX - 3;
const WORKER: u32 = u32::MAX - 4;

fn data(slot: u32, serial: u32) -> EventData {
    EventData::new_u64(ConnId { slot, serial }.to_bits())
}

/// What to wait for on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interest {
    /// Bytes, or the end.
    Read,
    /// Room.
    Write,
    /// Only that the client has gone.
    Gone,
}

/// The poll set.
#[derive(Debug)]
pub(super) struct Poll {
    epoll: OwnedFd,
}

impl Poll {
    /// One that knows the supervisor's channel, the lifeline and the job socket.
    pub(super) fn new(control: &OwnedFd, shared: &Shared) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, control, data(CONTROL, 0), EventFlags::IN)?;
        epoll::add(&epoll, &shared.lifeline, data(LIFELINE, 0), EventFlags::IN)?;
        // Each job that is taken makes room: only who was refused wants to hear of it.
        epoll::add(&epoll, &shared.jobs_in, data(JOBS, 0), EventFlags::ONESHOT)?;
        Ok(Self { epoll })
    }

    pub(super) fn add_worker(&self, worker: WorkerId, socket: &OwnedFd) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, data(WORKER, worker), EventFlags::IN)?)
    }

    pub(super) fn add_listener(&self, number: u32, socket: BorrowedFd<'_>) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, data(LISTENER, number), EventFlags::IN)?)
    }

    /// Waits for room in the job socket, once.
    pub(super) fn want_room(&self, jobs: &OwnedFd) -> io::Result<()> {
        let room = EventFlags::OUT | EventFlags::ONESHOT;
        Ok(epoll::modify(&self.epoll, jobs, data(JOBS, 0), room)?)
    }

    pub(super) fn remove(&self, socket: BorrowedFd<'_>) {
        // An error says that it was not in the set, which is what was wanted.
        let _ = epoll::delete(&self.epoll, socket);
    }

    /// Waits for one thing to happen on a connection, once. `polled` says whether the set knows it.
    pub(super) fn watch(
        &self,
        connection: &OwnedFd,
        id: ConnId,
        polled: &mut bool,
        interest: Interest,
    ) -> io::Result<()> {
        let events = EventFlags::ONESHOT
            | match interest {
                Interest::Read => EventFlags::IN | EventFlags::RDHUP,
                Interest::Write => EventFlags::OUT,
                Interest::Gone => EventFlags::empty(),
            };
        let data = data(id.slot, id.serial);
        if *polled {
            epoll::modify(&self.epoll, connection, data, events)?;
        } else {
            epoll::add(&self.epoll, connection, data, events)?;
            *polled = true;
        }
        Ok(())
    }

    /// Waits for events, at most `patience` milliseconds.
    pub(super) fn wait(&self, out: &mut Vec<Event>, patience: Option<u64>) -> io::Result<()> {
        let timeout = patience.map(|milliseconds| Timespec {
            tv_sec: i64::try_from(milliseconds / 1000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(milliseconds % 1000 * 1_000_000).unwrap_or(0),
        });
        let mut buffer = [MaybeUninit::uninit(); 256];
        let events = match epoll::wait(self.epoll.as_fd(), &mut buffer, timeout.as_ref()) {
            Ok((events, _)) => events,
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        out.extend(events.iter().map(|event| {
            let id = ConnId::from_bits(event.data.u64());
            match id.slot {
                CONTROL => Event::Control,
                LIFELINE => Event::Lifeline,
                JOBS => Event::JobsHaveRoom,
                LISTENER => Event::Listener(id.serial),
                WORKER => Event::Worker(id.serial),
                _ => Event::Connection(id),
            }
        }));
        Ok(())
    }
}

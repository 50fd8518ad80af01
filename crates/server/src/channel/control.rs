//! What the supervisor and the manager say to each other: who is born and who has died, and when to
//! stop.
//!
//! A worker number is given again only after *buried*, and a new worker always has a new pair: else
//! what the dead left behind is taken for the living's.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::socket;
use super::wire::{Reader, Writer};
use crate::table::WorkerId;

/// The send buffer asked for, in bytes: every worker's birth and death, several times over.
pub const ROOM: usize = 256 * 1024;

const LEN: usize = 12;

/// Down: from the supervisor to the manager.
#[derive(Debug)]
pub enum Order {
    /// A worker was forked.
    Born {
        /// Its number.
        worker: WorkerId,
        /// Its process.
        pid: i32,
        /// The manager's end of the pair that the two talk over.
        socket: OwnedFd,
    },
    /// A worker was reaped: bury it.
    Died(WorkerId),
    /// This worker has been given up: the request that it runs has taken too long. Answer it, if the
    /// answer has not begun.
    Overdue(WorkerId),
    /// Close the listeners, end what is idle, finish the rest, then say [`Report::Drained`].
    Stop,
    /// Break off everything, then say [`Report::Drained`].
    Fast,
    /// Log how many connections are in which stage.
    Count,
}

/// Up: from the manager to the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// This worker can serve.
    Ready(WorkerId),
    /// What this dead worker left behind is dealt with: its number may be given again.
    Buried(WorkerId),
    /// No connection is left.
    Drained,
}

const BORN: u32 = 1;
const DIED: u32 = 2;
const STOP: u32 = 3;
const FAST: u32 = 4;
const READY: u32 = 5;
const BURIED: u32 = 6;
const DRAINED: u32 = 7;
const COUNT: u32 = 8;
const OVERDUE: u32 = 9;

impl Order {
    /// Sends it without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` or `ETOOMANYREFS`: try again when the socket is writable. Others: the manager
    /// is dead.
    pub fn send(&self, to: BorrowedFd<'_>) -> io::Result<()> {
        match self {
            Self::Born { worker, pid, socket } => {
                send(to, BORN, *worker, pid.unsigned_abs(), &[socket.as_fd()])
            }
            Self::Died(worker) => send(to, DIED, *worker, 0, &[]),
            Self::Overdue(worker) => send(to, OVERDUE, *worker, 0, &[]),
            Self::Stop => send(to, STOP, 0, 0, &[]),
            Self::Fast => send(to, FAST, 0, 0, &[]),
            Self::Count => send(to, COUNT, 0, 0, &[]),
        }
    }

    /// Receives one without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock`: there is none. `UnexpectedEof`: the supervisor is dead. `InvalidData`: no
    /// supervisor of this version sends such a message, or its descriptor was lost.
    pub fn receive(from: BorrowedFd<'_>) -> io::Result<Self> {
        let (kind, worker, pid, descriptors) = receive(from)?;
        match (kind, i32::try_from(pid), descriptors.into_iter().next()) {
            (BORN, Ok(pid), Some(socket)) => Ok(Self::Born { worker, pid, socket }),
            (DIED, ..) => Ok(Self::Died(worker)),
            (OVERDUE, ..) => Ok(Self::Overdue(worker)),
            (STOP, ..) => Ok(Self::Stop),
            (FAST, ..) => Ok(Self::Fast),
            (COUNT, ..) => Ok(Self::Count),
            _ => Err(strange()),
        }
    }
}

impl Report {
    /// Sends it without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock`: try again when the socket is writable. Others: the supervisor is dead.
    pub fn send(self, to: BorrowedFd<'_>) -> io::Result<()> {
        match self {
            Self::Ready(worker) => send(to, READY, worker, 0, &[]),
            Self::Buried(worker) => send(to, BURIED, worker, 0, &[]),
            Self::Drained => send(to, DRAINED, 0, 0, &[]),
        }
    }

    /// Receives one without waiting.
    ///
    /// # Errors
    ///
    /// As [`Order::receive`].
    pub fn receive(from: BorrowedFd<'_>) -> io::Result<Self> {
        match receive(from)? {
            (READY, worker, ..) => Ok(Self::Ready(worker)),
            (BURIED, worker, ..) => Ok(Self::Buried(worker)),
            (DRAINED, ..) => Ok(Self::Drained),
            _ => Err(strange()),
        }
    }
}

fn send(
    to: BorrowedFd<'_>,
    kind: u32,
    worker: WorkerId,
    pid: u32,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let bytes = Writer::<LEN>::new().u32(kind).u32(worker).u32(pid).done();
    socket::send(to, &[IoSlice::new(&bytes)], descriptors)
}

fn receive(from: BorrowedFd<'_>) -> io::Result<(u32, WorkerId, u32, Vec<OwnedFd>)> {
    let mut buffer = [0; LEN];
    let got = socket::receive(from, &mut buffer)?;
    if got.len == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut reader = Reader(buffer.get(..got.len).unwrap_or_default());
    match (reader.u32(), reader.u32(), reader.u32()) {
        (Some(kind), Some(worker), Some(pid)) => Ok((kind, worker, pid, got.descriptors)),
        _ => Err(strange()),
    }
}

fn strange() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a control message that is none")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn a_birth_brings_its_socket_and_nothing_else_does() {
        let (supervisor, manager) = socket::pair(ROOM).unwrap();
        let (mut read, write) = io::pipe().unwrap();
        let born = Order::Born { worker: 3, pid: 4711, socket: write.into() };
        for order in [born, Order::Died(3), Order::Stop, Order::Fast, Order::Count] {
            order.send(supervisor.as_fd()).unwrap();
        }
        match Order::receive(manager.as_fd()).unwrap() {
            Order::Born { worker: 3, pid: 4711, socket } => {
                std::fs::File::from(socket).write_all(b"x").unwrap();
            }
            other => panic!("{other:?}"),
        }
        let mut text = String::new();
        read.read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
        assert!(matches!(Order::receive(manager.as_fd()), Ok(Order::Died(3))));
        assert!(matches!(Order::receive(manager.as_fd()), Ok(Order::Stop)));
        assert!(matches!(Order::receive(manager.as_fd()), Ok(Order::Fast)));
        assert!(matches!(Order::receive(manager.as_fd()), Ok(Order::Count)));
    }

    #[test]
    fn reports_arrive_in_order_and_the_end_is_told_from_nothing_yet() {
        let (supervisor, manager) = socket::pair(ROOM).unwrap();
        let nothing = Report::receive(supervisor.as_fd()).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        let all = [Report::Ready(2), Report::Buried(7), Report::Drained];
        for report in all {
            report.send(manager.as_fd()).unwrap();
        }
        drop(manager);
        for report in all {
            assert_eq!(Report::receive(supervisor.as_fd()).unwrap(), report);
        }
        let end = Report::receive(supervisor.as_fd()).unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_message_of_another_kind_is_invalid_and_no_panic() {
        let (supervisor, manager) = socket::pair(ROOM).unwrap();
        socket::send(supervisor.as_fd(), &[IoSlice::new(&[9; 5])], &[]).unwrap();
        Report::Drained.send(supervisor.as_fd()).unwrap();
        for _ in 0..2 {
            let error = Order::receive(manager.as_fd()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
    }
}

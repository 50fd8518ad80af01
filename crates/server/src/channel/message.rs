//! What one worker and the manager say to each other, over a small pair of their own.
//!
//! **The message gives the connection away**: a worker that has sent *partial*, *drain* or *closed*
//! leaves the row and the socket alone, and the manager moves the row from Lent to Held when it takes
//! the message. Until then the row says whose it was, so a death in between loses nothing.

use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, OwnedFd};

use super::socket;
use super::wire::{Reader, Writer};
use crate::spool::Place;
use crate::table::ConnId;

/// The most bytes behind a message's header: a request that is not complete, or what was pipelined.
pub const MOST_BYTES: usize = 128 * 1024;

/// The most bytes of one message.
pub const MOST: usize = HEADER + MOST_BYTES;

const HEADER: usize = 40;

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Our answer was the last: shut down writing, linger, close.
    Linger,
    /// Our answer was the last, and the client had said that no request would follow: close at once,
    /// unless something has come all the same.
    Done,
    /// The client has ended it, and nothing is owed.
    Gone,
    /// The answer is broken off: reset, so that it cannot look whole.
    Reset,
}

/// From a worker to the manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// I can serve. Sent once.
    Ready,
    /// Send me the descriptor of this connection, which is Lent to me.
    Fetch(ConnId),
    /// These bytes begin a request that is not complete, or that others should be served before.
    Partial(ConnId, &'a [u8]),
    /// The rest of a finished answer, for a client that does not take it now.
    Drain(ConnId, Drain<'a>),
    /// The connection is over.
    Closed(ConnId, End),
    /// I am in a round, and nobody looks at rounds.
    Rounds,
}

/// What is left of a finished answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain<'a> {
    /// Where the file is, for the account of what is spooled.
    pub place: Place,
    /// What follows when it is drained; `None` keeps the connection.
    pub then: Option<End>,
    /// Bytes to be sent before those of the file.
    pub first: &'a [u8],
    /// Where in the file that comes along the unsent bytes begin.
    pub offset: u64,
    /// How many they are.
    pub length: u64,
    /// The bytes of the client's next request.
    pub rest: &'a [u8],
}

const READY: u32 = 1;
const FETCH: u32 = 2;
const PARTIAL: u32 = 3;
const DRAIN: u32 = 4;
const CLOSED: u32 = 5;
const ROUNDS: u32 = 6;
const NOBODY: ConnId = ConnId { slot: u32::MAX, serial: 0 };

fn end_to_code(end: Option<End>) -> u32 {
    match end {
        None => 0,
        Some(End::Linger) => 1,
        Some(End::Gone) => 2,
        Some(End::Reset) => 3,
        Some(End::Done) => 4,
    }
}

/// The code's next four bits: where a drain's file is.
fn place_to_code(place: Place) -> u32 {
    match place {
        Place::Elsewhere => 0,
        Place::Memory => 1 << 4,
        Place::Disk => 2 << 4,
    }
}

fn place_from_code(code: u32) -> Option<Place> {
    match code >> 4 {
        0 => Some(Place::Elsewhere),
        1 => Some(Place::Memory),
        2 => Some(Place::Disk),
        _ => None,
    }
}

fn end_from_code(code: u32) -> Option<Option<End>> {
    match code & 15 {
        0 => Some(None),
        1 => Some(Some(End::Linger)),
        2 => Some(Some(End::Gone)),
        3 => Some(Some(End::Reset)),
        4 => Some(Some(End::Done)),
        _ => None,
    }
}

impl<'a> Message<'a> {
    /// Sends it; a drain comes with its file.
    ///
    /// # Errors
    ///
    /// `WouldBlock`: the manager is behind, wait until the socket is writable. Others: the manager
    /// is dead.
    pub fn send(&self, socket: BorrowedFd<'_>, file: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let nothing: &[u8] = &[];
        let place = match self {
            Self::Drain(_, drain) => place_to_code(drain.place),
            _ => 0,
        };
        let (kind, id, end, at, first, rest) = match *self {
            Self::Ready => (READY, NOBODY, None, (0, 0), nothing, nothing),
            Self::Fetch(id) => (FETCH, id, None, (0, 0), nothing, nothing),
            Self::Partial(id, bytes) => (PARTIAL, id, None, (0, 0), nothing, bytes),
            Self::Drain(id, d) => (DRAIN, id, d.then, (d.offset, d.length), d.first, d.rest),
            Self::Closed(id, end) => (CLOSED, id, Some(end), (0, 0), nothing, nothing),
            Self::Rounds => (ROUNDS, NOBODY, None, (0, 0), nothing, nothing),
        };
        let header = Writer::<HEADER>::new()
            .u32(kind)
            .u32(end_to_code(end) | place)
            .u32(id.slot)
            .u32(id.serial)
            .u64(at.0)
            .u64(at.1)
            .u64(u64::try_from(first.len()).map_err(io::Error::other)?)
            .done();
        let parts = [&header[..], first, rest].map(IoSlice::new);
        socket::send(socket, &parts, file.as_slice())
    }

    /// What it is called, in logs and tests.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Fetch(_) => "fetch",
            Self::Partial(..) => "partial",
            Self::Drain(..) => "drain",
            Self::Closed(..) => "closed",
            Self::Rounds => "rounds",
        }
    }

    /// Reads one. `None` if it is none of ours.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let (kind, code) = (reader.u32()?, reader.u32()?);
        let (end, place) = (end_from_code(code)?, place_from_code(code)?);
        let id = ConnId { slot: reader.u32()?, serial: reader.u32()? };
        let (offset, length, first) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let first = reader.bytes(u32::try_from(first).ok()?)?;
        let rest = reader.0;
        match kind {
            READY => Some(Self::Ready),
            FETCH => Some(Self::Fetch(id)),
            PARTIAL => Some(Self::Partial(id, rest)),
            DRAIN => {
                let drain = Drain { place, then: end, first, offset, length, rest };
                Some(Self::Drain(id, drain))
            }
            CLOSED => Some(Self::Closed(id, end?)),
            ROUNDS => Some(Self::Rounds),
            _ => None,
        }
    }
}

/// Answers a fetch: with the connection's descriptor, or with none if it is closed.
///
/// # Errors
///
/// The worker is dead, or its pair is full, which no worker that waits for an answer can cause.
pub fn send_fetched(
    socket: BorrowedFd<'_>,
    id: ConnId,
    connection: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let header = Writer::<8>::new().u32(id.slot).u32(id.serial).done();
    socket::send(socket, &[IoSlice::new(&header)], connection.as_slice())
}

/// Receives the answer to a fetch: the id it speaks of, and the descriptor if there is one.
///
/// # Errors
///
/// `WouldBlock`: not yet. `UnexpectedEof`: the manager is dead. Others: the descriptor was lost.
pub fn receive_fetched(socket: BorrowedFd<'_>) -> io::Result<(ConnId, Option<OwnedFd>)> {
    let mut buffer = [0; 8];
    let got = socket::receive(socket, &mut buffer)?;
    let mut reader = Reader(buffer.get(..got.len).unwrap_or_default());
    match (reader.u32(), reader.u32()) {
        _ if got.lost => Err(io::Error::new(io::ErrorKind::InvalidData, "a descriptor was lost")),
        (Some(slot), Some(serial)) => {
            Ok((ConnId { slot, serial }, got.descriptors.into_iter().next()))
        }
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use proptest::prelude::*;

    use super::*;

    const ID: ConnId = ConnId { slot: 70_000, serial: u32::MAX };

    #[test]
    fn every_message_is_read_as_it_was_written() {
        let place = Place::Disk;
        let drain =
            Drain { place, then: None, first: b"ab", offset: 1 << 40, length: 5, rest: b"GET" };
        let all = [
            Message::Ready,
            Message::Fetch(ID),
            Message::Partial(ID, &[1; MOST_BYTES]),
            Message::Drain(ID, drain),
            Message::Drain(ID, Drain { then: Some(End::Linger), place: Place::Memory, ..drain }),
            Message::Drain(ID, Drain { place: Place::Elsewhere, ..drain }),
            Message::Closed(ID, End::Linger),
            Message::Closed(ID, End::Done),
            Message::Closed(ID, End::Gone),
            Message::Closed(ID, End::Reset),
            Message::Rounds,
        ];
        let (worker, manager) = socket::pair(1 << 20).unwrap();
        let mut buffer = vec![0; MOST];
        for message in all {
            message.send(worker.as_fd(), Some(manager.as_fd())).unwrap();
            let got = socket::receive(manager.as_fd(), &mut buffer).unwrap();
            assert_eq!(Message::parse(&buffer[..got.len]), Some(message));
            assert_eq!(got.descriptors.len(), 1);
        }
    }

    #[test]
    fn a_fetch_is_answered_with_a_descriptor_or_with_none() {
        let (worker, manager) = socket::pair(1 << 16).unwrap();
        send_fetched(manager.as_fd(), ID, Some(worker.as_fd())).unwrap();
        send_fetched(manager.as_fd(), ID, None).unwrap();
        let answer = |()| receive_fetched(worker.as_fd()).map(|(id, fd)| (id, fd.is_some()));
        assert_eq!(answer(()).unwrap(), (ID, true));
        assert_eq!(answer(()).unwrap(), (ID, false));
        drop(manager);
        assert_eq!(answer(()).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Message::parse(&bytes);
        }
    }
}

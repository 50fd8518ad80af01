//! A job: one complete request and its descriptors, from the manager to whichever worker is free.
//!
//! The head travels as it was received, the body decoded. A body over `body-buffer-size` is a file
//! whose descriptor comes along, and only its bytes: what was pipelined behind the request (the
//! *rest*) always travels in the message, so that the file's end is the body's end.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::socket;
use super::wire::{Reader, Writer};
use crate::table::{ConnId, JobNumber};

/// The most bytes of head, of body, and of rest that a job carries, each.
pub const MOST_OF_EACH: usize = 64 * 1024;

/// The most bytes of one job message.
pub const MOST: usize = HEADER + 3 * MOST_OF_EACH;

const HEADER: usize = 40;

/// A job as the manager sends it.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// Which connection's.
    pub id: ConnId,
    /// Which lending of it.
    pub number: JobNumber,
    /// When the request was complete, in milliseconds of the monotonic clock.
    pub complete: u64,
    /// The head, as received.
    pub head: &'a [u8],
    /// The decoded body, unless it is a file.
    pub body: &'a [u8],
    /// The decoded body's file.
    pub file: Option<BorrowedFd<'a>>,
    /// The bytes behind the request.
    pub rest: &'a [u8],
}

impl Job<'_> {
    /// Sends it along with the client's socket.
    ///
    /// # Errors
    ///
    /// `WouldBlock`, or the kernel's `ETOOMANYREFS`: no room now, try again later.
    pub fn send(&self, jobs: BorrowedFd<'_>, client: BorrowedFd<'_>) -> io::Result<()> {
        let len = |part: &[u8]| u32::try_from(part.len()).map_err(io::Error::other);
        let header = Writer::<HEADER>::new()
            .u32(self.id.slot)
            .u32(self.id.serial)
            .u32(self.number)
            .u32(0)
            .u64(self.complete)
            .u32(len(self.head)?)
            .u32(len(self.body)?)
            .u64(u64::from(len(self.rest)?))
            .done();
        let parts = [&header[..], self.head, self.body, self.rest].map(IoSlice::new);
        match self.file {
            None => socket::send(jobs, &parts, &[client]),
            Some(file) => socket::send(jobs, &parts, &[client, file]),
        }
    }
}

/// A job as a worker has it: the bytes are in the buffer that it was received into.
#[derive(Debug)]
pub struct Taken<'a> {
    /// The job; its file is in `file`.
    pub job: Job<'a>,
    /// The client's socket.
    pub client: OwnedFd,
    /// The body's file.
    pub file: Option<OwnedFd>,
}

/// Receives one job, if there is one, into a buffer of at least [`MOST`] bytes.
///
/// # Errors
///
/// `WouldBlock`: there is none. `UnexpectedEof`: the manager is dead. `InvalidData`: a message that
/// no manager of this version sends, or one whose descriptors were lost.
pub fn receive<'a>(jobs: BorrowedFd<'_>, buffer: &'a mut [u8]) -> io::Result<Taken<'a>> {
    let socket::Received { len, descriptors, lost } = socket::receive(jobs, buffer)?;
    if len == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let bytes = buffer.get(..len).unwrap_or_default();
    let mut descriptors = descriptors.into_iter();
    match (parse(bytes), descriptors.next()) {
        (Some(job), Some(client)) if !lost => Ok(Taken { job, client, file: descriptors.next() }),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a job that is none")),
    }
}

/// Reads a job message. `None` if it is none.
pub fn parse(message: &[u8]) -> Option<Job<'_>> {
    let mut reader = Reader(message);
    let id = ConnId { slot: reader.u32()?, serial: reader.u32()? };
    let (number, _spare, complete) = (reader.u32()?, reader.u32()?, reader.u64()?);
    let (head, body, rest) = (reader.u32()?, reader.u32()?, reader.u64()?);
    let (head, body) = (reader.bytes(head)?, reader.bytes(body)?);
    let rest = reader.bytes(u32::try_from(rest).ok()?)?;
    reader.0.is_empty().then_some(Job { id, number, complete, head, body, file: None, rest })
}

impl Taken<'_> {
    /// The file of the body, if it is one.
    pub fn file(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(AsFd::as_fd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_job_arrives_as_it_was_sent() {
        let (manager, worker) = socket::pair(1 << 20).unwrap();
        let (client, file) = io::pipe().unwrap();
        let job = Job {
            id: ConnId { slot: 4, serial: 9 },
            number: 3,
            complete: 12_345,
            head: b"GET / HTTP/1.1\r\n\r\n",
            body: &[7; MOST_OF_EACH],
            file: Some(file.as_fd()),
            rest: &[8; MOST_OF_EACH],
        };
        job.send(manager.as_fd(), client.as_fd()).unwrap();
        let mut buffer = vec![0; MOST];
        let taken = receive(worker.as_fd(), &mut buffer).unwrap();
        let got = taken.job;
        assert_eq!((got.id, got.number, got.complete), (job.id, job.number, job.complete));
        assert_eq!((got.head, got.body, got.rest), (job.head, job.body, job.rest));
        assert!(taken.file().is_some());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}

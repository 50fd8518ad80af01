//! What a client's socket has not taken of an answer, and every way to get rid of it from a worker.
//!
//! A finished answer waits in a spool, because the manager can drain a file. If there is no room for one,
//! what comes behind stays in memory, and whoever makes the answer must wait ([`Unsent::kept`]).
//!
//! Not here: when bytes are kept and not sent ([`outlet`](super::outlet)), and the manager's turn.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use crate::os::socket::nonblocking;
use crate::spool::Spool;

/// What the socket has not taken yet.
#[derive(Debug)]
pub(crate) enum Unsent {
    /// Nothing.
    Nothing,
    /// Bytes of a live answer, or of a finished one for which there is no spool.
    Memory(Vec<u8>),
    /// Bytes of a finished one, of which the first `sent` have left; and behind them those for which
    /// the spool had no room.
    Spooled { spool: Spool, sent: u64, over: Vec<u8> },
    /// Bytes, then a part of a regular file.
    File { first: Vec<u8>, file: File, offset: u64, length: u64 },
}

impl Unsent {
    /// Whether the socket has taken everything.
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    /// Bytes in memory that no spool had room for, or that a live answer is ahead.
    pub(crate) fn kept(&self) -> usize {
        match self {
            Self::Memory(bytes) | Self::Spooled { over: bytes, .. } => bytes.len(),
            Self::Nothing | Self::File { .. } => 0,
        }
    }

    /// All bytes.
    pub(crate) fn len(&self) -> u64 {
        let kept = u64::try_from(self.kept()).unwrap_or(u64::MAX);
        match self {
            Self::Nothing | Self::Memory(_) => kept,
            Self::Spooled { spool, sent, .. } => {
                spool.len().saturating_sub(*sent).saturating_add(kept)
            }
            Self::File { first, length, .. } => {
                length.saturating_add(u64::try_from(first.len()).unwrap_or(u64::MAX))
            }
        }
    }

    /// Sends as much as the socket takes now. A file of the application's is the manager's to send.
    ///
    /// # Errors
    ///
    /// The client has gone, or a spool cannot be read.
    pub(crate) fn push(&mut self, client: BorrowedFd<'_>) -> Result<(), Errno> {
        if let Self::Spooled { spool, sent, over } = self {
            nonblocking(client, true);
            let pushed = send_part(client, spool.file().as_fd(), sent, spool.len());
            nonblocking(client, false);
            pushed?;
            if *sent < spool.len() {
                return Ok(());
            }
            *self = Self::Memory(std::mem::take(over));
        }
        if let Self::Memory(bytes) = self {
            while !bytes.is_empty() {
                match send(client, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                    Ok(sent) => drop(bytes.drain(..sent.min(bytes.len()))),
                    Err(Errno::INTR) => {}
                    Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            *self = Self::Nothing;
        }
        Ok(())
    }

    /// The bytes of what is only a head that the client did not take.
    pub(crate) fn into_bytes(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Nothing => Ok(Vec::new()),
            Self::Memory(bytes) | Self::File { first: bytes, .. } => Ok(bytes),
            Self::Spooled { spool, sent, over } => {
                let left = spool.len().saturating_sub(sent);
                let mut bytes = vec![0; usize::try_from(left).map_err(io::Error::other)?];
                spool.file().read_exact_at(&mut bytes, sent)?;
                bytes.extend(over);
                Ok(bytes)
            }
        }
    }
}

/// Sends a file from `at` to `end`, as far as a socket that does not block takes it.
///
/// # Errors
///
/// The client has gone, or the file is not what it was: `NODATA` if it ends early.
pub(crate) fn send_part(
    client: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    at: &mut u64,
    end: u64,
) -> Result<(), Errno> {
    while *at < end {
        let ask = usize::try_from(end - *at).unwrap_or(usize::MAX).min(1 << 20);
        match rustix::fs::sendfile(client, file, Some(at), ask) {
            Ok(0) => return Err(Errno::NODATA),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

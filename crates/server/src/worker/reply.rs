//! Step 8 of a request: the reply, as far as the socket takes it.

use std::marker::PhantomData;
use std::os::fd::BorrowedFd;

use crate::http::head::Field;
use crate::http::response::HeadError;

/// How the body of an answer in pieces comes into being.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// It exists already (a file handle, an object with `getline`): what the socket does not take
    /// is spooled for the manager to drain, and a write never has to wait.
    Finished,
    /// It is made while it is sent (PSGI's writer): a writer that is more than
    /// `stream-buffer-size` ahead of its client has to wait.
    Live,
}

/// What became of one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrote {
    /// All of it is on its way.
    All,
    /// This many bytes are; wait until the client's socket is writable and write the others.
    Again(usize),
    /// The client has gone. Nothing more will be taken.
    Gone,
}

/// The answer to one request, while it is written.
#[derive(Debug)]
pub struct Reply<'a> {
    marker: PhantomData<&'a ()>,
}

impl Reply<'_> {
    /// Whether a head was accepted: from then on the status cannot change.
    pub fn has_begun(&self) -> bool {
        unimplemented!()
    }

    /// A finished answer whose body is in memory, in pieces.
    ///
    /// # Errors
    ///
    /// The head breaks a rule (the message names the field); nothing was written.
    pub fn whole(
        &mut self,
        _status: i64,
        _fields: &[Field<'_>],
        _body: &[&[u8]],
    ) -> Result<(), HeadError> {
        unimplemented!()
    }

    /// A finished answer whose body is `length` bytes of a regular file, from `offset`.
    ///
    /// # Errors
    ///
    /// As [`whole`](Self::whole).
    pub fn file(
        &mut self,
        _status: i64,
        _fields: &[Field<'_>],
        _file: BorrowedFd<'_>,
        _offset: u64,
        _length: u64,
    ) -> Result<(), HeadError> {
        unimplemented!()
    }

    /// Begins an answer whose body comes in pieces by [`write`](Self::write), until
    /// [`close`](Self::close). A `Live` head goes out at once.
    ///
    /// # Errors
    ///
    /// As [`whole`](Self::whole).
    pub fn start(
        &mut self,
        _status: i64,
        _fields: &[Field<'_>],
        _pace: Pace,
    ) -> Result<(), HeadError> {
        unimplemented!()
    }

    /// Writes a piece of the body. Never blocks.
    pub fn write(&mut self, _piece: &[u8]) -> Wrote {
        unimplemented!()
    }

    /// Ends the body: last chunk, or nothing. Never blocks: the manager drains what is left.
    pub fn close(&mut self) {
        unimplemented!()
    }

    /// Breaks the answer off: the connection is reset, so that it cannot look whole.
    pub fn break_off(&mut self) {
        unimplemented!()
    }

    /// Sends an interim answer (1xx, not 101). `Ok(false)`, and nothing is sent, to HTTP/1.0
    /// clients, after the head, or when the client has gone.
    ///
    /// # Errors
    ///
    /// As [`whole`](Self::whole).
    pub fn inform(&mut self, _status: i64, _fields: &[Field<'_>]) -> Result<bool, HeadError> {
        unimplemented!()
    }

    /// The connection is the application's from now on: nothing more is written to it, and it is
    /// shut down when the application returns.
    pub fn hand_over(&mut self) {
        unimplemented!()
    }

    /// The client's socket, to wait for room.
    pub fn client(&self) -> BorrowedFd<'_> {
        unimplemented!()
    }
}

//! What the application returned, and how its body is taken: pieces, a file, or a stream.
//!
//! Not here: sending it (crates/psgi).

use crate::call::{Left, Perl};
use crate::callback::{Conn, Stream, file_of, slice_of};
use crate::ffi;
use crate::value::{Chunks, Fields, FileBody};

/// The body of an answer.
#[derive(Debug)]
pub enum Body<'a> {
    /// An array: all of it is here.
    Chunks(Chunks<'a>),
    /// A plain regular file. Send it, then call [`Answer::close`]. ([`Answer::piece`] works too.)
    File(FileBody<'a>),
    /// A handle or an object: call [`Answer::piece`] until `None`, then [`Answer::close`].
    Lines,
    /// The answer is not made yet: call [`Answer::stream`]. Status and fields are not to be used.
    Code,
}

/// How far a streamed answer came when its CODE returned or died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streamed {
    /// The responder was never called successfully: nothing was written.
    Nothing,
    /// The answer is complete; `close` was called.
    Complete,
    /// A head went out but the writer was not closed. After `Ok` close it for the application;
    /// otherwise break off.
    Open,
    /// The body failed half way (a `getline` that died, a panic): break off.
    Broken,
}

/// What the application returned. Borrows the interpreter, so that nothing can be freed meanwhile;
/// dropping it frees nothing: that is [`Perl::release`]'s.
///
/// What points into the application's own strings is there until Perl runs again: after
/// [`close`](Self::close), [`error`](Self::error) or [`complain`](Self::complain) an array has no
/// chunks and no fields any more, and a file is `Lines`. The fields of other answers are copies.
#[derive(Debug)]
pub struct Answer<'p> {
    pub(crate) perl: &'p mut Perl,
    pub(crate) raw: ffi::Response,
}

impl Answer<'_> {
    /// The status as the application gave it: any number.
    pub fn status(&self) -> i64 {
        self.raw.status
    }

    /// The fields.
    pub fn fields(&self) -> Fields<'_> {
        // SAFETY: the shim counted what it wrote into its scratch space, which the next call
        // writes again. Strings of an array's answer stay until Perl runs again, for which
        // `&mut self` is needed; `forget_slices` is called then. Others are the shim's copies
        // (shim/value.c, kept), which are freed by the release.
        Fields::new(unsafe { slice_of(self.raw.fields, self.raw.n_fields) })
    }

    /// The body.
    pub fn body(&self) -> Body<'_> {
        match self.raw.kind {
            ffi::BODY_ARRAY => {
                // SAFETY: as in `fields`: counted by the shim, there until Perl runs.
                Body::Chunks(Chunks::new(unsafe { slice_of(self.raw.chunks, self.raw.n_chunks) }))
            }
            // SAFETY: the handle is held by the shim until it is closed or released, which
            // `&mut` is needed for; `forget_slices` makes this a `Lines` then.
            ffi::BODY_FILE => Body::File(unsafe { file_of(&self.raw) }),
            ffi::BODY_CODE => Body::Code,
            _ => Body::Lines,
        }
    }

    /// Before Perl runs again: it may change or free any string that a slice points to.
    fn forget_slices(&mut self) {
        match self.raw.kind {
            ffi::BODY_ARRAY => (self.raw.n_fields, self.raw.n_chunks) = (0, 0),
            ffi::BODY_FILE => self.raw.kind = ffi::BODY_LINES,
            _ => {}
        }
    }

    /// The next piece of a body that is a handle or object; `None` at its end. A piece may be
    /// empty: "nothing now" (after many in a row this pauses for 1 ms).
    ///
    /// # Errors
    ///
    /// `getline` died, exited, or gave a wide character or a reference.
    pub fn piece(&mut self) -> Result<Option<&[u8]>, Left> {
        self.forget_slices();
        let (mut piece, mut eof) = (ffi::Bytes::NONE, 1);
        // SAFETY: see `Perl::host`; both results are written before it returns.
        let out = unsafe { ffi::perl_piece(self.perl.host(), &raw mut piece, &raw mut eof) };
        self.perl.left(out)?;
        if eof != 0 {
            return Ok(None);
        }
        // SAFETY: the shim holds this string until the next piece or the release, and both need
        // `&mut self`, which the slice borrows.
        Ok(Some(unsafe { piece.as_slice() }))
    }

    /// Calls the body's `close`, if it has one and was not closed yet. Does nothing for arrays.
    ///
    /// # Errors
    ///
    /// `close` died or exited. There is nothing left to do for the client.
    pub fn close(&mut self) -> Result<(), Left> {
        self.forget_slices();
        // SAFETY: thread and jumps as `Perl::host` says; nothing is passed.
        let out = unsafe { ffi::perl_close(self.perl.host()) };
        self.perl.left(out)
    }

    /// Calls the CODE with a responder. The first is how far the answer came, however CODE left.
    pub fn stream(&mut self, stream: &mut dyn Stream) -> (Streamed, Result<(), Left>) {
        self.forget_slices();
        let mut conn = Conn { stream, panicked: false };
        let mut streamed = 0;
        let pointer = (&raw mut conn).cast();
        // SAFETY: see `Perl::host`; the shim forgets `conn` before it returns.
        let out = unsafe { ffi::perl_stream(self.perl.host(), pointer, &raw mut streamed) };
        let streamed = match streamed {
            _ if conn.panicked => Streamed::Broken,
            ffi::STREAMED_NOTHING => Streamed::Nothing,
            ffi::STREAMED_COMPLETE => Streamed::Complete,
            ffi::STREAMED_OPEN => Streamed::Open,
            _ => Streamed::Broken,
        };
        (streamed, self.perl.left(out))
    }

    /// Whether the application has looked at `psgix.io`.
    pub fn saw_io(&self) -> bool {
        self.perl.saw_io()
    }

    /// As [`Perl::error`].
    pub fn error(&mut self) -> &[u8] {
        self.forget_slices();
        self.perl.error()
    }

    /// As [`Perl::complain`].
    pub fn complain(&mut self, text: &[u8]) {
        self.forget_slices();
        self.perl.complain(text);
    }
}

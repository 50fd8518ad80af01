//! A request goes in, an answer comes out; and the waits in between, where signals are delivered.
//!
//! Everything that can run Perl returns a [`Left`] if it did not simply return. After
//! [`Left::Exit`] and [`Left::Forked`] the only calls that do anything are those that leave:
//! [`Perl::release`], [`Perl::error`], [`Perl::status`], [`Perl::shutdown`].

use std::ffi::c_int;
use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::time::Duration;

use crate::callback::{self, Conn, Log, Stream, file_of, slice_of};
use crate::ffi;
use crate::value::{Chunks, Fields, FileBody, Var};

/// How a call left Perl, if not by returning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// It died; [`Perl::error`] has the reason. The interpreter is fine.
    Died,
    /// It called `exit` with this status: every context of Perl is unwound. Finish the reply,
    /// release, and leave by [`Perl::shutdown`] (door one) or [`Ending::Leave`](crate::Ending).
    Exit(i32),
    /// This is a child that the application forked, and it came back: touch nothing that is shared
    /// and leave with this status. (What it died of has been printed.)
    Forked(i32),
}

/// Where a request's body is.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// In memory; empty for none.
    Memory(&'a [u8]),
    /// In a file, from offset 0. It is duplicated: Perl closes its own.
    File(BorrowedFd<'a>),
}

/// The address family of the client's socket: the class of `psgix.io`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4: IO::Socket::INET.
    Inet,
    /// IPv6: IO::Socket::IP.
    Inet6,
    /// UNIX: IO::Socket::UNIX.
    Unix,
}

/// One request, as Perl needs it. Beside `vars` and the constants, the shim adds what is no string:
/// `psgi.version`, `.errors`, `.input`, the booleans, `psgix.io`, `.informational`, `.logger`,
/// `.cleanup`, `.cleanup.handlers`, `.harakiri`, `.input.buffered`.
#[derive(Debug)]
pub struct Request<'a> {
    /// What differs from request to request. A name given twice: the last.
    pub vars: &'a [Var<'a>],
    /// The body: `psgi.input`.
    pub input: Input<'a>,
    /// The client's socket, for `psgix.io` and for a writer that waits.
    pub client: BorrowedFd<'a>,
    /// Its family.
    pub family: Family,
    /// How long a writer waits for a client that takes nothing; `None`: for ever.
    pub write_timeout: Option<Duration>,
}

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
    perl: &'p mut Perl,
    raw: ffi::Response,
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
                // SAFETY: as in `fields`.
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
        // SAFETY: see `Perl::host`.
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

/// A booted interpreter. See the crate's page for what holding one proves.
#[derive(Debug)]
pub struct Perl {
    /// The shim's only host. A raw pointer, so `Perl` is neither `Send` nor `Sync`.
    host: NonNull<ffi::Host>,
    has_keys: bool,
}

impl Perl {
    pub(crate) fn new(host: NonNull<ffi::Host>) -> Self {
        Self { host, has_keys: false }
    }

    /// The host, for a call into the shim. Every such call is sound for these reasons:
    ///
    /// - Thread: `Perl` is not `Send`, so this is the thread that perl was booted on (door one) or
    ///   that called `_run` (door two); and there is one `Perl` per process.
    /// - No re-entry: calls take `&mut`, and a callback has no `Perl` to call with.
    /// - Pointers in are borrowed until the call returns; the shim copies what Perl keeps.
    /// - Jumps: the shim's barrier (shim/call.c) stops die and exit below this frame, and handlers
    ///   that would run at once are put off while Rust runs. tests/perl/jumps.rs fails without.
    pub(crate) fn host(&self) -> *mut ffi::Host {
        self.host.as_ptr()
    }

    /// An outcome of the shim's as a result.
    pub(crate) fn left(&self, out: ffi::Outcome) -> Result<(), Left> {
        match out {
            ffi::OUT_OK => Ok(()),
            ffi::OUT_DIED => Err(Left::Died),
            ffi::OUT_EXIT => Err(Left::Exit(self.status())),
            _ => Err(Left::Forked(self.status())),
        }
    }

    /// Registers the names that [`Key`](crate::Key)s stand for, in order. At boot, once.
    ///
    /// # Panics
    ///
    /// If called twice, or out of memory.
    pub fn keys(&mut self, names: &[&[u8]]) {
        assert!(!std::mem::replace(&mut self.has_keys, true), "keys are registered once");
        let names: Vec<ffi::Bytes> = names.iter().map(|&name| name.into()).collect();
        // SAFETY: see `host`. Making shared strings runs no Perl.
        let failed = unsafe { ffi::perl_keys(self.host(), names.as_ptr(), names.len()) };
        assert!(failed == 0, "out of memory for the keys of env");
    }

    /// Sets strings that are the same in every request. Before the first call; again replaces.
    pub fn constants(&mut self, vars: &[Var<'_>]) {
        // SAFETY: see `host`; `Var` is a transparent `ffi::Var`. Storing strings in a hash of ours
        // runs no Perl.
        unsafe { ffi::perl_constants(self.host(), vars.as_ptr().cast(), vars.len()) };
    }

    /// Where lines of `psgix.logger` go. Until set: to STDERR. Must not call Perl (it cannot).
    pub fn log_to(&mut self, log: Log) {
        callback::log_to(log);
    }

    /// Calls the application. Releases what an earlier call left, if that was not done.
    /// `stream` is reached by `psgix.informational` while the application runs.
    ///
    /// # Errors
    ///
    /// It died (also: the response was not a response), exited, or is a child.
    pub fn call(
        &mut self,
        request: &Request<'_>,
        stream: &mut dyn Stream,
    ) -> Result<Answer<'_>, Left> {
        self.release()?;
        let (body, body_fd) = match request.input {
            Input::Memory(bytes) => (bytes.into(), -1),
            Input::File(fd) => (ffi::Bytes::NONE, ffi::number(fd)),
        };
        let family = match request.family {
            Family::Inet => 0,
            Family::Inet6 => 1,
            Family::Unix => 2,
        };
        let wanted = ffi::Request {
            vars: request.vars.as_ptr().cast(),
            n_vars: request.vars.len(),
            body,
            body_fd,
            client_fd: ffi::number(request.client),
            family,
            write_timeout_ms: ffi::milliseconds(request.write_timeout),
        };
        let mut conn = Conn { stream, panicked: false };
        let pointer = (&raw mut conn).cast();
        let mut raw = ffi::Response::EMPTY;
        // SAFETY: see `host`; `Var` is a transparent `ffi::Var`. The shim forgets `conn` and the
        // request before it returns, all but the client's number: that is used only by
        // `Answer::stream` and psgix.io, and forgotten by `cleanup` and `release`.
        let out = unsafe { ffi::perl_call(self.host(), &wanted, pointer, &raw mut raw) };
        self.left(out)?;
        Ok(Answer { perl: self, raw })
    }

    /// Whether the application has looked at `psgix.io` of the request that is not yet released.
    pub fn saw_io(&self) -> bool {
        // SAFETY: see `host`; this reads a field.
        unsafe { ffi::perl_saw_io(self.host()) != 0 }
    }

    /// Whether `psgix.cleanup.handlers` has something to run.
    pub fn has_cleanup(&mut self) -> bool {
        // SAFETY: see `host`; where looking would run Perl, the shim says yes without looking.
        unsafe { ffi::perl_has_cleanup(self.host()) != 0 }
    }

    /// Runs the cleanup handlers, complaining of those that die, then tells whether
    /// `psgix.harakiri.commit` is set. From here on the client's socket is out of reach.
    ///
    /// # Errors
    ///
    /// `Exit` or `Forked`; never `Died`.
    pub fn cleanup(&mut self) -> Result<bool, Left> {
        let mut harakiri = 0;
        // SAFETY: see `host`.
        let out = unsafe { ffi::perl_cleanup(self.host(), &raw mut harakiri) };
        self.left(out).map(|()| harakiri != 0)
    }

    /// Closes the body if that was not done, and frees env and response; destructors run. Does
    /// nothing if there is nothing to free.
    ///
    /// # Errors
    ///
    /// `Exit` or `Forked` (a destructor may do that); hardly ever `Died`.
    pub fn release(&mut self) -> Result<(), Left> {
        // SAFETY: see `host`. No slice is out: an `Answer` would borrow `self`.
        let out = unsafe { ffi::perl_release(self.host()) };
        self.left(out)
    }

    /// The message of what died last, as bytes. Ends in a newline if perl's did.
    pub fn error(&mut self) -> &[u8] {
        // SAFETY: see `host`. The text is the shim's own copy, and stays until something dies
        // again, for which `&mut self` is needed.
        unsafe { ffi::perl_error(self.host()).as_slice() }
    }

    /// Prints a text on `psgi.errors` of the request at hand, as it is now (the application may
    /// have replaced it); on STDERR if that fails or there is no request. Adds a newline if missing.
    pub fn complain(&mut self, text: &[u8]) {
        // SAFETY: see `host`.
        unsafe { ffi::perl_complain(self.host(), text.into()) };
    }

    /// Prints [`error`](Self::error) as [`complain`](Self::complain) does.
    pub fn complain_of_error(&mut self) {
        // SAFETY: see `host`. The text stays while it is printed: see `error`.
        unsafe { ffi::perl_complain(self.host(), ffi::perl_error(self.host())) };
    }

    /// Asks the ready list for one event: its data, or `None` if the patience ran out or a signal
    /// of ours was caught. `None` as patience waits without limit, zero does not wait. Pending
    /// signal handlers of the application run here.
    ///
    /// # Errors
    ///
    /// `Exit`: a handler exited, or died (which was printed; the status is then 255). `Forked`.
    pub fn claim(
        &mut self,
        list: BorrowedFd<'_>,
        patience: Option<Duration>,
    ) -> Result<Option<u64>, Left> {
        let (mut data, mut ready) = (0, 0);
        let (list, timeout) = (ffi::number(list), ffi::milliseconds(patience));
        // SAFETY: see `host`.
        let out =
            unsafe { ffi::perl_claim(self.host(), list, timeout, &raw mut data, &raw mut ready) };
        self.left_waiting(out)?;
        Ok((ready != 0).then_some(data))
    }

    /// Waits until a descriptor is readable or `writable` (or broken): whether it is, before the
    /// patience ran out. Signals of ours do not end this wait.
    ///
    /// # Errors
    ///
    /// As [`claim`](Self::claim).
    pub fn wait(
        &mut self,
        fd: BorrowedFd<'_>,
        writable: bool,
        patience: Option<Duration>,
    ) -> Result<bool, Left> {
        let (fd, timeout, mut ready) = (ffi::number(fd), ffi::milliseconds(patience), 0);
        // SAFETY: see `host`.
        let out = unsafe {
            ffi::perl_wait(self.host(), fd, c_int::from(writable), timeout, &raw mut ready)
        };
        self.left_waiting(out)?;
        Ok(ready != 0)
    }

    /// As plain perl: who dies in a handler while nothing catches it is at an end.
    fn left_waiting(&mut self, out: ffi::Outcome) -> Result<(), Left> {
        match self.left(out) {
            Err(Left::Died) => {
                self.complain_of_error();
                Err(Left::Exit(255))
            }
            other => other,
        }
    }

    /// Forks with the duties of perl's own `fork`: `Some(pid)` in the parent, `None` in the child.
    /// The signal mask is left as it was. Every fork that shall go on calling Perl is this one
    /// (workers; becoming a daemon in door two), or the child counts as the application's.
    ///
    /// # Errors
    ///
    /// The kernel refused.
    pub fn fork(&mut self) -> io::Result<Option<i32>> {
        std::io::stdout().flush()?;
        // SAFETY: see `host`. A process that holds Perl has one thread, so the child may go on.
        match unsafe { ffi::perl_fork(self.host()) } {
            ..0 => Err(io::Error::last_os_error()),
            0 => Ok(None),
            pid => Ok(Some(pid)),
        }
    }

    /// How many SVs are alive. For tests: it shows one that is lost per request at once.
    pub fn count(&mut self) -> usize {
        // SAFETY: see `host`.
        unsafe { ffi::perl_count(self.host()) }
    }
}

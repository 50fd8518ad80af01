//! A request goes in, an answer comes out, and what is left is cleaned up.
//!
//! Everything that can run Perl returns a [`Left`] if it did not simply return. After
//! [`Left::Exit`] and [`Left::Forked`] the only calls that do anything are those that leave:
//! [`Perl::release`], [`Perl::error`], [`Perl::status`], [`Perl::shutdown`].

use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::time::Duration;

use crate::answer::Answer;
use crate::callback::{self, Conn, Log, Stream};
use crate::ffi;
use crate::value::Var;

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
    /// What `psgix.io` gives before what the socket has: bytes read already. Copied if there are any.
    pub behind: &'a [u8],
    /// Its family.
    pub family: Family,
    /// How long a writer waits for a client that takes nothing; `None`: for ever.
    pub write_timeout: Option<Duration>,
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

    /// Puts `monoceros.deadline` into every env: requests have a time limit.
    pub fn offer_deadline(&mut self) {
        // SAFETY: see `host`; a code reference is stored in a hash of ours, which runs no Perl.
        unsafe { ffi::perl_offer_deadline(self.host()) };
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
            behind: request.behind.into(),
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
        // SAFETY: thread and jumps as `host` says; the result is a local.
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
        // SAFETY: thread and jumps as `host` says; the shim copies the text.
        unsafe { ffi::perl_complain(self.host(), text.into()) };
    }

    /// Prints [`error`](Self::error) as [`complain`](Self::complain) does.
    pub fn complain_of_error(&mut self) {
        // SAFETY: see `host`. The text stays while it is printed: see `error`.
        unsafe { ffi::perl_complain(self.host(), ffi::perl_error(self.host())) };
    }

    /// How many SVs are alive. For tests: it shows one that is lost per request at once.
    pub fn count(&mut self) -> usize {
        // SAFETY: thread and jumps as `host` says; this reads a count.
        unsafe { ffi::perl_count(self.host()) }
    }
}

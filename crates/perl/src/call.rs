//! A request goes in, an answer comes out; and the waits in between, where signals are delivered.
//!
//! Everything that can run Perl returns a [`Left`] if it did not simply return. After
//! [`Left::Exit`] and [`Left::Forked`] the only calls that do anything are those that leave:
//! [`Perl::release`], [`Perl::error`], [`Perl::status`], [`Perl::shutdown`].

use std::io;
use std::marker::PhantomData;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::callback::{Log, Stream};
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
#[derive(Debug)]
pub struct Answer<'p> {
    perl: &'p mut Perl,
}

impl Answer<'_> {
    /// The status as the application gave it: any number.
    pub fn status(&self) -> i64 {
        unimplemented!()
    }

    /// The fields.
    pub fn fields(&self) -> Fields<'_> {
        unimplemented!()
    }

    /// The body.
    pub fn body(&self) -> Body<'_> {
        unimplemented!()
    }

    /// The next piece of a body that is a handle or object; `None` at its end. A piece may be
    /// empty: "nothing now" (after many in a row this pauses for 1 ms).
    ///
    /// # Errors
    ///
    /// `getline` died, exited, or gave a wide character or a reference.
    pub fn piece(&mut self) -> Result<Option<&[u8]>, Left> {
        unimplemented!()
    }

    /// Calls the body's `close`, if it has one and was not closed yet. Does nothing for arrays.
    ///
    /// # Errors
    ///
    /// `close` died or exited. There is nothing left to do for the client.
    pub fn close(&mut self) -> Result<(), Left> {
        unimplemented!()
    }

    /// Calls the CODE with a responder. `state` is how far the answer came, however the CODE left.
    pub fn stream(&mut self, _stream: &mut dyn Stream) -> (Streamed, Result<(), Left>) {
        unimplemented!()
    }

    /// Whether the application has looked at `psgix.io`.
    pub fn saw_io(&self) -> bool {
        self.perl.saw_io()
    }

    /// As [`Perl::error`].
    pub fn error(&mut self) -> &[u8] {
        self.perl.error()
    }

    /// As [`Perl::complain`].
    pub fn complain(&mut self, text: &[u8]) {
        self.perl.complain(text);
    }
}

/// A booted interpreter. See the crate's page for what holding one proves.
#[derive(Debug)]
pub struct Perl {
    not_send: PhantomData<*mut ()>,
}

impl Perl {
    /// Registers the names that [`Key`](crate::Key)s stand for, in order. At boot, once.
    ///
    /// # Panics
    ///
    /// If called twice, or with more than 65,535 names.
    pub fn keys(&mut self, _names: &[&[u8]]) {
        unimplemented!()
    }

    /// Sets the strings that are the same in every request. Before the first call; again replaces.
    pub fn constants(&mut self, _vars: &[Var<'_>]) {
        unimplemented!()
    }

    /// Where lines of `psgix.logger` go. Until set: to STDERR. Must not call Perl (it cannot).
    pub fn log_to(&mut self, _log: Log) {
        unimplemented!()
    }

    /// Calls the application. Releases what an earlier call left, if that was not done.
    /// `stream` is reached by `psgix.informational` while the application runs.
    ///
    /// # Errors
    ///
    /// It died (also: the response was not a response), exited, or is a child.
    pub fn call(
        &mut self,
        _request: &Request<'_>,
        _stream: &mut dyn Stream,
    ) -> Result<Answer<'_>, Left> {
        unimplemented!()
    }

    /// Whether the application has looked at `psgix.io` of the request that is not yet released.
    pub fn saw_io(&self) -> bool {
        unimplemented!()
    }

    /// Whether `psgix.cleanup.handlers` has something to run.
    pub fn has_cleanup(&mut self) -> bool {
        unimplemented!()
    }

    /// Runs the cleanup handlers, complaining of those that die, then tells whether
    /// `psgix.harakiri.commit` is set.
    ///
    /// # Errors
    ///
    /// `Exit` or `Forked`; never `Died`.
    pub fn cleanup(&mut self) -> Result<bool, Left> {
        unimplemented!()
    }

    /// Frees env and response; destructors run. Does nothing if there is nothing to free.
    ///
    /// # Errors
    ///
    /// `Exit` or `Forked` (a destructor may do that); hardly ever `Died`.
    pub fn release(&mut self) -> Result<(), Left> {
        unimplemented!()
    }

    /// The message of what died last, as bytes. Ends in a newline if perl's did.
    pub fn error(&mut self) -> &[u8] {
        unimplemented!()
    }

    /// Prints a text on `psgi.errors` of the request at hand, as it is now (the application may
    /// have replaced it); on STDERR if that fails or there is no request. Adds a newline if missing.
    pub fn complain(&mut self, _text: &[u8]) {
        unimplemented!()
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
        _list: BorrowedFd<'_>,
        _patience: Option<Duration>,
    ) -> Result<Option<u64>, Left> {
        unimplemented!()
    }

    /// Waits until a descriptor is readable or `writable` (or broken): whether it is, before the
    /// patience ran out. Signals of ours do not end this wait.
    ///
    /// # Errors
    ///
    /// As [`claim`](Self::claim).
    pub fn wait(
        &mut self,
        _fd: BorrowedFd<'_>,
        _writable: bool,
        _patience: Option<Duration>,
    ) -> Result<bool, Left> {
        unimplemented!()
    }

    /// Forks with the duties of perl's own `fork`: `Some(pid)` in the parent, `None` in the child.
    /// The signal mask is left as it was. Every fork that shall go on calling Perl is this one
    /// (workers; becoming a daemon in door two), or the child counts as the application's.
    ///
    /// # Errors
    ///
    /// The kernel refused.
    pub fn fork(&mut self) -> io::Result<Option<i32>> {
        unimplemented!()
    }
}

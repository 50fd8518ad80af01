//! Step 7 of a request, and the seam where Perl (or a test) plugs in.
//!
//! Waiting and claiming are part of the seam: under Perl they must happen in C behind the barrier,
//! because a signal handler of the application may die there. The defaults here are what a plain
//! Rust application needs.
//!
//! Not here: how an answer reaches the client ([`Reply`], in [`reply`](super::reply)).

use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::time::Duration;

pub use super::reply::{Pace, Reply, Wrote};
use crate::http::head::Head;
pub use crate::table::ConnId;

/// A complete request: head and whole body are here.
#[derive(Debug)]
pub struct Request<'a> {
    /// Its connection, and which request of that connection it is, from 1: its name in log lines.
    pub id: (ConnId, u32),
    /// The request line and the fields that the policy lets through.
    pub head: &'a Head<'a>,
    /// The body, decoded.
    pub body: Body<'a>,
    /// Bytes of the decoded body; `None` if the request announced none (no `Content-Length`, not
    /// chunked), which an application must be able to tell from `Some(0)`.
    pub content_length: Option<u64>,
    /// The client's end: address and port.
    pub peer: Peer,
    /// What a trusted proxy at that end says of the client it speaks for.
    pub forwarded: Forwarded,
    /// Our end, as `SERVER_NAME` and `SERVER_PORT` tell it.
    pub local: &'a Local,
    /// The client's socket, blocking, for an application that takes it over.
    pub client: BorrowedFd<'a>,
    /// Bytes that came right behind the request: the next one's, or another protocol's if the
    /// application takes the socket over.
    pub behind: &'a [u8],
    /// How long the complete request waited for a worker, where that is known.
    pub queue_time: Option<Duration>,
}

/// Where a request's body is.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// In memory: at most `body-buffer-size` bytes.
    Memory(&'a [u8]),
    /// In a file without a name, from offset 0 to its end.
    File(BorrowedFd<'a>),
}

/// Who sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Over TCP; an IPv4 address mapped into IPv6 is given as IPv4.
    Tcp(IpAddr, u16),
    /// Over a UNIX socket: it has no address.
    Unix,
}

/// What is believed of a trusted proxy's word (`trusted-proxy`); usually nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// The client's address, and its port, or 0 if the proxy did not say it. `None`: it is the peer's.
    pub client: Option<(IpAddr, u16)>,
    /// Whether the client speaks https to the proxy.
    pub https: bool,
}

/// The name and port that the application is told for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// `SERVER_NAME`: the listener's address as given, the connection's own for a wildcard,
    /// `localhost` for a UNIX socket.
    pub name: String,
    /// `SERVER_PORT`; 80 for a UNIX socket.
    pub port: u16,
}

/// How a call of the application ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It returned, or died and was dealt with: the worker goes on.
    Done,
    /// It called `exit` with this status: end this reply, then leave. Never call the app again.
    Exit(i32),
    /// This is a child that the application forked: touch nothing shared, and leave.
    Forked(i32),
}

/// What the worker does after a request is over and its connection released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Claim the next thing.
    Stay,
    /// The application asked for this worker to be replaced (`psgix.harakiri.commit`).
    Leave,
    /// As [`Outcome::Exit`].
    Exit(i32),
    /// As [`Outcome::Forked`].
    Forked(i32),
}

/// The answer of the ready list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// So many events. None: the patience ran out, or a signal came: look at [`App::caught`].
    Events(usize),
    /// A signal handler of the application ended the process while it waited.
    Exit(i32),
}

/// The answer of [`App::wait`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// The descriptor is ready, or broken: try the operation again.
    Ready,
    /// The time was up.
    TimedOut,
    /// A signal handler of the application ended the process while it waited.
    Exit(i32),
}

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Bytes to read, or the end of file.
    Readable,
    /// Room to write.
    Writable,
}

/// Signals that this worker has been sent since it last asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Signals {
    /// TERM, QUIT or HUP: finish the request at hand, then leave.
    pub leave: bool,
}

/// What a worker runs: a closure in tests, Perl in both doors.
pub trait App {
    /// Called once in the new worker, first, with all signals blocked: installs signal handlers, and
    /// seeds what must differ between workers.
    fn born(&mut self, worker: u32);

    /// Called once, after [`born`](App::born) and before the first claim, under the worker's own
    /// signal mask: loads the application if it was not loaded before the fork. What it starts
    /// meanwhile inherits a mask that is open.
    ///
    /// # Errors
    ///
    /// The application could not be loaded: the message says why. The worker leaves with status 3.
    fn load(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Answers one request. When this returns [`Outcome::Done`] and nothing was written, the worker
    /// answers 500.
    fn call(&mut self, request: &Request<'_>, reply: &mut Reply<'_>) -> Outcome;

    /// Whether [`finish`](App::finish) may take time (cleanup handlers): then the connection is
    /// released first, even if bytes of its next request are here.
    fn has_cleanup(&mut self) -> bool {
        false
    }

    /// After the connection has been released: cleanup handlers, harakiri, freeing of env.
    fn finish(&mut self) -> After {
        After::Stay
    }

    /// Called once as the worker leaves, when it has nothing in hand. Not in a child that the
    /// application forked, and not after an `exit` of the application's.
    fn leaving(&mut self) {}

    /// Asks the ready list for events, and puts the data they were registered with into `data`, with
    /// [`ENDED`](crate::ready::ENDED) if an event says more than that there are bytes. With
    /// zero as patience: what is there, as far as there is room. Else it waits for one; `None`
    /// waits without limit.
    fn claim(
        &mut self,
        list: BorrowedFd<'_>,
        patience: Option<Duration>,
        data: &mut [u64],
    ) -> Claimed;

    /// Waits for one descriptor.
    fn wait(
        &mut self,
        fd: BorrowedFd<'_>,
        interest: Interest,
        patience: Option<Duration>,
    ) -> Waited;

    /// The signals that came since last asked.
    fn caught(&mut self) -> Signals;
}

/// Why [`Host::load`] failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LoadError(pub String);

/// Who forks workers: owns the application before there are any.
pub trait Host {
    /// What each worker runs.
    type App: App;

    /// Boots the interpreter and, if preloading, loads the application. Called once, after the
    /// listeners are bound and the first manager is forked, before any worker.
    ///
    /// # Errors
    ///
    /// The application could not be loaded; the server ends with status 3.
    fn load(&mut self) -> Result<(), LoadError>;

    /// Forks. `Some(pid)` in the parent, `None` in the child. The signal mask is left as it is.
    ///
    /// # Errors
    ///
    /// The kernel refused: the supervisor tries again later.
    fn fork(&mut self) -> io::Result<Option<i32>>;

    /// The application, for a worker. Called in the child only.
    fn app(&mut self) -> &mut Self::App;
}

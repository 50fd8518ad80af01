//! Clients that are slow on purpose, in a thread of their own, beside whatever is measured.
//!
//! All of them take a small step at each tick. How slow they are is chosen so that no deadline of a
//! server with default limits is theirs: they are to be served, and to cost nobody anything.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};

use crate::answer::{Progress, progress};

/// The receive buffer of a reader, so that its answer does not fit in the kernel's.
const RECEIVE_BUFFER: usize = 4096;

/// How long the last of them may take when they are told to finish.
const PATIENCE: Duration = Duration::from_secs(60);

/// In what they are slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slowness {
    /// Ask for a large answer and read 1 KiB of it every 100 ms.
    Readers,
    /// Send a body of 100 KiB, 1 KiB of it every 200 ms, and the next one when that is answered.
    Uploaders,
    /// Send a head, a byte every 100 ms, and the next one when that is answered.
    Heads,
}

impl Slowness {
    fn tick(self) -> Duration {
        Duration::from_millis(if self == Self::Uploaders { 200 } else { 100 })
    }

    /// How much one of them sends at a tick.
    fn piece(self) -> usize {
        match self {
            Self::Readers => usize::MAX,
            Self::Uploaders => 1024,
            Self::Heads => 1,
        }
    }

    /// `brief`: a tenth of it.
    fn request(self, path: &str, brief: bool) -> Vec<u8> {
        let (body, field) = if brief { (10_240, 1) } else { (102_400, 150) };
        let fields = match self {
            Self::Readers => String::new(),
            Self::Uploaders => format!("Content-Length: {body}\r\n"),
            Self::Heads => format!("X-Slow: {}\r\n", "x".repeat(field)),
        };
        let method = if self == Self::Uploaders { "POST" } else { "GET" };
        let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes();
        if self == Self::Uploaders {
            bytes.resize(bytes.len() + body, b'b');
        }
        bytes
    }
}

/// What became of them.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// Requests that were answered with 200.
    pub answered: usize,
    /// Clients that met something else: what, and how many did.
    pub failed: BTreeMap<String, usize>,
    /// Bytes that readers have read.
    pub read: u64,
}

/// Some slow clients at work.
pub struct Crowd {
    stop: Sender<()>,
    thread: JoinHandle<anyhow::Result<Told>>,
}

impl Crowd {
    /// Begins `count` of them (`brief`: with a tenth to send), and waits until all are under way: readers have been answered in part.
    ///
    /// # Errors
    ///
    /// If they cannot be connected, or are not under way within a minute.
    pub fn start(
        address: SocketAddr,
        slowness: Slowness,
        count: usize,
        path: &str,
        brief: bool,
    ) -> anyhow::Result<Self> {
        let request = slowness.request(path, brief);
        let client = |_| Slow::connect(address, slowness == Slowness::Readers);
        let clients: Vec<_> = (0..count).map(client).collect::<anyhow::Result<_>>()?;
        let (stop, stopped) = channel();
        let (begun, under_way) = channel();
        let thread = std::thread::spawn(move || run(clients, slowness, &request, &stopped, &begun));
        if under_way.recv_timeout(PATIENCE).is_err() {
            bail!("slow {slowness:?} were not under way within {PATIENCE:?}");
        }
        Ok(Self { stop, thread })
    }

    /// Lets requests that are under way end (readers just leave); says what became of them.
    ///
    /// # Errors
    ///
    /// If their thread failed.
    pub fn finish(self) -> anyhow::Result<Told> {
        _ = self.stop.send(());
        self.thread.join().ok().context("the slow clients' thread has panicked")?
    }
}

struct Slow {
    stream: TcpStream,
    sent: usize,
    bytes: Vec<u8>,
    read: u64,
    over: bool,
}

fn run(
    mut clients: Vec<Slow>,
    slowness: Slowness,
    request: &[u8],
    stopped: &Receiver<()>,
    begun: &Sender<()>,
) -> anyhow::Result<Told> {
    let (mut told, mut until, mut told_begun) = (Told::default(), None, false);
    let mut next = Instant::now();
    loop {
        for client in clients.iter_mut().filter(|client| !client.over) {
            match client.step(slowness, request, until.is_some()) {
                Ok(answered) => told.answered += usize::from(answered),
                Err(error) => {
                    client.over = true;
                    *told.failed.entry(format!("{error:#}")).or_default() += 1;
                }
            }
        }
        let under_way = |client: &Slow| match slowness {
            Slowness::Readers => client.read > 0,
            Slowness::Uploaders | Slowness::Heads => client.sent > 0,
        };
        if !told_begun && clients.iter().all(under_way) {
            told_begun = begun.send(()).is_ok();
        }
        let late = until.is_some_and(|until| Instant::now() > until);
        let all_over = clients.iter().all(|client| client.over);
        if all_over || late || (until.is_some() && slowness == Slowness::Readers) {
            let left = clients.iter().filter(|client| !client.over).count();
            if left > 0 && slowness != Slowness::Readers {
                told.failed.insert(format!("no answer within {PATIENCE:?}"), left);
            }
            told.read = clients.iter().map(|client| client.read).sum();
            return Ok(told);
        }
        next += slowness.tick();
        match stopped.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(()) => until = Some(Instant::now() + PATIENCE),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => until = until.or(Some(Instant::now())),
        }
    }
}

impl Slow {
    fn connect(address: SocketAddr, small: bool) -> anyhow::Result<Self> {
        let stream = if small { small_window(address)? } else { TcpStream::connect(address)? };
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, sent: 0, bytes: Vec::new(), read: 0, over: false })
    }

    /// One tick. Says whether a request has been answered.
    fn step(&mut self, slowness: Slowness, request: &[u8], last: bool) -> anyhow::Result<bool> {
        let rest = request.get(self.sent..).unwrap_or_default();
        let piece = &rest[..rest.len().min(slowness.piece())];
        if !piece.is_empty() {
            match self.stream.write(piece) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // An answer may have come before: that says more.
                Err(error) => _ = self.read().with_context(|| format!("sending: {error}"))?,
            }
        }
        let ended = self.read()?;
        if slowness == Slowness::Readers {
            if ended || !self.bytes.starts_with(b"HTTP/1.1 200") {
                anyhow::ensure!(self.bytes.is_empty() && !ended, "{}", first_line(&self.bytes));
            }
            self.bytes.truncate(64);
            return Ok(false);
        }
        match progress(&self.bytes) {
            Progress::Whole { status: 200, .. } if self.sent == request.len() => {
                (self.sent, self.over) = (0, last);
                self.bytes.clear();
                Ok(true)
            }
            Progress::Partial if !ended => Ok(false),
            _ => bail!("{}", first_line(&self.bytes)),
        }
    }

    /// Reads at most 1 KiB. Says whether that was the end.
    fn read(&mut self) -> anyhow::Result<bool> {
        let mut buffer = [0; 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => Ok(true),
            Ok(count) => {
                self.bytes.extend_from_slice(&buffer[..count]);
                self.read += u64::try_from(count)?;
                Ok(false)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error).context("reading"),
        }
    }
}

/// A connection whose receive buffer is as small as the kernel allows.
pub(crate) fn small_window(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER)?;
    connect(&socket, &address)?;
    Ok(socket.into())
}

fn first_line(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "end of file".to_owned();
    }
    String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().to_owned()
}

//! A client that speaks bytes, remembers all of them, and says them when a story fails.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::DEADLINE;
use super::answer::{Answer, End, Framing};

/// How much of each direction a failing story shows.
const SHOWN: usize = 4096;

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// The most that a client takes in: a stream without an end must not eat the machine.
const MOST: usize = 64 << 20;

/// One connection.
pub(crate) struct Client {
    stream: Stream,
    name: String,
    sent: Vec<u8>,
    received: Vec<u8>,
    /// How much of `received` an expectation has used up.
    used: usize,
    ended: Option<End>,
    /// A reset was told to somebody who was sending; whoever reads next is told of an end only.
    reset_while_sending: bool,
    patience: Duration,
}

impl Client {
    /// Connects to `host:port`, or to a path.
    pub(crate) fn connect(address: &str) -> Self {
        let stream = if address.starts_with('/') {
            Stream::Unix(UnixStream::connect(address).unwrap_or_else(|e| panic!("{address}: {e}")))
        } else {
            let stream = TcpStream::connect(address).unwrap_or_else(|e| panic!("{address}: {e}"));
            stream.set_nodelay(true).unwrap();
            Stream::Tcp(stream)
        };
        let (sent, received) = (Vec::new(), Vec::new());
        Self {
            stream,
            name: address.to_owned(),
            sent,
            received,
            used: 0,
            ended: None,
            reset_while_sending: false,
            patience: DEADLINE,
        }
    }

    /// Waits longer, or less long, than [`DEADLINE`].
    pub(crate) fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sends all of it, or fails.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes.as_ref()).unwrap_or_else(|error| panic!("sending: {error}"));
    }

    /// Sends as much as the other side takes.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.sent.extend_from_slice(&bytes[..bytes.len().min(SHOWN)]);
        let patience = Some(self.patience);
        let sent = match &mut self.stream {
            Stream::Tcp(stream) => {
                stream.set_write_timeout(patience)?;
                stream.write_all(bytes)
            }
            Stream::Unix(stream) => {
                stream.set_write_timeout(patience)?;
                stream.write_all(bytes)
            }
        };
        let kind = sent.as_ref().map_err(std::io::Error::kind);
        self.reset_while_sending |= kind == Err(ErrorKind::ConnectionReset);
        sent
    }

    /// Sends a GET of `path` on HTTP/1.1, without more.
    pub(crate) fn get(&mut self, path: &str) {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
    }

    /// Asks for `path` and gives the whole answer.
    pub(crate) fn ask(&mut self, path: &str) -> Answer {
        self.get(path);
        self.answer()
    }

    /// The next answer begins with this status line, and this is its whole body.
    #[track_caller]
    pub(crate) fn expect(&mut self, line: &str, body: &str) {
        let answer = self.answer();
        assert_eq!((answer.line.as_str(), answer.text().as_str()), (line, body));
    }

    /// The next answer, whole.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> Answer {
        let answer = self.any_answer(false);
        assert!(answer.whole, "the answer ended early ({:?}): {answer:?}", answer.end);
        answer
    }

    /// The next answer, to a HEAD: there is no body whatever its fields say.
    #[track_caller]
    pub(crate) fn answer_to_head(&mut self) -> Answer {
        self.any_answer(true)
    }

    /// The next answer as far as it goes: what `whole` and `end` say is for the story to judge.
    #[track_caller]
    pub(crate) fn any_answer(&mut self, to_head: bool) -> Answer {
        let Some(end) = self.until(|bytes| find(bytes, b"\r\n\r\n")) else {
            panic!("the connection ended before an answer's head");
        };
        let head = String::from_utf8_lossy(&self.take(end)).into_owned();
        self.take(4);
        let mut answer = Answer::of_head(&head);
        let framing = if to_head { Framing::None } else { answer.framing() };
        match framing {
            Framing::None => answer.whole = true,
            Framing::Length(length) => {
                answer.whole = self.until(|bytes| (bytes.len() >= length).then_some(())).is_some();
                answer.body = self.take(length);
            }
            Framing::Chunked => self.chunks(&mut answer),
            Framing::UntilEnd => {
                _ = self.until(|_| None::<()>);
                answer.body = self.take(usize::MAX);
                answer.end = self.how_it_ended();
                answer.whole = answer.end == End::Closed;
            }
        }
        if !answer.whole {
            answer.end = match self.how_it_ended() {
                End::Closed if self.reset_while_sending => End::Reset,
                end => end,
            };
        }
        answer
    }

    fn chunks(&mut self, answer: &mut Answer) {
        while let Some(end) = self.until(|bytes| find(bytes, b"\r\n")) {
            let line = String::from_utf8_lossy(&self.take(end)).into_owned();
            self.take(2);
            let size =
                usize::from_str_radix(&line, 16).unwrap_or_else(|_| panic!("no size: {line:?}"));
            if self.until(|bytes| (bytes.len() >= size + 2).then_some(())).is_none() {
                answer.body.extend(self.take(size));
                return;
            }
            answer.body.extend(self.take(size));
            assert_eq!(self.take(2), b"\r\n", "what follows a chunk");
            if size == 0 {
                answer.whole = true;
                return;
            }
            answer.chunks.push(size);
        }
    }

    /// Nothing but the end of file comes.
    #[track_caller]
    pub(crate) fn expect_end(&mut self) {
        let more = self.until(|bytes| (!bytes.is_empty()).then_some(()));
        assert!(more.is_none(), "bytes where the end was expected");
        assert_eq!(self.how_it_ended(), End::Closed);
    }

    /// The connection ends, one way or the other, and nothing comes before.
    #[track_caller]
    pub(crate) fn expect_gone(&mut self) -> End {
        let more = self.until(|bytes| (!bytes.is_empty()).then_some(()));
        assert!(more.is_none(), "bytes where the end was expected");
        self.how_it_ended()
    }

    /// The next bytes are these.
    #[track_caller]
    pub(crate) fn expect_bytes(&mut self, wanted: &[u8]) {
        _ = self.until(|bytes| (bytes.len() >= wanted.len()).then_some(()));
        let bytes = self.take(wanted.len());
        assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(wanted));
    }

    /// Takes in what comes until there are so many bytes in all; gives back how many there are.
    pub(crate) fn read_at_least(&mut self, count: usize) -> usize {
        _ = self.until(|bytes| (bytes.len() >= count).then_some(()));
        self.received.len() - self.used
    }

    /// Whether within this time something is there to be read, be it the end.
    pub(crate) fn hears(&self, time: Duration) -> bool {
        let time = Timespec::try_from(time).expect("a short time");
        poll(&mut [PollFd::from_borrowed_fd(self.fd(), PollFlags::IN)], Some(&time)) != Ok(0)
    }

    /// Shuts down the writing half.
    pub(crate) fn half_close(&self) {
        match &self.stream {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
        .expect("shutdown");
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(self) {
        rustix::net::sockopt::set_socket_linger(self.fd(), Some(Duration::ZERO))
            .expect("SO_LINGER");
    }

    /// The socket, for options that a story wants to set.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        match &self.stream {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
        }
    }

    /// The client's own port; 0 for a path.
    pub(crate) fn port(&self) -> u16 {
        match &self.stream {
            Stream::Tcp(stream) => stream.local_addr().expect("a local address").port(),
            Stream::Unix(_) => 0,
        }
    }

    /// Reads until `found` says something about the bytes not used yet, or the connection ends.
    #[track_caller]
    fn until<T>(&mut self, found: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + self.patience;
        loop {
            if let Some(what) = found(&self.received[self.used..]) {
                return Some(what);
            }
            if self.read(deadline) == 0 {
                return None;
            }
        }
    }

    /// Reads once. Zero: the connection has ended, and `ended` says how.
    #[track_caller]
    fn read(&mut self, deadline: Instant) -> usize {
        if self.ended.is_some() {
            return 0;
        }
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let mut buffer = [0; 65536];
        let count = match &mut self.stream {
            Stream::Tcp(stream) => {
                stream.set_read_timeout(Some(left)).expect("a read time-out");
                stream.read(&mut buffer)
            }
            Stream::Unix(stream) => {
                stream.set_read_timeout(Some(left)).expect("a read time-out");
                stream.read(&mut buffer)
            }
        };
        match count.map_err(|error| error.kind()) {
            Ok(0) => self.ended = Some(End::Closed),
            Ok(count) => {
                assert!(self.received.len() < MOST, "more than {MOST} bytes have come");
                self.received.extend_from_slice(&buffer[..count]);
                return count;
            }
            Err(ErrorKind::ConnectionReset) => self.ended = Some(End::Reset),
            Err(ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("{:?} have passed, and what was expected has not come", self.patience)
            }
            // The machine was stopped for a moment.
            Err(ErrorKind::Interrupted) => return self.read(deadline),
            Err(kind) => panic!("reading: {kind}"),
        }
        0
    }

    /// The end itself, after everything that came before it has been taken.
    #[track_caller]
    fn how_it_ended(&mut self) -> End {
        let count = self.read(Instant::now() + self.patience);
        assert_eq!(count, 0, "bytes behind the end");
        self.ended.expect("a read of nothing is an end")
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let end = self.used.saturating_add(count).min(self.received.len());
        let bytes = self.received[self.used..end].to_vec();
        self.used = end;
        bytes
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let show = |bytes: &[u8]| bytes[..bytes.len().min(SHOWN)].escape_ascii().to_string();
            eprintln!("== client of {} (port {})", self.name, self.port());
            eprintln!("sent:     {}", show(&self.sent));
            eprintln!("received: {} ({} bytes)", show(&self.received), self.received.len());
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

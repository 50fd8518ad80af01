//! Two hundred clients in one loop: each sends numbered requests in random pieces, with random pauses,
//! up to three at a time, and checks what comes back.

use std::collections::{BTreeSet, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// One connection and what is under way on it.
struct Client {
    stream: TcpStream,
    name: usize,
    /// Requests made so far: the number of the last one.
    number: usize,
    /// Sent in part or whole, and not answered: path and body.
    open: VecDeque<(String, String)>,
    /// What is still to be sent.
    out: Vec<u8>,
    bytes: Vec<u8>,
    next: Instant,
}

/// All of them.
pub(crate) struct Clients {
    address: String,
    clients: Vec<Client>,
    opened: usize,
    answered: BTreeSet<String>,
    lost: usize,
    random: u64,
    making: bool,
}

impl Clients {
    /// Connects so many of them.
    pub(crate) fn new(address: &str, count: usize) -> Self {
        let address = address.to_owned();
        let (clients, answered) = (Vec::new(), BTreeSet::new());
        let random = 0x9E37_79B9_7F4A_7C15;
        let mut all = Self { address, clients, opened: 0, answered, lost: 0, random, making: true };
        for _ in 0..count {
            let client = all.connect();
            all.clients.push(client);
        }
        all
    }

    /// The requests that have been answered with 200, as the application writes them down.
    pub(crate) fn answered(&self) -> &BTreeSet<String> {
        &self.answered
    }

    /// Connections made so far.
    pub(crate) fn opened(&self) -> usize {
        self.opened
    }

    /// Connections that ended with a request under way, or without a reason.
    pub(crate) fn lost(&self) -> usize {
        self.lost
    }

    /// A number below `limit`.
    pub(crate) fn random(&mut self, limit: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random >> 16).expect("64 bits") % limit.max(1)
    }

    /// Waits at most `patience` for something to do, and does it.
    pub(crate) fn turn(&mut self, patience: Duration) {
        let patience = Timespec::try_from(patience).expect("a short time");
        let mut fds: Vec<_> =
            self.clients.iter().map(|client| PollFd::new(&client.stream, PollFlags::IN)).collect();
        _ = poll(&mut fds, Some(&patience));
        let readable: Vec<_> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        for (index, readable) in readable.into_iter().enumerate() {
            if readable && !self.read(index) {
                self.lost += 1;
                self.clients[index] = self.connect();
            }
            if Instant::now() >= self.clients[index].next {
                self.write(index);
            }
        }
    }

    /// Makes no more requests, and waits until every one is answered.
    #[track_caller]
    pub(crate) fn finish(&mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        self.making = false;
        let open = |client: &Client| !client.open.is_empty();
        while self.clients.iter().any(open) {
            self.turn(Duration::from_millis(5));
            let names =
                || self.clients.iter().filter(|c| open(c)).map(|c| (c.name, c.open.front()));
            assert!(Instant::now() < deadline, "never answered: {:?}", names().collect::<Vec<_>>());
        }
    }

    fn connect(&mut self) -> Client {
        self.opened += 1;
        let stream = TcpStream::connect(&self.address).expect("a connection");
        stream.set_nonblocking(true).expect("non-blocking");
        stream.set_nodelay(true).expect("no delay");
        let (open, out, bytes) = (VecDeque::new(), Vec::new(), Vec::new());
        Client { stream, name: self.opened, number: 0, open, out, bytes, next: Instant::now() }
    }

    /// Sends a piece; makes new requests when there is nothing to send.
    fn write(&mut self, index: usize) {
        let pause = match self.random(4) {
            0 => 0,
            _ => self.random(40),
        };
        let (kind, some) = (self.random(4), 1 + self.random(3));
        let making = self.making;
        let client = &mut self.clients[index];
        client.next = Instant::now() + Duration::from_millis(pause as u64);
        if client.out.is_empty() && making && client.open.len() < 3 {
            for _ in 0..some {
                client.make(kind);
            }
        }
        let length = client.out.len();
        let piece = 1 + self.random(length.min(200));
        let client = &mut self.clients[index];
        if length > 0 {
            // What fails here is seen by the next read.
            if let Ok(count) = client.stream.write(&client.out[..piece.min(length)]) {
                client.out.drain(..count);
            }
        }
    }

    /// Takes in answers; `false` if the connection is lost.
    fn read(&mut self, index: usize) -> bool {
        let client = &mut self.clients[index];
        let mut buffer = [0; 4096];
        match client.stream.read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) => client.bytes.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return false,
        }
        while let Some((status, body)) = client.answer() {
            let (path, said) = client.open.pop_front().expect("an answer without a request");
            match status {
                200 => assert_eq!(body, said, "the answer to {path}"),
                // A worker that was killed before it began to answer.
                502 => return false,
                _ => panic!("{status} for {path}: {body}"),
            }
            assert!(self.answered.insert(path), "answered twice");
        }
        true
    }
}

impl Client {
    /// One more request, of one of four shapes.
    fn make(&mut self, kind: usize) {
        self.number += 1;
        let path = format!("/{}/{}", self.name, self.number);
        let body = format!("body of {path} {}", "x".repeat(self.number % 300));
        let (request, said) = match kind {
            0 | 1 => (format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"), String::new()),
            2 => {
                let length = body.len();
                let head =
                    format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n");
                (format!("{head}\r\n{body}"), body)
            }
            _ => {
                let head =
                    format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n");
                (format!("{head}\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()), body)
            }
        };
        self.out.extend(request.into_bytes());
        self.open.push_back((path.clone(), format!("{path} {said}")));
    }

    /// The next whole answer, if it is here: its status and its body.
    fn answer(&mut self) -> Option<(u16, String)> {
        let end = self.bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&self.bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length: usize = length.expect("a length").1.parse().expect("digits");
        let all = end + 4 + length;
        if self.bytes.len() < all {
            return None;
        }
        let body = String::from_utf8_lossy(&self.bytes[end + 4..all]).into_owned();
        self.bytes.drain(..all);
        Some((status, body))
    }
}

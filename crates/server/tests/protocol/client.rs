//! A client that speaks bytes, and a load of clients that number their requests.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use monoceros_server::os::socket::unsent;

use crate::server::{DEADLINE, Server};

pub(crate) struct Client {
    stream: TcpStream,
    got: Vec<u8>,
}

/// An answer: status and body, and whether it says that the connection ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) close: bool,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, got: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: &str) -> io::Result<()> {
        self.stream.write_all(bytes.as_bytes())
    }

    /// Asks for a path, and returns the body of the answer.
    pub(crate) fn get(&mut self, path: &str) -> String {
        self.send(&request(path)).unwrap();
        let answer = self.answer().unwrap();
        assert_eq!(answer.status, 200, "{path}");
        String::from_utf8(answer.body).unwrap()
    }

    fn more(&mut self) -> io::Result<()> {
        let mut buffer = [0; 65536];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                self.got.extend_from_slice(&buffer[..n]);
                Ok(())
            }
            // The machine was stopped for a moment.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.more(),
            Err(error) => Err(error),
        }
    }

    fn take(&mut self, n: usize) -> io::Result<Vec<u8>> {
        while self.got.len() < n {
            self.more()?;
        }
        Ok(self.got.drain(..n).collect())
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = self.got.windows(2).position(|two| two == b"\r\n") {
                let line = self.take(at + 2)?;
                return Ok(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            self.more()?;
        }
    }

    /// Reads one answer, whole.
    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        let status = self.line()?.split(' ').nth(1).unwrap().parse().unwrap();
        let (mut length, mut chunked, mut close) = (0, false, false);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            match line.split_once(": ") {
                None => break,
                Some(("content-length", value)) => length = value.parse().unwrap(),
                Some(("transfer-encoding", _)) => chunked = true,
                Some(("connection", value)) => close = value == "close",
                Some(_) => {}
            }
        }
        if !chunked {
            return Ok(Answer { status, body: self.take(length)?, close });
        }
        let mut body = Vec::new();
        loop {
            let size = usize::from_str_radix(&self.line()?, 16).unwrap();
            body.extend(self.take(size)?);
            self.line()?;
            if size == 0 {
                return Ok(Answer { status, body, close });
            }
        }
    }

    /// Breaks the connection off.
    pub(crate) fn reset(self) {
        rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO)).unwrap();
    }

    pub(crate) fn shut_writing(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Whether the server's kernel has all that was sent.
    pub(crate) fn has_arrived(&self) -> bool {
        unsent(self.stream.as_fd()) == 0
    }

    /// All that comes until the connection ends.
    pub(crate) fn read_to_end(&mut self) -> String {
        while self.more().is_ok() {}
        String::from_utf8(std::mem::take(&mut self.got)).unwrap()
    }

    /// Whether the connection ends here, and how: in peace, or by a reset.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        match self.more() {
            Ok(()) => panic!("more: {:?}", String::from_utf8_lossy(&self.got)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            Err(error) => Err(error),
        }
    }
}

pub(crate) fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// What a load has seen.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Answers that were right, and came in order.
    pub(crate) answered: usize,
    /// Connections that ended with a request unanswered, or with a 502.
    pub(crate) broken: usize,
}

/// One connection after another, `requests` requests in all, sent whole, in pieces and pipelined.
pub(crate) fn load(server: &Server, client: usize, requests: usize) -> Seen {
    let mut seen = Seen::default();
    let (mut connection, mut n) = (server.connect(), 0);
    while n < requests {
        let burst = if n % 7 == 3 { 3.min(requests - n) } else { 1 };
        let paths: Vec<String> = (n..n + burst).map(|n| format!("/n/{client}/{n}")).collect();
        n += burst;
        match exchange(&mut connection, &paths, n) {
            Ok(()) => seen.answered += burst,
            Err(answered) => {
                seen.answered += answered;
                seen.broken += 1;
                connection = server.connect();
            }
        }
        if n % 11 == 5 {
            connection = server.connect();
        }
    }
    seen
}

/// Sends requests and reads their answers. `Err`: so many were answered before it broke.
fn exchange(connection: &mut Client, paths: &[String], kind: usize) -> Result<(), usize> {
    let bytes: String = paths.iter().map(|path| request(path)).collect();
    let cut = if kind % 3 == 1 { kind % bytes.len() } else { bytes.len() };
    let (first, second) = bytes.split_at(cut);
    for piece in [first, second] {
        connection.send(piece).map_err(|_| 0_usize)?;
        std::thread::yield_now();
    }
    for (answered, path) in paths.iter().enumerate() {
        match connection.answer() {
            Ok(answer) if answer.status == 200 => assert_eq!(answer.body, path.as_bytes()),
            Ok(answer) if answer.status == 502 => return Err(answered),
            Ok(answer) => panic!("{path}: {answer:?}"),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("{path}: forgotten"),
            Err(_) => return Err(answered),
        }
    }
    Ok(())
}

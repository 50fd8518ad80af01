//! Connections that are held and say nothing.

use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::answer::{Progress, progress};
use crate::read;

/// How many requests are under way at a time: fewer than a backlog holds.
const AT_A_TIME: usize = 100;

/// How long one may wait for its answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Idle connections, each of which has made a request.
pub struct Idle {
    streams: Vec<TcpStream>,
}

impl Idle {
    /// None yet.
    pub fn none() -> Self {
        Self { streams: Vec::new() }
    }

    /// Opens `count` connections and makes one request on each.
    ///
    /// # Errors
    ///
    /// If one cannot be made or is not answered with 200 within 20 s.
    pub fn open(address: SocketAddr, count: usize) -> anyhow::Result<Self> {
        let mut idle = Self::none();
        idle.grow(address, count)?;
        Ok(idle)
    }

    /// Opens more, until there are `count`.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn grow(&mut self, address: SocketAddr, count: usize) -> anyhow::Result<()> {
        while self.streams.len() < count {
            let from = self.streams.len();
            for _ in from..count.min(from + AT_A_TIME) {
                let stream = TcpStream::connect_timeout(&address, PATIENCE)
                    .context("one more connection")?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                self.streams.push(stream);
            }
            self.ask(from)?;
        }
        Ok(())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.streams.len()
    }

    /// How many the server has closed: nothing is expected on them, so what can be read is an end.
    ///
    /// # Errors
    ///
    /// If a socket cannot be looked at.
    pub fn closed(&self) -> anyhow::Result<usize> {
        let mut closed = 0;
        for stream in &self.streams {
            stream.set_nonblocking(true)?;
            let silent = matches!(stream.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
            stream.set_nonblocking(false)?;
            closed += usize::from(!silent);
        }
        Ok(closed)
    }

    /// Makes a request on every one of them; gives the longest wait.
    ///
    /// # Errors
    ///
    /// If one of them is not answered with 200 within 20 s.
    pub fn ask_all(&mut self) -> anyhow::Result<Duration> {
        let mut longest = Duration::ZERO;
        for from in (0..self.streams.len()).step_by(AT_A_TIME) {
            longest = longest.max(self.ask(from)?);
        }
        Ok(longest)
    }

    fn ask(&mut self, from: usize) -> anyhow::Result<Duration> {
        let asked = Instant::now();
        let some = self.streams.iter_mut().enumerate().skip(from).take(AT_A_TIME);
        let mut some: Vec<_> = some.collect();
        for (index, stream) in &mut some {
            stream
                .write_all(b"GET /idle HTTP/1.1\r\nHost: a\r\n\r\n")
                .with_context(|| name(*index))?;
        }
        for (index, stream) in &mut some {
            answer(stream).with_context(|| name(*index))?;
        }
        Ok(asked.elapsed())
    }
}

fn name(index: usize) -> String {
    format!("idle connection {index}")
}

fn answer(stream: &mut TcpStream) -> anyhow::Result<()> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match progress(&bytes) {
            Progress::Whole { status: 200, .. } => return Ok(()),
            Progress::Partial => {}
            other => anyhow::bail!("answered {other:?}"),
        }
        match read(stream, &mut buffer) {
            Ok(0) => anyhow::bail!("the server has closed it"),
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                anyhow::bail!("not answered within {PATIENCE:?}")
            }
            Err(error) => return Err(error).context("waiting for an answer"),
        }
    }
}

//! Clients that make a server keep something for them, and then do nothing more.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use anyhow::Context;

use crate::crowd::small_window;

/// Some connections that are held.
pub struct Hold(Vec<TcpStream>);

impl Hold {
    /// Asks for `path` on `count` connections, whose windows are small, and reads nothing.
    ///
    /// # Errors
    ///
    /// If one cannot be made.
    pub fn unread(address: SocketAddr, count: usize, path: &str) -> anyhow::Result<Self> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        Self::sending(address, count, request.as_bytes())
    }

    /// Announces a body of `length` on `count` connections, and sends one byte of it.
    ///
    /// # Errors
    ///
    /// If one cannot be made.
    pub fn announced(address: SocketAddr, count: usize, length: u64) -> anyhow::Result<Self> {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\nx");
        Self::sending(address, count, request.as_bytes())
    }

    fn sending(address: SocketAddr, count: usize, request: &[u8]) -> anyhow::Result<Self> {
        let one = |number| {
            let mut stream = small_window(address).with_context(|| format!("client {number}"))?;
            stream.write_all(request)?;
            Ok(stream)
        };
        (0..count).map(one).collect::<anyhow::Result<_>>().map(Self)
    }

    /// How many have been answered, in part at least, or closed.
    ///
    /// # Errors
    ///
    /// If a socket cannot be looked at.
    pub fn spoken_to(&self) -> anyhow::Result<usize> {
        let mut count = 0;
        for stream in &self.0 {
            stream.set_nonblocking(true)?;
            count += usize::from(stream.peek(&mut [0; 1]).is_ok());
        }
        Ok(count)
    }
}

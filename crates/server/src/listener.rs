//! A listening socket, and what it is called.
//!
//! Not here: how it is bound or inherited (`supervisor/listen`), and what is accepted from it.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What a listener is called, for the application and for log lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// For people, and for a client of ours: `127.0.0.1:5000`, `[::1]:5000`, `/run/app.sock`.
    pub shown: String,
    /// `SERVER_NAME`: the host as it was given; `localhost` for a UNIX socket. Of a wildcard it
    /// says nothing useful: there the connection's own address counts.
    pub name: String,
    /// `SERVER_PORT`: the port, as it is after the kernel has chosen one; 80 for a UNIX socket.
    pub port: u16,
    /// Whether it listens on all addresses of this machine.
    pub wildcard: bool,
    /// Whether it is a UNIX socket: its clients have no address.
    pub unix: bool,
}

impl Address {
    /// A TCP listener at `ip` and `port`, where `name` is what was given as host.
    pub fn tcp(name: String, ip: IpAddr, port: u16) -> Self {
        let shown = match ip {
            IpAddr::V4(ip) => format!("{ip}:{port}"),
            IpAddr::V6(ip) => format!("[{ip}]:{port}"),
        };
        Self { shown, name, port, wildcard: ip.is_unspecified(), unix: false }
    }

    /// A UNIX listener.
    pub fn unix(path: String) -> Self {
        Self { shown: path, name: "localhost".to_owned(), port: 80, wildcard: false, unix: true }
    }
}

impl Default for Address {
    fn default() -> Self {
        Self::tcp("127.0.0.1".to_owned(), Ipv4Addr::LOCALHOST.into(), 0)
    }
}

/// A stream socket that listens: non-blocking, close-on-exec.
#[derive(Debug)]
pub struct Listener {
    /// The socket.
    pub socket: OwnedFd,
    /// What it is called.
    pub address: Address,
}

impl Listener {
    /// The same listener under another number. The socket listens until all of them are closed.
    ///
    /// # Errors
    ///
    /// No descriptor is left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { socket: self.socket.try_clone()?, address: self.address.clone() })
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

//! Step 10: the rest of a reply, for a slow reader.
//!
//! The worker that made it is free already. The file leaves by sendfile, which knows no flag for one
//! call, so the socket is non-blocking while it drains; nobody else touches it meanwhile.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::sendfile;
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use tracing::debug;

use super::Manager;
use super::desk::{Draining, Kept, Stage};
use super::poll::Interest;
use super::read::Reading;
use crate::channel::message::End;
use crate::os::socket::nonblocking;
use crate::table::ConnId;

/// How much one client is sent before others have their turn.
const AT_ONCE: u64 = 1 << 20;

/// How far a drain has come.
enum Progress {
    /// The socket takes no more now.
    Full,
    /// All of it is sent.
    Done,
    /// The client has gone, or the file is shorter than was said.
    Broken,
}

impl Draining {
    fn push(&mut self, socket: BorrowedFd<'_>) -> Progress {
        let mut sent = 0;
        while !self.first.is_empty() {
            match send(socket, &self.first, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(n) => {
                    self.window.count(n);
                    self.first.drain(..n.min(self.first.len()));
                }
                Err(Errno::AGAIN | Errno::NOBUFS) => return Progress::Full,
                Err(Errno::INTR) => {}
                Err(_) => return Progress::Broken,
            }
        }
        let Some(Kept { file, .. }) = &self.file else { return Progress::Done };
        while self.offset < self.end {
            if sent >= AT_ONCE {
                return Progress::Full;
            }
            let ask = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX).min(256 << 10);
            match sendfile(socket, file, Some(&mut self.offset), ask) {
                Ok(0) => return Progress::Broken,
                Ok(n) => {
                    self.window.count(n);
                    sent += u64::try_from(n).unwrap_or(AT_ONCE);
                }
                Err(Errno::AGAIN) => return Progress::Full,
                Err(Errno::INTR) => {}
                Err(_) => return Progress::Broken,
            }
        }
        Progress::Done
    }
}

impl Manager<'_> {
    /// Sends as much as the socket takes now.
    pub(super) fn drain(&mut self, id: ConnId) {
        let Some(connection) = self.desks.get(id) else { return };
        let Stage::Draining(draining) = &mut connection.stage else { return };
        nonblocking(connection.fd.as_fd(), true);
        let progress = draining.push(connection.fd.as_fd());
        match progress {
            Progress::Full => self.watch(id, Interest::Write),
            Progress::Broken => {
                debug!(connection = %id, "the client has gone while its answer was drained");
                self.end(id, End::Reset);
            }
            Progress::Done => {
                nonblocking(connection.fd.as_fd(), false);
                let (then, rest) = (draining.then, std::mem::take(&mut draining.rest));
                match then {
                    Some(end) => self.end(id, end),
                    None => self.go_on_reading(id, Reading::new(rest, false)),
                }
            }
        }
    }
}

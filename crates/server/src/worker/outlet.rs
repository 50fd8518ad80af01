//! Where an answer's bytes leave: the client's socket, and behind it what the socket would not take
//! ([`unsent`](super::unsent)).
//!
//! The first byte is preceded by the state word's *begun* bit, set by compare-and-swap: who finds
//! the row taken away (a deadline has answered instead) writes nothing.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{SendAncillaryBuffer, SendFlags, Shutdown, sendmsg, shutdown};
use tracing::{error, warn};

use super::deadline::Deadline;
use super::reply::Pace;
use super::unsent::{Unsent, send_part};
use crate::os::{clock, socket::nonblocking};
use crate::ready::ReadyList;
use crate::spool::{Room, Spool};
use crate::steps::step;
use crate::table::{ConnId, Owner, Row, WorkerId};
use crate::tally::{Reason, Tally};

/// The most bytes of a finished answer that a worker keeps when they cannot be spooled.
const MOST_IN_MEMORY: usize = if cfg!(test) { 2 << 20 } else { 64 << 20 };

/// Whom an answer is for, and what may be done for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addressee<'a> {
    pub(crate) client: BorrowedFd<'a>,
    pub(crate) row: &'a Row,
    pub(crate) id: ConnId,
    /// The ready list, if the connection is in it.
    pub(crate) list: Option<&'a ReadyList>,
    /// Who writes: the row is Lent to it.
    pub(crate) worker: WorkerId,
    /// Where large remainders go.
    pub(crate) spool_dir: &'a Path,
    /// Where files are that the application may name instead of a body.
    pub(crate) sendfile_roots: &'a [PathBuf],
    /// Bytes that a live answer may be ahead of its client.
    pub(crate) high_water: usize,
    /// How long one wait for it may take.
    pub(crate) timeout: Duration,
    /// How much may be spooled.
    pub(crate) room: Room,
    /// Who says whether a fault is told.
    pub(crate) tally: &'a Tally,
    /// Until when the application may take.
    pub(crate) deadline: Option<Deadline<'a>>,
    /// A small answer may be held back, for others follow at once.
    pub(crate) hold: bool,
    /// The last one of a connection may be: nothing comes between it and its end that may take its time.
    pub(crate) hold_last: bool,
}

/// The way out of one answer.
#[derive(Debug)]
pub(crate) struct Outlet<'a> {
    to: Addressee<'a>,
    unsent: Unsent,
    begun: bool,
    gone: bool,
    lost: bool,
    broken: bool,
    /// Nothing can be spooled for now.
    no_room: bool,
    /// The kernel is asked to hold back what is written.
    held: bool,
}

impl<'a> Outlet<'a> {
    /// Nothing has been written yet.
    pub(crate) fn new(to: Addressee<'a>) -> Self {
        Self {
            to,
            unsent: Unsent::Nothing,
            begun: false,
            gone: false,
            lost: false,
            broken: false,
            no_room: false,
            held: false,
        }
    }

    pub(crate) fn client(&self) -> BorrowedFd<'_> {
        self.to.client
    }

    pub(crate) fn sendfile_roots(&self) -> &'a [PathBuf] {
        self.to.sendfile_roots
    }

    /// Whether a byte may have left.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    pub(crate) fn deadline(&self) -> Option<Deadline<'a>> {
        self.to.deadline
    }

    /// Whether nothing that is written arrives any more.
    pub(crate) fn has_gone(&self) -> bool {
        self.gone
    }

    /// Whether the row was taken away before the answer began.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost
    }

    /// Whether bytes of the answer were dropped, so that it must not look whole.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    pub(crate) fn into_unsent(self) -> Unsent {
        self.unsent
    }

    /// Takes the connection out of the ready list.
    pub(crate) fn leave_list(&self) {
        if let Some(list) = self.to.list {
            list.leave(self.to.client);
        }
    }

    /// Marks the answer as begun; the last moment at which a deadline may take the row away.
    pub(crate) fn begin(&mut self) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let begun = Owner::Lent { worker: self.to.worker, begun: true };
        // Who was given up leaves the row as it is: the manager is on its way to answer 504.
        if self.to.deadline.is_some_and(|deadline| deadline.has_passed())
            || !self.to.row.change(self.to.id.serial, Owner::lent(self.to.worker), begun)
        {
            (self.lost, self.gone) = (true, true);
        }
        step("begin");
    }

    /// What follows is written by somebody else. Should the socket not have taken everything before
    /// it, the client would see it out of order: then the connection is over, for both.
    pub(crate) fn must_have_left(&mut self) {
        self.push_out();
        if !self.unsent.is_nothing() && !self.gone {
            warn!("reset: the client has not read what comes before a 101");
            _ = shutdown(self.to.client, Shutdown::Both);
            self.unsent = Unsent::Nothing;
            (self.gone, self.broken) = (true, true);
        }
    }

    /// Whether a live answer is so far ahead that it has to wait, after another try.
    pub(crate) fn is_full(&mut self) -> bool {
        if self.unsent.kept() >= self.to.high_water {
            self.push_out();
        }
        self.gone || self.unsent.kept() >= self.to.high_water
    }

    /// Whether a finished answer has to wait, because there is no room to spool it, after another try.
    pub(crate) fn is_stuck(&mut self) -> bool {
        if !self.no_room {
            return false;
        }
        self.push_out();
        self.no_room = !self.unsent.is_nothing();
        self.no_room && self.unsent.kept() >= self.to.high_water
    }

    /// Waits until the socket takes something. `false`: not in the time that one write may take. No
    /// handler of the application runs meanwhile.
    pub(crate) fn wait(&self) -> bool {
        let time = Timespec::try_from(self.to.timeout).ok();
        loop {
            let mut fds = [PollFd::new(&self.to.client, PollFlags::OUT)];
            match poll(&mut fds, time.as_ref()) {
                Err(Errno::INTR) => {}
                answer => return !matches!(answer, Ok(0)),
            }
        }
    }

    /// Tries to get rid of what is kept.
    fn push_out(&mut self) {
        match self.unsent.push(self.to.client) {
            Ok(()) => {}
            Err(Errno::PIPE | Errno::CONNRESET) => self.gone = true,
            Err(why) => {
                warn!("reset: the rest of an answer cannot be sent: {why}");
                (self.broken, self.gone) = (true, true);
            }
        }
    }

    /// Sends these bytes, one part after another, and keeps what the socket does not take.
    pub(crate) fn put(&mut self, parts: &[&[u8]], pace: Pace) {
        self.begin();
        if self.begun && self.to.deadline.is_some_and(Deadline::has_passed) {
            (self.broken, self.gone) = (true, true);
        }
        if parts.iter().all(|part| part.is_empty()) || self.gone {
            return;
        }
        self.push_out();
        let mut sent = match self.unsent {
            Unsent::Nothing => self.send(parts),
            _ => 0,
        };
        for part in parts {
            let skipped = sent.min(part.len());
            sent -= skipped;
            self.keep(part.get(skipped..).unwrap_or_default(), pace);
        }
    }

    /// Sends the last bytes of an answer. If they are all of it they may be held back: by whoever pushes them.
    pub(crate) fn put_last(&mut self, parts: &[&[u8]], pace: Pace, may_hold: bool) {
        self.held = may_hold && !self.begun;
        self.put(parts, pace);
        self.held &= !self.gone && self.unsent.is_nothing();
    }

    /// Whether something follows at once, so that a small answer may be held back: others, or the end.
    pub(crate) fn may_hold(&self, keep: bool) -> bool {
        if keep { self.to.hold } else { self.to.hold_last }
    }

    /// Whether the kernel holds the answer back.
    pub(crate) fn is_held(&self) -> bool {
        self.held
    }

    fn keep(&mut self, bytes: &[u8], pace: Pace) {
        if bytes.is_empty() || self.gone {
            return;
        }
        let expected = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if let (Pace::Finished, Unsent::Nothing) = (pace, &self.unsent) {
            match Spool::new(self.to.spool_dir, expected, self.to.room) {
                Ok(spool) => self.unsent = Unsent::Spooled { spool, sent: 0, over: Vec::new() },
                Err(error) => self.has_no_room(&error),
            }
        }
        match &mut self.unsent {
            Unsent::Spooled { spool, over, .. } if over.is_empty() => {
                if let Err(error) = spool.push(self.to.spool_dir, bytes) {
                    over.extend_from_slice(bytes);
                    self.has_no_room(&error);
                }
            }
            Unsent::Spooled { over: memory, .. } | Unsent::Memory(memory)
                if memory.len() + bytes.len() > MOST_IN_MEMORY =>
            {
                self.drop_rest();
            }
            Unsent::Spooled { over: memory, .. } | Unsent::Memory(memory) => {
                memory.extend_from_slice(bytes);
            }
            Unsent::Nothing => self.unsent = Unsent::Memory(bytes.to_vec()),
            Unsent::File { .. } => self.drop_rest(), // a file is the last thing of an answer
        }
    }

    /// There is no place at all for the rest of this answer.
    fn drop_rest(&mut self) {
        error!("the rest of an answer cannot be spooled and is too large for memory: reset");
        self.unsent = Unsent::Nothing;
        (self.broken, self.gone) = (true, true);
    }

    /// Nothing can be spooled: this worker has to wait for the client.
    fn has_no_room(&mut self, error: &io::Error) {
        self.no_room = true;
        if self.to.tally.tell(Reason::Unspooled, clock::now()) {
            let dir = self.to.spool_dir.display();
            error!(
                "cannot keep the rest of an answer in {dir} (spool-dir, max-spool-size): {error}"
            );
        }
    }

    /// Sends a part of a regular file, and keeps what the socket does not take of it as a copy of
    /// its descriptor.
    pub(crate) fn put_file(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        length: u64,
    ) -> io::Result<()> {
        self.begin();
        let (mut at, end) = (offset, offset.saturating_add(length));
        if matches!(self.unsent, Unsent::Nothing) && !self.gone {
            nonblocking(self.to.client, true);
            let sent = send_part(self.to.client, file, &mut at, end);
            nonblocking(self.to.client, false);
            match sent {
                Ok(()) => {}
                Err(Errno::NODATA) => return Err(io::ErrorKind::UnexpectedEof.into()),
                // Of a file in a file system that cannot do it, nothing has been sent.
                Err(Errno::INVAL | Errno::NOSYS) if at == offset => {
                    return Err(io::ErrorKind::Unsupported.into());
                }
                Err(error @ (Errno::IO | Errno::INVAL)) => return Err(error.into()),
                Err(_) => self.gone = true,
            }
        }
        if at < end && !self.gone {
            let first = std::mem::replace(&mut self.unsent, Unsent::Nothing).into_bytes()?;
            let file = file.try_clone_to_owned()?.into();
            self.unsent = Unsent::File { first, file, offset: at, length: end - at };
        }
        Ok(())
    }

    /// One try. Returns how many bytes the socket took; an error means that the client has gone.
    fn send(&mut self, parts: &[&[u8]]) -> usize {
        let mut slices = [IoSlice::new(&[]); 8];
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = IoSlice::new(part);
        }
        let slices = slices.get(..parts.len()).unwrap_or(&slices);
        let more = if self.held { SendFlags::MORE } else { SendFlags::empty() };
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL | more;
        let mut nothing = SendAncillaryBuffer::default();
        match retry_on_intr(|| sendmsg(self.to.client, slices, &mut nothing, flags)) {
            Ok(sent) => sent,
            Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => 0,
            Err(_) => {
                self.gone = true;
                0
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests;

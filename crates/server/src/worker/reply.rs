//! Step 8 of a request: the reply, as far as the socket takes it.
//!
//! Nothing here waits by itself. What the socket does not take of a finished answer is left behind as a
//! file ([`Unsent`](super::unsent::Unsent)), for the manager to drain; a writer that makes its answer
//! while sending it is told to wait, but only when it is more than `stream-buffer-size` ahead of its
//! client. If nothing can be spooled, so is everybody else.
//!
//! Not here: bodies that are files (`file`); an application that has the socket itself (`taken`); the
//! bytes of a head and the framing of a body ([`http::response`](crate::http::response)); how bytes
//! reach the socket ([`outlet`](super::outlet)); what follows the answer ([`release`](super::release)).

mod file;
mod taken;

use std::os::fd::BorrowedFd;

use tracing::warn;

use super::deadline::Deadline;
use super::outlet::Outlet;
use super::verdict::{Finished, Verdict};
use crate::http::head::Field;
use crate::http::persist::Asked;
use crate::http::response::{self, BadBody, BodyOut, Common, HeadError, Length};
use crate::shared::{Flags, Phase};

/// How the body of an answer in pieces comes into being.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// It exists already (a file handle, an object with `getline`): what the socket does not take
    /// is spooled for the manager to drain. A write has to wait only if nothing can be spooled.
    Finished,
    /// It is made while it is sent (PSGI's writer): a writer that is more than
    /// `stream-buffer-size` ahead of its client has to wait.
    Live,
}

/// What became of one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrote {
    /// All of it is on its way.
    All,
    /// This many bytes are; wait until the client's socket is writable and write the others.
    Again(usize),
    /// The client has gone. Nothing more will be taken.
    Gone,
}

/// Bodies up to this size are copied behind their head, so that both leave in one piece.
const SMALL: usize = 16 * 1024;

/// Pieces of a finished body are gathered up to this size.
const GATHER: usize = 64 * 1024;

#[derive(Debug)]
enum State {
    /// Nothing has been answered.
    Fresh,
    /// The head is accepted, the body is not over.
    Open { body: BodyOut, keep: bool, pace: Pace },
    /// The whole answer is on its way; `keep` says whether the connection may live.
    Ended { keep: bool },
    /// Broken off: the client must not take what it has for whole.
    Broken,
    /// The application has the socket.
    HandedOver,
}

/// The answer to one request, while it is written.
#[derive(Debug)]
pub struct Reply<'a> {
    outlet: Outlet<'a>,
    asked: Asked,
    common: Common<'a>,
    /// Whether the server is stopping is asked when the head is made: the application takes its time.
    flags: &'a Flags,
    state: State,
    /// The head, and what is gathered behind it.
    out: &'a mut Vec<u8>,
    status: i64,
    bytes: u64,
    upgraded: bool,
    /// The application has looked at the socket; and how much had been written to it then.
    seen: Option<Option<u64>>,
    /// A file is sent instead of what a writer writes.
    replaced: bool,
    /// The application is done with this request.
    is_returned: bool,
}

impl<'a> Reply<'a> {
    /// An answer that has not begun. `out` is scratch memory.
    pub(crate) fn new(
        outlet: Outlet<'a>,
        asked: Asked,
        common: Common<'a>,
        flags: &'a Flags,
        out: &'a mut Vec<u8>,
    ) -> Self {
        out.clear();
        Self {
            outlet,
            asked,
            common,
            flags,
            state: State::Fresh,
            out,
            status: 0,
            bytes: 0,
            upgraded: false,
            seen: None,
            replaced: false,
            is_returned: false,
        }
    }

    /// Whether a head was accepted: from then on the status cannot change.
    pub fn has_begun(&self) -> bool {
        !matches!(self.state, State::Fresh)
    }

    /// Until when the application may take for this request; `None` without `request-timeout`.
    pub fn deadline(&self) -> Option<Deadline<'a>> {
        self.outlet.deadline()
    }

    /// The application has done for this request what it does before its end: then the answer may wait for
    /// what follows at once, others of its round or the end of its connection, and leave with that.
    pub fn returned(&mut self) {
        self.is_returned = true;
    }

    /// A finished answer whose body is in memory, in pieces.
    ///
    /// # Errors
    ///
    /// The head breaks a rule (the message names the field); nothing was written.
    pub fn whole(
        &mut self,
        status: i64,
        fields: &[Field<'_>],
        body: &[&[u8]],
    ) -> Result<(), HeadError> {
        if self.instead(status, fields)? {
            return Ok(());
        }
        let total = body.iter().map(|piece| piece.len()).sum::<usize>();
        let length = Length::Known(u64::try_from(total).unwrap_or(u64::MAX));
        self.head(status, fields, length, Pace::Finished)?;
        for piece in body {
            self.take(piece, false);
        }
        self.close();
        Ok(())
    }

    /// Begins an answer whose body comes in pieces by [`write`](Self::write), until
    /// [`close`](Self::close). A `Live` head goes out at once.
    ///
    /// # Errors
    ///
    /// As [`whole`](Self::whole).
    pub fn start(
        &mut self,
        status: i64,
        fields: &[Field<'_>],
        pace: Pace,
    ) -> Result<(), HeadError> {
        if self.instead(status, fields)? {
            self.replaced = pace == Pace::Live;
            return Ok(());
        }
        self.head(status, fields, Length::Unknown, pace)?;
        if pace == Pace::Live {
            self.flush();
        }
        if self.upgraded {
            self.flush();
            self.outlet.must_have_left();
        }
        Ok(())
    }

    fn head(
        &mut self,
        status: i64,
        fields: &[Field<'_>],
        length: Length,
        pace: Pace,
    ) -> Result<(), HeadError> {
        debug_assert!(!self.has_begun(), "an answer has one head");
        self.out.clear();
        let may_keep = self.asked.may_keep && self.flags.phase() == Phase::Running;
        let sending = response::write_head(
            self.out,
            &Asked { may_keep, ..self.asked },
            status,
            fields,
            length,
            self.upgraded,
            &self.common,
        )?;
        for note in &sending.notes {
            warn!("{note}");
        }
        self.status = status;
        self.state = State::Open { body: sending.body, keep: sending.keep, pace };
        Ok(())
    }

    /// Writes a piece of the body. Never blocks.
    pub fn write(&mut self, piece: &[u8]) -> Wrote {
        self.take(piece, true)
    }

    /// Waits until the client takes something: after [`Wrote::Again`], for who has no better way to
    /// wait. `false`: it took nothing for as long as one write may take (`timeout`).
    pub fn wait(&self) -> bool {
        self.outlet.wait()
    }

    /// `may_wait`: if there is no room for the piece, its writer can wait.
    fn take(&mut self, piece: &[u8], may_wait: bool) -> Wrote {
        if self.replaced {
            return Wrote::All;
        }
        let mut taken = 0;
        while let Some(part) = piece.get(taken..).filter(|part| !part.is_empty()) {
            let State::Open { body, pace, .. } = &mut self.state else { return Wrote::Gone };
            let pace = *pace;
            if pace == Pace::Live && self.outlet.is_full() {
                return if self.outlet.has_gone() { Wrote::Gone } else { Wrote::Again(taken) };
            }
            if pace == Pace::Finished && may_wait && self.outlet.is_stuck() {
                return if self.outlet.has_gone() { Wrote::Gone } else { Wrote::Again(taken) };
            }
            let part = part.get(..GATHER).unwrap_or(part);
            taken += part.len();
            let framed = match body.piece(part) {
                Ok(framed) => framed,
                Err(error) => {
                    self.spoil(error);
                    return Wrote::Gone;
                }
            };
            self.bytes += u64::try_from(framed.data.len()).unwrap_or(0);
            let parts = [framed.before(), &framed.data[..], framed.after];
            if pace == Pace::Finished && part.len() <= SMALL {
                parts.iter().for_each(|part| self.out.extend_from_slice(part));
            } else {
                self.outlet.put(&[self.out, parts[0], parts[1], parts[2]], pace);
                self.out.clear();
            }
            if self.out.len() >= GATHER {
                self.flush();
            }
        }
        if self.outlet.has_gone() { Wrote::Gone } else { Wrote::All }
    }

    fn flush(&mut self) {
        let State::Open { pace, .. } = self.state else { return };
        self.outlet.put(&[self.out], pace);
        self.out.clear();
    }

    /// Ends the body: last chunk, or nothing. Never blocks: the manager drains what is left.
    pub fn close(&mut self) {
        let State::Open { body, keep, pace } = &mut self.state else { return };
        if body.overrun() {
            warn!("the body is longer than its Content-Length: cut");
        }
        match body.end() {
            Ok(last) => {
                let (keep, pace) = (*keep, *pace);
                self.out.extend_from_slice(last);
                // Not if the application goes on. The end of a connection leaves at once, and takes its
                // last answer along.
                let follows = keep || self.asked.is_last();
                let may_hold = self.is_returned && follows && self.outlet.may_hold(keep);
                self.outlet.put_last(&[self.out], pace, may_hold);
                self.state = State::Ended { keep };
                if self.upgraded {
                    self.outlet.must_have_left();
                }
            }
            Err(error) => self.spoil(error),
        }
        self.out.clear();
    }

    /// The body is not what its head says. Nothing has left: then there is no answer yet. Else what
    /// there is of it may leave; its end says that it is not whole.
    fn spoil(&mut self, error: BadBody) {
        warn!("{error}");
        if error == BadBody::NotChunked && !self.outlet.has_begun() {
            self.out.clear();
            self.state = State::Fresh;
        } else {
            self.break_off();
        }
    }

    /// Breaks the answer off: the connection is reset, so that it cannot look whole.
    pub fn break_off(&mut self) {
        self.flush();
        self.state = State::Broken;
    }

    /// Sends an interim answer (1xx, not 101). `Ok(false)`, and nothing is sent, to HTTP/1.0
    /// clients, after the head, or when the client has gone.
    ///
    /// # Errors
    ///
    /// As [`whole`](Self::whole).
    pub fn inform(&mut self, status: i64, fields: &[Field<'_>]) -> Result<bool, HeadError> {
        if self.has_begun() {
            return Ok(false);
        }
        self.out.clear();
        response::write_interim(self.out, status, fields)?;
        let may = self.asked.version == crate::http::head::Version::Http11;
        if may {
            self.outlet.put(&[self.out], Pace::Live);
            if let Some(Some(before)) = &mut self.seen {
                *before = before.wrapping_add(u64::try_from(self.out.len()).unwrap_or(0));
            }
        }
        self.out.clear();
        Ok(may && !self.outlet.has_gone())
    }

    /// The client's socket, to wait for room.
    pub fn client(&self) -> BorrowedFd<'_> {
        self.outlet.client()
    }

    /// Ends the answer if the application has not, and says how it ended.
    pub(crate) fn finish(mut self) -> Finished {
        if matches!(self.state, State::Open { .. }) {
            warn!("the writer was not closed: closed for it");
            self.close();
        }
        // Who has been handed the socket over may have said something else there.
        let is_last = self.asked.is_last() && !matches!(self.state, State::HandedOver);
        let keep = match self.state {
            State::Ended { keep } => Some(keep),
            State::HandedOver => Some(false),
            State::Fresh | State::Open { .. } | State::Broken => None,
        };
        let verdict = match (self.outlet.is_lost(), self.outlet.has_gone(), keep) {
            (true, _, _) => Verdict::Lost,
            _ if self.outlet.is_broken() => Verdict::Reset,
            (false, true, _) => Verdict::Gone,
            (false, false, None) => Verdict::Reset,
            (false, false, Some(true)) => Verdict::Keep,
            (false, false, Some(false)) if is_last => Verdict::Last,
            (false, false, Some(false)) => Verdict::Close,
        };
        Finished {
            verdict,
            held: self.outlet.is_held(),
            seen: self.seen.is_some(),
            unsent: self.outlet.into_unsent(),
            status: self.status,
            bytes: self.bytes,
        }
    }
}

#[cfg(test)]
mod tests;

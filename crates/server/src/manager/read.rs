//! Step 2 of a request: bytes until it is complete, against total deadlines.
//!
//! A head is read into memory up to its limit; a body grows with what has *come*, never with what
//! was announced, and beyond `body-buffer-size` it is spooled. `100 Continue` leaves after every
//! check and only if nothing of the body is here.
//!
//! Not here: what a head may be ([`http::head`](crate::http::head)); who waits for what and how long
//! (`manager/mod.rs`).

use std::io;
use std::path::Path;

use rustix::io::Errno;

use super::desk::{Kept, Waiting};
use super::expire::Window;
use crate::http::Limits;
use crate::http::chunked::Chunked;
use crate::http::framing::Framing;
use crate::http::head::{self, Scan};
use crate::http::refusal::Refusal;
use crate::ledger::Ledger;
use crate::spool::{self, Place};

/// The beginning of a request.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Bytes that nobody has looked through: of the head, or behind the body.
    input: Vec<u8>,
    scan: Scan,
    body: Option<Incoming>,
    /// Whether this is the connection's first request: then its clock runs from accept.
    pub(super) first: bool,
}

/// A body on its way in; the head is complete.
#[derive(Debug)]
struct Incoming {
    head: Vec<u8>,
    /// Its method is HEAD.
    is_head: bool,
    due: Due,
    memory: Vec<u8>,
    file: Option<Kept>,
    window: Window,
}

#[derive(Debug)]
enum Due {
    Bytes(u64),
    Chunks(Chunked),
}

/// What is to be done after some bytes have come.
#[derive(Debug)]
pub(super) enum Step {
    /// Read more.
    More,
    /// Tell the client to go on, then read more.
    Continue,
    /// The request is complete.
    Complete(Waiting),
    /// It is not let through.
    Refuse(Refusal),
    /// The same, for a reason of ours that must be logged.
    Fail(Refusal, io::Error),
}

/// What the manager has to know to read.
#[derive(Debug)]
pub(super) struct Rules<'a> {
    pub(super) limits: &'a Limits,
    pub(super) body_buffer_size: usize,
    pub(super) spool_dir: &'a Path,
    pub(super) max_spool_size: u64,
    pub(super) ledger: &'a Ledger,
}

impl Reading {
    /// A request that begins with `bytes`.
    pub(super) fn new(bytes: Vec<u8>, first: bool) -> Self {
        Self { input: bytes, first, ..Self::default() }
    }

    /// Whether not a byte of it has come.
    pub(super) fn is_silent(&self) -> bool {
        self.input.is_empty() && self.body.is_none()
    }

    /// Whether its method is known to be HEAD: then a refusal has no body.
    pub(super) fn is_head(&self) -> bool {
        self.body.as_ref().map_or(self.scan.is_head(), |body| body.is_head)
    }

    /// The rate that its body has to keep, once the head is complete.
    pub(super) fn window(&mut self) -> Option<&mut Window> {
        self.body.as_mut().map(|body| &mut body.window)
    }

    /// Bytes of the decoded body that have come.
    pub(super) fn come(&self) -> u64 {
        let Some(body) = &self.body else { return 0 };
        let in_file = body.file.as_ref().map_or(0, |kept| kept.share.bytes());
        in_file.saturating_add(u64::try_from(body.memory.len()).unwrap_or(u64::MAX))
    }

    /// Takes bytes that have just been read.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        if let Some(body) = &mut self.body {
            body.window.count(bytes.len());
        }
    }

    /// Looks whether the request is complete.
    pub(super) fn step(&mut self, rules: &Rules<'_>, now: u64) -> Step {
        let mut step = Step::More;
        if self.body.is_none() {
            match self.look_for_head(rules, now) {
                Ok(None) => return Step::More,
                Ok(Some(wants_continue)) if wants_continue => step = Step::Continue,
                Ok(Some(_)) => {}
                Err(refusal) => return Step::Refuse(refusal),
            }
        }
        match self.take_body(rules) {
            Ok(false) => step,
            Ok(true) => self.complete(now).map_or(Step::More, Step::Complete),
            Err(Failed::Refused(refusal)) => Step::Refuse(refusal),
            Err(Failed::Spool(error)) => Step::Fail(cannot_spool(&error), error),
        }
    }

    /// Cuts the head off, if it has come. `Some(true)`: the client waits for `100 Continue`.
    fn look_for_head(&mut self, rules: &Rules<'_>, now: u64) -> Result<Option<bool>, Refusal> {
        let Some(head) = head::read(&self.input, rules.limits, &mut self.scan)? else {
            return Ok(None);
        };
        let due = match head.framing {
            Framing::None => Due::Bytes(0),
            Framing::Length(length) => Due::Bytes(length),
            Framing::Chunked => Due::Chunks(Chunked::new(rules.limits.max_body_size)),
        };
        let (len, expects) = (head.len, head.expects_continue);
        let is_head = head.method == "HEAD";
        let behind = self.input.split_off(len.min(self.input.len()));
        let head = std::mem::replace(&mut self.input, behind);
        let window = Window::begin(now);
        let memory = Vec::new();
        self.body = Some(Incoming { head, is_head, due, memory, file: None, window });
        Ok(Some(expects && self.input.is_empty()))
    }

    /// Moves what belongs to the body from the input to where it is kept. `true`: it is whole.
    fn take_body(&mut self, rules: &Rules<'_>) -> Result<bool, Failed> {
        let Some(body) = &mut self.body else { return Ok(false) };
        let (used, whole) = match &mut body.due {
            Due::Bytes(left) => {
                let n = usize::try_from(*left).unwrap_or(usize::MAX).min(self.input.len());
                body.memory.extend_from_slice(self.input.get(..n).unwrap_or_default());
                *left -= u64::try_from(n).unwrap_or(0);
                (n, *left == 0)
            }
            Due::Chunks(chunked) => {
                let fed = chunked.feed(&self.input, &mut body.memory).map_err(Failed::Refused)?;
                (fed.used, fed.done)
            }
        };
        self.input.drain(..used.min(self.input.len()));
        if self.input.is_empty() {
            self.input = Vec::new(); // a body may take minutes: no room is kept for the next bytes
        }
        body.spool(rules).map_err(Failed::Spool)?;
        Ok(whole)
    }

    fn complete(&mut self, now: u64) -> Option<Waiting> {
        let Incoming { head, memory, file, .. } = self.body.take()?;
        let rest = std::mem::take(&mut self.input);
        Some(Waiting { complete: now, head, body: memory, file, rest })
    }

    /// Whether an end of file now cuts a request short (an error) or comes between two (a goodbye).
    pub(super) fn cut_short(&self) -> bool {
        // Empty lines before a request are no request yet.
        self.body.is_some() || self.input.iter().any(|byte| !b"\r\n".contains(byte))
    }
}

impl Incoming {
    /// Keeps a body that outgrows memory in a file.
    fn spool(&mut self, rules: &Rules<'_>) -> io::Result<()> {
        use std::io::Write;
        if self.file.is_none() && self.memory.len() > rules.body_buffer_size {
            let file = spool::on_disk(rules.spool_dir)?;
            self.file = Some(Kept { file, share: rules.ledger.share(Place::Disk) });
        }
        if let Some(Kept { file, share }) = &mut self.file {
            let more = u64::try_from(self.memory.len()).map_err(io::Error::other)?;
            if !share.add(more, rules.max_spool_size) {
                return Err(io::ErrorKind::QuotaExceeded.into());
            }
            file.write_all(&self.memory)?;
            self.memory = Vec::new(); // and not only emptied
        }
        Ok(())
    }
}

enum Failed {
    Refused(Refusal),
    Spool(io::Error),
}

fn cannot_spool(error: &io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Refusal::new(507, "no room for the body (spool-dir, max-spool-size)")
        }
        _ if matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE)) => {
            Refusal::new(503, "no descriptor is free for the body's file")
        }
        _ => Refusal::new(500, "the body cannot be stored (spool-dir)"),
    }
}

#[cfg(test)]
mod tests;

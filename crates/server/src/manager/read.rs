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

    /// The rate that its body has to keep, once the head is complete.
    pub(super) fn window(&mut self) -> Option<&mut Window> {
        self.body.as_mut().map(|body| &mut body.window)
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
        let behind = self.input.split_off(len.min(self.input.len()));
        let head = std::mem::replace(&mut self.input, behind);
        let window = Window::begin(now);
        self.body = Some(Incoming { head, due, memory: Vec::new(), file: None, window });
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
                let fed = chunked.feed(&self.input, &mut body.memory).map_err(|mut refusal| {
                    refusal.head_only = body.head.starts_with(b"HEAD ");
                    Failed::Refused(refusal)
                })?;
                (fed.used, fed.done)
            }
        };
        self.input.drain(..used.min(self.input.len()));
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
            self.memory.clear();
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
        _ => Refusal::new(500, "the body cannot be stored (spool-dir)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> (Reading, Vec<Step>) {
        let (limits, dir) = (Limits::default(), std::env::temp_dir());
        let ledger = Ledger::default();
        let rules = Rules {
            limits: &limits,
            body_buffer_size: 10,
            spool_dir: &dir,
            max_spool_size: 20,
            ledger: &ledger,
        };
        let mut reading = Reading::default();
        let steps = pieces
            .iter()
            .map(|piece| {
                reading.push(piece);
                reading.step(&rules, 7)
            })
            .collect();
        (reading, steps)
    }

    #[test]
    fn what_is_behind_a_request_is_its_rest() {
        let (reading, mut steps) =
            read(&[b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n", b"abcGET"]);
        assert!(matches!(steps[0], Step::More));
        let Some(Step::Complete(job)) = steps.pop() else { panic!("{steps:?}") };
        assert_eq!(
            (&job.body[..], &job.rest[..], job.file.is_none()),
            (&b"abc"[..], &b"GET"[..], true)
        );
        assert!(reading.is_silent());
    }

    #[test]
    fn a_body_that_outgrows_memory_is_in_a_file_and_whole() {
        use std::os::unix::fs::FileExt;
        let (_, mut steps) = read(&[
            b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n",
            b"8\r\nabcdefgh\r\n1\r\n!",
            b"\r\n0\r\n\r\n",
        ]);
        let Some(Step::Complete(job)) = steps.pop() else { panic!("{steps:?}") };
        assert!(job.body.is_empty() && job.rest.is_empty());
        let file = job.file.unwrap().file;
        let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(bytes, b"12345678abcdefgh!");
    }

    #[test]
    fn a_body_for_which_there_is_no_room_is_507_and_never_short() {
        let head = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 21\r\n\r\n";
        let (_, mut steps) = read(&[head, &[b'x'; 20], b"y"]);
        let Some(Step::Fail(refusal, _)) = steps.pop() else { panic!("{steps:?}") };
        assert_eq!(refusal.status, 507);
    }

    #[test]
    fn a_client_that_waits_is_told_to_go_on_once() {
        let head =
            b"POST /p HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
        let (_, steps) = read(&[head, b"a", b"b"]);
        assert!(matches!(steps[..], [Step::Continue, Step::More, Step::Complete(_)]), "{steps:?}");
        let along = [&head[..], b"a"].concat();
        let (_, steps) = read(&[&along, b"b"]);
        assert!(matches!(steps[..], [Step::More, Step::Complete(_)]), "{steps:?}");
    }

    #[test]
    fn an_end_of_file_is_a_goodbye_only_between_requests() {
        assert!(!read(&[b""]).0.cut_short());
        assert!(!read(&[b"\r\n"]).0.cut_short());
        assert!(read(&[b"G"]).0.cut_short());
        assert!(read(&[b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"]).0.cut_short());
    }
}

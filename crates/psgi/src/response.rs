//! An answer becomes a reply: arrays, files, handles, objects, and CODE with its writer.
//!
//! The order is PSGI's: the answer's last byte is with the socket or the manager before the body's
//! `close` is called, and `close` is called whatever happened before. Heads are checked by the
//! server; one that breaks a rule costs a 500 and a line in the log that names the field.
//!
//! Fields and chunks cross from Perl's slices to the server's in arrays on the stack, so an answer
//! of the usual size allocates nothing.
//!
//! Not here: what `die` and `exit` mean ([`host`](crate::host)), and how bytes are framed and who
//! waits for slow clients ([`Reply`]).

use std::time::Duration;

use monoceros_perl::{self as perl, Answer, Body, Chunks, Fields, FileBody, Left, Streamed};
use monoceros_server::http::head::Field;
use monoceros_server::http::response::HeadError;
use monoceros_server::worker::app::{Pace, Reply, Wrote};
use tracing::warn;

/// What became of an answer that Perl gave.
#[derive(Debug)]
pub(crate) enum Replied {
    /// The reply is complete, or broken off: there is nothing left to decide.
    Done,
    /// The application's answer cannot be sent, for this reason: 500, or break off if it has begun.
    Unsendable(String),
    /// It answered 101, and the protocol is another one: the connection was its own.
    TakenOver,
    /// Its CODE returned without an answer, having seen the socket: likewise.
    TakenSilently,
    /// Perl was left while the reply was made.
    Left(Left),
    /// Perl was left when the reply was complete already.
    LeftAfter(Left),
}

/// What the answer belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// The method is HEAD: the body stays unread.
    pub(crate) head_only: bool,
    /// The client asked for another protocol, so 101 is an answer.
    pub(crate) upgrade: bool,
}

/// Sends what the application returned. `first` is a buffer, kept from answer to answer.
pub(crate) fn send(
    mut answer: Answer<'_>,
    stream: &mut ReplyStream<'_, '_>,
    asked: Asked,
    first: &mut Vec<u8>,
) -> Replied {
    match answer.body() {
        Body::Chunks(chunks) => {
            let head = perl::Head { status: answer.status(), fields: answer.fields() };
            let may_switch = head.status == 101 && answer.saw_io();
            stream.reply.returned();
            match stream.send_whole(head, chunks, may_switch) {
                Ok(()) if stream.switched => Replied::TakenOver,
                Ok(()) => Replied::Done,
                Err(error) => Replied::Unsendable(error.to_string()),
            }
        }
        Body::File(file) => {
            let head = perl::Head { status: answer.status(), fields: answer.fields() };
            let sent = stream.send_file(head, file);
            let closed = answer.close();
            finished(sent, closed)
        }
        Body::Lines => send_lines(answer, stream, asked, first),
        Body::Code => send_code(answer, stream),
    }
}

fn finished(sent: Result<(), HeadError>, closed: Result<(), Left>) -> Replied {
    match (sent, closed) {
        (Err(error), Ok(()) | Err(Left::Died)) => Replied::Unsendable(error.to_string()),
        (Ok(()), Ok(())) => Replied::Done,
        (Err(_), Err(left)) => Replied::Left(left),
        (Ok(()), Err(left)) => Replied::LeftAfter(left),
    }
}

/// A handle or an object with `getline`. The first piece is made before the head goes out, so that
/// a `getline` that dies at once is still a 500.
fn send_lines(
    mut answer: Answer<'_>,
    stream: &mut ReplyStream<'_, '_>,
    asked: Asked,
    first: &mut Vec<u8>,
) -> Replied {
    first.clear();
    let mut more = false;
    if !asked.head_only {
        match answer.piece() {
            Ok(Some(piece)) => {
                first.extend_from_slice(piece);
                more = true;
            }
            Ok(None) => {}
            Err(left) => return close_after(answer, left),
        }
    }
    let head = perl::Head { status: answer.status(), fields: answer.fields() };
    if let Err(error) = stream.begin(head, Pace::Finished, answer.saw_io()) {
        return finished(Err(error), answer.close());
    }
    more = more && stream.push(first);
    while more {
        match answer.piece() {
            Ok(Some(piece)) => more = stream.push(piece),
            Ok(None) => more = false,
            Err(left) => return close_after(answer, left),
        }
    }
    stream.reply.close();
    finished(Ok(()), answer.close())
}

/// The body left Perl half way. Its `close` is called all the same, unless Perl is not to be called
/// any more; the first reason is the one that counts.
fn close_after(mut answer: Answer<'_>, left: Left) -> Replied {
    if left == Left::Died {
        let why = answer.error().to_vec();
        answer.complain(&why);
        return match answer.close() {
            Ok(()) | Err(Left::Died) => Replied::Unsendable(String::new()),
            Err(left) => Replied::Left(left),
        };
    }
    Replied::Left(left)
}

/// A CODE with its responder: the answer is made while it is sent.
fn send_code(mut answer: Answer<'_>, stream: &mut ReplyStream<'_, '_>) -> Replied {
    stream.is_code = true;
    if answer.saw_io() {
        stream.reply.may_be_taken();
    }
    let (state, left) = answer.stream(stream);
    if let Err(left) = left {
        return match state {
            Streamed::Complete => Replied::LeftAfter(left),
            _ => Replied::Left(left),
        };
    }
    match state {
        _ if stream.switched => {
            if !answer.saw_io() {
                warn!("101 was answered, and nobody took psgix.io");
            }
            Replied::TakenOver
        }
        Streamed::Complete => Replied::Done,
        Streamed::Open => {
            answer.complain(b"the writer was not closed: done for the application\n");
            perl::Stream::close(stream);
            Replied::Done
        }
        Streamed::Nothing if answer.saw_io() => Replied::TakenSilently,
        Streamed::Nothing => Replied::Unsendable("the responder was never called".to_owned()),
        Streamed::Broken => Replied::Unsendable("the body broke off".to_owned()),
    }
}

/// A reply as Perl's responder and writer reach it.
#[derive(Debug)]
pub(crate) struct ReplyStream<'s, 'r> {
    reply: &'s mut Reply<'r>,
    upgrade: bool,
    /// The answer is a CODE, which need not answer if it takes the socket.
    is_code: bool,
    /// A 101 went out: what follows is not HTTP, and not ours.
    switched: bool,
    /// Bytes of the last piece that its writer has still to bring. If it gives up, because the client
    /// took nothing for too long or a handler died while it waited, the answer has a gap.
    owed: usize,
}

impl<'s, 'r> ReplyStream<'s, 'r> {
    pub(crate) fn new(reply: &'s mut Reply<'r>, asked: Asked) -> Self {
        Self { reply, upgrade: asked.upgrade, is_code: false, switched: false, owed: 0 }
    }

    /// Before a head: whether it ends HTTP on this connection. The server refuses a 101 otherwise.
    fn switch(&mut self, status: i64) {
        if status == 101 && self.upgrade {
            self.reply.hand_over();
            self.switched = true;
        }
    }

    fn send_whole(
        &mut self,
        head: perl::Head<'_>,
        body: Chunks<'_>,
        may_switch: bool,
    ) -> Result<(), HeadError> {
        if may_switch {
            self.switch(head.status);
        }
        let reply = &mut *self.reply;
        with_fields(head.fields, |fields| {
            with_chunks(body, |chunks| reply.whole(head.status, fields, chunks))
        })
    }

    fn send_file(&mut self, head: perl::Head<'_>, file: FileBody<'_>) -> Result<(), HeadError> {
        let reply = &mut *self.reply;
        with_fields(head.fields, |fields| {
            reply.file(head.status, fields, file.fd, file.offset, file.length)
        })
    }

    /// Writes a piece of a finished body: whether to go on.
    fn push(&mut self, piece: &[u8]) -> bool {
        if piece.is_empty() {
            return true;
        }
        let mut rest = piece;
        loop {
            match self.reply.write(rest) {
                Wrote::All => return true,
                Wrote::Gone => return false,
                // What the socket does not take of a finished body is spooled; if that cannot be
                // done either, it has to wait for the client.
                Wrote::Again(taken) if self.reply.wait() => {
                    rest = rest.get(taken..).unwrap_or_default();
                }
                Wrote::Again(_) => {
                    self.reply.break_off();
                    return false;
                }
            }
        }
    }

    fn begin(
        &mut self,
        head: perl::Head<'_>,
        pace: Pace,
        may_switch: bool,
    ) -> Result<(), HeadError> {
        if may_switch {
            self.switch(head.status);
        }
        let reply = &mut *self.reply;
        with_fields(head.fields, |fields| reply.start(head.status, fields, pace))
    }
}

impl perl::Stream for ReplyStream<'_, '_> {
    fn whole(&mut self, head: perl::Head<'_>, body: Chunks<'_>) -> Result<(), String> {
        self.send_whole(head, body, true).map_err(|error| error.to_string())
    }

    fn file(&mut self, head: perl::Head<'_>, file: FileBody<'_>) -> Result<(), String> {
        self.send_file(head, file).map_err(|error| error.to_string())
    }

    fn start(&mut self, head: perl::Head<'_>, pace: perl::Pace) -> Result<(), String> {
        let pace = match pace {
            perl::Pace::Finished => Pace::Finished,
            perl::Pace::Live => Pace::Live,
        };
        self.begin(head, pace, true).map_err(|error| error.to_string())
    }

    fn inform(&mut self, head: perl::Head<'_>) -> Result<bool, String> {
        let reply = &mut *self.reply;
        with_fields(head.fields, |fields| reply.inform(head.status, fields))
            .map_err(|error| error.to_string())
    }

    fn deadline(&mut self, set: Option<f64>) -> Option<f64> {
        let deadline = self.reply.deadline()?;
        if let Some(seconds) = set {
            let limit = Duration::try_from_secs_f64(seconds).ok().filter(|limit| !limit.is_zero());
            deadline.set(limit);
        }
        deadline.left().map(|left| left.as_secs_f64())
    }

    fn write(&mut self, piece: &[u8]) -> perl::Wrote {
        if self.owed != 0 && self.owed != piece.len() {
            self.reply.break_off();
            return perl::Wrote::Gone;
        }
        self.owed = 0;
        match self.reply.write(piece) {
            Wrote::All => perl::Wrote::All,
            Wrote::Again(taken) => {
                self.owed = piece.len() - taken;
                perl::Wrote::Again(taken)
            }
            Wrote::Gone => perl::Wrote::Gone,
        }
    }

    /// The end, if everything before it is on its way: an answer with a gap must not look whole.
    fn close(&mut self) {
        if self.owed == 0 { self.reply.close() } else { self.reply.break_off() }
    }

    fn look(&mut self) {
        self.reply.look();
        if self.upgrade || self.is_code {
            self.reply.may_be_taken();
        }
    }
}

/// How many fields, and how many pieces of a body, are passed without an allocation.
const FEW: usize = 16;

fn with_fields<R>(fields: Fields<'_>, then: impl FnOnce(&[Field<'_>]) -> R) -> R {
    let mut few = [Field { name: b"", value: b"" }; FEW];
    if fields.len() > FEW {
        let many: Vec<_> = fields.iter().map(|f| Field { name: f.name, value: f.value }).collect();
        return then(&many);
    }
    for (place, field) in few.iter_mut().zip(fields.iter()) {
        *place = Field { name: field.name, value: field.value };
    }
    then(few.get(..fields.len()).unwrap_or_default())
}

fn with_chunks<R>(chunks: Chunks<'_>, then: impl FnOnce(&[&[u8]]) -> R) -> R {
    let mut few: [&[u8]; FEW] = [b""; FEW];
    if chunks.len() > FEW {
        let many: Vec<_> = chunks.iter().collect();
        return then(&many);
    }
    for (place, chunk) in few.iter_mut().zip(chunks.iter()) {
        *place = chunk;
    }
    then(few.get(..chunks.len()).unwrap_or_default())
}

//! The head of an answer: checked whole, then written whole.
//!
//! The application says what it likes; what leaves is what a client can only read in one way. The
//! order: the application's fields as given, `Date`, `Server`, `Content-Length` or
//! `Transfer-Encoding`, `Connection`. Framing and persistence are ours: of what the application says
//! about them, its length and its `close` count.
//!
//! Not here: the body ([`body`](super::body)).

use super::head::{Field, Version};
use super::octets::{decimal, elements, is_clean, is_name, trim};
use super::persist::{Asked, Kept};
use super::refusal::reason_phrase;

pub use super::body::{BadBody, BodyOut, Piece, SizeLine};

/// What all answers of a second have in common.
#[derive(Debug, Clone, Copy)]
pub struct Common<'a> {
    /// The text of [`imf_fixdate`](super::date::imf_fixdate).
    pub date: &'a str,
    /// The `Server` field, if there is to be one.
    pub server: Option<&'a str>,
}

/// What is known of a body's length before its first byte is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// An array or a regular file of so many bytes.
    Known(u64),
    /// It comes in pieces.
    Unknown,
}

/// Why an answer's head cannot be sent: 500, and a line in the log.
///
/// What the application gave is escaped, so that it cannot forge a line of the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// Not an integer of 200 to 599; for an interim answer, of 100 to 199; or a 101 to a request
    /// that did not ask for it.
    #[error("{0} is not a status that may be sent here")]
    Status(i64),
    /// A name that is not a token.
    #[error("\"{0}\" is not a field name")]
    Name(String),
    /// A value that would end its line, or that no client could read.
    #[error("the value of field \"{0}\" has a control character")]
    Value(String),
    /// A `Content-Length` that is no number.
    #[error("Content-Length \"{0}\" is not a number")]
    Length(String),
    /// Two `Content-Length` that differ.
    #[error("two Content-Length fields: {0} and {1}")]
    Lengths(u64, u64),
    /// A `Transfer-Encoding` that is not chunked alone.
    #[error("Transfer-Encoding \"{0}\" is not one that we can send")]
    Coding(String),
    /// Both: nobody can know which of them the body follows.
    #[error("Content-Length beside Transfer-Encoding")]
    LengthAndCoding,
}

/// What follows the head.
#[derive(Debug)]
pub struct Sending {
    /// Whether the connection is kept, if the body comes to its end.
    pub keep: bool,
    /// The body's framing.
    pub body: BodyOut,
    /// What to log: usually nothing.
    pub notes: Vec<String>,
}

/// Checks the whole head, then appends it to `out`.
///
/// `status` is what the application gave. `upgraded` says that it has taken the connection in
/// answer to a request that asked for an upgrade: then 101 is allowed, and nothing is said about
/// framing. If the application gives a `Content-Length`, it is the one that is promised, whatever
/// `length` says: the body's end will tell.
///
/// # Errors
///
/// [`HeadError`]; then `out` is as it was.
///
/// # Source
///
/// RFC 9110 §6.4.1 and §15, RFC 9112 §6 and §9.
pub fn write_head(
    out: &mut Vec<u8>,
    asked: &Asked,
    status: i64,
    fields: &[Field<'_>],
    length: Length,
    upgraded: bool,
    common: &Common<'_>,
) -> Result<Sending, HeadError> {
    let status = match u16::try_from(status) {
        Ok(code @ 200..=599) => code,
        Ok(101) if upgraded => 101,
        _ => return Err(HeadError::Status(status)),
    };
    let said = Said::read(fields, status)?;
    let framed = Framed::decide(asked, status, &said, length)?;
    let asked = Asked { may_keep: asked.may_keep && !said.close, ..*asked };
    let kept = if status == 101 { Kept::No } else { asked.kept(framed.ends) };

    write_status(out, status);
    write_fields(out, fields, status);
    for (name, value) in [
        ("Date: ", (!said.date).then_some(common.date)),
        ("Server: ", common.server.filter(|_| !said.server)),
    ] {
        if let Some(value) = value {
            push(out, &[name.as_bytes(), value.as_bytes(), b"\r\n"]);
        }
    }
    match framed.field {
        FramingField::Length(length) => {
            push(out, &[b"Content-Length: ", Decimal::of(length).text(), b"\r\n"]);
        }
        FramingField::Chunked => push(out, &[b"Transfer-Encoding: chunked\r\n"]),
        FramingField::None => {}
    }
    write_connection(out, status, kept, said.upgrade);
    out.extend_from_slice(b"\r\n");
    Ok(Sending { keep: kept != Kept::No, body: framed.body, notes: said.notes })
}

/// Checks an interim answer (RFC 9110 §15.2), then appends it to `out`. Only HTTP/1.1 knows them:
/// do not send one to HTTP/1.0.
///
/// # Errors
///
/// [`HeadError`]; then `out` is as it was.
pub fn write_interim(
    out: &mut Vec<u8>,
    status: i64,
    fields: &[Field<'_>],
) -> Result<(), HeadError> {
    let status = match u16::try_from(status) {
        Ok(code @ (100 | 102..=199)) => code,
        _ => return Err(HeadError::Status(status)),
    };
    Said::read(fields, status)?;
    write_status(out, status);
    write_fields(out, fields, status);
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// What the application's fields say about what is ours.
#[derive(Default)]
struct Said {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    date: bool,
    server: bool,
    upgrade: bool,
    notes: Vec<String>,
}

/// What becomes of one of the application's fields.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Length,
    Coding,
    Connection,
    Date,
    Server,
    Upgrade,
    /// `Status`, as CGI programs say it: dropped, logged.
    Status,
    /// About this hop, which is ours: dropped.
    Hop,
    Other,
}

/// Names are compared whole: a field called `Da` is not a `Date`.
fn kind(name: &[u8]) -> Kind {
    let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
    match name.len() {
        2 if is(b"te") => Kind::Hop,
        4 if is(b"date") => Kind::Date,
        6 if is(b"server") => Kind::Server,
        6 if is(b"status") => Kind::Status,
        7 if is(b"upgrade") => Kind::Upgrade,
        7 if is(b"trailer") => Kind::Hop,
        10 if is(b"connection") => Kind::Connection,
        10 if is(b"keep-alive") => Kind::Hop,
        14 if is(b"content-length") => Kind::Length,
        16 if is(b"proxy-connection") => Kind::Hop,
        17 if is(b"transfer-encoding") => Kind::Coding,
        _ => Kind::Other,
    }
}

impl Said {
    fn read(fields: &[Field<'_>], status: u16) -> Result<Said, HeadError> {
        let mut said = Said::default();
        let bodiless = matches!(status, 100..200 | 204 | 304);
        for field in fields {
            let escape = |bytes: &[u8]| bytes.escape_ascii().to_string();
            if !is_name(field.name) {
                return Err(HeadError::Name(escape(field.name)));
            }
            if !is_clean(field.value) {
                return Err(HeadError::Value(escape(field.name)));
            }
            match kind(field.name) {
                Kind::Length | Kind::Coding if bodiless => {}
                Kind::Length => said.length(field.value)?,
                Kind::Coding if trim(field.value).eq_ignore_ascii_case(b"chunked") => {
                    if said.chunked {
                        return Err(HeadError::Coding("chunked, chunked".into()));
                    }
                    said.chunked = true;
                }
                Kind::Coding => return Err(HeadError::Coding(escape(field.value))),
                Kind::Connection => {
                    said.close |= elements(field.value).any(|t| t.eq_ignore_ascii_case(b"close"));
                }
                Kind::Date => said.date = true,
                Kind::Server => said.server = true,
                Kind::Upgrade => said.upgrade = true,
                Kind::Status => said.notes.push("the field Status was dropped".into()),
                Kind::Hop | Kind::Other => {}
            }
        }
        if said.chunked && said.length.is_some() {
            return Err(HeadError::LengthAndCoding);
        }
        Ok(said)
    }

    fn length(&mut self, value: &[u8]) -> Result<(), HeadError> {
        let length = decimal(trim(value), 20)
            .ok_or_else(|| HeadError::Length(value.escape_ascii().to_string()))?;
        match self.length.replace(length) {
            Some(other) if other != length => Err(HeadError::Lengths(other, length)),
            _ => Ok(()),
        }
    }
}

/// How the answer ends, and what its head says about that.
struct Framed {
    field: FramingField,
    body: BodyOut,
    /// Whether the client sees the end without the connection being closed.
    ends: bool,
}

enum FramingField {
    None,
    Length(u64),
    Chunked,
}

impl Framed {
    fn decide(
        asked: &Asked,
        status: u16,
        said: &Said,
        length: Length,
    ) -> Result<Framed, HeadError> {
        let nothing = |field| Framed { field, body: BodyOut::nothing(), ends: true };
        Ok(match (status, said.length, length, asked.version) {
            (101, ..) => Framed { body: BodyOut::close(), ..nothing(FramingField::None) },
            (204 | 304, ..) => nothing(FramingField::None),
            (205, ..) => nothing(FramingField::Length(0)),
            // Never computed for HEAD: middleware may have emptied the body.
            (_, Some(length), ..) if asked.head_only => nothing(FramingField::Length(length)),
            (_, None, ..) if asked.head_only => nothing(FramingField::None),
            (_, Some(length), ..) => Framed::length(length),
            (_, None, Length::Known(length), _) if !said.chunked => Framed::length(length),
            (.., version) => {
                let framed = Framed::unknown(version);
                let body = if said.chunked { framed.body.decoded() } else { framed.body };
                Framed { body, ..framed }
            }
        })
    }

    fn length(length: u64) -> Framed {
        let (field, body) = (FramingField::Length(length), BodyOut::length(length));
        Framed { field, body, ends: true }
    }

    fn unknown(version: Version) -> Framed {
        match version {
            Version::Http11 => {
                Framed { field: FramingField::Chunked, body: BodyOut::chunks(), ends: true }
            }
            Version::Http10 => {
                Framed { field: FramingField::None, body: BodyOut::close(), ends: false }
            }
        }
    }
}

fn write_status(out: &mut Vec<u8>, status: u16) {
    if status == 200 {
        return out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    let code = Decimal::of(u64::from(status));
    push(out, &[b"HTTP/1.1 ", code.text(), b" ", reason_phrase(status).as_bytes(), b"\r\n"]);
}

/// The application's fields that leave. Of two `Date` or `Server`, the first.
fn write_fields(out: &mut Vec<u8>, fields: &[Field<'_>], status: u16) {
    let (mut dated, mut served) = (false, false);
    for field in fields {
        let leaves = match kind(field.name) {
            Kind::Other => true,
            Kind::Date => !std::mem::replace(&mut dated, true),
            Kind::Server => !std::mem::replace(&mut served, true),
            Kind::Upgrade => matches!(status, 101 | 426),
            Kind::Length | Kind::Coding | Kind::Connection | Kind::Status | Kind::Hop => false,
        };
        if leaves {
            push(out, &[field.name, b": ", field.value, b"\r\n"]);
        }
    }
}

/// Who sends `Upgrade` has to name it in `Connection` (RFC 9110 §7.8).
fn write_connection(out: &mut Vec<u8>, status: u16, kept: Kept, upgrade: bool) {
    let line: &[u8] = match (status, upgrade, kept) {
        (101, ..) | (426, true, Kept::Yes) => b"Connection: Upgrade\r\n",
        (426, true, Kept::Say) => b"Connection: keep-alive, Upgrade\r\n",
        (426, true, Kept::No) => b"Connection: close, Upgrade\r\n",
        (_, _, Kept::Yes) => b"",
        (_, _, Kept::Say) => b"Connection: keep-alive\r\n",
        (_, _, Kept::No) => b"Connection: close\r\n",
    };
    out.extend_from_slice(line);
}

fn push(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// A number in decimal digits, without an allocation.
struct Decimal {
    digits: [u8; 20],
    from: usize,
}

impl Decimal {
    fn of(number: u64) -> Self {
        let (mut digits, mut left, mut from) = ([b'0'; 20], number, 20);
        for place in digits.iter_mut().rev() {
            *place = b'0' + u8::try_from(left % 10).unwrap_or(0);
            left /= 10;
            from -= 1;
            if left == 0 {
                break;
            }
        }
        Self { digits, from }
    }

    fn text(&self) -> &[u8] {
        self.digits.get(self.from..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;

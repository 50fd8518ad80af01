//! The body of an answer on its way out: framed by length, by chunks, or by the connection's end.
//!
//! A state machine that copies nothing in the usual case: it says what to write before a piece, how
//! much of the piece, and what after it. A body is never padded; what goes beyond a promised length
//! is cut; what falls short of it is the caller's to reset.

use std::borrow::Cow;
use std::ops::Deref;

use super::chunked::Chunked;

/// What a body turned out to be when its head was already written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadBody {
    /// It ended before its `Content-Length`: reset the connection, so that it cannot look whole.
    #[error("the body is {0} bytes shorter than its Content-Length")]
    Short(u64),
    /// The application promised a chunked stream and this is none: 500 if nothing has left, else
    /// reset.
    #[error("Transfer-Encoding: chunked, but the body is no chunked stream")]
    NotChunked,
}

/// One framed piece of a body. All three parts are empty if nothing is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece<'p> {
    /// What comes before the data: a chunk's size line, or nothing.
    pub before: SizeLine,
    /// The data: the application's own bytes, unless it had coded them itself.
    pub data: Cow<'p, [u8]>,
    /// What comes after the data: the CR LF of a chunk, or nothing.
    pub after: &'static [u8],
}

impl Piece<'_> {
    /// The bytes before the data.
    pub fn before(&self) -> &[u8] {
        &self.before
    }
}

/// A chunk's size in hexadecimal digits, with its CR LF; or nothing. Dereferences to its bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SizeLine {
    /// Filled from the right.
    bytes: [u8; 18],
    from: usize,
}

impl SizeLine {
    const NONE: Self = Self { bytes: [0; 18], from: 18 };

    fn of(size: usize) -> Self {
        let mut bytes = *b"0000000000000000\r\n";
        let (mut left, mut from) = (size, 16);
        for place in bytes.iter_mut().rev().skip(2) {
            *place = b"0123456789abcdef".get(left & 15).copied().unwrap_or(b'0');
            left >>= 4;
            from -= 1;
            if left == 0 {
                break;
            }
        }
        Self { bytes, from }
    }
}

impl Deref for SizeLine {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(self.from..).unwrap_or_default()
    }
}

/// How the body of one answer leaves.
#[derive(Debug, Clone)]
pub struct BodyOut {
    framing: Out,
    /// The application's own chunked stream, which is decoded first.
    decoder: Option<Decoder>,
    overrun: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Out {
    /// No byte of the body leaves: HEAD, 204, 205, 304.
    Nothing,
    /// So many bytes are still due.
    Length(u64),
    /// Until the last chunk.
    Chunks,
    /// Until the connection ends; after a 101, for ever.
    Close,
}

#[derive(Debug, Clone)]
struct Decoder {
    chunked: Box<Chunked>,
    done: bool,
}

impl BodyOut {
    pub(super) fn nothing() -> Self {
        Self { framing: Out::Nothing, decoder: None, overrun: false }
    }

    pub(super) fn length(due: u64) -> Self {
        Self { framing: Out::Length(due), ..Self::nothing() }
    }

    pub(super) fn chunks() -> Self {
        Self { framing: Out::Chunks, ..Self::nothing() }
    }

    pub(super) fn close() -> Self {
        Self { framing: Out::Close, ..Self::nothing() }
    }

    /// The same for a body that the application has chunked itself.
    pub(super) fn decoded(self) -> Self {
        let decoder = Decoder { chunked: Box::new(Chunked::new(0)), done: false };
        Self { decoder: Some(decoder), ..self }
    }

    /// Frames one piece. What is too long for the `Content-Length` is cut, and
    /// [`overrun`](Self::overrun) is true from then on.
    ///
    /// # Errors
    ///
    /// [`BadBody::NotChunked`].
    pub fn piece<'p>(&mut self, data: &'p [u8]) -> Result<Piece<'p>, BadBody> {
        let data = match &mut self.decoder {
            None => Cow::Borrowed(data),
            Some(decoder) => Cow::Owned(decoder.decode(data)?),
        };
        let nothing = Piece { before: SizeLine::NONE, data: Cow::Borrowed(b""), after: b"" };
        Ok(match &mut self.framing {
            Out::Nothing => nothing,
            // An empty chunk would be the last one.
            Out::Chunks if data.is_empty() => nothing,
            Out::Chunks => Piece { before: SizeLine::of(data.len()), data, after: b"\r\n" },
            Out::Close => Piece { data, ..nothing },
            Out::Length(due) => {
                let size = u64::try_from(data.len()).unwrap_or(u64::MAX);
                let most = usize::try_from(*due).unwrap_or(usize::MAX);
                self.overrun |= size > *due;
                *due = due.saturating_sub(size);
                Piece { data: cut(data, most), ..nothing }
            }
        })
    }

    /// The end of the body: the last chunk, or nothing.
    ///
    /// # Errors
    ///
    /// [`BadBody::Short`] if less came than was promised, [`BadBody::NotChunked`] if the
    /// application's own chunked stream has not ended.
    pub fn end(&mut self) -> Result<&'static [u8], BadBody> {
        if self.decoder.as_ref().is_some_and(|decoder| !decoder.done) {
            return Err(BadBody::NotChunked);
        }
        match self.framing {
            Out::Length(due) if due > 0 => Err(BadBody::Short(due)),
            Out::Chunks => Ok(b"0\r\n\r\n"),
            Out::Nothing | Out::Length(_) | Out::Close => Ok(b""),
        }
    }

    /// Whether nothing of the body leaves: HEAD, 204, 205, 304.
    pub fn none(&self) -> bool {
        self.framing == Out::Nothing
    }

    /// Bytes still due, if a `Content-Length` was sent: then the body may also be sent without
    /// [`piece`](Self::piece), for example straight from a file.
    pub fn remaining(&self) -> Option<u64> {
        match self.framing {
            Out::Length(due) => Some(due),
            Out::Nothing | Out::Chunks | Out::Close => None,
        }
    }

    /// Whether more came than the `Content-Length` says.
    pub fn overrun(&self) -> bool {
        self.overrun
    }
}

impl Decoder {
    fn decode(&mut self, data: &[u8]) -> Result<Vec<u8>, BadBody> {
        let mut out = Vec::new();
        let fed = self.chunked.feed(data, &mut out).map_err(|_| BadBody::NotChunked)?;
        self.done = fed.done;
        if fed.used < data.len() { Err(BadBody::NotChunked) } else { Ok(out) }
    }
}

fn cut(data: Cow<'_, [u8]>, most: usize) -> Cow<'_, [u8]> {
    match data {
        Cow::Borrowed(data) => Cow::Borrowed(data.get(..most).unwrap_or(data)),
        Cow::Owned(mut data) => {
            data.truncate(most);
            Cow::Owned(data)
        }
    }
}

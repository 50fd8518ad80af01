//! A chunked body, as it comes: a strict state machine that decodes and forgets.
//!
//! It holds counts and no bytes, so a client that announces much or sends a line without an end
//! costs nothing. Every byte is looked at once; chunk data is copied in pieces. Sizes are compared
//! with the limit before data is stored. Extensions are checked and ignored, trailers are checked
//! and dropped, whatever they are called.
//!
//! Not here: end of file before the body's end, which is the caller's 400.

use super::octets::{hex, is_blank, is_token, is_value};
use super::policy::too_large;
use super::refusal::Refusal;

/// Digits of a chunk's size: where `u64` ends.
const MAX_DIGITS: u8 = 16;
/// Bytes of a size line, its CR LF not counted.
const MAX_SIZE_LINE: u32 = 1 << 10;
/// Bytes of all extensions of a request (GHSA-c2f4-cvqm-65w2).
const MAX_EXTENSIONS: u32 = 16 << 10;
/// Bytes of all trailers of a request, their line ends counted.
const MAX_TRAILER_BYTES: u32 = 8 << 10;
/// Trailers of a request.
const MAX_TRAILERS: u32 = 32;

/// What became of one piece of a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fed {
    /// Bytes of the input that belong to the body. All of them, unless it is done.
    pub used: usize,
    /// The CR LF that ends the body has been seen: what follows is the next request.
    pub done: bool,
}

/// A decoder of one chunked body.
///
/// # Source
///
/// RFC 9112 §7.1, of which we take the grammar to the letter.
#[derive(Debug, Clone)]
pub struct Chunked {
    at: At,
    max_body_size: u64,
    decoded: u64,
    /// The size that is being read.
    size: u64,
    digits: u8,
    size_line: u32,
    extensions: u32,
    trailer_bytes: u32,
    trailers: u32,
}

/// What the next byte belongs to.
///
/// ```text
/// Size ─► Extension ─► SizeLf ─┬─► Data ─► DataCr ─► DataLf ─► Size
///   └────────────────────┘     └─► Trailers ◄──────────┐
///                                  │  └─► Name ─► Value ─► ValueLf
///                                  └─► EndLf ─► Done
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Size,
    Extension(Extension),
    SizeLf,
    Data(u64),
    DataCr,
    DataLf,
    /// The beginning of a trailer, or of the line that ends the body.
    Trailers,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Done,
}

/// Where in `*( BWS ";" BWS name [ BWS "=" BWS value ] )` the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extension {
    /// Blanks came; only a semicolon may follow.
    BeforeSemicolon,
    BeforeName,
    Name,
    /// Blanks came after a name.
    AfterName,
    BeforeValue,
    Token,
    Quoted,
    /// After a backslash in a quoted string.
    Escaped,
    AfterQuoted,
}

impl Chunked {
    /// A decoder at the first byte of a body that may have `max_body_size` decoded bytes; 0: any
    /// number.
    pub fn new(max_body_size: u64) -> Self {
        Self {
            at: At::Size,
            max_body_size,
            decoded: 0,
            size: 0,
            digits: 0,
            size_line: 0,
            extensions: 0,
            trailer_bytes: 0,
            trailers: 0,
        }
    }

    /// Bytes decoded so far.
    pub fn decoded(&self) -> u64 {
        self.decoded
    }

    /// Takes bytes off `input` and appends what they decode to, never more than `input` has.
    ///
    /// # Errors
    ///
    /// 400 for what is not the grammar, 413 when a size is read that goes beyond the limit, 431 for
    /// trailers. Whether the method is HEAD is not known here. After an error, or once it is done,
    /// the decoder is of no more use.
    pub fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<Fed, Refusal> {
        let mut rest = input;
        while self.at != At::Done {
            if let At::Data(left) = self.at {
                let most = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                let (data, after) = rest.split_at(most);
                out.extend_from_slice(data);
                let taken = u64::try_from(data.len()).unwrap_or(left);
                self.decoded += taken;
                self.at = if left == taken { At::DataCr } else { At::Data(left - taken) };
                rest = after;
            }
            let Some((&octet, after)) = rest.split_first() else { break };
            self.at = self.step(octet)?;
            rest = after;
        }
        Ok(Fed { used: input.len() - rest.len(), done: self.at == At::Done })
    }

    /// One byte that is no data.
    fn step(&mut self, octet: u8) -> Result<At, Refusal> {
        match (self.at, octet) {
            (At::Size, _) => self.size(octet),
            (At::Extension(at), _) => self.extension(at, octet),
            (At::SizeLf, b'\n') => self.chunk(),
            (At::DataCr, b'\r') => Ok(At::DataLf),
            (At::DataLf, b'\n') => {
                (self.size, self.digits, self.size_line) = (0, 0, 0);
                Ok(At::Size)
            }
            (At::DataCr | At::DataLf, _) => {
                Err(Refusal::new(400, "a chunk without CR LF behind it"))
            }
            (At::Trailers, b'\r') => Ok(At::EndLf),
            (At::EndLf, b'\n') => Ok(At::Done),
            (At::Trailers | At::TrailerName | At::TrailerValue | At::TrailerLf, _) => {
                self.trailer(octet)
            }
            (At::SizeLf | At::EndLf, _) => Err(bare()),
            // `feed` takes data by the piece, and stops when it is done.
            (at @ (At::Data(_) | At::Done), _) => Ok(at),
        }
    }

    /// A byte of the size, or the first behind it.
    fn size(&mut self, octet: u8) -> Result<At, Refusal> {
        let next = match octet {
            _ if let Some(digit) = hex(octet) => {
                if self.digits == MAX_DIGITS {
                    return Err(Refusal::new(400, "a chunk size of more than 16 digits"));
                }
                self.digits += 1;
                self.size = self.size << 4 | u64::from(digit);
                self.size_line += 1;
                return Ok(At::Size);
            }
            _ if self.digits == 0 => None,
            b'\r' => Some(At::SizeLf),
            b';' => Some(At::Extension(Extension::BeforeName)),
            _ if is_blank(octet) => Some(At::Extension(Extension::BeforeSemicolon)),
            _ => None,
        };
        let next = next.ok_or_else(|| Refusal::new(400, "malformed chunk size"))?;
        self.decoded
            .checked_add(self.size)
            .filter(|&sum| self.max_body_size == 0 || sum <= self.max_body_size)
            .ok_or_else(|| too_large(self.max_body_size))?;
        if next != At::SizeLf {
            self.count_extension()?;
        }
        Ok(next)
    }

    /// A byte behind the size. A line never ends in blanks, nor in a name's equals sign.
    fn extension(&mut self, at: Extension, octet: u8) -> Result<At, Refusal> {
        use Extension::*;
        let next = match (at, octet) {
            (Name | Token | AfterQuoted, b'\r') => return Ok(At::SizeLf),
            (BeforeSemicolon | Name | AfterName | Token | AfterQuoted, b';') => BeforeName,
            (Name | AfterName, b'=') => BeforeValue,
            (BeforeValue, b'"') => Quoted,
            (Quoted, b'"') => AfterQuoted,
            (Quoted, b'\\') => Escaped,
            (Quoted | Escaped, _) if is_value(octet) => Quoted,
            (BeforeSemicolon | BeforeName | BeforeValue | AfterName, b' ' | b'\t') => at,
            (Name, b' ' | b'\t') => AfterName,
            (Token | AfterQuoted, b' ' | b'\t') => BeforeSemicolon,
            (BeforeName | Name, _) if is_token(octet) => Name,
            (BeforeValue | Token, _) if is_token(octet) => Token,
            _ => return Err(Refusal::new(400, "malformed chunk extension")),
        };
        self.count_extension()?;
        Ok(At::Extension(next))
    }

    fn count_extension(&mut self) -> Result<(), Refusal> {
        self.size_line += 1;
        self.extensions += 1;
        if self.size_line > MAX_SIZE_LINE || self.extensions > MAX_EXTENSIONS {
            return Err(Refusal::new(400, "too many bytes of chunk extensions"));
        }
        Ok(())
    }

    /// The size line is complete.
    fn chunk(&mut self) -> Result<At, Refusal> {
        Ok(if self.size == 0 { At::Trailers } else { At::Data(self.size) })
    }

    /// A byte of a trailer, to which the rules of fields apply.
    fn trailer(&mut self, octet: u8) -> Result<At, Refusal> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > MAX_TRAILER_BYTES {
            return Err(Refusal::new(431, "more than 8 KiB of trailers"));
        }
        match (self.at, octet) {
            (At::Trailers, _) if is_token(octet) => {
                self.trailers += 1;
                if self.trailers > MAX_TRAILERS {
                    return Err(Refusal::new(431, "more than 32 trailers"));
                }
                Ok(At::TrailerName)
            }
            (At::TrailerName, b':') => Ok(At::TrailerValue),
            (At::TrailerName, _) if is_token(octet) => Ok(At::TrailerName),
            (At::TrailerValue, b'\r') => Ok(At::TrailerLf),
            (At::TrailerValue, _) if is_value(octet) => Ok(At::TrailerValue),
            (At::TrailerLf, b'\n') => Ok(At::Trailers),
            (At::TrailerLf, _) => Err(bare()),
            _ => Err(Refusal::new(400, "malformed trailer")),
        }
    }
}

fn bare() -> Refusal {
    Refusal::new(400, "a line end that is not CR LF in a chunked body")
}

#[cfg(test)]
mod tests;

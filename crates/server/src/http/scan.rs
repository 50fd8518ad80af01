//! Where a head that comes in pieces has been looked at already, and what is wrong with it.
//!
//! The judge of malformed heads: it reads line by line, and what it says depends on the bytes up to
//! the line that decides and on nothing after it, so a head gets one answer however it is cut. It
//! remembers how far it looked, so that a head that comes byte by byte costs linear time in all.
//!
//! Not here: the values ([`head`](super::head)), and what needs the whole head
//! ([`policy`](super::policy)).

use super::Limits;
use super::octets::{is_clean, is_name, is_token};
use super::refusal::Refusal;
use super::target::check_line;

/// Longer methods are not read to their end. Not an option.
const MAX_METHOD: usize = 32;

/// Where a head has been looked at already. [`Default`] at the first byte of each request.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    phase: Phase,
    /// Where the line begins that is not complete yet.
    line: usize,
    /// How far has been looked for its end.
    looked: usize,
    /// Field lines seen.
    fields: usize,
    /// The method is known to be HEAD.
    is_head: bool,
}

#[derive(Debug, Clone, Copy, Default)]
enum Phase {
    /// Empty lines before the request line, which RFC 9112 §2.2 lets a client send.
    #[default]
    Before,
    /// The method, which is judged before its line has ended.
    Method,
    Line,
    Fields,
}

impl Scan {
    /// Whether nothing has been looked at.
    pub(super) fn is_fresh(&self) -> bool {
        self.looked == 0
    }

    /// Whether the method has been seen, and is HEAD.
    pub(crate) fn is_head(&self) -> bool {
        self.is_head
    }

    /// Goes on where the last call stopped; `bytes` begins with the same bytes as then. `Some(end)`
    /// is the head's length, and its grammar is right.
    pub(super) fn judge(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
    ) -> Result<Option<usize>, Refusal> {
        self.look(bytes, limits).map_err(|refusal| Refusal { head_only: self.is_head, ..refusal })
    }

    fn look(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<usize>, Refusal> {
        loop {
            let goes_on = match self.phase {
                Phase::Before => self.before(bytes, limits)?,
                Phase::Method => self.method(bytes, limits)?,
                Phase::Line | Phase::Fields => {
                    let Some(end) = self.line_end(bytes) else {
                        self.size(bytes.len(), limits)?;
                        return Ok(None);
                    };
                    if self.line_is_last(bytes, end, limits)? {
                        return Ok(Some(end));
                    }
                    true
                }
            };
            if !goes_on {
                return Ok(None);
            }
        }
    }

    /// One empty line, or the beginning of the request line. `false`: more bytes are needed.
    fn before(&mut self, bytes: &[u8], limits: &Limits) -> Result<bool, Refusal> {
        match bytes.get(self.line..) {
            Some([b'\r', b'\n', ..]) => {
                self.line += 2;
                self.looked = self.line;
                self.size(self.line, limits)?;
                Ok(true)
            }
            Some([b'\r', _, ..]) => {
                self.size(self.line + 1, limits)?;
                Err(bare())
            }
            Some([b'\r'] | []) | None => {
                self.size(bytes.len(), limits)?;
                Ok(false)
            }
            Some(_) => {
                self.phase = Phase::Method;
                self.looked = self.line;
                Ok(true)
            }
        }
    }

    /// The method, octet by octet: a client that speaks something else gets its answer now.
    fn method(&mut self, bytes: &[u8], limits: &Limits) -> Result<bool, Refusal> {
        while let Some(&octet) = bytes.get(self.looked) {
            match octet {
                b' ' if self.looked > self.line => {
                    self.phase = Phase::Line;
                    self.is_head = bytes.get(self.line..self.looked) == Some(b"HEAD");
                    return Ok(true);
                }
                0x16 if self.looked == self.line => {
                    return Err(Refusal::new(400, super::head::TLS));
                }
                _ if !is_token(octet) => {
                    return Err(Refusal::new(400, "the method is not a token"));
                }
                _ if self.looked - self.line == MAX_METHOD => {
                    return Err(Refusal::new(501, "a method of more than 32 bytes"));
                }
                _ => {}
            }
            self.looked += 1;
            self.size(self.looked, limits)?;
        }
        Ok(false)
    }

    /// One byte past the next LF, if it is here.
    fn line_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let fresh = bytes.get(self.looked..).unwrap_or_default();
        match fresh.iter().position(|&octet| octet == b'\n') {
            Some(at) => Some(self.looked + at + 1),
            None => {
                self.looked = bytes.len();
                None
            }
        }
    }

    /// Judges the line that ends at `end`; whether it is the empty one that ends the head.
    fn line_is_last(&mut self, bytes: &[u8], end: usize, limits: &Limits) -> Result<bool, Refusal> {
        let line = bytes.get(self.line..end).unwrap_or_default();
        let is_last = matches!(self.phase, Phase::Fields) && line == b"\r\n";
        // The empty line may use up the last byte of the limit; after any other, two must follow.
        self.size(end - usize::from(is_last), limits)?;
        if is_last {
            return Ok(true);
        }
        if let Phase::Fields = self.phase {
            self.fields += 1;
            if self.fields > limits.max_header_count {
                return Err(too_many(limits));
            }
        }
        let line = line.strip_suffix(b"\r\n").ok_or_else(bare)?;
        match self.phase {
            Phase::Fields => check_field(line)?,
            _ => check_line(line)?,
        }
        (self.phase, self.line, self.looked) = (Phase::Fields, end, end);
        Ok(false)
    }

    /// Compares `seen` bytes of a head that has not ended with the limits. If both are exceeded, the
    /// one decides that was exceeded first.
    fn size(&self, seen: usize, limits: &Limits) -> Result<(), Refusal> {
        let whole = limits.max_header_size;
        // A line of the greatest length has CR LF behind it, and nothing more.
        let line = self.line.saturating_add(limits.max_request_line).saturating_add(3);
        if matches!(self.phase, Phase::Line) && seen >= line && line <= whole {
            let most = limits.max_request_line;
            return Err(Refusal::new(
                414,
                format!("a request line of more than {most} bytes (max-request-line)"),
            ));
        }
        if seen >= whole {
            return Err(Refusal::new(
                431,
                format!("a head of more than {whole} bytes (max-header-size)"),
            ));
        }
        Ok(())
    }
}

fn bare() -> Refusal {
    Refusal::new(400, "a line end that is not CR LF")
}

fn too_many(limits: &Limits) -> Refusal {
    let most = limits.max_header_count;
    Refusal::new(431, format!("more than {most} fields (max-header-count)"))
}

/// Checks a field's line, given without its CR LF (RFC 9112 §5).
fn check_field(line: &[u8]) -> Result<(), Refusal> {
    if let [b' ' | b'\t', ..] = line {
        return Err(Refusal::new(400, "a folded field line"));
    }
    let Some(colon) = line.iter().position(|&octet| octet == b':') else {
        return Err(Refusal::new(400, "a field line without a colon"));
    };
    let (name, value) = line.split_at(colon);
    if !is_name(name) {
        return Err(Refusal::new(400, "a field name that is not a token"));
    }
    if !is_clean(value) {
        return Err(Refusal::new(400, "a control character in a field"));
    }
    Ok(())
}

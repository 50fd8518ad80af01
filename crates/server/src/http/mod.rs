//! HTTP/1.0 and 1.1, pure: bytes in, values out. No I/O, no clock.
//!
//! Used twice: by the manager, for whatever has not come whole, and by a worker, for one read of a
//! connection it has claimed. Same bytes, same answer, because both run this code. What two
//! implementations could read differently is refused: two readings of one length are how requests
//! get smuggled.
//!
//! In reading order: how a head becomes values ([`head`], from `scan`, `target` and
//! `policy`), how long its body is ([`framing`], [`chunked`]), whether the connection may be kept
//! ([`persist`]), how an answer leaves ([`response`], [`body`]), and what is said to a request that
//! is not let through ([`refusal`]).
#![warn(clippy::indexing_slicing)]

pub mod head;
mod policy;
mod scan;
mod target;

pub mod framing;

pub mod chunked;

pub mod persist;

pub mod body;
pub mod response;

pub mod date;
pub mod refusal;

mod octets;

/// What to do with a field whose name has an underscore.
///
/// `X_Forwarded_For` and `X-Forwarded-For` become one key of the application's environment, so a
/// client could speak for the proxy (CVE-2024-45614).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Underscores {
    /// The field is left out.
    #[default]
    Drop,
    /// The request is answered 400.
    Reject,
    /// The field is passed, unless its key is one that a hyphened field has or that the server
    /// itself answers for.
    Allow,
}

/// How large a request may be.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of the request line, its CR LF not counted. Beyond: 414.
    pub max_request_line: usize,
    /// Bytes of the whole head, all line ends and the empty lines before it counted. Beyond: 431.
    pub max_header_size: usize,
    /// Fields, those that are dropped counted. Beyond: 431.
    pub max_header_count: usize,
    /// Bytes of the decoded body; 0: no limit. Beyond: 413.
    pub max_body_size: u64,
    /// What to do with `_` in names.
    pub underscores: Underscores,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_request_line: 16 << 10,
            max_header_size: 64 << 10,
            max_header_count: 128,
            max_body_size: 64 << 20,
            underscores: Underscores::Drop,
        }
    }
}

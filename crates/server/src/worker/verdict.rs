//! What an answer leaves behind when it is over: how it ended, and what is still to be sent.

use super::unsent::Unsent;

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Whole, and the connection may be kept.
    Keep,
    /// Whole, and the connection ends.
    Close,
    /// The same, and the client had said that no request would follow.
    Last,
    /// Broken off.
    Reset,
    /// The client has gone.
    Gone,
    /// The row was taken away: the connection is not ours any more.
    Lost,
}

/// What an answer leaves behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) verdict: Verdict,
    pub(crate) unsent: Unsent,
    /// The kernel holds it back until it is pushed.
    pub(crate) held: bool,
    /// The application has looked at the socket, so the connection has left the ready list.
    pub(crate) seen: bool,
    pub(crate) status: i64,
    /// Bytes of body that left, or will.
    pub(crate) bytes: u64,
}

impl Finished {
    /// The connection was not ours any more.
    pub(crate) fn lost() -> Self {
        Self {
            verdict: Verdict::Lost,
            unsent: Unsent::Nothing,
            held: false,
            seen: false,
            status: 0,
            bytes: 0,
        }
    }
}

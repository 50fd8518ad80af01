//! The one door from C into Rust: what the application's responder and writer do.
//!
//! Every function that C calls has a trap (`catch_unwind`) in it: a panic becomes an error of the
//! application's call, and the answer is broken off. None of them blocks, none calls Perl: a writer
//! that has to wait does so in C, where signal handlers may die.
//!
//! Not here: the XSUBs that Perl sees (shim/callback.c).

use crate::value::{Chunks, Fields, FileBody};

/// A status and fields, while a callback runs.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The status as the application gave it: any number.
    pub status: i64,
    /// The fields.
    pub fields: Fields<'a>,
}

/// How the body of a streamed answer comes into being.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// It exists already (a handle, an object with `getline`).
    Finished,
    /// It is made while it is sent: PSGI's writer. The head goes out at once.
    Live,
}

/// What became of one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrote {
    /// All of it is on its way.
    All,
    /// This many bytes are: wait until the client's socket is writable, then write the others.
    Again(usize),
    /// The client has gone. Nothing more will be taken.
    Gone,
}

/// How grave a line of `psgix.logger` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// `debug`
    Debug,
    /// `info`
    Info,
    /// `warn`
    Warn,
    /// `error`
    Error,
    /// `fatal`
    Fatal,
}

/// The reply to one request, as the application reaches it while it runs.
///
/// `Err` of the first four is the application's to see: its call croaks with that text, and nothing
/// was written. After a panic in any of them the stream counts as [`broken`](crate::Streamed).
pub trait Stream {
    /// The responder was called with an array: head and whole body.
    ///
    /// # Errors
    ///
    /// The head breaks a rule.
    fn whole(&mut self, head: Head<'_>, body: Chunks<'_>) -> Result<(), String>;

    /// The responder was called with a plain file.
    ///
    /// # Errors
    ///
    /// The head breaks a rule.
    fn file(&mut self, head: Head<'_>, file: FileBody<'_>) -> Result<(), String>;

    /// The responder was called with a head alone (`Live`), or with a handle or object whose pieces
    /// follow by [`write`](Self::write) (`Finished`).
    ///
    /// # Errors
    ///
    /// The head breaks a rule.
    fn start(&mut self, head: Head<'_>, pace: Pace) -> Result<(), String>;

    /// `psgix.informational`: `Ok(false)` if it was not sent, and why is no fault.
    ///
    /// # Errors
    ///
    /// The head breaks a rule.
    fn inform(&mut self, head: Head<'_>) -> Result<bool, String>;

    /// A piece of the body, never empty. Never blocks.
    fn write(&mut self, piece: &[u8]) -> Wrote;

    /// The body is complete. Called at most once, and not if the answer has to be broken off.
    fn close(&mut self);
}

/// Where lines of `psgix.logger` go.
pub type Log = Box<dyn FnMut(Level, &[u8])>;

//! The one door from C into Rust: what the application's responder and writer do.
//!
//! Every function that C calls has a trap (`catch_unwind`) in it: a panic becomes an error of the
//! application's call, and the answer is broken off. None of them blocks, none calls Perl: a writer
//! that has to wait does so in C, where signal handlers may die.
//!
//! Not here: the XSUBs that Perl sees (shim/callback.c).

use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::io::Write;
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;

use crate::boot;
use crate::ffi;
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

    /// `monoceros.deadline`: how long the request may still take, in seconds; `None`: for ever.
    /// `Some` sets that first; zero is for ever.
    fn deadline(&mut self, set: Option<f64>) -> Option<f64> {
        let _ = set;
        None
    }

    /// A piece of the body, never empty. Never blocks.
    fn write(&mut self, piece: &[u8]) -> Wrote;

    /// The body is complete. Called at most once, and not if the answer has to be broken off.
    fn close(&mut self);

    /// The application looks at `psgix.io`, for the first time: from here on it may read from the
    /// socket and write to it. Not called if it looks while pieces of a body are asked for.
    fn look(&mut self);
}

/// Where lines of `psgix.logger` go.
pub type Log = Box<dyn FnMut(Level, &[u8])>;

thread_local! {
    static LOG: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// Sets where `rust_log` sends its lines. Perl has one thread, so this is the one that it logs from.
pub(crate) fn log_to(log: Log) {
    LOG.set(Some(log));
}

/// What the shim's `conn` points to, for as long as a call or a stream takes.
pub(crate) struct Conn<'a> {
    pub(crate) stream: &'a mut dyn Stream,
    /// A callback panicked: the answer cannot be trusted any more.
    pub(crate) panicked: bool,
}

impl Conn<'_> {
    /// The trap: `None` after a panic. What it interrupted is not used again but to break off.
    fn trap<T>(&mut self, what: impl FnOnce(&mut dyn Stream) -> T) -> Option<T> {
        let stream = &mut *self.stream;
        let done = catch_unwind(AssertUnwindSafe(|| what(stream))).ok();
        self.panicked |= done.is_none();
        done
    }
}

/// The connection behind a `conn` that C gives back.
///
/// # Safety
///
/// `conn` is what `Perl::call` or `Answer::stream` passed in, and that call has not returned yet.
unsafe fn conn_of<'a>(conn: *mut c_void) -> &'a mut Conn<'a> {
    // SAFETY: the shim calls back only inside that call (it clears its `conn` after it), and never
    // from inside another callback, for none of them calls Perl: so this is the only reference.
    unsafe { &mut *conn.cast::<Conn<'a>>() }
}

/// The slice behind a pointer and a count of C's; the pointer may be null if there are none.
///
/// # Safety
///
/// As for [`slice::from_raw_parts`].
pub(crate) unsafe fn slice_of<'a, T>(at: *const T, n: usize) -> &'a [T] {
    if n == 0 {
        return &[];
    }
    // SAFETY: not null as there are some; the rest is this function's condition.
    unsafe { slice::from_raw_parts(at, n) }
}

/// # Safety
///
/// `raw` was filled in by the shim and stays as it is for all of `'a`.
unsafe fn head_of<'a>(raw: &ffi::Response) -> Head<'a> {
    // SAFETY: the shim counts what it has written into its own scratch space.
    let fields = unsafe { slice_of(raw.fields, raw.n_fields) };
    Head { status: raw.status, fields: Fields::new(fields) }
}

/// # Safety
///
/// `raw` is of kind `BODY_FILE`, and Perl keeps the file open for all of `'a`.
pub(crate) unsafe fn file_of<'a>(raw: &ffi::Response) -> FileBody<'a> {
    FileBody {
        // SAFETY: the shim took the number from an open handle of Perl's; see the condition.
        fd: unsafe { BorrowedFd::borrow_raw(raw.file_fd) },
        offset: u64::try_from(raw.offset).unwrap_or(0),
        length: u64::try_from(raw.length).unwrap_or(0),
    }
}

/// Writes a message where the shim finds it, cut to what there is room for.
fn tell(fault: &mut ffi::Fault, message: &str) {
    let len = message.len().min(fault.text.len());
    fault.text[..len].copy_from_slice(&message.as_bytes()[..len]);
    fault.len = len;
}

const PANICKED: &str = "the server failed (see its log)";

extern "C" fn rust_start(
    conn: *mut c_void,
    head: *const ffi::Response,
    how: c_int,
    fault: *mut ffi::Fault,
) -> c_int {
    // SAFETY: shim/callback.c passes its `conn`, and two structs on its own stack, during a call
    // of ours; nothing of Perl's runs until this returns, so what `raw` points to stays.
    let (conn, raw, fault) = unsafe { (conn_of(conn), &*head, &mut *fault) };
    let done = conn.trap(|stream| {
        // SAFETY: as above: nothing changes what `raw` points to meanwhile.
        let head = unsafe { head_of(raw) };
        match how {
            ffi::START_WHOLE => {
                // SAFETY: as above; the kind is BODY_ARRAY with this start.
                let chunks = unsafe { slice_of(raw.chunks, raw.n_chunks) };
                stream.whole(head, Chunks::new(chunks))
            }
            // SAFETY: the kind is BODY_FILE with this start, and the responder's body is held.
            ffi::START_FILE => stream.file(head, unsafe { file_of(raw) }),
            ffi::START_FINISHED => stream.start(head, Pace::Finished),
            _ => stream.start(head, Pace::Live),
        }
    });
    match done.unwrap_or_else(|| Err(PANICKED.to_owned())) {
        Ok(()) => 0,
        Err(message) => {
            tell(fault, &message);
            -1
        }
    }
}

extern "C" fn rust_inform(
    conn: *mut c_void,
    head: *const ffi::Response,
    fault: *mut ffi::Fault,
) -> c_int {
    // SAFETY: as in `rust_start`: its `conn`, and structs on its own stack.
    let (conn, raw, fault) = unsafe { (conn_of(conn), &*head, &mut *fault) };
    // SAFETY: as in `rust_start`: nothing changes what `raw` points to.
    let done = conn.trap(|stream| stream.inform(unsafe { head_of(raw) }));
    match done.unwrap_or_else(|| Err(PANICKED.to_owned())) {
        Ok(sent) => c_int::from(sent),
        Err(message) => {
            tell(fault, &message);
            -1
        }
    }
}

extern "C" fn rust_write(conn: *mut c_void, piece: ffi::Bytes, taken: *mut usize) -> c_int {
    // SAFETY: as in `rust_start`; the piece is a string of Perl's that nothing changes meanwhile.
    let (conn, piece, taken) = unsafe { (conn_of(conn), piece.as_slice(), &mut *taken) };
    match conn.trap(|stream| stream.write(piece)) {
        Some(Wrote::All) => ffi::WROTE_ALL,
        Some(Wrote::Again(n)) => {
            *taken = n.min(piece.len());
            ffi::WROTE_AGAIN
        }
        Some(Wrote::Gone) | None => ffi::WROTE_GONE,
    }
}

extern "C" fn rust_close(conn: *mut c_void) {
    // SAFETY: as in `rust_start`, the shim's `conn` of a call that goes on.
    let conn = unsafe { conn_of(conn) };
    let _ = conn.trap(|stream| stream.close());
}

extern "C" fn rust_look(conn: *mut c_void) {
    // SAFETY: as in `rust_start`, the shim's `conn` of a call that goes on.
    let conn = unsafe { conn_of(conn) };
    let _ = conn.trap(|stream| stream.look());
}

extern "C" fn rust_deadline(conn: *mut c_void, seconds: f64) -> f64 {
    // SAFETY: as in `rust_start`, the shim's `conn` of a call that goes on.
    let conn = unsafe { conn_of(conn) };
    let set = (seconds >= 0.0).then_some(seconds);
    conn.trap(|stream| stream.deadline(set)).flatten().unwrap_or(-1.0)
}

extern "C" fn rust_log(level: c_int, line: ffi::Bytes) {
    // SAFETY: a string of Perl's that nothing changes until this returns.
    let line = unsafe { line.as_slice() };
    let level = match level {
        0 => Level::Debug,
        1 => Level::Info,
        2 => Level::Warn,
        3 => Level::Error,
        _ => Level::Fatal,
    };
    // A panic in it has been printed by the hook; there is nobody else to tell.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        LOG.with_borrow_mut(|log| match log {
            Some(log) => log(level, line),
            None => {
                let text = [line, b"\n"].concat();
                let _ = std::io::stderr().write_all(&text);
            }
        });
    }));
}

/// The one table that the shim is given.
pub(crate) static CALLS: ffi::RustCalls = ffi::RustCalls {
    start: rust_start,
    inform: rust_inform,
    write: rust_write,
    close: rust_close,
    look: rust_look,
    log: rust_log,
    deadline: rust_deadline,
    run: boot::rust_run,
};

//! shim/shim.h in Rust, in its order. Private to this crate.
//!
//! Change both together: a test below asks the C compiler (shim/layout.c) for sizes and compares.

use std::ffi::{c_char, c_int, c_uint, c_ulong, c_void};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// Borrowed bytes; `at` may be null if `len` is 0.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bytes {
    pub(crate) at: *const c_char,
    pub(crate) len: usize,
}

impl Bytes {
    pub(crate) const NONE: Self = Self { at: std::ptr::null(), len: 0 };

    /// The bytes.
    ///
    /// # Safety
    ///
    /// They are alive and unchanged for all of `'a`.
    pub(crate) unsafe fn as_slice<'a>(self) -> &'a [u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: not null as it has a length; alive and unchanged is this function's condition.
        unsafe { std::slice::from_raw_parts(self.at.cast(), self.len) }
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self { at: bytes.as_ptr().cast(), len: bytes.len() }
    }
}

impl From<&str> for Bytes {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: Bytes,
    pub(crate) value: Bytes,
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Var {
    pub(crate) key: c_int,
    pub(crate) name: Bytes,
    pub(crate) value: Bytes,
}

#[repr(C)]
pub(crate) struct Request {
    pub(crate) vars: *const Var,
    pub(crate) n_vars: usize,
    pub(crate) body: Bytes,
    pub(crate) body_fd: c_int,
    pub(crate) client_fd: c_int,
    pub(crate) behind: Bytes,
    pub(crate) family: c_int,
    pub(crate) write_timeout_ms: c_int,
}

pub(crate) const BODY_ARRAY: c_int = 0;
pub(crate) const BODY_FILE: c_int = 1;
pub(crate) const BODY_LINES: c_int = 2;
pub(crate) const BODY_CODE: c_int = 3;

#[repr(C)]
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: i64,
    pub(crate) fields: *const Field,
    pub(crate) n_fields: usize,
    pub(crate) chunks: *const Bytes,
    pub(crate) n_chunks: usize,
    pub(crate) offset: i64,
    pub(crate) length: i64,
    pub(crate) file_fd: c_int,
    pub(crate) kind: c_int,
}

impl Response {
    pub(crate) const EMPTY: Self = Self {
        status: 0,
        fields: std::ptr::null(),
        n_fields: 0,
        chunks: std::ptr::null(),
        n_chunks: 0,
        offset: 0,
        length: 0,
        file_fd: -1,
        kind: BODY_LINES,
    };
}

/// `enum outcome` is C's unsigned int.
pub(crate) type Outcome = c_uint;
pub(crate) const OUT_OK: Outcome = 0;
pub(crate) const OUT_DIED: Outcome = 1;
pub(crate) const OUT_EXIT: Outcome = 2;

pub(crate) const START_WHOLE: c_int = 0;
pub(crate) const START_FILE: c_int = 1;
pub(crate) const START_FINISHED: c_int = 2;

pub(crate) const WROTE_ALL: c_int = 0;
pub(crate) const WROTE_AGAIN: c_int = 1;
pub(crate) const WROTE_GONE: c_int = 2;

pub(crate) const STREAMED_NOTHING: c_int = 0;
pub(crate) const STREAMED_COMPLETE: c_int = 1;
pub(crate) const STREAMED_OPEN: c_int = 2;

pub(crate) const CAUGHT_TERM: c_ulong = 1;
pub(crate) const CAUGHT_QUIT: c_ulong = 2;
pub(crate) const CAUGHT_HUP: c_ulong = 4;

#[repr(C)]
pub(crate) struct Load {
    pub(crate) source: c_int,
    pub(crate) text: Bytes,
    pub(crate) mount: Bytes,
    pub(crate) development: c_int,
}

#[repr(C)]
pub(crate) struct Fault {
    pub(crate) len: usize,
    pub(crate) text: [u8; 504],
}

/// The shim's own; never looked into from here.
#[repr(C)]
pub(crate) struct Host {
    opaque: [u8; 0],
}

#[repr(C)]
pub(crate) struct RustCalls {
    pub(crate) start: extern "C" fn(*mut c_void, *const Response, c_int, *mut Fault) -> c_int,
    pub(crate) inform: extern "C" fn(*mut c_void, *const Response, *mut Fault) -> c_int,
    pub(crate) write: extern "C" fn(*mut c_void, Bytes, *mut usize) -> c_int,
    pub(crate) close: extern "C" fn(*mut c_void),
    pub(crate) look: extern "C" fn(*mut c_void),
    pub(crate) log: extern "C" fn(c_int, Bytes),
    pub(crate) deadline: extern "C" fn(*mut c_void, f64) -> f64,
    pub(crate) run: extern "C" fn(*mut Host, *const Field, usize, *mut c_int) -> c_int,
}

unsafe extern "C" {
    pub(crate) fn perl_boot(
        argc: c_int,
        argv: *mut *mut c_char,
        rust: *const RustCalls,
    ) -> *mut Host;
    pub(crate) fn perl_boot_reason() -> *const c_char;
    pub(crate) fn perl_load(host: *mut Host, load: *const Load) -> Outcome;
    pub(crate) fn perl_set_env(host: *mut Host, name: Bytes, value: Bytes) -> Outcome;
    pub(crate) fn perl_set_title(host: *mut Host, title: Bytes) -> Outcome;
    pub(crate) fn perl_set_hook(host: *mut Host, hook: c_int, text: Bytes) -> Outcome;
    pub(crate) fn perl_hook(host: *mut Host, hook: c_int, pairs: *const Field, n: usize)
    -> Outcome;
    pub(crate) fn perl_offer_deadline(host: *mut Host) -> Outcome;
    pub(crate) fn perl_born(host: *mut Host) -> Outcome;
    pub(crate) fn perl_caught(host: *mut Host) -> c_ulong;
    pub(crate) fn perl_fork(host: *mut Host) -> c_int;
    pub(crate) fn perl_vanish(host: *mut Host, status: c_int) -> !;
    pub(crate) fn perl_status(host: *mut Host) -> c_int;
    pub(crate) fn perl_shutdown(host: *mut Host, status: c_int) -> c_int;

    pub(crate) fn perl_keys(host: *mut Host, names: *const Bytes, n: usize) -> c_int;
    pub(crate) fn perl_constants(host: *mut Host, vars: *const Var, n: usize) -> c_int;

    pub(crate) fn perl_call(
        host: *mut Host,
        request: *const Request,
        conn: *mut c_void,
        response: *mut Response,
    ) -> Outcome;
    pub(crate) fn perl_stream(host: *mut Host, conn: *mut c_void, streamed: *mut c_int) -> Outcome;
    pub(crate) fn perl_piece(host: *mut Host, piece: *mut Bytes, eof: *mut c_int) -> Outcome;
    pub(crate) fn perl_close(host: *mut Host) -> Outcome;
    pub(crate) fn perl_saw_io(host: *mut Host) -> c_int;
    pub(crate) fn perl_has_cleanup(host: *mut Host) -> c_int;
    pub(crate) fn perl_cleanup(host: *mut Host, harakiri: *mut c_int) -> Outcome;
    pub(crate) fn perl_release(host: *mut Host) -> Outcome;
    pub(crate) fn perl_error(host: *mut Host) -> Bytes;
    pub(crate) fn perl_complain(host: *mut Host, text: Bytes);
    pub(crate) fn perl_count(host: *mut Host) -> usize;

    pub(crate) fn perl_wait(
        host: *mut Host,
        fd: c_int,
        writable: c_int,
        timeout_ms: c_int,
        ready: *mut c_int,
    ) -> Outcome;
    pub(crate) fn perl_claim(
        host: *mut Host,
        list: c_int,
        timeout_ms: c_int,
        data: *mut u64,
        room: c_int,
        ready: *mut c_int,
    ) -> Outcome;
}

unsafe extern "C-unwind" {
    /// May croak, and so jump over its caller.
    pub(crate) fn perl_boot_xs(perl: *mut c_void, cv: *mut c_void, rust: *const RustCalls);
}

/// The number of a descriptor, for C, which borrows it for the call that it is passed to.
#[expect(clippy::disallowed_methods, reason = "C takes the number, and owns nothing by it")]
pub(crate) fn number(fd: BorrowedFd<'_>) -> c_int {
    fd.as_raw_fd()
}

/// A patience as C takes it: milliseconds, rounded up; -1 for ever.
pub(crate) fn milliseconds(patience: Option<Duration>) -> c_int {
    match patience {
        None => -1,
        Some(time) => {
            let up = time.as_nanos().div_ceil(1_000_000);
            c_int::try_from(up).unwrap_or(c_int::MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::c_int;
    use std::mem::offset_of;

    use super::*;

    unsafe extern "C" {
        safe fn perl_layout(n: c_int) -> usize;
    }

    #[test]
    fn rust_and_c_lay_structs_out_alike() {
        let ours = [
            size_of::<Bytes>(),
            size_of::<Field>(),
            size_of::<Var>(),
            offset_of!(Var, value),
            size_of::<Request>(),
            offset_of!(Request, body_fd),
            offset_of!(Request, write_timeout_ms),
            size_of::<Response>(),
            offset_of!(Response, chunks),
            offset_of!(Response, length),
            offset_of!(Response, kind),
            size_of::<Load>(),
            offset_of!(Load, development),
            size_of::<Fault>(),
            size_of::<RustCalls>(),
            offset_of!(RustCalls, run),
            size_of::<Outcome>(),
        ];
        for (n, ours) in (0..).zip(ours) {
            assert_eq!(ours, perl_layout(n), "row {n} of shim/layout.c");
        }
    }

    #[test]
    fn a_patience_is_never_shorter_in_milliseconds() {
        let ms = |nanos| milliseconds(Some(Duration::from_nanos(nanos)));
        assert_eq!((ms(0), ms(1), ms(1_000_000), ms(1_000_001)), (0, 1, 1, 2));
        assert_eq!(milliseconds(Some(Duration::MAX)), c_int::MAX);
        assert_eq!(milliseconds(None), -1);
    }
}

//! Waiting that opens a signal mask for its own duration, as one step.
//!
//! A worker looks at its signal flag with signals blocked, then waits: a signal that comes in
//! between is delivered inside the wait and interrupts it, so none is lost. Under Perl the shim
//! does the same in C.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::time::Duration;

use super::signal::Mask;

/// Asks the epoll instance `list` for one event: its data. `None` when `patience` ran out (`None`:
/// no limit, zero: do not wait) or a signal came. The mask `open` holds while it waits.
///
/// # Errors
///
/// `list` is no epoll instance.
pub fn claim_one(
    list: BorrowedFd<'_>,
    patience: Option<Duration>,
    open: &Mask,
) -> io::Result<Option<u64>> {
    let mut event = libc::epoll_event { events: 0, u64: 0 };
    let limit = patience.map_or(-1, millis);
    // SAFETY: there is room for the one event asked for, and it and the mask live across the call.
    let got = unsafe { libc::epoll_pwait(raw(list), &raw mut event, 1, limit, open.as_ptr()) };
    match got {
        1 => Ok(Some(event.u64)),
        0 => Ok(None),
        _ => interrupted_is(None),
    }
}

/// Waits until `fd` has one of `events` (`POLLIN`, `POLLOUT`) or is broken: `true`. `false` when
/// `patience` ran out or a signal came. The mask `open` holds while it waits.
///
/// # Errors
///
/// The kernel has no memory for it.
pub fn poll_one(
    fd: BorrowedFd<'_>,
    events: i16,
    patience: Option<Duration>,
    open: &Mask,
) -> io::Result<bool> {
    let mut one = libc::pollfd { fd: raw(fd), events, revents: 0 };
    let limit = patience.map(|time| libc::timespec {
        tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: time.subsec_nanos().into(),
    });
    let limit = limit.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: the pollfd, the time (or null) and the mask live across the call.
    match unsafe { libc::ppoll(&raw mut one, 1, limit, open.as_ptr()) } {
        1 => Ok(true),
        0 => Ok(false),
        _ => interrupted_is(false),
    }
}

/// Readable, in [`poll_one`]'s terms.
pub const READABLE: i16 = libc::POLLIN;
/// Writable, in [`poll_one`]'s terms.
pub const WRITABLE: i16 = libc::POLLOUT;

/// Milliseconds, rounded up so that nobody wakes before the time and spins.
fn millis(time: Duration) -> i32 {
    i32::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
}

fn interrupted_is<T>(value: T) -> io::Result<T> {
    let error = io::Error::last_os_error();
    if error.kind() == io::ErrorKind::Interrupted { Ok(value) } else { Err(error) }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the number goes into a system call and nowhere else"
)]
fn raw(fd: BorrowedFd<'_>) -> i32 {
    fd.as_raw_fd()
}

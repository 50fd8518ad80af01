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

/// The most events of one [`claim`].
pub const MOST_EVENTS: usize = 16;

/// What is added to an event's data if the event says more than that there are bytes: the end is there as
/// well, or an error.
pub const ENDED: u64 = 1 << 63;

/// Asks the epoll instance `list` for as many events as `data` has room for, at most
/// [`MOST_EVENTS`], and puts their data there, with [`ENDED`] where it is due. Returns how many: none when `patience` ran out (`None`:
/// no limit, zero: do not wait) or a signal came. The mask `open`, if there is one, holds while it waits.
///
/// # Errors
///
/// `list` is no epoll instance, or there is no room for any event.
pub fn claim(
    list: BorrowedFd<'_>,
    patience: Option<Duration>,
    open: Option<&Mask>,
    data: &mut [u64],
) -> io::Result<usize> {
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; MOST_EVENTS];
    let room = i32::try_from(data.len().min(MOST_EVENTS)).unwrap_or(0);
    let limit = patience.map_or(-1, millis);
    let mask = open.map_or(ptr::null(), Mask::as_ptr);
    // SAFETY: there is room for the events asked for; they and the mask (or null) live across the call.
    let got = unsafe { libc::epoll_pwait(raw(list), events.as_mut_ptr(), room, limit, mask) };
    let Ok(count) = usize::try_from(got) else { return interrupted_is(0) };
    for (place, event) in data.iter_mut().zip(&events[..count]) {
        *place = event.u64 | if event.events & !READABLE_ALONE == 0 { 0 } else { ENDED };
    }
    Ok(count)
}

/// An event that says no more than that there are bytes.
const READABLE_ALONE: u32 = libc::EPOLLIN.cast_unsigned();

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

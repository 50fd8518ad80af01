//! Descriptors that come from outside the program: inherited ones, and answers of raw calls.
//!
//! This is the only place where a number becomes an owner. Everything else about sockets is
//! `rustix`'s: it also has `connect_unspec`, and passes descriptors without integers.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::Mutex;

/// Numbers that [`inherit`] has given away.
static TAKEN: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Takes over descriptor `number`, which whoever started this program left open for it, and makes
/// it close-on-exec.
///
/// # Errors
///
/// `number` is a standard descriptor, is not open, or was taken before.
pub fn inherit(number: i32) -> io::Result<OwnedFd> {
    if number < 3 {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: F_SETFD takes an integer; a number that is not open gives EBADF.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return Err(io::Error::last_os_error());
    }
    let mut taken = TAKEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !taken.insert(number) {
        return Err(io::Error::from(io::ErrorKind::AlreadyExists));
    }
    owned(number)
}

/// The owner of what a system call has just returned; its error if that is -1.
#[expect(clippy::disallowed_methods, reason = "the one place where a number becomes an owner")]
pub(super) fn owned(answer: i32) -> io::Result<OwnedFd> {
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `answer` is open, and nobody else in this process owns it: either a system call has
    // just made it for our caller, or the environment named it and `TAKEN` says that it is the
    // first time.
    Ok(unsafe { OwnedFd::from_raw_fd(answer) })
}

//! Signals: blocking them all, reading them from a descriptor, and one flag for a plain worker.
//!
//! The supervisor blocks all signals and reads them; a worker gets back the mask from before.
//! Under Perl a worker's handlers are Perl's; what is here for workers serves plain Rust
//! applications.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

/// A set of blocked signals, as it was at some time.
#[derive(Clone, Copy)]
pub struct Mask(libc::sigset_t);

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mask")
    }
}

impl Mask {
    /// Every signal there is.
    fn full() -> Self {
        let mut set = MaybeUninit::uninit();
        // SAFETY: sigfillset writes the whole set that it is given, and cannot fail for a valid
        // pointer, so it is initialised afterwards.
        Self(unsafe {
            libc::sigfillset(set.as_mut_ptr());
            set.assume_init()
        })
    }

    /// The set in the form that system calls want, for the rest of `os`.
    pub(super) fn as_ptr(&self) -> *const libc::sigset_t {
        &raw const self.0
    }
}

/// Blocks all signals for this thread and returns the mask from before.
pub fn block_all() -> Mask {
    set(&Mask::full())
}

/// Gives this thread the mask `mask`, usually one that [`block_all`] returned.
pub fn restore(mask: &Mask) {
    set(mask);
}

fn set(mask: &Mask) -> Mask {
    let mut before = Mask::full();
    // SAFETY: both sets are valid and live across the call. It fails only for an unknown `how`.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, mask.as_ptr(), &raw mut before.0) };
    before
}

/// What happens to a signal, as it was at some time.
pub struct Disposition {
    signal: i32,
    action: libc::sigaction,
}

impl std::fmt::Debug for Disposition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disposition").field("signal", &self.signal).finish_non_exhaustive()
    }
}

impl Disposition {
    /// Makes it so again.
    pub fn put_back(&self) {
        // SAFETY: `action` came from the kernel for this very signal in this process, so a handler
        // in it is code of this process.
        unsafe { libc::sigaction(self.signal, &raw const self.action, ptr::null_mut()) };
    }
}

/// Gives SIGCHLD its default disposition, without which no child could be waited for, and returns
/// what it was.
pub fn children_to_default() -> Disposition {
    change(libc::SIGCHLD, libc::SIG_DFL)
}

/// Ignores SIGPIPE in this process: a write to a client that has gone is an error, not a death.
pub fn ignore_broken_pipes() {
    change(libc::SIGPIPE, libc::SIG_IGN);
}

/// Gives every signal its default disposition.
pub(super) fn all_to_default() {
    for signal in 1..=libc::SIGRTMAX() {
        change(signal, libc::SIG_DFL);
    }
}

fn change(signal: i32, handler: libc::sighandler_t) -> Disposition {
    let mut old = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a sigaction of zeros is valid: no flags, an empty mask, SIG_DFL. `handler` is
    // SIG_DFL, SIG_IGN or `flag_leave` below, which is an `extern "C" fn(c_int)` and touches one
    // atomic. For KILL, STOP and numbers that libc keeps for itself the call fails and `old` stays
    // zeros; that is SIG_DFL, too.
    unsafe {
        let mut new = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        new.sa_sigaction = handler;
        libc::sigaction(signal, &raw const new, old.as_mut_ptr());
        Disposition { signal, action: old.assume_init() }
    }
}

static LEAVE: AtomicBool = AtomicBool::new(false);

extern "C" fn flag_leave(_signal: libc::c_int) {
    LEAVE.store(true, Ordering::Relaxed);
}

/// For a worker that runs a plain Rust application: TERM, QUIT and HUP raise a flag, INT and PIPE
/// are ignored, CHLD has its default.
pub fn catch_leave() {
    for signal in [libc::SIGTERM, libc::SIGQUIT, libc::SIGHUP] {
        change(signal, flag_leave as *const () as libc::sighandler_t);
    }
    change(libc::SIGINT, libc::SIG_IGN);
    change(libc::SIGPIPE, libc::SIG_IGN);
    change(libc::SIGCHLD, libc::SIG_DFL);
}

/// Whether one of [`catch_leave`]'s signals has come. It stays so.
pub fn leave_caught() -> bool {
    LEAVE.load(Ordering::Relaxed)
}

/// Signals that are blocked, one by one.
#[derive(Debug)]
pub struct SignalFd(OwnedFd);

impl SignalFd {
    /// A descriptor, non-blocking and close-on-exec, from which all blocked signals can be read.
    ///
    /// # Errors
    ///
    /// No descriptor is left.
    pub fn new() -> io::Result<Self> {
        let flags = libc::SFD_NONBLOCK | libc::SFD_CLOEXEC;
        // SAFETY: the set lives across the call, and the kernel copies it.
        let fd = unsafe { libc::signalfd(-1, Mask::full().as_ptr(), flags) };
        super::socket::owned(fd).map(Self)
    }

    /// The next signal's number, if one has come.
    ///
    /// # Errors
    ///
    /// The kernel refused, which it has no reason to.
    pub fn next(&self) -> io::Result<Option<i32>> {
        let mut bytes = [0; size_of::<libc::signalfd_siginfo>()];
        match rustix::io::read(&self.0, &mut bytes) {
            Ok(_) => {
                // The first field, `ssi_signo`, is a u32.
                let [a, b, c, d, ..] = bytes;
                Ok(i32::try_from(u32::from_ne_bytes([a, b, c, d])).ok())
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

//! Waiting for a request or a descriptor, and forking: where a process that holds Perl meets signals.
//!
//! Both waits are C's (shim/wait.c), because a signal handler of the application may run in them, and
//! die there.

use std::ffi::c_int;
use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::call::{Left, Perl};
use crate::ffi;

impl Perl {
    /// Asks the ready list for events, puts what they were registered with into `data`, with the top bit set
    /// if an event says more than that there are bytes (its end), and returns how many they are. With zero as patience it does not wait, and takes as many as there is room for, at
    /// most 16; else it waits (`None`: without limit) for one. None at all if the patience ran out
    /// or a signal of ours was caught. Pending signal handlers of the application run here.
    ///
    /// # Errors
    ///
    /// `Exit`: a handler exited, or died (which was printed; the status is then 255). `Forked`.
    pub fn claim(
        &mut self,
        list: BorrowedFd<'_>,
        patience: Option<Duration>,
        data: &mut [u64],
    ) -> Result<usize, Left> {
        let mut ready = 0;
        let room = c_int::try_from(data.len()).unwrap_or(c_int::MAX);
        let (list, timeout) = (ffi::number(list), ffi::milliseconds(patience));
        // SAFETY: thread and jumps as `Perl::host` says; at most `room` numbers are written into `data`,
        // which has that many; the other result is a local.
        let out = unsafe {
            ffi::perl_claim(self.host(), list, timeout, data.as_mut_ptr(), room, &raw mut ready)
        };
        self.left_waiting(out)?;
        Ok(usize::try_from(ready).unwrap_or(0))
    }

    /// Waits until a descriptor is readable or `writable` (or broken): whether it is, before the
    /// patience ran out. Signals of ours do not end this wait.
    ///
    /// # Errors
    ///
    /// As [`claim`](Self::claim).
    pub fn wait(
        &mut self,
        fd: BorrowedFd<'_>,
        writable: bool,
        patience: Option<Duration>,
    ) -> Result<bool, Left> {
        let (fd, timeout, mut ready) = (ffi::number(fd), ffi::milliseconds(patience), 0);
        // SAFETY: thread and jumps as `Perl::host` says; the results are locals.
        let out = unsafe {
            ffi::perl_wait(self.host(), fd, c_int::from(writable), timeout, &raw mut ready)
        };
        self.left_waiting(out)?;
        Ok(ready != 0)
    }

    /// As plain perl: who dies in a handler while nothing catches it is at an end.
    fn left_waiting(&mut self, out: ffi::Outcome) -> Result<(), Left> {
        match self.left(out) {
            Err(Left::Died) => {
                self.complain_of_error();
                Err(Left::Exit(255))
            }
            other => other,
        }
    }

    /// Forks with the duties of perl's own `fork`: `Some(pid)` in the parent, `None` in the child.
    /// The signal mask is left as it was. Every fork that shall go on calling Perl is this one
    /// (workers; becoming a daemon in door two), or the child counts as the application's.
    ///
    /// # Errors
    ///
    /// The kernel refused.
    pub fn fork(&mut self) -> io::Result<Option<i32>> {
        std::io::stdout().flush()?;
        // SAFETY: see `host`. A process that holds Perl has one thread, so the child may go on.
        match unsafe { ffi::perl_fork(self.host()) } {
            ..0 => Err(io::Error::last_os_error()),
            0 => Ok(None),
            pid => Ok(Some(pid)),
        }
    }
}

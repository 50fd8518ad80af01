//! What a signal asks of the supervisor, and how it hears of one.
//!
//! All signals are blocked and read from a descriptor, so none interrupts anything, and the
//! application's handlers, set while it was loaded, never run here. A blocked signal is queued even
//! if it is ignored; SIGCHLD alone must not be, or no child could be waited for.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::process::Signal;

use crate::os::signal::{self, Disposition, Mask, SignalFd};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// TERM, QUIT: stop gracefully.
    Stop,
    /// INT: stop fast.
    Fast,
    /// HUP: replace all workers, one by one.
    Recycle,
    /// TTIN: one worker more.
    More,
    /// TTOU: one worker less.
    Fewer,
    /// USR1: open the log files anew.
    Reopen,
    /// CHLD: somebody has died.
    Reap,
    /// WINCH: say in the log what everybody is doing.
    Tell,
    /// Any other: nothing.
    Nothing,
}

impl Ask {
    /// What the signal of this number asks for.
    pub(super) fn of(number: i32) -> Self {
        match Signal::from_named_raw(number) {
            Some(Signal::TERM | Signal::QUIT) => Self::Stop,
            Some(Signal::INT) => Self::Fast,
            Some(Signal::HUP) => Self::Recycle,
            Some(Signal::TTIN) => Self::More,
            Some(Signal::TTOU) => Self::Fewer,
            Some(Signal::USR1) => Self::Reopen,
            Some(Signal::CHILD) => Self::Reap,
            Some(Signal::WINCH) => Self::Tell,
            _ => Self::Nothing,
        }
    }
}

/// All signals, taken from the process until [`give_back`](Self::give_back).
#[derive(Debug)]
pub(super) struct Signals {
    before: Mask,
    children: Disposition,
    queue: SignalFd,
}

impl Signals {
    /// Blocks all signals and begins to read them. To be called after the application was loaded.
    ///
    /// # Errors
    ///
    /// No descriptor is left: nothing has changed.
    pub(super) fn take() -> io::Result<Self> {
        let queue = SignalFd::new()?;
        let before = signal::block_all();
        Ok(Self { before, children: signal::children_to_default(), queue })
    }

    /// The mask from before, under which workers serve.
    pub(super) fn before(&self) -> Mask {
        self.before
    }

    /// What is asked for next, if anything is.
    pub(super) fn next(&self) -> Option<Ask> {
        // An error could only mean that the descriptor is none.
        self.queue.next().ok().flatten().map(Ask::of)
    }

    /// Puts mask and dispositions back. What has come meanwhile is dropped: a TERM that was sent
    /// twice must not kill a process that has just stopped in good order.
    pub(super) fn give_back(self) {
        while let Ok(Some(_)) = self.queue.next() {}
        self.children.put_back();
        signal::restore(&self.before);
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_asks_for_what_the_operator_is_told() {
        let table = [
            (Signal::TERM, Ask::Stop),
            (Signal::QUIT, Ask::Stop),
            (Signal::INT, Ask::Fast),
            (Signal::HUP, Ask::Recycle),
            (Signal::TTIN, Ask::More),
            (Signal::TTOU, Ask::Fewer),
            (Signal::USR1, Ask::Reopen),
            (Signal::CHILD, Ask::Reap),
            (Signal::PIPE, Ask::Nothing),
            (Signal::WINCH, Ask::Tell),
        ];
        for (signal, ask) in table {
            assert_eq!(Ask::of(signal.as_raw()), ask, "{signal:?}");
        }
        assert_eq!(Ask::of(63), Ask::Nothing);
    }
}

//! Who stands aside: a worker while enough others serve all that comes.
//!
//! While requests are known to be tiny and many, nobody waits for anything but a core, so more workers than cores
//! serve no more: they take turns on them, and each finds the caches full of what the last one needed. So
//! those of the lowest numbers serve, and the others nap outside the ready list, where no request
//! wakes them. Who serves says so with each claim; should it take its time after all, others come within
//! milliseconds.

use std::os::fd::AsFd;
use std::time::Duration;

use super::app::{App, Interest, Waited};
use super::{Turn, Worker};
use crate::os::{clock, usage};

/// How long the naps are that follow each other; from the last on they stay as long.
const NAPS: [Duration; 4] = [
    Duration::from_millis(4),
    Duration::from_millis(8),
    Duration::from_millis(16),
    Duration::from_millis(32),
];

/// What one worker knows about standing aside.
#[derive(Debug)]
pub(super) struct Aside {
    /// So many are enough.
    enough: usize,
    /// Naps in a row.
    naps: usize,
}

impl Aside {
    /// Where so many processes can compute at once. Two are needed even on a single processor: one may wait for a page of
    /// memory.
    pub(super) fn new(at_once: usize) -> Self {
        Self { enough: at_once.max(2), naps: 0 }
    }

    fn next_nap(&mut self) -> Duration {
        let nap = NAPS[self.naps];
        self.naps = (self.naps + 1).min(NAPS.len() - 1);
        nap
    }
}

impl Worker<'_> {
    /// Naps if this worker is not needed now. `None`: it may be.
    pub(super) fn stand_aside(&mut self, app: &mut dyn App) -> Option<Turn> {
        if !self.tiny.is_many() {
            self.aside.naps = 0;
            return None;
        }
        let now = clock::now();
        if !self.shared.rounds.enough_serve_before(self.me, self.aside.enough, now) {
            self.come_back();
            return None;
        }
        self.push_held();
        self.shared.scoreboard.wait(self.me, || now);
        self.tiny.pauses(usage::of_thread);
        self.sweep(now);
        let nap = self.aside.next_nap();
        match app.wait(self.shared.lifeline.as_fd(), Interest::Readable, Some(nap)) {
            Waited::Exit(status) => Some(Turn::Leave(status)),
            Waited::TimedOut => Some(Turn::On),
            // The ready list has it, too.
            Waited::Ready => None,
        }
    }

    /// What this worker knows is as old as its naps: it says that it serves when it knows again. Otherwise
    /// others would stay away because of its first request, though that takes its time.
    fn come_back(&mut self) {
        if std::mem::take(&mut self.aside.naps) > 0 {
            self.tiny.goes_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn naps_grow_and_enough_are_two_at_least() {
        let mut aside = Aside::new(1);
        assert_eq!((aside.enough, Aside::new(2).enough, Aside::new(8).enough), (2, 2, 8));
        let naps: Vec<_> = (0..5).map(|_| aside.next_nap().as_millis()).collect();
        assert_eq!(naps, [4, 8, 16, 32, 32]);
    }
}

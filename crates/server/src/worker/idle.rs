//! What a worker does that finds nothing to do: it looks again for a moment; then it waits in the ready list.
//!
//! A client that has just been answered often asks again within microseconds, which is less than going to
//! sleep and being woken takes both sides. Between two looks, whoever else wants the core has it.

use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use super::app::{App, Claimed};
use super::{DOZE, SWEEP, Worker};
use crate::os::{clock, usage};

/// How often a worker looks again that has just served a short request.
const LOOKS: u32 = 100;

/// Up to so many milliseconds a request is short.
const SHORT: u64 = 1;

impl Worker<'_> {
    /// Looks for something to do, and for a moment longer if what there was did not take long.
    pub(super) fn look(&mut self, app: &mut dyn App, events: &mut [u64]) -> Claimed {
        let mut looks = 0;
        loop {
            let claimed = app.claim(self.shared.ready.as_fd(), Some(Duration::ZERO), events);
            if claimed != Claimed::Events(0) || looks == LOOKS {
                return claimed;
            }
            let now = clock::now();
            if looks == 0 {
                self.push_held();
                self.note_nothing(now);
            }
            if now > self.found + SHORT {
                return claimed;
            }
            looks += 1;
            thread::yield_now();
        }
    }

    /// Has other workers take less at once, should it be for them that there is nothing.
    fn note_nothing(&mut self, now: u64) {
        if let Some(in_a_row) = self.tiny.finds_nothing() {
            self.shared.rounds.nothing_left(self.me, in_a_row, now);
        }
    }

    /// There is nothing to do now: waits for one event. Nothing: look again.
    pub(super) fn wait_for_work(&mut self, app: &mut dyn App, events: &mut [u64]) -> Claimed {
        self.tiny.pauses(usage::of_thread);
        let patience = if self.cache.is_empty() { DOZE } else { SWEEP };
        let patience = self.wear.patience(patience);
        let one = events.len().min(1);
        let claimed = app.claim(self.shared.ready.as_fd(), Some(patience), &mut events[..one]);
        self.tiny.goes_on();
        if claimed == Claimed::Events(0) {
            self.sweep(clock::now());
        }
        claimed
    }
}

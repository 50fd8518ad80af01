//! What a worker does that finds nothing to do: it looks again for a moment; then it waits in the ready
//! list, or, if enough others do so, naps first.
//!
//! A client that has just been answered often asks again within microseconds, which is less than going to
//! sleep and being woken takes both sides. Between two looks, whoever else wants the core has it.
//!
//! The kernel wakes one waiting worker for every request that comes, though one that is awake is often faster
//! and takes it: then the other has been woken for nothing, at a cost of microseconds, and so on for every
//! request. While requests are known to be tiny and come many at once, as many waiting workers as there
//! are cores are enough, and the others look again after some milliseconds; so nothing waits longer than
//! that, should those be kept busy after all. Where no requests come, everybody ends up waiting.

use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use super::app::{App, Claimed, Interest, Waited};
use super::{DOZE, SWEEP, Worker};
use crate::os::{clock, usage};

/// How long the naps are that follow each other, before a worker waits after all.
const NAPS: [Duration; 3] =
    [Duration::from_millis(4), Duration::from_millis(8), Duration::from_millis(16)];

/// How often a worker looks again that has just served a short request.
const LOOKS: u32 = 100;

/// Up to so many milliseconds a request is short.
const SHORT: u64 = 1;

/// The naps of one worker.
#[derive(Debug)]
pub(super) struct Naps {
    /// When there was something to do last, in milliseconds of the monotonic clock.
    last: u64,
    /// Since there was something to do.
    taken: usize,
    /// Workers that wait are enough if they are so many.
    enough: usize,
}

impl Naps {
    /// For a machine with so many cores.
    pub(super) fn new(cores: usize) -> Self {
        Self { last: 0, taken: 0, enough: cores.max(1) }
    }

    /// When there was something to do last: after the last claim that brought something.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// There is something to do now.
    pub(super) fn awake(&mut self, now: u64) {
        (self.last, self.taken) = (now, 0);
    }
}

impl Worker<'_> {
    /// Looks for something to do, and for a moment longer if what there was did not take long.
    pub(super) fn look(&mut self, app: &mut dyn App, events: &mut [u64]) -> Claimed {
        let mut looks = 0;
        loop {
            let claimed = app.claim(self.shared.ready.as_fd(), Some(Duration::ZERO), events);
            let is_over = claimed != Claimed::Events(0) || looks == LOOKS;
            if is_over || clock::now() > self.naps.last + SHORT {
                return claimed;
            }
            looks += 1;
            thread::yield_now();
        }
    }

    /// There is nothing to do now: waits for one event, or naps. Nothing: look again.
    pub(super) fn wait_for_work(&mut self, app: &mut dyn App, events: &mut [u64]) -> Claimed {
        self.tiny.pauses(usage::of_thread);
        match self.next_nap() {
            Some(nap) => self.nap(app, nap),
            None => self.wait_in_list(app, events),
        }
    }

    fn next_nap(&mut self) -> Option<Duration> {
        let nap = NAPS.get(self.naps.taken).copied();
        let nap = nap.filter(|_| self.tiny.is_many());
        let nap = nap.filter(|_| self.shared.rounds.waiting() >= self.naps.enough);
        self.naps.taken = if nap.is_some() { self.naps.taken + 1 } else { 0 };
        nap
    }

    fn nap(&mut self, app: &mut dyn App, nap: Duration) -> Claimed {
        match app.wait(self.shared.lifeline.as_fd(), Interest::Readable, Some(nap)) {
            Waited::Exit(status) => Claimed::Exit(status),
            Waited::Ready | Waited::TimedOut => Claimed::Events(0),
        }
    }

    fn wait_in_list(&mut self, app: &mut dyn App, events: &mut [u64]) -> Claimed {
        let patience = if self.cache.is_empty() { DOZE } else { SWEEP };
        let patience = self.wear.patience(patience);
        let one = events.len().min(1);
        self.shared.rounds.wait(self.me, true);
        let claimed = app.claim(self.shared.ready.as_fd(), Some(patience), &mut events[..one]);
        self.shared.rounds.wait(self.me, false);
        self.tiny.goes_on();
        if claimed == Claimed::Events(0) {
            self.cache.sweep(&self.shared.table);
        }
        claimed
    }
}

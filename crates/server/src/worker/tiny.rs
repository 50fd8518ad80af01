//! How many events a worker takes with one claim: several only while requests are known to be tiny, and
//! while more are ready than the workers that are awake can take one by one.
//!
//! Known by what the kernel counts for this thread: over a few dozen requests it has hardly run, and it
//! has never slept but in a claim, so the application waits for nothing. Wall-clock time would not do:
//! with more workers than cores, a request that costs 50 µs lasts 20 ms now and then.
//!
//! Why at all: answers that leave together wake their reader once. Where the reader (a proxy, a
//! load generator) runs on the same machine, a wake-up costs both sides more than all else in the kernel.

use std::time::Duration;

use crate::os::usage::Usage;
use crate::rounds::MOST;

/// Requests between two looks at what the kernel counts.
const WINDOW: u32 = 32;

/// What a tiny request may cost on average. Without optimisation everything costs more.
const TINY: Duration = Duration::from_micros(if cfg!(debug_assertions) { 2_000 } else { 200 });

/// What one worker knows about its requests.
#[derive(Debug)]
pub(super) struct Tiny {
    /// Requests in this window.
    served: u32,
    /// What this window has cost, up to the last pause.
    spent: Usage,
    /// When the worker last went on after a pause, or began this window.
    since: Usage,
    /// As many as requests are tiny enough for.
    allowed: usize,
    /// As many as there seem to be.
    wanted: usize,
}

impl Tiny {
    /// Nothing is known yet.
    pub(super) fn new(now: Usage) -> Self {
        Self { served: 0, spent: Usage::default(), since: now, allowed: 1, wanted: 1 }
    }

    /// Whether requests have been tiny for long.
    pub(super) fn is_sure(&self) -> bool {
        self.allowed == MOST
    }

    /// How many events the next claim takes at most.
    pub(super) fn ask(&self) -> usize {
        self.allowed.min(self.wanted)
    }

    /// The last claim has brought so many events, without a wait.
    pub(super) fn claimed(&mut self, count: usize) {
        self.wanted = if count >= self.ask() { (2 * count).min(MOST) } else { count.max(1) };
    }

    /// There is nothing to do: what follows is a sleep of ours, and not the application's.
    pub(super) fn pauses(&mut self, now: Usage) {
        self.spent = self.spent.and(now.since(self.since));
    }

    /// There may be something to do again. Whoever had to wait is not alone in having nothing to do.
    pub(super) fn goes_on(&mut self, now: Usage) {
        (self.since, self.wanted) = (now, 1);
    }

    /// One more request is served. `now` is asked now and then.
    pub(super) fn served(&mut self, now: impl FnOnce() -> Usage) {
        self.served += 1;
        if self.served < WINDOW {
            return;
        }
        let now = now();
        let spent = self.spent.and(now.since(self.since));
        let tiny = spent.ran <= TINY * WINDOW && spent.slept == 0;
        self.allowed = if tiny { (2 * self.allowed).min(MOST) } else { 1 };
        (self.served, self.spent, self.since) = (0, Usage::default(), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After as many windows as are given, each with what one request costs and how often all slept.
    fn after(windows: &[(u64, u64)]) -> Tiny {
        let mut usage = Usage::default();
        let mut tiny = Tiny::new(usage);
        for (microseconds, slept) in windows {
            usage.slept += slept;
            for _ in 0..WINDOW {
                usage.ran += Duration::from_micros(*microseconds);
                tiny.served(|| usage);
            }
        }
        // There is always more.
        for _ in 0..8 {
            tiny.claimed(tiny.ask());
        }
        tiny
    }

    #[test]
    fn only_tiny_requests_are_taken_together() {
        assert_eq!(after(&[]).ask(), 1);
        assert_eq!(after(&[(50, 0)]).ask(), 2);
        assert_eq!(after(&[(50, 0); 3]).ask(), 8);
        assert_eq!(after(&[(50, 0); 9]).ask(), MOST);
        assert!(!after(&[(50, 0); 3]).is_sure() && after(&[(50, 0); 4]).is_sure());
        assert_eq!(after(&[(2_001, 0); 9]).ask(), 1, "they cost too much");
        assert_eq!(after(&[(50, 0), (50, 0), (50, 1)]).ask(), 1, "one has waited for something");
        assert_eq!(after(&[(50, 1), (50, 0)]).ask(), 2, "long ago");
    }

    #[test]
    fn sleeping_between_requests_is_no_waiting() {
        let mut usage = Usage::default();
        let mut tiny = Tiny::new(usage);
        for _ in 0..2 * WINDOW {
            tiny.pauses(usage);
            usage.slept += 1;
            tiny.goes_on(usage);
            tiny.served(|| usage);
        }
        assert_eq!(tiny.ask(), 1, "but then others are idle as well");
        tiny.claimed(1);
        assert_eq!(tiny.ask(), 2);
        usage.slept += 1;
        tiny.pauses(usage);
        (0..WINDOW).for_each(|_| tiny.served(|| usage));
        tiny.claimed(1);
        assert_eq!(tiny.ask(), 1, "the application has slept before the pause");
    }

    #[test]
    fn no_more_are_taken_than_there_are() {
        let mut tiny = after(&[(50, 0); 9]);
        tiny.claimed(3);
        assert_eq!(tiny.ask(), 3);
        tiny.claimed(3);
        assert_eq!(tiny.ask(), 6);
        tiny.goes_on(Usage::default());
        assert_eq!(tiny.ask(), 1);
    }
}

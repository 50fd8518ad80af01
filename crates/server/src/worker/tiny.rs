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

/// Requests without a pause in between that are worth to be counted.
const STREAK: u32 = 4;

/// What one worker knows about its requests.
#[derive(Debug)]
pub(super) struct Tiny {
    /// Requests of this window, up to the last pause.
    served: u32,
    /// What they have cost.
    spent: Usage,
    /// Requests since the last pause.
    streak: u32,
    /// What had been used when they began; unknown until there is something to do at once.
    since: Option<Usage>,
    /// As many as requests are tiny enough for.
    allowed: usize,
    /// As many as there seem to be.
    wanted: usize,
    /// There were several at once since the last wait.
    several: bool,
    /// Events since there was nothing to do.
    in_a_row: usize,
}

impl Tiny {
    /// Nothing is known yet.
    pub(super) fn new() -> Self {
        let spent = Usage::default();
        Self {
            served: 0,
            spent,
            streak: 0,
            since: None,
            allowed: 1,
            wanted: 1,
            several: false,
            in_a_row: 0,
        }
    }

    /// Whether requests have been tiny for long, and several were here at once since the last wait.
    pub(super) fn is_many(&self) -> bool {
        self.allowed == MOST && self.several
    }

    /// How many answers may leave together: as many as requests are tiny enough for.
    pub(super) fn allowed(&self) -> usize {
        self.allowed
    }

    /// A wait is over, or several naps are.
    pub(super) fn goes_on(&mut self) {
        self.several = false;
    }

    /// How many events the next claim takes at most.
    pub(super) fn ask(&self) -> usize {
        self.allowed.min(self.wanted)
    }

    /// The last claim has brought so many of the events that it asked for, without a wait.
    pub(super) fn claimed(&mut self, count: usize, asked: usize, now: impl FnOnce() -> Usage) {
        self.wanted = if count >= asked { (2 * count).min(MOST) } else { count.max(1) };
        self.several |= count > 1;
        self.in_a_row += count;
        if self.since.is_none() {
            (self.since, self.streak) = (Some(now()), 0);
        }
    }

    /// There is nothing to do at the moment. After how many events, if requests are known to be tiny and many.
    pub(super) fn finds_nothing(&mut self) -> Option<usize> {
        let in_a_row = std::mem::take(&mut self.in_a_row);
        self.is_many().then_some(in_a_row)
    }

    /// There is nothing to do, or others do it: what follows is a sleep of ours, and not the application's.
    /// Whoever has to wait is not alone in having nothing to do.
    pub(super) fn pauses(&mut self, now: impl FnOnce() -> Usage) {
        if let Some(since) = self.since.take() {
            let spent = now().since(since);
            // Few are worth nothing but for what one of them has waited for.
            if self.streak >= STREAK || spent.slept > 0 {
                self.spent = self.spent.and(spent);
                self.served += self.streak;
            }
        }
        self.wanted = 1;
        self.in_a_row = 0;
    }

    /// One more request is served. `now` is asked now and then.
    pub(super) fn served(&mut self, now: impl FnOnce() -> Usage) {
        self.streak += 1;
        let Some(since) = self.since else { return };
        let served = self.served + self.streak;
        if served < WINDOW {
            return;
        }
        let now = now();
        let spent = self.spent.and(now.since(since));
        let tiny = spent.ran <= TINY * served && spent.slept == 0;
        self.allowed = if tiny { (2 * self.allowed).min(MOST) } else { 1 };
        (self.served, self.streak) = (0, 0);
        (self.spent, self.since) = (Usage::default(), Some(now));
    }

    /// A round has lasted too long. If that was no fault of others it need not be waited for the end of the
    /// window, which is lost already.
    pub(super) fn doubt(&mut self, now: impl FnOnce() -> Usage) {
        let Some(since) = self.since else { return };
        let now = now();
        let spent = self.spent.and(now.since(since));
        if spent.slept > 0 || spent.ran > TINY * WINDOW {
            self.allowed = 1;
            (self.served, self.streak) = (0, 0);
            (self.spent, self.since) = (Usage::default(), Some(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After as many windows as are given, each with what one request costs and how often all slept.
    fn after(windows: &[(u64, u64)]) -> Tiny {
        let mut usage = Usage::default();
        let mut tiny = Tiny::new();
        tiny.claimed(1, 1, || usage);
        for (microseconds, slept) in windows {
            usage.slept += slept;
            for _ in 0..WINDOW {
                usage.ran += Duration::from_micros(*microseconds);
                tiny.served(|| usage);
            }
        }
        // There is always more.
        for _ in 0..8 {
            tiny.claimed(tiny.ask(), tiny.ask(), || usage);
        }
        tiny
    }

    #[test]
    fn only_tiny_requests_are_taken_together() {
        assert_eq!(after(&[]).ask(), 1);
        assert_eq!(after(&[(50, 0)]).ask(), 2);
        assert_eq!(after(&[(50, 0); 3]).ask(), 8);
        assert_eq!(after(&[(50, 0); 9]).ask(), MOST);
        assert!(!after(&[(50, 0); 3]).is_many() && after(&[(50, 0); 4]).is_many());
        assert_eq!(after(&[(2_001, 0); 9]).ask(), 1, "they cost too much");
        assert_eq!(after(&[(50, 0), (50, 0), (50, 1)]).ask(), 1, "one has waited for something");
        assert_eq!(after(&[(50, 1), (50, 0)]).ask(), 2, "long ago");
    }

    /// A few streaks of requests, with a sleep of ours between them and this many in each.
    fn streaks(requests: u32, sleeps_in_each: u64) -> Tiny {
        let mut usage = Usage::default();
        let mut tiny = Tiny::new();
        for _ in 0..2 * WINDOW / requests {
            tiny.claimed(1, 1, || usage);
            usage.slept += sleeps_in_each;
            (0..requests).for_each(|_| tiny.served(|| usage));
            tiny.pauses(|| usage);
            usage.slept += 1;
        }
        assert_eq!(tiny.ask(), 1, "others are idle as well");
        tiny
    }

    #[test]
    fn sleeping_between_requests_is_no_waiting() {
        assert_eq!(streaks(8, 0).allowed, 4);
        assert_eq!(streaks(8, 1).allowed, 1, "the application slept");
        assert_eq!(streaks(3, 0).allowed, 1, "too short to be known");
    }

    #[test]
    fn one_slow_request_that_others_have_waited_for_is_enough() {
        let mut usage = Usage::default();
        let mut tiny = after(&[(50, 0); 9]);
        tiny.pauses(|| usage);
        tiny.claimed(1, 1, || usage);
        tiny.served(|| usage);
        usage.ran += Duration::from_millis(1);
        tiny.doubt(|| usage);
        assert_eq!(tiny.allowed, MOST, "it was not its fault");
        usage.slept += 1;
        tiny.doubt(|| usage);
        assert_eq!(tiny.allowed, 1);
    }

    #[test]
    fn who_has_waited_in_one_of_few_requests_learns_it() {
        let mut usage = Usage::default();
        let mut tiny = after(&[(50, 0); 9]);
        for _ in 0..2 * WINDOW {
            tiny.pauses(|| usage);
            tiny.claimed(1, 1, || usage);
            usage.slept += 1;
            tiny.served(|| usage);
        }
        assert_eq!(tiny.allowed, 1);
    }

    #[test]
    fn who_has_little_to_do_does_not_count() {
        let mut tiny = Tiny::new();
        for _ in 0..100 {
            tiny.pauses(|| unreachable!());
            tiny.served(|| unreachable!());
        }
        assert_eq!(tiny.ask(), 1);
    }

    #[test]
    fn who_was_allowed_few_and_got_them_all_asks_for_more() {
        let mut tiny = after(&[(50, 0); 9]);
        tiny.claimed(8, 8, Usage::default);
        assert_eq!(tiny.ask(), MOST);
        tiny.claimed(5, 8, Usage::default);
        assert_eq!(tiny.ask(), 5);
    }

    #[test]
    fn who_has_served_many_says_after_how_many_there_is_nothing() {
        let mut tiny = after(&[(50, 0); 9]);
        tiny.pauses(Usage::default);
        tiny.goes_on();
        tiny.claimed(1, 1, Usage::default);
        assert_eq!(tiny.finds_nothing(), None, "it was woken for one");
        tiny.claimed(2, 2, Usage::default);
        tiny.claimed(4, 4, Usage::default);
        assert_eq!(tiny.finds_nothing(), Some(6));
        assert_eq!(tiny.finds_nothing(), Some(0));
        tiny.claimed(4, 4, Usage::default);
        tiny.pauses(Usage::default);
        assert_eq!(tiny.in_a_row, 0, "it sleeps, or stands aside");
    }

    #[test]
    fn no_more_are_taken_than_there_are() {
        let mut tiny = after(&[(50, 0); 9]);
        tiny.claimed(3, MOST, Usage::default);
        assert_eq!(tiny.ask(), 3);
        tiny.claimed(3, 3, Usage::default);
        assert_eq!(tiny.ask(), 6);
        tiny.pauses(Usage::default);
        assert_eq!(tiny.ask(), 1);
    }
}

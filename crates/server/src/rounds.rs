//! What each worker has taken out of the ready list at once, and when it took something last; in shared memory.
//!
//! While requests are known to be tiny a worker takes several events with one system call: its *round*.
//! Should one of them take its time after all, those behind it must not wait for it while other workers are
//! idle, nor the answers before it. So the worker writes here what it has taken, and the manager frees a
//! round that lasts too long: it arms the connections again and pushes what the kernel holds back. Both may
//! be done at any time, by anybody, and twice; so nothing here needs to be right, only to be soon. That holds
//! for who serves, too, by which others decide whether they are needed. And it holds for the time at which a round
//! has left another worker nothing: rounds are smaller for a while.

use std::io;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};
use std::sync::atomic::{AtomicU32, AtomicU64};

use crate::os::shared::{Pages, zeroable};
use crate::table::WorkerId;

/// For so many milliseconds a worker that has taken something counts as serving: longer than it waits for a
/// core, and as long as a round may last before others see to it.
const RECENT: u64 = 10;

/// The most events of one round.
pub const MOST: usize = crate::os::wait::MOST_EVENTS;

/// The most events of one round while rounds leave other workers nothing.
const FEW: usize = MOST / 2;
const _: () = assert!(FEW > 0, "a claim has to take something");

/// After more events than this without a break, nothing to do says that the clients are slow to ask again, and not
/// that they are few. Found by trying, on two cores.
const MANY: usize = 3 * MOST;

/// For so many milliseconds rounds are smaller afterwards.
const LATELY: u64 = 4;

#[derive(Debug)]
#[repr(align(64))]
struct Row {
    /// When the round began, in milliseconds of the monotonic clock; 0: there is none.
    since: AtomicU64,
    count: AtomicU32,
    events: [AtomicU64; MOST],
    /// When it took something last and knew that requests are tiny and many, on the same clock.
    took: AtomicU64,
}

impl Row {
    /// Whether the worker is in a round of no fewer events than a small one may have.
    fn is_in_large_round(&self) -> bool {
        let count = usize::try_from(self.count.load(Relaxed));
        self.since.load(Relaxed) != 0 && count.is_ok_and(|count| count >= FEW)
    }
}

zeroable!(Row { since: AtomicU64, count: AtomicU32, events: [AtomicU64; MOST], took: AtomicU64 });

/// A row per worker number, whether the manager looks at them, and when a worker found nothing to do last while
/// another was in a round, in milliseconds of the monotonic clock.
#[derive(Debug)]
pub struct Rounds {
    rows: Pages<Row>,
    looked_at: Pages<AtomicU32>,
    nothing_left: Pages<AtomicU64>,
}

/// One worker's round, as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// When it began, in milliseconds of the monotonic clock.
    pub since: u64,
    /// What was taken, as the ready list gave it.
    pub events: Vec<u64>,
}

impl Rounds {
    /// Room for workers 0 to `workers - 1`.
    ///
    /// # Errors
    ///
    /// The kernel has no such memory.
    pub fn new(workers: u32) -> io::Result<Self> {
        let workers = usize::try_from(workers).map_err(io::Error::other)?;
        Ok(Self {
            rows: Pages::new(workers)?,
            looked_at: Pages::new(1)?,
            nothing_left: Pages::new(1)?,
        })
    }

    fn row(&self, worker: WorkerId) -> Option<&Row> {
        self.rows.get(usize::try_from(worker).ok()?)
    }

    /// A round begins. `true`: nobody looks at rounds, and the manager has to be told to.
    #[must_use = "a round that nobody looks at may keep its connections for ever"]
    pub fn begin(&self, worker: WorkerId, events: &[u64], now: u64) -> bool {
        let Some(row) = self.row(worker) else { return false };
        for (place, event) in row.events.iter().zip(events) {
            place.store(*event, Relaxed);
        }
        row.count.store(u32::try_from(events.len().min(MOST)).unwrap_or(0), Relaxed);
        // First the round, then whether it is seen: `stop_looking` does it the other way round, and one
        // of the two notices.
        row.since.store(now.max(1), SeqCst);
        self.looked_at[0].load(SeqCst) == 0 && self.looked_at[0].swap(1, SeqCst) == 0
    }

    /// The round is over: `false` if it was already, because the manager has freed it.
    pub fn end(&self, worker: WorkerId) -> bool {
        self.row(worker).is_none_or(|row| row.since.swap(0, SeqCst) != 0)
    }

    /// The worker takes something, and knows that requests are tiny and many. `now` is in milliseconds of the
    /// monotonic clock.
    pub fn take(&self, worker: WorkerId, now: u64) {
        if let Some(row) = self.row(worker) {
            row.took.store(now, Relaxed);
        }
    }

    /// Whether so many workers of lower numbers serve tiny requests, one after the other. By number, so that
    /// they agree about who is needed, and it remains the same ones.
    pub fn enough_serve_before(&self, worker: WorkerId, enough: usize, now: u64) -> bool {
        let before = self.rows.iter().take(usize::try_from(worker).unwrap_or(0));
        let serving = before.filter(|row| row.took.load(Relaxed).saturating_add(RECENT) >= now);
        serving.take(enough).count() == enough
    }

    /// The worker finds nothing to do, after so many events in a row. It counts if those were few, and another
    /// worker has a round of as many as a small one may have, or more.
    pub fn nothing_left(&self, worker: WorkerId, in_a_row: usize, now: u64) {
        if in_a_row > MANY || !self.are_looked_at() {
            return;
        }
        let me = usize::try_from(worker).unwrap_or(usize::MAX);
        let mut others = self.rows.iter().enumerate().filter(|(number, _)| *number != me);
        if others.any(|(_, row)| row.is_in_large_round()) {
            self.nothing_left[0].store(now, Relaxed);
        }
    }

    /// How many events one claim may take, if it is not long since this time.
    pub fn most(&self, now: u64) -> usize {
        let nothing_left = self.nothing_left[0].load(Relaxed);
        if nothing_left.saturating_add(LATELY) >= now { FEW } else { MOST }
    }

    /// A worker is dead: it has no round, and serves nobody.
    pub fn bury(&self, worker: WorkerId) {
        self.end(worker);
        self.take(worker, 0);
    }

    /// This very round is over: `false` if it was already.
    pub fn end_this(&self, worker: WorkerId, since: u64) -> bool {
        self.row(worker)
            .is_some_and(|row| row.since.compare_exchange(since, 0, AcqRel, Acquire).is_ok())
    }

    /// The round that a worker is in.
    pub fn read(&self, worker: WorkerId) -> Option<Round> {
        let row = self.row(worker)?;
        let since = row.since.load(SeqCst);
        let count = usize::try_from(row.count.load(Relaxed)).unwrap_or(0);
        let events = row.events.iter().take(count).map(|event| event.load(Relaxed)).collect();
        (since != 0).then_some(Round { since, events })
    }

    /// Whether the manager looks at rounds, or a worker has told it to or is about to.
    pub fn are_looked_at(&self) -> bool {
        self.looked_at[0].load(SeqCst) != 0
    }

    /// The manager is about to look no more. `false`: a round has begun meanwhile, so it goes on.
    pub fn stop_looking(&self) -> bool {
        self.looked_at[0].store(0, SeqCst);
        if self.rows.iter().all(|row| row.since.load(SeqCst) == 0) {
            return true;
        }
        // Whoever was faster has told the manager, who is looking already.
        self.looked_at[0].store(1, SeqCst);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_read_until_it_is_over() {
        let rounds = Rounds::new(2).unwrap();
        assert_eq!(rounds.read(1), None);
        assert!(rounds.begin(1, &[7, 8], 5), "nobody looks yet");
        assert!(!rounds.begin(0, &[9], 5), "the first has told the manager");
        assert_eq!(rounds.read(1), Some(Round { since: 5, events: vec![7, 8] }));
        assert!(!rounds.end_this(1, 4) && rounds.end_this(1, 5) && !rounds.end_this(1, 5));
        assert_eq!(rounds.read(1), None);
        assert!(rounds.end(0) && !rounds.end(0));
        assert_eq!(rounds.read(0), None);
        assert!(!rounds.begin(2, &[1], 5), "no such worker");
        assert_eq!(rounds.read(2), None);
    }

    #[test]
    fn as_many_as_are_enough_serve() {
        let rounds = Rounds::new(4).unwrap();
        let who_is_not_needed = |now| {
            let needless = |worker: &WorkerId| rounds.enough_serve_before(*worker, 2, now);
            (0..4).filter(needless).collect::<Vec<_>>()
        };
        assert_eq!(who_is_not_needed(100), []);
        rounds.take(1, 100);
        rounds.take(3, 100);
        assert_eq!(who_is_not_needed(100), [], "of lower numbers");
        rounds.take(0, 102);
        assert_eq!(who_is_not_needed(103), [2, 3]);
        assert_eq!(who_is_not_needed(100 + RECENT), [2, 3]);
        assert_eq!(who_is_not_needed(101 + RECENT), [], "one takes its time");
        rounds.take(2, 110);
        assert_eq!(who_is_not_needed(112), [3]);
        rounds.bury(0);
        assert_eq!(who_is_not_needed(112), []);
    }

    #[test]
    fn rounds_are_smaller_while_others_find_nothing() {
        let rounds = Rounds::new(2).unwrap();
        rounds.nothing_left(1, 0, 100);
        assert_eq!(rounds.most(100), MOST, "nobody has a round");
        assert!(rounds.begin(1, &[7; FEW - 1], 100));
        rounds.nothing_left(0, 0, 100);
        assert_eq!(rounds.most(100), MOST, "it is small already");
        assert!(!rounds.begin(1, &[7; FEW], 100));
        rounds.nothing_left(1, 0, 100);
        assert_eq!(rounds.most(100), MOST, "its own");
        rounds.nothing_left(0, MANY + 1, 100);
        assert_eq!(rounds.most(100), MOST, "clients are many");
        rounds.nothing_left(0, MANY, 100);
        assert_eq!((rounds.most(100), rounds.most(100 + LATELY)), (FEW, FEW));
        assert_eq!(rounds.most(101 + LATELY), MOST, "long ago");
        assert!(rounds.end(1));
        rounds.nothing_left(0, 0, 200);
        assert_eq!(rounds.most(200), MOST, "it is over");
        assert!(!rounds.begin(1, &[7; MOST], 300));
        rounds.bury(1);
        rounds.nothing_left(0, 0, 300);
        assert_eq!(rounds.most(300), MOST, "its worker is dead");
    }

    #[test]
    fn who_looks_no_more_is_told_again() {
        let rounds = Rounds::new(1).unwrap();
        assert!(rounds.begin(0, &[1, 2], 5));
        assert!(!rounds.stop_looking(), "there is a round");
        assert!(!rounds.begin(0, &[1, 2], 6));
        rounds.end(0);
        assert!(rounds.stop_looking());
        assert!(rounds.begin(0, &[3, 4], 7));
    }
}

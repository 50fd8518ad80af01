//! Who has been doing something for too long. Pure: the scoreboard and the time go in, names come out.
//!
//! Nobody tells the supervisor that a worker begins something. It looks at the scoreboard, and rarely:
//! what begins just after a look cannot be overdue before its whole limit has passed, so the next
//! look is a limit away, or when the oldest thing seen now will be overdue. An idle server wakes
//! up once per limit.
//!
//! A worker that ends in time and one that is given up are told apart by one compare-and-swap on its
//! row ([`Scoreboard::change`]): who is given up here takes no other request, and can be killed.
//!
//! Not here: killing and replacing ([`children`](super::children)).

use std::time::Duration;

use crate::scoreboard::{Scoreboard, State};
use crate::table::{ConnId, WorkerId};

/// A worker that has been given up.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overdue {
    pub(super) worker: WorkerId,
    pub(super) pid: i32,
    /// The connection whose request it was.
    pub(super) connection: ConnId,
    /// How long it has taken so far, in milliseconds.
    pub(super) took: u64,
}

/// The limits, and when to look again; in milliseconds of the monotonic clock.
#[derive(Debug)]
pub(super) struct Watch {
    cleaning: Option<u64>,
    next: u64,
}

impl Watch {
    /// `cleaning`: how long cleanup handlers may run.
    pub(super) fn new(cleaning: Option<Duration>) -> Self {
        let limit = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
        Self { cleaning: cleaning.map(limit), next: 0 }
    }

    /// How long to sleep at most, until the next look is due.
    pub(super) fn patience(&self, now: u64) -> Option<Duration> {
        self.cleaning.map(|_| Duration::from_millis(self.next.saturating_sub(now)))
    }

    /// Looks, if it is time to, and gives up who is overdue.
    pub(super) fn look(
        &mut self,
        board: &Scoreboard,
        workers: impl Iterator<Item = (WorkerId, i32)>,
        now: u64,
    ) -> Vec<Overdue> {
        let mut overdue = Vec::new();
        let Some(limit) = self.cleaning.filter(|_| self.next <= now) else { return overdue };
        self.next = now.saturating_add(limit);
        for (worker, pid) in workers {
            let Some(entry) = board.read(worker) else { continue };
            if entry.state != State::Cleaning {
                continue;
            }
            let due = entry.since.saturating_add(limit);
            let seen = (entry.state, entry.since);
            if due > now {
                self.next = self.next.min(due);
            } else if board.change(worker, seen, (State::Leaving, now)) {
                let took = now.saturating_sub(entry.since);
                overdue.push(Overdue { worker, pid, connection: entry.connection, took });
            }
        }
        overdue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: ConnId = ConnId { slot: 3, serial: 5 };

    /// Three workers with the pids 100, 101 and 102.
    fn workers() -> impl Iterator<Item = (WorkerId, i32)> {
        (0..3).zip(100..)
    }

    #[test]
    fn who_is_overdue_is_found_at_the_very_time_wherever_it_began() {
        for began in [1_000, 1_001, 1_999] {
            let (board, mut watch) =
                (Scoreboard::new(3).unwrap(), Watch::new(Some(Duration::from_secs(1))));
            assert_eq!(watch.look(&board, workers(), 1_000), []);
            board.serve(1, State::Cleaning, ID, began);
            board.serve(2, State::Running, ID, 0);
            let mut now = 1_000;
            let overdue = loop {
                now += u64::try_from(watch.patience(now).unwrap().as_millis()).unwrap();
                let overdue = watch.look(&board, workers(), now);
                if !overdue.is_empty() {
                    break overdue;
                }
            };
            let expected = Overdue { worker: 1, pid: 101, connection: ID, took: 1_000 };
            assert_eq!((overdue, now), (vec![expected], began + 1_000));
            assert_eq!(board.read(1).unwrap().state, State::Leaving, "it takes nothing more");
            assert_eq!(watch.look(&board, workers(), now + 5_000), [], "once");
        }
    }

    #[test]
    fn without_a_limit_nobody_is_looked_at_and_nobody_wakes_up() {
        let (board, mut watch) = (Scoreboard::new(3).unwrap(), Watch::new(None));
        board.set(0, State::Cleaning, 0);
        assert_eq!(watch.look(&board, workers(), u64::MAX), []);
        assert_eq!(watch.patience(0), None);
        let tiny = Watch { next: 5, ..Watch::new(Some(Duration::from_nanos(1))) };
        assert_eq!((tiny.cleaning, tiny.patience(9)), (Some(1), Some(Duration::ZERO)));
    }
}

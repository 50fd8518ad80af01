//! Who has been doing something for too long. Pure: the scoreboard and the time go in, names come out.
//!
//! Nobody tells the supervisor that a worker begins something. It looks at the scoreboard, and rarely:
//! what begins just after a look cannot be overdue before its whole limit has passed, so the next
//! look is a limit away, or when the oldest thing seen now will be overdue. An idle server wakes
//! up once per limit. A request may shorten its own limit, so where there is one for requests we look
//! once per second at least.
//!
//! A worker that ends in time and one that is given up are told apart by one compare-and-swap on its
//! row ([`Scoreboard::change`]): who is given up here takes no other request, and can be killed.
//!
//! Not here: killing and replacing ([`children`](super::children)).

use std::time::Duration;

use crate::os::clock;
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
    /// What it was doing: Cleaning, or Running.
    pub(super) was: State,
    /// The request line.
    pub(super) line: String,
}

/// The longest time between two looks at running requests.
const SECOND: u64 = 1000;

/// The limits, and when to look again; in milliseconds of the monotonic clock.
#[derive(Debug)]
pub(super) struct Watch {
    cleaning: Option<u64>,
    running: Option<u64>,
    next: u64,
}

impl Watch {
    /// `cleaning`: how long cleanup handlers may run. `running`: how long a request may, if it does not
    /// say otherwise.
    pub(super) fn new(cleaning: Option<Duration>, running: Option<Duration>) -> Self {
        let limit = |time| clock::milliseconds(time).max(1);
        Self { cleaning: cleaning.map(limit), running: running.map(limit), next: 0 }
    }

    /// How long nothing can become overdue that has not begun yet.
    fn pause(&self) -> Option<u64> {
        let running = self.running.map(|limit| limit.min(SECOND));
        self.cleaning.into_iter().chain(running).min()
    }

    /// How long to sleep at most, until the next look is due.
    pub(super) fn patience(&self, now: u64) -> Option<Duration> {
        self.pause().map(|_| Duration::from_millis(self.next.saturating_sub(now)))
    }

    /// Looks, if it is time to, and gives up who is overdue.
    pub(super) fn look(
        &mut self,
        board: &Scoreboard,
        workers: impl Iterator<Item = (WorkerId, i32)>,
        now: u64,
    ) -> Vec<Overdue> {
        let mut overdue = Vec::new();
        let Some(pause) = self.pause().filter(|_| self.next <= now) else { return overdue };
        self.next = now.saturating_add(pause);
        for (worker, pid) in workers {
            let Some(entry) = board.read(worker) else { continue };
            let due = match entry.state {
                State::Cleaning => self.cleaning.map(|limit| entry.since.saturating_add(limit)),
                State::Running => self.running.and_then(|_| board.due(worker)),
                _ => None,
            };
            // The clock's milliseconds are cut off, so the one in which the limit ends is given away whole:
            // nobody is ended before it.
            let Some(due) = due.map(|due| due.saturating_add(1)) else { continue };
            let seen = (entry.state, entry.since);
            if due > now {
                self.next = self.next.min(due);
            } else if board.change(worker, seen, (State::Leaving, now)) {
                let took = now.saturating_sub(entry.since);
                let (connection, was, line) = (entry.connection, entry.state, board.line(worker));
                overdue.push(Overdue { worker, pid, connection, took, was, line });
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
    fn who_is_overdue_is_found_when_the_limit_is_over_wherever_it_began() {
        for began in [1_000, 1_001, 1_999] {
            let (board, mut watch) =
                (Scoreboard::new(3).unwrap(), Watch::new(Some(Duration::from_secs(1)), None));
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
            let (was, line) = (State::Cleaning, String::new());
            let expected = Overdue { worker: 1, pid: 101, connection: ID, took: 1_001, was, line };
            assert_eq!((overdue, now), (vec![expected], began + 1_001));
            assert_eq!(board.read(1).unwrap().state, State::Leaving, "it takes nothing more");
            assert_eq!(watch.look(&board, workers(), now + 5_000), [], "once");
        }
    }

    #[test]
    fn a_request_is_overdue_when_it_says_so() {
        let seconds = |n| Some(Duration::from_secs(n));
        for (due, found) in [(Some(1_500), 1_501), (Some(9_000), 9_001), (Some(70_000), 70_001)] {
            let (board, mut watch) = (Scoreboard::new(3).unwrap(), Watch::new(None, seconds(30)));
            assert_eq!(watch.look(&board, workers(), 0), []);
            board.serve(1, State::Running, ID, 1_000);
            board.set_line(1, b"GET", b"/slow");
            board.set_due(1, due);
            board.serve(2, State::Running, ID, 1_000);
            board.set_due(2, None);
            let mut now = 0;
            let overdue = loop {
                now += u64::try_from(watch.patience(now).unwrap().as_millis()).unwrap();
                let overdue = watch.look(&board, workers(), now);
                if !overdue.is_empty() {
                    break overdue;
                }
            };
            let [late] = &overdue[..] else { panic!("{overdue:?}") };
            assert_eq!((late.pid, late.was, &*late.line), (101, State::Running, "GET /slow"));
            assert_eq!((now, late.took), (found, found - 1_000));
            assert_eq!(board.read(1).unwrap().state, State::Leaving, "it was given up");
        }
    }

    #[test]
    fn without_a_limit_nobody_is_looked_at_and_nobody_wakes_up() {
        let (board, mut watch) = (Scoreboard::new(3).unwrap(), Watch::new(None, None));
        board.set(0, State::Cleaning, 0);
        assert_eq!(watch.look(&board, workers(), u64::MAX), []);
        assert_eq!(watch.patience(0), None);
        let tiny = Watch { next: 5, ..Watch::new(Some(Duration::from_nanos(1)), None) };
        assert_eq!((tiny.cleaning, tiny.patience(9)), (Some(1), Some(Duration::ZERO)));
    }
}

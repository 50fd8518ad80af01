//! How long the application may take for one request.
//!
//! The worker writes on the scoreboard when that is over, and the supervisor looks there. Whether the
//! application came back in time or was given up is decided by one compare-and-swap on the worker's
//! row: a worker that was given up writes no first byte, and leaves after this request.
//!
//! Not here: what becomes of a worker that was given up (`supervisor/watch.rs`), and the 504
//! (`manager/recover.rs`).

use std::time::Duration;

use super::Worker;
use crate::http::head::Head;
use crate::os::clock;
use crate::scoreboard::{Scoreboard, State};
use crate::table::{ConnId, WorkerId};

impl<'a> Worker<'a> {
    /// The application runs from now on, until its deadline.
    pub(super) fn run_until(&self, id: ConnId, head: &Head<'_>, now: u64) -> Option<Deadline<'a>> {
        let board: &'a Scoreboard = &self.shared.scoreboard;
        // First until when, then that it runs: the limit of an earlier request is over.
        let limit = self.site.config.request_timeout;
        let deadline = limit.map(|limit| Deadline::begin(board, self.me, now, limit, head));
        self.serving(State::Running, id, now);
        deadline
    }
}

/// The time limit of the request at hand.
#[derive(Debug, Clone, Copy)]
pub struct Deadline<'a> {
    board: &'a Scoreboard,
    worker: WorkerId,
    /// When the application was called: together with the state, what the supervisor finds.
    since: u64,
}

impl<'a> Deadline<'a> {
    /// The worker, which is Running since `since` (milliseconds of the monotonic clock), has this long.
    fn begin(
        board: &'a Scoreboard,
        worker: WorkerId,
        since: u64,
        limit: Duration,
        head: &Head<'_>,
    ) -> Self {
        board.set_line(worker, head.method.as_bytes(), head.uri);
        let deadline = Self { board, worker, since };
        deadline.set_from(since, Some(limit));
        deadline
    }

    /// The application is back. `false`: too late.
    pub(super) fn end(self) -> bool {
        let (from, to) = ((State::Running, self.since), (State::Replying, clock::now()));
        self.board.change(self.worker, from, to)
    }

    /// Whether the supervisor has given this worker up.
    pub(super) fn has_passed(self) -> bool {
        let entry = self.board.read(self.worker);
        entry.is_none_or(|entry| (entry.state, entry.since) != (State::Running, self.since))
    }

    /// How much time is left; `None`: there is no limit any more.
    pub fn left(self) -> Option<Duration> {
        let due = self.board.due(self.worker)?;
        Some(Duration::from_millis(due.saturating_sub(clock::now())))
    }

    /// From now on the request has this long; `None`: as long as it takes.
    pub fn set(self, limit: Option<Duration>) {
        self.set_from(clock::now(), limit);
    }

    fn set_from(self, now: u64, limit: Option<Duration>) {
        let due = limit.map(|limit| now.saturating_add(clock::milliseconds(limit)).max(1));
        self.board.set_due(self.worker, due);
    }
}

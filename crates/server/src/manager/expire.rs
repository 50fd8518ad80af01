//! Step 10: silence, and every other deadline. Pure: time is an argument.
//!
//! Each connection has at most one deadline, which may move at any time and usually moves away. So
//! the heap holds one entry per connection that is never later than its deadline; when it comes up,
//! the connection is asked again. Nothing scans, and workers need not report.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::table::ConnId;

/// When to look at which connection next.
#[derive(Debug, Default)]
pub(super) struct Expire {
    heap: BinaryHeap<Reverse<(u64, ConnId)>>,
}

/// One connection's deadline, and when the heap will come up with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    at: u64,
    entry: u64,
}

impl Deadline {
    /// None yet.
    pub(super) const NEVER: Self = Self { at: u64::MAX, entry: u64::MAX };
}

impl Expire {
    /// Gives a connection a new deadline, in milliseconds of the monotonic clock.
    pub(super) fn set(&mut self, id: ConnId, deadline: &mut Deadline, at: u64) {
        deadline.at = at;
        if at < deadline.entry {
            deadline.entry = at;
            self.heap.push(Reverse((at, id)));
        }
    }

    /// Forgets entries of connections that are over, and those that nearer ones have taken the place
    /// of, when they are most. `count` connections live; `deadline` knows theirs.
    pub(super) fn prune(&mut self, count: usize, deadline: impl Fn(ConnId) -> Option<Deadline>) {
        if self.heap.len() > 2 * count + 1024 {
            self.heap.retain(|Reverse((at, id))| deadline(*id).is_some_and(|d| d.entry == *at));
        }
    }

    /// The next connection to look at, with the time of its entry.
    pub(super) fn due(&mut self, now: u64) -> Option<(ConnId, u64)> {
        match self.heap.peek() {
            Some(Reverse((at, _))) if *at <= now => {
                self.heap.pop().map(|Reverse((at, id))| (id, at))
            }
            _ => None,
        }
    }

    /// Whether a connection that came up has reached its deadline. If not, it comes up again then.
    pub(super) fn has_passed(
        &mut self,
        id: ConnId,
        deadline: &mut Deadline,
        entry: u64,
        now: u64,
    ) -> bool {
        if deadline.entry != entry {
            return false; // an earlier entry of the same connection has taken this one's place
        }
        deadline.entry = u64::MAX;
        let at = deadline.at;
        if at > now && at != u64::MAX {
            self.set(id, deadline, at);
        }
        at <= now
    }

    /// When the first entry comes up.
    pub(super) fn next(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }
}

/// A least rate over fixed windows: no credit is carried over, so that a fast start buys no stall.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    until: u64,
    bytes: u64,
}

/// How long a window is, in milliseconds.
const WINDOW: u64 = 20_000;

impl Window {
    pub(super) fn begin(now: u64) -> Self {
        Self { until: now + WINDOW, bytes: 0 }
    }

    pub(super) fn count(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Counts what left the kernel: it had `before` bytes when the window began, has `after` now, and
    /// was given what has been counted meanwhile.
    pub(super) fn settle(&mut self, before: u64, after: u64) {
        self.bytes = self.bytes.saturating_add(before).saturating_sub(after);
    }

    pub(super) fn until(&self) -> u64 {
        self.until
    }

    /// At its end: whether less than `rate` bytes per second came; if not, the next one begins.
    pub(super) fn too_slow(&mut self, now: u64, rate: u64) -> bool {
        if now < self.until {
            return false;
        }
        let slow = self.bytes < rate.saturating_mul(WINDOW / 1000);
        *self = Self::begin(now);
        slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: ConnId = ConnId { slot: 1, serial: 2 };

    #[test]
    fn a_connection_expires_at_its_deadline_and_not_before() {
        let (mut expire, mut deadline) = (Expire::default(), Deadline::NEVER);
        expire.set(ID, &mut deadline, 100);
        assert_eq!(expire.due(99), None);
        assert_eq!(expire.due(100), Some((ID, 100)));
        assert!(expire.has_passed(ID, &mut deadline, 100, 100));
        assert_eq!(expire.next(), None);
    }

    #[test]
    fn a_deadline_that_moved_away_comes_up_again() {
        let (mut expire, mut deadline) = (Expire::default(), Deadline::NEVER);
        expire.set(ID, &mut deadline, 100);
        expire.set(ID, &mut deadline, 300);
        let (id, entry) = expire.due(100).unwrap();
        assert!(!expire.has_passed(id, &mut deadline, entry, 100));
        assert_eq!(expire.due(299), None);
        let (id, entry) = expire.due(300).unwrap();
        assert!(expire.has_passed(id, &mut deadline, entry, 300));
    }

    #[test]
    fn a_deadline_that_moved_near_leaves_one_entry_that_counts() {
        let (mut expire, mut deadline) = (Expire::default(), Deadline::NEVER);
        expire.set(ID, &mut deadline, 300);
        expire.set(ID, &mut deadline, 100);
        let (id, entry) = expire.due(100).unwrap();
        assert!(expire.has_passed(id, &mut deadline, entry, 100));
        expire.set(ID, &mut deadline, 400);
        let (id, entry) = expire.due(300).unwrap();
        assert!(!expire.has_passed(id, &mut deadline, entry, 300));
        assert_eq!(expire.next(), Some(400));
    }

    #[test]
    fn what_is_over_is_forgotten_when_it_is_most() {
        let (mut expire, mut deadline) = (Expire::default(), Deadline::NEVER);
        expire.set(ID, &mut deadline, 20_000);
        expire.set(ID, &mut deadline, 10_000);
        for serial in 10..3_000 {
            let (id, mut over) = (ConnId { slot: 1, serial }, Deadline::NEVER);
            expire.prune(1, |id| (id == ID).then_some(deadline));
            expire.set(id, &mut over, u64::from(serial));
            assert!(expire.heap.len() <= 1027);
        }
        while expire.due(9_999).is_some() {}
        assert_eq!(expire.heap.into_vec(), [Reverse((10_000, ID))]);
    }

    #[test]
    fn a_window_counts_what_the_client_got_and_not_what_the_kernel_took() {
        // The kernel held a megabyte and takes nothing more, but the client reads from it.
        let mut window = Window::begin(0);
        window.settle(1_000_000, 990_000);
        assert!(!window.too_slow(WINDOW, 500));
        // The kernel takes a megabyte, and the client nothing of it.
        window.count(1_000_000);
        window.settle(0, 1_000_000);
        assert!(window.too_slow(2 * WINDOW, 500));
    }

    #[test]
    fn a_window_asks_for_its_rate_and_carries_nothing_over() {
        let mut window = Window::begin(0);
        window.count(1_000_000);
        assert!(!window.too_slow(WINDOW - 1, 500));
        assert!(!window.too_slow(WINDOW, 500));
        window.count(9_999);
        assert!(window.too_slow(2 * WINDOW, 500));
    }
}

//! What was refused, shed or dropped, counted by reason, in shared memory: every process adds to it,
//! and the log tells it on WINCH.
//!
//! The first of each kind is also a line of the log of its own, and no other; what somebody should do
//! something about is told again, but seldom ([`Tally::tell`]). So an operator hears of it, and a
//! scanner cannot fill a disk.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tracing::info;

use crate::os::shared::Pages;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A request that was answered with this status by us.
    Refused(u16),
    /// A complete request that waited longer than `queue-timeout`.
    Shed,
    /// A complete request whose client had gone before a worker was free.
    Gone,
    /// An idle connection that made room for others.
    Idle,
    /// Request fields that were dropped: `Proxy`, and names with `_`.
    Fields,
    /// A client that spoke TLS to a listener that does not.
    Tls,
    /// A body, or the rest of an answer, that could not be stored in `spool-dir`.
    Unspooled,
    /// A connection that the kernel could not give us.
    Unaccepted,
}

/// The statuses of our own refusals.
const STATUSES: [u16; 13] = [400, 408, 413, 414, 417, 431, 500, 501, 502, 503, 504, 505, 507];

/// What else is counted, behind the statuses and one place for any other status.
const OTHERS: [(Reason, &str); 7] = [
    (Reason::Shed, "shed"),
    (Reason::Gone, "gone"),
    (Reason::Idle, "idle_ended"),
    (Reason::Fields, "fields_dropped"),
    (Reason::Tls, "tls"),
    (Reason::Unspooled, "not_spooled"),
    (Reason::Unaccepted, "not_accepted"),
];

/// How seldom [`Tally::tell`] tells the same again, in milliseconds.
const SELDOM: u64 = 10_000;

/// The counts of one generation, and when each was last told.
#[derive(Debug)]
pub struct Tally {
    counts: Pages<AtomicU64>,
    told: Pages<AtomicU64>,
}

fn place(reason: Reason) -> usize {
    match reason {
        Reason::Refused(status) => {
            STATUSES.iter().position(|known| *known == status).unwrap_or(STATUSES.len())
        }
        other => {
            let place = OTHERS.iter().position(|(known, _)| *known == other);
            STATUSES.len() + 1 + place.unwrap_or(0)
        }
    }
}

impl Tally {
    /// All zero.
    ///
    /// # Errors
    ///
    /// There is no memory for it.
    pub fn new() -> io::Result<Self> {
        let places = STATUSES.len() + 1 + OTHERS.len();
        Ok(Self { counts: Pages::new(places)?, told: Pages::new(places)? })
    }

    /// Counts one more. `true`: it is the first of its kind, and should be told.
    pub fn count(&self, reason: Reason) -> bool {
        self.add(reason, 1)
    }

    /// Counts a complete request that is not run because its client has gone.
    pub fn count_gone(&self) {
        if self.count(Reason::Gone) {
            info!("a request was not run: its client had gone before a worker was free");
        }
    }

    /// Counts several more. `true`: they are the first of their kind.
    pub fn add(&self, reason: Reason, more: u64) -> bool {
        self.counts.get(place(reason)).is_some_and(|count| count.fetch_add(more, Relaxed) == 0)
    }

    /// Counts one more. `true`: it should be told, because none of its kind was for ten seconds,
    /// whichever process counted it. `now`: milliseconds of the monotonic clock.
    pub fn tell(&self, reason: Reason, now: u64) -> bool {
        let first = self.count(reason);
        let Some(told) = self.told.get(place(reason)) else { return false };
        let last = told.load(Relaxed);
        (first || now >= last.saturating_add(SELDOM))
            && told.compare_exchange(last, now, Relaxed, Relaxed).is_ok()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let statuses = STATUSES.iter().map(ToString::to_string).chain(["other".to_owned()]);
        let others = OTHERS.iter().map(|(_, name)| (*name).to_owned());
        let mut between = "";
        for (name, count) in statuses.chain(others).zip(self.counts.iter()) {
            write!(f, "{between}{name}={}", count.load(Relaxed))?;
            between = " ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_count_of_its_own_and_its_first_is_told() {
        let tally = Tally::new().unwrap();
        for status in STATUSES {
            assert!(tally.count(Reason::Refused(status)));
            assert!(!tally.count(Reason::Refused(status)));
        }
        assert!(tally.count(Reason::Refused(418)));
        for (reason, _) in OTHERS {
            assert!(tally.add(reason, 3));
        }
        let text = tally.to_string();
        assert!(text.starts_with("400=2 408=2 ") && text.contains(" 507=2 other=1 shed=3 "));
        assert!(
            text.ends_with(
                " gone=3 idle_ended=3 fields_dropped=3 tls=3 not_spooled=3 not_accepted=3"
            ),
            "{text}"
        );
    }

    #[test]
    fn the_same_is_told_again_but_seldom() {
        let tally = Tally::new().unwrap();
        assert!(tally.tell(Reason::Tls, 5) && !tally.tell(Reason::Tls, 6));
        assert!(tally.tell(Reason::Shed, 6), "another kind");
        assert!(!tally.tell(Reason::Tls, 10_004) && tally.tell(Reason::Tls, 10_005));
        assert!(!tally.tell(Reason::Tls, 10_006));
        assert!(tally.to_string().contains(" tls=5 "));
    }
}

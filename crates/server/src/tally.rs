//! What was refused, shed or dropped, counted by reason, in shared memory: every process adds to it,
//! and the log tells it on WINCH.
//!
//! The first of each kind is also a line of the log of its own, and no other: so an operator hears of
//! it, and a scanner cannot fill a disk.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

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
}

/// The statuses of our own refusals.
const STATUSES: [u16; 11] = [400, 408, 413, 414, 417, 431, 500, 501, 502, 505, 507];

/// What else is counted, behind the statuses and one place for any other status.
const OTHERS: [(Reason, &str); 4] = [
    (Reason::Shed, "shed"),
    (Reason::Gone, "gone"),
    (Reason::Idle, "idle_ended"),
    (Reason::Fields, "fields_dropped"),
];

/// The counts of one generation.
#[derive(Debug)]
pub struct Tally(Pages<AtomicU64>);

impl Tally {
    /// All zero.
    ///
    /// # Errors
    ///
    /// There is no memory for it.
    pub fn new() -> io::Result<Self> {
        Pages::new(STATUSES.len() + 1 + OTHERS.len()).map(Self)
    }

    /// Counts one more. `true`: it is the first of its kind, and should be told.
    pub fn count(&self, reason: Reason) -> bool {
        self.add(reason, 1)
    }

    /// Counts several more. `true`: they are the first of their kind.
    pub fn add(&self, reason: Reason, more: u64) -> bool {
        let at = match reason {
            Reason::Refused(status) => {
                STATUSES.iter().position(|known| *known == status).unwrap_or(STATUSES.len())
            }
            other => {
                let place = OTHERS.iter().position(|(known, _)| *known == other);
                STATUSES.len() + 1 + place.unwrap_or(0)
            }
        };
        self.0.get(at).is_some_and(|count| count.fetch_add(more, Relaxed) == 0)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let statuses = STATUSES.iter().map(ToString::to_string).chain(["other".to_owned()]);
        let others = OTHERS.iter().map(|(_, name)| (*name).to_owned());
        let mut between = "";
        for (name, count) in statuses.chain(others).zip(self.0.iter()) {
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
        assert!(text.ends_with(" gone=3 idle_ended=3 fields_dropped=3"), "{text}");
    }
}

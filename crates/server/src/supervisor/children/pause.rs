//! How long to wait after a failed birth. Pure: time is an argument.

use std::time::{Duration, Instant};

use super::LONGEST_PAUSE;

/// A pause that doubles with every failure and ends with a success.
#[derive(Debug, Default)]
pub(super) struct Pause {
    last: Duration,
    until: Option<Instant>,
}

impl Pause {
    pub(super) fn fail(&mut self, first: Duration, now: Instant) {
        // Workers that fail together have failed once.
        if self.until.is_none_or(|until| until <= now) {
            self.last = if self.last.is_zero() { first } else { self.last * 2 }.min(LONGEST_PAUSE);
            self.until = Some(now + self.last);
        }
    }

    pub(super) fn succeed(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| until <= now)
    }

    pub(super) fn end(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }
}

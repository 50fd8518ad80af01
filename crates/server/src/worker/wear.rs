//! When a worker has lived long enough, or has grown too large (`max-worker-age`, `max-worker-memory`).
//!
//! Asked between two requests, so that nobody loses one by it. Each worker draws its own limits from the
//! last tenth below what was said: workers that were born together do not leave together.
//!
//! The price: the size is read from `/proc`, where the kernel walks through all pages. So it is read only
//! after a request, at most once a second, and less often if that takes more than a hundredth of the
//! time. Whoever has served nothing is not too large: a limit that is too small does not keep the server
//! from working.

use std::fs;
use std::io;
use std::time::Duration;

use tracing::{error, info};

use crate::config::Config;
use crate::os::clock;

/// The shortest time between two looks at the size, in milliseconds.
const PAUSE: u64 = 1_000;

/// One worker's limits, in milliseconds of the monotonic clock and in bytes.
#[derive(Debug)]
pub(super) struct Wear {
    until: Option<u64>,
    most: Option<u64>,
    /// It has served a request since the last look.
    served: bool,
    next_look: u64,
}

impl Wear {
    /// Of a worker that is born `now`; `chance` is any number.
    pub(super) fn new(config: &Config, now: u64, chance: u64) -> Self {
        // The two limits need not be near each other's drawing.
        let less = |most: u64| most - (chance % 1_000) * (most / 10) / 1_000;
        let age = config.max_worker_age.map(|age| clock::milliseconds(age).min(u64::MAX / 1_000));
        Self {
            until: age.map(|age| now.saturating_add(less(age))),
            most: config.max_worker_memory.map(|most| less(most.min(u64::MAX / 1_000))),
            served: false,
            next_look: 0,
        }
    }

    /// A request is over.
    pub(super) fn served(&mut self) {
        self.served = true;
    }

    /// Whether it is time to leave.
    pub(super) fn is_out(&mut self) -> bool {
        if self.until.is_none() && self.most.is_none() {
            return false;
        }
        let now = clock::now();
        if self.until.is_some_and(|until| until <= now) {
            info!("old enough to be replaced (max-worker-age)");
            return true;
        }
        self.is_large(now)
    }

    fn is_large(&mut self, now: u64) -> bool {
        let Some(most) = self.most.filter(|_| self.served && self.next_look <= now) else {
            return false;
        };
        self.served = false;
        let size = match size() {
            Ok(size) => size,
            Err(why) => {
                error!("cannot see how large this process is (max-worker-memory): {why}");
                self.most = None;
                return false;
            }
        };
        let after = clock::now();
        self.next_look = after + PAUSE.max(after.saturating_sub(now) * 100);
        let large = size >= most;
        if large {
            info!(bytes = size, "large enough to be replaced (max-worker-memory)");
        }
        large
    }

    /// How long to sleep at most: until it is old.
    pub(super) fn patience(&self, otherwise: Duration) -> Duration {
        let left = |until: u64| Duration::from_millis(until.saturating_sub(clock::now()));
        self.until.map_or(otherwise, |until| otherwise.min(left(until)))
    }
}

/// This process's proportional size, in bytes.
fn size() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/self/smaps_rollup")?;
    pss(&text).ok_or_else(|| io::Error::other("/proc/self/smaps_rollup says nothing of Pss"))
}

fn pss(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{HostFacts, Options};

    fn wear(pairs: &[(&str, &str)], chance: u64) -> Wear {
        let mut options = Options::default();
        for (name, value) in pairs {
            options.set(name, Some(value)).unwrap();
        }
        let host = HostFacts { descriptors: 1 << 16, ..HostFacts::default() };
        Wear::new(&Config::decide(&options, &host).unwrap(), 1_000, chance)
    }

    #[test]
    fn limits_are_drawn_from_the_last_tenth() {
        let both = [("max-worker-age", "100"), ("max-worker-memory", "1000k")];
        for chance in [0, 1, 499, 999, 1_000, u64::MAX] {
            let drawn = wear(&both, chance);
            assert!((91_000..=101_000).contains(&drawn.until.unwrap()), "{drawn:?}");
            assert!((921_600..=1_024_000).contains(&drawn.most.unwrap()), "{drawn:?}");
        }
        assert_ne!(wear(&both, 1).until, wear(&both, 500).until);
        let none = wear(&[("max-worker-age", "0"), ("max-worker-memory", "0")], 7);
        assert_eq!((none.until, none.most), (None, None));
        assert_eq!(none.patience(Duration::from_secs(60)), Duration::from_secs(60));
    }

    #[test]
    fn nobody_is_too_large_who_has_served_nothing() {
        let mut tiny = wear(&[("max-worker-memory", "1")], 0);
        assert!(!tiny.is_out());
        tiny.served();
        assert!(tiny.is_out());
        tiny.served();
        assert!(!tiny.is_out(), "looked at again within a second");
        let mut roomy = wear(&[("max-worker-memory", "1000g")], 0);
        roomy.served();
        assert!(!roomy.is_out());
    }

    #[test]
    fn who_is_old_is_out_and_does_not_oversleep() {
        let mut old = wear(&[("max-worker-age", "0.001")], 0);
        assert!(old.is_out());
        assert_eq!(old.patience(Duration::from_secs(60)), Duration::ZERO);
        let mut young = wear(&[("max-worker-age", "86400")], 0);
        young.until = Some(clock::now() + 5_000);
        assert!(
            !young.is_out() && young.patience(Duration::from_secs(60)) <= Duration::from_secs(5)
        );
    }

    #[test]
    fn the_size_is_the_proportional_one() {
        let text = "55f-7ff ---p 00000000 00:00 0 [rollup]\nRss:  2000 kB\nPss:     12 kB\nPss_Anon: 4 kB\n";
        assert_eq!((pss(text), pss("Rss: 1 kB\n")), (Some(12 * 1024), None));
        assert!(size().unwrap() > 100_000);
    }
}

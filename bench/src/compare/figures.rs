//! What one measurement gives, and how many become one.

use std::time::Duration;

use crate::stats::Waits;

/// The shares of requests for which a wait is told, in thousandths.
pub(crate) const SHARES: [usize; 7] = [500, 750, 900, 950, 990, 999, 1000];

/// One measurement of one server.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Figures {
    /// Requests per second.
    pub(crate) rate: Option<f64>,
    /// Microseconds of processor time that the server's tree spent per request: in its own code, and in
    /// the kernel.
    pub(crate) cost: Option<[f64; 2]>,
    /// Milliseconds that the [`SHARES`] of the requests did not exceed.
    pub(crate) waits: [Option<f64>; SHARES.len()],
    /// Requests that failed, by the generator's own measure.
    pub(crate) failures: u64,
    /// Proportional memory of the tree in KiB.
    pub(crate) memory: Option<f64>,
}

impl Figures {
    /// The wait of a share in thousandths.
    pub(crate) fn wait(&self, share: usize) -> Option<f64> {
        SHARES.iter().position(|one| *one == share).and_then(|at| self.waits[at])
    }

    /// Of what our own client measured.
    pub(crate) fn of(waits: &Waits, elapsed: Duration) -> Self {
        let answered = waits.answered();
        let wait = |share| (answered > 0).then(|| waits.quantile(share).as_secs_f64() * 1000.0);
        Self {
            rate: Some(whole(answered) / elapsed.as_secs_f64()),
            waits: SHARES.map(wait),
            failures: u64::try_from(waits.failures).unwrap_or(u64::MAX),
            ..Self::default()
        }
    }

    /// The medians of several, each figure by itself. Failures are the most that there were.
    pub(crate) fn median(all: &[Self]) -> Self {
        let of = |pick: &dyn Fn(&Self) -> Option<f64>| median(all.iter().filter_map(pick));
        let mut waits = [None; SHARES.len()];
        for (at, wait) in waits.iter_mut().enumerate() {
            *wait = of(&|one| one.waits[at]);
        }
        let user = of(&|one| one.cost.map(|cost| cost[0]));
        let system = of(&|one| one.cost.map(|cost| cost[1]));
        Self {
            rate: of(&|one| one.rate),
            cost: user.zip(system).map(|(user, system)| [user, system]),
            waits,
            failures: all.iter().map(|one| one.failures).max().unwrap_or_default(),
            memory: of(&|one| one.memory),
        }
    }
}

/// A count as a figure.
pub(crate) fn whole(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// The one in the middle, or the mean of the two that are.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    Some(f64::midpoint(values[last / 2], values[last.div_ceil(2)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([].into_iter()), None);
        assert_eq!(median([7.0].into_iter()), Some(7.0));
        assert_eq!(median([9.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 9.0].into_iter()), Some(3.0));
    }

    #[test]
    fn each_figure_has_its_own_median_and_failures_are_not_averaged_away() {
        let one = |rate: f64, memory, failures| Figures {
            rate: Some(rate),
            memory,
            failures,
            ..Figures::default()
        };
        let median =
            Figures::median(&[one(1.0, None, 0), one(3.0, Some(8.0), 2), one(2.0, None, 0)]);
        assert_eq!((median.rate, median.memory, median.failures), (Some(2.0), Some(8.0), 2));
        assert_eq!(median.cost, None);
    }

    #[test]
    fn waits_are_told_in_milliseconds() {
        let waits = Waits::new((1..=1000).map(Duration::from_millis).collect(), 3);
        let figures = Figures::of(&waits, Duration::from_secs(2));
        assert_eq!((figures.rate, figures.failures), (Some(500.0), 3));
        assert_eq!((figures.wait(500), figures.wait(1000)), (Some(500.0), Some(1000.0)));
        assert_eq!(figures.wait(123), None);
    }
}

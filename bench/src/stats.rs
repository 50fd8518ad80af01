//! What came of a run.

use std::fmt;
use std::time::Duration;

/// How long requests of one kind waited, from asking (or connecting) to the last byte of the answer.
#[derive(Debug, Clone, Default)]
pub struct Waits {
    sorted: Vec<Duration>,
    /// Requests without an answer of status 200 in time.
    pub failures: usize,
}

impl Waits {
    pub(crate) fn new(mut waits: Vec<Duration>, failures: usize) -> Self {
        waits.sort_unstable();
        Self { sorted: waits, failures }
    }

    /// Requests that were answered.
    pub fn answered(&self) -> usize {
        self.sorted.len()
    }

    /// The wait that so many thousandths of the requests did not exceed; zero if there were none.
    pub fn quantile(&self, thousandths: usize) -> Duration {
        let last = self.sorted.len().saturating_sub(1);
        self.sorted.get(last * thousandths / 1000).copied().unwrap_or_default()
    }

    /// The wait in the middle.
    pub fn median(&self) -> Duration {
        self.quantile(500)
    }

    /// The mean.
    pub fn average(&self) -> Duration {
        let count = u32::try_from(self.sorted.len()).unwrap_or(u32::MAX).max(1);
        self.sorted.iter().sum::<Duration>() / count
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [min, median, p99, max] = [0, 500, 990, 1000].map(|at| ms(self.quantile(at)));
        let average = ms(self.average());
        write!(
            f,
            "answered {:>7}  failed {:>5}  min {min:8.3}  median {median:8.3}  avg {average:8.3}  \
             p99 {p99:8.3}  max {max:8.3} ms",
            self.answered(),
            self.failures
        )
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// A run that is over.
#[derive(Debug, Clone)]
pub struct Report {
    /// From the first connect to the last answer.
    pub elapsed: Duration,
    /// What the kept connections met.
    pub kept: Waits,
    /// What the newcomers met.
    pub fresh: Waits,
}

impl Report {
    /// Answers per second, of all kinds.
    pub fn rate(&self) -> f64 {
        let answered = u32::try_from(self.kept.answered() + self.fresh.answered());
        f64::from(answered.unwrap_or(u32::MAX)) / self.elapsed.as_secs_f64()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:.0} requests/s in {:.2} s", self.rate(), self.elapsed.as_secs_f64())?;
        writeln!(f, "  kept   {}", self.kept)?;
        if self.fresh.answered() + self.fresh.failures > 0 {
            writeln!(f, "  fresh  {}", self.fresh)?;
        }
        Ok(())
    }
}

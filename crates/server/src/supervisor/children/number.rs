//! How many workers are wanted: one more, one less, and slowly none.

use std::time::Instant;

use super::{Children, Phase};

impl Children {
    /// TTIN came: one worker more. `None`: there is no number for it.
    pub fn more(&mut self) -> Option<usize> {
        // One number stays spare, for replacements.
        (self.wanted + 1 < self.numbers.len()).then(|| {
            self.wanted += 1;
            self.wanted
        })
    }

    /// TTOU came: one worker less. `None`: it is the last.
    pub fn fewer(&mut self) -> Option<usize> {
        (self.wanted > 1).then(|| {
            self.wanted -= 1;
            self.wanted
        })
    }

    /// Stop, but one worker after the other, with the pause between births in between; the last one's
    /// end is a graceful stop. Whoever takes over has that long to become warm.
    pub fn stop_slowly(&mut self, now: Instant) {
        if self.phase == Phase::Running && self.fewer_at.is_none() {
            self.recycle.clear();
            self.fewer_at = Some(now);
        }
    }

    /// One less, when its time has come.
    pub(super) fn slow_down(&mut self, now: Instant) {
        while self.phase == Phase::Running && self.fewer_at.is_some_and(|at| at <= now) {
            if self.fewer().is_some() {
                self.fewer_at = Some(now + self.policy.spawn_interval);
            } else {
                self.fewer_at = None;
                self.stop(now);
            }
        }
    }

    /// When the next one is too many.
    pub(super) fn slower_at(&self) -> Option<Instant> {
        self.fewer_at.filter(|_| self.phase == Phase::Running)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Decision, Policy};
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Two ready workers, with the pids 100 and 101.
    fn two(spawn_interval: Duration) -> Children {
        let policy =
            Policy { spawn_interval, err_respawn_interval: SECOND, graceful_timeout: SECOND };
        let mut children = Children::new(2, 4, policy);
        children.manager_born(1);
        for (worker, pid) in (0..2).zip(100..) {
            children.born(worker, pid);
            children.ready(worker);
        }
        children
    }

    #[test]
    fn a_slow_stop_takes_one_worker_after_the_other() {
        let (mut children, now) = (two(SECOND * 5), Instant::now());
        children.stop_slowly(now);
        assert_eq!(children.decide(now), Some(Decision::Term(101)));
        assert_eq!(children.decide(now), None);
        assert_eq!(children.deadline(now), Some(now + SECOND * 5));
        children.died(101, |_| true, now);
        assert_eq!(children.decide(now), Some(Decision::TellDied(1)));
        assert_eq!(children.decide(now + SECOND * 4), None, "it is not replaced");
        children.stop_slowly(now + SECOND * 4);
        assert_eq!(children.decide(now + SECOND * 5), Some(Decision::TellStop));
        assert!(children.is_stopping());
    }

    #[test]
    fn without_a_pause_it_is_a_stop_and_a_stop_ends_it() {
        let (mut children, now) = (two(Duration::ZERO), Instant::now());
        children.stop_slowly(now);
        assert_eq!(children.decide(now), Some(Decision::TellStop));
        let mut children = two(SECOND * 5);
        children.stop_slowly(now);
        children.stop(now);
        assert_eq!(children.decide(now), Some(Decision::TellStop));
        assert_eq!(children.decide(now + SECOND / 2), None);
    }
}

//! What follows: one decision at a time, and when to look again.

use std::time::Instant;

use super::{Children, Decision, INTERRUPTED, Manager, Number, Phase, Stage, Turn};
use crate::table::WorkerId;

impl Children {
    /// The next thing to do, which the table then takes for done. `None`: sleep until something
    /// happens, or until [`deadline`](Self::deadline).
    pub fn decide(&mut self, now: Instant) -> Option<Decision> {
        self.call_last(now);
        self.end_overdue(now);
        self.end_manager();
        self.slow_down(now);
        self.take_turns(now);
        self.out
            .pop_front()
            .or_else(|| self.is_over().then_some(Decision::Over(self.status)))
            .or_else(|| self.may_begin(now).then_some(Decision::Begin))
            .or_else(|| self.next_birth(now).map(Decision::Spawn))
    }

    /// When to ask again, if nothing happens before.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let kills = self.leftovers.iter().filter_map(|(_, until)| *until).min();
        let stop = match self.phase {
            Phase::Stopping { last_call, until, .. } if !self.killed => last_call.or(Some(until)),
            Phase::Fast { until } if !self.killed => Some(until),
            _ => None,
        };
        let begin = match (self.phase, self.manager) {
            (Phase::Running, Manager::Missing) => self.manager_pause.end(now),
            _ => None,
        };
        let vain = self.vain_until.filter(|until| *until > now);
        let birth = if self.wants_birth() { self.birth_pause.end(now).max(vain) } else { None };
        let turn = match self.turn {
            _ if self.recycle.is_empty() => None,
            None => self.next_turn,
            Some(Turn::Leaving { until, .. }) => Some(until),
            Some(Turn::Replacing(_)) => None,
        };
        let interrupted = self.interrupted.iter().map(|(_, until)| *until).min();
        [kills, interrupted, stop, begin, birth, turn, self.slower_at()].into_iter().flatten().min()
    }

    /// Whether deaths are in order.
    pub fn is_stopping(&self) -> bool {
        self.phase != Phase::Running
    }

    /// A stop that takes too long is not the idle workers' fault: they leave in good order, END
    /// blocks and all, and the others may still finish what they do. They have their time for it also when
    /// the call is late, because the machine is busy.
    fn call_last(&mut self, now: Instant) {
        if let Phase::Stopping { last_call, until, .. } = &mut self.phase
            && let Some(at) = last_call.take_if(|at| *at <= now)
        {
            *until += now - at;
            self.all_leave();
        }
    }

    /// Whoever had until now is killed.
    fn end_overdue(&mut self, now: Instant) {
        for (pid, until) in &mut self.leftovers {
            if until.take_if(|until| *until <= now).is_some() {
                self.out.push_back(Decision::Kill(*pid));
            }
        }
        let out = &mut self.out;
        self.interrupted.retain(|(pid, until)| {
            let over = *until <= now;
            if over {
                out.push_back(Decision::Kill(*pid));
            }
            !over
        });
        let (Phase::Stopping { until, .. } | Phase::Fast { until }) = self.phase else {
            return;
        };
        if until <= now && !self.killed {
            self.killed = true;
            let living: Vec<_> = self.living().map(|(_, pid, _)| pid).collect();
            let leftovers = self.leftovers.iter_mut();
            let leftovers = leftovers.filter_map(|(pid, until)| until.take().map(|_| *pid));
            self.out.extend(living.into_iter().chain(leftovers).map(Decision::Kill));
        }
    }

    /// The manager is ended last, when there is nobody left who may need it.
    fn end_manager(&mut self) {
        let alone = self.leftovers.is_empty() && self.living().next().is_none();
        let due = match self.phase {
            _ if self.killed => Some(Decision::Kill as fn(i32) -> Decision),
            Phase::Stopping { .. } | Phase::Fast { .. } if self.drained && alone => {
                Some(Decision::EndManager as fn(i32) -> Decision)
            }
            _ => None,
        };
        if let Manager::Living { pid, ended: ended @ false, .. } = &mut self.manager
            && let Some(decision) = due
        {
            *ended = true;
            self.out.push_back(decision(*pid));
        }
    }

    fn is_over(&self) -> bool {
        self.phase != Phase::Running
            && matches!(self.manager, Manager::Missing)
            && self.leftovers.is_empty()
            && self.living().next().is_none()
    }

    fn may_begin(&self, now: Instant) -> bool {
        self.phase == Phase::Running
            && matches!(self.manager, Manager::Missing)
            && self.manager_pause.is_over(now)
    }

    /// Recycling, and workers that are too many.
    fn take_turns(&mut self, now: Instant) {
        if self.phase != Phase::Running {
            return;
        }
        if let Some(Turn::Leaving { until, .. }) = self.turn
            && until <= now
        {
            // It has a long request. It is not killed for that, but the others go on.
            self.end_turn(now);
        }
        while self.turn.is_none() && self.next_turn.is_none_or(|next| next <= now) {
            let Some(pid) = self.recycle.pop_front() else { break };
            if self.active().any(|(_, other, _)| other == pid) {
                self.turn = Some(Turn::Replacing(pid));
            }
        }
        if let Some(Turn::Replacing(pid)) = self.turn
            && (self.ready_workers() > self.wanted || !self.has_room())
        {
            self.turn = Some(Turn::Leaving { pid, until: now + self.policy.graceful_timeout });
            self.tell_to_leave(pid);
        }
        while self.active().count() > self.target() {
            let Some((_, pid, _)) = self.active().last() else { break };
            self.tell_to_leave(pid);
        }
    }

    pub(super) fn end_turn(&mut self, now: Instant) {
        self.turn = None;
        self.next_turn = Some(now + self.policy.spawn_interval);
    }

    fn target(&self) -> usize {
        match self.turn {
            Some(Turn::Replacing(_)) => self.wanted + 1,
            _ => self.wanted,
        }
    }

    /// Whether a replacement can be born, now or after a burial, or lives and is not ready yet.
    fn has_room(&self) -> bool {
        self.numbers.iter().any(|number| {
            matches!(
                number,
                Number::Free | Number::Dead | Number::Living { stage: Stage::Starting, .. }
            )
        })
    }

    /// Until everything is drained, or the last call, there is work for workers, also when stopping:
    /// one may leave of its own accord, or because the whole process group was told to.
    fn wants_birth(&self) -> bool {
        matches!(self.manager, Manager::Living { .. })
            && !matches!(self.phase, Phase::Stopping { last_call: None, .. } | Phase::Fast { .. })
            && !self.drained
            && !self.killed
            && self.active().count() < self.target()
    }

    fn next_birth(&self, now: Instant) -> Option<WorkerId> {
        let in_vain = self.vain_until.is_some_and(|until| until > now);
        if !self.wants_birth() || in_vain || !self.birth_pause.is_over(now) {
            return None;
        }
        let free = self.numbers.iter().position(|number| *number == Number::Free)?;
        WorkerId::try_from(free).ok()
    }

    pub(super) fn all_leave(&mut self) {
        let pids: Vec<_> = self.active().map(|(_, pid, _)| pid).collect();
        for pid in pids {
            self.tell_to_leave(pid);
        }
    }

    /// Those who live: number and process.
    pub fn workers(&self) -> impl Iterator<Item = (WorkerId, i32)> {
        self.living().map(|(worker, pid, _)| (worker, pid))
    }

    /// This worker takes too long, and nobody waits for it: it is killed, and its replacement need not
    /// wait for that.
    pub fn overdue(&mut self, pid: i32) {
        self.mark_leaving(pid);
        self.out.push_back(Decision::Kill(pid));
    }

    /// This worker's request takes too long: its application is interrupted, and its replacement need not
    /// wait for that.
    pub fn interrupt(&mut self, pid: i32, now: Instant) {
        self.mark_leaving(pid);
        self.interrupted.push((pid, now + INTERRUPTED));
        self.out.push_back(Decision::Interrupt(pid));
    }

    fn tell_to_leave(&mut self, pid: i32) {
        self.mark_leaving(pid);
        self.out.push_back(Decision::Term(pid));
    }

    fn mark_leaving(&mut self, pid: i32) {
        for number in &mut self.numbers {
            if let Number::Living { pid: other, stage } = number
                && *other == pid
            {
                *stage = Stage::Leaving;
            }
        }
    }

    fn ready_workers(&self) -> usize {
        self.living().filter(|(_, _, stage)| *stage == Stage::Ready).count()
    }

    /// Those who live and were not told to leave.
    pub(super) fn active(&self) -> impl Iterator<Item = (WorkerId, i32, Stage)> {
        self.living().filter(|(_, _, stage)| *stage != Stage::Leaving)
    }

    pub(super) fn living(&self) -> impl Iterator<Item = (WorkerId, i32, Stage)> {
        (0..).zip(&self.numbers).filter_map(|(worker, number)| match number {
            Number::Living { pid, stage } => Some((worker, *pid, *stage)),
            Number::Free | Number::Dead => None,
        })
    }

    pub(super) fn number(&mut self, worker: WorkerId) -> Option<&mut Number> {
        self.numbers.get_mut(usize::try_from(worker).ok()?)
    }

    pub(super) fn put(&mut self, worker: WorkerId, number: Number) {
        if let Some(place) = self.number(worker) {
            *place = number;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Policy, Who};
    use super::*;

    /// One worker, number 0 and process 100, that is ready.
    fn one() -> Children {
        let second = Duration::from_secs(1);
        let policy = Policy {
            spawn_interval: second,
            err_respawn_interval: second,
            graceful_timeout: second,
        };
        let mut children = Children::new(1, 4, policy);
        children.manager_born(1);
        children.born(0, 100);
        children.ready(0);
        children
    }

    #[test]
    fn who_takes_too_long_is_killed_and_replaced_at_once() {
        let (mut children, now) = (one(), Instant::now());
        assert_eq!(children.workers().collect::<Vec<_>>(), [(0, 100)]);
        children.overdue(100);
        assert_eq!(children.decide(now), Some(Decision::Kill(100)));
        assert_eq!(children.decide(now), Some(Decision::Spawn(1)));
        children.born(1, 101);
        assert_eq!(children.died(100, |_| true, now), Who::Worker(0, true));
        assert_eq!(children.decide(now), Some(Decision::TellDied(0)));
        assert_eq!(children.decide(now), None);
    }

    #[test]
    fn whose_request_takes_too_long_is_interrupted_and_killed_if_that_is_no_use() {
        for dies_in_time in [true, false] {
            let (mut children, now) = (one(), Instant::now());
            children.interrupt(100, now);
            assert_eq!(children.decide(now), Some(Decision::Interrupt(100)));
            assert_eq!(children.decide(now), Some(Decision::Spawn(1)));
            children.born(1, 101);
            assert_eq!(children.decide(now), None);
            assert_eq!(children.deadline(now), Some(now + INTERRUPTED));
            if dies_in_time {
                children.died(100, |_| true, now);
                assert_eq!(children.decide(now), Some(Decision::TellDied(0)));
                assert_eq!(children.deadline(now), None);
            }
            let kill = (!dies_in_time).then_some(Decision::Kill(100));
            assert_eq!(children.decide(now + INTERRUPTED), kill);
            assert_eq!(children.decide(now + 2 * INTERRUPTED), None, "once");
        }
    }
}

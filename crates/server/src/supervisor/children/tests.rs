//! Births and deaths, told as stories.

use super::Decision::{Begin, EndManager, Kill, Over, Spawn, TellDied, TellFast, TellStop, Term};
use super::*;

const SECOND: Duration = Duration::from_secs(1);
const GRACEFUL: Duration = Duration::from_secs(30);
const MANAGER: i32 = 1000;

fn policy() -> Policy {
    Policy {
        spawn_interval: Duration::ZERO,
        err_respawn_interval: SECOND,
        graceful_timeout: GRACEFUL,
    }
}

/// A table and its clock; a worker's pid is 100 times its birth number, plus its number.
struct Story {
    children: Children,
    now: Instant,
    births: i32,
    managers: i32,
}

impl Story {
    fn new(wanted: u32, numbers: u32) -> Self {
        let children = Children::new(wanted, numbers, policy());
        Self { children, now: Instant::now(), births: 0, managers: 0 }
    }

    /// A running server of `wanted` ready workers with the pids 1, 2, …
    fn running(wanted: u32, numbers: u32) -> Self {
        let mut story = Self::new(wanted, numbers);
        story.go();
        for worker in 0..wanted {
            story.children.ready(worker);
        }
        assert_eq!(story.go(), []);
        story
    }

    /// Takes all decisions, and makes the births among them succeed: pids 1, 2, … in order.
    fn go(&mut self) -> Vec<Decision> {
        let mut all = Vec::new();
        while let Some(decision) = self.children.decide(self.now) {
            all.push(decision);
            match decision {
                Begin => {
                    self.children.manager_born(MANAGER + self.managers);
                    self.managers += 1;
                }
                Spawn(worker) => {
                    self.births += 1;
                    self.children.born(worker, self.births);
                }
                Over(_) => break,
                _ => {}
            }
        }
        all
    }

    fn after(&mut self, time: Duration) -> Vec<Decision> {
        self.now += time;
        self.go()
    }

    fn dies(&mut self, pid: i32) -> Who {
        self.children.died(pid, |_| false, self.now)
    }

    fn waits(&self) -> Option<Duration> {
        self.children.deadline(self.now).map(|deadline| deadline - self.now)
    }
}

#[test]
fn a_set_begins_with_its_manager_and_then_the_workers() {
    let mut story = Story::new(3, 8);
    assert_eq!(story.go(), [Begin, Spawn(0), Spawn(1), Spawn(2)]);
    assert_eq!(story.waits(), None);
    assert!(story.children.ready(1));
    assert!(!story.children.ready(0));
}

#[test]
fn a_dead_worker_is_replaced_at_once_and_its_number_rests_until_it_is_buried() {
    let mut story = Story::running(2, 4);
    assert_eq!(story.dies(1), Who::Worker(0, true));
    assert_eq!(story.go(), [TellDied(0), Spawn(2)]);
    story.children.ready(2);
    assert_eq!(story.dies(2), Who::Worker(1, true));
    assert_eq!(story.go(), [TellDied(1), Spawn(3)]);
    story.children.ready(3);
    story.dies(3);
    assert_eq!(story.go(), [TellDied(2)], "no number is free");
    story.children.buried(1);
    assert_eq!(story.go(), [Spawn(1)]);
}

#[test]
fn failed_births_double_the_pause_up_to_a_minute_and_a_ready_worker_ends_it() {
    let mut story = Story::new(1, 100);
    story.go();
    for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
        let pid = story.births;
        assert!(matches!(story.dies(pid), Who::Worker(_, false)));
        assert!(matches!(story.go()[..], [TellDied(_)]));
        assert_eq!(story.waits(), Some(SECOND * pause));
        assert_eq!(story.after(SECOND * pause - Duration::from_nanos(1)), []);
        assert!(matches!(story.after(Duration::from_nanos(1))[..], [Spawn(_)]));
    }
    story.children.ready(8);
    story.dies(story.births);
    assert!(matches!(story.go()[..], [TellDied(8), Spawn(9)]));
}

#[test]
fn workers_that_fail_together_have_failed_once() {
    let mut story = Story::new(5, 20);
    story.go();
    for pid in 1..=5 {
        story.dies(pid);
    }
    story.go();
    assert_eq!(story.waits(), Some(SECOND));
    assert_eq!(story.after(SECOND).len(), 5);
}

#[test]
fn a_worker_that_was_ready_before_the_report_came_has_not_failed() {
    let mut story = Story::new(1, 4);
    story.go();
    assert_eq!(story.children.died(1, |_| true, story.now), Who::Worker(0, true));
    assert_eq!(story.go(), [TellDied(0), Spawn(1)]);
}

#[test]
fn a_fork_that_fails_is_tried_again_after_the_pause() {
    let mut story = Story::new(1, 4);
    assert_eq!(story.children.decide(story.now), Some(Begin));
    story.children.manager_not_born(story.now);
    assert_eq!(story.children.decide(story.now), None);
    assert_eq!(story.waits(), Some(SECOND));
    story.now += SECOND;
    assert_eq!(story.children.decide(story.now), Some(Begin));
    story.children.manager_born(MANAGER);
    assert_eq!(story.children.decide(story.now), Some(Spawn(0)));
    story.children.not_born(0, story.now);
    assert_eq!(story.go(), []);
    assert_eq!(story.after(SECOND), [Spawn(0)]);
}

#[test]
fn a_graceful_stop_ends_workers_when_drained_and_the_manager_last() {
    let mut story = Story::running(2, 4);
    story.children.stop(story.now);
    assert_eq!(story.go(), [TellStop]);
    assert_eq!(story.waits(), Some(GRACEFUL - LAST_CALL));
    story.children.drained();
    assert_eq!(story.go(), [Term(1), Term(2)]);
    story.dies(1);
    assert_eq!(story.go(), [TellDied(0)]);
    story.dies(2);
    assert_eq!(story.go(), [TellDied(1), EndManager(MANAGER)]);
    assert_eq!(story.dies(MANAGER), Who::Manager);
    assert_eq!(story.go(), [Over(0)]);
}

#[test]
fn a_manager_that_leaves_once_it_is_drained_is_not_missed() {
    let mut story = Story::running(1, 4);
    story.children.stop(story.now);
    story.go();
    story.children.drained();
    assert_eq!(story.dies(MANAGER), Who::Manager);
    assert_eq!(story.go(), [Term(1)]);
    assert_eq!(story.dies(1), Who::Leftover);
    assert_eq!(story.go(), [Over(0)]);
}

#[test]
fn while_connections_are_drained_a_worker_that_leaves_is_replaced() {
    let mut story = Story::running(1, 4);
    story.children.stop(story.now);
    story.go();
    story.dies(1);
    assert_eq!(story.go(), [TellDied(0), Spawn(1)]);
    story.children.drained();
    assert_eq!(story.go(), [Term(2)]);
}

#[test]
fn before_the_deadline_of_a_graceful_stop_all_are_told_to_leave_and_then_killed() {
    for late in [Duration::ZERO, 2 * LAST_CALL] {
        let mut story = Story::running(3, 6);
        story.children.stop(story.now);
        story.go();
        assert_eq!(story.after(GRACEFUL - LAST_CALL + late), [Term(1), Term(2), Term(3)]);
        story.dies(3);
        assert_eq!(story.go(), [TellDied(2)], "no worker is born any more");
        assert_eq!(story.waits(), Some(LAST_CALL));
        assert_eq!(story.after(LAST_CALL), [Kill(1), Kill(2), Kill(MANAGER)]);
        assert_eq!(story.waits(), None);
        for pid in [1, MANAGER] {
            story.dies(pid);
        }
        assert_eq!(story.go(), [], "nobody is killed twice");
        story.dies(2);
        assert_eq!(story.go(), [Over(0)]);
    }
}

#[test]
fn a_second_term_is_fast_after_a_second_and_not_before() {
    let mut story = Story::running(1, 4);
    story.children.stop(story.now);
    story.now += SAME_TERM;
    story.children.stop(story.now);
    assert_eq!(story.go(), [TellStop]);
    story.now += Duration::from_nanos(1);
    story.children.stop(story.now);
    assert_eq!(story.go(), [TellFast, Term(1)]);
    assert_eq!(story.waits(), Some(FAST));
    assert_eq!(story.after(FAST), [Kill(1), Kill(MANAGER)]);
}

#[test]
fn an_interrupt_is_fast_and_stays_so() {
    let mut story = Story::running(1, 4);
    story.children.fast(story.now);
    story.children.stop(story.now);
    story.children.fast(story.now + SECOND);
    assert_eq!(story.go(), [TellFast, Term(1)]);
    story.dies(1);
    assert_eq!(story.go(), [TellDied(0)], "no worker is born any more");
    story.children.drained();
    assert_eq!(story.go(), [EndManager(MANAGER)]);
    story.dies(MANAGER);
    assert_eq!(story.go(), [Over(0)]);
}

#[test]
fn recycling_replaces_one_by_one_and_each_replacement_is_ready_first() {
    let mut story = Story::running(2, 4);
    story.children.recycle();
    assert_eq!(story.go(), [Spawn(2)]);
    story.children.ready(2);
    assert_eq!(story.go(), [Term(1)]);
    story.dies(1);
    assert_eq!(story.go(), [TellDied(0), Spawn(3)]);
    story.children.ready(3);
    assert_eq!(story.go(), [Term(2)]);
    story.dies(2);
    assert_eq!(story.go(), [TellDied(1)]);
    assert_eq!(story.waits(), None);
}

#[test]
fn without_a_spare_number_the_old_worker_leaves_first() {
    let mut story = Story::running(2, 2);
    story.children.recycle();
    assert_eq!(story.go(), [Term(1)]);
    story.dies(1);
    assert_eq!(story.go(), [TellDied(0)]);
    story.children.buried(0);
    assert_eq!(story.go(), [Spawn(0)]);
    story.children.ready(0);
    assert_eq!(story.go(), [Term(2)]);
}

#[test]
fn spawn_interval_is_the_pause_between_two_turns() {
    let slow = Policy { spawn_interval: SECOND * 5, ..policy() };
    let mut story = Story::running(2, 4);
    story.children.policy = slow;
    story.children.recycle();
    story.go();
    story.children.ready(2);
    story.go();
    story.dies(1);
    assert_eq!(story.go(), [TellDied(0)]);
    assert_eq!(story.waits(), Some(SECOND * 5));
    assert_eq!(story.after(SECOND * 5), [Spawn(3)]);
}

#[test]
fn a_worker_in_a_long_request_is_not_killed_and_does_not_hold_up_the_others() {
    let mut story = Story::running(2, 4);
    story.children.recycle();
    story.go();
    story.children.ready(2);
    assert_eq!(story.go(), [Term(1)]);
    assert_eq!(story.waits(), Some(GRACEFUL));
    assert_eq!(story.after(GRACEFUL), [Spawn(3)]);
    story.children.ready(3);
    assert_eq!(story.go(), [Term(2)]);
}

#[test]
fn a_replacement_that_fails_leaves_the_old_worker_alone() {
    let mut story = Story::running(1, 4);
    story.children.recycle();
    assert_eq!(story.go(), [Spawn(1)]);
    story.dies(2);
    assert_eq!(story.go(), [TellDied(1)]);
    assert_eq!(story.after(SECOND), [Spawn(2)]);
    story.children.ready(2);
    assert_eq!(story.go(), [Term(1)]);
}

#[test]
fn one_more_and_one_less_within_the_limits() {
    let mut story = Story::running(1, 3);
    assert_eq!(story.children.fewer(), None);
    assert_eq!(story.children.more(), Some(2));
    assert_eq!(story.children.more(), None, "one number is for replacements");
    assert_eq!(story.go(), [Spawn(1)]);
    story.children.ready(1);
    assert_eq!(story.children.fewer(), Some(1));
    assert_eq!(story.go(), [Term(2)]);
    story.dies(2);
    assert_eq!(story.go(), [TellDied(1)]);
}

#[test]
fn when_the_manager_dies_a_new_set_begins_and_the_old_workers_leave() {
    let mut story = Story::running(2, 4);
    story.dies(1);
    assert_eq!(story.dies(MANAGER), Who::Manager);
    assert_eq!(story.go(), [Term(2), Begin, Spawn(0), Spawn(1)]);
    assert_eq!(story.dies(2), Who::Leftover);
    assert_eq!(story.go(), []);
    assert_eq!(story.dies(99), Who::Unknown);
}

#[test]
fn a_leftover_that_does_not_leave_is_killed_at_its_deadline() {
    let mut story = Story::running(1, 4);
    story.dies(MANAGER);
    story.go();
    story.children.ready(0);
    assert_eq!(story.waits(), Some(GRACEFUL));
    assert_eq!(story.after(GRACEFUL), [Kill(1)]);
    assert_eq!(story.waits(), None);
    assert_eq!(story.dies(1), Who::Leftover);
}

#[test]
fn managers_that_die_before_a_worker_is_ready_are_begun_after_a_pause() {
    let mut story = Story::new(1, 4);
    story.go();
    story.dies(MANAGER);
    assert_eq!(story.go(), [Term(1)]);
    assert_eq!(story.waits(), Some(SECOND));
    assert_eq!(story.after(SECOND), [Begin, Spawn(0)]);
}

#[test]
fn a_stop_without_a_manager_lets_the_leftovers_finish() {
    let mut story = Story::new(1, 4);
    story.go();
    story.dies(MANAGER);
    story.go();
    story.children.stop(story.now);
    assert_eq!(story.go(), []);
    story.dies(1);
    assert_eq!(story.go(), [Over(0)]);
}

#[test]
fn an_application_that_no_worker_can_load_ends_the_server_with_its_status() {
    let mut story = Story::new(1, 4);
    story.go();
    story.dies(1);
    story.children.give_up(3, story.now);
    assert_eq!(story.go(), [TellDied(0), TellFast]);
    story.children.drained();
    story.go();
    story.dies(MANAGER);
    assert_eq!(story.go(), [Over(3)]);

    let mut story = Story::running(1, 4);
    story.dies(1);
    story.children.give_up(3, story.now);
    assert_eq!(story.go(), [TellDied(0), Spawn(1)], "it could be loaded once");
}

#[test]
fn who_was_ready_in_vain_is_replaced_after_a_pause_that_nobody_shortens() {
    let mut story = Story::running(2, 8);
    assert_eq!(story.dies(1), Who::Worker(0, true));
    story.children.lived_in_vain(story.now);
    assert_eq!(story.go(), [TellDied(0)]);
    story.children.ready(1);
    assert_eq!(story.waits(), Some(SECOND));
    assert_eq!(story.after(SECOND - Duration::from_nanos(1)), []);
    assert_eq!(story.after(Duration::from_nanos(1)).len(), 1);
}

//! When what was taken last had arrived, from each of the two queues that workers take from: jobs, and the
//! connections of the ready list. In shared memory.
//!
//! Both are first come, first served, so what is next in a queue is at least as new as what was taken from it
//! last, by whichever worker. While jobs wait, a worker tries the queue first whose last was the older one: so
//! requests are served in the order in which they arrived, also between the two. Nothing here needs to be right:
//! an estimate that is too old makes somebody try that queue first, which mends it.
//!
//! Clients of UNIX sockets are without stamps. What is known then: all jobs together are one entry of the list,
//! which goes to its end each time it comes up, so whatever is before it the next time came after that. Where this
//! does not decide, the queues take turns.

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::os::shared::{Pages, zeroable};

#[derive(Debug)]
#[repr(align(64))]
struct Times {
    job: AtomicU64,
    event: AtomicU64,
    /// When the jobs' entry of the ready list came up last.
    entry: AtomicU64,
    /// 1: nobody knows when the connection that was taken last had become readable, and no job was taken since.
    unknown: AtomicU64,
}

zeroable!(Times { job: AtomicU64, event: AtomicU64, entry: AtomicU64, unknown: AtomicU64 });

/// The arrivals of one generation, in milliseconds of the monotonic clock.
#[derive(Debug)]
pub struct Arrivals {
    times: Pages<Times>,
}

impl Arrivals {
    /// Nothing was taken yet.
    ///
    /// # Errors
    ///
    /// The kernel has no such memory.
    pub fn new() -> io::Result<Self> {
        Ok(Self { times: Pages::new(1)? })
    }

    fn times(&self) -> &Times {
        // The mapping was made with room for one.
        &self.times[0]
    }

    /// Whether a worker looks for a job before it looks into the ready list. Asked while jobs wait.
    pub fn jobs_first(&self) -> bool {
        let times = self.times();
        times.unknown.load(Relaxed) != 0 || times.job.load(Relaxed) < times.event.load(Relaxed)
    }

    /// A job was taken, whose request was complete then.
    pub fn job(&self, complete: u64) {
        self.times().job.store(complete, Relaxed);
        self.times().unknown.store(0, Relaxed);
    }

    /// A connection was taken out of the ready list; what it has said had arrived then, if that is known.
    /// It need not be told while no jobs wait.
    pub fn event(&self, arrived: Option<u64>) {
        let times = self.times();
        times.unknown.store(u64::from(arrived.is_none()), Relaxed);
        if let Some(arrived) = arrived {
            times.event.store(arrived, Relaxed);
        }
    }

    /// The jobs' entry came up in the ready list, and is at its end now.
    pub fn entry(&self, now: u64) {
        let before = self.times().entry.swap(now, Relaxed);
        self.times().event.fetch_max(before, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    /// Which queue.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Of {
        Jobs,
        Events,
    }

    /// One thing to do: the queue that it came to, and when.
    type Thing = (Of, u64);

    /// The two queues, and all that was taken from them, in order.
    struct World {
        arrivals: Arrivals,
        jobs: VecDeque<u64>,
        /// `None` is the jobs' entry.
        list: VecDeque<Option<u64>>,
        stamps: bool,
        now: u64,
        taken: Vec<Thing>,
    }

    impl World {
        fn new(stamps: bool) -> Self {
            let arrivals = Arrivals::new().unwrap();
            let (jobs, list) = (VecDeque::new(), VecDeque::new());
            Self { arrivals, jobs, list, stamps, now: 1, taken: Vec::new() }
        }

        fn arrive(&mut self, of: Of) {
            match of {
                Of::Jobs => {
                    self.jobs.push_back(self.now);
                    if !self.list.contains(&None) {
                        self.list.push_back(None);
                    }
                }
                Of::Events => self.list.push_back(Some(self.now)),
            }
        }

        /// What a worker tries first.
        fn decide(&self) -> Of {
            let jobs = !self.jobs.is_empty() && self.arrivals.jobs_first();
            if jobs { Of::Jobs } else { Of::Events }
        }

        /// What it takes then: others may have been faster.
        fn take(&mut self, first: Of) -> Option<Thing> {
            let job = (first == Of::Jobs).then(|| self.take_job()).flatten();
            let thing = job.or_else(|| self.take_event())?;
            self.taken.push(thing);
            Some(thing)
        }

        fn take_job(&mut self) -> Option<Thing> {
            let complete = self.jobs.pop_front()?;
            self.arrivals.job(complete);
            Some((Of::Jobs, complete))
        }

        fn take_event(&mut self) -> Option<Thing> {
            match self.list.pop_front()? {
                Some(arrived) => {
                    if !self.jobs.is_empty() {
                        self.arrivals.event(self.stamps.then_some(arrived));
                    }
                    Some((Of::Events, arrived))
                }
                None if self.jobs.is_empty() => self.take_event(),
                None => {
                    self.list.push_back(None);
                    self.arrivals.entry(self.now);
                    self.take_job()
                }
            }
        }

        /// The most that any one thing was overtaken by things that had come later.
        fn most_overtaken(&self) -> usize {
            let overtook = |place: usize, thing: &Thing| {
                self.taken[..place].iter().filter(|other| other.1 > thing.1).count()
            };
            let all = self.taken.iter().enumerate();
            all.map(|(place, thing)| overtook(place, thing)).max().unwrap_or(0)
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Arrive(Of, u64),
        Worker(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let of = prop_oneof![Just(Of::Jobs), Just(Of::Events)];
        let crowd = (of, 0_u64..3, 1_usize..40);
        let crowd = crowd.prop_map(|(of, apart, n)| vec![Step::Arrive(of, apart); n]);
        let work = prop::collection::vec((0_usize..WORKERS).prop_map(Step::Worker), 1..80);
        let some = prop::collection::vec(prop_oneof![crowd, work], 1..20);
        some.prop_map(|some| some.concat())
    }

    const WORKERS: usize = 4;

    proptest! {
        /// Between a worker's choice and its taking, others choose and take.
        #[test]
        fn nothing_is_overtaken_by_more_than_a_few(steps in steps()) {
            let mut world = World::new(true);
            let mut chosen = [None; WORKERS];
            let count = steps.len();
            let rest = (0..WORKERS).cycle().map(Step::Worker).take(3 * (count + WORKERS));
            for step in steps.into_iter().chain(rest) {
                match step {
                    Step::Arrive(of, apart) => {
                        world.now += apart;
                        world.arrive(of);
                    }
                    Step::Worker(worker) => match chosen[worker].take() {
                        None => chosen[worker] = Some(world.decide()),
                        Some(first) => _ = world.take(first),
                    },
                }
            }
            prop_assert!(world.jobs.is_empty() && world.list.iter().flatten().count() == 0);
            let most = world.most_overtaken();
            prop_assert!(most <= WORKERS + 2, "{most}");
        }
    }

    /// Every client's first request is a job; whoever is answered asks again at once. Returns the longest wait.
    fn crowd(clients: u64, workers: u64, stamps: bool) -> u64 {
        let mut world = World::new(stamps);
        (0..clients).for_each(|_| world.arrive(Of::Jobs));
        let mut longest = 0;
        for _ in 0..5 * clients / workers {
            // All workers take one each, and are busy for 10 ms.
            for _ in 0..workers {
                let first = world.decide();
                let (_, arrived) = world.take(first).unwrap();
                longest = longest.max(world.now - arrived);
            }
            world.now += 10;
            (0..workers).for_each(|_| world.arrive(Of::Events));
        }
        longest
    }

    #[test]
    fn those_who_return_at_once_do_not_overtake_those_who_came_first() {
        for stamps in [true, false] {
            let longest = crowd(1000, 10, stamps);
            assert!(longest <= 1030, "fair is 1000 ms, not {longest}, stamps: {stamps}");
        }
    }

    #[test]
    fn without_stamps_the_queues_take_turns() {
        let mut world = World::new(false);
        (0..9).for_each(|_| world.arrive(Of::Events));
        (0..9).for_each(|_| world.arrive(Of::Jobs));
        for _ in 0..8 {
            world.take(world.decide());
        }
        let jobs = world.taken.iter().filter(|thing| thing.0 == Of::Jobs).count();
        assert_eq!(jobs, 4);
    }
}

//! Active connections, alone and beside thousands of idle ones: one server, compared with itself.
//!
//! Idle connections come and go in between, for two starts of the same server differ by more than what they
//! cost. Servers follow one another; each keeps its idle connections only as long as it is measured.

use anyhow::ensure;

use super::figures::Figures;
use super::measure::{Outcome, Setup, Stand, told};
use super::scenarios::{Load, Point};
use super::started::Started;
use super::turns::Turns;
use crate::descriptors::explained;
use crate::idle::Idle;
use crate::tree::footprint;

/// The active connections.
const ACTIVE: Point = Point { at: 0, workers: 0, connections: 100 };

/// How many idle ones are opened before somebody looks whether all this is to end.
const STEP: usize = 500;

impl Setup {
    /// What a server weighs at all points, the first of which is without idle connections, and what it does
    /// at the first and at the last.
    pub(crate) fn beside_idle(&self, stand: &mut Stand<'_>) {
        let Stand { points, started, outcomes, .. } = stand;
        // What workers grow by when they work is not the price of idle connections.
        let warm = match started {
            Ok(started) => self.once(Load::Idle, started, &ACTIVE, 1).map_err(told),
            Err(why) => Err(why.clone()),
        };
        let (Ok(started), Ok(_)) = (started, &warm) else {
            let why = warm.err().unwrap_or_default();
            outcomes.extend(points.iter().map(|point| (*point, Err(why.clone()))));
            return;
        };
        let mut idle = Idle::none();
        for point in points.iter() {
            let weighed = self.weigh(started, &mut idle, point).map_err(explained);
            outcomes.push((*point, weighed.map_err(told)));
            if outcomes.last().is_some_and(broken) {
                break;
            }
        }
        // Who cannot hold idle connections is measured without them.
        let states = if outcomes.iter().any(broken) { 1 } else { 2 };
        let mut taken = self.in_turns(started, idle, states).into_iter();
        loaded(outcomes.first_mut(), taken.next());
        loaded(outcomes.last_mut(), taken.next());
        if self.interrupt.is_set() && outcomes.iter().any(broken) {
            // Half of it says nothing.
            outcomes.clear();
        }
    }

    /// What the server's tree weighs beside as many idle connections as the point wants, in KiB.
    fn weigh(
        &self,
        started: &mut Started,
        idle: &mut Idle,
        point: &Point,
    ) -> anyhow::Result<Figures> {
        self.grow(idle, started, usize::try_from(point.connections)?)?;
        started.settle(&self.interrupt)?;
        let memory = footprint(started.pid()).memory();
        all_held(idle)?;
        ensure!(started.lives() && memory > 0, "it ended while it was weighed");
        Ok(Figures { memory: u32::try_from(memory).ok().map(f64::from), ..Figures::default() })
    }

    /// The active connections: without idle ones, and with as many as there are now.
    fn in_turns(
        &self,
        started: &mut Started,
        mut idle: Idle,
        states: usize,
    ) -> Vec<anyhow::Result<Figures>> {
        let most = idle.count();
        let turns = Turns::new(Load::Idle, &ACTIVE, self.seconds);
        turns.take(states, |state| {
            let wanted = if state == 0 { 0 } else { most };
            if idle.count() > wanted {
                idle = Idle::none();
            }
            self.grow(&mut idle, started, wanted)?;
            started.settle(&self.interrupt)?;
            let turn = self.once(Load::Idle, started, &ACTIVE, turns.seconds)?;
            all_held(&idle)?;
            Ok(turn)
        })
    }

    fn grow(&self, idle: &mut Idle, started: &Started, count: usize) -> anyhow::Result<()> {
        self.interrupt.check()?;
        while idle.count() < count {
            idle.grow(started.address, count.min(idle.count() + STEP))?;
            self.interrupt.check()?;
        }
        Ok(())
    }
}

fn all_held(idle: &Idle) -> anyhow::Result<()> {
    let closed = idle.closed()?;
    ensure!(closed == 0, "{closed} of {} idle connections were closed", idle.count());
    Ok(())
}

fn broken(outcome: &Outcome) -> bool {
    outcome.1.is_err()
}

/// The memory stays what it was with nothing else going on.
fn loaded(outcome: Option<&mut Outcome>, figures: Option<anyhow::Result<Figures>>) {
    let (Some((_, outcome)), Some(figures)) = (outcome, figures) else { return };
    let Ok(Figures { memory, .. }) = *outcome else { return };
    *outcome = figures.map(|figures| Figures { memory, ..figures }).map_err(told);
}

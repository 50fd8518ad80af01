//! One scenario against one server: start, warm up, load, end.
//!
//! Nothing that a server does is an error of ours: it becomes a row that says so.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{bail, ensure};

use super::figures::{Figures, whole};
use super::foreign::{Ask, Tool};
use super::peers::{Filling, Peer};
use super::scenarios::{Along, Load, Point, Scenario};
use super::started::{Question, Spent, Started, free_port};
use crate::engine::run;
use crate::idle::Idle;
use crate::interrupt::Interrupt;
use crate::plan::{Amount, Plan};
use crate::tree::footprint;

/// Seconds that an idle connection may last: where it matters, and elsewhere.
const LONG: u32 = 300;
const SHORT: u32 = 10;

/// Active connections beside idle ones.
const ACTIVE: u32 = 100;

/// How all is measured.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    /// Where applications and logs are.
    pub(crate) folder: PathBuf,
    /// Seconds of one measurement.
    pub(crate) seconds: u32,
    /// Less of everything.
    pub(crate) quick: bool,
    /// What everybody asks for.
    pub(crate) path: String,
    pub(crate) interrupt: Interrupt,
}

/// A point and its figures, or why there are none.
pub(crate) type Outcome = (Point, Result<Figures, String>);

impl Setup {
    /// All points of a scenario, for one server.
    pub(crate) fn measure(&self, scenario: &Scenario, peer: &Peer) -> Vec<Outcome> {
        let points = scenario.points(self.quick);
        let alone = |point: &Point| vec![*point];
        let groups: Vec<Vec<Point>> = match scenario.along {
            Along::Workers => points.iter().map(alone).collect(),
            _ => vec![points],
        };
        let mut outcomes = Vec::new();
        for group in groups {
            let Some(first) = group.first() else { continue };
            match self.start(scenario, peer, first) {
                Ok(mut started) => self.load(scenario, &mut started, &group, &mut outcomes),
                Err(error) => {
                    let why = format!("{error:#}");
                    outcomes.extend(group.iter().map(|point| (*point, Err(why.clone()))));
                }
            }
        }
        outcomes
    }

    fn start(&self, scenario: &Scenario, peer: &Peer, point: &Point) -> anyhow::Result<Started> {
        let app = self.folder.join(scenario.app.file());
        let idle = if scenario.load == Load::Idle { LONG } else { SHORT };
        let filling = Filling { port: free_port()?, workers: point.workers, app: &app, idle };
        let question = Question { path: &self.path, body: scenario.app.body() };
        let log = self.folder.join(format!("{}.log", peer.name));
        let started = Started::start(peer, &filling, question, &log, &self.interrupt)?;
        // So that every worker is there, and has met its first request.
        let time = Duration::from_millis(if self.quick { 200 } else { 600 });
        let warm = self.plan(&started, 32.max(point.workers), Amount::Time(time));
        run(&warm)?;
        Ok(started)
    }

    fn load(
        &self,
        scenario: &Scenario,
        started: &mut Started,
        points: &[Point],
        outcomes: &mut Vec<Outcome>,
    ) {
        if scenario.load == Load::Idle {
            return self.beside_idle(started, points, outcomes);
        }
        for point in points {
            let figures =
                self.interrupt.check().and_then(|()| self.once(scenario.load, started, point));
            outcomes.push((*point, figures.map_err(|error| format!("{error:#}"))));
        }
    }

    /// One measurement: the load's figures, and what the tree spent meanwhile.
    fn once(&self, load: Load, started: &mut Started, point: &Point) -> anyhow::Result<Figures> {
        let before = started.spent();
        let (mut figures, answered) = self.generate(load, started, point)?;
        ensure!(started.lives(), "it ended while it was measured");
        ensure!(answered > 0.0, "no request was answered, {} failed", figures.failures);
        figures.cost = Some(per_request(before, started.spent(), answered));
        Ok(figures)
    }

    fn generate(
        &self,
        load: Load,
        started: &Started,
        point: &Point,
    ) -> anyhow::Result<(Figures, f64)> {
        let foreign = |tool: Tool| {
            let Point { connections, .. } = *point;
            let ask = Ask {
                path: self.path.clone(),
                connections,
                // Thousands of connections want time to be made.
                seconds: self.seconds.max(connections.div_ceil(1000)),
                threads: 1,
            };
            tool.run(started.address, &ask, &self.interrupt)
        };
        let time = |seconds: u32| Amount::Time(Duration::from_secs(u64::from(seconds)));
        let mut plan = self.plan(started, point.connections, time(self.seconds));
        match load {
            Load::Wrk => return foreign(Tool::Wrk),
            Load::Ab => return foreign(Tool::Ab),
            Load::Each(requests) => {
                let requests = if self.quick { requests / 5 } else { requests };
                plan.amount = Amount::RequestsPerConnection(requests);
            }
            // Requests that wait for a second want more of them.
            Load::Client => plan.amount = time(self.seconds * 2),
            Load::Short(answers) => plan.per_connection = answers,
            Load::Idle => bail!("idle connections are measured together"),
        }
        let report = run(&plan)?;
        let answered = whole(report.kept.answered());
        Ok((Figures::of(&report.kept, report.elapsed), answered))
    }

    fn plan(&self, started: &Started, connections: u32, amount: Amount) -> Plan {
        let connections = usize::try_from(connections).unwrap_or(usize::MAX);
        Plan { path: self.path.clone(), amount, ..Plan::keepalive(started.address, connections) }
    }

    /// Alone, beside, alone: the active ones are measured without idle connections before and after.
    /// Memory is weighed between the two, with nothing else going on.
    fn beside_idle(&self, started: &mut Started, points: &[Point], outcomes: &mut Vec<Outcome>) {
        let active = Point { at: 0, workers: 0, connections: ACTIVE };
        let alone = self.once(Load::Wrk, started, &active);
        let mut idle = Idle::none();
        let mut first = None;
        for point in points {
            let figures = self.interrupt.check().and_then(|()| {
                let count = usize::try_from(point.connections)?;
                idle.grow(started.address, count)?;
                let memory = kib(footprint(started.pid()).memory());
                let mut figures = Figures { memory, ..Figures::default() };
                if Some(point) == points.last() {
                    let beside = self.once(Load::Wrk, started, &active)?;
                    figures = Figures { memory, ..beside };
                }
                let closed = idle.closed()?;
                ensure!(closed == 0, "{closed} of {count} idle connections were closed");
                Ok(figures)
            });
            let broken = figures.is_err();
            if point.connections == 0 {
                first = Some(outcomes.len());
            }
            outcomes.push((*point, figures.map_err(|error| format!("{error:#}"))));
            if broken {
                break;
            }
        }
        drop(idle);
        let again = alone.and_then(|before| {
            let after = self.once(Load::Wrk, started, &active)?;
            Ok([before, after])
        });
        let Some((_, Ok(figures))) = first.and_then(|at| outcomes.get_mut(at)) else { return };
        if let Ok(both) = again {
            *figures = Figures { memory: figures.memory, ..Figures::median(&both) };
        }
    }
}

fn kib(count: u64) -> Option<f64> {
    u32::try_from(count).ok().map(f64::from)
}

/// Microseconds of processor time per request: own code, kernel.
pub(crate) fn per_request(before: Spent, after: Spent, answered: f64) -> [f64; 2] {
    let each = |before: u64, after: u64| {
        let spent = Duration::from_micros(after.saturating_sub(before));
        spent.as_secs_f64() * 1e6 / answered
    };
    [each(before.user, after.user), each(before.system, after.system)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_spent_is_shared_by_the_requests() {
        let before = Spent { user: 1000, system: 50 };
        let after = Spent { user: 5000, system: 10 };
        assert_eq!(per_request(before, after, 100.0), [40.0, 0.0]);
    }
}

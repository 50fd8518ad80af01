//! One scenario: every server is started and warmed up, stands by, and is loaded when it is its turn.
//!
//! A measurement of many seconds is taken [in turns](super::turns) of one. Nothing that a server does is
//! an error of ours: it becomes a row that says so.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};

use super::figures::{Figures, whole};
use super::foreign::{Ask, Tool};
use super::peers::{Filling, Peer};
use super::scenarios::{Along, Load, Point, Scenario};
use super::started::{Question, Started, free_port};
use super::turns::{Turn, Turns};
use crate::engine::run;
use crate::interrupt::Interrupt;
use crate::plan::{Amount, Plan};

/// Seconds that an idle connection may last: where it matters, and elsewhere.
const LONG: u32 = 300;
const SHORT: u32 = 10;

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

/// A server that stands by, and what came of it.
pub(crate) struct Stand<'a> {
    pub(crate) peer: &'a Peer,
    /// What it is measured at.
    pub(super) points: Vec<Point>,
    pub(super) started: Result<Started, String>,
    pub(crate) outcomes: Vec<Outcome>,
}

impl Setup {
    /// All points of a scenario, for every server.
    pub(crate) fn measure<'a>(
        &self,
        scenario: &Scenario,
        peers: impl Iterator<Item = &'a Peer>,
    ) -> Vec<Stand<'a>> {
        let mut stands: Vec<_> = peers.flat_map(|peer| self.stands(scenario, peer)).collect();
        if scenario.load == Load::Idle {
            stands.iter_mut().for_each(|stand| self.beside_idle(stand));
        } else {
            // All have as many.
            let points = stands.first().map_or(0, |stand| stand.points.len());
            (0..points).for_each(|at| self.load(scenario.load, &mut stands, at));
        }
        stands
    }

    /// A server stands once for all points, but for those that want other workers.
    fn stands<'a>(&self, scenario: &Scenario, peer: &'a Peer) -> Vec<Stand<'a>> {
        let points = scenario.points(self.quick);
        let groups: Vec<&[Point]> = match scenario.along {
            Along::Workers => points.chunks(1).collect(),
            _ => vec![&points],
        };
        let stand = |points: &[Point]| {
            let started = match points.first() {
                Some(first) if !self.interrupt.is_set() => self.start(scenario, peer, first),
                _ => Err(anyhow!("not started")),
            };
            let started = started.map_err(told);
            Stand { peer, points: points.to_vec(), started, outcomes: Vec::new() }
        };
        groups.into_iter().map(stand).collect()
    }

    fn start(&self, scenario: &Scenario, peer: &Peer, point: &Point) -> anyhow::Result<Started> {
        let app = self.folder.join(scenario.app.file());
        let idle = if scenario.load == Load::Idle { LONG } else { SHORT };
        let filling = Filling { port: free_port()?, workers: point.workers, app: &app, idle };
        let question = Question { path: &self.path, body: scenario.app.body() };
        let log = self.folder.join(format!("{}-{}.log", peer.name, point.workers));
        let started = Started::start(peer, &filling, question, &log, &self.interrupt)?;
        // So that every worker is there, and has met its first request.
        let time = Duration::from_millis(if self.quick { 200 } else { 600 });
        let warm = self.plan(&started, 32.max(point.workers), Amount::Time(time));
        run(&warm)?;
        Ok(started)
    }

    /// One point of every server, in turns.
    fn load(&self, load: Load, stands: &mut [Stand<'_>], at: usize) {
        let point = |stand: &Stand<'_>| stand.points.get(at).copied();
        let Some(first) = stands.first().and_then(point) else { return };
        let turns = Turns::new(load, &first, self.seconds);
        let taken = turns.take(stands.len(), |who| {
            let stand = &mut stands[who];
            let point = point(stand).context("no such point")?;
            self.interrupt.check()?;
            let started = stand.started.as_mut().map_err(|why| anyhow!("{why}"))?;
            self.once(load, started, &point, turns.seconds)
        });
        for (stand, taken) in stands.iter_mut().zip(taken) {
            let figures = taken.map_err(told);
            stand.outcomes.extend(point(stand).map(|point| (point, figures)));
        }
    }

    /// One turn: the load's figures, and what the tree spent meanwhile.
    pub(super) fn once(
        &self,
        load: Load,
        started: &mut Started,
        point: &Point,
        seconds: u32,
    ) -> anyhow::Result<Turn> {
        let before = started.spent();
        let (figures, answered) = self.generate(load, started, point, seconds)?;
        // ^C ends a generator, too, which tells what it has until then.
        self.interrupt.check()?;
        ensure!(started.lives(), "it ended while it was measured");
        ensure!(answered > 0.0, "no request was answered, {} failed", figures.failures);
        Ok(Turn { figures, answered, spent: started.spent().since(before) })
    }

    fn generate(
        &self,
        load: Load,
        started: &Started,
        point: &Point,
        seconds: u32,
    ) -> anyhow::Result<(Figures, f64)> {
        let Point { connections, .. } = *point;
        let foreign = |tool: Tool| {
            let ask = Ask { path: self.path.clone(), connections, seconds, threads: 1 };
            tool.run(started.address, &ask, &self.interrupt)
        };
        let time = Amount::Time(Duration::from_secs(u64::from(seconds)));
        let mut plan = self.plan(started, connections, time);
        match load {
            Load::Wrk | Load::Idle => return foreign(Tool::Wrk),
            Load::Ab => return foreign(Tool::Ab),
            Load::Each(requests) => {
                let requests = if self.quick { requests / 5 } else { requests };
                plan.amount = Amount::RequestsPerConnection(requests);
            }
            Load::Client => {}
            Load::Short(answers) => plan.per_connection = answers,
        }
        let report = run(&plan)?;
        let answered = whole(report.kept.answered());
        Ok((Figures::of(&report.kept, report.elapsed), answered))
    }

    fn plan(&self, started: &Started, connections: u32, amount: Amount) -> Plan {
        let connections = usize::try_from(connections).unwrap_or(usize::MAX);
        Plan { path: self.path.clone(), amount, ..Plan::keepalive(started.address, connections) }
    }
}

/// What a row says of a fault.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn told(error: anyhow::Error) -> String {
    format!("{error:#}")
}

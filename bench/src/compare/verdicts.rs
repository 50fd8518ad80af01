//! Whether ours keeps the bounds: a figure, what was wanted, and met or missed.

use super::figures::Figures;
use super::peers::OURS;
use super::results::Results;
use super::scenarios::{Bound, Scenario};

/// One bound, for one of our doors.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    /// The whole sentence, without the word at its end.
    pub(crate) text: String,
    /// `None`: what would be needed was not measured.
    pub(crate) met: Option<bool>,
}

impl Verdict {
    /// Met, missed, or neither.
    pub(crate) fn word(&self) -> &'static str {
        match self.met {
            Some(true) => "met",
            Some(false) => "missed",
            None => "not measured",
        }
    }
}

/// What a bound compares: a figure, what it is, and the wanted value.
struct Found {
    value: Option<f64>,
    what: String,
    wanted: f64,
    at_least: bool,
}

/// All bounds of a scenario. `processors`: of this machine.
pub(crate) fn verdicts(results: &Results, scenario: &Scenario, processors: u32) -> Vec<Verdict> {
    let measured = |ours: &str| {
        let points = results.points(scenario.name);
        points.iter().any(|at| {
            results.median(scenario.name, *at, ours).is_some()
                || results.fault(scenario.name, *at, ours).is_some()
        })
    };
    let mut all = Vec::new();
    for bound in scenario.bounds {
        for ours in OURS.into_iter().filter(|ours| measured(ours)) {
            all.push(judge(ours, &look(results, scenario, *bound, ours, processors)));
        }
    }
    all
}

fn judge(ours: &str, found: &Found) -> Verdict {
    let Found { value, what, wanted, at_least } = found;
    let (word, met) = if *at_least {
        ("at least", value.map(|value| value >= *wanted))
    } else {
        ("at most", value.map(|value| value <= *wanted))
    };
    let value = value.map_or_else(|| "?".to_owned(), |value| format!("{value:.2}"));
    Verdict { text: format!("{ours}: {value} {what}; {word} {wanted}"), met }
}

fn look(
    results: &Results,
    scenario: &Scenario,
    bound: Bound,
    ours: &str,
    processors: u32,
) -> Found {
    let name = scenario.name;
    let at = results.points(name).last().copied().unwrap_or_default();
    let median = results.median(name, at, ours);
    let least =
        |value, what: &str, wanted| Found { value, what: what.to_owned(), wanted, at_least: true };
    let most =
        |value, what: &str, wanted| Found { value, what: what.to_owned(), wanted, at_least: false };
    match bound {
        Bound::Times(wanted, peers) => {
            let ratio = |peer: &&'static str| {
                let pick = |figures: &Figures| figures.rate;
                Some((results.ratio(name, [(at, ours), (at, peer)], &pick)?, *peer))
            };
            let best =
                peers.iter().filter_map(ratio).min_by(|one, other| one.0.total_cmp(&other.0));
            let peer = best.map_or_else(|| peers.join(" or "), |(_, peer)| peer.to_owned());
            // The steadier figure beside the one that is asked for.
            let cost = |figures: &Figures| figures.cost.map(|[user, system]| user + system);
            let cost = results.ratio(name, [(at, &peer), (at, ours)], &cost);
            let cost = cost.map_or_else(String::new, |it| format!(" ({it:.2} by processor time)"));
            least(best.map(|(ratio, _)| ratio), &format!("times {peer}{cost}"), wanted)
        }
        Bound::NoFailures => {
            let failures = median.and_then(|it| u32::try_from(it.failures).ok()).map(f64::from);
            most(failures, "failures", 0.0)
        }
        Bound::Tail(wanted) => {
            let tail = median.and_then(|it| Some(it.wait(990)? / it.wait(500)?));
            most(tail, "times the median is the 99th percentile", wanted)
        }
        Bound::Busy(wanted) => {
            let workers = scenario.workers.first().copied().unwrap_or(1);
            let full = f64::from(workers) * 100.0;
            let rate = median.and_then(|it| it.rate).map(|rate| rate / full);
            least(rate, "of what its workers can do", wanted)
        }
        Bound::Beside(wanted) => {
            let pick = |figures: &Figures| figures.rate;
            let ratio = results.ratio(name, [(at, ours), (0, ours)], &pick);
            least(ratio, &format!("of the requests, beside {at} idle connections"), wanted)
        }
        Bound::IdleCost(wanted) => {
            most(idle_cost(results, name, ours), "KiB per idle connection", wanted)
        }
        Bound::Flat(wanted) => {
            let low = worst(results, name, ours, processors);
            let what = low.map_or_else(
                || "of the best, from as many workers as processors".to_owned(),
                |(_, workers)| format!("of the best, with {workers} workers"),
            );
            least(low.map(|(share, _)| share), &what, wanted)
        }
    }
}

/// The lowest rate as a share of the best, round by round, and where it is: among as many workers as there
/// are processors, and more. `None` if one is missing.
fn worst(results: &Results, name: &str, ours: &str, processors: u32) -> Option<(f64, u32)> {
    let points = || results.points(name).into_iter().filter(|workers| *workers >= processors);
    let rate = |workers| Some((results.median(name, workers, ours)?.rate?, workers));
    let rates: Option<Vec<(f64, u32)>> = points().map(rate).collect();
    let (_, best) = rates?.into_iter().max_by(|one, other| one.0.total_cmp(&other.0))?;
    let pick = |figures: &Figures| figures.rate;
    let share =
        |workers| Some((results.ratio(name, [(workers, ours), (best, ours)], &pick)?, workers));
    let shares: Option<Vec<(f64, u32)>> = points().map(share).collect();
    shares?.into_iter().min_by(|one, other| one.0.total_cmp(&other.0))
}

/// What the tree has grown by per idle connection, in KiB, by the medians of all rounds.
pub(crate) fn idle_cost(results: &Results, scenario: &str, server: &str) -> Option<f64> {
    let at = results.points(scenario).last().copied().filter(|at| *at > 0)?;
    let memory = |at| results.median(scenario, at, server).and_then(|figures| figures.memory);
    Some((memory(at)? - memory(0)?) / f64::from(at))
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::rates;
    use super::super::scenarios::select;
    use super::*;

    fn scenario(name: &str) -> Scenario {
        select(&[name.to_owned()]).unwrap()[0]
    }

    #[test]
    fn the_best_of_several_peers_counts() {
        let mut results = Results::default();
        rates(&mut results, "fresh-30", (0, "monoceros"), &[Some(12.0)]);
        rates(&mut results, "fresh-30", (0, "feersum"), &[Some(6.0)]);
        rates(&mut results, "fresh-30", (0, "gazelle"), &[Some(12.0)]);
        let all = verdicts(&results, &scenario("fresh-30"), 2);
        assert_eq!(all.len(), 1, "the other door was not measured: {all:?}");
        assert_eq!(
            all[0].text,
            "monoceros: 1.00 times gazelle (1.00 by processor time); at least 1.1"
        );
        assert_eq!(all[0].word(), "missed");
    }

    #[test]
    fn without_the_peer_there_is_no_verdict() {
        let mut results = Results::default();
        rates(&mut results, "two", (0, "monoceros"), &[Some(12.0)]);
        rates(&mut results, "two", (0, "feersum"), &[None]);
        assert_eq!(verdicts(&results, &scenario("two"), 2)[0].met, None);
    }

    #[test]
    fn fewer_workers_than_processors_do_not_count() {
        let mut results = Results::default();
        for (workers, rate) in [(1, 50.0), (2, 100.0), (4, 95.0), (8, 80.0)] {
            rates(&mut results, "workers", (workers, "monoceros"), &[Some(rate)]);
        }
        let all = verdicts(&results, &scenario("workers"), 2);
        assert_eq!(all[0].text, "monoceros: 0.80 of the best, with 8 workers; at least 0.9");
        assert_eq!(verdicts(&results, &scenario("workers"), 8)[0].met, Some(true));
    }
}

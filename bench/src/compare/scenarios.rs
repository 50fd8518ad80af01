//! The scenarios: what is asked of every server, which user it stands for, and the bound that ours is to
//! keep.

/// What runs in the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum App {
    /// The application that keep-alive benchmarks of the Perl Monoceros used: Plack::Request and a
    /// middleware.
    Seed,
    /// A constant.
    Hello,
    /// A constant, after 10 ms.
    Blocking,
}

impl App {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Seed, Self::Hello, Self::Blocking];

    /// Its file.
    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::Seed => "seed.psgi",
            Self::Hello => "hello.psgi",
            Self::Blocking => "blocking.psgi",
        }
    }

    /// What is in the file.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Seed => include_str!("../../../tests/apps/seed.psgi"),
            Self::Hello => include_str!("../../apps/hello.psgi"),
            Self::Blocking => include_str!("../../apps/blocking.psgi"),
        }
    }

    /// The body that it answers with.
    pub(crate) fn body(self) -> &'static str {
        match self {
            Self::Seed => "xxxxxxxxxxxx",
            Self::Hello | Self::Blocking => "Hello World!",
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// wrk: kept connections for some seconds.
    Wrk,
    /// ab: a connection per request.
    Ab,
    /// Our client: so many requests on each connection, to the end.
    Each(u32),
    /// Our client, for some seconds.
    Client,
    /// Our client, for some seconds; a connection is closed after so many answers.
    Short(u32),
    /// 100 active connections by wrk, alone and beside so many idle ones.
    Idle,
}

/// What is drawn along the horizontal axis, when a scenario has many points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Along {
    /// The scenario has one point.
    Nothing,
    /// Workers.
    Workers,
    /// Connections.
    Connections,
    /// Idle connections.
    Idle,
}

/// What ours is to reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bound {
    /// At least so many times the requests of the best of these.
    Times(f64, &'static [&'static str]),
    /// No request fails.
    NoFailures,
    /// The 99th percentile is at most so many times the median.
    Tail(f64),
    /// At least this share of what workers can do that are never idle, 10 ms per request.
    Busy(f64),
    /// At least this share of the requests without idle connections.
    Beside(f64),
    /// At most so many KiB of memory per idle connection.
    IdleCost(f64),
    /// No number of workers, from that of processors up, below this share of the best.
    Flat(f64),
}

/// One scenario.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scenario {
    /// By which it is selected.
    pub(crate) name: &'static str,
    /// What it is, and who meets it.
    pub(crate) about: &'static str,
    pub(crate) app: App,
    pub(crate) load: Load,
    pub(crate) along: Along,
    /// Workers, or those of each point.
    pub(crate) workers: &'static [u32],
    /// Connections (of [`Load::Idle`]: idle ones), or those of each point.
    pub(crate) connections: &'static [u32],
    pub(crate) bounds: &'static [Bound],
}

const FEERSUM: &[&str] = &["feersum"];
const KEEPALIVE: &[Bound] = &[
    Bound::Times(1.15, FEERSUM),
    Bound::Times(1.8, &["starlet"]),
    Bound::Times(1.8, &["starman"]),
];
const HELLO: &[Bound] = &[Bound::Times(1.0, FEERSUM)];

/// A scenario of one point, by wrk.
const fn kept(
    [name, about]: [&'static str; 2],
    app: App,
    workers: &'static [u32],
    connections: &'static [u32],
    bounds: &'static [Bound],
) -> Scenario {
    let (load, along) = (Load::Wrk, Along::Nothing);
    Scenario { name, about, app, load, along, workers, connections, bounds }
}

/// All of them, in the order in which they are run and told.
pub(crate) const ALL: [Scenario; 15] = [
    kept(
        ["keepalive-4x30", "a small site behind a proxy that keeps 30 connections; 4 workers"],
        App::Seed,
        &[4],
        &[30],
        KEEPALIVE,
    ),
    kept(
        ["keepalive-15x100", "a busy site: 100 kept connections on 15 workers"],
        App::Seed,
        &[15],
        &[100],
        KEEPALIVE,
    ),
    kept(
        [
            "keepalive-15x1000",
            "browsers that connect directly: 1,000 kept connections on 15 workers",
        ],
        App::Seed,
        &[15],
        &[1000],
        KEEPALIVE,
    ),
    kept(
        ["hello-4x30", "the server alone: a constant, 30 kept connections, 4 workers"],
        App::Hello,
        &[4],
        &[30],
        HELLO,
    ),
    kept(
        ["hello-15x100", "a constant, 100 kept connections, 15 workers"],
        App::Hello,
        &[15],
        &[100],
        HELLO,
    ),
    kept(
        ["hello-15x1000", "a constant, 1,000 kept connections, 15 workers"],
        App::Hello,
        &[15],
        &[1000],
        HELLO,
    ),
    kept(
        ["two", "a script and its neighbour: 2 kept connections, 4 workers"],
        App::Seed,
        &[4],
        &[2],
        &[Bound::Times(1.3, FEERSUM)],
    ),
    Scenario {
        load: Load::Ab,
        ..kept(
            [
                "fresh-30",
                "a proxy without keep-alive: a connection per request, 30 at a time, 4 workers",
            ],
            App::Seed,
            &[4],
            &[30],
            &[Bound::Times(1.1, &["feersum", "gazelle"])],
        )
    },
    Scenario {
        load: Load::Ab,
        ..kept(
            ["fresh-100", "a connection per request, 100 at a time, 15 workers"],
            App::Seed,
            &[15],
            &[100],
            &[Bound::Times(1.1, &["feersum", "gazelle"])],
        )
    },
    Scenario {
        load: Load::Each(250),
        ..kept(
            [
                "burst",
                "1,000 clients at once, 250 requests each, none of which may wait 5 s; 15 workers",
            ],
            App::Seed,
            &[15],
            &[1000],
            &[Bound::NoFailures, Bound::Times(1.2, FEERSUM), Bound::Tail(3.0)],
        )
    },
    Scenario {
        load: Load::Client,
        ..kept(
            ["blocking", "a database call of 10 ms in each request: 1,000 connections, 15 workers"],
            App::Blocking,
            &[15],
            &[1000],
            &[Bound::Busy(0.97), Bound::Tail(1.3)],
        )
    },
    Scenario {
        load: Load::Short(6),
        ..kept(
            [
                "six",
                "browsers that fetch a page: connections of 6 requests, 100 at a time, 15 workers",
            ],
            App::Seed,
            &[15],
            &[100],
            &[Bound::Times(1.0, FEERSUM)],
        )
    },
    Scenario {
        load: Load::Idle,
        along: Along::Idle,
        ..kept(
            ["idle", "100 active connections beside thousands that are silent; 15 workers"],
            App::Seed,
            &[15],
            &[0, 1000, 3000, 9000],
            &[Bound::Beside(0.97), Bound::IdleCost(1.0)],
        )
    },
    Scenario {
        along: Along::Workers,
        ..kept(
            ["workers", "the same 100 connections on more and more workers"],
            App::Seed,
            &[1, 2, 4, 8, 16, 32, 64],
            &[100],
            &[Bound::Flat(0.9)],
        )
    },
    Scenario {
        along: Along::Connections,
        ..kept(
            ["connections", "more and more kept connections on 15 workers"],
            App::Seed,
            &[15],
            &[1, 2, 5, 10, 30, 100, 300, 1000, 3000, 10_000],
            &[],
        )
    },
];

impl Scenario {
    /// Its points: what is drawn along, workers, connections.
    pub(crate) fn points(&self, quick: bool) -> Vec<Point> {
        let point = |workers, connections| Point {
            at: match self.along {
                Along::Nothing => 0,
                Along::Workers => workers,
                Along::Connections | Along::Idle => connections,
            },
            workers,
            connections,
        };
        let every = |list: &'static [u32]| {
            // A look at a curve: its ends, and something in between.
            let few = quick && list.len() > 3;
            let kept = move |at: usize| !few || at.is_multiple_of(3);
            list.iter().enumerate().filter(move |(at, _)| kept(*at)).map(|(_, value)| *value)
        };
        let mut points = Vec::new();
        for workers in every(self.workers) {
            points.extend(every(self.connections).map(|connections| point(workers, connections)));
        }
        if quick {
            let most = if self.along == Along::Idle { 1000 } else { 300 };
            points.iter_mut().for_each(|point| point.connections = point.connections.min(most));
        }
        if self.along != Along::Nothing && self.along != Along::Workers {
            points.iter_mut().for_each(|point| point.at = point.connections);
            points.dedup();
        }
        points
    }
}

/// One point of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point {
    /// Where it is drawn; 0 if the scenario has but one.
    pub(crate) at: u32,
    pub(crate) workers: u32,
    pub(crate) connections: u32,
}

/// The scenarios whose names begin with one of these; all, if none is given.
///
/// # Errors
///
/// If nothing is named so.
pub(crate) fn select(names: &[String]) -> anyhow::Result<Vec<Scenario>> {
    let begins = |scenario: &Scenario, name: &String| scenario.name.starts_with(name.as_str());
    for name in names {
        if name.is_empty() || !ALL.iter().any(|scenario| begins(scenario, name)) {
            let known: Vec<_> = ALL.iter().map(|scenario| scenario.name).collect();
            anyhow::bail!("there is no scenario {name:?}: {}", known.join(", "));
        }
    }
    let wanted =
        |scenario: &&Scenario| names.is_empty() || names.iter().any(|name| begins(scenario, name));
    Ok(ALL.iter().filter(wanted).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_selected_by_how_they_begin() {
        let names = |asked: &[&str]| {
            let asked: Vec<_> = asked.iter().map(|name| (*name).to_owned()).collect();
            select(&asked).unwrap().iter().map(|scenario| scenario.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&[]).len(), ALL.len());
        assert_eq!(names(&["two", "fresh"]), ["two", "fresh-30", "fresh-100"]);
        assert!(select(&["nothing".to_owned()]).is_err());
    }

    #[test]
    fn a_sweep_has_a_point_for_each_value() {
        let points = |name: &str, quick| {
            let scenario = select(&[name.to_owned()]).unwrap()[0];
            scenario.points(quick).iter().map(|point| point.at).collect::<Vec<_>>()
        };
        assert_eq!(points("workers", false), [1, 2, 4, 8, 16, 32, 64]);
        assert_eq!(points("workers", true), [1, 8, 64]);
        assert_eq!(points("connections", true), [1, 10, 300]);
        assert_eq!(points("idle", true), [0, 1000]);
        assert_eq!(points("two", false), [0]);
    }

    #[test]
    fn names_are_different() {
        let mut names: Vec<_> = ALL.iter().map(|scenario| scenario.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}

//! What is told in the end: a section per scenario, as Markdown, as one HTML page and as plots.

use std::fs;
use std::path::Path;

use anyhow::Context;

use super::figures::{Figures, SHARES};
use super::peers::{OURS, Peer};
use super::plot::{Line, Plot, Scale, grouped};
use super::results::Results;
use super::scenarios::{ALL, Along, Scenario};
use super::table::{Table, escaped};
use super::verdicts::{Verdict, idle_cost, verdicts};

/// Everything that there is to tell.
pub(crate) struct Report<'a> {
    pub(crate) peers: &'a [Peer],
    pub(crate) results: &'a Results,
    /// Sentences about the machine, and about what is missing.
    pub(crate) remarks: Vec<String>,
    pub(crate) processors: u32,
}

/// What is told of one scenario.
struct Section {
    title: String,
    about: String,
    table: Table,
    verdicts: Vec<Verdict>,
    /// Why servers have no figures.
    faults: Vec<String>,
    /// File and plot.
    plot: Option<(String, Plot)>,
}

impl Report<'_> {
    /// The Markdown; `compare.md`, `index.html`, `raw.tsv` and the plots are written into `folder`.
    ///
    /// # Errors
    ///
    /// If they cannot be written.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<String> {
        let measured = |scenario: &&Scenario| !self.results.points(scenario.name).is_empty();
        let sections: Vec<Section> =
            ALL.iter().filter(measured).map(|scenario| self.section(scenario)).collect();
        let put = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
        };
        for (file, plot) in sections.iter().filter_map(|section| section.plot.as_ref()) {
            put(file, &plot.svg())?;
        }
        let markdown = self.markdown(&sections);
        put("compare.md", &markdown)?;
        put("index.html", &self.html(&sections))?;
        put("raw.tsv", &self.results.tab_separated())?;
        Ok(markdown)
    }

    /// Requests per second: a row per scenario of one point, a column per server.
    fn summary(&self) -> Table {
        let mut table = Table::new(&["requests/s"]);
        table.head.extend(self.peers.iter().map(|peer| peer.name.clone()));
        let one = |scenario: &&Scenario| {
            scenario.along == Along::Nothing && !self.results.points(scenario.name).is_empty()
        };
        for scenario in ALL.iter().filter(one) {
            let cell = |peer: &Peer| {
                let rate = self.results.median(scenario.name, 0, &peer.name).and_then(|it| it.rate);
                let fault =
                    || self.results.fault(scenario.name, 0, &peer.name).map(|_| "fails".to_owned());
                rate.map(grouped).or_else(fault).unwrap_or_default()
            };
            let cells = self.peers.iter().map(cell);
            table.rows.push(std::iter::once(scenario.name.to_owned()).chain(cells).collect());
        }
        table
    }

    fn section(&self, scenario: &Scenario) -> Section {
        let table = match scenario.along {
            Along::Nothing => self.one_point(scenario),
            Along::Workers | Along::Connections => self.sweep(scenario),
            Along::Idle => self.idle(scenario),
        };
        let mut faults = Vec::new();
        for peer in self.peers {
            let fault = |at: &u32| self.results.fault(scenario.name, *at, &peer.name);
            if let Some(fault) = self.results.points(scenario.name).iter().find_map(fault) {
                faults.push(format!("{}: {fault}", peer.name));
            }
        }
        Section {
            title: scenario.name.to_owned(),
            about: format!("{} ({})", scenario.about, self.rounds(scenario)),
            table,
            verdicts: verdicts(self.results, scenario, self.processors),
            faults,
            plot: self.plot(scenario),
        }
    }

    fn rounds(&self, scenario: &Scenario) -> String {
        match self.results.rounds(scenario.name) {
            1 => "1 round".to_owned(),
            rounds => format!("{rounds} rounds"),
        }
    }

    fn one_point(&self, scenario: &Scenario) -> Table {
        let mut table = Table::new(&[
            "server",
            "requests/s",
            "ours, times it",
            "CPU µs per request",
            "own code + kernel",
            "CPU, times ours",
            "median ms",
            "p99 ms",
            "longest ms",
            "failed",
        ]);
        let name = scenario.name;
        for peer in self.peers {
            let ratio = |[one, other]: [&str; 2], pick: &dyn Fn(&Figures) -> Option<f64>| {
                let ratio = self.results.ratio(name, [(0, one), (0, other)], pick);
                if one == other { String::new() } else { number(ratio, 2) }
            };
            let Some(figures) = self.results.median(name, 0, &peer.name) else {
                if self.results.fault(name, 0, &peer.name).is_some() {
                    table.rows.push(failed(&peer.name, table.head.len()));
                }
                continue;
            };
            let cost = |figures: &Figures| figures.cost.map(|[user, system]| user + system);
            let parts = figures.cost.map(|[user, system]| format!("{user:.1} + {system:.1}"));
            table.rows.push(vec![
                peer.name.clone(),
                figures.rate.map(grouped).unwrap_or_default(),
                ratio([OURS[0], &peer.name], &|figures| figures.rate),
                number(cost(&figures), 1),
                parts.unwrap_or_default(),
                ratio([&peer.name, OURS[0]], &cost),
                number(figures.wait(500), 2),
                number(figures.wait(990), 2),
                number(figures.wait(1000), 1),
                figures.failures.to_string(),
            ]);
        }
        table
    }

    /// Requests per second, a column per point.
    fn sweep(&self, scenario: &Scenario) -> Table {
        let points = self.results.points(scenario.name);
        let what = if scenario.along == Along::Workers { "workers" } else { "connections" };
        let mut table = Table::new(&[what]);
        table.head.extend(points.iter().map(|at| grouped(f64::from(*at))));
        for peer in self.peers {
            let cell = |at: &u32| {
                let figures = self.results.median(scenario.name, *at, &peer.name)?;
                Some(match figures.failures {
                    0 => figures.rate.map(grouped)?,
                    failures => format!("{} ({failures} failed)", figures.rate.map(grouped)?),
                })
            };
            let cells: Vec<_> = points.iter().map(cell).collect();
            let faulty = points
                .iter()
                .any(|at| self.results.fault(scenario.name, *at, &peer.name).is_some());
            if faulty || cells.iter().any(Option::is_some) {
                let cells =
                    cells.into_iter().map(|cell| cell.unwrap_or_else(|| "fails".to_owned()));
                table.rows.push(std::iter::once(peer.name.clone()).chain(cells).collect());
            }
        }
        table
    }

    fn idle(&self, scenario: &Scenario) -> Table {
        let name = scenario.name;
        let most = self.results.points(name).last().copied().unwrap_or_default();
        let mut table = Table::new(&[
            "server",
            "requests/s without",
            &format!("beside {} idle", grouped(f64::from(most))),
            "share",
            "KiB per idle connection",
            "failed",
        ]);
        for peer in self.peers {
            let server = peer.name.as_str();
            let Some(alone) = self.results.median(name, 0, server) else {
                if self.results.fault(name, 0, server).is_some() {
                    table.rows.push(failed(server, table.head.len()));
                }
                continue;
            };
            let beside = self.results.median(name, most, server);
            let share = self.results.ratio(name, [(most, server), (0, server)], &|it| it.rate);
            let rate = beside.as_ref().and_then(|it| it.rate);
            table.rows.push(vec![
                peer.name.clone(),
                alone.rate.map(grouped).unwrap_or_default(),
                rate.map_or_else(|| "fails".to_owned(), grouped),
                number(share, 3),
                number(idle_cost(self.results, name, server), 2),
                beside.map(|it| it.failures.to_string()).unwrap_or_default(),
            ]);
        }
        table
    }

    fn plot(&self, scenario: &Scenario) -> Option<(String, Plot)> {
        let name = scenario.name;
        let line = |pick: &dyn Fn(&str, u32) -> Option<f64>, points: &[u32]| {
            let lines = self.peers.iter().map(|peer| Line {
                name: peer.name.clone(),
                points: points
                    .iter()
                    .filter_map(|at| Some((f64::from(*at), pick(&peer.name, *at)?)))
                    .collect(),
            });
            lines.filter(|line| !line.points.is_empty()).collect::<Vec<_>>()
        };
        let points = self.results.points(name);
        let marks = points.iter().map(|at| (f64::from(*at), grouped(f64::from(*at)))).collect();
        let plot = |title: &str, labels: [&str; 2], scales, lines| Plot {
            title: title.to_owned(),
            labels: labels.map(str::to_owned),
            scales,
            marks,
            lines,
        };
        let rate = |server: &str, at| self.results.median(name, at, server)?.rate;
        let plot = match scenario.along {
            Along::Workers | Along::Connections => {
                let along =
                    if scenario.along == Along::Workers { "workers" } else { "connections" };
                let title = format!("Requests per second against {along}");
                let scales = [Scale::Log, Scale::Linear];
                plot(&title, [along, "requests/s"], scales, line(&rate, &points))
            }
            Along::Idle => {
                let memory = |server: &str, at| {
                    Some(self.results.median(name, at, server)?.memory? / 1024.0)
                };
                let labels = ["idle connections", "MiB of memory, all processes"];
                let scales = [Scale::Linear, Scale::Linear];
                plot("Memory against idle connections", labels, scales, line(&memory, &points))
            }
            Along::Nothing => return self.latency(scenario),
        };
        Some((format!("{name}.svg"), plot))
    }

    /// What shares of the requests waited, where all of them are known.
    fn latency(&self, scenario: &Scenario) -> Option<(String, Plot)> {
        let lines = self.peers.iter().filter_map(|peer| {
            let figures = self.results.median(scenario.name, 0, &peer.name)?;
            let points: Vec<_> = SHARES
                .iter()
                .filter_map(|share| {
                    let at = f64::from(u32::try_from(*share).ok()?);
                    Some((at, figures.wait(*share).filter(|wait| *wait > 0.0)?))
                })
                .collect();
            (points.len() == SHARES.len()).then(|| Line { name: peer.name.clone(), points })
        });
        let lines: Vec<_> = lines.collect();
        let mark = |share: &usize| {
            let at = f64::from(u32::try_from(*share).unwrap_or(0));
            (at, format!("{}%", at / 10.0))
        };
        let plot = Plot {
            title: format!("How long requests wait: {}", scenario.name),
            labels: ["share of the requests", "ms"].map(str::to_owned),
            scales: [Scale::Steps, Scale::Log],
            marks: SHARES.iter().map(mark).collect(),
            lines,
        };
        (!plot.lines.is_empty()).then(|| (format!("{}.svg", scenario.name), plot))
    }

    /// Name and version, command, note.
    fn servers(&self) -> impl Iterator<Item = [String; 3]> {
        self.peers.iter().map(|peer| {
            let name = format!("{} {}", peer.name, peer.version);
            let note = if peer.note.is_empty() { "" } else { "; " };
            [name.trim().to_owned(), peer.told(), format!("{note}{}", peer.note)]
        })
    }

    fn markdown(&self, sections: &[Section]) -> String {
        let mut text = String::new();
        let mut add = |parts: &[&str]| parts.iter().for_each(|part| text.push_str(part));
        add(&[
            "# Monoceros and its peers\n\nWritten by `monoceros-bench compare`; the same as a page: index.html.\n\n",
        ]);
        for remark in &self.remarks {
            add(&["- ", remark, "\n"]);
        }
        for [name, command, note] in self.servers() {
            add(&["- ", &name, ": `", &command, "`", &note, "\n"]);
        }
        let summary = self.summary();
        if !summary.rows.is_empty() {
            add(&["\n## In short\n\n", &summary.markdown(), "\n## Scenario by scenario\n"]);
        }
        add(&["\n"]);
        for section in sections {
            let Section { title, about, table, .. } = section;
            add(&["### ", title, "\n\n", about, "\n\n", &table.markdown(), "\n"]);
            for verdict in &section.verdicts {
                add(&["- ", &verdict.text, ": **", verdict.word(), "**\n"]);
            }
            for fault in &section.faults {
                add(&["- without figures in some round: ", fault, "\n"]);
            }
            if let Some((file, plot)) = &section.plot {
                add(&["\n![", &plot.title, "](", file, ")\n"]);
            }
            add(&["\n"]);
        }
        text
    }

    fn html(&self, sections: &[Section]) -> String {
        let mut text = include_str!("page.html").to_owned();
        let list = |items: &mut dyn Iterator<Item = String>| {
            let items: String = items.map(|item| format!("<li>{item}</li>\n")).collect();
            format!("<ul>\n{items}</ul>\n")
        };
        text.push_str(&list(&mut self.remarks.iter().map(|remark| escaped(remark))));
        text.push_str(&list(&mut self.servers().map(|[name, command, note]| {
            let [name, command, note] = [name, command, note].map(|part| escaped(&part));
            format!("{name}: <code>{command}</code>{note}")
        })));
        text.push_str(&self.summary().html());
        for section in sections {
            let Section { title, about, table, .. } = section;
            text.push_str(&format!("<h2>{}</h2>\n<p>{}</p>\n", escaped(title), escaped(about)));
            text.push_str(&table.html());
            let verdict = |verdict: &Verdict| {
                format!("{}: <b>{}</b>", escaped(&verdict.text), verdict.word())
            };
            let fault =
                |fault: &String| format!("without figures in some round: {}", escaped(fault));
            let mut items =
                section.verdicts.iter().map(verdict).chain(section.faults.iter().map(fault));
            text.push_str(&list(&mut items));
            if let Some((_, plot)) = &section.plot {
                text.push_str(&plot.svg());
            }
        }
        text.push_str("</html>\n");
        text
    }
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or(String::new(), |value| format!("{value:.digits$}"))
}

/// A row of a server that has no figures.
fn failed(server: &str, columns: usize) -> Vec<String> {
    let mut row = vec![server.to_owned(), "fails".to_owned()];
    row.resize(columns, String::new());
    row
}

//! Everything that was measured, round by round.

use std::fmt::Write;

use anyhow::Context;

use super::figures::{Figures, SHARES, median};
use super::measure::Outcome;
use super::scenarios::ALL;

/// One server at one point of one scenario in one round.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) scenario: &'static str,
    pub(crate) at: u32,
    pub(crate) server: String,
    pub(crate) round: u32,
    pub(crate) figures: Result<Figures, String>,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Results(Vec<Row>);

impl Results {
    /// Adds what came of one server in one round; gives the rows that are new.
    pub(crate) fn add(
        &mut self,
        scenario: &'static str,
        server: &str,
        round: u32,
        outcomes: Vec<Outcome>,
    ) -> &[Row] {
        let from = self.0.len();
        self.0.extend(outcomes.into_iter().map(|(point, figures)| Row {
            scenario,
            at: point.at,
            server: server.to_owned(),
            round,
            figures,
        }));
        &self.0[from..]
    }

    /// What [`tab_separated`](Self::tab_separated) wrote, without the scenarios that are not `wanted`.
    ///
    /// # Errors
    ///
    /// If a line is not one of its lines.
    pub(crate) fn read(text: &str, wanted: impl Fn(&str) -> bool) -> anyhow::Result<Self> {
        let mut rows = Vec::new();
        for line in text.lines().skip(1) {
            let row = row(line).with_context(|| format!("not a line of figures: {line:?}"))?;
            rows.extend(Some(row).filter(|row| wanted(row.scenario)));
        }
        Ok(Self(rows))
    }

    /// Whether a server was measured, with or without success.
    pub(crate) fn has(&self, server: &str) -> bool {
        self.0.iter().any(|row| row.server == server)
    }

    fn of<'a, 'b>(
        &'a self,
        scenario: &'b str,
        at: u32,
        server: &'b str,
    ) -> impl Iterator<Item = &'a Row> + use<'a, 'b> {
        self.0
            .iter()
            .filter(move |row| row.scenario == scenario && row.at == at && row.server == server)
    }

    /// The medians of all rounds; `None` if none has figures.
    pub(crate) fn median(&self, scenario: &str, at: u32, server: &str) -> Option<Figures> {
        let rows = self.of(scenario, at, server);
        let all: Vec<Figures> = rows.filter_map(|row| row.figures.clone().ok()).collect();
        (!all.is_empty()).then(|| Figures::median(&all))
    }

    /// Why there are no figures, if some round has none.
    pub(crate) fn fault<'a>(&'a self, scenario: &str, at: u32, server: &str) -> Option<&'a str> {
        let mut rows = self.of(scenario, at, server);
        rows.find_map(|row| row.figures.as_ref().err()).map(String::as_str)
    }

    /// How many rounds there were of a scenario.
    pub(crate) fn rounds(&self, scenario: &str) -> u32 {
        let rows = self.0.iter().filter(|row| row.scenario == scenario);
        rows.map(|row| row.round).max().unwrap_or_default()
    }

    /// The points that a scenario was measured at, in order.
    pub(crate) fn points(&self, scenario: &str) -> Vec<u32> {
        let rows = self.0.iter().filter(|row| row.scenario == scenario);
        let mut points: Vec<u32> = rows.map(|row| row.at).collect();
        points.sort_unstable();
        points.dedup();
        points
    }

    /// One place against another, paired round by round, so that a machine that becomes busy meanwhile
    /// counts for both: the median of the quotients. A place is a point and a server.
    pub(crate) fn ratio(
        &self,
        scenario: &str,
        [one, other]: [(u32, &str); 2],
        pick: &dyn Fn(&Figures) -> Option<f64>,
    ) -> Option<f64> {
        let value = |row: &Row| row.figures.as_ref().ok().and_then(pick);
        let quotients = self.of(scenario, one.0, one.1).filter_map(|row| {
            let mut theirs = self.of(scenario, other.0, other.1);
            let theirs = theirs.find(|theirs| theirs.round == row.round)?;
            let (above, below) = (value(row)?, value(theirs)?);
            (below > 0.0).then(|| above / below)
        });
        median(quotients)
    }

    /// Every measurement, one to a line.
    pub(crate) fn tab_separated(&self) -> String {
        let mut text = "scenario\tat\tserver\tround\trequests/s\tuser us\tkernel us".to_owned();
        for share in SHARES {
            _ = write!(text, "\tp{} ms", f64::from(u32::try_from(share).unwrap_or(0)) / 10.0);
        }
        text.push_str("\tfailures\tKiB\tfault\n");
        for row in &self.0 {
            let Row { scenario, at, server, round, figures } = row;
            let none = Figures::default();
            let (figures, fault) = match figures {
                Ok(figures) => (figures, ""),
                Err(why) => (&none, why.as_str()),
            };
            let cell = |value: Option<f64>| value.map_or(String::new(), |it| format!("{it:.3}"));
            _ = write!(text, "{scenario}\t{at}\t{server}\t{round}\t{}", cell(figures.rate));
            let [user, system] = [0, 1].map(|at| figures.cost.map(|cost| cost[at]));
            for value in [user, system].into_iter().chain(figures.waits) {
                _ = write!(text, "\t{}", cell(value));
            }
            let fault = fault.replace(['\t', '\n'], " ");
            _ = writeln!(text, "\t{}\t{}\t{fault}", figures.failures, cell(figures.memory));
        }
        text
    }
}

/// One line of figures.
fn row(line: &str) -> Option<Row> {
    let cells: Vec<&str> = line.split('\t').collect();
    let [scenario, at, server, round, figures @ .., failures, memory, fault] = &cells[..] else {
        return None;
    };
    let value = |cell: &&str| cell.parse::<f64>().ok();
    let [rate, user, system, waits @ ..] = figures else { return None };
    if waits.len() != SHARES.len() {
        return None;
    }
    let mut figures = Figures {
        rate: value(rate),
        cost: value(user).zip(value(system)).map(|(user, system)| [user, system]),
        failures: failures.parse().ok()?,
        memory: value(memory),
        ..Figures::default()
    };
    for (wait, cell) in figures.waits.iter_mut().zip(waits) {
        *wait = value(cell);
    }
    Some(Row {
        scenario: ALL.iter().find(|one| one.name == *scenario)?.name,
        at: at.parse().ok()?,
        server: (*server).to_owned(),
        round: round.parse().ok()?,
        figures: if fault.is_empty() { Ok(figures) } else { Err((*fault).to_owned()) },
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::compare::scenarios::Point;

    /// Rates of one server at one point, round by round; `None` is a failure.
    pub(crate) fn rates(
        results: &mut Results,
        scenario: &'static str,
        (at, server): (u32, &str),
        rates: &[Option<f64>],
    ) {
        for (round, rate) in (1..).zip(rates) {
            let point = Point { at, workers: 1, connections: 1 };
            let figures = match rate {
                None => Err("it did not start".to_owned()),
                rate => Ok(Figures { rate: *rate, cost: Some([10.0, 5.0]), ..Figures::default() }),
            };
            results.add(scenario, server, round, vec![(point, figures)]);
        }
    }

    #[test]
    fn ratios_are_paired_by_round() {
        let mut results = Results::default();
        rates(&mut results, "two", (0, "ours"), &[Some(20.0), Some(200.0), None]);
        rates(&mut results, "two", (0, "theirs"), &[Some(10.0), Some(50.0), Some(1.0)]);
        let ratio = |one, other| {
            results.ratio("two", [(0, one), (0, other)], &|figures: &Figures| figures.rate)
        };
        assert_eq!(ratio("ours", "theirs"), Some(3.0));
        assert_eq!(ratio("ours", "nobody"), None);
        assert_eq!(results.fault("two", 0, "ours"), Some("it did not start"));
        assert_eq!(results.median("two", 0, "ours").unwrap().rate, Some(110.0));
    }

    #[test]
    fn raw_figures_have_a_line_each_and_as_many_columns_as_the_first() {
        let mut results = Results::default();
        rates(&mut results, "two", (0, "ours"), &[Some(20.0), None]);
        let text = results.tab_separated();
        let columns: Vec<_> = text.lines().map(|line| line.split('\t').count()).collect();
        assert_eq!(columns, [columns[0]; 3]);
        assert!(text.lines().nth(2).unwrap().ends_with("it did not start"));
        let again = Results::read(&text, |_| true).unwrap();
        assert_eq!(again.tab_separated(), text);
        assert!(again.has("ours") && !again.has("theirs"));
        assert!(!Results::read(&text, |name| name != "two").unwrap().has("ours"));
        assert!(Results::read("head\nnothing\n", |_| true).is_err());
    }
}

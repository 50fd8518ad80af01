//! Measurements of many seconds, taken in turns by all servers, or by one server in two states.
//!
//! A machine that others use, too, is slow for a second or ten, and then is not. Who is measured for twenty
//! seconds on end meets another machine than who comes next. In turns of a second all meet the same, and
//! what a ratio owes to chance becomes small with the number of turns.
//!
//! Price: connections are made anew in each turn. So turns are longer where connections are thousands, there
//! are four at most where a state takes seconds to be made, and what has an end of its own is one turn.

use super::figures::{Figures, SHARES};
use super::scenarios::{Load, Point};
use super::started::Spent;

/// One turn of one server.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    /// What the generator told.
    pub(crate) figures: Figures,
    /// Requests that were answered.
    pub(crate) answered: f64,
    /// What the server's tree spent meanwhile.
    pub(crate) spent: Spent,
}

/// How many turns make a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turns {
    count: u32,
    /// How long each is.
    pub(crate) seconds: u32,
}

impl Turns {
    /// For a measurement of so many seconds.
    pub(crate) fn new(load: Load, point: &Point, seconds: u32) -> Self {
        // Thousands of connections want time to be made.
        let least = 1 + point.connections / 1000;
        let long = match load {
            Load::Wrk | Load::Ab | Load::Short(_) => least,
            // Requests that wait for a second want more of them.
            Load::Client => return Self { count: 1, seconds: seconds * 2 },
            Load::Each(_) => return Self { count: 1, seconds },
            // An even number: both states are the first as often.
            Load::Idle => {
                let count = if seconds < 4 { 2 } else { 4 };
                return Self { count, seconds: seconds.div_ceil(count) };
            }
        };
        Self { count: seconds.div_ceil(long), seconds: long }
    }

    /// All turns of all servers, who are known by their number; whoever fails has no further turn.
    pub(crate) fn take(
        &self,
        servers: usize,
        mut turn: impl FnMut(usize) -> anyhow::Result<Turn>,
    ) -> Vec<anyhow::Result<Figures>> {
        let mut taken: Vec<anyhow::Result<Vec<Turn>>> = (0..servers).map(|_| Ok(vec![])).collect();
        let mut order: Vec<usize> = (0..servers).collect();
        for pass in 0..self.count {
            for who in &order {
                let Some(Ok(turns)) = taken.get_mut(*who) else { continue };
                match turn(*who) {
                    Ok(turn) => turns.push(turn),
                    Err(error) => taken[*who] = Err(error),
                }
            }
            // Nobody is always first, nor always behind the same neighbour.
            order.reverse();
            if !pass.is_multiple_of(2) {
                order.rotate_left(1.min(servers));
            }
        }
        taken.into_iter().map(|turns| turns.map(|turns| joined(&turns))).collect()
    }
}

/// All turns of one server as one measurement: rates and costs of the whole time, medians of the waits, the
/// longest of the longest, all failures.
fn joined(turns: &[Turn]) -> Figures {
    let answered: f64 = turns.iter().map(|turn| turn.answered).sum();
    let spent = turns.iter().fold(Spent::default(), |all, turn| all.plus(turn.spent));
    let all: Vec<Figures> = turns.iter().map(|turn| turn.figures.clone()).collect();
    let mut figures = Figures::median(&all);
    let rates: Vec<f64> = all.iter().filter_map(|one| one.rate).collect();
    if let Some(count) = u32::try_from(rates.len()).ok().filter(|count| *count > 0) {
        figures.rate = Some(rates.iter().sum::<f64>() / f64::from(count));
    }
    let last = SHARES.len() - 1;
    figures.waits[last] = all.iter().filter_map(|one| one.waits[last]).max_by(f64::total_cmp);
    figures.failures = all.iter().map(|one| one.failures).sum();
    figures.cost = (answered > 0.0).then(|| spent.per_request(answered));
    figures
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    fn turn(rate: f64, longest: f64, spent: u64) -> Turn {
        let mut figures = Figures { rate: Some(rate), failures: 1, ..Figures::default() };
        figures.waits[0] = Some(rate);
        figures.waits[SHARES.len() - 1] = Some(longest);
        Turn { figures, answered: rate, spent: Spent { user: spent, system: 0 } }
    }

    #[test]
    fn turns_become_one_measurement() {
        let figures = joined(&[turn(100.0, 1.0, 500), turn(400.0, 9.0, 700), turn(100.0, 2.0, 0)]);
        assert_eq!((figures.rate, figures.cost), (Some(200.0), Some([2.0, 0.0])));
        assert_eq!((figures.wait(500), figures.wait(1000)), (Some(100.0), Some(9.0)));
        assert_eq!(figures.failures, 3);
    }

    #[test]
    fn all_take_turns_in_an_order_that_moves_and_who_fails_is_out() {
        let turns = Turns { count: 3, seconds: 1 };
        let mut order = Vec::new();
        let taken = turns.take(3, |who| {
            order.push(who);
            if who == 1 && order.len() > 3 {
                bail!("gone");
            }
            Ok(turn(1.0, 1.0, 0))
        });
        assert_eq!(order, [0, 1, 2, 2, 1, 0, 2, 0]);
        let met: Vec<bool> = taken.iter().map(Result::is_ok).collect();
        assert_eq!(met, [true, false, true]);
    }

    #[test]
    fn turns_are_short_unless_connections_are_many_or_the_load_has_an_end() {
        let turns = |load, connections| {
            let point = Point { at: 0, workers: 1, connections };
            let Turns { count, seconds } = Turns::new(load, &point, 20);
            (count, seconds)
        };
        assert_eq!(turns(Load::Wrk, 100), (20, 1));
        assert_eq!(turns(Load::Wrk, 1000), (10, 2));
        assert_eq!(turns(Load::Ab, 30), (20, 1));
        assert_eq!(turns(Load::Wrk, 10_000), (2, 11));
        assert_eq!(turns(Load::Each(250), 1000), (1, 20));
        assert_eq!(turns(Load::Client, 1000), (1, 40));
        assert_eq!(turns(Load::Idle, 100), (4, 5));
    }
}

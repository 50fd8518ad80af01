//! From what was typed to the option that is meant, or to the one that may have been meant.

use super::error::OptionError;
use super::table::{Opt, Standing, TABLE};
use super::value::Unit;

/// A name as the table has it: no leading dashes, dashes within.
pub(super) fn plain(name: &str) -> String {
    name.trim_start_matches('-').replace('_', "-")
}

/// The option that was typed as `name`, which may be its letter if that has its one dash.
pub(super) fn find(name: &str) -> Option<&'static Opt> {
    let mut letters = name.strip_prefix('-').unwrap_or_default().chars();
    if let (Some(letter), None) = (letters.next(), letters.next()) {
        return TABLE
            .iter()
            .find(|opt| opt.short == Some(letter) || opt.name.strip_prefix(letter) == Some(""));
    }
    let plain = plain(name);
    TABLE.iter().find(|opt| opt.is_called(&plain))
}

/// A boolean behind `enable-` or `disable-`, and its value. Behind these no value may stand.
pub(super) fn find_switch(
    plain: &str,
    value: Option<&str>,
) -> Option<(&'static Opt, Option<&'static str>)> {
    let enable = plain.strip_prefix("enable-").map(|name| (name, "1"));
    let (name, state) = enable.or(plain.strip_prefix("disable-").map(|name| (name, "0")))?;
    let opt = find(name).filter(|opt| opt.unit == Unit::Boolean && value.is_none())?;
    Some((opt, Some(state)))
}

/// The error for a name that no option has. The suggestion is spelled as the name was: with its
/// leading dashes, and with underscores if it has no other dash.
pub(super) fn unknown(name: &str) -> OptionError {
    let bare = name.trim_start_matches('-');
    let dashes = &name[..name.len() - bare.len()];
    let built =
        || TABLE.iter().filter(|opt| matches!(opt.standing, Standing::Built) && opt.name.len() > 1);
    let names = |opt: &'static Opt| std::iter::once(&opt.name).chain(opt.also).copied();
    let known = built().flat_map(names);
    let switches = built().filter(|opt| opt.unit == Unit::Boolean).flat_map(names);
    let underscored = bare.contains('_') || (dashes.is_empty() && !bare.contains('-'));
    let spell = |near: &str| {
        let near = if underscored { near.replace('-', "_") } else { near.to_owned() };
        format!("{dashes}{near}")
    };
    let plain = plain(name);
    // Others switch off with no-.
    let switch = [("enable-", "enable-"), ("disable-", "disable-"), ("no-", "disable-")]
        .into_iter()
        .find_map(|(start, ours)| plain.strip_prefix(start).map(|rest| (ours, rest)));
    let whole = nearest(&plain, known).map(|(steps, near)| (steps, near.to_owned()));
    let behind = switch.and_then(|(start, rest)| {
        nearest(rest, switches).map(|(steps, near)| (steps, format!("{start}{near}")))
    });
    let near =
        whole.into_iter().chain(behind).min_by_key(|(steps, _)| *steps).map(|(_, near)| near);
    OptionError::Unknown { name: name.to_owned(), nearest: near.as_deref().map(spell) }
}

/// The nearest of `names` to `typed`, and how far it is, if any is near enough to be what was meant: at most one
/// wrong letter in three.
fn nearest<'n>(typed: &str, names: impl Iterator<Item = &'n str>) -> Option<(usize, &'n str)> {
    let most = (typed.len() / 3).clamp(1, 4);
    names
        .map(|name| (steps(typed.as_bytes(), name.as_bytes()), name))
        .filter(|(steps, _)| *steps <= most)
        .min_by_key(|(steps, _)| *steps)
}

/// How many letters must be put in, taken out, changed, or swapped with their neighbour.
fn steps(from: &[u8], to: &[u8]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, have) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, want) in to.iter().enumerate() {
            let changed = last[j] + usize::from(have != want);
            let mut best = changed.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *have == to[j - 1] && from[i - 1] == *want {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_name_and_a_strange_word_finds_none() {
        let names = ["workers", "max-workers", "timeout", "pid"];
        let near = |typed| nearest(typed, names.into_iter()).map(|(_, name)| name);
        assert_eq!(near("max-worker"), Some("max-workers"));
        assert_eq!(near("wrokers"), Some("workers"));
        assert_eq!(near("timout"), Some("timeout"));
        assert_eq!(near("colour"), None);
        assert_eq!(near("x"), None);
        assert_eq!(near(""), None);
    }
}

//! The table of conformance: what is sent, and what must come back, row by row.
//!
//! One row, one test, its number in the name. A row that can matter there is sent whole, as the
//! first request of a connection (the manager reads it) and behind an answered one (a worker does),
//! and in pieces both ways; and all of it through both doors. Rows with the same options share one
//! server for each door, which lives as long as the tests do.
//!
//! `P` stands for a path that no other row has: so whatever was refused can be looked for in the log.

mod bodies;
mod chunked;
mod connections;
mod fields;
mod lines;
mod responses;
mod row;
mod slow;
mod targets;
mod time;

use std::collections::BTreeSet;

/// The last number of the table.
const LAST: u32 = 107;

/// Rows that have no test here, and why.
const LEFT: &[(u32, &str)] = &[];

#[test]
fn every_row_is_covered_or_accounted_for() {
    let modules = [
        lines::ROWS,
        fields::ROWS,
        targets::ROWS,
        bodies::ROWS,
        chunked::ROWS,
        connections::ROWS,
        time::ROWS,
        responses::ROWS,
        slow::ROWS,
    ];
    let covered: BTreeSet<u32> = modules.concat().into_iter().collect();
    let missing: Vec<u32> = (1..=LAST).filter(|row| !covered.contains(row)).collect();
    let left: Vec<u32> = LEFT.iter().map(|(row, _)| *row).collect();
    assert_eq!(missing, left, "rows without a test");
    eprintln!("conformance: {} of {LAST} rows, left out: {LEFT:?}", covered.len());
}

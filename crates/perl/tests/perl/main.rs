//! Perl under the barrier, without a server: what leaves by a jump, signals, values, streams, forks.
//!
//! A process can boot Perl once, and many cases end it. So there is no harness: without `MONOCEROS_CASE`
//! this program runs itself again for each case, and compares how it ended and what it printed.
//! Words on the command line choose cases by name, as libtest's do.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test program")]

mod again;
mod counts;
mod forks;
mod jumps;
mod signals;
mod streams;
mod support;
mod values;
mod zone;

use std::process::{Command, ExitCode};

/// A case: runs in a process of its own and has to end with `status`, having printed `stderr`.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: fn(),
    pub(crate) status: i32,
    /// Each of these is in what it printed, on either stream.
    pub(crate) prints: &'static [&'static str],
}

/// A case that returns.
pub(crate) const fn case(name: &'static str, run: fn()) -> Case {
    Case { name, run, status: 0, prints: &[] }
}

/// A case that ends with a status, after printing.
pub(crate) const fn ends(
    name: &'static str,
    status: i32,
    prints: &'static [&'static str],
    run: fn(),
) -> Case {
    Case { name, run, status, prints }
}

fn run(case: &Case) -> Result<(), String> {
    let me = std::env::current_exe().unwrap();
    let mut command = Command::new(me);
    let out = command.env("MONOCEROS_CASE", case.name).env_remove("TZ").output().unwrap();
    let printed = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
    if out.status.code() != Some(case.status) {
        return Err(format!("ended with {}, not {}; printed:\n{printed}", out.status, case.status));
    }
    match case.prints.iter().find(|text| !printed.contains(**text)) {
        Some(text) => Err(format!("did not print {text:?} but:\n{printed}")),
        None => Ok(()),
    }
}

fn main() -> ExitCode {
    let cases: Vec<&Case> = [
        jumps::CASES,
        signals::CASES,
        values::CASES,
        streams::CASES,
        forks::CASES,
        counts::CASES,
        again::CASES,
        zone::CASES,
    ]
    .into_iter()
    .flatten()
    .collect();
    if let Ok(name) = std::env::var("MONOCEROS_CASE") {
        (cases.iter().find(|case| case.name == name).unwrap().run)();
        return ExitCode::SUCCESS;
    }
    let words: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let chosen = |case: &Case| words.is_empty() || words.iter().any(|w| case.name.contains(w));
    let mut failed = 0;
    for case in cases.into_iter().filter(|case| chosen(case)) {
        match run(case) {
            Ok(()) => println!("ok      {}", case.name),
            Err(why) => {
                failed += 1;
                println!("FAILED  {}: {why}", case.name);
            }
        }
    }
    if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

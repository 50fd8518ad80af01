//! The protocol in Rust alone: supervisor, manager and workers as in production, and an application
//! that is a function. No Perl.
//!
//! This program is both the tests and, when its environment says so, the server under test. `site`
//! is the server's side, `client` the other one, `stories` what happens between them, and `orders` what
//! happens when signals come.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test says what it does on its output, and dies when something is not as it says"
)]

mod aside;
mod client;
mod crowd;
mod ends;
mod limits;
mod list;
mod orders;
mod rounds;
mod server;
mod site;
mod stories;

use std::panic::catch_unwind;
use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::var_os(site::MARK).is_some() {
        return site::serve();
    }
    let filter: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let (mut passed, mut failed) = (0, Vec::new());
    for (name, story) in stories::all() {
        if !filter.is_empty() && !filter.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        let ok = catch_unwind(story).is_ok();
        println!("test {name} ... {}", if ok { "ok" } else { "FAILED" });
        if ok { passed += 1 } else { failed.push(name) }
    }
    let how = if failed.is_empty() { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {how}. {passed} passed; {} failed; 0 ignored; 0 measured; 0 filtered out",
        failed.len()
    );
    failed.iter().for_each(|name| println!("    {name}"));
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

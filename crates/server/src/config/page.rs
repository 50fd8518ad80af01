//! docs/options.md, made from the table of options.
//!
//! A test makes it again and compares; with `REGENERATE=1` in the environment it writes it.

use std::fmt::Write;

use super::table::{Doors, Opt, Standing, TABLE};
use super::value::Unit;

const TOP: &str = "\
<!-- Made from the table in crates/server/src/config/table.rs. To make it again:
     REGENERATE=1 cargo test -p monoceros-server options_md -->
# Options

The program `monoceros [options] [app.psgi]` and `plackup -s Monoceros [options]` take the same options.
Dashes or underscores alike. Times are in seconds, decimals allowed; sizes in bytes, or with k, m, g.

- **An unknown option is an error**, with the nearest known name, before anything is bound; all errors
  are shown at once, and the exit status is 2.
- **On or off** is 1, 0, yes, no, true, false, on, off, or nothing, which is on; `--enable-NAME` and
  `--disable-NAME` say the same, and are safer under plackup: there a bare `--NAME` takes the next word
  for its value.
- **Two names of one option** with different values are an error. The same name twice: the last counts.
- Under start_server (`SERVER_STARTER_PORT`) the sockets it passes replace `listen`, all of them.
- The program alone takes `--help`, `--version`, and `--check`, which prints what was decided, loads the
  application, and exits.

Exit status: 0 stopped, 1 failed while running, 2 options, 3 the application did not load, 4 an address
could not be bound.
";

/// The text of docs/options.md.
pub fn page() -> String {
    let mut out = TOP.to_owned();
    let mut part = "";
    for opt in TABLE {
        if opt.part != part {
            part = opt.part;
            let columns = match opt.standing {
                Standing::Built => {
                    "| option | value | default | what it does |\n| --- | --- | --- | --- |"
                }
                Standing::NotYet => {
                    "| option | what it will do | until then |\n| --- | --- | --- |"
                }
                _ => "| option | why |\n| --- | --- |",
            };
            let _ = write!(out, "\n## {part}\n\n{columns}\n");
        }
        row(&mut out, opt);
    }
    out
}

fn row(out: &mut String, opt: &Opt) {
    let names = names(opt);
    let _ = match opt.standing {
        Standing::Built => {
            let more = if opt.more.is_empty() { String::new() } else { format!(". {}", opt.more) };
            let (value, help) = (cell(&value(opt)), cell(opt.help));
            writeln!(out, "| {names} | {value} | {} | {help}{} |", opt.default, cell(&more))
        }
        Standing::NotYet => writeln!(out, "| {names} | {} | {} |", cell(opt.help), cell(opt.more)),
        Standing::Refused(why) | Standing::Ignored(why) => writeln!(out, "| {names} | {why} |"),
    };
}

/// What may stand in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn names(opt: &Opt) -> String {
    let dashed = |name: &str| {
        let dashes = if name.len() == 1 { "-" } else { "--" };
        format!("`{dashes}{name}`")
    };
    let mut names = dashed(opt.name);
    if let Some(short) = opt.short {
        let _ = write!(names, " `-{short}`");
    }
    for also in opt.also {
        let _ = write!(names, ", {}", dashed(also));
    }
    match opt.doors {
        Doors::Both => {}
        Doors::Program => names.push_str(" (program)"),
        Doors::Plackup => names.push_str(" (plackup, from code)"),
    }
    names
}

fn value(opt: &Opt) -> String {
    match opt.unit {
        Unit::Text(name) => name.to_owned(),
        Unit::Size { .. } => opt.unit.expected().replace(", plain or with k, m, g", ""),
        Unit::Seconds { .. } => opt.unit.expected().replace(", decimals allowed", ""),
        _ => opt.unit.expected(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_md_is_what_the_table_makes() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/options.md");
        if std::env::var_os("REGENERATE").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == page(),
            "docs/options.md is not what the table makes: REGENERATE=1 cargo test -p \
             monoceros-server options_md"
        );
    }
}

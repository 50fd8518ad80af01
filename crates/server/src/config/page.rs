//! docs/options.md, and the same for perldoc, made from the table of options.
//!
//! Tests make them again and compare; with `REGENERATE=1` in the environment they write them.

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
- Under start_server (`SERVER_STARTER_PORT`) and systemd (`LISTEN_FDS`) the sockets they pass replace `listen`, all of
  them. `NOTIFY_SOCKET` is told when the server is ready, and when it stops.
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
        Unit::Word => "text".to_owned(),
        Unit::Size { .. } => opt.unit.expected().replace(", plain or with k, m, g", ""),
        Unit::Seconds { .. } => opt.unit.expected().replace(", decimals allowed", ""),
        _ => opt.unit.expected(),
    }
}

const POD_TOP: &str = "\
=pod

=encoding utf8

=for comment Made from the table in crates/server/src/config/table.rs. To make it again:
REGENERATE=1 cargo test -p monoceros-server options_pod

=head1 NAME

Plack::Handler::Monoceros::Options - what C<plackup -s Monoceros> takes

=head1 SYNOPSIS

    plackup -s Monoceros --port 5000 --max-workers=15 --keepalive-timeout=75 -a app.psgi

=head1 DESCRIPTION

Dashes or underscores alike. Times are in seconds, decimals allowed; sizes in bytes, or with k, m, g.
An unknown option is an error, before anything is bound; all errors are shown at once, and the exit
status is 2. On or off is 1, 0, yes, no, true, false, on, off; C<--enable-NAME> and C<--disable-NAME>
say the same, and are safer: a bare C<--NAME> takes the next word for its value. Two names of one
option with different values are an error. Under start_server and systemd the sockets they
pass replace C<listen>, all of them.
";

/// The text of Plack::Handler::Monoceros::Options: what plackup's door takes.
pub fn pod() -> String {
    let mut out = POD_TOP.to_owned();
    let mut part = "";
    for opt in TABLE.iter().filter(|opt| opt.doors != Doors::Program) {
        if opt.part != part {
            let end = if part.is_empty() { "" } else { "\n=back\n" };
            part = opt.part;
            let _ = write!(out, "{end}\n=head1 {}\n\n=over 4\n", part.to_uppercase());
        }
        let (names, more) = (names(opt).replace(" (plackup, from code)", ", from code"), opt.more);
        let _ = match opt.standing {
            Standing::Built => {
                let (value, default) = (value(opt), opt.default);
                let more = if more.is_empty() { String::new() } else { format!(" {more}") };
                let help = format!("{}.{more}", opt.help);
                let said = format!("{value}; default: {default}");
                write!(out, "\n=item {}\n\n{}\n\n{}\n", code(&names), said, code(&help))
            }
            Standing::NotYet => {
                write!(out, "\n=item {}\n\n{}. Until then: {more}\n", code(&names), opt.help)
            }
            Standing::Refused(why) | Standing::Ignored(why) => {
                write!(out, "\n=item {}\n\n{why}\n", code(&names))
            }
        };
    }
    out + "\n=back\n\n=head1 SEE ALSO\n\nL<Plack::Handler::Monoceros>\n\n=cut\n"
}

/// Between two backticks stands code.
fn code(text: &str) -> String {
    let mut inside = false;
    let parts = text.split('`').map(|part| {
        inside = !inside;
        if inside { part.to_owned() } else { format!("C<{part}>") }
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes the file, if that is asked, and compares.
    fn check(path: &str, made: &str, test: &str) {
        let path = format!("{}/../../{path}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("REGENERATE").is_some() {
            std::fs::write(&path, made).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == made,
            "{path} is not what the table makes: REGENERATE=1 cargo test -p monoceros-server {test}"
        );
    }

    #[test]
    fn options_md_is_what_the_table_makes() {
        check("docs/options.md", &page(), "options_md");
    }

    #[test]
    fn options_pod_is_what_the_table_makes() {
        let path = "dist/Plack-Handler-Monoceros/lib/Plack/Handler/Monoceros/Options.pod";
        check(path, &pod(), "options_pod");
    }

    /// The options in a cell: `--name`, `-x`.
    fn named(cell: &str) -> Vec<&str> {
        cell.split('`').skip(1).step_by(2).filter(|name| name.starts_with('-')).collect()
    }

    #[test]
    fn options_that_migrating_md_names_are_what_it_says() {
        let path = format!("{}/../../docs/migrating.md", env!("CARGO_MANIFEST_DIR"));
        let page = std::fs::read_to_string(path).unwrap();
        let standing = |name: &str| {
            let bare = name.split(['=', ' ']).next().unwrap_or(name);
            let switch = super::super::names::plain(bare);
            let found = super::super::names::find(bare)
                .or_else(|| Some(super::super::names::find_switch(&switch, None)?.0));
            found.unwrap_or_else(|| panic!("there is no {name}")).standing
        };
        let mut count = 0;
        for line in page.lines().filter(|line| line.starts_with("| ")) {
            let cells: Vec<_> =
                line.split(" | ").map(|cell| cell.trim_matches(['|', ' '])).collect();
            let [theirs, ours, _] = &cells[..] else { continue };
            let is = |name: &str| match *ours {
                "refused" => matches!(standing(name), Standing::Refused(_)),
                "no effect" => matches!(standing(name), Standing::Ignored(_)),
                _ => standing(name) == Standing::Built,
            };
            let said = ["same", "refused", "no effect"].contains(ours);
            for name in named(if said { theirs } else { ours }) {
                assert!(is(name), "{name} is not {ours:?}: {line}");
                count += 1;
            }
        }
        assert!(count > 100, "{count} options were found");
    }
}

//! What a reviewer should not have to say.
//!
//! Each test reads the project's files and fails with file, line and the reason. The rules are
//! those of CONTRIBUTING.md; where one is wrong, change it here and say why.
#![expect(clippy::unwrap_used, reason = "a test that fails may say so in any way")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Files that are tables: past the limit there is still one subject.
const TABLES: &[&str] = &["crates/server/src/config/table.rs"];

/// What manager and worker may use: neither the other, nor the supervisor.
const INNER: &[&str] = &[
    "access",
    "arrivals",
    "channel",
    "config",
    "http",
    "ledger",
    "limits",
    "listener",
    "log",
    "os",
    "ready",
    "roots",
    "rounds",
    "scoreboard",
    "shared",
    "spool",
    "steps",
    "table",
    "tally",
];

/// Who may use what inside `crates/server`: a module and what it may name behind `crate::`. What is not
/// here may use everything.
const IMPORTS: &[(&str, &[&str])] = &[
    ("http", &[]),
    ("config", &[]),
    ("log", &[]),
    ("os", &[]),
    ("spool", &["os"]),
    ("table", &["os"]),
    ("ready", &["table", "os"]),
    ("channel", &["table", "spool", "os"]),
    ("scoreboard", &["table", "os"]),
    ("rounds", &["table", "os"]),
    ("arrivals", &["os"]),
    ("manager", INNER),
    ("worker", INNER),
];

/// Where unsafe code and raw descriptors may be: the two rooms, and the threshold of door two.
const ROOMS: &[&str] =
    &["crates/server/src/os/", "crates/perl/", "dist/Plack-Handler-Monoceros/native/"];

/// Where the clock may be asked: the loops, the room of system calls, and whatever measures.
const CLOCKS: &[&str] = &[
    "crates/server/src/os/",
    "crates/server/src/manager/mod.rs",
    "crates/server/src/worker/mod.rs",
    "crates/server/src/supervisor/tend.rs",
    "bench/",
];

/// A file of the project, and its text.
struct File {
    path: String,
    text: String,
}

/// What the project consists of, without what is built from it. Asks no git: an archive has none.
fn files(wanted: impl Fn(&str) -> bool) -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut folders, mut found) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            let (path, name) = (entry.path(), entry.file_name().into_string().unwrap_or_default());
            if entry.file_type().unwrap().is_dir() {
                if !name.starts_with('.') && name != "target" && name != "blib" {
                    folders.push(path);
                }
                continue;
            }
            let path = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            if wanted(&path) {
                let text = fs::read_to_string(root.join(&path)).unwrap();
                found.push(File { path, text });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn code() -> Vec<File> {
    files(|name| name.ends_with(".rs") || name.ends_with(".c") || name.ends_with(".h"))
}

fn rust() -> Vec<File> {
    files(|name| name.ends_with(".rs"))
}

fn is_test(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs")
}

/// Lines of code with their numbers, from 1: what follows `//` is cut off, and so are the unit tests at
/// the end of a file.
fn lines_of_code(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let lines = file.text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
    lines.enumerate().map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()))
}

/// Fails with all of it, or not at all.
#[track_caller]
fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

fn contains_word(line: &str, word: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + word.len()..]);
        !is_part(before.chars().next_back()) && !is_part(after.chars().next())
    })
}

#[test]
fn every_file_opens_with_what_it_is() {
    let opens = |file: &File| match file.path.rsplit('.').next() {
        Some("rs") => file.text.starts_with("//!"),
        _ => file.text.starts_with("/*") || file.text.starts_with("//"),
    };
    let faults = code().into_iter().filter(|file| !opens(file));
    none(&faults.map(|file| format!("{}: no header comment", file.path)).collect::<Vec<_>>());
}

#[test]
fn no_file_has_two_subjects() {
    let long =
        |file: &File| file.text.lines().count() > 400 && !TABLES.contains(&file.path.as_str());
    let faults = code().into_iter().filter(long);
    let say = |file: File| format!("{}: {} lines, over 400", file.path, file.text.lines().count());
    none(&faults.map(say).collect::<Vec<_>>());
}

#[test]
fn inside_the_server_nobody_imports_upwards() {
    let mut faults = Vec::new();
    for file in rust() {
        let Some(inner) = file.path.strip_prefix("crates/server/src/") else { continue };
        let module = inner.split(['/', '.']).next().unwrap_or_default();
        let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == module) else { continue };
        for (number, line) in lines_of_code(&file) {
            for (at, _) in line.match_indices("crate::") {
                let rest = &line[at + "crate::".len()..];
                let name = rest
                    .split(|c: char| !c.is_alphanumeric() && c != '_')
                    .next()
                    .unwrap_or_default();
                if !name.is_empty() && name != module && !allowed.contains(&name) {
                    faults.push(format!("{}:{number}: {module} may not use {name}", file.path));
                }
            }
        }
    }
    none(&faults);
}

#[test]
fn unsafe_code_stays_in_its_rooms() {
    let mut faults = Vec::new();
    for file in rust() {
        if ROOMS.iter().any(|room| file.path.starts_with(room)) || file.path == "tests/tidy.rs" {
            continue;
        }
        for (number, line) in lines_of_code(&file) {
            for word in ["unsafe", "RawFd"] {
                if contains_word(line, word) {
                    faults.push(format!("{}:{number}: {word} outside its rooms", file.path));
                }
            }
        }
    }
    none(&faults);
}

#[test]
fn a_safety_comment_states_facts() {
    let mut faults = Vec::new();
    for file in rust().into_iter().filter(|file| file.path != "tests/tidy.rs") {
        let lines: Vec<_> = file.text.lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate() {
            let Some(first) = line.strip_prefix("// SAFETY:") else { continue };
            let more = lines[at + 1..].iter().map_while(|line| line.strip_prefix("//"));
            let words: Vec<_> =
                std::iter::once(first).chain(more).flat_map(str::split_whitespace).collect();
            // The facts may stand in one place that others name: "see `Perl::host`".
            let facts = words.len() > 4 || words.iter().any(|word| word.starts_with('`'));
            if !facts || words.contains(&"upholds") {
                faults.push(format!("{}:{}: a SAFETY comment without facts", file.path, at + 1));
            }
        }
    }
    none(&faults);
}

#[test]
fn only_loops_ask_the_clock() {
    let mut faults = Vec::new();
    for file in rust() {
        if is_test(&file.path) || CLOCKS.iter().any(|place| file.path.starts_with(place)) {
            continue;
        }
        for (number, line) in lines_of_code(&file) {
            if line.contains("Instant::now") || line.contains("SystemTime::now") {
                faults.push(format!("{}:{number}: time is an argument", file.path));
            }
        }
    }
    none(&faults);
}

#[test]
fn tests_neither_sleep_nor_skip() {
    let mut faults = Vec::new();
    for file in rust().into_iter().filter(|file| file.path != "tests/tidy.rs") {
        for (number, line) in file.text.lines().enumerate() {
            let line = line.split("//").next().unwrap_or_default();
            let naps = is_test(&file.path) && (line.contains("sleep(") || line.contains("::sleep"));
            if naps || line.contains("#[ignore") {
                faults.push(format!(
                    "{}:{}: wait for something, and run it",
                    file.path,
                    number + 1
                ));
            }
        }
    }
    none(&faults);
}

#[test]
fn nothing_is_left_for_later() {
    let mut faults = Vec::new();
    for file in code().into_iter().filter(|file| file.path != "tests/tidy.rs") {
        for (number, line) in file.text.lines().enumerate() {
            if ["TODO", "FIXME", "XXX"].iter().any(|mark| contains_word(line, mark)) {
                faults.push(format!("{}:{}: finish it, or write an issue", file.path, number + 1));
            }
        }
    }
    none(&faults);
}

/// What stands between single back quotes in a page, with line numbers. Blocks of code are left out.
fn quoted(file: &File) -> Vec<(usize, String)> {
    let (mut found, mut block) = (Vec::new(), false);
    for (number, line) in file.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            block = !block;
        } else if !block {
            let parts = line.split('`').skip(1).step_by(2);
            found.extend(parts.map(|part| (number + 1, part.to_owned())));
        }
    }
    found
}

/// Pages that people write: what is generated, and the past, may name what is gone.
fn pages() -> Vec<File> {
    files(|name| name.ends_with(".md") && name != "CHANGELOG.md" && name != "docs/options.md")
}

#[test]
fn paths_that_pages_name_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let top: BTreeSet<_> =
        fs::read_dir(root).unwrap().flatten().map(|entry| entry.file_name()).collect();
    let server = root.join("crates/server/src");
    let exists = |path: &str| {
        let path = path.trim_end_matches('/');
        root.join(path).exists()
            || server.join(path).exists()
            || server.join(format!("{path}.rs")).exists()
    };
    let mut faults = Vec::new();
    for file in pages() {
        for (number, part) in quoted(&file) {
            let first = part.split('/').next().unwrap_or_default();
            let ours = top.contains(std::ffi::OsStr::new(first)) || server.join(first).is_dir();
            let is_path = part.contains('/') && !part.contains([' ', '*', '<', '…', ':']) && ours;
            let built = part.contains("/blib") || part.starts_with("target/");
            if is_path && !built && !exists(&part) {
                faults.push(format!("{}:{number}: there is no {part}", file.path));
            }
        }
        for (at, _) in file.text.match_indices("](") {
            let link = file.text[at + 2..].split([')', '#']).next().unwrap_or_default();
            let folder = root.join(&file.path);
            if !link.is_empty() && !link.contains("://") && !folder.with_file_name(link).exists() {
                faults.push(format!("{}: the link to {link} leads nowhere", file.path));
            }
        }
    }
    none(&faults);
}

#[test]
fn verbs_that_pages_name_exist() {
    let makefile =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Makefile")).unwrap();
    let verbs: BTreeSet<_> =
        makefile.lines().filter_map(|line| Some(line.split_once(':')?.0)).collect();
    let mut faults = Vec::new();
    for file in pages() {
        for (number, part) in quoted(&file) {
            let Some(verb) = part.strip_prefix("make ") else { continue };
            if !verb.split(' ').all(|verb| verbs.contains(verb) || verb == "install") {
                faults.push(format!("{}:{number}: make has no verb {verb}", file.path));
            }
        }
    }
    none(&faults);
}

#[test]
fn pages_cite_no_lines() {
    let cites = |line: &str| {
        [".rs:", ".c:", ".md:", ".pm:"].iter().any(|end| {
            line.match_indices(end)
                .any(|(at, _)| line[at + end.len()..].starts_with(|c: char| c.is_ascii_digit()))
        })
    };
    let mut faults = Vec::new();
    for file in pages() {
        for (number, line) in file.text.lines().enumerate().filter(|(_, line)| cites(line)) {
            faults.push(format!(
                "{}:{}: a line number will be wrong soon: {line}",
                file.path,
                number + 1
            ));
        }
    }
    none(&faults);
}

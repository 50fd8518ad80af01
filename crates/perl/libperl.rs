//! How the program gets its perl: by words for the linker.
//!
//! The static libperl.a is preferred, as it is what perl itself is made of where there is one: calls inside
//! libperl.so go through its table of symbols, and cost a tenth of the time of a small request
//! (docs/decisions/0007-static-libperl.md). An archive may be another perl's, or not fit into a program that is
//! position independent, so each is tried: a little perl is linked with it, and must say the same of itself as
//! `$PERL`. `MONOCEROS_LIBPERL=shared` or `static` decides otherwise.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{ask, refuse, words};

/// Version, how and when it was built, and where it looks for modules.
const WHO_IT_IS: &str = r#"print join "\n", $], Internals::V(), @INC"#;

/// All of the archive, for the modules that the application will load need what nobody here calls.
const WHOLE: &str = "-Wl,--whole-archive";

/// The words, decided.
pub(crate) fn ldopts(perl: &str, core: &str, ccopts: &str) -> String {
    println!("cargo:rerun-if-env-changed=MONOCEROS_LIBPERL");
    println!("cargo:rerun-if-changed=libperl.c");
    let shared = ask(perl, &["-MExtUtils::Embed", "-e", "ldopts"]);
    let shared = words(&shared).collect::<Vec<_>>().join(" ");
    match env::var("MONOCEROS_LIBPERL").as_deref().unwrap_or_default() {
        "shared" => shared,
        "" => with_archive(perl, core, ccopts, &shared).unwrap_or(shared),
        "static" => match with_archive(perl, core, ccopts, &shared) {
            Ok(ldopts) => ldopts,
            Err(why) => refuse(&format!("MONOCEROS_LIBPERL=static, but {why}")),
        },
        other => refuse(&format!("MONOCEROS_LIBPERL is {other}: it may be shared or static")),
    }
}

/// The same with the first archive that is `$PERL`'s, or why there is none.
fn with_archive(perl: &str, core: &str, ccopts: &str, shared: &str) -> Result<String, String> {
    let mut faults = Vec::new();
    for archive in archives(core, shared) {
        let whole = format!("{WHOLE},{},--no-whole-archive", archive.display());
        let ldopts: Vec<&str> =
            words(shared).map(|word| if is_libperl(word) { &whole } else { word }).collect();
        match try_out(perl, ccopts, &ldopts) {
            Ok(()) => {
                // A new one, with holes mended, is linked by the next build.
                println!("cargo:rerun-if-changed={}", archive.display());
                return Ok(ldopts.join(" "));
            }
            Err(why) => faults.push(format!("{}: {why}", archive.display())),
        }
    }
    if faults.is_empty() {
        return Err(format!(
            "{perl} has no libperl.a: not in {core}, nor where the linker looks (Debian: libperl-dev)"
        ));
    }
    Err(faults.join("; "))
}

/// Those that are there: perl's own, then those that the linker would find.
fn archives(core: &str, shared: &str) -> Vec<PathBuf> {
    let folders = words(shared).filter_map(|word| word.strip_prefix("-L"));
    let mut all: Vec<PathBuf> = [core]
        .into_iter()
        .chain(folders)
        .map(|folder| Path::new(folder).join("libperl.a"))
        .collect();
    let asked = compiler().arg("-print-file-name=libperl.a").output();
    all.extend(asked.ok().map(|out| String::from_utf8_lossy(&out.stdout).trim().into()));
    // Where the compiler knows none, it gives the name back without a folder.
    let there = |path: PathBuf| path.is_absolute().then(|| path.canonicalize().ok()).flatten();
    let mut all: Vec<_> = all.into_iter().filter_map(there).collect();
    all.dedup();
    all
}

fn is_libperl(word: &str) -> bool {
    word.strip_prefix("-l").is_some_and(|name| name.contains("perl"))
}

/// Links the little perl, and compares.
fn try_out(perl: &str, ccopts: &str, ldopts: &[&str]) -> Result<(), String> {
    let little = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("libperl");
    let made = compiler()
        .args(words(ccopts))
        .args(["-w", "-pie", "-o"])
        .arg(&little)
        .arg("libperl.c")
        .args(ldopts)
        .output()
        .map_err(|error| format!("the compiler cannot be run: {error}"))?;
    if !made.status.success() {
        let said = String::from_utf8_lossy(&made.stderr);
        let why = said.lines().rfind(|line| !line.starts_with("collect2")).unwrap_or_default();
        return Err(format!("it does not link: {why}"));
    }
    let question = ["-e", WHO_IT_IS];
    let said = Command::new(&little).args(question).output();
    if said
        .is_ok_and(|said| said.status.success() && said.stdout == ask(perl, &question).as_bytes())
    {
        return Ok(());
    }
    Err(format!("it is not the library of {perl}"))
}

fn compiler() -> Command {
    cc::Build::new().pic(true).get_compiler().to_command()
}

//! What the program is made of: perl is inside it where perl is inside perl.
//!
//! One door only: the other's library has no perl of its own (the distribution's `t/load.t`).

use std::collections::BTreeSet;
use std::env;
use std::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_monoceros");

/// Where there is a libperl.so only, perl itself brings it, too; and it may have been asked for.
#[test]
fn it_brings_no_libperl_where_perl_brings_none() {
    let asked = env::var("MONOCEROS_LIBPERL").unwrap_or_default();
    let brings = brings_libperl(PROGRAM);
    if asked == "shared" {
        assert!(brings, "MONOCEROS_LIBPERL=shared, and the program brings no libperl.so");
    } else if !brings_libperl(&perl()) {
        assert!(!brings, "the program brings libperl.so, and there is a static one: {}", perl());
    }
}

/// Modules in C find whatever they find in perl, called here or not.
#[test]
fn it_exports_whatever_perl_exports() {
    if brings_libperl(PROGRAM) {
        return; // And with it all that it exports.
    }
    let ours = exported(PROGRAM);
    let missing: Vec<_> = exported(&perl()).difference(&ours).cloned().collect();
    assert!(ours.contains("Perl_newSVpvn"), "readelf says nothing of symbols: {}", ours.len());
    assert_eq!(missing, [""; 0], "modules in C may need these");
}

/// The file of the perl that all is built for.
fn perl() -> String {
    let perl = env::var("PERL").unwrap_or_else(|_| "perl".to_owned());
    said(Command::new(perl).args(["-e", "print $^X"]))
}

fn brings_libperl(file: &str) -> bool {
    let dynamic = said(Command::new("readelf").args(["--dynamic", "--wide", file]));
    assert!(dynamic.contains("(NEEDED)"), "{file} brings nothing at all:\n{dynamic}");
    dynamic.lines().any(|line| line.contains("(NEEDED)") && line.contains("[libperl"))
}

/// Functions and variables. What has a version is libc's, and only copied.
fn exported(file: &str) -> BTreeSet<String> {
    let symbols = said(Command::new("readelf").args(["--dyn-syms", "--wide", file]));
    let name = |line: &str| match line.split_whitespace().collect::<Vec<_>>()[..] {
        [_, _, _, "FUNC" | "OBJECT", "GLOBAL", _, section, name] if section != "UND" => {
            (!name.contains('@')).then(|| name.to_owned())
        }
        _ => None,
    };
    symbols.lines().filter_map(name).collect()
}

fn said(command: &mut Command) -> String {
    let out = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(out.status.success(), "{command:?}: {out:?}");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

//! Compiles the shim for the perl that `$PERL` names (without it: the one in PATH), and tells dependents how
//! to link with it, and whether it was built with MULTIPLICITY.
//!
//! A perl that the shim cannot work with is refused here, in plain words; the shim's `#error`s stand behind.
//! It links nothing itself: the leaf decides. The program's build.rs turns `DEP_MONOCEROS_PERL_LDOPTS`
//! into link arguments; the library that perl loads must not. Our own tests do. Which libperl that is: `libperl.rs`.

mod libperl;

use std::env;
use std::path::Path;
use std::process::{Command, exit};

const SHIM: &[&str] = &[
    "boot", "plackup", "load", "call", "finish", "callback", "handle", "env", "value", "wait",
    "zone", "layout",
];

/// Version, MULTIPLICITY, the folder of headers, and everything it was built with, a line each.
const WHAT_IT_IS: &str = r#"print join "\n", $], $Config{usemultiplicity} ? 1 : 0,
    "$Config{archlibexp}/CORE", join " ", Config::bincompat_options(), Config::non_bincompat_options()"#;

fn main() {
    let perl = env::var("PERL").unwrap_or_else(|_| "perl".to_owned());
    println!("cargo:rerun-if-env-changed=PERL");
    println!("cargo:rerun-if-changed=shim");
    let what = ask(&perl, &["-MConfig", "-e", WHAT_IT_IS]);
    let [version, multiplicity, core, built_with] = what.split('\n').collect::<Vec<_>>()[..] else {
        refuse(&format!("{perl} does not know itself: {what}"));
    };
    println!("cargo:rerun-if-changed={core}/config.h");
    check(&perl, version, built_with, core);

    let ccopts = ask(&perl, &["-MExtUtils::Embed", "-e", "ccopts"]);
    let mut build = cc::Build::new();
    for word in words(&ccopts) {
        match word.strip_prefix("-I") {
            Some(dir) => build.flag("-isystem").flag(dir),
            None => build.flag(word),
        };
    }
    for file in SHIM {
        build.file(format!("shim/{file}.c"));
    }
    build.pic(true).warnings(true).flag("-Wno-unused-parameter").compile("monoceros_shim");

    let ldopts = libperl::ldopts(&perl, core, &ccopts);
    println!("cargo:ldopts={ldopts}");
    println!("cargo:multiplicity={multiplicity}");
    println!("cargo:rustc-link-arg=-Wl,--no-as-needed");
    for word in words(&ldopts) {
        println!("cargo:rustc-link-arg={word}");
    }
}

/// Ends the build if this perl cannot be served.
fn check(perl: &str, version: &str, built_with: &str, core: &str) {
    if version.parse().is_ok_and(|version: f64| version < 5.016) {
        refuse(&format!("{perl} is perl {version}, and Monoceros needs 5.016 or later"));
    }
    if words(built_with).any(|word| word == "PERL_RC_STACK") {
        refuse(&format!(
            "{perl} was built with PERL_RC_STACK, and Monoceros knows only perls without it"
        ));
    }
    if !Path::new(core).join("perl.h").exists() {
        refuse(&format!(
            "there is no {core}/perl.h: perl's headers are missing (Debian: libperl-dev)"
        ));
    }
}

/// What perl prints.
fn ask(perl: &str, args: &[&str]) -> String {
    let out = match Command::new(perl).args(args).output() {
        Ok(out) => out,
        Err(error) => refuse(&format!("{perl} (from $PERL, or else PATH) cannot be run: {error}")),
    };
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr).replace('\n', " ");
        refuse(&format!(
            "{perl} {} failed (Debian: is libperl-dev there?): {said}",
            args.join(" ")
        ));
    }
    String::from_utf8_lossy(&out.stdout).into_owned()
}

fn refuse(why: &str) -> ! {
    println!("cargo::error={why}");
    exit(1)
}

fn words(options: &str) -> impl Iterator<Item = &str> {
    options.split_whitespace()
}

//! Compiles the shim for the perl that `$PERL` names, and tells dependents how to link with it.
//!
//! It links nothing itself: the leaf decides. The program's build.rs turns `DEP_MONOCEROS_PERL_LDOPTS`
//! into link arguments; the library that perl loads must not. Our own tests do.

use std::env;
use std::process::Command;

const SHIM: &[&str] =
    &["boot", "plackup", "load", "call", "finish", "callback", "handle", "value", "wait", "layout"];

fn main() {
    let perl = env::var("PERL").unwrap_or_else(|_| "perl".to_owned());
    println!("cargo:rerun-if-env-changed=PERL");
    println!("cargo:rerun-if-changed=shim");
    let core = format!("{}/CORE", ask(&perl, &["-MConfig", "-e", "print $Config{archlibexp}"]));
    println!("cargo:rerun-if-changed={core}/config.h");

    let mut build = cc::Build::new();
    for word in words(&ask(&perl, &["-MExtUtils::Embed", "-e", "ccopts"])) {
        match word.strip_prefix("-I") {
            Some(dir) => build.flag("-isystem").flag(dir),
            None => build.flag(word),
        };
    }
    for file in SHIM {
        build.file(format!("shim/{file}.c"));
    }
    build.pic(true).warnings(true).flag("-Wno-unused-parameter").compile("monoceros_shim");

    let ldopts = ask(&perl, &["-MExtUtils::Embed", "-e", "ldopts"]);
    println!("cargo:ldopts={}", words(&ldopts).collect::<Vec<_>>().join(" "));
    println!("cargo:rustc-link-arg=-Wl,--no-as-needed");
    for word in words(&ldopts) {
        println!("cargo:rustc-link-arg={word}");
    }
}

/// What perl prints.
fn ask(perl: &str, args: &[&str]) -> String {
    let out = Command::new(perl).args(args).output();
    let out = out.unwrap_or_else(|e| panic!("{perl} could not be run: {e}"));
    assert!(
        out.status.success(),
        "{perl} {} failed (is libperl-dev installed?): {}",
        args.join(" "),
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).expect("perl's options are ASCII")
}

fn words(options: &str) -> impl Iterator<Item = &str> {
    options.split_whitespace()
}

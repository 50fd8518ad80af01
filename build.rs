//! Links the program with libperl: the only place that does.
//!
//! Not a feature and not a library's own business: features are united across a build, and the
//! library that perl loads would then bring a second interpreter along.

use std::env;

fn main() {
    let ldopts = env::var("DEP_MONOCEROS_PERL_LDOPTS").expect("crates/perl/build.rs prints them");
    println!("cargo:rustc-link-arg=-Wl,--no-as-needed");
    for word in ldopts.split_whitespace() {
        println!("cargo:rustc-link-arg={word}");
    }
}

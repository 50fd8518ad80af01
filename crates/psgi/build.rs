//! Links libperl into this crate's own tests; whoever depends on it links its own.

fn main() {
    let words = std::env::var("DEP_MONOCEROS_PERL_LDOPTS").unwrap_or_default();
    for word in words.split_whitespace() {
        println!("cargo:rustc-link-arg={word}");
    }
    println!("cargo:rerun-if-changed=build.rs");
}

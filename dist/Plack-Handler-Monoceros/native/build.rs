//! Says which arguments a boot function gets from the perl that this library is built for. It links nothing:
//! the perl that loads the library has libperl's symbols already.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(multiplicity)");
    if std::env::var("DEP_MONOCEROS_PERL_MULTIPLICITY").is_ok_and(|has| has == "1") {
        println!("cargo::rustc-cfg=multiplicity");
    }
}

//! Benchmarks of Monoceros and its peers.
fn main() {}

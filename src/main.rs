//! Door one: the program.
fn main() {}

//! Who lives and who dies: binds, forks, reaps, and ends everything.
pub mod children;
pub mod listen;

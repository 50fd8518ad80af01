//! Unsafe room one: what the kernel offers and no crate wraps safely.
pub mod shared;

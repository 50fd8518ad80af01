//! Unsafe room one: what the kernel offers and no crate wraps safely.
pub mod clock;
pub mod process;
pub mod shared;
pub mod signal;
pub mod socket;
pub mod stamp;
pub mod title;
pub mod usage;
pub mod user;
pub mod wait;

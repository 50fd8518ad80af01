//! The only crate that touches Perl: a C shim, and its safe face.
//!
//! Holding a [`Perl`] proves that an interpreter is booted, that this is the thread that owns it
//! (`Perl` is neither `Send` nor `Sync`), and, for every call takes `&mut self`, that no other call
//! into it is in progress. The boundary is coarse: Rust sees byte slices, never an `SV*`, and one
//! crossing builds a whole `%env` or takes a whole response apart.
//!
//! **No longjmp crosses a Rust frame**: `die` and `exit` end at the barrier in shim/call.c and come
//! out as a [`Left`]. **No unwind crosses a C frame**: callback.rs has a trap in every function that
//! C calls.
//!
//! The price: a barrier for each call, about 0.02 µs.
//!
//! Not here: which keys an env has, and what an answer looks like on the wire (crates/psgi).

mod answer;
mod boot;
mod call;
mod callback;
mod ffi;
mod value;
mod wait;

pub use answer::{Answer, Body, Streamed};
pub use boot::{Boot, BootError, Caught, Ending, Hook, Load, Run, Setting, Source, boot_xs};
pub use call::{Family, Input, Left, Perl, Request};
pub use callback::{Head, Level, Log, Pace, Stream, Wrote};
pub use value::{Chunks, Field, Fields, FileBody, Key, Var};

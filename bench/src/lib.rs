//! A client of many connections, which measures how long each request waits.
//!
//! It is a single thread and one epoll instance, so that on a small machine it takes little from the
//! server that it measures. What a benchmark does is a [`Plan`]; what came of it is a [`Report`]. The
//! stories under `tests/` use the same two, so a figure and a test never mean different things.
//!
//! Not here: which server is measured, and beside what: that is `bench/run.sh`.
#![forbid(unsafe_code)]

mod answer;
mod engine;
mod idle;
mod plan;
mod stats;

pub use engine::run;
pub use idle::Idle;
pub use plan::{Amount, Plan};
pub use stats::{Report, Waits};

/// Allows this process as many descriptors as the system will give it.
pub fn raise_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // What cannot be raised shows itself when descriptors run out, with a better message.
    _ = setrlimit(Resource::Nofile, limit);
}

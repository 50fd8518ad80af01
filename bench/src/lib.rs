//! A client of many connections, which measures how long each request waits.
//!
//! It is a single thread and one epoll instance, so that on a small machine it takes little from the
//! server that it measures. What a benchmark does is a [`Plan`]; what came of it is a [`Report`]. The
//! stories under `tests/` use the same two, so a figure and a test never mean different things.
//!
//! Which servers are measured, and beside whom, is [`compare`].
#![forbid(unsafe_code)]

mod answer;
pub mod compare;
pub mod count;
mod counters;
mod crowd;
mod deeds;
mod descriptors;
mod engine;
pub mod floor;
mod hold;
mod idle;
mod interrupt;
mod large;
mod mixed;
mod plan;
mod slow;
mod soak;
mod stats;
mod storm;
mod tree;

pub use counters::Counters;
pub use crowd::{Crowd, Slowness, Told};
pub use descriptors::{explained, raise_descriptors};
pub use engine::run;
pub use hold::Hold;
pub use idle::Idle;
pub use interrupt::Interrupt;
pub use large::{LargePlan, LargeReport, Weight, large};
pub use plan::{Amount, Plan};
pub use slow::{Beside, SlowPlan, beside};
pub use soak::{Sample, SoakPlan, SoakReport, soak};
pub use stats::{Report, Waits};
pub use storm::{StormReport, storm};
pub use tree::{Footprint, Process, footprint, kernel_buffers, pids, weigh};

use std::io::{ErrorKind, Read};
use std::time::Duration;

/// Lets time pass.
///
/// # Errors
///
/// If the kernel cannot wait.
pub fn pause(time: Duration) -> anyhow::Result<()> {
    let time = rustix::event::Timespec::try_from(time)?;
    match rustix::event::poll(&mut [], Some(&time)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Reads once. That the machine was stopped for a moment is no error.
pub(crate) fn read(stream: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match stream.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

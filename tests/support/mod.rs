//! What every story needs: a server behind a door, clients that speak bytes, and waiting with a deadline.
//!
//! Nothing here sleeps. A story waits for bytes, for a log line or for the end of a process, and each
//! of those waits fails after [`DEADLINE`] with everything that is known: the command, all bytes each
//! way, the log, the exit status.
//!
//! Not here: what is to be expected. That is the stories' own.

mod answer;
mod client;
mod log;
mod process;
mod server;

use std::time::Duration;

pub(crate) use answer::{Answer, End};
pub(crate) use client::Client;
pub(crate) use process::{Pid, Signal, Tree, kill, pss, signal};
pub(crate) use server::{Door, Finished, Server, Setup, stage};

/// How long anything may take that ought to happen at once. Generous: machines are shared. But shorter than
/// what the server itself waits for at most (header-timeout, graceful-timeout), so that one is not taken for the other.
pub(crate) const DEADLINE: Duration = Duration::from_secs(25);

/// The long form of the load and idle stories was asked for (`make soak`).
pub(crate) fn soaking() -> bool {
    std::env::var_os("MONOCEROS_SOAK").is_some()
}

/// Makes two tests of each story, one through each door: `name::program` and `name::plackup`.
macro_rules! both_doors {
    ($($(#[$meta:meta])* fn $name:ident($door:ident) $body:block)*) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;

            fn story($door: crate::support::Door) $body

            #[test]
            fn program() {
                story(crate::support::Door::Program);
            }

            #[test]
            fn plackup() {
                story(crate::support::Door::Plackup);
            }
        }
    )*};
}
pub(crate) use both_doors;

//! A request becomes `%env`, an answer becomes a reply: PSGI, between the server and Perl.
//!
//! The two sides never know each other: `monoceros-server` has a seam for an application
//! ([`App`](monoceros_server::worker::app::App), [`Host`](monoceros_server::worker::app::Host)),
//! `monoceros-perl` runs code behind its barrier, and this crate is what stands between. It has no
//! unsafe code, and no process of its own: both doors wire it.
//!
//! In reading order: [`env`](mod@env) makes the strings of a request, [`host`] calls the application and
//! decides what its ways of ending mean, [`response`] turns what it returned into a reply.
#![forbid(unsafe_code)]

pub mod env;
pub mod host;
mod lines;
pub mod plan;
pub mod response;

pub use host::{PerlApp, PerlHost};
pub use plan::{Origin, Plan};

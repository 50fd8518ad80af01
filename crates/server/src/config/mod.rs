//! Options: what was asked through either door, and what the server will do.
//!
//! One [`TABLE`] of options (names, units, defaults, help) feeds the program's command line, the
//! keys that plackup hands to its handler, `--help` and docs/options.md, so the doors cannot drift
//! apart. [`Options`] is what was asked; [`Config::decide`] looks at it once, with the facts of the
//! host, and makes a [`Config`] in final units. A setting that we do not know is an error.
//!
//! Not here: the command line itself (the program's `cli`), binding, opening, and applying.
mod asked;
mod decide;
mod error;
mod listen;
mod names;
mod page;
mod peers;
pub mod plackup;
mod show;
mod table;
#[cfg(test)]
mod tests;
mod value;

pub use asked::{HalfClose, LogTo, Options, PerlOptions, Underscores, Usr1};
pub use decide::{Config, HostFacts};
pub use error::OptionError;
pub use listen::{Activation, Host, Inherited, Listen};
pub use page::{page, pod};
pub use peers::Peers;
pub use table::{Doors, Opt, Standing, TABLE};
pub use value::Unit;

/// The version that the server tells of itself.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Exit statuses, the same for both doors.
pub mod exit {
    /// Stopped because it was told to.
    pub const STOPPED: i32 = 0;
    /// Failed while running.
    pub const FAILED: i32 = 1;
    /// The options make no sense; nothing was bound.
    pub const OPTIONS: i32 = 2;
    /// The application did not load.
    pub const LOAD: i32 = 3;
    /// An address could not be bound.
    pub const BIND: i32 = 4;
}

//! What the user asked for, through either door, before we look at the host.

use std::path::PathBuf;
use std::time::Duration;

use super::error::OptionError;
use super::listen::{Host, Listen};

/// What was asked. `None`, or an empty list: nothing was said.
///
/// Filled by [`Options::set`], name by name; made final by
/// [`Config::decide`](super::Config::decide). Units are those of docs/options.md.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(missing_docs, reason = "each field is the option of its name: docs/options.md")]
pub struct Options {
    pub listen: Vec<Listen>,
    pub host: Option<Host>,
    pub port: Option<u16>,
    pub socket: Option<PathBuf>,
    pub backlog: Option<u32>,
    pub max_workers: Option<u32>,
    pub max_reqs_per_child: Option<u32>,
    pub min_reqs_per_child: Option<u32>,
    pub preload_app: Option<bool>,
    pub spawn_interval: Option<Duration>,
    pub err_respawn_interval: Option<Duration>,
    pub keepalive: Option<bool>,
    pub keepalive_timeout: Option<Duration>,
    pub max_keepalive_reqs: Option<u32>,
    pub max_keepalive_connection: Option<u32>,
    pub max_readahead_reqs: Option<u32>,
    pub min_readahead_reqs: Option<u32>,
    pub timeout: Option<Duration>,
    pub header_timeout: Option<Duration>,
    pub body_min_rate: Option<u64>,
    pub drain_min_rate: Option<u64>,
    pub linger_timeout: Option<Duration>,
    pub graceful_timeout: Option<Duration>,
    pub max_connections: Option<u32>,
    pub max_request_line: Option<u64>,
    pub max_header_size: Option<u64>,
    pub max_header_count: Option<u32>,
    pub max_body_size: Option<u64>,
    pub body_buffer_size: Option<u64>,
    pub stream_buffer_size: Option<u64>,
    pub header_underscores: Option<Underscores>,
    pub spool_dir: Option<PathBuf>,
    pub pid: Option<PathBuf>,
    pub access_log: Option<PathBuf>,
    pub error_log: Option<LogTo>,
    pub server_software: Option<String>,
    pub sched_batch: Option<bool>,
    /// What only a door that hosts Perl needs.
    pub perl: PerlOptions,
    /// Lines for the log: what was accepted and has no effect.
    pub(super) notes: Vec<String>,
}

/// What only the program needs: under plackup these are plackup's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PerlOptions {
    /// The application's file (`-a`, or the word on the command line).
    pub app: Option<String>,
    /// Its source itself (`-e`), instead of a file.
    pub eval: Option<String>,
    /// Folders to put before `@INC` (`-I`), in order.
    pub include: Vec<String>,
    /// Modules to load first (`-M`), as typed: `Module=import,import`.
    pub modules: Vec<String>,
    /// What `PLACK_ENV` becomes (`-E`); `None`: what it is, or `deployment`.
    pub env: Option<String>,
}

/// Where the error log goes, if not to standard error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTo {
    /// To the end of a file.
    File(PathBuf),
    /// To the standard input of a shell command.
    Command(String),
}

/// What becomes of fields with `_` in their name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Underscores {
    /// They are dropped: `X_A` and `X-A` would become one key of env.
    #[default]
    Drop,
    /// The request is refused.
    Reject,
    /// They pass, unless the key they become has another owner.
    Allow,
}

impl Options {
    /// One option under any of its names, in dashes or underscores alike. A value of `None` means
    /// that none was given, which for a boolean is true.
    ///
    /// # Errors
    ///
    /// What is wrong with it. The option is as it was, and further ones can be set, so that all
    /// errors can be shown at once.
    pub fn set(&mut self, name: &str, _value: Option<&str>) -> Result<(), OptionError> {
        Err(OptionError::Unknown { name: name.to_owned(), nearest: None })
    }
}

//! What the user asked for, through either door, before we look at the host.

use std::path::PathBuf;
use std::time::Duration;

use super::error::OptionError;
use super::listen::{Host, Listen};
use super::names;
use super::peers::Peers;
use super::table::Standing;
use super::value::{Unit, Value};

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
    pub cleanup_timeout: Option<Duration>,
    pub request_timeout: Option<Duration>,
    pub queue_timeout: Option<Duration>,
    pub defer_accept: Option<u32>,
    pub half_close: Option<HalfClose>,
    pub max_connections: Option<u32>,
    pub max_request_line: Option<u64>,
    pub max_header_size: Option<u64>,
    pub max_header_count: Option<u32>,
    pub max_body_size: Option<u64>,
    pub body_buffer_size: Option<u64>,
    pub stream_buffer_size: Option<u64>,
    pub header_underscores: Option<Underscores>,
    pub spool_dir: Option<PathBuf>,
    pub max_spool_size: Option<u64>,
    pub max_drain_memory: Option<u64>,
    pub sendfile_roots: Vec<PathBuf>,
    pub pid: Option<PathBuf>,
    pub access_log: Option<PathBuf>,
    pub error_log: Option<LogTo>,
    pub server_software: Option<String>,
    pub daemonize: Option<bool>,
    pub proctitle: Option<bool>,
    pub signal_usr1: Option<Usr1>,
    pub max_worker_age: Option<Duration>,
    pub max_worker_memory: Option<u64>,
    pub listen_sock: Vec<i32>,
    pub trusted_proxy: Peers,
    pub user: Option<String>,
    pub group: Option<String>,
    pub sched_batch: Option<bool>,
    /// What only a door that hosts Perl needs.
    pub perl: PerlOptions,
    /// Lines for the log: what was accepted and has no effect.
    pub(super) notes: Vec<String>,
    pub(super) given: Vec<Given>,
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
    /// Whether development wraps nothing (`--no-default-middleware`).
    pub bare: Option<bool>,
    /// What is called as a worker leaves (`--child-exit`), as text.
    pub child_exit: Option<String>,
    /// Where the application is mounted (`--path`); `None`: at the root.
    pub mount: Option<String>,
}

/// Where the error log goes, if not to standard error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTo {
    /// To the end of a file.
    File(PathBuf),
    /// To the standard input of a shell command.
    Command(String),
}

/// What becomes of a client that has shut its writing half while its request waits for a worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HalfClose {
    /// It gets its whole answer.
    #[default]
    Serve,
    /// It has gone: its request is not run.
    Drop,
}

/// What USR1 does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Usr1 {
    /// The logs are opened anew.
    #[default]
    Reopen,
    /// The server stops, one worker after the other.
    SlowStop,
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

/// An option that was set, for finding two names with different values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Given {
    /// The option's first name.
    option: &'static str,
    /// The name it was given by, with dashes.
    name: String,
    value: Value,
}

impl Options {
    /// One option under any of its names, in dashes or underscores alike, bare or with the dashes
    /// of a command line (`max_workers`, `--max-workers`, `-p`). A value of `None` means that none
    /// was given, which for a boolean is true; `enable-` and `disable-` before a boolean's name say
    /// the same.
    ///
    /// # Errors
    ///
    /// What is wrong with it. The option is as it was, and further ones can be set, so that all
    /// errors can be shown at once.
    pub fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), OptionError> {
        let plain = names::plain(name);
        let (opt, value) = match names::find(name) {
            Some(opt) => (opt, value),
            None => names::find_switch(&plain, value).ok_or_else(|| names::unknown(name))?,
        };
        let typed = || name.to_owned();
        let is_off = || {
            opt.unit == Unit::Boolean
                && matches!(opt.unit.read(name, value), Ok(Value::Flag(false)))
        };
        match opt.standing {
            Standing::Built => {}
            Standing::NotYet if is_off() => return Ok(()),
            Standing::NotYet => return Err(OptionError::NotYet { name: typed(), until: opt.more }),
            Standing::Refused(why) if !is_off() => {
                return Err(OptionError::Refused { name: typed(), why: why.to_owned() });
            }
            Standing::Refused(why) | Standing::Ignored(why) => {
                self.notes.push(format!("option {name} is accepted and has no effect: {why}"));
                return Ok(());
            }
        }
        let value = opt.unit.read(name, value)?;
        if !opt.repeats {
            self.remember(opt.name, plain, &value)?;
        }
        (opt.set)(self, value);
        Ok(())
    }

    /// The same name twice: the last counts. Another name of the same option, with another value:
    /// nobody knows which was meant.
    fn remember(
        &mut self,
        option: &'static str,
        name: String,
        value: &Value,
    ) -> Result<(), OptionError> {
        let clash =
            |given: &&Given| given.option == option && given.name != name && given.value != *value;
        if let Some(other) = self.given.iter().find(clash) {
            let why = "two names of one option with different values".to_owned();
            return Err(OptionError::Conflict { name, other: other.name.clone(), why });
        }
        self.given.retain(|given| given.option != option || given.name != name);
        self.given.push(Given { option, name, value: value.clone() });
        Ok(())
    }
}

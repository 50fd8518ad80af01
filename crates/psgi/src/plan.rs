//! What a door has decided about the application: where it comes from, and how it is called.

use std::time::Duration;

use monoceros_server::config::{Config, VERSION};

/// Where the application comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file, as plackup loads it.
    File(String),
    /// Program text: plackup's `-e`.
    Text(String),
    /// Door two: what plackup has, or builds in each worker.
    Given,
}

/// What to load and how to call it: decided by a door.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Door one: perl's switches, `-I` and `-M`.
    pub switches: Vec<String>,
    /// Where the application comes from.
    pub origin: Origin,
    /// `--path`: mounted there.
    pub mount: Option<String>,
    /// What is called as a worker leaves, as text; code was given to perl already.
    pub child_exit: Option<String>,
    /// Whether it is wrapped as plackup wraps it in development.
    pub development: bool,
    /// `PLACK_ENV`, if it is to be set: door one's `-E`.
    pub plack_env: Option<String>,
    /// Whether the supervisor loads the application, before there are workers.
    pub preload: bool,
    /// `SERVER_SOFTWARE`.
    pub software: String,
    /// How long a streaming `write` waits for its client.
    pub write_timeout: Duration,
    /// Whether requests have a time limit, so that the application may ask for more.
    pub limited: bool,
    /// Whether processes say in `$0` what they are.
    pub titles: bool,
}

impl Plan {
    /// What both doors decide alike. The program adds what plackup does for the other one:
    /// switches, mount and `PLACK_ENV`.
    pub fn of(config: &Config, origin: Origin) -> Self {
        let software = config.server_software.clone();
        Self {
            switches: Vec::new(),
            origin,
            mount: None,
            child_exit: None,
            development: false,
            plack_env: None,
            preload: config.preload,
            software: software.unwrap_or_else(|| format!("Monoceros/{VERSION}")),
            write_timeout: config.timeout,
            limited: config.request_timeout.is_some(),
            titles: config.proctitle,
        }
    }
}

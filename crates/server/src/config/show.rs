//! The decided configuration, for people (`--check`).

use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::asked::{LogTo, Usr1};
use super::decide::Config;

/// A line per setting, by the name of its option, with its final value.
impl fmt::Display for Config {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for listen in &self.listen {
            writeln!(out, "listen: {listen}")?;
        }
        for inherited in &self.inherited {
            writeln!(out, "listen: {} (inherited as {})", inherited.name, inherited.fd)?;
        }
        for (name, value) in self.counts().into_iter().chain(self.times()).chain(self.files()) {
            writeln!(out, "{name}: {value}")?;
        }
        self.notes.iter().try_for_each(|note| writeln!(out, "note: {note}"))
    }
}

type Settings = Vec<(&'static str, String)>;

impl Config {
    fn counts(&self) -> Settings {
        let pair = |(least, most): (u32, u32)| {
            if least == most { most.to_string() } else { format!("{least} to {most}") }
        };
        let switch = |on| if on { "on" } else { "off" }.to_owned();
        vec![
            ("backlog", self.backlog.to_string()),
            ("max-workers", self.workers.to_string()),
            ("max-reqs-per-child", self.requests_per_worker.map_or("0".to_owned(), pair)),
            ("max-worker-memory", self.max_worker_memory.unwrap_or(0).to_string()),
            ("preload-app", switch(self.preload)),
            ("sched-batch", switch(self.sched_batch)),
            ("daemonize", switch(self.daemonize)),
            ("proctitle", switch(self.proctitle)),
            ("keepalive", switch(self.keepalive.is_some())),
            ("max-keepalive-connection", self.max_keepalive_connection.to_string()),
            ("max-keepalive-reqs", self.max_keepalive_reqs.to_string()),
            ("max-readahead-reqs", pair(self.max_readahead_reqs)),
            ("max-connections", self.max_connections.to_string()),
            ("max-request-line", self.max_request_line.to_string()),
            ("max-header-size", self.max_header_size.to_string()),
            ("max-header-count", self.max_header_count.to_string()),
            ("max-body-size", self.max_body_size.to_string()),
            ("body-buffer-size", self.body_buffer_size.to_string()),
            ("stream-buffer-size", self.stream_buffer_size.to_string()),
            ("body-min-rate", self.body_min_rate.to_string()),
            ("drain-min-rate", self.drain_min_rate.to_string()),
            ("max-spool-size", self.max_spool_size.to_string()),
            ("max-drain-memory", self.max_drain_memory.to_string()),
        ]
    }

    fn times(&self) -> Settings {
        let time = |time: Duration| time.as_secs_f64().to_string();
        vec![
            ("keepalive-timeout", time(self.keepalive.unwrap_or_default())),
            ("timeout", time(self.timeout)),
            ("header-timeout", time(self.header_timeout)),
            ("linger-timeout", time(self.linger_timeout)),
            ("graceful-timeout", time(self.graceful_timeout)),
            ("request-timeout", time(self.request_timeout.unwrap_or_default())),
            ("cleanup-timeout", time(self.cleanup_timeout.unwrap_or_default())),
            ("max-worker-age", time(self.max_worker_age.unwrap_or_default())),
            ("queue-timeout", time(self.queue_timeout.unwrap_or_default())),
            ("defer-accept", self.defer_accept.to_string()),
            ("spawn-interval", time(self.spawn_interval)),
            ("err-respawn-interval", time(self.err_respawn_interval)),
        ]
    }

    fn files(&self) -> Settings {
        let file =
            |file: Option<&Path>| file.map_or("none".to_owned(), |file| file.display().to_string());
        let roots = self.sendfile_roots.iter().map(|root| root.display().to_string());
        let roots = roots.reduce(|all, next| format!("{all}, {next}"));
        let usr1 = self.signal_usr1 == Usr1::SlowStop;
        let error_log = match &self.error_log {
            None => "standard error".to_owned(),
            Some(LogTo::File(path)) => path.display().to_string(),
            Some(LogTo::Command(command)) => format!("| {command}"),
        };
        vec![
            ("half-close", format!("{:?}", self.half_close).to_lowercase()),
            ("header-underscores", format!("{:?}", self.underscores).to_lowercase()),
            ("server-software", self.server_software.clone().unwrap_or_default()),
            ("spool-dir", self.spool_dir.display().to_string()),
            ("sendfile-root", roots.unwrap_or_else(|| "none".to_owned())),
            ("pid", file(self.pid.as_deref())),
            ("access-log", file(self.access_log.as_deref())),
            ("error-log", error_log),
            ("signal-usr1", if usr1 { "slow-stop" } else { "reopen" }.to_owned()),
            ("trusted-proxy", self.trusted_proxy.to_string()),
            ("user", self.user.clone().unwrap_or_else(|| "none".to_owned())),
            ("group", self.group.clone().unwrap_or_else(|| "none".to_owned())),
        ]
    }
}

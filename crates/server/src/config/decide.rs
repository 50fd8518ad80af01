//! What the server will do: decided, checked once, and in its final units.
//!
//! Pure: the facts of the host come in as [`HostFacts`]. Options that only make sense together are
//! weighed here, each pair in one place.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::asked::{HalfClose, LogTo, Options, Underscores, Usr1};
use super::error::OptionError;
use super::listen::{Activation, Host, Inherited, Listen};
use super::peers::Peers;

/// Descriptors that are not for connections: the first 1,024 numbers are the application's, so
/// that select() works there, and 64 are ours.
const NOT_FOR_CONNECTIONS: u64 = 1_088;

/// What the server will do.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The addresses to bind, at least one; empty if sockets are inherited.
    pub listen: Vec<Listen>,
    /// Sockets a parent has bound. If there are any, they are all that is listened on.
    pub inherited: Vec<Inherited>,
    /// Connections that the kernel may hold until they are accepted.
    pub backlog: u32,
    /// How many workers there are to be, at least 1.
    pub workers: u32,
    /// After how many requests a worker is replaced: each draws a number between these two, both
    /// included. `None`: never.
    pub requests_per_worker: Option<(u32, u32)>,
    /// The age at which a worker is replaced, less up to a tenth; `None`: at none.
    pub max_worker_age: Option<Duration>,
    /// The bytes at which a worker is replaced, less up to a tenth; `None`: at none.
    pub max_worker_memory: Option<u64>,
    /// Whether the application is loaded once, before the workers are forked.
    pub preload: bool,
    /// Pause between births when workers are recycled.
    pub spawn_interval: Duration,
    /// Pause after a failed birth; doubles up to a minute.
    pub err_respawn_interval: Duration,
    /// How long an idle connection is kept after an answer; `None` closes after every one.
    pub keepalive: Option<Duration>,
    /// How many idle connections are kept.
    pub max_keepalive_connection: u32,
    /// After how many requests a connection is closed; 0: no limit.
    pub max_keepalive_reqs: u32,
    /// How many pipelined requests one worker serves in a row: each draws a number between these
    /// two, both included.
    pub max_readahead_reqs: (u32, u32),
    /// How long one write of a stream may be blocked.
    pub timeout: Duration,
    /// How long a whole request head may take. Never above `timeout`.
    pub header_timeout: Duration,
    /// Bytes per second that a body must bring, over 20 s; 0: any.
    pub body_min_rate: u64,
    /// Bytes per second of an answer that a client must take, over 20 s; 0: any.
    pub drain_min_rate: u64,
    /// How long bytes of a client are read and dropped after our half is closed.
    pub linger_timeout: Duration,
    /// From TERM to KILL.
    pub graceful_timeout: Duration,
    /// How long the application may take for one request; `None`: for ever.
    pub request_timeout: Option<Duration>,
    /// How long the cleanup handlers of one request may run; `None`: for ever.
    pub cleanup_timeout: Option<Duration>,
    /// How long a complete request may wait for a worker before it is shed; `None`: for ever.
    pub queue_timeout: Option<Duration>,
    /// Seconds that the kernel may hold a new connection that says nothing; 0: it holds none.
    pub defer_accept: u32,
    /// What becomes of a client that has shut its writing half while its request waits.
    pub half_close: HalfClose,
    /// How many connections there may be, all together.
    pub max_connections: u32,
    /// Bytes of a request line.
    pub max_request_line: usize,
    /// Bytes of a whole request head.
    pub max_header_size: usize,
    /// Fields of a request head.
    pub max_header_count: usize,
    /// Bytes of a request's body, decoded; 0: no limit.
    pub max_body_size: u64,
    /// Bytes of a body that are held in memory; longer ones go to a file.
    pub body_buffer_size: usize,
    /// Bytes that a stream may be ahead of its client.
    pub stream_buffer_size: usize,
    /// What becomes of fields with `_` in their name.
    pub underscores: Underscores,
    /// Where files without a name are made.
    pub spool_dir: PathBuf,
    /// Bytes that spooled bodies and answers may have on disk, all together; 0: no limit.
    pub max_spool_size: u64,
    /// Bytes that finished answers may have in memory, all together; beyond, they go to `spool_dir`.
    pub max_drain_memory: u64,
    /// The datagram socket that is told when the server is ready, and when it stops: a path, or a name
    /// behind `@`.
    pub notify_socket: Option<OsString>,
    /// Below these folders are the files that `X-Sendfile` may name: absolute, and none is `/`. Empty:
    /// it is an ordinary field.
    pub sendfile_roots: Vec<PathBuf>,
    /// The file that holds the supervisor's process id.
    pub pid: Option<PathBuf>,
    /// The file that gets a line per request.
    pub access_log: Option<PathBuf>,
    /// Where the error log goes; `None`: to standard error.
    pub error_log: Option<LogTo>,
    /// The value of the Server field and of `SERVER_SOFTWARE`; `None`: no Server field.
    pub server_software: Option<String>,
    /// Peers that are believed what they say of the client that they speak for.
    pub trusted_proxy: Peers,
    /// What USR1 does.
    pub signal_usr1: Usr1,
    /// Whether processes say in their title what they are.
    pub proctitle: bool,
    /// Whether the server goes on in the background when it is ready.
    pub daemonize: bool,
    /// The user to become, by name or number.
    pub user: Option<String>,
    /// The group to become, by name or number.
    pub group: Option<String>,
    /// Whether workers and the manager run under SCHED_BATCH.
    pub sched_batch: bool,
    /// Lines for the log, once it is open: what was accepted and has no effect, what was replaced.
    pub notes: Vec<String>,
}

/// What the decision needs to know of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// The hard limit of open descriptors.
    pub descriptors: u64,
    /// `SERVER_STARTER_PORT` of the environment.
    pub server_starter_port: Option<String>,
    /// This process.
    pub pid: i32,
    /// What systemd has left in the environment.
    pub activation: Activation,
    /// `NOTIFY_SOCKET` of the environment.
    pub notify_socket: Option<OsString>,
    /// `TMPDIR` of the environment.
    pub tmpdir: Option<PathBuf>,
}

impl HostFacts {
    /// Looks at this process's limits and environment.
    pub fn look() -> Self {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        Self {
            descriptors: limit.maximum.unwrap_or(u64::MAX),
            server_starter_port: std::env::var("SERVER_STARTER_PORT").ok(),
            pid: rustix::process::getpid().as_raw_nonzero().get(),
            activation: Activation {
                pid: std::env::var("LISTEN_PID").ok(),
                count: std::env::var("LISTEN_FDS").ok(),
                names: std::env::var("LISTEN_FDNAMES").ok(),
            },
            notify_socket: std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()),
            tmpdir: std::env::var_os("TMPDIR").filter(|dir| !dir.is_empty()).map(PathBuf::from),
        }
    }
}

impl Config {
    /// Decides what to do.
    ///
    /// # Errors
    ///
    /// Everything that contradicts itself or does not fit the host, all of it at once.
    pub fn decide(options: &Options, host: &HostFacts) -> Result<Self, Vec<OptionError>> {
        let mut errors = Vec::new();
        let mut notes = options.notes.clone();
        let max_connections = connections(options, host, &mut errors);
        let (listen, inherited) = addresses(options, host, &mut notes, &mut errors);
        let seconds =
            |asked: Option<Duration>, otherwise| asked.unwrap_or(Duration::from_secs(otherwise));
        let timeout = seconds(options.timeout, 300);
        let config = Self {
            listen,
            inherited,
            backlog: options.backlog.unwrap_or(4_096),
            workers: options.max_workers.unwrap_or(5),
            requests_per_worker: requests_per_worker(options, &mut errors),
            max_worker_age: limit(options.max_worker_age, 0),
            max_worker_memory: options.max_worker_memory.filter(|most| *most > 0),
            preload: options.preload_app.unwrap_or(true),
            spawn_interval: options.spawn_interval.unwrap_or(Duration::ZERO),
            err_respawn_interval: seconds(options.err_respawn_interval, 1),
            keepalive: keepalive(options),
            max_keepalive_connection: max_keepalive(options, max_connections),
            max_keepalive_reqs: options.max_keepalive_reqs.unwrap_or(0),
            max_readahead_reqs: readahead(options, &mut errors),
            timeout,
            header_timeout: seconds(options.header_timeout, 30).min(timeout),
            body_min_rate: options.body_min_rate.unwrap_or(500),
            drain_min_rate: options.drain_min_rate.unwrap_or(500),
            linger_timeout: seconds(options.linger_timeout, 2),
            request_timeout: limit(options.request_timeout, 0),
            cleanup_timeout: limit(options.cleanup_timeout, 60),
            queue_timeout: limit(options.queue_timeout, 60),
            defer_accept: options.defer_accept.unwrap_or(0),
            half_close: options.half_close.unwrap_or_default(),
            graceful_timeout: seconds(options.graceful_timeout, 30),
            max_connections,
            max_request_line: size(options.max_request_line, 16 << 10),
            max_header_size: size(options.max_header_size, 64 << 10),
            max_header_count: size(options.max_header_count.map(u64::from), 128),
            max_body_size: options.max_body_size.unwrap_or(64 << 20),
            body_buffer_size: size(options.body_buffer_size, 64 << 10),
            stream_buffer_size: size(options.stream_buffer_size, 64 << 10),
            underscores: options.header_underscores.unwrap_or_default(),
            spool_dir: spool_dir(options, host),
            max_spool_size: max_spool_size(options),
            max_drain_memory: options.max_drain_memory.unwrap_or(256 << 20),
            notify_socket: host.notify_socket.clone(),
            sendfile_roots: sendfile_roots(options, &mut errors),
            pid: options.pid.clone(),
            access_log: options.access_log.clone(),
            error_log: options.error_log.clone(),
            server_software: server_software(options),
            trusted_proxy: options.trusted_proxy.clone(),
            daemonize: options.daemonize.unwrap_or(false),
            proctitle: options.proctitle.unwrap_or(true),
            signal_usr1: options.signal_usr1.unwrap_or_default(),
            user: options.user.clone(),
            group: options.group.clone(),
            sched_batch: options.sched_batch.unwrap_or(true),
            notes,
        };
        if errors.is_empty() { Ok(config) } else { Err(errors) }
    }
}

/// Half of all connections may be idle, or what was asked for.
fn max_keepalive(options: &Options, max_connections: u32) -> u32 {
    let asked = options.max_keepalive_connection.unwrap_or(max_connections / 2);
    asked.min(max_connections)
}

/// A limit in time, for which zero means that there is none.
fn limit(asked: Option<Duration>, seconds: u64) -> Option<Duration> {
    let time = asked.unwrap_or(Duration::from_secs(seconds));
    (!time.is_zero()).then_some(time)
}

/// Room for at least one body of the size that is let in.
fn max_spool_size(options: &Options) -> u64 {
    let body = options.max_body_size.unwrap_or(64 << 20);
    options.max_spool_size.unwrap_or((4_u64 << 30).max(body))
}

/// Folders that mean the same wherever the server is started, and that are not the whole host.
fn sendfile_roots(options: &Options, errors: &mut Vec<OptionError>) -> Vec<PathBuf> {
    let wrong = |root: &&PathBuf| !root.is_absolute() || root.components().nth(1).is_none();
    errors.extend(options.sendfile_roots.iter().filter(wrong).map(|root| OptionError::BadValue {
        name: "sendfile_root".to_owned(),
        value: Some(root.display().to_string()),
        expected: "the absolute path of a folder other than /".to_owned(),
    }));
    options.sendfile_roots.clone()
}

fn size(asked: Option<u64>, default: usize) -> usize {
    asked.map_or(default, |asked| usize::try_from(asked).unwrap_or(usize::MAX))
}

fn spool_dir(options: &Options, host: &HostFacts) -> PathBuf {
    let asked = options.spool_dir.as_ref().or(host.tmpdir.as_ref());
    asked.cloned().unwrap_or_else(|| PathBuf::from("/tmp"))
}

fn server_software(options: &Options) -> Option<String> {
    let asked = options.server_software.clone();
    let software = asked.unwrap_or_else(|| format!("Monoceros/{}", super::VERSION));
    (!software.is_empty()).then_some(software)
}

/// Three ways to say that no connection is kept, and one time for those that are.
fn keepalive(options: &Options) -> Option<Duration> {
    let on = options.keepalive != Some(false) && options.max_keepalive_reqs != Some(1);
    let time = options.keepalive_timeout.unwrap_or(Duration::from_secs(10));
    (on && !time.is_zero()).then_some(time)
}

fn requests_per_worker(options: &Options, errors: &mut Vec<OptionError>) -> Option<(u32, u32)> {
    let most = options.max_reqs_per_child.unwrap_or(1_000);
    // Nine tenths, so that workers born together do not leave together.
    let least = options.min_reqs_per_child.unwrap_or(most - most / 10);
    if most != 0 && least > most {
        errors.push(upside_down("min_reqs_per_child", "max_reqs_per_child", least, most));
    }
    (most != 0).then_some((least.max(1), most))
}

fn readahead(options: &Options, errors: &mut Vec<OptionError>) -> (u32, u32) {
    let most = options.max_readahead_reqs.unwrap_or(100);
    let least = options.min_readahead_reqs.unwrap_or(most);
    if least > most {
        errors.push(upside_down("min_readahead_reqs", "max_readahead_reqs", least, most));
    }
    (least, most)
}

fn upside_down(name: &str, other: &str, least: u32, most: u32) -> OptionError {
    let why = format!("{least} is more than {most}");
    OptionError::Conflict { name: name.to_owned(), other: other.to_owned(), why }
}

/// How many connections there may be: what the host's descriptors allow, or fewer if asked.
fn connections(options: &Options, host: &HostFacts, errors: &mut Vec<OptionError>) -> u32 {
    let room = host.descriptors.saturating_sub(NOT_FOR_CONNECTIONS);
    let most = u32::try_from(room.min(65_536)).unwrap_or(65_536);
    let asked = options.max_connections.unwrap_or(most);
    if asked == 0 || asked > most {
        let limit = host.descriptors;
        let expected = match most {
            0 => format!(
                "possible: this host's hard limit of {limit} open files (ulimit -Hn) is too low, \
                 {NOT_FOR_CONNECTIONS} of them are not for connections: raise it"
            ),
            _ => format!(
                "possible: this host's hard limit of {limit} open files (ulimit -Hn) leaves room for \
                 1 to {most}, as {NOT_FOR_CONNECTIONS} are not for connections"
            ),
        };
        let (name, value) = ("max_connections".to_owned(), Some(asked.to_string()));
        errors.push(OptionError::BadValue { name, value, expected });
    }
    asked
}

fn addresses(
    options: &Options,
    host: &HostFacts,
    notes: &mut Vec<String>,
    errors: &mut Vec<OptionError>,
) -> (Vec<Listen>, Vec<Inherited>) {
    let named = options.host.is_some() || options.port.is_some();
    if named && !options.listen.is_empty() {
        errors.push(OptionError::Conflict {
            name: if options.port.is_some() { "port" } else { "host" }.to_owned(),
            other: "listen".to_owned(),
            why: "listen says all addresses".to_owned(),
        });
    }
    let mut listen = options.listen.clone();
    if named {
        let host = options.host.clone().unwrap_or(Host::V4Any);
        listen.push(Listen::Tcp { host, port: options.port.unwrap_or(5_000) });
    }
    listen.extend(options.socket.as_ref().map(Listen::unix));
    listen.iter_mut().for_each(|listen| listen.belong_to(&options.user, &options.group));
    let mut inherited = inherited(host, errors);
    let handle = |fd: &i32| Inherited { name: "listen_sock".to_owned(), fd: *fd };
    inherited.extend(options.listen_sock.iter().map(handle));
    let default = Listen::Tcp { host: Host::V4Any, port: 5_000 };
    if !inherited.is_empty() {
        // plackup always passes its default, so that one may not have been typed.
        notes.extend(listen.iter().filter(|address| **address != default).map(|address| {
            format!("listen {address} is replaced by the sockets that were inherited")
        }));
        listen.clear();
    } else if listen.is_empty() {
        listen.push(default);
    }
    (listen, inherited)
}

/// Sockets that a parent has bound: start_server's, and systemd's.
fn inherited(host: &HostFacts, errors: &mut Vec<OptionError>) -> Vec<Inherited> {
    let starter = host.server_starter_port.as_deref().unwrap_or_default();
    let mut inherited = Inherited::read_all(starter).unwrap_or_else(|entry| {
        errors.push(OptionError::BadValue {
            name: "SERVER_STARTER_PORT".to_owned(),
            value: Some(entry),
            expected: "an address, =, and the number of a descriptor".to_owned(),
        });
        Vec::new()
    });
    inherited.extend(host.activation.read(host.pid).unwrap_or_else(|(name, value)| {
        errors.push(OptionError::BadValue {
            name: name.to_owned(),
            value: Some(value),
            expected: "a number, as systemd sets it".to_owned(),
        });
        Vec::new()
    }));
    inherited
}

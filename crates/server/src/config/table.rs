//! The table of options: every option that either door takes, with all that is said about it.
//!
//! A row is an option's names, unit, range, default, help, and where its value goes. Clap, plackup's
//! keys, `--help` and docs/options.md are made from these rows and from nothing else.

use super::asked::Options;
use super::value::{Unit, Value};

/// One option.
#[derive(Debug, Clone, Copy)]
pub struct Opt {
    /// Its first name, with dashes; of one letter if it is `-e` and no more.
    pub name: &'static str,
    /// Its other names.
    pub also: &'static [&'static str],
    /// Its letter, beside the name.
    pub short: Option<char>,
    /// What its value is.
    pub unit: Unit,
    /// What it is if nothing is said, as one would write it or as one would say it.
    pub default: &'static str,
    /// What it does, in one line.
    pub help: &'static str,
    /// What else to know.
    pub more: &'static str,
    /// Who takes it.
    pub doors: Doors,
    /// Whether it is there.
    pub standing: Standing,
    /// Whether it can be given several times and all count.
    pub repeats: bool,
    /// The heading it stands under.
    pub part: &'static str,
    /// Puts a value of its unit where it belongs.
    pub(super) set: fn(&mut Options, Value),
}

/// Which doors take an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doors {
    /// Both.
    Both,
    /// The program alone: plackup has its own, or none.
    Program,
    /// The handler under plackup alone, from Perl code.
    Plackup,
}

/// Whether an option is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Built,
    /// It is planned.
    NotYet,
    /// A peer has it and we do not: why, and what to use instead. Off, it is accepted.
    Refused(&'static str),
    /// A peer has it; here it means nothing: why. Accepted, with a line in the log.
    Ignored(&'static str),
}

/// What most rows have in common.
const PLAIN: Opt = Opt {
    name: "",
    also: &[],
    short: None,
    unit: Unit::Boolean,
    default: "none",
    help: "",
    more: "",
    doors: Doors::Both,
    standing: Standing::Built,
    repeats: false,
    part: "",
    set: |_, _| {},
};

/// An option of this name that is planned; `more` is what does it until then.
const fn not_yet(name: &'static str, unit: Unit, help: &'static str, more: &'static str) -> Opt {
    Opt { name, unit, help, more, standing: Standing::NotYet, part: NOT_YET, ..PLAIN }
}

/// An option of a peer that we refuse.
const fn refused(name: &'static str, unit: Unit, why: &'static str) -> Opt {
    Opt { name, unit, standing: Standing::Refused(why), part: REFUSED, ..PLAIN }
}

const ADDRESSES: &str = "Addresses";
const WORKERS: &str = "Workers";
const KEPT: &str = "Kept connections";
const TIMES: &str = "Times and rates";
const LIMITS: &str = "Limits";
const FILES: &str = "Files";
const PROCESS: &str = "The process";
const APPLICATION: &str = "The application";
const NOT_YET: &str = "Not in this version";
const IGNORED: &str = "Accepted, without effect";
const REFUSED: &str = "Refused";

const DAY: f64 = 86_400.0;
const ANY_COUNT: Unit = Unit::Count { least: 0, most: 1_000_000_000 };
const ANY_TEXT: Unit = Unit::Text("text");
const ANY_RATE: Unit = Unit::Size { least: 0, most: 1 << 30 };
const ANY_TIME: Unit = Unit::Seconds { least: 0.0, most: DAY };
const SOME_TIME: Unit = Unit::Seconds { least: 0.1, most: DAY };
const SIZE_OR_NONE: Unit = Unit::Size { least: 0, most: 1 << 50 };

const FIXED: &str = "the number of workers is fixed: max-workers, and the signals TTIN and TTOU";
const TLS: &str = "TLS is the edge's, or a proxy's in front";
const STARTER: &str = "start_server's: restarts wait for a worker to be ready, not for seconds";
const PLACKUPS: &str = "plackup's: plackup -s Monoceros takes it";

/// Every option, in the order of docs/options.md.
pub static TABLE: &[Opt] = &[
    Opt {
        name: "listen",
        short: Some('l'),
        unit: Unit::Address,
        default: ":5000",
        help: "Listen on host:port, :port, [v6]:port, /path or unix:/path?mode=0660",
        more: "Repeatable. `:port` is every IPv4 address; an IPv6 address listens on IPv6 alone. \
               After `unix:/path?` may stand `mode=0660`, `owner=user`, `group=group` and \
               `unlink=1`, joined by `&`. Without a mode the umask decides. A socket file that is \
               already there is removed only if nobody answers on it, or with `unlink=1`.",
        repeats: true,
        part: ADDRESSES,
        set: |options, value| options.listen.extend(value.address()),
        ..PLAIN
    },
    Opt {
        name: "host",
        short: Some('o'),
        unit: Unit::Host,
        default: "any IPv4 address",
        help: "Listen on this address; with --port",
        more: "An IPv6 address needs no brackets here. Cannot stand beside `listen`.",
        part: ADDRESSES,
        set: |options, value| options.host = value.host(),
        ..PLAIN
    },
    Opt {
        name: "port",
        short: Some('p'),
        unit: Unit::Port,
        default: "5000",
        help: "Listen on this port; with --host",
        more: "0 lets the kernel choose one; the log says which. Cannot stand beside `listen`.",
        part: ADDRESSES,
        set: |options, value| options.port = value.port(),
        ..PLAIN
    },
    Opt {
        name: "socket",
        also: &["socket-path"],
        short: Some('S'),
        unit: Unit::Path,
        help: "Listen on this UNIX socket",
        more: "Beside `listen`, `host` or `port`: on it, too. See `listen` for its permissions. Under \
               plackup a relative path needs a slash: `./app.sock`.",
        part: ADDRESSES,
        set: |options, value| options.socket = value.path(),
        ..PLAIN
    },
    Opt {
        name: "listen-sock",
        unit: Unit::Descriptor,
        help: "Listen on this socket, which is bound already, and on nothing else",
        more: "A handle, IO::Socket for instance, that listens. It stays open where it was made.",
        doors: Doors::Plackup,
        repeats: true,
        part: ADDRESSES,
        set: |options, value| options.listen_sock.extend(value.descriptor()),
        ..PLAIN
    },
    Opt {
        name: "backlog",
        unit: Unit::Count { least: 1, most: 65_535 },
        default: "4096",
        help: "Connections that the kernel may hold until they are accepted",
        more: "Cut by the kernel to net.core.somaxconn.",
        part: ADDRESSES,
        set: |options, value| options.backlog = value.count(),
        ..PLAIN
    },
    Opt {
        name: "max-workers",
        also: &["workers"],
        unit: Unit::Count { least: 1, most: 1_000 },
        default: "5",
        help: "Workers: how many requests are in the application at a time",
        more: "An idle or slow client holds none of them. Starlet's 0 (no fork) is refused: use 1.",
        part: WORKERS,
        set: |options, value| options.max_workers = value.count(),
        ..PLAIN
    },
    Opt {
        name: "max-reqs-per-child",
        also: &["max-requests"],
        unit: ANY_COUNT,
        default: "1000",
        help: "Replace a worker after this many requests; 0: never",
        more: "Requests, not connections. No client loses its connection by it.",
        part: WORKERS,
        set: |options, value| options.max_reqs_per_child = value.count(),
        ..PLAIN
    },
    Opt {
        name: "min-reqs-per-child",
        unit: ANY_COUNT,
        default: "0.9 of max-reqs-per-child",
        help: "Each worker draws its number of requests between this and max-reqs-per-child",
        more: "So that workers born together do not leave together.",
        part: WORKERS,
        set: |options, value| options.min_reqs_per_child = value.count(),
        ..PLAIN
    },
    Opt {
        name: "max-worker-age",
        unit: ANY_TIME,
        default: "0",
        help: "Replace a worker that is older than this; 0: never",
        more: "Between two requests, or while it is idle. Each worker draws its age from the last tenth \
               before, so that workers born together do not leave together.",
        part: WORKERS,
        set: |options, value| options.max_worker_age = value.seconds(),
        ..PLAIN
    },
    Opt {
        name: "max-worker-memory",
        unit: SIZE_OR_NONE,
        default: "0",
        help: "Replace a worker that has grown to this size; 0: never",
        more: "Looked at after a request, at most once a second; drawn from the last tenth before. It is \
               the worker's proportional size (PSS): of what workers share each counts its part.",
        part: WORKERS,
        set: |options, value| options.max_worker_memory = value.size(),
        ..PLAIN
    },
    Opt {
        name: "preload-app",
        default: "on",
        help: "Load the application once, before the workers are forked",
        more: "Off: each worker loads it at its birth; new code then needs only HUP. Under plackup: \
               `-L Delayed`. On, look at handles that the application opens while it is loaded: \
               all workers share them.",
        part: WORKERS,
        set: |options, value| options.preload_app = value.flag(),
        ..PLAIN
    },
    Opt {
        name: "spawn-interval",
        unit: ANY_TIME,
        default: "0",
        help: "Pause between births when workers are recycled",
        part: WORKERS,
        set: |options, value| options.spawn_interval = value.seconds(),
        ..PLAIN
    },
    Opt {
        name: "err-respawn-interval",
        unit: SOME_TIME,
        default: "1",
        help: "Pause after a failed birth; doubles up to 60",
        part: WORKERS,
        set: |options, value| options.err_respawn_interval = value.seconds(),
        ..PLAIN
    },
    Opt {
        name: "graceful-timeout",
        unit: ANY_TIME,
        default: "30",
        help: "From TERM to KILL",
        more: "Idle connections are closed at once; requests that run are answered with \
               `Connection: close`; what is left at the end is reset.",
        part: WORKERS,
        set: |options, value| options.graceful_timeout = value.seconds(),
        ..PLAIN
    },
    Opt {
        name: "request-timeout",
        unit: ANY_TIME,
        default: "0",
        help: "Time for the application to answer one request, then 504; 0: no limit",
        more: "From the call of the application to its return, a streamed answer included. When it is over \
               the client is answered 504 at once (an answer that has begun is broken off), the \
               application dies at its next safe point with a stack trace on psgi.errors, and a worker that \
               is still there after 2 s is killed. It is replaced either way. monoceros.deadline in the \
               environment gives a request more time, or none.",
        part: WORKERS,
        set: |options, value| options.request_timeout = value.seconds(),
        ..PLAIN
    },
    Opt {
        name: "cleanup-timeout",
        unit: ANY_TIME,
        default: "60",
        help: "Time for the cleanup handlers of one request; 0: no limit",
        more: "psgix.cleanup.handlers run when the client has its answer and its connection is free, so \
               they keep nobody waiting but a worker. One that takes longer is killed and replaced, \
               and the error log says so.",
        part: WORKERS,
        set: |options, value| options.cleanup_timeout = value.seconds(),
        ..PLAIN
    },
    Opt {
        name: "sched-batch",
        default: "on",
        help: "Run workers and manager under SCHED_BATCH, so that a wake-up does not interrupt a request",
        more: "Processes that the application forks do not inherit it.",
        part: WORKERS,
        set: |options, value| options.sched_batch = value.flag(),
        ..PLAIN
    },
    Opt {
        name: "keepalive",
        default: "on",
        help: "Keep connections after an answer",
        more: "Under plackup any number but 0 is on, as Catalyst's server script passes 1 or 100.",
        part: KEPT,
        set: |options, value| options.keepalive = value.flag(),
        ..PLAIN
    },
    Opt {
        name: "keepalive-timeout",
        unit: ANY_TIME,
        default: "10",
        help: "Close a kept connection after this time without a request; 0: no keep-alive",
        more: "Idle connections cost the workers nothing, so this can be generous. Keep it longer \
               than the idle timeout of any proxy in front, or the proxy will write to a \
               connection that is closing.",
        part: KEPT,
        set: |options, value| options.keepalive_timeout = value.seconds(),
        ..PLAIN
    },
    Opt {
        name: "max-keepalive-reqs",
        unit: ANY_COUNT,
        default: "0",
        help: "Requests per connection; 0: no limit, 1: no keep-alive",
        part: KEPT,
        set: |options, value| options.max_keepalive_reqs = value.count(),
        ..PLAIN
    },
    Opt {
        name: "max-keepalive-connection",
        unit: ANY_COUNT,
        default: "half of max-connections",
        help: "Idle connections; beyond, the longest idle is closed",
        part: KEPT,
        set: |options, value| options.max_keepalive_connection = value.count(),
        ..PLAIN
    },
    Opt {
        name: "max-readahead-reqs",
        unit: ANY_COUNT,
        default: "100",
        help: "Pipelined requests that one worker serves in a row",
        more: "Then the connection takes its turn behind the others.",
        part: KEPT,
        set: |options, value| options.max_readahead_reqs = value.count(),
        ..PLAIN
    },
    Opt {
        name: "min-readahead-reqs",
        unit: ANY_COUNT,
        default: "max-readahead-reqs",
        help: "Each worker draws its number between this and max-readahead-reqs",
        part: KEPT,
        set: |options, value| options.min_readahead_reqs = value.count(),
        ..PLAIN
    },
    Opt {
        name: "timeout",
        unit: SOME_TIME,
        default: "300",
        help: "How long one write of a stream may be blocked; also caps header-timeout",
        more: "No worker waits for a client otherwise, so the peers' read timeout has no other \
               meaning here.",
        part: TIMES,
        set: |options, value| options.timeout = value.seconds(),
        ..PLAIN
    },
    Opt {
        name: "header-timeout",
        also: &["read-timeout"],
        unit: SOME_TIME,
        default: "30",
        help: "How long a whole request head may take: 408",
        more: "A total: a byte now and then does not extend it. A connection that never spoke is \
               closed silently.",
        part: TIMES,
        set: |options, value| options.header_timeout = value.seconds(),
        ..PLAIN
    },
    Opt {
        name: "body-min-rate",
        unit: ANY_RATE,
        default: "500",
        help: "Bytes per second that a request's body must bring, over 20 s: 408; 0: any",
        part: TIMES,
        set: |options, value| options.body_min_rate = value.size(),
        ..PLAIN
    },
    Opt {
        name: "drain-min-rate",
        unit: ANY_RATE,
        default: "500",
        help: "Bytes per second of an answer that a client must take, over 20 s: reset; 0: any",
        part: TIMES,
        set: |options, value| options.drain_min_rate = value.size(),
        ..PLAIN
    },
    Opt {
        name: "defer-accept",
        unit: Unit::Count { least: 0, most: 1 },
        default: "0",
        help: "Seconds that the kernel may hold a new connection that says nothing; 0: off",
        more: "Beyond a second, storms of connections bring SYN cookies. header-timeout is counted \
               from accept.",
        part: TIMES,
        set: |options, value| options.defer_accept = value.count(),
        ..PLAIN
    },
    Opt {
        name: "queue-timeout",
        unit: ANY_TIME,
        default: "60",
        help: "How long a complete request may wait for a worker: 503; 0: for ever",
        more: "It is answered without being run, and its connection is kept. The age is that of its \
               last byte.",
        part: TIMES,
        set: |options, value| options.queue_timeout = value.seconds(),
        ..PLAIN
    },
    Opt {
        name: "half-close",
        unit: Unit::HalfClose,
        default: "serve",
        help: "Whether a client that has shut its writing half while it waits is served",
        part: TIMES,
        set: |options, value| options.half_close = value.half_close(),
        ..PLAIN
    },
    Opt {
        name: "linger-timeout",
        unit: ANY_TIME,
        default: "2",
        help: "How long a client's bytes are read and dropped after our half is closed",
        more: "So that no reset eats the end of the answer.",
        part: TIMES,
        set: |options, value| options.linger_timeout = value.seconds(),
        ..PLAIN
    },
    Opt {
        name: "max-connections",
        unit: Unit::Count { least: 1, most: 65_536 },
        default: "the hard limit of open files less 1088, at most 65536",
        help: "Connections, all together; beyond, they wait in the backlog",
        part: LIMITS,
        set: |options, value| options.max_connections = value.count(),
        ..PLAIN
    },
    Opt {
        name: "max-request-line",
        unit: Unit::Size { least: 256, most: 64 << 10 },
        default: "16k",
        help: "Bytes of a request line: 414",
        part: LIMITS,
        set: |options, value| options.max_request_line = value.size(),
        ..PLAIN
    },
    Opt {
        name: "max-header-size",
        unit: Unit::Size { least: 1 << 10, most: 64 << 10 },
        default: "64k",
        help: "Bytes of a whole request head: 431",
        part: LIMITS,
        set: |options, value| options.max_header_size = value.size(),
        ..PLAIN
    },
    Opt {
        name: "max-header-count",
        unit: Unit::Count { least: 1, most: 10_000 },
        default: "128",
        help: "Fields of a request head: 431",
        part: LIMITS,
        set: |options, value| options.max_header_count = value.count(),
        ..PLAIN
    },
    Opt {
        name: "max-body-size",
        unit: SIZE_OR_NONE,
        default: "64m",
        help: "Bytes of a request's body, decoded: 413; 0: no limit",
        part: LIMITS,
        set: |options, value| options.max_body_size = value.size(),
        ..PLAIN
    },
    Opt {
        name: "body-buffer-size",
        unit: Unit::Size { least: 0, most: 64 << 10 },
        default: "64k",
        help: "Bytes of a body held in memory; a longer one goes to a file in spool-dir",
        part: LIMITS,
        set: |options, value| options.body_buffer_size = value.size(),
        ..PLAIN
    },
    Opt {
        name: "max-spool-size",
        unit: SIZE_OR_NONE,
        default: "4g, or max-body-size if that is more",
        help: "Bytes in spool-dir, of all requests and answers together: 507; 0: no limit",
        part: LIMITS,
        set: |options, value| options.max_spool_size = value.size(),
        ..PLAIN
    },
    Opt {
        name: "max-drain-memory",
        unit: SIZE_OR_NONE,
        default: "256m",
        help: "Bytes of finished answers held in memory for slow clients; beyond, in spool-dir",
        part: LIMITS,
        set: |options, value| options.max_drain_memory = value.size(),
        ..PLAIN
    },
    Opt {
        name: "stream-buffer-size",
        unit: Unit::Size { least: 0, most: 1 << 30 },
        default: "64k",
        help: "Bytes that a stream may be ahead of its client; beyond, write waits",
        part: LIMITS,
        set: |options, value| options.stream_buffer_size = value.size(),
        ..PLAIN
    },
    Opt {
        name: "header-underscores",
        unit: Unit::Underscores,
        default: "drop",
        help: "What becomes of request fields with _ in their name",
        more: "`X_A` and `X-A` become one key of env, so a client could forge what a proxy sets. \
               Even under `allow`, one whose key another field has is dropped.",
        part: LIMITS,
        set: |options, value| options.header_underscores = value.underscores(),
        ..PLAIN
    },
    Opt {
        name: "trusted-proxy",
        unit: Unit::Peers,
        help: "Peers whose X-Forwarded-For and X-Forwarded-Proto are believed",
        more: "Addresses and networks (`10.0.0.0/8`), and `unix` for whoever comes over a UNIX socket; \
               with commas, or repeated. From such a peer `REMOTE_ADDR` is the right-most address of \
               X-Forwarded-For that is no trusted proxy, and with X-Forwarded-Proto: https the scheme \
               is https and `HTTPS` is on. The proxy must set or remove both fields. Forwarded, \
               X-Forwarded-Host and X-Forwarded-Port are never believed.",
        repeats: true,
        part: LIMITS,
        set: |options, value| options.trusted_proxy.extend(value.peers().unwrap_or_default()),
        ..PLAIN
    },
    Opt {
        name: "server-software",
        unit: Unit::Word,
        default: "Monoceros/VERSION",
        help: "The Server field and SERVER_SOFTWARE; '': no Server field",
        part: LIMITS,
        set: |options, value| options.server_software = value.text(),
        ..PLAIN
    },
    Opt {
        name: "spool-dir",
        unit: Unit::Path,
        default: "$TMPDIR or /tmp",
        help: "Where large bodies and answers are kept, in files without a name",
        more: "Should be on a disk with room: a /tmp in memory counts as memory.",
        part: FILES,
        set: |options, value| options.spool_dir = value.path(),
        ..PLAIN
    },
    Opt {
        name: "sendfile-root",
        unit: Unit::Path,
        help: "Send the file that an answer's X-Sendfile names, if it is below this folder",
        more: "Repeatable. An absolute path, and not `/`. Without it X-Sendfile is an ordinary field. \
               What is outside, missing or no regular file is a 404 and a line in the log; no link \
               leads out. Needs Linux 5.6. See docs/security.md.",
        repeats: true,
        part: FILES,
        set: |options, value| options.sendfile_roots.extend(value.path()),
        ..PLAIN
    },
    Opt {
        name: "pid",
        also: &["pid-file"],
        unit: Unit::Path,
        help: "Write the supervisor's process id to this file, and lock it",
        more: "It is removed at the end; with user, where the folder may be another's by then, it is left \
               there empty.",
        part: FILES,
        set: |options, value| options.pid = value.path(),
        ..PLAIN
    },
    Opt {
        name: "access-log",
        unit: Unit::Path,
        help: "Write a line per request to this file, in Apache's combined format",
        more: "Times are in UTC. Reopened on USR1. Under plackup the option is plackup's own.",
        doors: Doors::Program,
        part: FILES,
        set: |options, value| options.access_log = value.path(),
        ..PLAIN
    },
    Opt {
        name: "error-log",
        also: &["log-file"],
        unit: Unit::Log,
        default: "standard error",
        help: "Write standard error to this file, or to the command after |",
        more: "`psgi.errors` goes there too. A file is reopened on USR1.",
        part: FILES,
        set: |options, value| options.error_log = value.log(),
        ..PLAIN
    },
    Opt {
        name: "user",
        unit: Unit::Text("name"),
        help: "Become this user when everything is bound and open",
        more: "A name or a number, with its groups; root alone may. Before the application is loaded, \
               but under plackup, which loads it first, unless `-L Delayed`. Log files and the pid \
               file are given to the user (no links and no devices), and so are UNIX sockets \
               without an owner. A command \
               of `error-log` stays root's.",
        part: PROCESS,
        set: |options, value| options.user = value.text(),
        ..PLAIN
    },
    Opt {
        name: "group",
        unit: Unit::Text("name"),
        default: "the user's",
        help: "Become this group when everything is bound and open",
        more: "A name or a number. Instead of the user's main group; the others stay the user's. \
               Without `user` it is the only group.",
        part: PROCESS,
        set: |options, value| options.group = value.text(),
        ..PLAIN
    },
    Opt {
        name: "daemonize",
        short: Some('D'),
        default: "off",
        help: "Go on in the background when the server is ready",
        more: "The command comes back when the first worker can serve, with status 0, or when that \
               cannot be, with the status that says why; until then errors are shown where it was \
               typed, and from then on, without `error-log`, nowhere. The folder stays. Not for \
               systemd.",
        part: PROCESS,
        set: |options, value| options.daemonize = value.flag(),
        ..PLAIN
    },
    Opt {
        name: "signal-usr1",
        unit: Unit::Usr1,
        default: "reopen",
        help: "What USR1 does: open the logs anew, or stop worker by worker",
        more: "slow-stop is Starlet's, for start_server's --signal-on-hup=USR1: one worker less every \
               `spawn-interval`, and then a graceful stop.",
        part: PROCESS,
        set: |options, value| options.signal_usr1 = value.usr1(),
        ..PLAIN
    },
    Opt {
        name: "proctitle",
        default: "on",
        help: "Show in ps what a process is: supervisor, manager, worker and its number",
        more: "Off: the names stay what they were.",
        part: PROCESS,
        set: |options, value| options.proctitle = value.flag(),
        ..PLAIN
    },
    Opt {
        name: "app",
        short: Some('a'),
        unit: Unit::Text("file"),
        default: "app.psgi",
        help: "The application, instead of as a word of its own",
        doors: Doors::Program,
        part: APPLICATION,
        set: |options, value| options.perl.app = value.text(),
        ..PLAIN
    },
    Opt {
        name: "e",
        unit: Unit::Text("code"),
        help: "The application's source, inside Plack::Builder's builder { }",
        doors: Doors::Program,
        part: APPLICATION,
        set: |options, value| options.perl.eval = value.text(),
        ..PLAIN
    },
    Opt {
        name: "I",
        unit: Unit::Text("folder"),
        help: "Look for modules here first",
        more: "Repeatable.",
        doors: Doors::Program,
        repeats: true,
        part: APPLICATION,
        set: |options, value| options.perl.include.extend(value.text()),
        ..PLAIN
    },
    Opt {
        name: "M",
        unit: Unit::Text("Module=import"),
        help: "Load this module before the application",
        more: "Repeatable.",
        doors: Doors::Program,
        repeats: true,
        part: APPLICATION,
        set: |options, value| options.perl.modules.extend(value.text()),
        ..PLAIN
    },
    Opt {
        name: "env",
        short: Some('E'),
        unit: Unit::Text("name"),
        default: "$PLACK_ENV or deployment",
        help: "PLACK_ENV; development wraps Lint, StackTrace and AccessLog, as plackup does",
        doors: Doors::Program,
        part: APPLICATION,
        set: |options, value| options.perl.env = value.text(),
        ..PLAIN
    },
    Opt {
        name: "child-exit",
        unit: Unit::Text("sub { ... }"),
        help: "Call this as a worker leaves, before its END blocks",
        more: "From code a CODE; as text it is evaluated, once, when the application is loaded, and must \
               be a `sub { ... }`. Not after an `exit` of the application's, nor a death.",
        part: APPLICATION,
        set: |options, value| options.perl.child_exit = value.text(),
        ..PLAIN
    },
    Opt {
        name: "default-middleware",
        default: "on",
        help: "In development, wrap what -E says",
        more: "Off, nothing is wrapped, and PLACK_ENV is development all the same.",
        doors: Doors::Program,
        part: APPLICATION,
        set: |options, value| options.perl.bare = value.flag().map(|on| !on),
        ..PLAIN
    },
    Opt {
        name: "no-default-middleware",
        default: "off",
        help: "In development, wrap nothing",
        doors: Doors::Program,
        part: APPLICATION,
        set: |options, value| options.perl.bare = value.flag(),
        ..PLAIN
    },
    Opt {
        name: "path",
        unit: Unit::Text("/path"),
        help: "Mount the application at this path",
        more: "By Plack::App::URLMap: `SCRIPT_NAME` is the path, everything else is 404. \
               (start_server's --path, a socket, is `listen`.)",
        doors: Doors::Program,
        part: APPLICATION,
        set: |options, value| options.perl.mount = value.text(),
        ..PLAIN
    },
    Opt {
        name: "server-ready",
        unit: Unit::Code,
        help: "Called once, when the first worker is ready",
        doors: Doors::Plackup,
        part: APPLICATION,
        ..PLAIN
    },
    not_yet("dir", Unit::Path, "Folder to go to; start_server's", "start_server itself, or cd"),
    not_yet(
        "status-file",
        Unit::Path,
        "Generations and their pids; start_server's",
        "start_server itself",
    ),
    not_yet(
        "envdir",
        Unit::Path,
        "Environment, a file per variable; start_server's",
        "start_server itself",
    ),
    Opt {
        name: "lock-path",
        unit: Unit::Text("path"),
        standing: Standing::Ignored("Starlet's accept lock: workers do not accept here"),
        part: IGNORED,
        ..PLAIN
    },
    Opt {
        name: "argv",
        unit: Unit::Code,
        standing: Standing::Ignored("starman's own arguments"),
        doors: Doors::Plackup,
        part: IGNORED,
        ..PLAIN
    },
    refused("min-servers", ANY_TEXT, FIXED),
    refused("max-servers", ANY_TEXT, FIXED),
    refused("min-spare-servers", ANY_TEXT, FIXED),
    refused("max-spare-servers", ANY_TEXT, FIXED),
    refused("ssl", Unit::Boolean, TLS),
    refused("ssl-cert", ANY_TEXT, TLS),
    refused("ssl-key", ANY_TEXT, TLS),
    refused("net-server-*", ANY_TEXT, "Net::Server is not here"),
    refused("listens", ANY_TEXT, "write listen, once for each address"),
    refused("interval", ANY_TEXT, STARTER),
    refused("kill-old-delay", ANY_TEXT, STARTER),
    refused("signal-on-hup", ANY_TEXT, STARTER),
    refused("signal-on-term", ANY_TEXT, STARTER),
    refused("enable-auto-restart", Unit::Boolean, STARTER),
    refused("auto-restart-interval", ANY_TEXT, STARTER),
    refused("restart", Unit::Boolean, "start_server's: send HUP to the supervisor"),
    refused("stop", Unit::Boolean, "start_server's: send TERM to the supervisor"),
    Opt {
        short: Some('s'),
        doors: Doors::Program,
        ..refused("server", ANY_TEXT, "this program is the server; plackup -s chooses one")
    },
    Opt { short: Some('r'), doors: Doors::Program, ..refused("reload", Unit::Boolean, PLACKUPS) },
    Opt { short: Some('R'), doors: Doors::Program, ..refused("Reload", ANY_TEXT, PLACKUPS) },
    Opt {
        short: Some('L'),
        doors: Doors::Program,
        ..refused(
            "loader",
            ANY_TEXT,
            "plackup's: for -L Delayed write --disable-preload-app; for others use plackup",
        )
    },
];

impl Opt {
    /// Whether this is one of its names, with dashes and without the leading ones.
    pub(super) fn is_called(&self, plain: &str) -> bool {
        self.name == plain
            || self.also.contains(&plain)
            || self.name.strip_suffix('*').is_some_and(|start| plain.starts_with(start))
    }
}

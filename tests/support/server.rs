//! A server, started through a door, and what it leaves behind.
//!
//! Each has a folder of its own, in `TEST_DIR` of its environment, and a gate: a pipe with a name that
//! the applications called `hold` read one byte from, so that a story decides when they go on.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::DEADLINE;
use super::client::Client;
use super::log::Log;
use super::process::{self, Tree};

/// A way in for users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// `monoceros [options] app.psgi`
    Program,
    /// `plackup -s Monoceros [options] -a app.psgi`
    Plackup,
}

/// What is to be started.
pub(crate) struct Setup {
    command: Command,
    door: Door,
    options: Vec<String>,
    app: Option<PathBuf>,
    folder: PathBuf,
}

/// A run that has ended by itself.
pub(crate) struct Finished {
    /// How.
    pub(crate) status: Option<i32>,
    /// What it wrote to standard output.
    pub(crate) out: String,
    /// What it wrote to standard error.
    pub(crate) err: String,
    shown: String,
}

/// A server that is ready.
pub(crate) struct Server {
    child: Child,
    pidfd: OwnedFd,
    /// What it said so far.
    pub(crate) log: Log,
    shown: String,
    addresses: Vec<String>,
    folder: PathBuf,
    gate: File,
    status: Option<ExitStatus>,
}

impl Setup {
    /// A server for `app`, a file of `tests/apps`, which will listen on a free port of 127.0.0.1.
    pub(crate) fn new(door: Door, app: &str) -> Self {
        let mut setup = Self::bare(door);
        let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apps").join(app);
        assert!(app.exists(), "no {}", app.display());
        setup.app = Some(app);
        setup.options(&["--listen", "127.0.0.1:0", "-E", "deployment"])
    }

    /// Nothing but the command and what the story adds.
    pub(crate) fn bare(door: Door) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = format!("monoceros-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        fs::create_dir_all(&folder).expect("a folder for the server");
        let gate =
            std::ffi::CString::new(folder.join("gate").into_os_string().into_encoded_bytes());
        rustix::fs::mkfifoat(rustix::fs::CWD, gate.expect("a path"), 0o600.into())
            .expect("the gate");

        let mut command = match door {
            Door::Program => Command::new(env!("CARGO_BIN_EXE_monoceros")),
            Door::Plackup => {
                // The library was staged for the perl that $PERL names: another one would refuse it.
                let perl = std::env::var_os("PERL").unwrap_or_else(|| "perl".into());
                let mut command = Command::new(perl);
                command.args(["-S", "plackup"]);
                let stage = stage();
                let more = std::env::var_os("PERL5LIB");
                let more = more.iter().flat_map(std::env::split_paths);
                let paths = [stage.join("lib"), stage.join("arch")].into_iter().chain(more);
                command.env("PERL5LIB", std::env::join_paths(paths).expect("paths"));
                command.args(["-s", "Monoceros"]);
                command
            }
        };
        for name in ["PLACK_ENV", "SERVER_STARTER_PORT", "LISTEN_FDS", "NOTIFY_SOCKET"] {
            command.env_remove(name);
        }
        command.env("TEST_DIR", &folder).stdin(Stdio::null()).process_group(0);
        Self { command, door, options: Vec::new(), app: None, folder }
    }

    /// Options, as typed.
    pub(crate) fn options(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(|&option| option.to_owned()));
        self
    }

    /// Options without the address that [`Setup::new`] listens on.
    pub(crate) fn only(mut self, options: &[&str]) -> Self {
        self.options.clear();
        self.options(options)
    }

    /// The server's own folder, `TEST_DIR`.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Puts a program in front that executes the rest of its command line.
    pub(crate) fn behind(mut self, program: &str, arguments: &[&str]) -> Self {
        let mut outer = Command::new(program);
        outer.args(arguments).arg(self.command.get_program()).args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => outer.env(name, value),
                None => outer.env_remove(name),
            };
        }
        outer.stdin(Stdio::null()).process_group(0);
        self.command = outer;
        self
    }

    fn into_command(mut self) -> Command {
        self.command.args(&self.options);
        match (self.door, &self.app) {
            (_, None) => {}
            (Door::Program, Some(app)) => _ = self.command.arg(app),
            (Door::Plackup, Some(app)) => _ = self.command.arg("-a").arg(app),
        }
        self.command
    }

    /// Starts it, and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(self) -> Server {
        let mut server = self.spawn();
        server.addresses = server.ready();
        server
    }

    /// Starts it and waits for nothing: for a log that is not on standard error.
    #[track_caller]
    pub(crate) fn spawn(self) -> Server {
        let folder = self.folder.clone();
        Server::of_command(self.into_command(), folder)
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn finish(self) -> Finished {
        let folder = self.folder.clone();
        let mut command = self.into_command();
        let shown = format!("{command:?}");
        let (out, err) = (Log::default(), Log::default());
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect(&shown);
        let readers = [
            out.follow(child.stdout.take().expect("piped")),
            err.follow(child.stderr.take().expect("piped")),
        ];
        let pidfd = pidfd_open(pid_of(&child), PidfdFlags::empty()).expect("its pidfd");
        let ended = process::ended(&pidfd, Instant::now() + DEADLINE);
        if !ended {
            _ = kill_process_group(pid_of(&child), Signal::KILL);
        }
        let status = child.wait().expect("its status").code();
        readers.into_iter().for_each(|reader| reader.join().expect("a reader"));
        _ = fs::remove_dir_all(folder);
        let lines = |log: Log| log.matching(|_| true).join("\n");
        let finished = Finished { status, out: lines(out), err: lines(err), shown };
        assert!(ended, "still running: {finished}");
        finished
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{}\nstatus: {:?}\nout: {}\nerr: {}",
            self.shown, self.status, self.out, self.err
        )
    }
}

impl Server {
    /// Starts `app` through `door` and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(door: Door, app: &str, options: &[&str]) -> Self {
        Setup::new(door, app).options(options).start()
    }

    #[track_caller]
    fn of_command(mut command: Command, folder: PathBuf) -> Self {
        let shown = format!("{command:?}");
        let log = Log::default();
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect(&shown);
        log.follow(child.stdout.take().expect("piped"));
        log.follow(child.stderr.take().expect("piped"));
        let pidfd = pidfd_open(pid_of(&child), PidfdFlags::empty()).expect("its pidfd");
        let gate = OpenOptions::new().read(true).write(true).open(folder.join("gate"));
        let gate = gate.expect("the gate");
        Self { child, pidfd, log, shown, addresses: vec![], folder, gate, status: None }
    }

    /// Waits for the ready line; gives the addresses that it names.
    #[track_caller]
    fn ready(&self) -> Vec<String> {
        self.expect_log("address=")
            .split_whitespace()
            .filter_map(|word| word.strip_prefix("address="))
            .flat_map(|list| list.trim_matches('"').split(','))
            .map(|address| address.trim_start_matches("http://").to_owned())
            .collect()
    }

    /// A connection to the first address.
    pub(crate) fn connect(&self) -> Client {
        Client::connect(&self.addresses[0])
    }

    /// Where it listens, as the ready line says.
    pub(crate) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// The supervisor.
    pub(crate) fn pid(&self) -> Pid {
        pid_of(&self.child)
    }

    /// The server's own folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Lets `count` applications go on that wait at the gate.
    pub(crate) fn open_gate(&self, count: usize) {
        (&self.gate).write_all(&vec![b'.'; count]).expect("the gate");
    }

    /// A line that contains `text`, said already or within the deadline.
    #[track_caller]
    pub(crate) fn expect_log(&self, text: &str) -> String {
        self.expect_log_since(0, text)
    }

    /// The same, not looking at what was said before `mark` ([`Log::mark`]).
    #[track_caller]
    pub(crate) fn expect_log_since(&self, mark: usize, text: &str) -> String {
        let line = self.log.wait(mark, DEADLINE, |line| line.contains(text));
        line.unwrap_or_else(|| panic!("no line of the log contains {text:?}"))
    }

    /// Sends a signal to the supervisor.
    pub(crate) fn signal(&self, signal: Signal) {
        process::signal(self.pid(), signal);
    }

    /// The supervisor and everything below it.
    pub(crate) fn tree(&self) -> Tree {
        Tree::of(self.pid())
    }

    /// The manager, as the log names it.
    #[track_caller]
    pub(crate) fn manager(&self) -> Pid {
        // After its death there is another one: the last to speak is the living one.
        self.expect_log(" manager ");
        let lines = self.log.matching(|line| line.contains(" manager "));
        let line = lines.last().expect("there is one");
        let word = line.split_whitespace().find_map(|word| word.strip_prefix("pid="));
        let number = word.and_then(|word| word.parse().ok());
        number.and_then(Pid::from_raw).unwrap_or_else(|| panic!("no pid in {line:?}"))
    }

    /// The workers that live: who was said to be ready, and has not ended.
    #[track_caller]
    pub(crate) fn workers(&self) -> Vec<Pid> {
        let manager = self.manager();
        let others = |pid: &Pid| *pid != self.pid() && *pid != manager;
        self.tree().pids().into_iter().filter(others).collect()
    }

    /// Waits until `true`, looking again and again while the server lives.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !holds() {
            assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
            let ended = process::ended(&self.pidfd, Instant::now() + Duration::from_millis(10));
            assert!(!ended, "the server has ended, and not: {what}");
        }
    }

    /// Lets time pass while the server lives: for what must not happen too soon.
    #[track_caller]
    pub(crate) fn outlives(&self, time: Duration) {
        assert!(!process::ended(&self.pidfd, Instant::now() + time), "the server has ended");
    }

    /// Waits until the supervisor has ended by itself, and says how.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        assert!(process::ended(&self.pidfd, Instant::now() + DEADLINE), "still running");
        let status = self.child.wait().expect("its status");
        self.status = Some(status);
        status
    }

    /// Stops it as an operator does, and finds nothing left.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        let tree = self.tree();
        self.signal(Signal::TERM);
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "the status of a server that was stopped");
        assert_eq!(tree.survivors(), [], "processes that outlived it");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let status = self.status.map_or("running".to_owned(), |status| status.to_string());
            eprintln!("== server ({status}): {}\n{}", self.shown, self.log);
        }
        _ = kill_process_group(self.pid(), Signal::KILL);
        _ = self.child.wait();
        _ = fs::remove_dir_all(&self.folder);
    }
}

fn pid_of(child: &Child) -> Pid {
    let number = i32::try_from(child.id()).expect("a process number");
    Pid::from_raw(number).expect("a process number")
}

/// Where door two was staged: `make stage` fills it.
pub(crate) fn stage() -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/Plack-Handler-Monoceros/blib");
    let stage = std::env::var_os("MONOCEROS_STAGE").map_or(default, PathBuf::from);
    let library = stage.join("arch/auto/Plack/Handler/Monoceros/Monoceros.so");
    assert!(library.exists(), "no {}: run make stage", library.display());
    stage
}

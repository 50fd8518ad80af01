//! A server under test: started, listened to, and ended with everything it began.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::client::{Client, request};
use crate::site;

/// Nothing that is waited for takes longer, unless it waits for a limit of the server's own.
pub(crate) const DEADLINE: Duration = Duration::from_secs(25);

type Lines = Arc<(Mutex<Vec<String>>, Condvar)>;

pub(crate) struct Server {
    child: Child,
    lines: Lines,
    ran: PathBuf,
    die_once: PathBuf,
    gate: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_to_die(options, "")
    }

    /// One process of it is killed at this step, once. If that is one of fetching, workers may not copy.
    pub(crate) fn start_to_die(options: &[&str], step: &str) -> Self {
        Self::begin(options, step, ["fetch", "wait", "fetched"].contains(&step))
    }

    /// The kernel does not let workers copy the manager's descriptors: they have to fetch them.
    pub(crate) fn start_to_fetch(options: &[&str]) -> Self {
        Self::begin(options, "", true)
    }

    fn begin(options: &[&str], step: &str, fetches: bool) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let file = |what: &str| {
            std::env::temp_dir().join(format!("protocol-{}-{number}.{what}", std::process::id()))
        };
        let (ran, die_once, gate) = (file("ran"), file("die"), file("gate"));
        fs::write(&die_once, "").unwrap();
        fs::write(&gate, "").unwrap();
        let options = [&["listen=127.0.0.1:0"][..], options].concat().join("\n");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(site::MARK, options)
            .env(site::RAN, &ran)
            .env(site::GATE, &gate)
            .env(site::FETCHES, if fetches { "1" } else { "" })
            .env("MONOCEROS_DIE_AT", step)
            .env("MONOCEROS_DIE_ONCE", &die_once)
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let lines = listen(child.stderr.take().unwrap());
        let nowhere = "127.0.0.1:1".parse().unwrap();
        let mut server = Self { child, lines, ran, die_once, gate, address: nowhere };
        let ready = server.wait_for("address=");
        let address = ready.split("address=").nth(1).unwrap();
        server.address = address.split([',', ' ']).next().unwrap().parse().unwrap();
        server
    }

    /// Waits for a line of the log.
    pub(crate) fn wait_for(&self, what: &str) -> String {
        self.wait_for_nth(what, 1)
    }

    /// Waits until so many lines have it, and returns the last.
    pub(crate) fn wait_for_nth(&self, what: &str, n: usize) -> String {
        let (lines, more) = &*self.lines;
        let until = Instant::now() + DEADLINE;
        let mut now = lines.lock().unwrap();
        loop {
            if let Some(line) = now.iter().filter(|line| line.contains(what)).nth(n - 1) {
                return line.clone();
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {n} lines with {what:?} in the log");
            now = more.wait_timeout(now, left).unwrap().0;
        }
    }

    /// How many lines of the log there are with this, by now.
    pub(crate) fn lines_with(&self, what: &str) -> usize {
        let lines = self.lines.0.lock().unwrap();
        lines.iter().filter(|line| line.contains(what)).count()
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// A worker's process.
    pub(crate) fn some_worker(&self) -> Pid {
        pid(&self.connect().get("/pid"))
    }

    pub(crate) fn manager(&self) -> Pid {
        let line = self.wait_for("ready to read");
        pid(line.split("pid=").nth(1).unwrap().split_whitespace().next().unwrap())
    }

    pub(crate) fn supervisor(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Whether the process that was to die at a step has reached it.
    pub(crate) fn has_died(&self) -> bool {
        !self.die_once.exists()
    }

    /// What the application has begun to run, in order.
    pub(crate) fn ran(&self) -> Vec<String> {
        fs::read_to_string(&self.ran).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// Whether the application has begun to run this.
    pub(crate) fn has_run(&self, path: &str) -> bool {
        self.ran().iter().any(|line| line == path)
    }

    /// A client whose request is being run, by a worker that is busy with it until [`Self::open_gate`].
    pub(crate) fn hold(&self) -> Client {
        let mut client = self.connect();
        client.send(&request("/hold")).unwrap();
        until("it runs", || self.has_run("/hold"));
        client
    }

    /// Whoever is held goes on, and nobody is held any more.
    pub(crate) fn open_gate(&self) {
        fs::remove_file(&self.gate).unwrap();
    }

    /// Whoever asks to be held from now on is held.
    pub(crate) fn close_gate(&self) {
        fs::write(&self.gate, "").unwrap();
    }

    /// Returns when the manager has read whatever was sent before.
    pub(crate) fn manager_has_read(&self) {
        let mut other = self.connect();
        other.send("NONSENSE\r\n\r\n").unwrap();
        assert_eq!(other.answer().unwrap().status, 400);
    }

    /// No request was run twice.
    pub(crate) fn assert_once(&self) {
        let ran = fs::read_to_string(&self.ran).unwrap_or_default();
        let mut numbered: Vec<&str> = ran.lines().filter(|line| line.starts_with("/n/")).collect();
        let count = numbered.len();
        numbered.sort_unstable();
        numbered.dedup();
        assert_eq!(numbered.len(), count, "a request was run twice");
    }

    /// The processes that the server has begun and that have not ended.
    pub(crate) fn family(&self) -> Vec<Pid> {
        let group = self.supervisor().as_raw_nonzero().get();
        let mut family = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(number) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
            let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
            let behind: Vec<&str> =
                stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
            if behind.first() != Some(&"Z") && behind.get(2) == Some(&group.to_string().as_str()) {
                family.extend(Pid::from_raw(number));
            }
        }
        family
    }

    /// Sends TERM, and expects everything to end well.
    pub(crate) fn stop(mut self) {
        kill_process(self.supervisor(), Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "the exit status of a stopped server");
        self.assert_nobody_left();
    }

    /// Sends a signal to the supervisor.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.supervisor(), signal).unwrap();
    }

    /// Waits until no process of the server is left, and returns the supervisor's exit status.
    pub(crate) fn end(mut self) -> Option<i32> {
        let status = self.child.wait().unwrap();
        self.assert_nobody_left();
        status.code()
    }

    /// Starts a server that cannot serve: its exit status and its log.
    pub(crate) fn fail(options: &[&str]) -> (Option<i32>, String) {
        let out = Command::new(std::env::current_exe().unwrap())
            .env(site::MARK, options.join("\n"))
            .env(site::RAN, "/dev/null")
            .process_group(0)
            .output()
            .unwrap();
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    }

    /// Waits until no process of the server is left.
    pub(crate) fn assert_nobody_left(&mut self) {
        let _ = self.child.wait();
        until("nobody of the server is left", || self.family().is_empty());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            let (lines, _) = &*self.lines;
            eprintln!("--- the server's log:");
            lines
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .iter()
                .for_each(|line| eprintln!("{line}"));
        }
        for pid in self.family() {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = self.child.wait();
        let remove = |path: &Path| fs::remove_file(path);
        let _ = (remove(&self.ran), remove(&self.die_once), remove(&self.gate));
    }
}

fn pid(text: &str) -> Pid {
    Pid::from_raw(text.trim().parse().unwrap()).unwrap()
}

/// Lets time pass, for want of anything to wait for.
pub(crate) fn pass(time: Duration) {
    let end = Instant::now() + time;
    until("the time has passed", || Instant::now() > end);
}

/// Waits for a state that nobody announces.
pub(crate) fn until(what: &str, mut is: impl FnMut() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !is() {
        assert!(Instant::now() < until, "not in time: {what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}

fn listen(stderr: impl std::io::Read + Send + 'static) -> Lines {
    let lines = Lines::default();
    let theirs = lines.clone();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            theirs.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            theirs.1.notify_all();
        }
    });
    lines
}

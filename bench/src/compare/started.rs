//! A server that was started: until it answers, what it costs meanwhile, and its end.
//!
//! Each has a process group of its own, so ^C reaches us alone, and we end it: TERM to the process that
//! was started, and KILL to what is left of its group when the patience is over.

use std::fs::{self, File};
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};

use super::peers::{Filling, Peer};
use crate::answer::{Progress, progress};
use crate::interrupt::Interrupt;
use crate::{pause, pids, read};

/// How long a server may take to listen, and then to answer for the first time: it may run under valgrind.
const START: Duration = Duration::from_secs(120);
/// How long it may take to end, if nothing else is said.
const END: Duration = Duration::from_secs(6);
/// How long it does nothing if there is nothing left to do, and how long one waits for that.
const REST: Duration = Duration::from_millis(1200);
const SETTLE: Duration = Duration::from_secs(5);
/// How often one looks.
const LOOK: Duration = Duration::from_millis(10);

/// A running server.
#[derive(Debug)]
pub(crate) struct Started {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// How long it may take to end.
    pub(crate) end: Duration,
}

/// Processor time of a tree so far, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    /// In its own code.
    pub(crate) user: u64,
    /// In the kernel.
    pub(crate) system: u64,
}

impl Spent {
    /// What was spent from `before` until this.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
        }
    }

    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self { user: self.user + other.user, system: self.system + other.system }
    }

    /// Microseconds of each of so many requests: own code, kernel.
    pub(crate) fn per_request(self, answered: f64) -> [f64; 2] {
        [self.user, self.system]
            .map(|spent| Duration::from_micros(spent).as_secs_f64() * 1e6 / answered)
    }
}

/// What is asked for, and what must come back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    /// With its query.
    pub(crate) path: &'a str,
    /// The body of the answer.
    pub(crate) body: &'a str,
}

impl Started {
    /// Starts a server and waits until it answers as it should.
    ///
    /// # Errors
    ///
    /// It ended, did not answer in time, or answered something else: with the last line that it said.
    pub(crate) fn start(
        peer: &Peer,
        filling: &Filling<'_>,
        question: Question<'_>,
        log: &Path,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self> {
        let out = File::create(log).with_context(|| format!("writing {}", log.display()))?;
        let child = Command::new("sh")
            .args(["-c", &peer.command(filling)])
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .process_group(0)
            .spawn()
            .context("running sh")?;
        let address = SocketAddr::from(([127, 0, 0, 1], filling.port));
        let mut started = Self { child, address, end: END };
        started.until_ready(question, interrupt).map_err(|error| match last_line(log) {
            Some(line) => error.context(line),
            None => error,
        })?;
        Ok(started)
    }

    fn until_ready(&mut self, question: Question<'_>, interrupt: &Interrupt) -> anyhow::Result<()> {
        let until = Instant::now() + START;
        loop {
            interrupt.check()?;
            if let Some(status) = self.child.try_wait()? {
                bail!("ended with {status} before it answered");
            }
            if let Ok(stream) = TcpStream::connect(self.address) {
                return ask(stream, question);
            }
            if Instant::now() > until {
                bail!("nobody listened within {START:?}");
            }
            pause(LOOK)?;
        }
    }

    /// Waits until its tree has spent nothing for a while: what has ended is cleared away later, by ours once
    /// a second. Who does not come to rest within 5 s goes on as it is.
    ///
    /// # Errors
    ///
    /// If somebody wants us to stop.
    pub(crate) fn settle(&self, interrupt: &Interrupt) -> anyhow::Result<()> {
        let begun = Instant::now();
        let (mut spent, mut since) = (self.spent(), begun);
        while since.elapsed() < REST && begun.elapsed() < SETTLE {
            interrupt.check()?;
            pause(LOOK * 5)?;
            let now = self.spent();
            if now != spent {
                (spent, since) = (now, Instant::now());
            }
        }
        Ok(())
    }

    /// The process that was started.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What its tree has spent so far, with those that have ended and were waited for.
    pub(crate) fn spent(&self) -> Spent {
        let tick = 1_000_000 / rustix::param::clock_ticks_per_second();
        let mut all = Spent::default();
        for pid in pids(self.pid()) {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let [user, system] = times(&stat);
            all.user += user * tick;
            all.system += system * tick;
        }
        all
    }

    /// Whether it is still there.
    pub(crate) fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn end(&mut self) {
        let Ok(raw) = i32::try_from(self.child.id()) else { return };
        let Some(pid) = Pid::from_raw(raw) else { return };
        if self.lives() {
            _ = kill_process(pid, Signal::TERM);
        }
        let until = Instant::now() + self.end;
        while (self.lives() || test_kill_process_group(pid).is_ok()) && Instant::now() < until {
            if pause(LOOK).is_err() {
                break;
            }
        }
        // Whoever of the group is left. Nobody: an error that says so.
        _ = kill_process_group(pid, Signal::KILL);
        _ = self.child.wait();
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.end();
    }
}

/// A port that nobody has, now.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// User and system time of a process and of its children that have ended, in ticks, from its `stat`.
fn times(stat: &str) -> [u64; 2] {
    // The name of a program may hold anything: start behind its end.
    let fields = stat.rsplit_once(") ").unwrap_or_default().1;
    let mut fields = fields.split(' ').skip(11).map(|field| field.parse().unwrap_or(0));
    let mut next = || fields.next().unwrap_or(0);
    let (user, system, dead_user, dead_system) = (next(), next(), next(), next());
    [user + dead_user, system + dead_system]
}

fn ask(mut stream: TcpStream, question: Question<'_>) -> anyhow::Result<()> {
    stream.set_read_timeout(Some(START))?;
    let request = format!("GET {} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", question.path);
    stream.write_all(request.as_bytes()).context("asking for the first time")?;
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match progress(&bytes) {
            Progress::Partial => {}
            Progress::Whole { status: 200, length, .. }
                if bytes[..length].ends_with(format!("\r\n\r\n{}", question.body).as_bytes()) =>
            {
                return Ok(());
            }
            _ => {
                let text = String::from_utf8_lossy(&bytes);
                bail!("answered wrongly: {:?}", text.chars().take(200).collect::<String>());
            }
        }
        match read(&mut stream, &mut buffer).context("waiting for the first answer")? {
            0 => bail!("closed without an answer"),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

fn last_line(log: &Path) -> Option<String> {
    let text = fs::read_to_string(log).ok()?;
    let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(line.trim().chars().take(160).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 11 22 33 44 20 0 1";
        assert_eq!(times(stat), [44, 66]);
        assert_eq!(times(""), [0, 0]);
    }

    #[test]
    fn what_was_spent_is_shared_by_the_requests() {
        let before = Spent { user: 1000, system: 50 };
        let spent = Spent { user: 5000, system: 10 }.since(before);
        assert_eq!(spent.per_request(100.0), [40.0, 0.0]);
        assert_eq!(spent.plus(Spent { user: 0, system: 100 }).per_request(100.0), [40.0, 1.0]);
    }

    #[test]
    fn a_server_that_does_not_start_says_why() {
        let peer = Peer {
            name: "none".to_owned(),
            version: String::new(),
            template: "sh -c 'echo no such thing; exit 3'".to_owned(),
            note: String::new(),
        };
        let log = std::env::temp_dir().join(format!("bench-started-{}", std::process::id()));
        let filling =
            Filling { port: free_port().unwrap(), workers: 1, app: Path::new("/"), idle: 1 };
        let question = Question { path: "/", body: "" };
        let error =
            Started::start(&peer, &filling, question, &log, &Interrupt::default()).unwrap_err();
        fs::remove_file(&log).unwrap();
        let text = format!("{error:#}");
        assert!(text.contains("no such thing") && text.contains("status: 3"), "{text}");
    }
}

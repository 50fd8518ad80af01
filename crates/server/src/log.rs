//! The error log: one line per event, and one spelling of who says it.
//!
//! ```text
//! 2026-11-21T08:10:00.123Z INFO worker=3 gen=1 pid=4711 ready in=0.2
//! ```
//!
//! Events are `tracing`'s; lines go to descriptor 2, one write(2) each, so that processes that share
//! it do not cut each other's. A file or a command takes the place of descriptor 2 itself: so
//! `psgi.errors`, warnings of Perl and of libraries go there too, and follow a reopening.
//!
//! The price: a write to a full pipe waits. Tests wait for these lines, so the log is an interface.
//!
//! Not here: the line per request ([`access`]); who is told to reopen, and when (signals).
pub mod access;
mod line;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

pub use line::Role;
use line::{Line, Moment, Who};

static ROLE: AtomicU32 = AtomicU32::new(0);
static NUMBER: AtomicU32 = AtomicU32::new(0);
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Standard error is to become nothing's when there is nothing more to say about the start.
static SETTLES: AtomicBool = AtomicBool::new(false);

/// The file that has taken the place of standard error, if one has.
static FILE: Mutex<Option<PathBuf>> = Mutex::new(None);

/// The target of lines that the application wrote through psgix.logger: all its levels are shown.
pub const APPLICATION: &str = "application";

/// Begins: from now on events become lines. A second call does nothing.
pub fn start() {
    // It fails if somebody has begun already, which is as well.
    let _ = tracing::subscriber::set_global_default(Log);
}

/// Says who this process is, in every line from now on. To be called once in each process, right
/// after the fork. `number` is the worker's; for others it is not shown.
pub fn this_is(role: Role, number: u32) {
    NUMBER.store(number, Relaxed);
    ROLE.store(role as u32, Relaxed);
}

/// Says which generation this process belongs to; 0, as it is at first, is not shown. Inherited
/// over a fork.
pub fn generation(number: u32) {
    GENERATION.store(number, Relaxed);
}

/// Puts a file in the place of standard error. Lines are added at its end; it is made if need be.
/// To be called before the first fork, so that all processes have it.
///
/// # Errors
///
/// The file cannot be opened: standard error is what it was.
pub fn to_file(path: &Path) -> io::Result<()> {
    // Absolute, because the application may change the folder before a reopening.
    let path = std::path::absolute(path)?;
    replace_stderr(open(&path)?.as_fd())?;
    SETTLES.store(false, Relaxed);
    *FILE.lock().unwrap_or_else(PoisonError::into_inner) = Some(path);
    Ok(())
}

/// Puts the standard input of a shell command in the place of standard error. The command keeps the
/// standard error that there was, and ends when the last process has closed its own.
///
/// # Errors
///
/// The command cannot be started: standard error is what it was.
pub fn to_command(command: &str) -> io::Result<()> {
    // A group of its own: a terminal's ^C is not for the one that writes down what it does.
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]).stdin(Stdio::piped()).process_group(0);
    if SETTLES.load(Relaxed) {
        shell.stderr(Stdio::null());
    }
    let child = shell.spawn()?;
    child.stdin.as_ref().map_or(Ok(()), |pipe| replace_stderr(pipe.as_fd()))?;
    SETTLES.store(false, Relaxed);
    Ok(())
}

/// In the background: standard error is not ours for good, only until [`settle`]. To be called before the
/// first fork. A file or a command that takes its place stays.
pub fn settle_later() {
    SETTLES.store(true, Relaxed);
}

/// In each process, when its start has succeeded: lets go of the standard error of whoever started
/// the server, if [`settle_later`] was called.
pub fn settle() {
    if SETTLES.swap(false, Relaxed)
        && let Ok(nothing) = OpenOptions::new().write(true).open("/dev/null")
    {
        // It cannot fail for an open file.
        let _ = replace_stderr(nothing.as_fd());
    }
}

/// Opens the log's file anew, after somebody has moved it away. Every process does this for itself.
/// Without a file, nothing happens.
///
/// # Errors
///
/// The file cannot be opened: lines go on into the old one.
pub fn reopen() -> io::Result<()> {
    let path = FILE.lock().unwrap_or_else(PoisonError::into_inner).clone();
    path.map_or(Ok(()), |path| replace_stderr(open(&path)?.as_fd()))
}

/// A process that is told of reopenings by a count in shared memory: all but the supervisor.
#[derive(Debug)]
pub struct Follower(u32);

impl Follower {
    /// One that has seen this many.
    pub fn at(count: u32) -> Self {
        Self(count)
    }

    /// Opens the log anew if there were more since the last look. To be called before something is
    /// done that may write to it.
    pub fn look(&mut self, count: u32) {
        if self.0 == count {
            return;
        }
        self.0 = count;
        if let Err(why) = reopen() {
            tracing::error!("cannot open the log anew: {why}");
        }
    }
}

/// Opens a log file for adding to its end.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o644).open(path)
}

fn replace_stderr(by: BorrowedFd<'_>) -> io::Result<()> {
    Ok(rustix::stdio::dup2_stderr(by)?)
}

/// What becomes of events.
struct Log;

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO || metadata.target() == APPLICATION
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(tracing::level_filters::LevelFilter::DEBUG)
    }

    fn event(&self, event: &Event<'_>) {
        let time = clock_gettime(ClockId::Realtime);
        let moment = Moment {
            seconds: u64::try_from(time.tv_sec).unwrap_or(0),
            millis: u32::try_from(time.tv_nsec / 1_000_000).unwrap_or(0),
        };
        let mut line = Line::begin(moment, *event.metadata().level(), who());
        event.record(&mut line);
        write_whole(&line.end());
    }

    // Spans are not used: every line stands for itself.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn who() -> Who {
    Who {
        role: Role::from_number(ROLE.load(Relaxed)),
        number: NUMBER.load(Relaxed),
        generation: GENERATION.load(Relaxed),
        // Asked each time: a child that the application forked is somebody else.
        pid: rustix::process::getpid().as_raw_nonzero().get(),
    }
}

/// One write, unless the kernel took less. Nobody can be told that it failed.
fn write_whole(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match rustix::io::write(rustix::stdio::stderr(), bytes) {
            Ok(0) => return,
            Ok(taken) => bytes = bytes.get(taken..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the test that runs itself again tells itself to write.
    const FOLDER: &str = "LOG_TEST_FOLDER";

    /// What the second run does with its descriptor 2.
    fn write_everywhere(folder: &Path) {
        start();
        generation(2);
        this_is(Role::Worker, 7);
        let log = folder.join("log");
        to_file(&log).unwrap();
        tracing::info!("first");
        tracing::debug!("not shown");
        tracing::debug!(target: APPLICATION, "the application's");
        std::fs::rename(&log, folder.join("log.1")).unwrap();
        tracing::info!("second");
        reopen().unwrap();
        rustix::io::write(rustix::stdio::stderr(), b"from perl\n").unwrap();
        to_command(&format!("cat > '{}'", folder.join("command").display())).unwrap();
        tracing::info!("third");
    }

    #[test]
    fn a_file_or_a_command_takes_the_place_of_standard_error() {
        if let Some(folder) = std::env::var_os(FOLDER) {
            return write_everywhere(Path::new(&folder));
        }
        let folder = std::env::temp_dir().join(format!("error-log-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let name = "log::tests::a_file_or_a_command_takes_the_place_of_standard_error";
        let mut again = Command::new(std::env::current_exe().unwrap());
        let again = again.args(["--exact", "--nocapture", name]).env(FOLDER, &folder);
        // Its output ends when the last process that has it ends: the command, too, is then done.
        let output = again.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let read = |name| std::fs::read_to_string(folder.join(name)).unwrap();
        let moved = read("log.1");
        assert_eq!(moved.lines().count(), 3, "{moved}");
        assert!(moved.contains(" DEBUG worker=7 ") && !moved.contains("not shown"), "{moved}");
        let who = moved.lines().all(|line| line.contains(" worker=7 gen=2 pid="));
        assert!(who && moved.ends_with(" second\n"), "{moved}");
        assert_eq!(read("log"), "from perl\n");
        assert!(read("command").ends_with(" third\n"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

//! In the background: the command comes back when the server serves, or says why it does not.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Client, Door, Pid, Setup, Signal, Tree, both_doors, signal};

/// A folder that outlives the command, unlike the command's own.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str, door: Door) -> Self {
        let name = format!("monoceros-{test}-{door:?}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn at(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

/// A server that has no parent any more: it ends with the test.
struct Daemon(Pid);

impl Daemon {
    /// The one that a pid file names.
    fn of(path: &str) -> Self {
        let text = fs::read_to_string(path).unwrap();
        Self(Pid::from_raw(text.trim().parse().unwrap()).unwrap())
    }

    /// Stops it as an operator does.
    #[track_caller]
    fn stop(self) {
        let tree = Tree::of(self.0);
        assert!(tree.pids().len() > 2, "supervisor, manager and workers");
        signal(self.0, Signal::TERM);
        assert_eq!(tree.survivors(), []);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        signal(self.0, Signal::KILL);
    }
}

both_doors! {
    /// When the command is back the server serves, and has let go of all that was the command's.
    fn the_command_comes_back_when_it_serves(door) {
        let folder = Folder::new("background", door);
        let (pid, path) = (folder.at("pid"), folder.at("socket"));
        let pid_option = format!("--pid={pid}");
        // It waits for the end of standard output and standard error, too.
        let finished = Setup::new(door, "report.psgi").only(&["-D", "-l", &path, &pid_option]).finish();
        assert_eq!(finished.status, Some(0), "{finished}");
        assert!(finished.err.contains(&format!("address={path}")), "{finished}");
        let daemon = Daemon::of(&pid);
        let said = Client::connect(&path).ask("/").text();
        assert!(said.contains("PATH_INFO=/\n"), "{said}");
        let session = rustix::process::getsid(Some(daemon.0)).unwrap();
        assert_eq!(session, daemon.0, "a session of its own");
        daemon.stop();
        assert!(!Path::new(&pid).exists() && !Path::new(&path).exists(), "files are left behind");
    }

    /// A log keeps what is said later.
    fn its_log_goes_on(door) {
        let folder = Folder::new("log", door);
        let (socket, log) = (folder.at("socket"), folder.at("log"));
        let files = [format!("--pid={}", folder.at("pid")), format!("--error-log={log}")];
        let options = ["--daemonize=1", "-l", &socket, &files[0], &files[1]];
        let finished = Setup::new(door, "report.psgi").only(&options).finish();
        assert_eq!(finished.status, Some(0), "{finished}");
        let daemon = Daemon::of(&folder.at("pid"));
        Client::connect(&socket).ask("/later");
        let text = fs::read_to_string(&log).unwrap();
        assert!(text.contains(" ready") && text.contains("report GET /later"), "{text}");
        daemon.stop();
    }

    /// What cannot be is said where it was typed, with its status.
    fn a_failure_is_told(door) {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let finished = Setup::new(door, "report.psgi").only(&["-D", "-l", &address]).finish();
        assert_eq!(finished.status, Some(4), "{finished}");
        assert!(finished.err.contains(&address), "{finished}");
        let finished = Setup::new(door, "report.psgi").options(&["-D", "--max-workers=0"]).finish();
        assert_eq!(finished.status, Some(2), "{finished}");
    }

    /// Also by workers, who load the application themselves.
    fn workers_that_cannot_load_are_told(door) {
        let delayed: &[&str] =
            if door == Door::Program { &["--disable-preload-app"] } else { &["-L", "Delayed"] };
        let setup = Setup::new(door, "dies_at_load.psgi").options(delayed);
        let finished = setup.options(&["-D", "--max-workers=1"]).finish();
        assert_eq!(finished.status, Some(3), "{finished}");
        assert!(finished.err.contains("as asked"), "{finished}");
    }
}

/// An application that does not load.
#[test]
fn an_application_that_does_not_load_is_told() {
    let finished = Setup::new(Door::Program, "dies_at_load.psgi").options(&["-D"]).finish();
    assert_eq!(finished.status, Some(3), "{finished}");
    assert!(finished.err.contains("as asked"), "{finished}");
}

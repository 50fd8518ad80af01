//! The server under test: this program again, with an application that is a function.
//!
//! The application writes every request that it runs into a file, one line each, so that a story can
//! ask whether one was run twice.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use monoceros_server::config::{Config, HostFacts, Options};
use monoceros_server::http::head::Field;
use monoceros_server::supervisor::{self, End};
use monoceros_server::worker::app::{Body, Outcome, Pace, Reply, Request, Wrote};
use monoceros_server::worker::plain::Plain;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

/// Set in the environment of a server: its options, one to a line.
pub(crate) const MARK: &str = "MONOCEROS_PROTOCOL_OPTIONS";
/// Set in the environment of a server: where it writes what it runs.
pub(crate) const RAN: &str = "MONOCEROS_PROTOCOL_RAN";

/// Set in the environment of a server: `/hold` is busy as long as there is this file.
pub(crate) const GATE: &str = "MONOCEROS_PROTOCOL_GATE";

/// Set in the environment of a server, if not empty: its workers may not copy descriptors.
pub(crate) const FETCHES: &str = "MONOCEROS_PROTOCOL_FETCHES";

/// Bytes of the answer to `/big`: more than the kernel keeps for a client that does not read.
pub(crate) const BIG: usize = 24 << 20;

pub(crate) fn serve() -> ExitCode {
    let mut options = Options::default();
    for line in std::env::var(MARK).unwrap().lines() {
        let (name, value) = line.split_once('=').unwrap();
        options.set(name, Some(value)).unwrap();
    }
    let config = Config::decide(&options, &HostFacts::look()).unwrap();
    if std::env::var(FETCHES).is_ok_and(|it| !it.is_empty()) {
        forbid_tracing();
    }
    let ran = std::env::var_os(RAN).unwrap();
    let mut ran = OpenOptions::new().create(true).append(true).open(ran).unwrap();
    let mut app =
        Plain(move |request: &Request<'_>, reply: &mut Reply<'_>| answer(&mut ran, request, reply));
    let status = match supervisor::run(&config, &mut app, &mut |_, _| {}) {
        End::Over(status) | End::Worker(status) => status,
    };
    std::process::exit(status)
}

/// Nobody may trace this process and its children, as after a change of identity; root neither.
fn forbid_tracing() {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).unwrap();
    let mut sets = capabilities(None).unwrap();
    sets.effective.remove(CapabilitySet::SYS_PTRACE);
    set_capabilities(None, sets).unwrap();
}

fn answer(ran: &mut File, request: &Request<'_>, reply: &mut Reply<'_>) -> Outcome {
    let path = String::from_utf8_lossy(request.head.path).into_owned();
    // Whoever asks who serves does not want them to wait for each other, even for a file.
    if path != "/who" {
        writeln!(ran, "{path}").unwrap();
    }
    let plain = [Field { name: b"Content-Type", value: b"text/plain" }];
    let body = match request.body {
        Body::Memory(bytes) => bytes.len().to_string(),
        Body::File(file) => rustix::fs::fstat(file).unwrap().st_size.to_string(),
    };
    reply.returned();
    match path.split('/').nth(1).unwrap_or_default() {
        "pid" | "who" => {
            reply.whole(200, &plain, &[std::process::id().to_string().as_bytes()]).unwrap()
        }
        "big" => reply.whole(200, &plain, &[&vec![b'x'; BIG]]).unwrap(),
        "spin" => {
            let millis = path.split('/').nth(2).map_or(2, |millis| millis.parse().unwrap());
            let until = Instant::now() + Duration::from_millis(millis);
            while Instant::now() < until {}
            reply.whole(200, &plain, &[b"done"]).unwrap();
        }
        "hold" => {
            let gate = std::env::var_os(GATE).map(PathBuf::from).unwrap();
            while gate.exists() {
                std::thread::park_timeout(Duration::from_millis(1));
            }
            reply.whole(200, &plain, &[b"done"]).unwrap();
        }
        "look" => {
            reply.look();
            let gate = std::env::var_os(GATE).map(PathBuf::from).unwrap();
            while gate.exists() {
                std::thread::park_timeout(Duration::from_millis(1));
            }
            reply.whole(200, &plain, &[b"looked"]).unwrap();
        }
        "exit" => return Outcome::Exit(7),
        "hang" => loop {
            rustix::event::pause();
        },
        "stream" => {
            reply.start(200, &plain, Pace::Live).unwrap();
            for piece in path.split('/') {
                assert!(matches!(reply.write(piece.as_bytes()), Wrote::All | Wrote::Gone));
            }
            reply.close();
        }
        "begin-and-hang" => {
            reply.start(200, &plain, Pace::Live).unwrap();
            reply.write(b"half");
            loop {
                rustix::event::pause();
            }
        }
        "body" => reply.whole(200, &plain, &[body.as_bytes()]).unwrap(),
        _ => reply.whole(200, &plain, &[path.as_bytes()]).unwrap(),
    }
    Outcome::Done
}

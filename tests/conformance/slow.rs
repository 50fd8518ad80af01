//! Rows 84 and 104: rates, which are measured over twenty seconds. So whichever of the four tests comes
//! first lets all four run, in threads that wait, and each of them waits for its own.

use std::panic::resume_unwind;
use std::sync::{Mutex, OnceLock};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

use super::row::{P, refusal, says};
use crate::support::{Door, End, Server, both_doors};

/// The rows that are tested here.
pub(super) const ROWS: &[u32] = &[84, 104];

/// Seconds over which a rate is measured.
const WINDOW: u64 = 20;

/// The rows, each through both doors.
const STORIES: [Story; 4] = [
    (84, Door::Program, slow_bodies),
    (84, Door::Plackup, slow_bodies),
    (104, Door::Program, slow_readers),
    (104, Door::Plackup, slow_readers),
];

type Story = (u32, Door, fn(Door));

/// A story that goes on, until somebody waits for its end.
type Running = Mutex<Option<JoinHandle<()>>>;

/// Waits until this row is through, and fails if it has failed.
fn outcome(row: u32, door: Door) {
    static RUNNING: OnceLock<[Running; 4]> = OnceLock::new();
    let begin = || STORIES.map(|(_, door, story)| Mutex::new(Some(spawn(move || story(door)))));
    let at = STORIES.iter().position(|story| (story.0, story.1) == (row, door)).expect("a story");
    let mine = RUNNING.get_or_init(begin)[at].lock().expect("nobody else's").take();
    if let Err(why) = mine.expect("asked for once").join() {
        resume_unwind(why);
    }
}

both_doors! {
    /// Bodies that come slowly.
    fn row_084_slow_bodies(door) {
        outcome(84, door);
    }

    /// Answers that are read slowly.
    fn row_104_slow_readers(door) {
        outcome(104, door);
    }
}

/// Too slow; fast enough; fast, then not at all.
fn slow_bodies(door: Door) {
    let server = Server::start(door, "conformance.psgi", &[]);
    let patience = Duration::from_secs(WINDOW * 3);
    let head = |length| format!("{P}Content-Length: {length}\r\n\r\n");
    let [mut slow, mut fine, mut stalled] = [(); 3].map(|()| server.connect().patience(patience));
    let begun = Instant::now();
    slow.send(head(100_000));
    fine.send(head(22 * 4096));
    stalled.send(head(100_000));
    stalled.send("x".repeat(60_000));
    for _ in 0..22 {
        // By then it is about to be refused.
        if begun.elapsed() < Duration::from_secs(WINDOW - 2) {
            slow.send("x".repeat(10));
        }
        fine.send("x".repeat(4096));
        server.outlives(Duration::from_secs(1));
    }
    says(&fine.answer(), "size", &(22 * 4096).to_string());
    refusal(&mut slow, 408);
    assert!(begun.elapsed() < Duration::from_secs(2 * WINDOW - 1), "{:?}", begun.elapsed());
    refusal(&mut stalled, 408);
    assert!(begun.elapsed() < Duration::from_secs(3 * WINDOW - 1), "{:?}", begun.elapsed());
    assert_eq!(server.log.matching(|line| line.contains("report POST /p")).len(), 1);
    server.stop();
}

/// The only worker is free at once; what is read slowly arrives whole, what is not read ends.
fn slow_readers(door: Door) {
    const SIZE: usize = 4 << 20;
    let server = Server::start(door, "conformance.psgi", &["--max-workers=1"]);
    let patience = Duration::from_secs(WINDOW * 3);
    let [mut slow, mut stopped] = [(); 2].map(|()| server.connect().patience(patience));
    // Else the kernel takes in much of it by itself.
    rustix::net::sockopt::set_socket_recv_buffer_size(stopped.fd(), 4096).expect("SO_RCVBUF");
    for client in [&mut slow, &mut stopped] {
        client.get(&format!("/a/bytes/{SIZE}"));
        says(&server.connect().ask("/other"), "PATH_INFO", "/other");
    }
    // A KiB and more each second, then the rest.
    for second in 1..=2 * WINDOW {
        slow.read_at_least(usize::try_from(second).unwrap() * 4096);
        server.outlives(Duration::from_secs(1));
    }
    assert_eq!(slow.answer().body.len(), SIZE);
    let answer = stopped.any_answer(false);
    assert_eq!((answer.whole, answer.end), (false, End::Reset));
    server.stop();
}

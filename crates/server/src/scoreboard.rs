//! What each worker is doing, and since when, in shared memory.
//!
//! Every worker writes its own row and nobody else's; the supervisor writes one at a birth and at a
//! death, and when a worker has done something for too long ([`Scoreboard::change`]). Whoever reads
//! sees state and time as they belong together; the other numbers of a row may be of another moment,
//! which a status page does not mind.

use std::io;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};

use crate::os::shared::{Pages, zeroable};
use crate::table::{ConnId, WorkerId};

/// What a worker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// No such process: never born, or reaped.
    Dead,
    /// Forked, and not ready yet.
    Starting,
    /// Waiting for something to do.
    Idle,
    /// Reading a request.
    Reading,
    /// In the application.
    Running,
    /// Writing what is left of an answer.
    Replying,
    /// Running cleanup handlers, after an answer.
    Cleaning,
    /// Told to leave, or leaving by itself.
    Leaving,
}

const STATES: [State; 8] = [
    State::Dead,
    State::Starting,
    State::Idle,
    State::Reading,
    State::Running,
    State::Replying,
    State::Cleaning,
    State::Leaving,
];

/// What a worker does and since when, as one word, so that both change in one step: the state in the
/// low byte, milliseconds above.
fn word(state: State, since: u64) -> u64 {
    (since << 8) | u64::from(state as u32)
}

/// The two halves of a [`word`].
fn halves(word: u64) -> Option<(State, u64)> {
    let state = usize::try_from(word & 0xff).ok()?;
    Some((STATES.get(state).copied()?, word >> 8))
}

#[derive(Debug)]
struct Row {
    doing: AtomicU64,
    connection: AtomicU64,
    requests: AtomicU64,
    pid: AtomicU32,
    /// When the request at hand has taken too long; 0: never.
    due: AtomicU64,
    /// The first bytes of its request line, padded with zeros.
    line: [AtomicU64; LINE / 8],
}

zeroable!(Row {
    doing: AtomicU64,
    connection: AtomicU64,
    requests: AtomicU64,
    pid: AtomicU32,
    due: AtomicU64,
    line: [AtomicU64; LINE / 8],
});

/// How many bytes of a request line are kept.
const LINE: usize = 128;

/// One worker's row, as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its process; 0 if there never was one.
    pub pid: u32,
    /// What it is doing.
    pub state: State,
    /// Since when: milliseconds of the monotonic clock.
    pub since: u64,
    /// The connection that it serves, or served last.
    pub connection: ConnId,
    /// Requests that it has answered.
    pub requests: u64,
}

/// A row per worker number.
#[derive(Debug)]
pub struct Scoreboard(Pages<Row>);

impl Scoreboard {
    /// Room for workers 0 to `workers - 1`, all dead.
    ///
    /// # Errors
    ///
    /// The kernel has no such memory.
    pub fn new(workers: u32) -> io::Result<Self> {
        Pages::new(usize::try_from(workers).map_err(io::Error::other)?).map(Self)
    }

    fn row(&self, worker: WorkerId) -> Option<&Row> {
        self.0.get(usize::try_from(worker).ok()?)
    }

    /// A worker is about to be forked: its row starts anew. `now`: milliseconds, as in [`Entry`].
    pub fn begin(&self, worker: WorkerId, now: u64) {
        if let Some(row) = self.row(worker) {
            row.pid.store(0, Relaxed);
            row.requests.store(0, Relaxed);
            row.connection.store(0, Relaxed);
            row.doing.store(word(State::Starting, now), Relaxed);
        }
    }

    /// The worker's process, as the worker itself knows it.
    pub fn sign(&self, worker: WorkerId, pid: i32) {
        if let Some(row) = self.row(worker) {
            row.pid.store(pid.unsigned_abs(), Relaxed);
        }
    }

    /// The worker does something else from `now` on.
    pub fn set(&self, worker: WorkerId, state: State, now: u64) {
        if let Some(row) = self.row(worker) {
            // Whoever sees it sees until when, too.
            row.doing.store(word(state, now), Release);
        }
    }

    /// From exactly this to that, or not at all: what the worker ends and what the supervisor ends for
    /// it is ended once. `false`: it does something else by now.
    pub fn change(&self, worker: WorkerId, from: (State, u64), to: (State, u64)) -> bool {
        let (from, to) = (word(from.0, from.1), word(to.0, to.1));
        let Some(row) = self.row(worker) else { return false };
        row.doing.compare_exchange(from, to, Relaxed, Relaxed).is_ok()
    }

    /// The worker waits, if it does not say so already. `now` is asked only if it does not.
    pub fn wait(&self, worker: WorkerId, now: impl FnOnce() -> u64) {
        let Some(Entry { state, since, .. }) = self.read(worker) else { return };
        if !matches!(state, State::Idle | State::Leaving) {
            // What the supervisor has said meanwhile stands.
            self.change(worker, (state, since), (State::Idle, now()));
        }
    }

    /// The worker serves this connection from `now` on, in this state.
    pub fn serve(&self, worker: WorkerId, state: State, connection: ConnId, now: u64) {
        if let Some(row) = self.row(worker) {
            row.connection.store(connection.to_bits(), Relaxed);
        }
        self.set(worker, state, now);
    }

    /// The request at hand may go on until then; `None`: for ever. In milliseconds, as in [`Entry`].
    pub fn set_due(&self, worker: WorkerId, due: Option<u64>) {
        if let Some(row) = self.row(worker) {
            row.due.store(due.unwrap_or(0), Relaxed);
        }
    }

    /// Until when the request at hand may go on; `None`: for ever.
    pub fn due(&self, worker: WorkerId) -> Option<u64> {
        let due = self.row(worker)?.due.load(Relaxed);
        (due != 0).then_some(due)
    }

    /// What the request at hand is, for whoever has to tell of it when this worker cannot.
    pub fn set_line(&self, worker: WorkerId, method: &[u8], target: &[u8]) {
        let Some(row) = self.row(worker) else { return };
        let mut bytes = method.iter().chain(b" ").chain(target).copied();
        for word in &row.line {
            word.store(
                u64::from_ne_bytes(std::array::from_fn(|_| bytes.next().unwrap_or(0))),
                Relaxed,
            );
        }
    }

    /// What was set by [`set_line`](Self::set_line), as far as there was room.
    pub fn line(&self, worker: WorkerId) -> String {
        let words = self.row(worker).map(|row| &row.line[..]).unwrap_or_default();
        let bytes: Vec<u8> =
            words.iter().flat_map(|word| word.load(Relaxed).to_ne_bytes()).collect();
        let line = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        line.escape_ascii().to_string()
    }

    /// The worker has answered one more request.
    pub fn count_request(&self, worker: WorkerId) {
        if let Some(row) = self.row(worker) {
            // Only this worker writes here: no lock prefix is needed.
            row.requests.store(row.requests.load(Relaxed) + 1, Relaxed);
        }
    }

    /// Reads a row. `None`: there is no such number.
    pub fn read(&self, worker: WorkerId) -> Option<Entry> {
        let row = self.row(worker)?;
        let (state, since) = halves(row.doing.load(Acquire))?;
        Some(Entry {
            pid: row.pid.load(Relaxed),
            state,
            since,
            connection: ConnId::from_bits(row.connection.load(Relaxed)),
            requests: row.requests.load(Relaxed),
        })
    }

    /// Whether the worker has ever been ready since its last [`begin`](Self::begin).
    pub fn was_ready(&self, worker: WorkerId) -> bool {
        let entry = self.read(worker);
        entry.is_some_and(|entry| !matches!(entry.state, State::Dead | State::Starting))
    }

    /// Whether a worker that has died by `now` was ready only for a moment, and served nobody in it.
    pub fn lived_in_vain(&self, worker: WorkerId, now: u64) -> bool {
        self.read(worker).is_some_and(|entry| {
            matches!(entry.state, State::Idle | State::Leaving)
                && entry.requests == 0
                && now < entry.since.saturating_add(MOMENT)
        })
    }
}

/// How soon a worker has to die to have lived in vain, in milliseconds.
const MOMENT: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_read_as_it_was_set() {
        let board = Scoreboard::new(2).unwrap();
        assert_eq!(board.read(1).map(|entry| entry.state), Some(State::Dead));
        for state in STATES {
            board.set(1, state, 7);
            assert_eq!(board.read(1).map(|entry| (entry.state, entry.since)), Some((state, 7)));
        }
        assert_eq!(board.read(0).map(|entry| entry.state), Some(State::Dead));
        assert_eq!(board.read(2), None);
    }

    #[test]
    fn a_request_has_a_line_and_a_time() {
        let board = Scoreboard::new(1).unwrap();
        assert_eq!((board.line(0), board.due(0)), (String::new(), None));
        board.set_line(0, b"GET", b"/a?b=\x81");
        board.set_due(0, Some(7));
        assert_eq!((&*board.line(0), board.due(0)), ("GET /a?b=\\x81", Some(7)));
        board.set_line(0, b"POST", &[b'x'; 500]);
        board.set_due(0, None);
        assert_eq!((board.line(0).len(), board.due(0)), (LINE, None));
        board.set_line(1, b"GET", b"/");
        assert_eq!((board.line(1), board.due(1)), (String::new(), None), "no such row");
    }

    #[test]
    fn a_change_is_from_exactly_what_was_seen() {
        let board = Scoreboard::new(1).unwrap();
        board.set(0, State::Cleaning, 7);
        for seen in [(State::Cleaning, 6), (State::Running, 7)] {
            assert!(!board.change(0, seen, (State::Leaving, 9)));
        }
        assert!(board.change(0, (State::Cleaning, 7), (State::Leaving, 9)));
        assert!(!board.change(0, (State::Cleaning, 7), (State::Idle, 9)), "ended twice");
        let entry = board.read(0).unwrap();
        assert_eq!((entry.state, entry.since), (State::Leaving, 9));
        assert!(!board.change(1, (State::Dead, 0), (State::Idle, 1)), "no such row");
    }

    #[test]
    fn who_waits_already_goes_on_waiting_since_then() {
        let board = Scoreboard::new(1).unwrap();
        board.set(0, State::Running, 1);
        board.wait(0, || 2);
        board.wait(0, || 3);
        let entry = board.read(0).unwrap();
        assert_eq!((entry.state, entry.since), (State::Idle, 2));
    }

    #[test]
    fn a_birth_starts_the_row_anew() {
        let board = Scoreboard::new(1).unwrap();
        let id = ConnId { slot: 3, serial: 5 };
        board.begin(0, 1);
        board.sign(0, 4711);
        assert!(!board.was_ready(0));
        board.set(0, State::Idle, 2);
        assert!(board.lived_in_vain(0, 1_001) && !board.lived_in_vain(0, 1_002));
        board.serve(0, State::Running, id, 2);
        assert!(!board.lived_in_vain(0, 3));
        board.count_request(0);
        let entry = board.read(0).unwrap();
        assert_eq!((entry.pid, entry.requests, entry.connection), (4711, 1, id));
        assert!(board.was_ready(0));
        board.begin(0, 9);
        let entry = board.read(0).unwrap();
        assert_eq!((entry.pid, entry.requests, entry.since), (0, 0, 9));
        assert!(!board.was_ready(0));
    }
}

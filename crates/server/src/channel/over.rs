//! Connections that are over, as workers say it without waking the manager: a ring per worker, in
//! shared memory.
//!
//! Whoever ends a connection with nothing left to do for it says so here, and shuts it down, at once or a few
//! together; what remains is the manager's copy of the descriptor and the slot, which can wait until the
//! manager is awake for another reason. Should a worker take too long, or die, the manager shuts down what it
//! has not. An entry is the message *closed* in every other respect: it gives the connection away, the manager moves
//! the row when it takes it, and takes what a dead worker has left before anything else.
//!
//! The price: the last copies of a quiet server are closed with the next deadline. Who cannot wait so
//! long, because slots are short or the server is stopping, asks for messages ([`Over::ask`]).

use std::io;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};

use crate::os::shared::{Pages, zeroable};
use crate::table::{ConnId, WorkerId};

/// Entries of one ring. When it is full the next one is a message, which wakes the manager.
const ROOM: usize = 64;

/// Written by one worker, read by the manager.
#[derive(Debug)]
#[repr(align(64))]
struct Ring {
    /// How many were said, modulo 2³². The worker's.
    said: AtomicU32,
    /// How many of those it has shut down.
    shut: AtomicU32,
    /// How many were taken. The manager's.
    taken: AtomicU32,
    entries: [AtomicU64; ROOM],
}

zeroable!(Ring { said: AtomicU32, shut: AtomicU32, taken: AtomicU32, entries: [AtomicU64; ROOM] });

/// What the manager wants to hear, and whether there is anything.
#[derive(Debug)]
struct Bell {
    /// How many were shut down in all rings.
    shut: AtomicU32,
    /// 1: nothing is to be said here.
    asked: AtomicU32,
}

zeroable!(Bell { shut: AtomicU32, asked: AtomicU32 });

/// The rings of all workers.
#[derive(Debug)]
pub struct Over {
    rings: Pages<Ring>,
    bell: Pages<Bell>,
}

impl Over {
    /// Empty rings for so many worker numbers.
    ///
    /// # Errors
    ///
    /// There is no memory for them.
    pub fn new(workers: u32) -> io::Result<Self> {
        let workers = usize::try_from(workers).map_err(io::Error::other)?;
        Ok(Self { rings: Pages::new(workers)?, bell: Pages::new(1)? })
    }

    fn ring(&self, worker: WorkerId) -> Option<&Ring> {
        self.rings.get(usize::try_from(worker).ok()?)
    }

    /// Whether this worker may [`say`](Self::say) something now; if not, it sends a message.
    pub fn listens(&self, worker: WorkerId) -> bool {
        let has_room = |ring: &Ring| {
            let waiting = ring.said.load(Relaxed).wrapping_sub(ring.taken.load(Acquire));
            usize::try_from(waiting).is_ok_and(|waiting| waiting < ROOM)
        };
        self.bell[0].asked.load(Acquire) == 0 && self.ring(worker).is_some_and(has_room)
    }

    /// Gives a connection away that this worker is about to shut down. Only after [`listens`](Self::listens).
    pub fn say(&self, worker: WorkerId, id: ConnId) {
        let Some(ring) = self.ring(worker) else { return };
        let said = ring.said.load(Relaxed);
        if let Some(entry) = place(ring, said) {
            entry.store(id.to_bits(), Relaxed);
            ring.said.store(said.wrapping_add(1), Release);
        }
    }

    /// This worker has shut down everything that it has given away.
    pub fn are_shut(&self, worker: WorkerId) {
        let Some(ring) = self.ring(worker) else { return };
        let said = ring.said.load(Relaxed);
        let more = said.wrapping_sub(ring.shut.load(Relaxed));
        ring.shut.store(said, Release);
        self.bell[0].shut.fetch_add(more, Release);
    }

    /// The next connection that this worker has given away and shut down. The manager only.
    pub fn take(&self, worker: WorkerId) -> Option<ConnId> {
        let ring = self.ring(worker)?;
        Self::take_up_to(ring, ring.shut.load(Acquire))
    }

    /// The next that it has given away, and may not have shut down. The manager only.
    pub fn take_any(&self, worker: WorkerId) -> Option<ConnId> {
        let ring = self.ring(worker)?;
        Self::take_up_to(ring, ring.said.load(Acquire))
    }

    fn take_up_to(ring: &Ring, end: u32) -> Option<ConnId> {
        let taken = ring.taken.load(Relaxed);
        // More than there is room for: the end is behind what was taken before it was shut down.
        let left = usize::try_from(end.wrapping_sub(taken)).unwrap_or(usize::MAX);
        if left == 0 || left > ROOM {
            return None;
        }
        let id = ConnId::from_bits(place(ring, taken)?.load(Relaxed));
        ring.taken.store(taken.wrapping_add(1), Release);
        Some(id)
    }

    /// How many were shut down by all, modulo 2³²: who finds the same number again has missed nothing but,
    /// perhaps, the last word of the dead.
    pub fn shut(&self) -> u32 {
        self.bell[0].shut.load(Acquire)
    }

    /// The worker numbers that there can be.
    pub fn workers(&self) -> impl Iterator<Item = WorkerId> + use<> {
        (0..).take(self.rings.len())
    }

    /// Asks for messages from now on, or for none. What was said meanwhile is still here.
    pub fn ask(&self, messages: bool) {
        self.bell[0].asked.store(u32::from(messages), Release);
    }
}

fn place(ring: &Ring, number: u32) -> Option<&AtomicU64> {
    ring.entries.get(usize::try_from(number).ok()? % ROOM)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn id(slot: u32) -> ConnId {
        ConnId { slot, serial: 7 }
    }

    #[test]
    fn what_was_said_is_taken_once_and_in_order_and_a_full_ring_does_not_listen() {
        let over = Over::new(2).unwrap();
        let mut expected = 0;
        for round in 0..5_u32 {
            let mut slot = expected;
            while over.listens(1) {
                over.say(1, id(slot));
                slot += 1;
            }
            assert_eq!(over.take(1), None, "they are not shut down");
            over.are_shut(1);
            assert_eq!(slot - expected, 64, "round {round}");
            assert!(over.listens(0));
            while let Some(taken) = over.take(1) {
                assert_eq!(taken, id(expected));
                expected += 1;
            }
            assert_eq!((expected, over.shut()), (slot, slot));
        }
        assert_eq!(over.take(0), None);
    }

    #[test]
    fn who_asks_for_messages_still_gets_what_was_said_before() {
        let over = Over::new(1).unwrap();
        over.say(0, id(3));
        over.are_shut(0);
        over.ask(true);
        assert!(!over.listens(0));
        assert_eq!(over.take(0), Some(id(3)));
        over.ask(false);
        assert!(over.listens(0));
    }

    #[test]
    fn what_is_taken_before_it_is_shut_down_is_not_taken_again() {
        let over = Over::new(1).unwrap();
        over.say(0, id(1));
        over.are_shut(0);
        over.say(0, id(2));
        over.say(0, id(3));
        assert_eq!((over.take(0), over.take(0)), (Some(id(1)), None));
        assert_eq!((over.take_any(0), over.take(0)), (Some(id(2)), None));
        over.say(0, id(4));
        over.are_shut(0);
        assert_eq!((over.take(0), over.take(0), over.take(0)), (Some(id(3)), Some(id(4)), None));
        assert_eq!(over.take_any(0), None);
        assert_eq!(over.shut(), 4);
    }

    #[test]
    fn there_is_no_ring_for_a_number_that_nobody_has() {
        let over = Over::new(1).unwrap();
        assert!(!over.listens(1));
        over.say(1, id(0));
        over.are_shut(1);
        assert_eq!((over.take(1), over.take_any(1), over.shut()), (None, None, 0));
        assert_eq!(over.workers().collect::<Vec<_>>(), [0]);
    }
}

//! What the manager remembers of each connection beside its row.
//!
//! The descriptor, from accept to close, and whatever is in work: bytes of a request, a job, the
//! rest of an answer. Nothing that only a worker knows is here.

use std::fs::File;
use std::os::fd::OwnedFd;

use super::expire::{Deadline, Window};
use super::read::Reading;
use crate::channel::message::End;
use crate::ledger::Share;
use crate::table::{ConnId, JobNumber};

/// One slot's connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnId,
    pub(super) fd: OwnedFd,
    /// Whether the manager's own poll set knows it.
    pub(super) polled: bool,
    pub(super) deadline: Deadline,
    /// The number of its last job.
    pub(super) lends: JobNumber,
    pub(super) stage: Stage,
}

/// What the manager has in work for a connection.
#[derive(Debug)]
pub(super) enum Stage {
    /// Nothing: it is Lent or Watched.
    Away,
    /// Bytes of a request that is not complete, or the wait for its first one.
    Reading(Box<Reading>),
    /// A complete request: Held until it is sent, Queued until a worker takes it.
    Job(Box<Waiting>),
    /// The rest of an answer.
    Draining(Box<Draining>),
    /// Our half is closed.
    Lingering(Lingering),
}

/// A complete request. Its bytes are kept until its row is Lent.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) complete: u64,
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
    pub(super) file: Option<Kept>,
    pub(super) rest: Vec<u8>,
}

/// A file, and its share of what is spooled.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) file: File,
    pub(super) share: Share,
}

/// The rest of an answer.
#[derive(Debug)]
pub(super) struct Draining {
    pub(super) first: Vec<u8>,
    pub(super) file: Option<Kept>,
    pub(super) offset: u64,
    pub(super) end: u64,
    pub(super) then: Option<End>,
    pub(super) rest: Vec<u8>,
    pub(super) window: Window,
    /// Bytes that the kernel held for the client when the window began.
    pub(super) unsent: u64,
}

/// What still comes after our end is dropped; what the kernel holds for the client is still sent.
#[derive(Debug)]
pub(super) struct Lingering {
    /// Bytes that have come.
    pub(super) dropped: usize,
    pub(super) window: Window,
    /// Bytes that the kernel held for the client when the window began.
    pub(super) unsent: u64,
}

/// All slots.
#[derive(Debug, Default)]
pub(super) struct Desks {
    connections: Vec<Option<Connection>>,
    free: Vec<u32>,
    count: usize,
    most: usize,
}

impl Desks {
    pub(super) fn new(most: u32) -> Self {
        Self { most: usize::try_from(most).unwrap_or(usize::MAX), ..Self::default() }
    }

    /// A slot without a connection, the lowest that were ever used first.
    pub(super) fn free_slot(&mut self) -> Option<u32> {
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        if self.connections.len() >= self.most {
            return None;
        }
        self.connections.push(None);
        u32::try_from(self.connections.len() - 1).ok()
    }

    /// Gives back a slot that got no connection after all.
    pub(super) fn give_back(&mut self, slot: u32) {
        self.free.push(slot);
    }

    fn place(&mut self, slot: u32) -> Option<&mut Option<Connection>> {
        self.connections.get_mut(usize::try_from(slot).ok()?)
    }

    pub(super) fn put(&mut self, connection: Connection) {
        if let Some(place) = self.place(connection.id.slot) {
            *place = Some(connection);
            self.count += 1;
        }
    }

    /// This very connection.
    pub(super) fn get(&mut self, id: ConnId) -> Option<&mut Connection> {
        self.place(id.slot)?.as_mut().filter(|connection| connection.id == id)
    }

    /// Takes it out and frees its slot.
    pub(super) fn remove(&mut self, id: ConnId) -> Option<Connection> {
        let removed = self.place(id.slot)?.take_if(|connection| connection.id == id)?;
        self.free.push(id.slot);
        self.count -= 1;
        Some(removed)
    }

    /// How many are being read, are drained and are lingered in.
    pub(super) fn stages(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        for connection in self.connections.iter().flatten() {
            match connection.stage {
                Stage::Away | Stage::Job(_) => {}
                Stage::Reading(_) => counts[0] += 1,
                Stage::Draining(_) => counts[1] += 1,
                Stage::Lingering(..) => counts[2] += 1,
            }
        }
        counts
    }

    /// How many connections there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// This very connection, to be looked at.
    pub(super) fn find(&self, id: ConnId) -> Option<&Connection> {
        let place = self.connections.get(usize::try_from(id.slot).ok()?)?;
        place.as_ref().filter(|connection| connection.id == id)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.connections.iter().flatten()
    }

    /// The names of all of them.
    pub(super) fn ids(&self) -> Vec<ConnId> {
        self.iter().map(|connection| connection.id).collect()
    }
}

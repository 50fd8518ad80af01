//! How much is spooled, in all: the manager's account of what it holds, and the limits of it.
//!
//! Only the manager counts, because only it knows when a file has done its duty, however its workers
//! may die. The sums are in shared memory once a turn, so that a worker can see whether there is
//! room. A body that a worker is serving is not counted any more: there are as many as workers.

use std::cell::Cell;
use std::rc::Rc;

use crate::config::Config;
use crate::shared::Flags;
use crate::spool::{Place, Room};

#[derive(Debug, Default)]
struct Sums {
    memory: Cell<u64>,
    disk: Cell<u64>,
}

/// The account.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    sums: Rc<Sums>,
}

/// One file's share of it, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    sums: Rc<Sums>,
    place: Place,
    bytes: u64,
}

impl Ledger {
    /// A share without bytes.
    pub(crate) fn share(&self, place: Place) -> Share {
        Share { sums: Rc::clone(&self.sums), place, bytes: 0 }
    }

    /// Bytes in memory, and on disk.
    pub(crate) fn sums(&self) -> (u64, u64) {
        (self.sums.memory.get(), self.sums.disk.get())
    }

    /// Tells the workers.
    pub(crate) fn publish(&self, flags: &Flags) {
        let (memory, disk) = self.sums();
        flags.set_spooled(memory, disk);
    }
}

impl Share {
    /// Counts more bytes. `false`, and nothing is counted, beyond `most` on disk (0: no limit).
    pub(crate) fn add(&mut self, bytes: u64, most: u64) -> bool {
        let Some(sum) = self.sum() else { return true };
        let after = sum.get().saturating_add(bytes);
        if self.place == Place::Disk && most != 0 && after > most {
            return false;
        }
        sum.set(after);
        self.bytes += bytes;
        true
    }

    /// Bytes that it has counted.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn sum(&self) -> Option<&Cell<u64>> {
        match self.place {
            Place::Elsewhere => None,
            Place::Memory => Some(&self.sums.memory),
            Place::Disk => Some(&self.sums.disk),
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some(sum) = self.sum() {
            sum.set(sum.get().saturating_sub(self.bytes));
        }
    }
}

/// What a worker may add to it.
pub(crate) fn room(config: &Config, flags: &Flags) -> Room {
    let (memory, disk) = flags.spooled();
    let most_on_disk = if config.max_spool_size == 0 { u64::MAX } else { config.max_spool_size };
    Room {
        memory: config.max_drain_memory.saturating_sub(memory),
        disk: most_on_disk.saturating_sub(disk),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_that_is_dropped_is_given_back() {
        let ledger = Ledger::default();
        let mut one = ledger.share(Place::Disk);
        let mut two = ledger.share(Place::Disk);
        assert!(one.add(60, 100) && two.add(40, 100) && !two.add(1, 100));
        assert!(two.add(1, 0), "no limit");
        drop(one);
        assert_eq!(ledger.sums.disk.get(), 41);
        assert!(ledger.share(Place::Memory).add(1000, 100), "memory is the workers' to limit");
        assert_eq!(ledger.sums.memory.get(), 0);
    }
}

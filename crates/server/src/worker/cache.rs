//! Step 5 of a request: the connection's descriptor, had since the last time.
//!
//! A worker keeps a copy of every connection that it has met, under the same number as every other
//! process ([`ready::number`]), and looks it up by slot *and* serial. Copies of connections that are
//! over go when their slot is met again, once a second, and when there are too many.
//!
//! Not here: asking the manager for one ([`fetch`](super::fetch)).

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::fcntl_dupfd_cloexec;

use crate::os::socket::is_standard;
use crate::ready;
use crate::table::{ConnId, Table};

#[derive(Debug)]
struct Copy {
    serial: u32,
    fd: OwnedFd,
    /// It has the number that it has in all processes, if that was free.
    numbered: bool,
}

impl Copy {
    fn number(&mut self, slot: u32) {
        // If no number is left the one it came under serves as well: arming adds it.
        if !std::mem::replace(&mut self.numbered, true)
            && let Ok(fd) = fcntl_dupfd_cloexec(&self.fd, ready::number(slot))
        {
            self.fd = fd;
        }
    }
}

/// This worker's copies.
#[derive(Debug)]
pub(crate) struct Cache {
    copies: Vec<Option<Copy>>,
    /// In the order in which they came. May name copies that have gone.
    order: VecDeque<ConnId>,
    count: usize,
    most: usize,
}

impl Cache {
    /// An empty one, for at most `most` copies.
    pub(crate) fn new(most: usize) -> Self {
        Self { copies: Vec::new(), order: VecDeque::new(), count: 0, most: most.max(1) }
    }

    fn index(slot: u32) -> usize {
        usize::try_from(slot).unwrap_or(usize::MAX)
    }

    /// The descriptor of this very connection.
    pub(crate) fn get(&self, id: ConnId) -> Option<BorrowedFd<'_>> {
        match self.copies.get(Self::index(id.slot)) {
            Some(Some(copy)) if copy.serial == id.serial => Some(copy.fd.as_fd()),
            _ => None,
        }
    }

    /// The same, under the number that it has in all processes, if that is free: for who is about to
    /// arm it. A connection that ends with its first answer never needs one.
    pub(crate) fn numbered(&mut self, id: ConnId) -> Option<BorrowedFd<'_>> {
        match self.copies.get_mut(Self::index(id.slot)) {
            Some(Some(copy)) if copy.serial == id.serial => {
                copy.number(id.slot);
                Some(copy.fd.as_fd())
            }
            _ => None,
        }
    }

    /// Whether there are no copies.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Keeps a descriptor, for now under the number that it came with, unless that is a standard
    /// descriptor's. The slot's earlier copy goes, and the oldest one if there are too many.
    pub(crate) fn put(&mut self, id: ConnId, fd: OwnedFd) {
        let index = Self::index(id.slot);
        if index >= self.copies.len() {
            self.copies.resize_with(index + 1, || None);
        }
        self.remove(index);
        while self.count >= self.most {
            let Some(oldest) = self.order.pop_front() else { break };
            self.forget(oldest);
        }
        if let Some(place) = self.copies.get_mut(index) {
            let mut copy = Copy { serial: id.serial, fd, numbered: false };
            if is_standard(copy.fd.as_fd()) {
                copy.number(id.slot);
            }
            *place = Some(copy);
            self.count += 1;
            self.order.push_back(id);
        }
        if self.order.len() > 2 * self.count + 64 {
            let copies = &self.copies;
            self.order.retain(|id| {
                matches!(copies.get(Self::index(id.slot)), Some(Some(copy)) if copy.serial == id.serial)
            });
        }
    }

    fn remove(&mut self, index: usize) {
        if let Some(place) = self.copies.get_mut(index)
            && place.take().is_some()
        {
            self.count -= 1;
        }
    }

    /// Closes the copy of this connection, if there is one.
    pub(crate) fn forget(&mut self, id: ConnId) {
        if self.get(id).is_some() {
            self.remove(Self::index(id.slot));
        }
    }

    /// Takes the copy of this connection out, if there is one.
    pub(crate) fn take(&mut self, id: ConnId) -> Option<OwnedFd> {
        self.get(id)?;
        let copy = self.copies.get_mut(Self::index(id.slot))?.take()?;
        self.count -= 1;
        Some(copy.fd)
    }

    /// Ends all connections, because their manager is dead: a child that the application forked may
    /// have copies of them, too.
    pub(crate) fn shut_down(&self) {
        for copy in self.copies.iter().flatten() {
            // An error means that it is over already.
            let _ = rustix::net::shutdown(&copy.fd, rustix::net::Shutdown::Both);
        }
    }

    /// Closes the older half of the copies, because this process can have no more descriptors.
    pub(crate) fn make_room(&mut self) {
        let enough = self.count / 2;
        while self.count > enough {
            let Some(oldest) = self.order.pop_front() else { break };
            self.forget(oldest);
        }
    }

    /// Closes the copies of connections that are over.
    pub(crate) fn sweep(&mut self, table: &Table) {
        for (slot, place) in (0..).zip(&mut self.copies) {
            let over = |copy: &Copy| table.row(slot).is_none_or(|row| row.state().0 != copy.serial);
            if place.as_ref().is_some_and(over) {
                *place = None;
                self.count -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fd() -> OwnedFd {
        std::io::pipe().unwrap().0.into()
    }

    fn id(slot: u32, serial: u32) -> ConnId {
        ConnId { slot, serial }
    }

    #[test]
    fn a_copy_is_found_by_slot_and_serial() {
        let mut cache = Cache::new(10);
        cache.put(id(3, 1), fd());
        assert!(cache.get(id(3, 1)).is_some());
        assert!(cache.get(id(3, 2)).is_none());
        cache.put(id(3, 2), fd());
        assert!(cache.get(id(3, 1)).is_none());
        cache.forget(id(3, 1));
        assert!(cache.get(id(3, 2)).is_some());
        cache.forget(id(3, 2));
        assert!(cache.is_empty());
    }

    #[test]
    fn a_copy_is_given_the_number_of_its_connection_when_it_is_to_be_armed() {
        let mut cache = Cache::new(2);
        cache.put(id(7, 1), fd());
        let number = |fd: BorrowedFd<'_>| format!("{fd:?}");
        let wanted = format!("BorrowedFd {{ fd: {} }}", ready::number(7));
        assert_ne!(cache.get(id(7, 1)).map(number).as_ref(), Some(&wanted));
        assert_eq!(cache.numbered(id(7, 1)).map(number).as_ref(), Some(&wanted));
        assert_eq!(cache.get(id(7, 1)).map(number).as_ref(), Some(&wanted));
        assert!(cache.numbered(id(7, 2)).is_none());
    }

    #[test]
    fn the_oldest_copy_makes_room() {
        let mut cache = Cache::new(2);
        for slot in 0..5 {
            cache.put(id(slot, 0), fd());
        }
        assert_eq!([2, 3, 4].map(|slot| cache.get(id(slot, 0)).is_some()), [false, true, true]);
    }

    #[test]
    fn the_older_half_makes_room_for_what_is_not_a_copy() {
        let mut cache = Cache::new(9);
        for slot in 0..5 {
            cache.put(id(slot, 0), fd());
        }
        cache.make_room();
        assert_eq!(
            [0, 1, 2, 3, 4].map(|slot| cache.get(id(slot, 0)).is_some()),
            [false, false, false, true, true]
        );
        (0..3).for_each(|_| cache.make_room());
        assert!(cache.is_empty());
    }

    #[test]
    fn an_idle_worker_closes_the_copies_of_connections_that_are_over() {
        let table = Table::new(2).unwrap();
        let mut cache = Cache::new(10);
        cache.put(id(0, 0), fd());
        cache.put(id(1, 0), fd());
        table.row(1).unwrap().retire(0);
        cache.sweep(&table);
        assert!(cache.get(id(0, 0)).is_some() && cache.get(id(1, 0)).is_none());
        assert!(!cache.is_empty());
    }

    #[test]
    fn the_order_does_not_grow_with_connections_that_come_and_go() {
        let mut cache = Cache::new(10);
        for serial in 0..1000 {
            cache.put(id(0, serial), fd());
        }
        assert!(cache.order.len() < 100);
    }
}

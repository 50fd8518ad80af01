//! Step 5 of a request, when this worker has not met the connection yet, at its best: the kernel copies
//! the manager's descriptor (pidfd_getfd(2)), and the manager sleeps on.
//!
//! It takes the right to trace the manager: the same user, and neither a filter of system calls nor a
//! security module that forbids it. Where there is no such right, the manager is asked
//! ([`fetch`](super::fetch)).
//!
//! The row says under which number the manager has the connection, and whose it is. Both are read once
//! more behind the copy: a number that has changed may have been another connection's by then.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::process::{PidfdGetfdFlags, pidfd_getfd};
use tracing::info;

use super::Worker;
use crate::steps::step;
use crate::table::{ConnId, Owner, Row, WorkerId};

impl Worker<'_> {
    /// Copies the descriptor of a connection that is Lent to this worker, and caches it. `false`: ask
    /// the manager.
    pub(super) fn copy(&mut self, id: ConnId, row: &Row) -> bool {
        let shared = self.shared;
        let Some(manager) = &shared.manager else { return false };
        if !self.copies || !shared.flags().may_copy() {
            return false;
        }
        let copy = |number| pidfd_getfd(manager, number, PidfdGetfdFlags::empty());
        match of_this(row, id, self.me, copy) {
            Ok(Some(fd)) => {
                self.cache.put(id, fd);
                step("copied");
                true
            }
            Ok(None) => false,
            Err(why @ (Errno::PERM | Errno::NOSYS)) => {
                if shared.flags().refuse_copies() {
                    info!("descriptors have to be fetched: {why}");
                }
                false
            }
            // No descriptor is free here, or the manager is dead: fetching tells what follows.
            Err(_) => false,
        }
    }
}

/// What `copy` makes of the row's number, if that is this connection's for sure.
fn of_this<E>(
    row: &Row,
    id: ConnId,
    me: WorkerId,
    copy: impl FnOnce(i32) -> Result<OwnedFd, E>,
) -> Result<Option<OwnedFd>, E> {
    let number = row.number();
    let fd = copy(number)?;
    let is_it = row.number() == number && row.owner(id.serial) == Some(Owner::lent(me));
    Ok(is_it.then_some(fd))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Table;

    /// Whether a worker keeps its copy of a connection that is Lent to it, if this happens when the kernel
    /// has made it.
    fn keeps(meanwhile: impl FnOnce(&Row, u32)) -> bool {
        let table = Table::new(1).unwrap();
        let row = table.row(0).unwrap();
        row.renumber(7);
        assert!(row.change(0, Owner::Held, Owner::Queued(1)));
        assert!(row.change(0, Owner::Queued(1), Owner::lent(3)));
        let copy = |number| {
            assert_eq!(number, 7);
            meanwhile(row, 0);
            std::io::pipe().map(|(reader, _)| OwnedFd::from(reader))
        };
        of_this(row, ConnId { slot: 0, serial: 0 }, 3, copy).unwrap().is_some()
    }

    #[test]
    fn a_copy_is_kept_if_the_row_is_as_it_was() {
        assert!(keeps(|_, _| ()));
        assert!(!keeps(|row, _| row.renumber(8)));
        assert!(!keeps(|row, serial| assert!(row.change(serial, Owner::lent(3), Owner::Held))));
        assert!(!keeps(|row, serial| {
            assert!(row.change(serial, Owner::lent(3), Owner::Held));
            let serial = row.retire(serial);
            assert!(row.change(serial, Owner::Held, Owner::Queued(1)));
            assert!(row.change(serial, Owner::Queued(1), Owner::lent(3)));
        }));
    }
}

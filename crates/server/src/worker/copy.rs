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
use crate::table::{ConnId, Owner, Row};

impl Worker<'_> {
    /// Copies the descriptor of a connection that is Lent to this worker, and caches it. `false`: ask
    /// the manager.
    pub(super) fn copy(&mut self, id: ConnId, row: &Row) -> bool {
        let shared = self.shared;
        let may = |_: &&OwnedFd| shared.flags().may_copy();
        let Some(manager) = shared.manager.as_ref().filter(may) else { return false };
        let number = row.number();
        match pidfd_getfd(manager, number, PidfdGetfdFlags::empty()) {
            Ok(fd) => {
                let is_it =
                    row.number() == number && row.owner(id.serial) == Some(Owner::lent(self.me));
                if is_it {
                    self.cache.put(id, fd);
                    step("copied");
                }
                is_it
            }
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

//! Step 10: when there are too many idle connections, the longest idle go first. They lose nothing
//! but a handshake; a request that is being read, waits or runs is never shed.

use tracing::debug;

use super::Manager;
use super::accept::Accepting;
use crate::table::{ConnId, Owner};

/// How often at most all rows are looked at, in milliseconds.
const EVERY: u64 = 250;

/// How many idle connections make room for new ones when all slots are taken.
const ROOM: usize = 64;

impl Manager<'_> {
    /// Ends idle connections beyond `max-keepalive-connection`, and some when accepting has paused.
    pub(super) fn shed_idle(&mut self) {
        let paused = matches!(self.accepting, Accepting::Paused(_));
        let most = usize::try_from(self.config.max_keepalive_connection).unwrap_or(usize::MAX);
        if (self.desks.count() <= most && !paused) || self.now < self.next_shed {
            return;
        }
        self.next_shed = self.now + EVERY;
        let mut idle = self.idle();
        let excess = idle.len().saturating_sub(most).max(if paused { ROOM } else { 0 });
        idle.sort_unstable();
        for (_, id) in idle.into_iter().take(excess) {
            debug!(connection = %id, "idle, and one too many");
            self.end_if_silent(id);
        }
    }

    /// All Watched connections, with the time of their last answer.
    pub(super) fn idle(&self) -> Vec<(u64, ConnId)> {
        let watched = |(slot, row): (u32, &crate::table::Row)| match row.state() {
            (serial, Owner::Watched) => Some((row.last(), ConnId { slot, serial })),
            _ => None,
        };
        self.shared.table.rows().filter_map(watched).collect()
    }
}

//! Step 10: when there are too many idle connections, the longest idle go first. They lose nothing
//! but a handshake; a request that is being read, waits or runs is never shed.

use tracing::{debug, info};

use super::Manager;
use super::accept::Accepting;
use super::desk::{Connection, Stage};
use crate::table::{ConnId, Owner};
use crate::tally::Reason;

/// How often at most all rows are looked at, in milliseconds.
const EVERY: u64 = 250;

/// How many idle connections make room for new ones when all slots are taken.
const ROOM: usize = 64;

impl Manager<'_> {
    /// Ends idle connections beyond `max-keepalive-connection`, and some when accepting has paused.
    pub(super) fn shed_idle(&mut self) {
        if self.next_shed().is_none_or(|next| self.now < next) {
            return;
        }
        self.next_shed = self.now + EVERY;
        let (paused, most) = (self.has_paused(), self.most_idle());
        let mut idle = self.silent(false);
        let excess = idle.len().saturating_sub(most).max(if paused { ROOM } else { 0 });
        idle.sort_unstable();
        for (_, id) in idle.into_iter().take(excess) {
            debug!(connection = %id, "idle, and one too many");
            if self.shared.tally.count(Reason::Idle) {
                info!(
                    "idle connections are ended to make room (max-keepalive-connection, max-connections)"
                );
            }
            self.end_if_silent(id);
        }
    }

    /// When to look whether there are too many. Workers make connections idle without a word to
    /// the manager, so it has to look again as long as there may be.
    pub(super) fn next_shed(&self) -> Option<u64> {
        (self.has_paused() || self.desks.count() > self.most_idle()).then_some(self.next_shed)
    }

    /// Whether newcomers wait because slots or descriptors have run out.
    pub(super) fn has_paused(&self) -> bool {
        matches!(self.accepting, Accepting::Paused(_))
    }

    fn most_idle(&self) -> usize {
        usize::try_from(self.config.max_keepalive_connection).unwrap_or(usize::MAX)
    }

    /// All idle connections, with the time of their last answer; with `newcomers` also those that
    /// have not spoken since they were accepted.
    pub(super) fn silent(&self, newcomers: bool) -> Vec<(u64, ConnId)> {
        let silent = |connection: &Connection| {
            let row = self.shared.table.row(connection.id.slot)?;
            let silent = match (row.owner(connection.id.serial)?, &connection.stage) {
                (Owner::Watched, _) => true,
                (Owner::Held, Stage::Reading(reading)) => {
                    reading.is_silent() && (newcomers || !reading.first)
                }
                _ => false,
            };
            silent.then(|| (row.last(), connection.id))
        };
        self.desks.iter().filter_map(silent).collect()
    }
}

//! Step 8, when everything else has failed: nothing can be spooled (the disk is full, or the account
//! is), so the worker writes the rest of its answer itself. Slow, but whole.
//!
//! The client has to keep `drain-min-rate` here as well, so this ends.

use std::time::Duration;

use tracing::warn;

use super::app::{App, Interest, Waited};
use super::unsent::Unsent;
use super::{Turn, Worker};
use crate::channel::message::End;
use crate::os::{clock, socket::unsent};
use crate::table::ConnId;
use crate::tally::Reason;

/// How long a window of the least rate is, in milliseconds.
const WINDOW: u64 = 20_000;

/// How it went.
pub(super) enum Written {
    /// All of it is with the client's kernel.
    Whole,
    /// It is not, and the connection is over.
    Over(Turn),
}

impl Worker<'_> {
    /// Writes bytes, and waits for the client as long as it keeps the least rate.
    pub(super) fn write_out(&mut self, app: &mut dyn App, id: ConnId, mut rest: Unsent) -> Written {
        if self.shared.tally.tell(Reason::Unspooled, clock::now()) {
            warn!(connection = %id, bytes = rest.len(), "nothing can be spooled: a worker waits");
        }
        let rate = self.site.config.drain_min_rate;
        let least = rate.saturating_mul(WINDOW / 1000);
        // What the kernel still holds the client has not got: without it, a slow reader of a large
        // buffer would look like one who reads nothing.
        let owed = |client, rest: &Unsent| unsent(client).saturating_add(rest.len());
        let Some(client) = self.cache.get(id) else {
            return Written::Over(Turn::On);
        };
        let (mut until, mut owed_at_start) = (clock::now() + WINDOW, owed(client, &rest));
        loop {
            let Some(client) = self.cache.get(id) else {
                return Written::Over(Turn::On);
            };
            if rest.push(client).is_err() {
                return Written::Over(self.closed(app, id, End::Gone));
            }
            if rest.is_nothing() {
                return Written::Whole;
            }
            let (now, owed) = (clock::now(), owed(client, &rest));
            if now >= until {
                if owed_at_start.saturating_sub(owed) < least {
                    return Written::Over(self.closed(app, id, End::Reset));
                }
                (until, owed_at_start) = (now + WINDOW, owed);
            }
            // However it ends (a signal may end it, too), the socket is asked next.
            let left = Duration::from_millis(until - now);
            if let Waited::Exit(status) = app.wait(client, Interest::Writable, Some(left)) {
                return Written::Over(Turn::Leave(status));
            }
        }
    }
}

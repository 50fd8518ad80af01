//! Step 9 of a request: the end of this worker's turn with a connection.
//!
//! An answer that is whole and kept leaves the row Watched, and armed: first the word, then the
//! world, so that whoever is given the event does not find the row still Lent. A connection that an event
//! has brought is armed already, unless somebody was given the next event too early and has said so.
//! Everything else is a message, and the message gives the connection away, out of the list.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::net::{Shutdown, shutdown};

use super::app::{App, Outcome};
use super::last_resort::Written;
use super::serve::Answered;
use super::unsent::Unsent;
use super::verdict::{Finished, Verdict};
use super::{Listed, Turn, Worker};
use crate::channel::message::{Drain, End, MOST_BYTES, Message};
use crate::ledger;
use crate::os::clock;
use crate::os::socket::{is_settled, push};
use crate::scoreboard::State;
use crate::spool::{Place, Room, Spool};
use crate::steps::step;
use crate::table::{ConnId, Owner, Row};

impl Worker<'_> {
    /// Releases the connection, then ends the request (cleanup). `Err`: this worker serves on, and
    /// has served so many requests of this connection in a row.
    pub(super) fn release(
        &mut self,
        app: &mut dyn App,
        id: ConnId,
        row: &Row,
        answered: Answered,
        rest: &[u8],
        served: u32,
    ) -> Result<Turn, u32> {
        let Answered { outcome, finished } = answered;
        if let Outcome::Forked(status) = outcome {
            return Ok(Turn::Vanish(status));
        }
        let Finished { verdict, unsent, held, seen, .. } = finished;
        if seen {
            self.listed = Listed::No;
        }
        if held && verdict == Verdict::Keep {
            self.hold(id);
        }
        let then = match verdict {
            Verdict::Lost => {
                self.cache.forget(id);
                return Ok(self.after(app, outcome));
            }
            Verdict::Keep => None,
            Verdict::Last if rest.is_empty() => Some(End::Done),
            Verdict::Last | Verdict::Close => Some(End::Linger),
            Verdict::Reset => Some(End::Reset),
            Verdict::Gone => Some(End::Gone),
        };
        let released = match (then, unsent) {
            (None | Some(End::Linger | End::Done | End::Reset), unsent) if !unsent.is_nothing() => {
                self.state(State::Replying);
                self.give_drain(app, id, then, unsent, rest)
            }
            (Some(end), _) => self.ended(app, id, end, held),
            (None, _) if rest.is_empty() => self.watch(app, id, row),
            (None, _) if self.may_serve_on(app, outcome, served) => {
                let unbegun = self.begin_again(id, row);
                return match (unbegun, self.after(app, outcome)) {
                    (true, Turn::On) => Err(served),
                    (_, gone @ Turn::Vanish(_)) => Ok(gone),
                    (true, leave) => {
                        self.tell(app, &Message::Partial(id, rest), None);
                        Ok(leave)
                    }
                    (false, turn) => Ok(turn),
                };
            }
            (None, _) => self.tell(app, &Message::Partial(id, rest), None),
        };
        match (released, self.after(app, outcome)) {
            (Turn::On, turn) => Ok(turn),
            (leave, _) => Ok(leave),
        }
    }

    /// Whether the next request of the same connection is this worker's as well.
    fn may_serve_on(&self, app: &mut dyn App, outcome: Outcome, served: u32) -> bool {
        outcome == Outcome::Done
            && !self.given_up
            && served < self.site.readahead
            && self.budget.is_none_or(|budget| budget > 1)
            && !app.has_cleanup()
            && !app.caught().leave
    }

    /// Clears *begun*: no byte of the next answer has left.
    fn begin_again(&self, id: ConnId, row: &Row) -> bool {
        let begun = Owner::Lent { worker: self.me, begun: true };
        let again = row.change(id.serial, begun, Owner::lent(self.me));
        step("more");
        again
    }

    /// Makes the row Watched, and sees that it is armed.
    pub(super) fn watch(&mut self, app: &mut dyn App, id: ConnId, row: &Row) -> Turn {
        let now = clock::now();
        row.touch(now);
        let is_new = row.requests() <= 1; // afterwards it is others' to count
        self.shared.scoreboard.set(self.me, State::Idle, now);
        let Some((_, owner)) = Some(row.state()).filter(|(serial, _)| *serial == id.serial) else {
            return Turn::On;
        };
        if !matches!(owner, Owner::Lent { worker, .. } if worker == self.me) {
            return Turn::On;
        }
        let stirred = row.take_stirred();
        if !row.change(id.serial, owner, Owner::Watched) {
            return Turn::On;
        }
        step("watch");
        let Some(client) = self.cache.numbered(id) else { return Turn::On };
        if self.listed == Listed::Yes && !stirred && !row.is_stirred() {
            return Turn::On;
        }
        if self.shared.ready.arm(client, id, is_new).is_ok() {
            step("arm");
            return Turn::On;
        }
        // It cannot be armed from here. If it is still nobody's, the manager has to read it; if not, whoever has
        // it was told of it before it was in the list, and must not think that it is.
        row.stir();
        if row.change(id.serial, Owner::Watched, Owner::lent(self.me)) {
            return self.tell(app, &Message::Partial(id, &[]), None);
        }
        Turn::On
    }

    /// Gives away what the socket does not take of a finished answer.
    pub(super) fn give_drain(
        &mut self,
        app: &mut dyn App,
        id: ConnId,
        then: Option<End>,
        unsent: Unsent,
        rest: &[u8],
    ) -> Turn {
        let dir = &self.site.config.spool_dir;
        let room = ledger::room(self.site.config, self.shared.flags());
        let (first, file, offset, length, place) = match unsent {
            Unsent::Nothing => (Vec::new(), None, 0, 0, Place::Elsewhere),
            Unsent::Memory(bytes) => match spool(dir, &bytes, room) {
                Ok(spool) => {
                    let (length, place) = (spool.len(), spool.place());
                    (Vec::new(), Some(spool.into_file()), 0, length, place)
                }
                Err(_) => return self.last_resort(app, id, then, Unsent::Memory(bytes), rest),
            },
            Unsent::Spooled { spool, sent, over } if over.is_empty() => {
                let (length, place) = (spool.len().saturating_sub(sent), spool.place());
                (Vec::new(), Some(spool.into_file()), sent, length, place)
            }
            Unsent::Spooled { .. } => return self.last_resort(app, id, then, unsent, rest),
            Unsent::File { first, file, offset, length } => {
                (first, Some(file), offset, length, Place::Elsewhere)
            }
        };
        if first.len() + rest.len() > MOST_BYTES {
            // A head of such a size, in front of a file, that the client would not take.
            return self.closed(app, id, End::Reset);
        }
        let drain = Drain { place, then, first: &first, offset, length, rest };
        let file: Option<BorrowedFd<'_>> = file.as_ref().map(AsFd::as_fd);
        self.tell(app, &Message::Drain(id, drain), file)
    }

    /// Nobody else can write it. If the answer is with the client after all, the manager has what
    /// follows.
    fn last_resort(
        &mut self,
        app: &mut dyn App,
        id: ConnId,
        then: Option<End>,
        unsent: Unsent,
        rest: &[u8],
    ) -> Turn {
        match (self.write_out(app, id, unsent), then) {
            (Written::Over(turn), _) => turn,
            (Written::Whole, Some(end)) => self.closed(app, id, end),
            (Written::Whole, None) => self.tell(app, &Message::Partial(id, rest), None),
        }
    }

    /// Ends the connection. If there is nothing to wait for the manager need not be woken; otherwise it
    /// shuts it down, lingers, and closes it.
    pub(super) fn closed(&mut self, app: &mut dyn App, id: ConnId, end: End) -> Turn {
        self.ended(app, id, end, false)
    }

    /// The same, when its last answer may be held back until this end.
    fn ended(&mut self, app: &mut dyn App, id: ConnId, end: End, held: bool) -> Turn {
        self.leave_list(id);
        if self.shared.over.listens(self.me)
            && self.is_free(id, end)
            && let Some(client) = self.cache.take(id)
        {
            self.shared.over.say(self.me, id);
            step("over");
            return self.shut(app, client, held);
        }
        if let Some(client) = self.cache.get(id).filter(|_| held) {
            // The end is now the manager's to make.
            push(client);
        }
        self.cache.forget(id);
        self.tell(app, &Message::Closed(id, end), None)
    }

    /// Whether nothing more is to be read from a connection that ends, or done for it.
    fn is_free(&self, id: ConnId, end: End) -> bool {
        let Some(client) = self.cache.get(id) else { return false };
        match end {
            End::Gone => true,
            End::Done => is_settled(client),
            End::Linger | End::Reset => false,
        }
    }

    /// Shuts down what was given away; with others, if its answer is held back for its end.
    fn shut(&mut self, app: &mut dyn App, client: OwnedFd, held: bool) -> Turn {
        if held {
            return self.hold_end(app, client);
        }
        shut_down(client);
        self.tell_shut();
        Turn::On
    }
}

/// Ends a connection, whatever copies of it there are.
pub(super) fn shut_down(client: OwnedFd) {
    // An error means that it is over already.
    let _ = shutdown(client, Shutdown::Both);
    step("shut");
}

/// Puts bytes into a spool of their own.
fn spool(dir: &Path, bytes: &[u8], room: Room) -> io::Result<Spool> {
    let mut spool = Spool::new(dir, u64::try_from(bytes.len()).unwrap_or(u64::MAX), room)?;
    spool.push(dir, bytes)?;
    Ok(spool)
}

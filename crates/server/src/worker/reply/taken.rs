//! The reply of an application that has the client's socket itself (psgix.io).
//!
//! Whoever looks at the socket may write to it, and nobody sees what. So from the look on, nothing is
//! said in its place that could land in the midst of something: an answer of ours to its death only if
//! nothing was written meanwhile, which TCP's own count tells; and none by the manager, whom *begun*
//! keeps from it.
//!
//! Nor shall what the client sends meanwhile wake other workers: the connection leaves the ready list.
//!
//! The price: a request that might be taken over and whose worker is killed ends in a reset, though a
//! 502 might still have been possible.

use super::{Reply, State};
use crate::os::socket::written;

impl Reply<'_> {
    /// The application looks at the socket: from now on it may write there without our knowing.
    pub fn look(&mut self) {
        if self.seen.is_none() {
            self.outlet.leave_list();
            self.seen = Some(written(self.outlet.client()));
        }
    }

    /// The connection may turn out to be the application's: should its worker die, or its time be
    /// over, nobody may answer in its place any more.
    pub fn may_be_taken(&mut self) {
        self.outlet.begin();
    }

    /// Whether an answer, or a part of one, may have left: by us, or by an application that wrote to
    /// the socket itself. Then nothing else can be said any more.
    pub fn has_spoken(&self) -> bool {
        self.has_begun()
            || self.seen.is_some_and(|before| match (before, written(self.outlet.client())) {
                (Some(before), Some(after)) => before != after,
                _ => self.outlet.has_begun(),
            })
    }

    /// The connection is the application's from now on: nothing more is written to it, but the head
    /// of a 101 if that is what it answers, and it is shut down when the application returns.
    pub fn hand_over(&mut self) {
        self.outlet.begin();
        self.upgraded = true;
        if self.has_begun() {
            self.flush();
            self.state = State::HandedOver;
        }
    }

    /// As [`hand_over`](Self::hand_over), for an application that answers nothing at all.
    pub fn hand_over_silently(&mut self) {
        self.outlet.begin();
        self.state = State::HandedOver;
    }
}

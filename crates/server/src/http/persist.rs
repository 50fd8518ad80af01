//! May the connection be kept? Decided on the pair: what was asked, and how the answer ends. Every
//! "no" wins.
//!
//! That a worker is recycled, or that an application died before its head, is not a reason: the
//! connection is not the worker's.

use super::framing::Framing;
use super::head::{Connection, Head, Version};

/// What decides about an answer beside the application's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The client's version.
    pub version: Version,
    /// The request's `Connection` fields.
    pub connection: Connection,
    /// The method is HEAD: the answer has no body.
    pub head_only: bool,
    /// The request has announced a body.
    pub has_body: bool,
    /// The server's own will: keep-alive is on, requests are left for this connection, and the
    /// server is not stopping.
    pub may_keep: bool,
}

impl Asked {
    /// What `head` asks.
    pub fn of(head: &Head<'_>, may_keep: bool) -> Asked {
        Asked {
            version: head.version,
            connection: head.connection,
            head_only: head.method == "HEAD",
            has_body: head.framing != Framing::None,
            may_keep,
        }
    }

    /// Whether the client has said that no request will follow this one: who sends one all the same
    /// cannot expect an answer. Not with a body: old clients send an empty line behind one, which a closed
    /// socket answers with a reset, and that destroys what is on its way.
    ///
    /// # Source
    ///
    /// RFC 9112 §2.2, §9.3 and §9.6.
    pub fn is_last(&self) -> bool {
        let Connection { close, keep_alive, .. } = self.connection;
        !self.has_body && (close || (self.version == Version::Http10 && !keep_alive))
    }

    /// The truth table. `ends` says whether the client can see where the answer ends without the
    /// connection being closed: a `Content-Length`, chunks, or no body.
    ///
    /// # Source
    ///
    /// RFC 9112 §9.3.
    pub fn kept(&self, ends: bool) -> Kept {
        let Connection { close, keep_alive, .. } = self.connection;
        match (self.may_keep && ends && !close, self.version, keep_alive) {
            (true, Version::Http11, _) => Kept::Yes,
            (true, Version::Http10, true) => Kept::Say,
            (true, Version::Http10, false) | (false, ..) => Kept::No,
        }
    }
}

/// Whether the connection is kept after an answer, and what the answer says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is; nothing needs to be said.
    Yes,
    /// It is, and HTTP/1.0 has to be told: `Connection: keep-alive`.
    Say,
    /// It is not: `Connection: close`.
    No,
}

#[cfg(test)]
mod tests {
    use super::*;
    use Version::{Http10, Http11};

    #[test]
    fn the_truth_table_of_persistence() {
        let (none, keep) = ((false, false), (false, true));
        let (close, both) = ((true, false), (true, true));
        for (version, (close, keep_alive), ends, may_keep, expected) in [
            (Http11, none, true, true, Kept::Yes),
            (Http11, keep, true, true, Kept::Yes),
            (Http11, close, true, true, Kept::No),
            (Http11, both, true, true, Kept::No),
            (Http11, none, false, true, Kept::No),
            (Http10, none, true, true, Kept::No),
            (Http10, keep, true, true, Kept::Say),
            (Http10, keep, false, true, Kept::No),
            (Http10, close, true, true, Kept::No),
            (Http10, both, true, true, Kept::No),
            (Http11, none, true, false, Kept::No),
            (Http10, keep, true, false, Kept::No),
        ] {
            let connection = Connection { close, keep_alive, upgrade: false };
            let asked = Asked { version, connection, head_only: false, has_body: false, may_keep };
            assert_eq!(asked.kept(ends), expected, "{asked:?} {ends}");
        }
    }
}

//! What preloading shares and nobody can use in common: sockets.
//!
//! An application that connects while it is loaded has one connection for all its workers, and answers
//! go to whoever reads first. Nothing can be done about it here but say so, at the start, when somebody
//! looks at the log. Under plackup the application is loaded before the server begins, so what this
//! process has opened by then counts as well.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tracing::warn;

use crate::os::socket;

type Sockets = BTreeMap<PathBuf, String>;

/// Looks before and after.
#[derive(Debug)]
pub(super) struct Preload {
    /// Open before anything of ours was.
    theirs: Sockets,
    /// Open before the application is loaded: ours, and theirs.
    before: Sockets,
}

impl Preload {
    /// Before the server opens anything.
    pub(super) fn begin() -> Self {
        Self { theirs: socket::opened_here(), before: Sockets::new() }
    }

    /// When the server has what it needs, and the application is not loaded yet.
    pub(super) fn before(&mut self) {
        self.before = socket::opened_here();
    }

    /// When the application is loaded: says which sockets are its own.
    pub(super) fn after(&self) {
        let shared = shared(&self.theirs, &self.before, &socket::opened_here());
        if !shared.is_empty() {
            let sockets = shared.join(", ");
            warn!(
                sockets,
                "the application has opened sockets while it was loaded: all workers share them. \
                 Connect in each worker, or disable preload-app"
            );
        }
    }
}

/// Those that are open now, and that we have not opened.
fn shared(theirs: &Sockets, before: &Sockets, now: &Sockets) -> Vec<String> {
    let is_ours = |name: &PathBuf| before.contains_key(name) && !theirs.contains_key(name);
    now.iter().filter(|(name, _)| !is_ours(name)).map(|(_, shown)| shown.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_are_those_that_came_between_the_first_two_looks() {
        let sockets = |names: &[&str]| -> Sockets {
            names.iter().map(|name| (PathBuf::from(name), (*name).to_owned())).collect()
        };
        let theirs = sockets(&["early", "closed"]);
        let before = sockets(&["early", "closed", "listener"]);
        let now = sockets(&["early", "listener", "late"]);
        assert_eq!(shared(&theirs, &before, &now), ["early", "late"]);
    }

    #[test]
    fn a_socket_of_this_process_is_found_by_its_other_end() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        udp.connect("127.0.0.1:9").unwrap();
        let before = socket::opened_here();
        assert!(before.values().any(|shown| shown.ends_with(" to 127.0.0.1:9")), "{before:?}");
        assert!(before.values().any(|shown| shown.ends_with(" to somebody without a name")));
        drop(one);
    }

    #[test]
    fn a_listener_is_nobodys_conversation() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let inode = rustix::fs::fstat(&listener).unwrap().st_ino;
        let found = socket::opened_here();
        assert!(!found.contains_key(&PathBuf::from(format!("socket:[{inode}]"))), "{found:?}");
    }
}

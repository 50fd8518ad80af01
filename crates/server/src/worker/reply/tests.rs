//! When the last answer of a connection waits for its end.

use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;

use rustix::net::{Shutdown, shutdown};

use super::*;
use crate::http::head::{Connection, Version};
use crate::os::shared::Pages;
use crate::table::Table;
use crate::tally::Tally;
use crate::worker::outlet::Addressee;
use crate::worker::outlet::tests::addressee;

/// What may be held back.
const NOTHING: [bool; 2] = [false, false];
const OF_A_ROUND: [bool; 2] = [true, false];
const THE_LAST: [bool; 2] = [false, true];

/// A client, its server's end, and whether an answer to such a request is held back.
fn answered(close: bool, has_returned: bool, may: [bool; 2]) -> (TcpStream, TcpStream, bool) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().unwrap();
    let (table, tally) = (Table::new(1).unwrap(), Tally::new().unwrap());
    let [hold, hold_last] = may;
    let to = Addressee { hold, hold_last, ..addressee(ours.as_fd(), &table, &tally) };
    let asked = Asked {
        version: Version::Http11,
        connection: Connection { close, ..Connection::default() },
        head_only: false,
        has_body: false,
        may_keep: true,
    };
    let (common, mut out) = (Common { date: "now", server: None }, Vec::new());
    let flags = Pages::<Flags>::new(1).unwrap();
    let mut reply = Reply::new(Outlet::new(to), asked, common, &flags[0], &mut out);
    if has_returned {
        reply.returned();
    }
    reply.whole(200, &[], &[b"answer"]).unwrap();
    let held = reply.finish().held;
    (theirs, ours, held)
}

#[test]
fn the_last_answer_of_a_connection_leaves_with_its_end() {
    // The kernel waits for 200 ms, which may be over before we look.
    let waits = |(mut theirs, ours, held): (TcpStream, TcpStream, bool)| {
        assert!(held);
        theirs.set_nonblocking(true).unwrap();
        let come = theirs.read(&mut [0; 1000]);
        come.is_err_and(|why| why.kind() == ErrorKind::WouldBlock).then_some((theirs, ours))
    };
    let (mut theirs, ours) = (0..20).find_map(|_| waits(answered(true, true, THE_LAST))).unwrap();
    shutdown(&ours, Shutdown::Both).unwrap();
    theirs.set_nonblocking(false).unwrap();
    let mut all = Vec::new();
    theirs.read_to_end(&mut all).unwrap();
    assert!(all.ends_with(b"\r\n\r\nanswer"));
}

#[test]
fn an_answer_does_not_wait_for_an_application_that_goes_on() {
    assert!(!answered(true, false, THE_LAST).2);
    assert!(!answered(false, false, OF_A_ROUND).2);
}

#[test]
fn an_answer_waits_only_for_what_follows_at_once() {
    assert!(!answered(false, true, THE_LAST).2, "the connection is kept");
    assert!(!answered(true, true, NOTHING).2, "a line of the access log comes between");
    assert!(answered(false, true, OF_A_ROUND).2);
}

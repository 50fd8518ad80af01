//! What becomes of the bytes of an answer.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use super::*;
use crate::table::Table;

/// Whoever this is, with a new row of this table, which is lent to worker 1.
pub(crate) fn addressee<'a>(
    client: BorrowedFd<'a>,
    table: &'a Table,
    tally: &'a Tally,
) -> Addressee<'a> {
    let row = table.row(0).unwrap();
    let id = ConnId { slot: 0, serial: row.state().0 };
    assert!(row.change(id.serial, Owner::Held, Owner::Queued(0)));
    assert!(row.change(id.serial, Owner::Queued(0), Owner::lent(1)));
    Addressee {
        client,
        row,
        id,
        list: None,
        worker: 1,
        spool_dir: Path::new("/tmp"),
        sendfile_roots: &[],
        high_water: 1 << 16,
        timeout: Duration::ZERO,
        room: Room::ALL,
        tally,
        deadline: None,
        hold: false,
        hold_last: true,
    }
}

#[test]
fn nobody_writes_behind_what_has_not_left() {
    let (table, tally) = (Table::new(1).unwrap(), Tally::new().unwrap());
    let (mut ours, mut theirs) = UnixStream::pair().unwrap();
    let copy = ours.try_clone().unwrap();
    let to = addressee(copy.as_fd(), &table, &tally);

    let mut roomy = Outlet::new(to);
    roomy.put(&[b"101"], Pace::Live);
    roomy.must_have_left();
    assert!(!roomy.is_broken() && !roomy.has_gone());

    ours.set_nonblocking(true).unwrap();
    let mut taken = 3;
    while let Ok(more) = ours.write(&[0; 4096]) {
        taken += more;
    }
    let mut full = Outlet { begun: true, ..Outlet::new(to) };
    full.put(&[b"101"], Pace::Live);
    full.must_have_left();
    assert!(full.is_broken() && full.has_gone());
    assert!(ours.write(b"mine").is_err());
    let mut all = Vec::new();
    theirs.read_to_end(&mut all).unwrap();
    assert_eq!(all.len(), taken);
}

/// What becomes of an answer to a client that reads nothing, piece by piece.
fn after(pieces: usize, room: Room) -> (bool, bool, u64) {
    let (_client, server) = UnixStream::pair().unwrap();
    let (table, tally) = (Table::new(1).unwrap(), Tally::new().unwrap());
    let dir = std::env::temp_dir();
    let to = addressee(server.as_fd(), &table, &tally);
    let to = Addressee { spool_dir: &dir, room, ..to };
    let mut outlet = Outlet::new(to);
    (0..pieces).for_each(|_| outlet.put(&[&[b'x'; 1 << 16]], Pace::Finished));
    (outlet.is_broken(), outlet.has_gone(), outlet.into_unsent().len())
}

#[test]
fn what_cannot_be_kept_breaks_the_answer_off_and_costs_no_memory() {
    let nowhere = Room { memory: 0, disk: 0 };
    let (broken, gone, kept) = after(16, nowhere);
    assert!(!broken && !gone && kept > 1 << 19, "in memory, for the worker to write: {kept}");
    assert_eq!(after(64, nowhere), (true, true, 0));
    // What has been spooled stays there; what comes behind it has no more room than before.
    assert_eq!(after(128, Room { memory: 0, disk: 3 << 20 }), (true, true, 0));
    let (broken, gone, kept) = after(24, Room { memory: 0, disk: 1 << 20 });
    assert!(!broken && !gone && kept > 1 << 20, "behind what is on the disk: {kept}");
}

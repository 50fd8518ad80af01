//! The diagram of owners, arrow by arrow, and slots that are used again.
use super::Owner::{Held, Queued, Watched};
use super::*;

const OWNERS: [Owner; 9] = [
    Held,
    Queued(0),
    Queued(1),
    Queued(ARG),
    Owner::Lent { worker: 0, begun: false },
    Owner::Lent { worker: 0, begun: true },
    Owner::Lent { worker: 7, begun: false },
    Owner::Lent { worker: 7, begun: true },
    Watched,
];

#[test]
fn every_word_is_read_as_it_was_written() {
    for owner in OWNERS {
        assert_eq!(Owner::from_bits(owner.bits()), owner);
    }
}

#[test]
fn the_diagram_has_these_arrows_and_no_others() {
    fn kind(owner: Owner) -> &'static str {
        match owner {
            Held => "Held",
            Queued(_) => "Queued",
            Owner::Lent { begun: false, .. } => "Lent",
            Owner::Lent { begun: true, .. } => "Begun",
            Watched => "Watched",
        }
    }
    let arrows = [
        ("Held", "Queued"),
        ("Queued", "Held"),
        ("Queued", "Lent"),
        ("Watched", "Lent"),
        ("Watched", "Held"),
        ("Lent", "Begun"),
        ("Begun", "Lent"),
        ("Lent", "Watched"),
        ("Begun", "Watched"),
        ("Lent", "Held"),
        ("Begun", "Held"),
    ];
    for from in OWNERS {
        for to in OWNERS {
            let same_worker = match (from, to) {
                (Owner::Lent { worker: v, .. }, Owner::Lent { worker: w, .. }) => v == w,
                _ => true,
            };
            let drawn = same_worker && arrows.contains(&(kind(from), kind(to)));
            assert_eq!(from.may_become(to), drawn, "{from:?} -> {to:?}");
        }
    }
}

#[test]
fn a_swap_succeeds_only_from_exactly_the_state_it_names() {
    for serial in [0, 1, u32::MAX] {
        for is in OWNERS {
            for from in OWNERS {
                for to in OWNERS.into_iter().filter(|to| from.may_become(*to)) {
                    let table = Table::new(1).unwrap();
                    let row = table.row(0).unwrap();
                    row.word.store(Row::pack(serial, is), Release);
                    assert!(!row.change(serial.wrapping_add(1), from, to));
                    assert_eq!(row.change(serial, from, to), is == from);
                    let now = if is == from { to } else { is };
                    assert_eq!(row.state(), (serial, now));
                }
            }
        }
    }
}

#[test]
fn a_retired_row_is_held_under_the_next_serial() {
    let table = Table::new(2).unwrap();
    let row = table.row(1).unwrap();
    assert_eq!(row.retire(u32::MAX), 0);
    assert_eq!((row.owner(0), row.owner(u32::MAX)), (Some(Held), None));
    assert!(table.row(2).is_none());
}

#[test]
fn a_stirred_row_remains_so_until_it_is_taken_or_another_connections() {
    let table = Table::new(1).unwrap();
    let row = table.row(0).unwrap();
    row.stir();
    row.stir();
    assert!(row.is_stirred() && row.take_stirred() && !row.is_stirred() && !row.take_stirred());
    row.stir();
    row.begin(&Newcomer { peer: None, local: None, listener: 0, number: 5, now: 9 });
    assert!(!row.is_stirred());
}

#[test]
fn addresses_survive_the_row() {
    let table = Table::new(1).unwrap();
    let row = table.row(0).unwrap();
    for peer in ["127.0.0.1", "255.1.2.3", "::1", "fe80::1:2:3:ffff"] {
        let peer = Some((peer.parse().unwrap(), 65_535));
        row.begin(&Newcomer { peer, local: None, listener: 3, number: 5, now: 9 });
        assert_eq!((row.peer(), row.local(), row.listener()), (peer, None, 3));
        assert_eq!(row.number(), 5);
    }
    assert_eq!((row.count_request(), row.count_request(), row.last()), (1, 2, 9));
}

#[test]
fn an_id_survives_the_kernel() {
    let id = ConnId { slot: 0xDEAD_BEEF, serial: 0x1234_5678 };
    assert_eq!(ConnId::from_bits(id.to_bits()), id);
}

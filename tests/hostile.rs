//! Slow, hostile and very many clients: what they cost the server, and everybody else.
//!
//! The short forms look whether the stories hold at all; `make soak` runs them in full, and asks for the
//! figures. The clients are those of `monoceros-bench`, whose `--help` says how to repeat a story by hand.

use std::net::SocketAddr;
use std::time::Duration;

use monoceros_bench::{
    Footprint, Hold, SlowPlan, Slowness, SoakPlan, beside, footprint, raise_descriptors, soak,
    storm,
};

use crate::support::{Door, Server, Signal, both_doors, soaking};

/// Few workers, of which none is replaced: what grows is then a leak.
const OPTIONS: [&str; 2] = ["--max-workers=4", "--max-reqs-per-child=0"];

fn start(door: Door, more: &[&str]) -> (Server, SocketAddr, u32) {
    raise_descriptors();
    let server = Server::start(door, "mixed.psgi", &[&OPTIONS, more].concat());
    let address = server.addresses()[0].parse().unwrap();
    let pid = server.pid().as_raw_nonzero().get().unsigned_abs();
    (server, address, pid)
}

/// What the scoreboard says of the connections: the number behind `name=`.
fn scoreboard(server: &Server, name: &str) -> usize {
    let mark = server.log.mark();
    server.signal(Signal::WINCH);
    let line = server.expect_log_since(mark, "spooled_memory=");
    let word = line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    word.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no {name} in {line:?}"))
}

/// A crowd of one kind beside active clients.
fn slow(door: Door, slowness: Slowness) {
    let (server, address, _) = start(door, &[]);
    let plan = SlowPlan {
        address,
        active: 20,
        slow: if soaking() { 50 } else { 5 },
        time: match slowness {
            // Longer than the window in which a reader has to keep the least rate.
            Slowness::Readers => Duration::from_secs(22),
            _ => Duration::from_secs(10),
        },
        path: "/".to_owned(),
        large: "/bytes/33554432".to_owned(),
        brief: !soaking(),
    };
    let rounds = if soaking() { 3 } else { 1 };
    let mut ratios = Vec::new();
    for _ in 0..rounds {
        let amid = &mut |slowness| {
            if slowness == Slowness::Readers {
                let drained = || scoreboard(&server, "draining") == plan.slow;
                server.until("all readers are being drained", drained);
            }
        };
        let report = beside(&plan, slowness, amid).unwrap();
        eprintln!("{report}");
        assert_eq!((report.failures, report.told.failed.len()), (0, 0), "{report}");
        if slowness != Slowness::Readers {
            assert!(report.told.answered >= plan.slow, "{report}");
        }
        ratios.push(report.ratio());
    }
    ratios.sort_by(f64::total_cmp);
    // The short form is over before a busy machine has made up its mind: it only tells whether the
    // workers are held (the crowd is larger than they are many), which would leave next to nothing. Whom
    // readers hold is held for good, and nobody would have been answered.
    let least = match (soaking(), slowness) {
        (true, _) => 0.9,
        (false, Slowness::Readers) => 0.0,
        (false, _) => 0.05,
    };
    assert!(ratios[ratios.len() / 2] >= least, "what is left of the throughput: {ratios:.3?}");
    server.stop();
}

/// The server's footprint, looked at until `holds`; the largest memory that was seen on the way, in KiB.
fn watch(server: &Server, pid: u32, mut holds: impl FnMut(Footprint) -> bool) -> u64 {
    let mut most = 0;
    for _ in 0..if soaking() { 12 } else { 1 } {
        server.until("the server holds what it was asked to hold", || {
            let now = footprint(pid);
            most = most.max(now.memory());
            holds(now)
        });
        if soaking() {
            server.outlives(Duration::from_secs(1));
        }
    }
    most
}

both_doors! {
    /// Readers of a large answer cost the active clients nothing, and are being drained.
    fn slow_readers_hold_no_worker(door) {
        slow(door, Slowness::Readers);
    }

    /// Nor do those who send a large body slowly; all of them are answered.
    fn slow_uploaders_hold_no_worker(door) {
        if soaking() || door == Door::Program {
            slow(door, Slowness::Uploaders);
        }
    }

    /// Nor those who send a head byte by byte.
    fn slow_heads_hold_no_worker(door) {
        if soaking() || door == Door::Program {
            slow(door, Slowness::Heads);
        }
    }

    /// Who reads the end of his last answer late gets it: lingering is no reason to throw it away.
    fn the_end_of_an_answer_waits_for_its_reader(door) {
        let (server, _, _) = start(door, &["--linger-timeout=0.1"]);
        let mut client = server.connect();
        client.send("GET /bytes/1500000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        server.until("it is lingered in", || scoreboard(&server, "lingering") == 1);
        server.outlives(Duration::from_secs(2));
        assert_eq!(client.answer().body.len(), 1_500_000);
        client.expect_end();
        server.stop();
    }

    /// Old clients send an empty line behind a body, and it may come late: no reason to throw the answer away.
    fn an_empty_line_behind_the_last_body_destroys_no_answer(door) {
        let (server, _, _) = start(door, &[]);
        let mut client = server.connect();
        // The client's kernel takes some of it, and ours may be left alone with the others.
        rustix::net::sockopt::set_socket_recv_buffer_size(client.fd(), 4096).unwrap();
        client.send("POST /bytes/60000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\na=1");
        server.outlives(Duration::from_millis(300));
        client.send("\r\n");
        server.outlives(Duration::from_millis(100));
        assert_eq!(client.answer().body.len(), 60_000);
        client.expect_end();
        server.stop();
    }

    /// Connections opened all at once while all workers are busy: none fails, none waits to be connected,
    /// and they are answered in the order in which they asked.
    fn a_storm_is_answered_in_order(door) {
        let (server, address, _) = start(door, &[]);
        let (count, places) = if soaking() { (10_000, 1_000) } else { (500, 100) };
        let report = storm(address, count, "/sleep/10", Duration::from_secs(60)).unwrap();
        eprintln!("{report}");
        assert!(report.failures.is_empty(), "{report}");
        assert_eq!(report.answered, count, "{report}");
        // Who does not fit into the backlog asks again after a second; a busy machine only notices late.
        let asked_again = report.counters.get("TCPSynRetrans") != Some(&0);
        assert!(report.longest_connect < Duration::from_secs(1) || !asked_again, "{report}");
        assert!(report.places_of(990) <= places, "{report}");
        if soaking() {
            // These are of the whole machine: nothing else should run on it.
            for name in ["ListenDrops", "ListenOverflows", "SyncookiesSent", "TCPSynRetrans"] {
                assert_eq!(report.counters.get(name), Some(&0), "{name}: {report}");
            }
        }
        server.stop();
    }

    /// Answers that nobody reads: memory up to max-drain-memory, the rest in files.
    fn unread_answers_are_in_files(door) {
        let (server, address, pid) = start(door, &["--max-drain-memory=32m"]);
        // Large enough that the kernel does not take them whole: 4 MiB is the most that it buffers.
        let (count, size) = if soaking() { (2000, 1 << 20) } else { (60, 6 << 20) };
        let before = footprint(pid);
        let held = Hold::unread(address, count, &format!("/bytes/{size}")).unwrap();
        let most = watch(&server, pid, |_| held.spoken_to().unwrap() == count);
        let now = footprint(pid);
        eprintln!("{count} x {size} bytes unread: {before:?} became {now:?}, at most {most} KiB");
        assert!(most < before.memory() + ((32 + 64) << 10), "{before:?}, at most {most} KiB");
        assert!(now.disk_files > 0, "{now:?}");
        drop(held);
        server.until("nothing is spooled any more", || {
            scoreboard(&server, "spooled_memory") + scoreboard(&server, "spooled_disk") == 0
        });
        server.stop();
    }

    /// What is only announced costs nothing.
    fn announced_bodies_cost_nothing(door) {
        let (server, address, pid) = start(door, &["--max-body-size=10g"]);
        let count = if soaking() { 1000 } else { 100 };
        let before = footprint(pid);
        let held = Hold::announced(address, count, 9_999_999_999).unwrap();
        let most = watch(&server, pid, |_| scoreboard(&server, "reading") == count);
        let grown = most.saturating_sub(before.memory());
        eprintln!("{count} bodies of 9999999999 bytes announced: {grown} KiB more");
        assert!(grown < 64 * u64::try_from(count).unwrap(), "{grown} KiB more");
        assert_eq!(held.spoken_to().unwrap(), 0, "an answer before the body");
        drop(held);
        server.stop();
    }

    /// Requests of all kinds, malformed and given up ones too: everybody gets what he must, and no
    /// process grows.
    fn nothing_grows(door) {
        let (server, address, pid) = start(door, &[]);
        let (requests, samples): (_, &[u64]) =
            if soaking() { (2_000_000, &[10, 25, 50, 75, 100]) } else { (4_000, &[50, 100]) };
        let plan = SoakPlan { address, server: pid, clients: 64, requests, samples };
        let report = soak(&plan).unwrap();
        eprintln!("{report}");
        assert!(report.unexpected.is_empty(), "{report}");
        assert!(report.all_live(), "{report}");
        // A short run's workers are still growing into their largest request.
        let most = if soaking() { 256 } else { 16 << 10 };
        for (_, memory, descriptors) in report.growth() {
            assert!(memory <= most && descriptors <= 0, "{report}");
        }
        server.stop();
    }
}

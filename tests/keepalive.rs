//! What a connection costs, how long it lives, and who may serve it.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Server, Setup, both_doors};

const FILTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/filter.pl");
const OF_TWO: [&str; 3] = ["--listen", "127.0.0.1:0", "--max-workers=2"];

/// Whether this machine lets its processes have filters of system calls: some containers do not.
fn can_filter() -> bool {
    Command::new("perl").args([FILTER, "true"]).status().unwrap().success()
}

/// Each of two workers serves connections that the other one has served, and nobody dies of it.
fn meet(setup: Setup) {
    let server = setup.start();
    let mut kept: Vec<_> = (0..4).map(|_| server.connect()).collect();
    let (mut held, mut round) = (BTreeSet::new(), 0);
    server.until("each of the two has held, so that the other one served all", || {
        round += 1;
        let mut holder = server.connect();
        let path = format!("/hold-{round}.");
        holder.get(&path);
        server.expect_log(&path);
        kept.iter_mut().for_each(|client| assert_eq!(client.ask("/p").status(), 200));
        server.open_gate(1);
        held.insert(holder.answer().text().replace(&path, ""));
        held.len() == 2
    });
    assert_eq!(server.log.matching(|line| line.contains("died")), [""; 0]);
    server.stop();
}

both_doors! {
    /// HTTP/1.1 keeps a connection and does not say so.
    fn a_connection_serves_request_after_request(door) {
        let server = Server::start(door, "path_info.psgi", &[]);
        let mut client = server.connect();
        for number in 0..20 {
            let answer = client.ask(&format!("/{number}"));
            assert_eq!((answer.text(), answer.field("Connection")), (format!("/{number}"), None));
        }
        server.stop();
    }

    /// A slow sender costs the manager a buffer, and the workers nothing.
    fn a_request_sent_in_pieces_holds_no_worker(door) {
        let server = Server::start(door, "path_info.psgi", &["--max-workers=1"]);
        let mut slow = server.connect();
        slow.send("GET /slow HTTP/1.1\r\nHost: a\r\n");

        // The only worker must still be free: somebody else is answered in between.
        let mut other = server.connect();
        other.get("/other");
        other.expect("HTTP/1.1 200 OK", "/other");

        slow.send("\r\n");
        slow.expect("HTTP/1.1 200 OK", "/slow");

        // The same on a connection that a worker claims.
        slow.send("GET /again HT");
        other.get("/other");
        other.expect("HTTP/1.1 200 OK", "/other");
        slow.send("TP/1.1\r\nHost: a\r\n\r\n");
        slow.expect("HTTP/1.1 200 OK", "/again");
        server.stop();
    }

    /// Connections that are kept and silent hold no worker either.
    fn idle_connections_hold_no_worker(door) {
        let server = Server::start(door, "path_info.psgi", &["--max-workers=2"]);
        let mut idle: Vec<_> = (0..50).map(|_| server.connect()).collect();
        for client in &mut idle {
            assert_eq!(client.ask("/first").status(), 200);
        }
        let mut fresh = server.connect();
        assert_eq!(fresh.ask("/fresh").text(), "/fresh");
        for client in &mut idle {
            assert_eq!(client.ask("/second").text(), "/second");
        }
        server.stop();
    }

    /// Where a filter of system calls kills who copies descriptors, nobody tries to: workers that meet each
    /// other's connections ask the manager.
    fn beneath_a_filter_workers_meet_connections(door) {
        if can_filter() {
            meet(Setup::new(door, "hold.psgi").only(&OF_TWO).behind("perl", &[FILTER]));
        }
    }

    /// The same if it is the application that has put itself there.
    fn an_application_beneath_a_filter_meets_connections(door) {
        if can_filter() {
            meet(Setup::new(door, "filtered.psgi").only(&OF_TWO));
        }
    }

    /// The next request of a connection goes to whoever is free.
    fn a_connection_belongs_to_no_worker(door) {
        let server = Server::start(door, "hold.psgi", &["--max-workers=2"]);
        let mut client = server.connect();
        let first = client.ask("/first").text();
        let pid = first.split(' ').nth(1).unwrap().to_owned();

        // One of the two is busy now. If it is the one that served before, the other one does.
        let mut holder = server.connect();
        holder.get("/hold1");
        let held = server.expect_log("path=/hold1");
        let other = client.ask("/second").text();
        assert_eq!(other.contains(&pid), !held.contains(&format!("pid={pid}")));
        server.open_gate(1);
        assert_eq!(holder.answer().status(), 200);
        server.stop();
    }

    /// Every answer of a pair is decided by what was asked: the truth table of keep-alive.
    fn a_connection_is_kept_by_the_table(door) {
        let server = Server::start(door, "answers.psgi", &[]);
        for (version, fields, kept, said) in [
            ("1.1", "", true, None),
            ("1.1", "Connection: keep-alive\r\n", true, None),
            ("1.1", "Connection: close\r\n", false, Some("close")),
            ("1.1", "Connection: Keep-Alive, Close\r\n", false, Some("close")),
            ("1.1", "Connection: x\r\nConnection: CLOSE\r\n", false, Some("close")),
            ("1.0", "", false, Some("close")),
            ("1.0", "Connection: keep-alive\r\n", true, Some("keep-alive")),
            ("1.0", "Connection: keep-alive, close\r\n", false, Some("close")),
        ] {
            let mut client = server.connect();
            client.send(format!("GET /array HTTP/{version}\r\nHost: a\r\n{fields}\r\n"));
            let answer = client.answer();
            assert_eq!(answer.line, "HTTP/1.1 200 OK");
            assert_eq!((answer.field("Connection"), answer.field("Content-Length")), (said, Some("3")));
            if kept {
                assert_eq!(client.ask("/next").text(), "/next");
            } else {
                client.expect_end();
            }
        }
        server.stop();
    }

    /// 1.0 with an unknown length: no chunks, and the end of file is the end of the body.
    fn an_unknown_length_ends_a_1_0_connection(door) {
        let server = Server::start(door, "answers.psgi", &[]);
        let mut client = server.connect();
        client.send("GET /object HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let answer = client.answer();
        assert_eq!(answer.field("Connection"), Some("close"));
        assert_eq!((answer.text().as_str(), answer.chunks.len()), ("abc", 0));
        server.stop();
    }

    /// Silence ends a connection after the time-out, not before, and without a word.
    fn a_silent_connection_is_closed(door) {
        let server = Server::start(door, "path_info.psgi", &["--keepalive-timeout=1"]);
        let mut client = server.connect();
        let asked = Instant::now();
        client.ask("/");
        client.expect_end();
        // Ten seconds are the default.
        let silence = asked.elapsed();
        assert!(silence > Duration::from_millis(990), "closed after {silence:?}");
        assert!(silence < Duration::from_secs(9), "closed after {silence:?}");
        server.stop();
    }

    /// A head has a time in which it must come; who never spoke is told nothing.
    fn a_head_that_takes_too_long(door) {
        let server = Server::start(door, "path_info.psgi", &["--header-timeout=3", "--linger-timeout=0.5"]);
        let (mut silent, mut slow, mut warm) = (server.connect(), server.connect(), server.connect());
        warm.ask("/first");
        for client in [&mut slow, &mut warm] {
            client.send("GET /slow HTTP/1.1\r\nHost:");
        }
        silent.expect_end();
        for client in [&mut slow, &mut warm] {
            assert_eq!(client.answer().status(), 408);
            client.expect_end();
        }
        server.stop();
    }

    /// Without keep-alive each answer says so.
    fn keep_alive_can_be_disabled(door) {
        for option in ["--disable-keepalive", "--keepalive-timeout=0", "--max-keepalive-reqs=1"] {
            let server = Server::start(door, "path_info.psgi", &[option]);
            let mut client = server.connect();
            assert_eq!(client.ask("/").field("Connection"), Some("close"), "{option}");
            client.expect_end();
            server.stop();
        }
    }

    /// The last request that a connection may have says so.
    fn the_last_request_of_a_connection_says_so(door) {
        let server = Server::start(door, "path_info.psgi", &["--max-keepalive-reqs=3"]);
        let mut client = server.connect();
        assert_eq!(client.ask("/1").field("Connection"), None);
        assert_eq!(client.ask("/2").field("Connection"), None);
        assert_eq!(client.ask("/3").field("Connection"), Some("close"));
        client.expect_end();
        server.stop();
    }

    /// Edge 6 of PSGI: a worker that has served its share leaves, and no client notices.
    fn recycling_a_worker_costs_no_connection(door) {
        let options = ["--max-workers=1", "--max-reqs-per-child=3", "--min-reqs-per-child=3"];
        let server = Server::start(door, "hold.psgi", &options);
        let mut client = server.connect();
        let mut pids = BTreeSet::new();
        for number in 0..12 {
            let answer = client.ask(&format!("/{number}"));
            assert_eq!(answer.field("Connection"), None);
            let text = answer.text();
            let (path, pid) = text.split_once(' ').unwrap();
            assert_eq!(path, format!("/{number}"));
            pids.insert(pid.to_owned());
        }
        assert_eq!(pids.len(), 4, "workers that served three requests each");
        server.stop();
    }
}

//! The end of a request: cleanup handlers, harakiri, and the order of it all.

use std::time::{Duration, Instant};

use crate::support::{Client, Server, both_doors};

/// Asks for a path, and gives the worker that the whole answer names.
#[track_caller]
fn ask(client: &mut Client, path: &str) -> String {
    let answer = client.ask(path);
    assert_eq!((answer.status(), answer.field("Connection")), (200, None), "{path}");
    let text = answer.text();
    let (said, pid) = text.split_once(' ').unwrap_or_else(|| panic!("no worker in {text:?}"));
    assert_eq!(said, path);
    pid.to_owned()
}

/// The lines that were said since `mark` and contain one of `words`, in order.
fn said(server: &Server, mark: usize, words: &[&str]) -> Vec<String> {
    let lines = server.log.matching(|_| true);
    let wanted = |line: &&String| words.iter().any(|word| line.contains(word));
    lines.iter().skip(mark).filter(wanted).cloned().collect()
}

both_doors! {
    /// Edges 1 and 2: wherever the worker's end was asked for, the answer is whole, the connection is
    /// kept, and another worker serves its next request.
    fn harakiri_counts_wherever_it_is_set(door) {
        let server = Server::start(door, "ends.psgi", &["--max-workers=1"]);
        let mut client = server.connect();
        for path in ["/application", "/stream", "/getline", "/close", "/handler"] {
            let worker = ask(&mut client, path);
            assert_ne!(ask(&mut client, "/next"), worker, "{path}");
            server.expect_log(&format!("END of {worker}"));
        }
        // What came behind the request is the next worker's, too.
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        client.send(get("/application") + &get("/handler") + &get("/next"));
        let mut workers = [(); 3].map(|()| client.answer().text().split(' ').nth(1).unwrap().to_owned());
        workers.sort_unstable();
        assert!(workers[0] != workers[1] && workers[1] != workers[2], "{workers:?}");
        server.stop();
    }

    /// It is read once: after the handlers, who may take it back, and before destructors, for whom it is
    /// too late.
    fn harakiri_is_read_once(door) {
        let server = Server::start(door, "ends.psgi", &["--max-workers=1"]);
        let mut client = server.connect();
        let worker = ask(&mut client, "/first");
        for path in ["/undone", "/destroy", "/next"] {
            assert_eq!(ask(&mut client, path), worker, "{path}");
        }
        server.stop();
    }

    /// Body, close, handlers, destructors, END.
    fn the_end_of_a_request_has_an_order(door) {
        let server = Server::start(door, "ends.psgi", &["--max-workers=1"]);
        let worker = ask(&mut server.connect(), "/order");
        server.expect_log(&format!("END of {worker}"));
        let lines = said(&server, 0, &["1 getline", "2 close", "3 handler", "4 DESTROY", "END of"]);
        let end = format!("END of {worker}");
        assert_eq!(lines, ["1 getline", "2 close", "3 handler", "4 DESTROY", &end]);
        server.stop();
    }

    /// Edge 3: one that dies stops none and is logged once; what a handler pushes is run, too; each is
    /// given the request's env. Also after an application that died.
    fn cleanup_handlers_all_run_in_order(door) {
        let server = Server::start(door, "ends.psgi", &["--max-workers=1"]);
        let mut client = server.connect();
        let mark = server.log.mark();
        let worker = ask(&mut client, "/three");
        server.expect_log("cleanup 4");
        assert_eq!(ask(&mut client, "/next"), worker, "a death in a handler costs no worker");
        assert_eq!(
            said(&server, mark, &["cleanup"]),
            ["cleanup 1", "cleanup 2", "cleanup 3 of /three", "cleanup 4"]
        );
        assert_eq!(client.ask("/dies").status(), 500);
        server.expect_log("cleanup after a death");
        server.stop();
    }

    /// Edges 3 and 4: the client has its whole answer while a handler has just begun, and its next request
    /// is answered by somebody else while it goes on.
    fn a_client_waits_for_no_cleanup(door) {
        let server = Server::start(door, "ends.psgi", &["--max-workers=2"]);
        let mut client = server.connect();
        for _ in 0..2 {
            let mark = server.log.mark();
            let asked = Instant::now();
            let worker = ask(&mut client, "/slow");
            assert_ne!(ask(&mut client, "/next"), worker);
            let answered = asked.elapsed();
            server.expect_log_since(mark, "cleaning");
            assert_eq!(said(&server, mark, &["cleaned"]), [""; 0], "the gate is closed");
            server.outlives(Duration::from_millis(200));
            server.open_gate(1);
            let line = server.expect_log_since(mark, "cleaned ");
            let took: f64 = line.trim_start_matches("cleaned ").parse().unwrap();
            let after = asked.elapsed().as_secs_f64();
            assert!(took > 0.19 && took < after, "{took} s of cleaning, {after} s in all");
            assert!(answered.as_secs_f64() < after - 0.19, "answered after {answered:?}");
            server.until("the worker is free again", || ask(&mut client, "/next") == worker);
        }
        server.stop();
    }

    /// Nor does one that has not read its answer yet: the manager drains it meanwhile.
    fn a_slow_reader_waits_for_no_cleanup(door) {
        let server = Server::start(door, "ends.psgi", &["--max-workers=1"]);
        let mut client = server.connect();
        client.get("/large");
        server.expect_log("cleaning");
        assert_eq!(client.answer().body.len(), 20_000_000);
        assert_eq!(said(&server, 0, &["cleaned"]), [""; 0], "the gate is closed");
        server.open_gate(1);
        ask(&mut client, "/next");
        server.stop();
    }

    /// A pipelined request does not wait for a handler either.
    fn a_pipelined_request_waits_for_no_cleanup(door) {
        let server = Server::start(door, "ends.psgi", &["--max-workers=2"]);
        let mut client = server.connect();
        client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n");
        let (first, second) = (client.answer().text(), client.answer().text());
        assert_ne!(first.trim_start_matches("/slow "), second.trim_start_matches("/next "));
        server.open_gate(1);
        server.stop();
    }

    /// Edge 5: the list, and every other value, is the application's to delete or replace; what was done to
    /// one request's env is not seen in the next.
    fn the_list_of_handlers_is_the_applications(door) {
        let server = Server::start(door, "ends.psgi", &["--max-workers=1"]);
        let mut client = server.connect();
        let worker = ask(&mut client, "/first");
        for path in ["/delete", "/replace", "/odd", "/assign", "/three", "/next"] {
            assert_eq!(ask(&mut client, path), worker, "{path}");
        }
        server.expect_log("cleanup of another list");
        server.expect_log("cleanup 4");
        server.stop();
    }

    /// A handler that holds env, which holds the list of handlers, keeps neither beyond its request.
    fn a_handler_that_holds_env_leaks_nothing(door) {
        let server = Server::start(door, "ends.psgi", &["--max-workers=1"]);
        let mut client = server.connect();
        let worker = ask(&mut client, "/cycle");
        server.expect_log("guard gone");
        assert_eq!(ask(&mut client, "/next"), worker, "it was not the worker's end that freed it");
        server.stop();
    }

    /// A handler that takes too long is told of, and costs its worker, and nothing else.
    fn cleanup_has_a_time_limit(door) {
        let server = Server::start(door, "ends.psgi", &["--max-workers=1", "--cleanup-timeout=2"]);
        let mut client = server.connect();
        let worker = ask(&mut client, "/slow");
        let next = ask(&mut client, "/next");
        assert_ne!(next, worker);
        let line = server.expect_log("cleanup handlers have exceeded cleanup-timeout");
        assert!(line.contains(&format!(" pid={worker} ")), "{line}");
        let seconds = line.split(" seconds=").nth(1).unwrap().split(' ').next().unwrap();
        let seconds: f64 = seconds.parse().unwrap();
        assert!(seconds >= 2.0, "{line}");
        // Those that end in time are let be.
        for _ in 0..5 {
            assert_eq!(ask(&mut client, "/three"), next);
        }
        assert_eq!(server.log.matching(|line| line.contains("cleanup-timeout")).len(), 1);
        server.stop();
    }

    /// Zero is no limit.
    fn cleanup_may_take_for_ever(door) {
        let server = Server::start(door, "ends.psgi", &["--max-workers=1", "--cleanup-timeout=0"]);
        let mut client = server.connect();
        let worker = ask(&mut client, "/slow");
        server.outlives(Duration::from_millis(300));
        server.open_gate(1);
        assert_eq!(ask(&mut client, "/next"), worker);
        server.stop();
    }
}

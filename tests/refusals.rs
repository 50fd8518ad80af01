//! What the table of conformance does not show of refusals: what they say, and that the options decide.
//!
//! Each request is sent as the first one of a connection, which the manager reads, and behind an
//! answered one, which a worker reads. Same bytes, same answer; then the connection ends, and the
//! application has not been called.

use std::time::{Duration, Instant};

use crate::support::{Answer, Client, DEADLINE, Server, Setup, both_doors};

/// Ends every request here: what would be smuggled must not be answered.
const NEXT: &str = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

/// The refusals of a request: to the first of a connection, and to one behind another.
fn refusals(server: &Server, request: &str, status: u16) -> [Answer; 2] {
    [false, true].map(|warm| {
        let mut client = server.connect();
        if warm {
            assert_eq!(client.ask("/first").status(), 200);
        }
        // The server may close while these bytes are on their way.
        _ = client.try_send(format!("{request}{NEXT}").as_bytes());
        let answer = client.answer();
        let shown = request[..request.len().min(80)].escape_debug().to_string();
        assert_eq!(answer.status(), status, "{shown} (warm: {warm})");
        assert_eq!(answer.field("Connection"), Some("close"), "{shown}");
        client.expect_end();
        answer
    })
}

/// Refused, for the reason that names this option.
fn refused_by(server: &Server, request: &str, status: u16, option: &str) {
    for answer in refusals(server, request, status) {
        assert!(answer.text().ends_with(&format!("({option})\n")), "{answer:?}");
    }
}

fn not_called(server: &Server) {
    assert_eq!(server.connect().ask("/fence").status(), 200);
    server.expect_log("report GET /fence");
    let called = |line: &str| line.contains("report ") && !line.ends_with("/first");
    let calls = server.log.matching(|line| called(line) && !line.ends_with("/fence"));
    assert_eq!(calls, Vec::<String>::new());
}

both_doors! {
    /// A limit is the operator's, and the refusal says which one it was.
    fn limits_that_were_lowered(door) {
        let server = Server::start(door, "report.psgi", &[
            "--max-request-line=256",
            "--max-header-size=1k",
            "--max-header-count=3",
            "--max-body-size=9",
            "--header-underscores=reject",
        ]);
        let get = |fields: &str| format!("GET /p HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let post = |fields: &str| format!("POST /p HTTP/1.1\r\nHost: a\r\n{fields}");
        refused_by(&server, &format!("GET /{}", "p".repeat(300)), 414, "max-request-line");
        refused_by(&server, &get(&format!("X: {}\r\n", "v".repeat(1024))), 431, "max-header-size");
        refused_by(&server, &get("A: 1\r\nB: 2\r\nC: 3\r\n"), 431, "max-header-count");
        refused_by(&server, &post("Content-Length: 10\r\n\r\n"), 413, "max-body-size");
        refused_by(&server, &post("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\n"), 413, "max-body-size");
        refused_by(&server, &get("X_Y: 1\r\n"), 400, "header-underscores");
        not_called(&server);
        server.stop();
    }

    /// One line that says why, and nothing of what was sent: it could be anything, and somebody shows it.
    fn what_a_refusal_says(door) {
        let server = Server::start(door, "report.psgi", &["--server-software="]);
        for (request, status) in [
            ("S@CRET /p HTTP/1.1\r\n\r\n".to_owned(), 400),
            ("GET SECRET HTTP/1.1\r\n\r\n".to_owned(), 400),
            ("GET /p SECRET/1.1\r\n\r\n".to_owned(), 400),
            ("GET /p HTTP/1.1\r\nHost: SECRET/\r\n\r\n".to_owned(), 400),
            ("GET /p HTTP/1.1\r\nHost: a\r\nSECRET\r\n\r\n".to_owned(), 400),
            ("GET /p HTTP/1.1\r\nHost: a\r\nExpect: SECRET\r\n\r\n".to_owned(), 417),
            ("POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: SECRET\r\n\r\n".to_owned(), 501),
            (format!("{}T /p HTTP/1.1\r\n\r\n", "SECRET".repeat(6)), 501),
        ] {
            for answer in refusals(&server, &request, status) {
                let all = format!("{} {:?} {}", answer.line, answer.fields, answer.text());
                assert!(!all.contains("CRET"), "{all}");
                assert!(answer.text().starts_with(&answer.line["HTTP/1.1 ".len()..]), "{answer:?}");
                assert_eq!((answer.text().lines().count(), answer.field("Server")), (1, None));
            }
        }
        not_called(&server);
        server.stop();
    }

    /// Empty lines may stand before a request. They are a part of its head: of its size, and of its time.
    fn empty_lines_for_ever(door) {
        let server = Server::start(door, "report.psgi", &["--header-timeout=3"]);
        refused_by(&server, &"\r\n".repeat(40_000), 431, "max-header-size");
        let mut clients = [server.connect(), server.connect()];
        assert_eq!(clients[1].ask("/first").status(), 200);
        let begun = Instant::now();
        while !clients[0].hears(Duration::from_millis(200)) {
            assert!(begun.elapsed() < DEADLINE, "they may go on");
            clients.iter_mut().for_each(|client| _ = client.try_send(b"\r\n"));
        }
        for client in &mut clients {
            assert_eq!(client.answer().status(), 408);
            client.expect_end();
        }
        not_called(&server);
        server.stop();
    }

    /// Trailers are counted, not only weighed.
    fn too_many_trailers(door) {
        let server = Server::start(door, "report.psgi", &[]);
        let chunked = |count: usize| format!(
            "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{}\r\n", "X: 1\r\n".repeat(count)
        );
        refusals(&server, &chunked(33), 431);
        not_called(&server);
        let mut client = server.connect();
        client.send(chunked(32));
        assert_eq!(client.answer().status(), 200);
        server.stop();
    }

    /// Behind an answer that its client does not read, a refusal waits for room like the answer.
    fn a_refusal_behind_an_answer_that_fills_the_socket(door) {
        let setup = Setup::new(door, "answers.psgi");
        let path = setup.folder().join("socket").display().to_string();
        let server = setup.only(&["--max-workers=1", "--listen", &path]).start();
        // Somewhere in between the kernel's buffer is full when the answer ends; TCP's has no such
        // sharp edge. Below, a worker refuses; above, the manager, when the answer is drained.
        for size in (200_000..240_000).step_by(2_000) {
            let mut client = Client::connect(&path);
            client.send(format!("GET /bytes/{size} HTTP/1.1\r\nHost: a\r\n\r\nNONSENSE\r\n\r\n{NEXT}"));
            // The only worker is free: the refusal was made, if it was the worker's to make.
            assert_eq!(Client::connect(&path).ask("/other").text(), "/other");
            assert_eq!(client.answer().body.len(), size);
            assert_eq!(client.answer().status(), 400, "behind {size} bytes");
            client.expect_end();
        }
        server.stop();
    }

    /// Whoever comes again and again with the same is told of once in a while, not each time.
    fn a_scanner_does_not_fill_the_log(door) {
        let server = Server::start(door, "report.psgi", &["--max-workers=1", "--max-spool-size=1"]);
        let mark = server.log.mark();
        let long = format!("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n{}", "b".repeat(70_000));
        for _ in 0..20 {
            refusals(&server, "\x16\x03\x01", 400);
            refusals(&server, &long, 507);
        }
        server.expect_log_since(mark, "spoke TLS");
        server.expect_log_since(mark, "cannot store a body");
        let lines = server.log.matching(|line| line.contains("spoke TLS") || line.contains("cannot store"));
        // Each of the two came 40 times; a busy machine takes its time for them.
        assert!(lines.len() < 30, "{lines:?}");
        server.stop();
    }
}

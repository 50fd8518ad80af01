//! What is refused, with which status: the table of requests that nobody should send.
//!
//! Each row is sent as the first request of a connection, which the manager reads, and behind an
//! answered one, which a worker reads. Same bytes, same answer; then the connection ends, and the
//! application has not been called.

use crate::support::{Client, Server, Setup, both_doors};

/// Ends every head here: what would be smuggled must not be answered.
const NEXT: &str = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

/// Whole requests, and what they get.
const LINES: &[(&str, u16)] = &[
    ("GET /p HTTP/1.1\nHost: a\n\n", 400),
    ("\nGET /p HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /p HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400),
    ("GET /p HTTP/1.1\r\r\nHost: a\r\n\r\n", 400),
    (" GET /p HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET  /p HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET\t/p HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /p HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("G@T /p HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG /p HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    ("GET /p HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    ("GET /p HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ("GET /p HTTP/0.9\r\nHost: a\r\n\r\n", 505),
    ("GET /p http/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /p HTTP/1.10\r\nHost: a\r\n\r\n", 400),
    ("GET /p HTTP/11\r\nHost: a\r\n\r\n", 400),
    ("GET /p HTTP/1\r\nHost: a\r\n\r\n", 400),
    ("GET /p\r\n", 400),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("\x16\x03\x01", 400),
    ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET p HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET ?q HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    ("GET http://u@h/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET ftp://h/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET http://h/ HTTP/1.1\r\n\r\n", 400),
    ("GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /a% HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /p HTTP/1.1\r\n\r\n", 400),
    ("GET /p HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    ("GET /p HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("GET /p HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    ("GET /p HTTP/1.1\r\n X: b\r\nHost: a\r\n\r\n", 400),
];

/// Fields behind `POST /p HTTP/1.1` and `Host: a`, a body where it matters, and what they get.
const FIELDS: &[(&str, u16)] = &[
    ("X: b\r\n c\r\n\r\n", 400),
    ("foo\r\n\r\n", 400),
    (": x\r\n\r\n", 400),
    ("X Y: 1\r\n\r\n", 400),
    ("X(: 1\r\n\r\n", 400),
    ("X: a\0b\r\n\r\n", 400),
    ("X: a\x01b\r\n\r\n", 400),
    ("X: a\x7fb\r\n\r\n", 400),
    ("Content-Type: a/b\r\nContent-Type: a/b\r\n\r\n", 400),
    ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n", 400),
    ("Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    ("Content-Length: 5, 5\r\n\r\nhello", 400),
    ("Content-Length: +5\r\n\r\nhello", 400),
    ("Content-Length: -5\r\n\r\nhello", 400),
    ("Content-Length: 0x5\r\n\r\nhello", 400),
    ("Content-Length: \r\n\r\nhello", 400),
    ("Content-Length: 1234567890123456789\r\n\r\n", 400),
    ("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    ("Transfer-Encoding: gzip\r\n\r\n", 501),
    ("Transfer-Encoding: identity\r\n\r\n", 501),
    ("Transfer-Encoding: xchunked\r\n\r\n", 501),
    ("Transfer-Encoding: chunked, gzip\r\n\r\n", 400),
    ("Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding: chunked\r\n\r\n5;\r\nhello\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding: chunked\r\n\r\n5;a\nb\r\nhello\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n", 400),
    ("Transfer-Encoding: chunked\r\n\r\n11111111111111111\r\n", 400),
    ("Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n", 413),
    ("Expect: 200-ok\r\nContent-Length: 5\r\n\r\nhello", 417),
    ("Expect: 100-continue, x\r\nContent-Length: 5\r\n\r\nhello", 417),
];

fn refused(server: &Server, request: &[u8], status: u16) {
    for warm in [false, true] {
        let mut client = server.connect();
        if warm {
            assert_eq!(client.ask("/first").status(), 200);
        }
        // The server may close while these bytes are on their way.
        let bytes = [request, NEXT.as_bytes()].concat();
        _ = client.try_send(&bytes);
        let answer = client.answer();
        let shown = request[..request.len().min(80)].escape_ascii().to_string();
        assert_eq!(answer.status(), status, "{shown} (warm: {warm})");
        assert_eq!(answer.field("Connection"), Some("close"), "{shown}");
        assert!(answer.field("Date").is_some(), "{shown}");
        client.expect_end();
    }
}

both_doors! {
    /// Request lines.
    fn lines_that_are_refused(door) {
        let server = Server::start(door, "report.psgi", &[]);
        for (request, status) in LINES {
            refused(&server, request.as_bytes(), *status);
        }
        assert_eq!(server.log.matching(|line| line.contains("report GET /next")).len(), 0);
        server.stop();
    }

    /// Fields, lengths, chunks.
    fn fields_that_are_refused(door) {
        let server = Server::start(door, "report.psgi", &[]);
        for (fields, status) in FIELDS {
            let request = format!("POST /p HTTP/1.1\r\nHost: a\r\n{fields}");
            refused(&server, request.as_bytes(), *status);
        }
        for host in ["", "a b", "a/b", "u@a", "a,b", "a:99999", "[::1"] {
            refused(&server, format!("GET /p HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes(), 400);
        }
        assert_eq!(server.log.matching(|line| line.contains("report POST /p")).len(), 0);
        server.stop();
    }

    /// What is too large is refused as soon as that is certain.
    fn heads_that_are_too_large(door) {
        let server = Server::start(door, "report.psgi", &[]);
        refused(&server, format!("GET /{}", "p".repeat(17 * 1024)).as_bytes(), 414);
        let field = |count: usize| "X-A: b\r\n".repeat(count);
        refused(&server, format!("GET /p HTTP/1.1\r\nHost: a\r\n{}\r\n", field(128)).as_bytes(), 431);
        let long = "v".repeat(70 * 1024);
        refused(&server, format!("GET /p HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n").as_bytes(), 431);

        let mut client = server.connect();
        client.send(format!("GET /p HTTP/1.1\r\nHost: a\r\n{}\r\n", field(127)));
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
            refused(&server, b"\x16\x03\x01", 400);
            refused(&server, long.as_bytes(), 507);
        }
        server.expect_log_since(mark, "spoke TLS");
        server.expect_log_since(mark, "cannot store a body");
        let lines = server.log.matching(|line| line.contains("spoke TLS") || line.contains("cannot store"));
        assert!(lines.len() < 10, "{lines:?}");
        server.stop();
    }

    /// What looks odd and is allowed.
    fn odd_requests_that_are_served(door) {
        let server = Server::start(door, "report.psgi", &[]);
        let mut client = server.connect();
        for (request, name, value) in [
            ("\r\n\r\nGET /p HTTP/1.1\r\nHost: a\r\n\r\n", "PATH_INFO", "/p"),
            ("get /p HTTP/1.1\r\nHost: a\r\n\r\n", "REQUEST_METHOD", "get"),
            ("GET //foo///bar HTTP/1.1\r\nHost: a\r\n\r\n", "PATH_INFO", "//foo///bar"),
            ("GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n", "PATH_INFO", "/a/../b"),
            ("GET http://h.example/p?q=1 HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP_HOST", "h.example"),
            ("GET http://h.example/p?q=1 HTTP/1.1\r\nHost: a\r\n\r\n", "REQUEST_URI", "/p?q=1"),
            ("GET http://h HTTP/1.1\r\nHost: a\r\n\r\n", "PATH_INFO", "/"),
            ("GET / HTTP/1.1\r\nHost: [::1]:5000\r\n\r\n", "HTTP_HOST", "[::1]:5000"),
            ("GET / HTTP/1.1\r\nHost: a_b.example\r\n\r\n", "HTTP_HOST", "a_b.example"),
        ] {
            client.send(request);
            assert_eq!(client.answer().value(name).as_deref(), Some(value), "{request:?}");
        }
        client.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = client.answer();
        assert_eq!((answer.status(), answer.field("Content-Length")), (200, Some("0")));
        assert_eq!(client.ask("/next").status(), 200);
        server.stop();
    }
}

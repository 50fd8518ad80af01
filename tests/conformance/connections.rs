//! Rows 68 to 81, 85 to 88 and 107: Expect, Upgrade, pipelining, ends of connections.

use std::fmt::Write;
use std::time::Duration;

use super::row::{C, G, NEXT, P, WAYS, has_no, next, refusal, rows, says, send};
use crate::support::{Client, End, Server, Setup};

/// Row 76: four requests in one packet, one with a body of either kind.
const FOUR: &str = "GET /one HTTP/1.1\r\nHost: a\r\n\r\n\
    POST /two HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\
    DELETE /three HTTP/1.1\r\nHost: a\r\n\r\n\
    POST /four HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n\
    GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

/// Looks at the answers to some bytes.
type Check = fn(&mut Client);

fn four(client: &mut Client) {
    for (path, size) in [("/one", "0"), ("/two", "5"), ("/three", "0"), ("/four", "5")] {
        let answer = client.answer();
        assert_eq!((answer.status(), answer.field("Connection")), (200, None));
        says(&answer, "PATH_INFO", path);
        says(&answer, "size", size);
    }
    next(client);
}

/// A request with a body, and the next one.
fn hello(client: &mut Client) {
    let answer = client.answer();
    assert_eq!(answer.status(), 200);
    says(&answer, "body", "hello");
    next(client);
}

/// The only worker is held; behind it a kept connection and a new one ask for `path`. In this order.
fn behind_a_holder(server: &Server, path: &str) -> (Client, Client, Client) {
    let mut kept = server.connect();
    kept.ask("/first");
    let mut holder = server.connect();
    holder.get("/hold");
    server.expect_log("holding /hold");
    let mut fresh = server.connect();
    for client in [&mut kept, &mut fresh] {
        client.get(path);
    }
    // The manager has seen both by the time it says that a head is malformed.
    let mut other = server.connect();
    other.send("G@T / HTTP/1.1\r\n\r\n");
    refusal(&mut other, 400);
    (holder, kept, fresh)
}

/// The whole of a request that waits for 100 Continue, sent along.
fn expects(more: &str) -> String {
    format!("{P}Expect: 100-continue\r\n{more}")
}

rows! {
    /// The interim answer comes before the body, then the answer.
    68 Plain fn row_068_continue(row) {
        for value in ["100-continue", "100-Continue"] {
            for length in ["Content-Length: 5\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"] {
                row.each(format!("{P}Expect: {value}\r\n{length}"), |client| {
                    client.expect_bytes(b"HTTP/1.1 100 Continue\r\n\r\n");
                    client.send(if length.contains("chunked") { "5\r\nhello\r\n0\r\n\r\n" } else { "hello" });
                    let answer = client.answer();
                    assert_eq!((answer.status(), answer.field("Connection")), (200, None));
                    says(&answer, "body", "hello");
                    client.send(NEXT);
                    next(client);
                });
            }
        }
    }

    /// Nobody waits: the body is here, there is none, the version knows no such thing.
    69 Plain fn row_069_nothing_to_continue(row) {
        for way in WAYS.into_iter().filter(|way| !way.pieces) {
            let mut client = row.connect(way);
            send(&mut client, format!("{}{NEXT}", expects("Content-Length: 5\r\n\r\nhello")).as_bytes(), way);
            hello(&mut client);
        }
        row.kept(format!("{G}Expect: 100-continue\r\n\r\n"), |answer| says(answer, "size", "0"));
        row.each("POST /p HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", |client| {
            client.send("hello");
            let answer = client.answer();
            assert_eq!(answer.status(), 200);
            says(&answer, "body", "hello");
        });
    }

    /// Expectations that nobody can meet.
    70 Plain fn row_070_other_expectations(row) {
        row.refused(417, ["200-ok", "100-continue, x", "100", "100-continue\r\nExpect: 100-continue"].map(|value| {
            format!("{P}Expect: {value}\r\nContent-Length: 5\r\n\r\n")
        }));
        row.not_called();
    }

    /// A refusal to come is not preceded by an encouragement.
    71 Plain fn row_071_expect_and_a_refusal(row) {
        row.refused_at_once(413, [expects("Content-Length: 67108865\r\n\r\n")]);
        row.refused_at_once(501, [expects("Transfer-Encoding: gzip\r\n\r\n")]);
        row.refused_at_once(400, [expects("Content-Length: x\r\n\r\n")]);
        row.not_called();
    }

    /// Other protocols are offered, and nobody takes them.
    72 Plain fn row_072_upgrade(row) {
        row.kept(format!("{G}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n\r\n"), |answer| {
            says(answer, "HTTP_UPGRADE", "h2c");
            assert_eq!(answer.field("Upgrade"), None);
        });
        row.each("GET /p HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", |client| {
            let answer = client.answer();
            assert_eq!(answer.status(), 200);
            has_no(&answer, "HTTP_UPGRADE");
        });
        row.kept(format!("{G}Upgrade: h2c\r\n\r\n"), |answer| has_no(answer, "HTTP_UPGRADE"));
    }

    /// Bytes behind the head are the other protocol's, and who takes the socket reads them.
    73 Plain fn row_073_upgrade_with_bytes_behind(row) {
        let head = "GET /a/socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        row.each([head.as_bytes(), b"\x81\x05frame"].concat(), |client| {
            assert_eq!(client.any_answer(true).status(), 101);
            client.expect_bytes(b"\x81\x05frame");
            client.send("more");
            client.expect_bytes(b"more");
            client.half_close();
            client.expect_end();
        });
    }

    /// Who says close gets one answer.
    74 Plain fn row_074_close(row) {
        for field in ["Connection: close", "Connection: Keep-Alive, Close", "Connection: x\r\nConnection: CLOSE"] {
            row.each(format!("{G}{field}\r\n\r\n{NEXT}"), |client| {
                let answer = client.answer();
                assert_eq!((answer.status(), answer.field("Connection")), (200, Some("close")));
                client.expect_end();
            });
        }
    }

    /// 1.0 is kept if it asks for it and the answer has a length.
    75 Plain fn row_075_keep_alive_on_1_0(row) {
        let get = |path| format!("GET {path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        row.each(get("/a/body/array") + NEXT, |client| {
            let answer = client.answer();
            assert_eq!((answer.field("Connection"), answer.field("Content-Length")), (Some("keep-alive"), Some("5")));
            next(client);
        });
        row.each(get("/a/body/stream") + NEXT, |client| {
            let answer = client.answer();
            assert_eq!((answer.field("Connection"), answer.field("Transfer-Encoding")), (Some("close"), None));
            assert_eq!(answer.text(), "hello");
            client.expect_end();
        });
    }

    /// Answers in the order of the requests.
    76 Plain fn row_076_four_in_one_packet(row) {
        row.each(FOUR, four);
    }

    /// One that dies takes none along; one that is malformed takes those behind it.
    77 Plain fn row_077_a_fault_among_others(row) {
        row.each(format!("GET /a/die HTTP/1.1\r\nHost: a\r\n\r\n{NEXT}"), |client| {
            let answer = client.answer();
            assert_eq!((answer.status(), answer.field("Connection")), (500, None));
            next(client);
        });
        row.each(format!("{NEXT}G@T /p HTTP/1.1\r\nHost: a\r\n\r\n{G}\r\n"), |client| {
            next(client);
            refusal(client, 400);
        });
        row.not_called();
    }

    /// A thousand in a row do not keep the only worker from somebody else.
    78 Plain fn row_078_a_thousand_in_a_row(row) {
        let server = Server::start(row.door, "path_info.psgi", &["--max-workers=1", "--max-readahead-reqs=10"]);
        let mut all = String::new();
        for number in 0..1000 {
            write!(all, "GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        }
        let mut greedy = server.connect();
        greedy.send(&all);
        let mut other = server.connect();
        assert_eq!(other.ask("/other").text(), "/other");
        for number in 0..1000 {
            assert_eq!(greedy.answer().text(), format!("/{number}"));
        }
        server.stop();
    }

    /// Who sends no more still gets what was asked for.
    79 Plain fn row_079_half_closed(row) {
        row.each(format!("{P}Content-Length: 5\r\n\r\nhello"), |client| {
            client.half_close();
            says(&client.answer(), "body", "hello");
            client.expect_end();
        });
    }

    /// Wherever a request is split, it is the same request. (Byte by byte: the rows themselves.)
    80 Plain fn row_080_every_split(row) {
        let body = format!("{P}Content-Length: 5\r\n\r\nhello{NEXT}");
        let coded = format!("{C}5\r\nhello\r\n0\r\n\r\n{NEXT}");
        let trailed = format!("{C}5;x=\"y\"\r\nhello\r\n0\r\nX-T: 1\r\n\r\n{NEXT}");
        let cases: [(&str, Check); 4] = [(&body, hello), (&coded, hello), (&trailed, hello), (FOUR, four)];
        let mut fence = row.server.connect();
        for (request, check) in cases {
            // One connection for all splits: a byte too many or too few would show in the next one.
            let mut client = row.server.connect();
            for at in 1..request.len() {
                client.send(&request[..at]);
                // Somebody else's answer: by then the server has read the first piece.
                if at % 3 == 0 {
                    assert_eq!(fence.ask("/fence").status(), 200);
                }
                client.send(&request[at..]);
                check(&mut client);
            }
        }
        let head = row.named(expects("Content-Length: 5\r\n\r\n").as_bytes());
        let mut client = row.server.connect();
        for at in 1..head.len() {
            client.send(&head[..at]);
            assert_eq!(fence.ask("/fence").status(), 200);
            client.send(&head[at..]);
            client.expect_bytes(b"HTTP/1.1 100 Continue\r\n\r\n");
            client.send("hello");
            says(&client.answer(), "body", "hello");
        }
    }

    /// A worker that leaves takes no connection along.
    81 Plain fn row_081_recycled_between_two(row) {
        row.each(format!("GET /a/leave HTTP/1.1\r\nHost: a\r\n\r\n{NEXT}"), |client| {
            let left = client.answer();
            assert_eq!((left.status(), left.field("Connection")), (200, None));
            let answer = client.answer();
            assert_eq!((answer.status(), answer.field("Connection")), (200, None));
            assert_ne!(answer.value("pid"), Some(left.text()));
            let answer = client.ask("/next");
            assert_eq!((answer.status(), answer.field("Connection")), (200, None));
        });
    }

    /// Who is gone before a worker is free is not served.
    85 Plain fn row_085_reset_while_waiting(row) {
        let server = Server::start(row.door, "conformance.psgi", &["--max-workers=1"]);
        let (mut holder, kept, fresh) = behind_a_holder(&server, "/gone");
        // Whoever has waited for a moment only is not looked after.
        server.outlives(Duration::from_millis(100));
        kept.reset();
        fresh.reset();
        let mut last = server.connect();
        last.get("/last");
        server.open_gate(1);
        assert_eq!(holder.answer().text(), "held");
        assert_eq!(last.answer().status(), 200);
        server.expect_log("report GET /last");
        assert!(server.log.matching(|line| line.contains("report GET /gone")).is_empty());
        server.stop();
    }

    /// What has waited too long is told to come again, and the connection stays.
    86 Plain fn row_086_older_than_the_queue_timeout(row) {
        let server = Server::start(row.door, "conformance.psgi", &["--max-workers=1", "--queue-timeout=2"]);
        let (mut holder, mut kept, mut fresh) = behind_a_holder(&server, "/old");
        server.outlives(Duration::from_millis(2200));
        server.open_gate(1);
        assert_eq!(holder.answer().text(), "held");
        for client in [&mut kept, &mut fresh] {
            let answer = client.answer();
            assert_eq!((answer.status(), answer.field("Retry-After")), (503, Some("1")));
            assert_eq!(answer.field("Connection"), None);
            client.send(NEXT);
            next(client);
        }
        assert!(server.log.matching(|line| line.contains("report GET /old")).is_empty());
        server.stop();
    }

    /// A refusal is read by a client that is still sending.
    87 Plain fn row_087_a_refusal_amid_a_body(row) {
        for way in WAYS.into_iter().filter(|way| !way.pieces) {
            let mut client = row.connect(way);
            client.send(format!("{P}Content-Length: 67108865\r\n\r\n"));
            _ = client.try_send(&vec![b'x'; 1 << 20]);
            refusal(&mut client, 413);
        }
        row.not_called();
    }

    /// More clients than there may be connections: who is idle makes room, and who asks is answered.
    88 Plain fn row_088_more_than_may_be(row) {
        let server = Setup::new(row.door, "path_info.psgi").options(&["--max-connections=30"]).start();
        let mut idle: Vec<_> = (0..20).map(|_| server.connect()).collect();
        idle.iter_mut().for_each(|client| assert_eq!(client.ask("/idle").status(), 200));
        let mut asking: Vec<_> = (0..30).map(|_| server.connect()).collect();
        asking.iter_mut().for_each(|client| client.get("/asked"));
        for client in &mut asking {
            client.expect("HTTP/1.1 200 OK", "/asked");
        }
        assert_eq!(idle[0].expect_gone(), End::Closed);
        server.stop();
    }

    /// Rows 1, 38, 51, 76 and 81 over a UNIX socket.
    107 Plain fn row_107_over_a_unix_socket(row) {
        let path = row.server.addresses().iter().find(|address| address.contains('/'));
        let path = path.expect("a path").trim_start_matches("unix:");
        let cases: [(String, Check); 5] = [
            (format!("{G}\r\n{NEXT}"), |client| {
                assert_eq!(client.answer().field("Connection"), None);
                next(client);
            }),
            (format!("{P}Content-Length: 5\r\n\r\nhello{NEXT}"), hello),
            (format!("{C}5\r\nhello\r\n0\r\n\r\n{NEXT}"), hello),
            (FOUR.to_owned(), four),
            (format!("GET /a/leave HTTP/1.1\r\nHost: a\r\n\r\n{NEXT}"), |client| {
                assert_eq!(client.answer().field("Connection"), None);
                next(client);
            }),
        ];
        for (request, check) in cases {
            for way in WAYS {
                let mut client = Client::connect(path);
                if way.warm {
                    assert_eq!(client.ask("/first").status(), 200);
                }
                send(&mut client, request.as_bytes(), way);
                check(&mut client);
            }
        }
        // Two clients of a path are two clients.
        let (mut one, mut other) = (Client::connect(path), Client::connect(path));
        one.get("/one");
        other.get("/other");
        says(&other.answer(), "PATH_INFO", "/other");
        says(&one.answer(), "PATH_INFO", "/one");
    }
}

//! Content-Length, chunked, Expect: bodies on the way in.

use crate::support::{Answer, Client, End, Server, both_doors};

fn post(client: &mut Client, fields: &str, body: impl AsRef<[u8]>) -> Answer {
    client.send(format!("POST /p HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    client.send(body);
    client.answer()
}

both_doors! {
    /// A body is what its length says, no byte more, for any method.
    fn a_body_of_known_length(door) {
        let server = Server::start(door, "report.psgi", &[]);
        let mut client = server.connect();
        let answer = post(&mut client, "Content-Length: 5\r\n", "hello");
        assert_eq!(answer.value("body").unwrap(), "hello");
        assert_eq!(answer.value("CONTENT_LENGTH").unwrap(), "5");
        assert_eq!(answer.value("again").unwrap(), "hello");
        assert_eq!(post(&mut client, "Content-Length: 0005\r\n", "12345").value("CONTENT_LENGTH").unwrap(), "5");
        assert_eq!(post(&mut client, "Content-Length: 1\r\n", "0").value("body").unwrap(), "0");
        assert_eq!(post(&mut client, "Content-Length: 0\r\n", "").value("CONTENT_LENGTH").unwrap(), "0");
        assert_eq!(post(&mut client, "", "").value("CONTENT_LENGTH"), None);
        for method in ["GET", "DELETE"] {
            client.send(format!("{method} /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"));
            assert_eq!(client.answer().value("body").unwrap(), "hello", "{method}");
        }
        server.stop();
    }

    /// The application sees a chunked body decoded, and its length.
    fn a_chunked_body(door) {
        let server = Server::start(door, "report.psgi", &[]);
        let mut client = server.connect();
        for (coding, body, decoded) in [
            ("chunked", "5\r\nhello\r\n0\r\n\r\n", "hello"),
            ("Chunked", "00005\r\nhello\r\n000\r\n\r\n", "hello"),
            ("chunked", "5;n=\"v\"\r\nhello\r\n0;x\r\n\r\n", "hello"),
            ("chunked", "2\r\nhe\r\n3\r\nllo\r\n0\r\nX-T: 1\r\nContent-Length: 3\r\n\r\n", "hello"),
            ("chunked", "0\r\n\r\n", ""),
        ] {
            let answer = post(&mut client, &format!("Transfer-Encoding: {coding}\r\n"), body);
            assert_eq!(answer.value("body").unwrap(), decoded, "{body:?}");
            assert_eq!(answer.value("CONTENT_LENGTH").unwrap(), decoded.len().to_string());
            assert_eq!(answer.value("HTTP_TRANSFER_ENCODING"), None);
            assert_eq!(answer.value("HTTP_X_T"), None, "a trailer is dropped");
        }
        server.stop();
    }

    /// Beyond the buffer a body is spooled; it is the same body, and can be read again.
    fn a_large_body(door) {
        let server = Server::start(door, "report.psgi", &[]);
        let mut client = server.connect();
        for size in [65_535, 65_536, 65_537, 1_000_000] {
            let body: Vec<u8> = (0..size).map(|at: u32| b'a' + u8::try_from(at % 26).unwrap()).collect();
            let sum: u64 = body.iter().map(|&byte| u64::from(byte)).sum();
            let answer = post(&mut client, &format!("Content-Length: {size}\r\n"), &body);
            assert_eq!(answer.value("size").unwrap(), size.to_string());
            assert_eq!(answer.value("sum").unwrap(), sum.to_string());
            assert_eq!(answer.value("again").unwrap(), "abcde");

            let mut chunked = Vec::new();
            for piece in body.chunks(10_000) {
                chunked.extend(format!("{:x}\r\n", piece.len()).into_bytes());
                chunked.extend(piece);
                chunked.extend(b"\r\n");
            }
            chunked.extend(b"0\r\n\r\n");
            let answer = post(&mut client, "Transfer-Encoding: chunked\r\n", &chunked);
            assert_eq!(answer.value("size").unwrap(), size.to_string());
            assert_eq!(answer.value("sum").unwrap(), sum.to_string());
        }
        server.stop();
    }

    /// The interim answer comes when the body is wanted, and only then.
    fn expect_100_continue(door) {
        let server = Server::start(door, "report.psgi", &[]);
        let mut client = server.connect();
        for expect in ["100-continue", "100-Continue"] {
            client.send(format!("POST /p HTTP/1.1\r\nHost: a\r\nExpect: {expect}\r\nContent-Length: 5\r\n\r\n"));
            assert_eq!(client.answer().line, "HTTP/1.1 100 Continue");
            client.send("hello");
            assert_eq!(client.answer().value("body").unwrap(), "hello");
        }
        // The body is here already; there is none; the version knows no interim answers.
        let head = "POST /p HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello";
        client.send(head);
        assert_eq!(client.answer().value("body").unwrap(), "hello");
        client.send("GET /p HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n");
        assert_eq!(client.answer().status(), 200);
        client.send("POST /p HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
        client.send("hello");
        assert_eq!(client.answer().value("body").unwrap(), "hello");
        server.stop();
    }

    /// Too large by announcement: refused before a byte of it, and before 100 Continue.
    fn a_body_over_the_limit(door) {
        let server = Server::start(door, "report.psgi", &["--max-body-size=1k"]);
        for fields in [
            "Content-Length: 1025\r\n",
            "Content-Length: 1025\r\nExpect: 100-continue\r\n",
            "Content-Length: 999999999999999999\r\n",
        ] {
            let mut client = server.connect();
            assert_eq!(post(&mut client, fields, "").status(), 413, "{fields}");
            client.expect_end();
        }
        let mut client = server.connect();
        let chunks = format!("3f0\r\n{}\r\n11\r\n", "x".repeat(1008));
        assert_eq!(post(&mut client, "Transfer-Encoding: chunked\r\n", chunks).status(), 413);
        let mut client = server.connect();
        assert_eq!(post(&mut client, "Content-Length: 1024\r\n", "x".repeat(1024)).status(), 200);
        server.stop();
    }

    /// A refusal reaches a client that is still sending.
    fn a_refusal_is_not_eaten_by_a_reset(door) {
        let server = Server::start(door, "report.psgi", &["--max-body-size=1k"]);
        let mut client = server.connect();
        client.send("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n");
        _ = client.try_send(&vec![b'x'; 500_000]);
        assert_eq!(client.answer().status(), 413);
        server.stop();
    }

    /// An upload that takes its time holds no worker.
    fn a_slow_upload_holds_no_worker(door) {
        let server = Server::start(door, "report.psgi", &["--max-workers=1"]);
        let mut slow = server.connect();
        let mut other = server.connect();
        for warm in [false, true] {
            if warm {
                slow.ask("/first");
            }
            slow.send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
            for piece in ["he", "ll", "o ", "yo"] {
                slow.send(piece);
                assert_eq!(other.ask("/other").value("PATH_INFO").unwrap(), "/other");
            }
            slow.send("u!");
            assert_eq!(slow.answer().value("body").unwrap(), "hello you!");
        }
        server.stop();
    }

    /// A body that ends early is refused, and the application never sees it.
    fn a_body_cut_short_is_not_run(door) {
        let server = Server::start(door, "report.psgi", &[]);
        for start in [
            "POST /cut HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello",
            "POST /cut HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
            "POST /cut HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        ] {
            let mut client = server.connect();
            client.send(start);
            client.half_close();
            assert_eq!(client.answer().status(), 400);
            assert_eq!(client.expect_gone(), End::Closed);
        }
        let mut client = server.connect();
        client.send("POST /cut HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
        client.reset();
        assert_eq!(server.connect().ask("/after").status(), 200);
        assert_eq!(server.log.matching(|line| line.contains("report POST /cut")).len(), 0);
        server.stop();
    }
}

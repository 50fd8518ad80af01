//! Several requests in one packet, halves that are closed, pieces.

use std::fmt::Write;

use crate::support::{Server, both_doors};

/// Four requests of different shapes.
const FOUR: &str = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n\
    POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\
    DELETE /3 HTTP/1.1\r\nHost: a\r\n\r\n\
    POST /4 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";

both_doors! {
    /// Answers come in the order of the requests, whatever their methods.
    fn four_in_one_packet_are_answered_in_order(door) {
        let server = Server::start(door, "report.psgi", &[]);
        let mut client = server.connect();
        // The first time it is the manager's to read, the second time a worker's.
        for _ in 0..2 {
            client.send(FOUR);
            for (method, path, body) in
                [("GET", "/1", ""), ("POST", "/2", "hello"), ("DELETE", "/3", ""), ("POST", "/4", "abcde")]
            {
                let answer = client.answer();
                assert_eq!(answer.value("REQUEST_METHOD").unwrap(), method);
                assert_eq!(answer.value("PATH_INFO").unwrap(), path);
                assert_eq!(answer.value("body").unwrap(), body);
            }
        }
        server.stop();
    }

    /// The same, byte by byte, and at every split.
    fn pieces_make_no_difference(door) {
        let server = Server::start(door, "report.psgi", &[]);
        let mut client = server.connect();
        let expect = |client: &mut crate::support::Client| {
            for path in ["/1", "/2", "/3", "/4"] {
                let answer = client.answer();
                assert_eq!(answer.value("PATH_INFO").unwrap(), path);
                let body = match path { "/2" => "hello", "/4" => "abcde", _ => "" };
                assert_eq!(answer.value("body").unwrap(), body);
            }
        };
        for byte in FOUR.as_bytes() {
            client.send([*byte]);
        }
        expect(&mut client);
        for split in 1..FOUR.len() {
            client.send(&FOUR[..split]);
            client.send(&FOUR[split..]);
            expect(&mut client);
        }
        server.stop();
    }

    /// A request that dies takes none of those behind it along; one that is malformed does.
    fn a_fault_stays_where_it_is(door) {
        let server = Server::start(door, "answers.psgi", &[]);
        let mut client = server.connect();
        client.send("GET /die HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.answer().status(), 500);
        client.expect("HTTP/1.1 200 OK", "/next");

        client.send("GET /good HTTP/1.1\r\nHost: a\r\n\r\nG@T /bad HTTP/1.1\r\nHost: a\r\n\r\n");
        client.expect("HTTP/1.1 200 OK", "/good");
        assert_eq!(client.answer().status(), 400);
        client.expect_end();
        server.stop();
    }

    /// A thousand in a row do not keep the only worker from somebody else.
    fn a_long_row_takes_its_turn(door) {
        let server = Server::start(door, "path_info.psgi", &["--max-workers=1", "--max-readahead-reqs=10"]);
        let mut row = String::new();
        for number in 0..1000 {
            write!(row, "GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        }
        let mut greedy = server.connect();
        greedy.send(&row);
        let mut other = server.connect();
        assert_eq!(other.ask("/other").text(), "/other");
        for number in 0..1000 {
            assert_eq!(greedy.answer().text(), format!("/{number}"));
        }
        server.stop();
    }

    /// Who says that there will be no more still gets the answer.
    fn a_half_closed_connection_is_answered(door) {
        let server = Server::start(door, "path_info.psgi", &[]);
        for warm in [false, true] {
            let mut client = server.connect();
            if warm {
                client.ask("/first");
            }
            client.get("/last");
            client.half_close();
            client.expect("HTTP/1.1 200 OK", "/last");
            client.expect_end();
        }
        server.stop();
    }

    /// What follows an answer that closes is not answered.
    fn nothing_follows_a_close(door) {
        let server = Server::start(door, "answers.psgi", &[]);
        let mut client = server.connect();
        client.send("GET /close HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n");
        client.expect("HTTP/1.1 200 OK", "bye");
        client.expect_end();
        server.stop();
    }
}

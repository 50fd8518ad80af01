//! Delayed answers, writers, slow readers.

use crate::support::{End, Server, both_doors};

both_doors! {
    /// Each write is a chunk, an empty one is none.
    fn a_writer_makes_chunks(door) {
        let server = Server::start(door, "streams.psgi", &[]);
        let mut client = server.connect();
        for _ in 0..2 {
            let answer = client.ask("/writer");
            assert_eq!((answer.text().as_str(), answer.chunks.as_slice()), ("abc", [1, 2].as_slice()));
        }
        client.send("GET /writer HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let answer = client.answer();
        assert_eq!((answer.text().as_str(), answer.end), ("abc", End::Closed));
        server.stop();
    }

    /// A delayed answer of three is an ordinary one.
    fn a_delayed_answer(door) {
        let server = Server::start(door, "streams.psgi", &[]);
        let mut client = server.connect();
        let answer = client.ask("/delayed");
        assert_eq!((answer.text().as_str(), answer.field("Content-Length")), ("later", Some("5")));
        server.stop();
    }

    /// The head goes out as soon as the writer exists: a client of events waits for it.
    fn the_head_does_not_wait_for_the_body(door) {
        let server = Server::start(door, "streams.psgi", &[]);
        let mut client = server.connect();
        client.get("/events");
        server.expect_log("waiting");
        // The gate is still closed: what comes now is the head.
        assert!(client.read_at_least(1) > 0);
        server.open_gate(1);
        assert_eq!(client.answer().text(), "now");
        server.stop();
    }

    /// A stream that dies has no last chunk.
    fn a_broken_stream_is_a_reset(door) {
        let server = Server::start(door, "streams.psgi", &["--max-workers=1"]);
        let mut client = server.connect();
        client.get("/broken");
        let answer = client.any_answer(false);
        assert_eq!((answer.text().as_str(), answer.whole, answer.end), ("a", false, End::Reset));
        server.expect_log("in mid-stream");
        assert_eq!(server.connect().ask("/next").text(), "/next");
        server.stop();
    }

    /// Before the head nothing is lost: a 500, and the connection stays.
    fn what_never_answers_is_a_500(door) {
        let server = Server::start(door, "streams.psgi", &["--max-workers=1"]);
        let mut client = server.connect();
        for path in ["/dies", "/never"] {
            assert_eq!(client.ask(path).status(), 500, "{path}");
            assert_eq!(client.ask("/next").text(), "/next", "{path}");
        }
        server.stop();
    }

    /// Answering twice croaks in the application, and the client never knows.
    fn the_second_answer_croaks(door) {
        let server = Server::start(door, "streams.psgi", &[]);
        let mut client = server.connect();
        assert_eq!(client.ask("/twice").text(), "once");
        server.expect_log("croaked: ");
        assert_eq!(client.ask("/next").text(), "/next");
        server.stop();
    }

    /// A writer that nobody closed is closed.
    fn an_open_writer_is_closed(door) {
        let server = Server::start(door, "streams.psgi", &[]);
        let mut client = server.connect();
        assert_eq!(client.ask("/open").text(), "not closed");
        assert_eq!(client.ask("/next").text(), "/next");
        server.stop();
    }

    /// Who stops reading is waited for as long as `--timeout` says, and no longer.
    fn a_client_that_stops_reading_ends_a_stream(door) {
        let server = Server::start(door, "streams.psgi", &["--max-workers=1", "--timeout=0.5"]);
        for (path, said) in [("/gone", "write said false"), ("/late", "write gave up")] {
            let mut client = server.connect();
            client.get(path);
            client.read_at_least(1000);
            server.expect_log(said);
            // What was not written makes a gap: the answer must not look whole.
            let answer = client.any_answer(false);
            assert_eq!((answer.whole, answer.end), (false, End::Reset), "{path}");
            assert_eq!(server.connect().ask("/next").text(), "/next");
        }
        server.stop();
    }

    /// Who is gone is written to no more, and the worker is free.
    fn a_client_that_has_gone_ends_a_stream(door) {
        let server = Server::start(door, "streams.psgi", &["--max-workers=1"]);
        let mut client = server.connect();
        client.get("/gone");
        client.read_at_least(1000);
        client.reset();
        server.expect_log("write said false");
        assert_eq!(server.connect().ask("/next").text(), "/next");
        server.stop();
    }
}

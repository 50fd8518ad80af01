//! HEAD, lengths, framing, faults: answers on the way out.

use crate::support::{End, Server, both_doors};

both_doors! {
    /// A known length is said; an unknown one is chunked.
    fn lengths_are_computed_or_chunked(door) {
        let server = Server::start(door, "answers.psgi", &[]);
        let mut client = server.connect();
        let answer = client.ask("/array");
        assert_eq!((answer.field("Content-Length"), answer.text().as_str()), (Some("3"), "a0b"));
        assert_eq!(answer.field("Server").map(|name| name.starts_with("Monoceros")), Some(true));
        let date = answer.field("Date").expect("a date");
        assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");

        let answer = client.ask("/length");
        assert_eq!((answer.field("Content-Length"), answer.text().as_str()), (Some("12"), "twelve bytes"));

        let passwd = std::fs::read("/etc/passwd").unwrap();
        let answer = client.ask("/file");
        assert_eq!(answer.field("Content-Length"), Some(passwd.len().to_string().as_str()));
        assert_eq!(answer.body, passwd);

        let answer = client.ask("/object");
        assert_eq!((answer.field("Transfer-Encoding"), answer.text().as_str()), (Some("chunked"), "abc"));
        server.expect_log("pieces closed");
        server.stop();
    }

    /// A HEAD has the head of a GET and nothing else.
    fn a_head_has_no_body(door) {
        let server = Server::start(door, "answers.psgi", &[]);
        let mut client = server.connect();
        for (path, length) in [("/length", Some("12")), ("/array", None), ("/object", None)] {
            client.send(format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
            let answer = client.answer_to_head();
            assert_eq!((answer.status(), answer.field("Content-Length")), (200, length), "{path}");
            assert_eq!(answer.field("Transfer-Encoding"), None, "{path}");
            // Whatever followed the head would be taken for this answer.
            assert_eq!(client.ask("/next").text(), "/next", "{path}");
        }
        server.stop();
    }

    /// These have no body, whatever the application gave.
    fn some_statuses_have_no_body(door) {
        let server = Server::start(door, "answers.psgi", &[]);
        let mut client = server.connect();
        for status in [204, 304] {
            let answer = client.ask(&format!("/status/{status}"));
            assert_eq!((answer.status(), answer.body.len()), (status, 0));
            assert_eq!(client.ask("/next").text(), "/next");
        }
        let answer = client.ask("/status/205");
        assert_eq!((answer.field("Content-Length"), answer.body.len()), (Some("0"), 0));
        assert_eq!(client.ask("/next").text(), "/next");
        assert_eq!(client.ask("/status/599").line, "HTTP/1.1 599 ");
        server.stop();
    }

    /// A fault of the application is a 500, told in the log; the connection and the worker stay.
    fn faults_are_a_500(door) {
        let server = Server::start(door, "answers.psgi", &["--max-workers=1"]);
        let mut client = server.connect();
        for (path, logged) in [
            ("/die", "as asked"),
            ("/undef", ""),
            ("/hash", ""),
            ("/wide", ""),
            ("/newline", "X-Evil"),
            ("/no-number", "Content-Length"),
            ("/status/103", "103"),
            ("/status/99", "99"),
            ("/status/1000", "1000"),
        ] {
            let mark = server.log.mark();
            let answer = client.ask(path);
            assert_eq!(answer.status(), 500, "{path}");
            assert_eq!((answer.field("X-Evil"), answer.field("X-Injected")), (None, None));
            server.expect_log_since(mark, logged);
            assert_eq!(client.ask("/next").text(), "/next", "{path}");
        }
        server.stop();
    }

    /// An answer shorter than it promised ends in a reset: it never looks whole.
    fn a_short_body_is_a_reset(door) {
        let server = Server::start(door, "answers.psgi", &[]);
        let mut client = server.connect();
        client.get("/short");
        let answer = client.any_answer(false);
        assert_eq!((answer.whole, answer.end), (false, End::Reset));
        server.stop();
    }

    /// An array whose rest can be kept nowhere ends in a reset as well.
    fn an_answer_that_cannot_be_kept_is_a_reset(door) {
        let options = ["--max-workers=1", "--max-drain-memory=0", "--max-spool-size=1"];
        let server = Server::start(door, "answers.psgi", &options);
        let mut client = server.connect();
        client.send("GET /bytes/72000000 HTTP/1.0\r\n\r\n");
        server.expect_log("too large for memory");
        let answer = client.any_answer(false);
        assert_eq!((answer.status(), answer.end), (200, End::Reset));
        assert_eq!(server.connect().ask("/next").text(), "/next");
        server.stop();
    }

    /// A longer one is cut where it promised to end.
    fn a_long_body_is_cut(door) {
        let server = Server::start(door, "answers.psgi", &[]);
        let mut client = server.connect();
        client.get("/long");
        client.expect("HTTP/1.1 200 OK", "hello");
        client.get("/next");
        client.expect("HTTP/1.1 200 OK", "/next");
        server.stop();
    }

    /// The application's Date and Server stand; its other fields come through in order.
    fn fields_are_the_applications(door) {
        let server = Server::start(door, "answers.psgi", &[]);
        let answer = server.connect().ask("/own");
        assert_eq!((answer.field("Date"), answer.field("Server")), (Some("then"), Some("mine")));
        let twice: Vec<_> = answer.fields.iter().filter(|(name, _)| name == "X-A").collect();
        assert_eq!(twice.len(), 2);
        assert!(twice[0].1 == "1" && twice[1].1 == "2");
        server.stop();
    }

    /// The application may close a connection.
    fn the_application_may_close(door) {
        let server = Server::start(door, "answers.psgi", &[]);
        let mut client = server.connect();
        assert_eq!(client.ask("/close").field("Connection"), Some("close"));
        client.expect_end();
        server.stop();
    }

    /// A large answer to a client that does not read is the manager's; the only worker is free.
    fn a_slow_reader_holds_no_worker(door) {
        const SIZE: usize = 20_000_000;
        let server = Server::start(door, "answers.psgi", &["--max-workers=1"]);
        let mut slow = server.connect();
        for warm in [false, true] {
            if warm {
                slow.ask("/first");
            }
            slow.get(&format!("/bytes/{SIZE}"));
            slow.read_at_least(1);
            let mut other = server.connect();
            assert_eq!(other.ask("/other").text(), "/other");
            let answer = slow.answer();
            assert_eq!(answer.body.len(), SIZE);
        }
        // The connection comes back to the workers.
        assert_eq!(slow.ask("/next").text(), "/next");
        server.stop();
    }
}

//! The responder and the writer: kept, forgotten, used twice; and clients that go, or stop reading.

use std::time::{Duration, Instant};

use crate::support::{Client, End, Pid, Server, both_doors, kill};

/// Asks for a path; the same worker answers the next request of the same connection.
#[track_caller]
fn ask(client: &mut Client, path: &str) -> (u16, String) {
    let before = client.ask("/").text();
    let answer = client.ask(path);
    assert_eq!(client.ask("/").text(), before, "another worker after {path}");
    (answer.status(), answer.text())
}

fn serve(door: crate::support::Door, options: &[&str]) -> Server {
    let mut all = vec!["--max-workers=1"];
    all.extend(options);
    Server::start(door, "writers.psgi", &all)
}

both_doors! {
    /// Edge 14. A responder answers once. Never is a 500, twice croaks.
    fn a_responder_answers_once(door) {
        let server = serve(door, &[]);
        let mut client = server.connect();
        assert_eq!(ask(&mut client, "/never").0, 500);
        server.expect_log("the responder was never called");
        assert_eq!(ask(&mut client, "/undef").0, 500);
        server.expect_log("The response is undef");
        assert_eq!(ask(&mut client, "/twice"), (200, "once".to_owned()));
        server.expect_log("said: The responder was called twice");
        assert_eq!(ask(&mut client, "/after"), (200, "The responder was called twice".to_owned()));
        server.stop();
    }

    /// Edge 14. What is kept past its request croaks, whoever's turn it is, and reaches nobody.
    fn what_is_kept_croaks(door) {
        let server = serve(door, &[]);
        let (mut client, mut other) = (server.connect(), server.connect());
        let (responder, writer) = ("The responder was kept past its request", "The writer was kept past its request");
        let all = format!("{responder}; {writer}; {writer}");
        for (path, said) in [("/keep", &all), ("/keep/open", &all)] {
            assert_eq!(ask(&mut client, path), (200, "kept".to_owned()));
            assert_eq!(ask(&mut other, "/use"), (200, said.clone()), "{path}");
            assert_eq!(ask(&mut client, "/use"), (200, said.clone()), "{path}");
        }
        assert_eq!(ask(&mut client, "/keep/never").0, 500);
        assert_eq!(ask(&mut other, "/use"), (200, responder.to_owned()));
        server.stop();
    }

    /// Edge 14. A writer that nobody closed is closed, and that is told.
    fn an_open_writer_is_closed(door) {
        let server = serve(door, &[]);
        let mut client = server.connect();
        for (path, text) in [("/open", "not closed"), ("/lost", "dropped")] {
            let mark = server.log.mark();
            assert_eq!(ask(&mut client, path), (200, text.to_owned()));
            server.expect_log_since(mark, "writer was not closed");
        }
        server.stop();
    }

    /// Edge 7. `write` is true, sends what has bytes, and nothing for nothing; closed, it croaks, while
    /// a second `close` does nothing. There is no poll_cb.
    fn writes(door) {
        let server = serve(door, &[]);
        let mut client = server.connect();
        client.get("/writes");
        let answer = client.answer();
        assert_eq!(answer.body, b"a01.5\xe9 1 1 1 1 1 1 noneCODE");
        assert_eq!(answer.chunks.get(..4), Some([1, 1, 3, 1].as_slice()));
        assert_eq!(ask(&mut client, "/closed"), (200, "a".to_owned()));
        server.expect_log("said: worked, worked, The writer is closed");
        server.stop();
    }

    /// Edge 24. The first write after a reset says false, and so does every other; no SIGPIPE comes, the
    /// application goes on, and then the worker is free.
    fn a_client_that_has_gone(door) {
        let server = serve(door, &[]);
        let mut client = server.connect();
        client.get("/gone");
        server.expect_log("waiting");
        assert!(client.read_at_least(1) > 0);
        client.reset();
        server.open_gate(1);
        server.expect_log("said: 1 0 0 0");
        assert!(!server.connect().ask("/").text().is_empty());
        assert_eq!(server.log.matching(|line| line == "SIGPIPE"), [""; 0]);
        server.stop();
    }

    /// Edge 25. Who stops reading is waited for, and not written for into memory; after `timeout` the
    /// write says false, and from then on at once.
    fn a_client_that_stops_reading(door) {
        let server = serve(door, &["--timeout=1"]);
        let mut client = server.connect();
        let asked = Instant::now();
        client.get("/full");
        server.expect_log("gave up: bounded, false");
        let took = asked.elapsed();
        assert!(took > Duration::from_millis(990), "after {took:?}");
        let answer = client.any_answer(false);
        assert_eq!((answer.whole, answer.end), (false, End::Reset));
        server.stop();
    }

    /// Up to stream-buffer-size a writer does not wait for its client; and what is left when it closes is
    /// the manager's, so that the worker is free.
    fn a_writer_may_be_ahead(door) {
        let server = serve(door, &["--timeout=1", "--stream-buffer-size=16m"]);
        let mut slow = server.connect();
        slow.get("/ahead");
        server.expect_log("written");
        // Nobody has read a byte yet.
        assert!(!server.connect().ask("/").text().is_empty());
        let answer = slow.answer();
        assert_eq!((answer.body.len(), answer.end), (15_000_000, End::Framed));
        assert!(!slow.ask("/").text().is_empty());

        slow.get("/full");
        server.expect_log("gave up: far ahead, false");
        drop(slow);
        server.stop();
    }

    /// With a stream-buffer-size of 0 a write waits while something of the last one is kept, and for nothing else.
    fn a_writer_may_not_be_ahead(door) {
        let server = serve(door, &["--timeout=1", "--stream-buffer-size=0"]);
        let mut client = server.connect();
        assert_eq!(client.ask("/writes").body, b"a01.5\xe9 1 1 1 1 1 1 noneCODE");
        client.get("/ahead");
        let answer = client.answer();
        assert_eq!((answer.body.len(), answer.end), (15_000_000, End::Framed));
        assert!(!client.ask("/").text().is_empty());

        client.get("/full");
        server.expect_log("gave up: bounded, false");
        drop(client);
        server.stop();
    }

    /// Edge 25. A signal's handler interrupts the wait, and may die.
    fn an_alarm_interrupts_a_write(door) {
        let server = serve(door, &[]);
        let mut client = server.connect();
        client.get("/alarm");
        server.expect_log("said: interrupted");
        let answer = client.any_answer(false);
        assert_eq!((answer.whole, answer.end), (false, End::Reset));
        assert!(!server.connect().ask("/").text().is_empty());
        server.stop();
    }

    /// Edge 26. What a killed worker leaves never looks whole, however it was framed.
    fn a_worker_killed_in_mid_answer(door) {
        let server = serve(door, &[]);
        for path in ["/chunks", "/length"] {
            let mut client = server.connect();
            let mark = server.log.mark();
            client.get(path);
            let line = server.expect_log_since(mark, "waiting pid=");
            let number = line.rsplit('=').next().and_then(|number| number.trim().parse().ok());
            assert!(client.read_at_least(1) > 0);
            kill(number.and_then(Pid::from_raw).expect("a process number"));
            let answer = client.any_answer(false);
            assert_eq!(answer.text(), "some", "{path}");
            assert_eq!((answer.whole, answer.end), (false, End::Reset), "{path}");
        }
        // Over HTTP/1.0 nothing but the end of the connection says where the answer ends.
        let mut client = server.connect();
        let mark = server.log.mark();
        client.send("GET /chunks HTTP/1.0\r\n\r\n");
        let line = server.expect_log_since(mark, "waiting pid=");
        let number = line.rsplit('=').next().and_then(|number| number.trim().parse().ok());
        kill(number.and_then(Pid::from_raw).expect("a process number"));
        let answer = client.any_answer(false);
        assert_eq!((answer.text().as_str(), answer.end), ("some", End::Reset));
        server.stop();
    }
}

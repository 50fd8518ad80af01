//! request-timeout: 504 at once, a stack trace, another worker; and monoceros.deadline.

use std::time::{Duration, Instant};

use crate::support::{Client, End, Server, both_doors};

/// The limit is the server's. What is to be in time takes a thousandth of it, where nobody else is busy.
const SHORT: [&str; 2] = ["--max-workers=1", "--request-timeout=2"];

/// The requests that are to be late have a limit of their own, a tenth of a second.
const LONG: [&str; 2] = ["--max-workers=1", "--request-timeout=60"];

/// Asks for a path, and gives the worker that the answer names.
#[track_caller]
fn ask(client: &mut Client, path: &str) -> String {
    let answer = client.ask(path);
    assert_eq!(answer.status(), 200, "{path}");
    let text = answer.text();
    text.split_once(' ').unwrap_or_else(|| panic!("no worker in {text:?}")).1.to_owned()
}

both_doors! {
    /// The client is told at once and does not wait for the application, which dies where it is; the log
    /// has the request, the seconds and the way there; the worker is replaced.
    fn a_request_that_takes_too_long_is_504(door) {
        let server = Server::start(door, "deadline.psgi", &SHORT);
        let worker = ask(&mut server.connect(), "/first");
        let mut client = server.connect();
        let asked = Instant::now();
        let answer = client.ask("/sleep?x=1");
        let took = asked.elapsed();
        assert!(took >= Duration::from_secs(2), "after {took:?}");
        assert_eq!((answer.status(), answer.field("Connection")), (504, Some("close")));
        client.expect_end();
        let line = server.expect_log("request-timeout: GET /sleep?x=1");
        assert!(line.contains(&format!(" pid={worker} ")), "{line}");
        let seconds: f64 = line.rsplit(" seconds=").next().unwrap().parse().unwrap();
        assert!((2.0..took.as_secs_f64() + 0.001).contains(&seconds), "{line}");
        server.expect_log("GET /sleep?x=1 has taken too long at");
        server.expect_log("::naps() called at");
        server.expect_log(&format!("END of {worker}"));
        let mut client = server.connect();
        let next = ask(&mut client, "/next");
        assert_ne!(next, worker);
        // Requests that come late, and take no time, are in time.
        server.outlives(Duration::from_millis(2200));
        for _ in 0..20 {
            assert_eq!(ask(&mut client, "/next"), next);
        }
        server.stop();
    }

    /// HEAD: a head, and nothing behind it.
    fn a_head_that_takes_too_long_has_no_body(door) {
        let server = Server::start(door, "deadline.psgi", &SHORT);
        let mut client = server.connect();
        client.send("HEAD /sleep HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.answer_to_head().status(), 504);
        client.expect_end();
        server.stop();
    }

    /// Who catches the death may say so, but nobody hears the answer; and leaves.
    fn the_interruption_can_be_caught(door) {
        let server = Server::start(door, "deadline.psgi", &LONG);
        assert_eq!(server.connect().ask("/caught").status(), 504);
        server.expect_log("caught: request-timeout: GET /caught has taken too long");
        server.expect_log("END of ");
        ask(&mut server.connect(), "/next");
        server.stop();
    }

    /// Who does not die is killed. Nobody waits for that: a replacement serves meanwhile.
    fn who_does_not_die_is_killed(door) {
        let server = Server::start(door, "deadline.psgi", &LONG);
        let worker = ask(&mut server.connect(), "/first");
        let asked = Instant::now();
        assert_eq!(server.connect().ask("/stubborn").status(), 504);
        assert_ne!(ask(&mut server.connect(), "/next"), worker);
        server.expect_log(&format!("killed: it had not left in time pid={worker}"));
        let took = asked.elapsed();
        assert!(took > Duration::from_secs(2), "killed after {took:?}");
        server.stop();
    }

    /// An answer that has begun cannot become another one: it is broken off, and does not look whole.
    fn an_answer_that_has_begun_is_broken_off(door) {
        let server = Server::start(door, "deadline.psgi", &LONG);
        let mut client = server.connect();
        client.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = client.any_answer(false);
        let seen = (answer.status(), answer.text(), answer.whole, answer.end);
        assert_eq!(seen, (200, "begun".to_owned(), false, End::Reset));
        server.expect_log("GET /stream has taken too long at");
        ask(&mut server.connect(), "/next");
        server.stop();
    }

    /// Who catches the death in mid-answer sends nothing more, and is told so.
    fn who_goes_on_writes_to_nobody(door) {
        let server = Server::start(door, "deadline.psgi", &LONG);
        let mut client = server.connect();
        client.send("GET /goes-on HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = client.any_answer(false);
        let seen = (answer.status(), answer.text(), answer.whole, answer.end);
        assert_eq!(seen, (200, "begun".to_owned(), false, End::Reset));
        server.expect_log("write says: no");
        ask(&mut server.connect(), "/next");
        server.stop();
    }

    /// A body that is asked for its pieces is the application, too.
    fn a_body_that_takes_too_long_is_interrupted(door) {
        let server = Server::start(door, "deadline.psgi", &SHORT);
        assert_eq!(server.connect().ask("/getline").status(), 504);
        server.expect_log("GET /getline has taken too long at");
        server.expect_log("closed");
        server.expect_log("END of ");
        ask(&mut server.connect(), "/next");
        server.stop();
    }

    /// The application may take more time, as much as it likes, or less; what it may not do is told.
    fn the_application_moves_its_deadline(door) {
        let server = Server::start(door, "deadline.psgi", &["--max-workers=2", "--request-timeout=2"]);
        let mut clients = [("/longer", "1 30 1"), ("/lifted", "0 none")].map(|(path, said)| {
            let mut client = server.connect();
            client.get(path);
            (client, said)
        });
        server.outlives(Duration::from_millis(2500));
        server.open_gate(2);
        for (client, said) in &mut clients {
            assert_eq!(client.answer().text(), *said);
        }
        server.stop();
        let server = Server::start(door, "deadline.psgi", &LONG);
        assert_eq!(server.connect().ask("/shorter").status(), 504);
        let text = server.connect().ask("/wrong").text();
        for wrong in ["not -1", "takes seconds, or nothing", "not NaN", "not soon"] {
            assert!(text.contains(wrong), "{text}");
        }
        let mut client = server.connect();
        ask(&mut client, "/kept");
        server.expect_log("kept: monoceros.deadline was called outside of a request");
        assert_eq!(client.ask("/exists").text(), "yes");
        server.stop();
    }

    /// Without the option there is no deadline to ask for.
    fn without_the_option_there_is_none(door) {
        let server = Server::start(door, "deadline.psgi", &["--max-workers=1"]);
        assert_eq!(server.connect().ask("/exists").text(), "no");
        server.stop();
    }
}

//! What happens when there is too little: workers, room in the spool directory, memory.

use std::time::Duration;

use rustix::process::{Signal, kill_process};

use crate::client::request;
use crate::server::{Server, pass, until};
use crate::site;
use crate::stories::{Story, the_other_worker};

pub(crate) fn all() -> Vec<Story> {
    let told: [(&str, fn()); 11] = [
        ("a_request_that_waits_too_long_is_shed_and_its_connection_kept", shed),
        ("a_client_that_went_while_it_waited_is_not_served", gone),
        ("half_a_connection_is_dropped_if_the_operator_says_so", half_close),
        ("a_body_without_room_is_507", no_room_for_a_body),
        ("the_log_tells_who_is_drained_and_how_much_is_spooled", told_on_winch),
        ("a_worker_whose_connection_was_closed_is_idle", idle_when_closed),
        ("who_says_that_a_request_is_the_last_is_not_lingered_for", the_last_request),
        ("what_is_refused_is_counted_and_its_first_told", told_of_refusals),
        ("what_happens_often_is_told_once", told_once),
        ("a_spool_directory_that_is_none_is_status_2", no_spool_dir),
        ("an_answer_without_room_is_written_by_its_worker", no_room_for_an_answer),
    ];
    told.into_iter().map(|(name, story)| (name.to_owned(), Box::new(story) as _)).collect()
}

/// Whoever has waited longer than a moment is looked after when his turn comes: is he still there?
const NOTICEABLE: Duration = Duration::from_millis(200);

fn shed() {
    let server = Server::start(&["max_workers=1", "queue_timeout=2"]);
    let mut kept = server.connect();
    kept.get("/n/0");
    let mut busy = server.hold();
    kept.send(&request("/n/kept")).unwrap();
    let mut fresh = server.connect();
    fresh.send(&request("/n/fresh")).unwrap();
    server.manager_has_read();
    pass(Duration::from_millis(2_200));
    server.open_gate();
    assert_eq!(busy.answer().unwrap().status, 200);
    for mut client in [kept, fresh] {
        assert_eq!(client.answer().unwrap().status, 503);
        assert_eq!(client.get("/n/again"), "/n/again");
    }
    assert!(!server.has_run("/n/kept") && !server.has_run("/n/fresh"));
    server.stop();
}

fn gone() {
    let server = Server::start(&["max_workers=1"]);
    let mut kept = server.connect();
    kept.get("/n/0");
    let mut busy = server.hold();
    kept.send(&request("/n/kept")).unwrap();
    kept.reset();
    let mut fresh = server.connect();
    fresh.send(&request("/n/fresh")).unwrap();
    server.manager_has_read();
    fresh.reset();
    pass(NOTICEABLE);
    server.open_gate();
    assert_eq!(busy.answer().unwrap().status, 200);
    assert_eq!(server.connect().get("/n/other"), "/n/other");
    assert!(!server.has_run("/n/kept") && !server.has_run("/n/fresh"));
    server.stop();
}

fn half_close() {
    for (how, served) in [("half_close=serve", true), ("half_close=drop", false)] {
        let server = Server::start(&["max_workers=1", how]);
        let mut busy = server.hold();
        let mut half = server.connect();
        half.send(&request("/n/half")).unwrap();
        half.shut_writing();
        server.manager_has_read();
        pass(NOTICEABLE);
        server.open_gate();
        assert_eq!(busy.answer().unwrap().status, 200);
        assert_eq!(half.answer().is_ok(), served, "{how}");
        assert_eq!(server.has_run("/n/half"), served, "{how}");
        server.stop();
    }
}

fn no_room_for_a_body() {
    let server = Server::start(&["max_workers=1", "max_spool_size=300k"]);
    let post = |length: usize| {
        let mut client = server.connect();
        let head = format!("POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        client.send(&head).unwrap();
        // A refusal may come before the end of the body.
        let _ = client.send(&"b".repeat(length));
        client.answer().unwrap().status
    };
    for _ in 0..3 {
        assert_eq!(post(200 << 10), 200, "what was served has given its room back");
    }
    assert_eq!(post(400 << 10), 507);
    assert!(server.wait_for("cannot store a body in ").contains(" bytes="));
    assert_eq!(post(200 << 10), 200);
    server.stop();
}

fn told_of_refusals() {
    let server = Server::start(&["max_workers=1", "defer_accept=1"]);
    for _ in 0..3 {
        let mut client = server.connect();
        client.send("NONSENSE\r\n\r\n").unwrap();
        assert_eq!(client.answer().unwrap().status, 400);
    }
    let mut client = server.connect();
    let proxy = "GET /n/1 HTTP/1.1\r\nHost: a\r\nProxy: x\r\nX_Y: z\r\n\r\n";
    client.send(proxy).unwrap();
    assert_eq!(client.answer().unwrap().status, 200);
    server.wait_for("the first of its kind refused");
    server.signal(Signal::WINCH);
    let line = server.wait_for("refused: 400=");
    assert!(line.contains("400=3 408=0 ") && line.contains(" fields_dropped=2"), "{line}");
    server.stop();
}

/// Requests that were not run, and TLS: each is counted, and one line tells of the first. Of three clients
/// that have gone the manager hears after two seconds, of one only the worker.
fn told_once() {
    let server = Server::start(&["max_workers=1", "queue_timeout=2"]);
    let mut kept = server.connect();
    kept.get("/n/0");
    let mut busy = server.hold();
    kept.send(&request("/n/kept")).unwrap();
    kept.reset();
    let mut late = [(); 3].map(|()| server.connect());
    late.iter_mut().for_each(|late| late.send(&request("/n/late")).unwrap());
    for _ in 0..3 {
        let mut gone = server.connect();
        gone.send(&request("/n/gone")).unwrap();
        let mut tls = server.connect();
        tls.send("\x16\x03\x01").unwrap();
        // By now the manager has seen that the one before it has a request.
        assert_eq!(tls.answer().unwrap().status, 400);
        gone.reset();
    }
    pass(Duration::from_millis(2_600));
    server.open_gate();
    assert_eq!(busy.answer().unwrap().status, 200);
    for client in &mut late {
        assert_eq!(client.answer().unwrap().status, 503);
    }
    server.connect().get("/n/last");
    server.signal(Signal::WINCH);
    let line = server.wait_for("refused: 400=3");
    assert!(line.contains(" shed=3 gone=4 "), "{line}");
    for what in ["spoke TLS", "queue-timeout", "its client had gone"] {
        assert_eq!(server.lines_with(what), 1, "{what}");
    }
    server.stop();
}

fn no_spool_dir() {
    let (status, log) = Server::fail(&["spool_dir=/nonexistent/spool"]);
    assert_eq!(status, Some(2), "{log}");
    assert!(log.contains("cannot make files in /nonexistent/spool (spool-dir)"), "{log}");
}

fn told_on_winch() {
    let server = Server::start(&["max_workers=1"]);
    let mut slow = server.connect();
    slow.send(&request("/big")).unwrap();
    let mut kept = server.connect();
    kept.get("/n/0");
    let line = told(&server, "idle=1 reading=0 waiting=0 running=0 draining=1 lingering=0");
    let on_disk: u64 = line.rsplit('=').next().unwrap().trim().parse().unwrap();
    assert!((1 << 20..24 << 20).contains(&on_disk), "{line}");
    // By now it is idle; when the first question came it may have been about to be.
    server.signal(Signal::WINCH);
    assert!(server.wait_for("state=Idle").contains("scoreboard"));
    assert_eq!(slow.answer().unwrap().body.len(), site::BIG);
    kept.get("/n/1");
    told(&server, "draining=0 lingering=0 spooled_memory=0 spooled_disk=0");
    server.stop();
}

fn idle_when_closed() {
    let server = Server::start(&["max_workers=1"]);
    let mut client = server.connect();
    client.send("GET /n/0 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    assert_eq!(client.answer().unwrap().status, 200);
    let mut asked = 0;
    until("a worker whose last connection was not kept waits as well", || {
        server.signal(Signal::WINCH);
        asked += 1;
        server.wait_for_nth("scoreboard", asked).contains("state=Idle")
    });
    server.stop();
}

fn the_last_request() {
    let server = Server::start(&["max_workers=1", "linger_timeout=60", "max_keepalive_reqs=1"]);
    for last in ["HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.0\r\n\r\n"] {
        let mut client = server.connect();
        client.send(&format!("GET /n/0 {last}")).unwrap();
        assert_eq!(client.answer().unwrap().body, b"/n/0");
        client.end().unwrap();
        told(&server, "connections=0 ");
        // Bytes behind it, which nobody will read: closing at once would be a reset.
        let mut client = server.connect();
        client.send(&format!("GET /n/1 {last}GET /n/2")).unwrap();
        assert_eq!(client.answer().unwrap().body, b"/n/1");
        client.end().unwrap();
        told(&server, "lingering=1");
    }
    // Here it is the server that has had enough.
    let mut client = server.connect();
    assert_eq!(client.get("/n/3"), "/n/3");
    client.end().unwrap();
    told(&server, "lingering=1");
    server.stop();
}

/// Asks until the log says so, and returns the line.
fn told(server: &Server, what: &str) -> String {
    let mut line = String::new();
    let mut asked = 0;
    until(what, || {
        server.signal(Signal::WINCH);
        asked += 1;
        line = server.wait_for_nth("spooled_disk=", asked);
        line.contains(what)
    });
    line
}

fn no_room_for_an_answer() {
    let server = Server::start(&["max_workers=2", "max_drain_memory=0", "max_spool_size=1"]);
    let mut slow = server.connect();
    slow.send(&request("/big")).unwrap();
    server.wait_for("cannot keep the rest of an answer");
    // Signals do not end the wait: who is told to leave finishes what it has.
    let waiting = the_other_worker(&server);
    for _ in 0..20 {
        kill_process(waiting, Signal::HUP).unwrap();
        assert_eq!(server.connect().get("/n/other"), "/n/other");
    }
    assert_eq!(slow.answer().unwrap().body.len(), site::BIG);
    assert_eq!(slow.get("/n/next"), "/n/next");
    server.stop();
}

//! What happens between clients and the server, told one story each.

use std::fs;
use std::ops::Range;
use std::process::{Command, Stdio};
use std::thread;

use monoceros_server::os::process::is_unfiltered;
use rustix::process::{
    Pid, PidfdFlags, PidfdGetfdFlags, Signal, kill_process, pidfd_getfd, pidfd_open,
};

use crate::client::{Client, Seen, load, request};
use crate::server::{Server, until};
use crate::site;

pub(crate) type Story = (String, Box<dyn FnOnce() + std::panic::UnwindSafe>);

/// The steps of a worker, and those of the manager, in the order of the protocol.
const WORKER_STEPS: [&str; 22] = [
    "receive",
    "claim-job",
    "event",
    "too-early",
    "stir",
    "claim-event",
    "fetch",
    "wait",
    "fetched",
    "copied",
    "read",
    "begin",
    "reply",
    "watch",
    "arm",
    "more",
    "leave",
    "partial",
    "drain",
    "closed",
    "over",
    "shut",
];
const MANAGER_STEPS: [&str; 7] =
    ["accept", "queue", "send", "take", "take-over", "messages", "recover"];

pub(crate) fn all() -> Vec<Story> {
    let told: [(&str, fn()); 12] = [
        ("a_kept_connection_is_served_by_any_worker", a_kept_connection_is_served_by_any_worker),
        ("what_may_not_be_copied_is_fetched", what_may_not_be_copied_is_fetched),
        ("requests_in_pieces_hold_no_worker", requests_in_pieces_hold_no_worker),
        ("pipelined_requests_are_answered_in_order", pipelined_requests_are_answered_in_order),
        ("a_large_body_arrives_whole", a_large_body_arrives_whole),
        ("a_slow_reader_holds_no_worker", a_slow_reader_holds_no_worker),
        ("a_stream_is_chunked", a_stream_is_chunked),
        ("a_silent_connection_is_closed_and_one_that_spoke_is_not", silence),
        ("a_worker_that_dies_before_its_answer_costs_a_502", death_before_the_answer),
        ("a_worker_that_dies_in_its_answer_costs_a_reset", death_in_the_answer),
        ("nobody_survives_the_supervisor", nobody_survives_the_supervisor),
        ("a_manager_that_dies_is_replaced_with_all_that_is_its", death_of_the_manager),
    ];
    let mut all: Vec<Story> =
        told.into_iter().map(|(name, story)| (name.to_owned(), Box::new(story) as _)).collect();
    for step in WORKER_STEPS {
        let name = format!("a_worker_killed_at_{step}_costs_one_connection_at_most");
        all.push((name, Box::new(move || a_worker_killed_at(step))));
    }
    for step in MANAGER_STEPS {
        let name = format!("a_manager_killed_at_{step}_is_replaced");
        all.push((name, Box::new(move || a_manager_killed_at(step))));
    }
    all.extend(crate::orders::all());
    all.extend(crate::crowd::all());
    all.extend(crate::aside::all());
    all.extend(crate::ends::all());
    all.extend(crate::limits::all());
    all.extend(crate::list::all());
    all.extend(crate::rounds::all());
    all.push(("recycled_workers_cost_nothing".to_owned(), Box::new(recycled_workers_cost_nothing)));
    all
}

pub(crate) fn many(server: &Server, clients: usize, requests: usize) -> Seen {
    many_as(server, 0..clients, requests)
}

/// The same by clients of these numbers: none of their requests is any other client's.
fn many_as(server: &Server, clients: Range<usize>, requests: usize) -> Seen {
    thread::scope(|scope| {
        let clients: Vec<_> =
            clients.map(|n| scope.spawn(move || load(server, n, requests))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).fold(Seen::default(), |a, b| {
            Seen { answered: a.answered + b.answered, broken: a.broken + b.broken }
        })
    })
}

fn a_kept_connection_is_served_by_any_worker() {
    let server = Server::start(&["max_workers=2"]);
    let seen = many(&server, 8, 60);
    assert_eq!(seen, Seen { answered: 480, broken: 0 });
    server.assert_once();
    server.stop();
}

/// The first worker that has to fetch says so, and nothing is lost by it.
fn what_may_not_be_copied_is_fetched() {
    if !copies() {
        return;
    }
    let server = Server::start_to_fetch(&["max_workers=2"]);
    let (mut seen, mut clients) = (Seen::default(), 0..8);
    until("a worker has met a connection that the other one had met", || {
        let more = many_as(&server, clients.clone(), 60);
        clients = clients.end..clients.end + 8;
        seen = Seen { answered: seen.answered + more.answered, broken: seen.broken + more.broken };
        server.lines_with("descriptors have to be fetched") == 1
    });
    assert_eq!(seen.broken, 0, "of {}", seen.answered);
    server.assert_once();
    server.stop();
}

fn requests_in_pieces_hold_no_worker() {
    let server = Server::start(&["max_workers=1"]);
    let mut slow = server.connect();
    slow.send("GET /slow HTTP/1.1\r\nHo").unwrap();
    assert_eq!(server.connect().get("/other"), "/other");
    slow.send("st: a\r\n\r\n").unwrap();
    assert_eq!(slow.answer().unwrap().body, b"/slow");
    slow.send("GET /again HTTP/1.1\r\n").unwrap();
    assert_eq!(server.connect().get("/other"), "/other");
    slow.send("Host: a\r\n\r\n").unwrap();
    assert_eq!(slow.answer().unwrap().body, b"/again");
    server.stop();
}

fn pipelined_requests_are_answered_in_order() {
    let server = Server::start(&["max_workers=2", "max_readahead_reqs=3"]);
    let mut client = server.connect();
    let paths: Vec<String> = (0..200).map(|n| format!("/n/{n}")).collect();
    client.send(&paths.iter().map(|path| request(path)).collect::<String>()).unwrap();
    for path in paths {
        assert_eq!(client.answer().unwrap().body, path.as_bytes());
    }
    server.assert_once();
    server.stop();
}

fn a_large_body_arrives_whole() {
    let server = Server::start(&["max_workers=1"]);
    let mut client = server.connect();
    for length in [1_usize, 65_535, 65_536, 65_537, 3_000_000] {
        client
            .send(&format!("POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"))
            .unwrap();
        client.send(&"b".repeat(length)).unwrap();
        assert_eq!(client.answer().unwrap().body, length.to_string().into_bytes());
        client
            .send("POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            .unwrap();
        client.send(&format!("{length:x}\r\n{}\r\n0\r\n\r\n", "c".repeat(length))).unwrap();
        assert_eq!(client.answer().unwrap().body, length.to_string().into_bytes());
    }
    server.stop();
}

fn a_slow_reader_holds_no_worker() {
    let server = Server::start(&["max_workers=1"]);
    let mut slow = server.connect();
    slow.send(&request("/big")).unwrap();
    slow.send(&request("/n/next")).unwrap();
    let mut other = server.connect();
    for n in 0..20 {
        assert_eq!(other.get(&format!("/n/{n}")), format!("/n/{n}"));
    }
    assert_eq!(slow.answer().unwrap().body.len(), site::BIG);
    assert_eq!(slow.answer().unwrap().body, b"/n/next");
    server.stop();
}

fn a_stream_is_chunked() {
    let server = Server::start(&["max_workers=1"]);
    let mut client = server.connect();
    assert_eq!(client.get("/stream/a/b/cde"), "streamabcde");
    assert_eq!(client.get("/n/1"), "/n/1");
    server.stop();
}

fn silence() {
    let server = Server::start(&["max_workers=1", "keepalive_timeout=2"]);
    let mut client = server.connect();
    for n in 0..3 {
        client.get(&format!("/n/{n}"));
    }
    client.end().unwrap();
    server.stop();
}

fn death_before_the_answer() {
    let server = Server::start(&["max_workers=2"]);
    let mut client = server.connect();
    client.get("/n/0");
    client.send(&request("/hang")).unwrap();
    kill_hanging(&server, "/hang");
    assert_eq!(client.answer().unwrap().status, 502);
    client.end().unwrap();
    server.wait_for("buried");
    let mut head = server.connect();
    head.send("HEAD /hang/head HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    kill_hanging(&server, "/hang/head");
    let answer = head.read_to_end();
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    server.wait_for_nth("buried", 2);
    assert_eq!(many(&server, 4, 10), Seen { answered: 40, broken: 0 });
    server.stop();
}

fn death_in_the_answer() {
    let server = Server::start(&["max_workers=2"]);
    let mut client = server.connect();
    client.send(&request("/begin-and-hang")).unwrap();
    kill_hanging(&server, "/begin-and-hang");
    assert_eq!(client.answer().unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    server.stop();
}

/// Kills the one of two workers that does not answer.
fn kill_hanging(server: &Server, path: &str) {
    until("it runs", || server.has_run(path));
    kill_process(the_other_worker(server), Signal::KILL).unwrap();
}

/// The one of two workers that does not answer.
pub(crate) fn the_other_worker(server: &Server) -> Pid {
    let known = [server.some_worker(), server.manager(), server.supervisor()];
    server.family().into_iter().find(|pid| !known.contains(pid)).unwrap()
}

fn nobody_survives_the_supervisor() {
    let mut server = Server::start(&["max_workers=3"]);
    let mut idle = server.connect();
    idle.get("/n/1");
    kill_process(server.supervisor(), Signal::KILL).unwrap();
    server.assert_nobody_left();
}

fn death_of_the_manager() {
    let server = Server::start(&["max_workers=2"]);
    let mut client = server.connect();
    client.get("/n/1");
    kill_process(server.manager(), Signal::KILL).unwrap();
    assert!(client.answer().is_err());
    server.wait_for_nth("accepting", 2);
    assert_eq!(many(&server, 4, 10), Seen { answered: 40, broken: 0 });
    until("the old workers have left", || server.family().len() == 4);
    server.stop();
}

/// Asks for the same path again and again, over some connections. Returns how many broke.
fn many_paths(server: &Server, path: &str, clients: usize, requests: usize) -> usize {
    let client = || {
        let (mut connection, mut broken) = (server.connect(), 0);
        for _ in 0..requests {
            let seen = connection.send(&request(path)).and_then(|()| connection.answer());
            if !seen.is_ok_and(|answer| answer.status == 200) {
                connection = server.connect();
                broken += 1;
            }
        }
        broken
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    })
}

/// Every kind of traffic, so that every step is reached.
fn traffic(server: &Server) -> Seen {
    thread::scope(|scope| {
        let slow = scope.spawn(|| {
            let mut client = server.connect();
            let asked = client.send(&request("/big"));
            let seen = asked.and_then(|()| client.answer());
            usize::from(!seen.is_ok_and(|answer| answer.body.len() == site::BIG))
        });
        let short = scope.spawn(|| {
            let broken = |behind: &str| {
                let mut client: Client = server.connect();
                let last = "GET /n/short HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
                let seen = client.send(&format!("{last}{behind}")).and_then(|()| client.answer());
                usize::from(!seen.is_ok_and(|answer| answer.status == 200))
            };
            broken("") + broken("GET") // the manager has to linger in the second
        });
        // While these keep one worker busy, the other meets connections that it has to fetch.
        let busy = scope.spawn(|| many_paths(server, "/spin", 3, 20));
        let mut seen = many(server, 6, 60);
        seen.broken += slow.join().unwrap() + short.join().unwrap() + busy.join().unwrap();
        seen
    })
}

/// Whether the kernel of this machine lets a worker copy the manager's descriptors: a parent may do so with
/// its child's, there is no filter, and no rule that it takes a parent.
fn copies() -> bool {
    let yama = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    if !is_unfiltered() || !matches!(yama.trim(), "" | "0") {
        return false;
    }
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    let copied = pidfd_open(pid, PidfdFlags::empty())
        .and_then(|child| pidfd_getfd(child, 0, PidfdGetfdFlags::empty()));
    child.kill().unwrap();
    child.wait().unwrap();
    copied.is_ok()
}

fn a_worker_killed_at(step: &str) {
    if step == "copied" && !copies() {
        return;
    }
    let server = Server::start_to_die(&["max_workers=2"], step);
    let mut seen = traffic(&server);
    // Which worker meets whom is chance: on a busy machine one of the two may have served them all.
    until("somebody has reached the step", || {
        server.has_died() || {
            seen.broken += traffic(&server).broken;
            false
        }
    });
    assert!(seen.broken <= 1, "one death has cost {} connections", seen.broken);
    server.wait_for("buried");
    until("there are two workers again", || server.family().len() == 4);
    assert_eq!(traffic(&server).broken, 0, "after the recovery");
    server.stop();
}

fn a_manager_killed_at(step: &str) {
    let server = Server::start_to_die(&["max_workers=2"], step);
    if MANAGER_STEPS[5..].contains(&step) {
        kill_process(server.some_worker(), Signal::KILL).unwrap();
    } else {
        let _ = server.connect().send(&request("/n/first"));
        let _ = server.connect().send("GET /n/part");
    }
    until("the manager has died", || server.has_died());
    server.wait_for_nth("accepting", if step == "take" { 1 } else { 2 });
    until("two workers serve, and the old ones have left", || server.family().len() == 4);
    assert_eq!(traffic(&server).broken, 0, "after the recovery");
    server.stop();
}

fn recycled_workers_cost_nothing() {
    let server = Server::start(&["max_workers=2", "max_reqs_per_child=10", "min_reqs_per_child=5"]);
    let seen = many(&server, 6, 100);
    assert_eq!(seen, Seen { answered: 600, broken: 0 });
    server.assert_once();
    server.stop();
}

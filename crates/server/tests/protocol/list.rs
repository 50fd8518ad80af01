//! What the ready list tells, and what it must not be left to tell: it tells of each thing once, to one worker,
//! and of nothing that is somebody's already.

use std::fs;

use monoceros_server::ready::BASE;
use rustix::process::{Pid, Signal, kill_process};

use crate::client::{Client, request};
use crate::server::{Server, until};
use crate::site;
use crate::stories::Story;

pub(crate) fn all() -> Vec<Story> {
    let told: [(&str, fn()); 10] = [
        ("what_comes_while_a_request_runs_is_served_after_it", while_a_request_runs),
        ("who_is_told_too_early_and_dies_costs_nothing", told_too_early_and_dead),
        ("an_end_that_comes_with_a_request_is_seen_after_it", an_end_with_a_request),
        ("what_one_read_does_not_take_is_served_next", more_than_one_read),
        ("the_list_has_who_is_nobodys", the_list_has_who_is_nobodys),
        ("a_request_in_pieces_leaves_the_list", a_request_in_pieces),
        ("a_slow_reader_leaves_the_list", a_slow_reader),
        ("a_socket_that_is_the_applications_leaves_the_list", the_applications_socket),
        ("who_is_silent_too_long_leaves_the_list", who_is_silent_too_long),
        ("after_a_death_among_many_nobody_is_in_the_list_twice", a_death_among_many),
    ];
    told.into_iter().map(|(name, story)| (name.to_owned(), Box::new(story) as _)).collect()
}

/// The manager looks at whoever is silent for this long, longer than any story: it would find what the list
/// has not told.
const PATIENT: &str = "keepalive_timeout=60";

/// A client that the list has brought to a worker, and whose next request it will bring.
fn kept(server: &Server) -> Client {
    let mut client = server.connect();
    client.get("/n/first");
    client.get("/n/second");
    client
}

/// One that a worker is busy with, as the list has brought it.
fn held(server: &Server) -> Client {
    let mut client = kept(server);
    client.send(&request("/hold")).unwrap();
    until("it runs", || server.has_run("/hold"));
    client
}

fn while_a_request_runs() {
    let server = Server::start(&["max_workers=2", PATIENT]);
    let mut client = held(&server);
    client.send(&request("/n/next")).unwrap();
    // The other worker has been told of it before it serves what came later.
    server.connect().get("/n/later");
    assert!(!server.has_run("/n/next"), "the connection is somebody else's");
    server.open_gate();
    assert_eq!(client.answer().unwrap().body, b"done");
    assert_eq!(client.answer().unwrap().body, b"/n/next");
    server.stop();
}

fn told_too_early_and_dead() {
    let server = Server::start_to_die(&["max_workers=2", PATIENT], "too-early");
    let mut client = held(&server);
    client.send(&request("/n/next")).unwrap();
    server.wait_for("buried");
    server.open_gate();
    assert_eq!(client.answer().unwrap().body, b"done");
    assert_eq!(client.answer().unwrap().body, b"/n/next");
    server.stop();
}

/// The list has told of both at once.
fn an_end_with_a_request() {
    let server = Server::start(&["max_workers=1", PATIENT]);
    let mut client = kept(&server);
    let mut holder = held(&server);
    client.send(&request("/n/last")).unwrap();
    client.shut_writing();
    server.open_gate();
    assert_eq!(holder.answer().unwrap().body, b"done");
    assert_eq!(client.answer().unwrap().body, b"/n/last");
    client.end().unwrap();
    server.stop();
}

fn more_than_one_read() {
    const READ: usize = 64 << 10;
    let server = Server::start(&["max_workers=1", PATIENT]);
    let mut client = kept(&server);
    // So the kernel gives it more room than that of one read.
    let head = "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n";
    client.send(&format!("{head}{}", "b".repeat(3_000_000))).unwrap();
    assert_eq!(client.answer().unwrap().body, b"3000000");
    client.get("/n/third");
    let mut holder = held(&server);
    let head = |length: usize| {
        format!("POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")
    };
    let body = READ - head(READ).len();
    let whole = format!("{}{}", head(body), "b".repeat(body));
    assert_eq!(whole.len(), READ);
    client.send(&whole).unwrap();
    client.send(&request("/n/next")).unwrap();
    until("all of it is there", || client.has_arrived());
    server.open_gate();
    assert_eq!(holder.answer().unwrap().body, b"done");
    assert_eq!(client.answer().unwrap().body, body.to_string().into_bytes());
    assert_eq!(client.answer().unwrap().body, b"/n/next");
    server.stop();
}

/// The ready list, as the kernel shows it of a worker.
struct List(Pid);

impl List {
    fn of(server: &Server) -> Self {
        let list = Self(server.some_worker());
        until("who has asked for the worker has gone", || list.count() == 0);
        list
    }

    /// How many connections it has.
    fn count(&self) -> usize {
        let process = format!("/proc/{}", self.0.as_raw_nonzero());
        let numbers = fs::read_dir(format!("{process}/fd")).unwrap().flatten();
        let lists = numbers.filter(|number| {
            fs::read_link(number.path()).is_ok_and(|it| it.to_string_lossy().contains("eventpoll"))
        });
        let registrations = lists.map(|list| {
            let number = list.file_name();
            let info = fs::read_to_string(format!("{process}/fdinfo/{}", number.to_string_lossy()));
            info.unwrap_or_default().lines().filter(|line| is_connection(line)).count()
        });
        registrations.sum()
    }
}

/// Whether a line is that of a registration of a connection.
fn is_connection(line: &str) -> bool {
    let number = line.strip_prefix("tfd:").and_then(|it| it.split_whitespace().next());
    number.is_some_and(|number| number.parse::<u32>().unwrap() >= BASE)
}

fn the_list_has_who_is_nobodys() {
    let server = Server::start(&["max_workers=1", PATIENT]);
    let list = List::of(&server);
    let mut client = server.connect();
    server.manager_has_read();
    assert_eq!(list.count(), 0, "it has not spoken");
    client.get("/n/1");
    until("it is armed", || list.count() == 1);
    let mut last = server.connect();
    last.send("GET /n/2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    assert_eq!(last.answer().unwrap().body, b"/n/2");
    assert_eq!(client.get("/n/3"), "/n/3");
    assert_eq!(list.count(), 1, "who is served and kept remains");
    drop(client);
    until("it is over", || list.count() == 0);
    server.stop();
}

fn a_request_in_pieces() {
    let server = Server::start(&["max_workers=1", PATIENT]);
    let list = List::of(&server);
    let mut client = kept(&server);
    client.send("POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nbod").unwrap();
    until("it is the manager's", || list.count() == 0);
    client.send("ies").unwrap();
    assert_eq!(client.answer().unwrap().body, b"6");
    until("it is armed again", || list.count() == 1);
    assert_eq!(client.get("/n/1"), "/n/1");
    server.stop();
}

fn a_slow_reader() {
    let server = Server::start(&["max_workers=1", PATIENT]);
    let list = List::of(&server);
    let mut client = kept(&server);
    client.send(&request("/big")).unwrap();
    until("it is the manager's", || list.count() == 0);
    assert_eq!(client.answer().unwrap().body.len(), site::BIG);
    assert_eq!(client.get("/n/1"), "/n/1");
    until("it is armed again", || list.count() == 1);
    server.stop();
}

fn the_applications_socket() {
    let server = Server::start(&["max_workers=1", PATIENT]);
    let list = List::of(&server);
    let mut client = kept(&server);
    client.send(&request("/look")).unwrap();
    until("it runs", || server.has_run("/look"));
    until("it has looked", || list.count() == 0);
    client.send(&request("/n/next")).unwrap();
    server.open_gate();
    assert_eq!(client.answer().unwrap().body, b"looked");
    assert_eq!(client.answer().unwrap().body, b"/n/next");
    assert_eq!(list.count(), 1);
    server.stop();
}

/// What it says in the moment in which the manager looks is the manager's to read.
fn who_is_silent_too_long() {
    let server = Server::start(&["max_workers=1", "keepalive_timeout=1"]);
    let list = List::of(&server);
    let mut client = kept(&server);
    let mut holder = held(&server);
    client.send("POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nbod").unwrap();
    until("it is the manager's", || list.count() == 1);
    client.send("ies").unwrap();
    server.open_gate();
    assert_eq!(holder.answer().unwrap().body, b"done");
    assert_eq!(client.answer().unwrap().body, b"6");
    server.stop();
}

/// So many that in the manager some have the numbers that others have in the list.
fn a_death_among_many() {
    const MANY: usize = 1100;
    let server = Server::start(&["max_workers=2", "max_keepalive_connection=4000", PATIENT]);
    let mut clients: Vec<Client> = (0..MANY).map(|_| server.connect()).collect();
    clients.iter_mut().for_each(|client| _ = client.get("/n/before"));
    kill_process(server.some_worker(), Signal::KILL).unwrap();
    server.wait_for("buried");
    clients.iter_mut().for_each(|client| _ = client.get("/n/behind"));
    let list = List(server.some_worker());
    until("everybody is in it once", || list.count() == MANY);
    server.stop();
}

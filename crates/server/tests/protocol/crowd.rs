//! When there are too many, or too few of something: connections, slots, descriptors, time.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};

use crate::client::{Client, request};
use crate::server::{DEADLINE, Server, pass, until};
use crate::stories::Story;

pub(crate) fn all() -> Vec<Story> {
    let told: [(&str, fn()); 12] = [
        ("the_longest_idle_go_when_too_many_are_idle", too_many_idle),
        ("idle_connections_make_room_for_new_ones", no_slot_is_free),
        ("the_slot_of_a_connection_that_is_over_is_free_at_once", a_slot_is_free_again),
        ("a_manager_that_was_behind_closes_nobody_who_has_spoken", behind),
        ("a_busy_client_is_told_that_the_server_stops", a_busy_client_is_told),
        ("a_job_that_no_descriptor_was_free_for_is_lent_again", no_descriptor_is_free),
        ("a_lost_job_is_lent_again_however_many_others_wait", lost_in_a_crowd),
        ("whoever_has_connected_before_the_end_is_served", many_at_the_end),
        ("a_request_whose_client_has_gone_is_not_run", gone),
        ("newcomers_and_the_kept_are_served_in_the_order_in_which_they_came", newcomers_and_kept),
        ("who_returns_at_once_does_not_overtake_newcomers_that_wait", returning),
        ("jobs_keep_their_place_when_workers_die", deaths_in_a_queue),
    ];
    told.into_iter().map(|(name, story)| (name.to_owned(), Box::new(story) as _)).collect()
}

fn too_many_idle() {
    let server =
        Server::start(&["max_workers=2", "max_keepalive_connection=3", "keepalive_timeout=60"]);
    let mut clients: Vec<Client> = (0..8).map(|_| server.connect()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.get(&format!("/n/{n}"));
    }
    let mut kept = clients.split_off(5);
    for client in &mut clients {
        client.end().unwrap();
    }
    for client in &mut kept {
        client.get("/pid");
    }
    server.stop();
}

fn no_slot_is_free() {
    let server = Server::start(&["max_workers=2", "max_connections=4", "linger_timeout=60"]);
    let mut clients = Vec::new();
    for n in 0..20 {
        let mut client = server.connect();
        client.get(&format!("/n/{n}"));
        clients.push(client);
    }
    server.stop();
}

/// Slots of connections that are over are wanted at once.
fn a_slot_is_free_again() {
    let server = Server::start(&["max_workers=2", "max_connections=3"]);
    let before = Instant::now();
    for n in 0..200 {
        let mut client = server.connect();
        client.send(&format!("GET /n/{n} HTTP/1.0\r\n\r\n")).unwrap();
        assert_eq!(client.answer().unwrap().body, format!("/n/{n}").as_bytes());
        client.end().unwrap();
    }
    // Each would have to wait for the end of another one's time to linger.
    assert!(before.elapsed() < DEADLINE, "{:?}", before.elapsed());
    server.stop();
}

/// More clients than the manager hears of at once speak while it sleeps past their deadline.
fn behind() {
    let server = Server::start(&["max_workers=2", "header_timeout=4"]);
    let mut clients: Vec<Client> = (0..400).map(|_| server.connect()).collect();
    server.some_worker(); // the manager has accepted them all
    kill_process(server.manager(), Signal::STOP).unwrap();
    for (n, client) in clients.iter_mut().enumerate() {
        client.send(&request(&format!("/n/{n}"))).unwrap();
    }
    let until_late = Instant::now() + Duration::from_millis(4_200);
    until("their deadline has passed", || Instant::now() > until_late);
    kill_process(server.manager(), Signal::CONT).unwrap();
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.answer().unwrap().body, format!("/n/{n}").as_bytes());
    }
    drop(clients);
    server.stop();
}

/// Asks again and again until an answer says `Connection: close`. Returns how many were answered.
fn ask_until_told(server: &Server) -> usize {
    let mut client = server.connect();
    for n in 1.. {
        client.send(&request("/pid")).unwrap();
        if client.answer().unwrap().close {
            client.end().unwrap();
            return n;
        }
        thread::park_timeout(Duration::from_millis(20)); // it thinks
    }
    0
}

fn a_busy_client_is_told() {
    let server = Server::start(&["max_workers=2"]);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..8).map(|_| scope.spawn(|| ask_until_told(&server))).collect();
        let mut other = server.connect();
        for n in 0..100 {
            other.get(&format!("/n/{n}"));
        }
        drop(other);
        server.signal(Signal::TERM);
        for client in clients {
            assert!(client.join().unwrap() > 1);
        }
    });
    server.end();
}

fn limit_descriptors(of: Pid, soft: Option<u64>) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    prlimit(Some(of), Resource::Nofile, Rlimit { current: soft, maximum }).unwrap();
}

fn no_descriptor_is_free() {
    let server = Server::start(&["max_workers=1"]);
    let worker = server.some_worker();
    limit_descriptors(worker, Some(3));
    let mut client = server.connect();
    client.send(&request("/n/1")).unwrap();
    server.wait_for("a job was lost on the way");
    limit_descriptors(worker, Some(1024));
    assert_eq!(client.answer().unwrap().body, b"/n/1");
    server.assert_once();
    server.stop();
}

/// While others keep the job socket busy, it is never seen empty.
fn lost_in_a_crowd() {
    let server = Server::start(&["max_workers=1", "max_reqs_per_child=0"]);
    let worker = server.some_worker();
    limit_descriptors(worker, Some(3));
    let mut lost = server.connect();
    lost.send(&request("/n/lost")).unwrap();
    server.wait_for("a job was lost on the way");
    limit_descriptors(worker, Some(1024));
    let (begun, over) = (Instant::now(), AtomicBool::new(false));
    let crowd = || {
        while !over.load(Relaxed) && begun.elapsed() < 2 * DEADLINE {
            server.connect().get("/spin/5");
        }
    };
    thread::scope(|scope| {
        (0..40).for_each(|_| _ = scope.spawn(crowd));
        let answer = lost.answer();
        over.store(true, Relaxed);
        assert_eq!(answer.unwrap().body, b"/n/lost");
    });
    server.stop();
}

/// The manager comes to it when it has been told to stop already.
fn many_at_the_end() {
    let server = Server::start(&["max_workers=2"]);
    let manager = server.manager();
    kill_process(manager, Signal::STOP).unwrap();
    let mut clients: Vec<Client> = (0..300).map(|_| server.connect()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.send(&request(&format!("/n/{n}"))).unwrap();
    }
    server.signal(Signal::TERM);
    server.wait_for("stopping");
    kill_process(manager, Signal::CONT).unwrap();
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.answer().unwrap().body, format!("/n/{n}").as_bytes());
    }
    server.end();
}

fn gone() {
    let server = Server::start(&["max_workers=1"]);
    let mut busy = server.hold();
    let mut gone = server.connect();
    gone.send(&request("/n/gone")).unwrap();
    let mut other = server.connect();
    other.send("GET /n/other HTTP/1.1\r\n").unwrap();
    server.manager_has_read();
    gone.reset();
    other.send("Host: a\r\n\r\n").unwrap();
    // Whoever has waited for a moment only is not looked after.
    pass(Duration::from_millis(200));
    server.open_gate();
    assert_eq!(busy.answer().unwrap().body, b"done");
    assert_eq!(other.answer().unwrap().body, b"/n/other");
    assert!(!server.has_run("/n/gone"));
    server.stop();
}

/// Requests that are not tiny, so that there are no rounds; and who has sent them.
fn asks(who: &str, n: usize) -> String {
    request(&format!("/spin/3/{who}-{n}"))
}

/// How many of those in front have been overtaken by those behind: the largest number that any one of them has
/// seen run before it.
fn overtaken(ran: &[String], front: &str, behind: &str) -> usize {
    let last = ran.iter().rposition(|path| path.contains(front)).unwrap();
    ran[..last].iter().filter(|path| path.contains(behind)).count()
}

/// Two queues are full when the only worker comes back; one of them was filled before the other.
fn newcomers_and_kept() {
    let server = Server::start(&["max_workers=1"]);
    let send = |clients: &mut [Client], who: &str| {
        for (n, client) in clients.iter_mut().enumerate() {
            client.send(&asks(who, n)).unwrap();
        }
        server.manager_has_read();
        pass(Duration::from_millis(20));
    };
    let mut kept: Vec<Client> = (0..20).map(|_| server.connect()).collect();
    kept.iter_mut().for_each(|client| _ = client.get("/pid"));
    let mut busy = server.hold();
    let mut newcomers: Vec<Client> = (0..20).map(|_| server.connect()).collect();
    send(&mut newcomers, "newcomer");
    send(&mut kept, "kept");
    let mut second: Vec<Client> = (0..20).map(|_| server.connect()).collect();
    send(&mut second, "second");
    server.open_gate();
    busy.answer().unwrap();
    for client in newcomers.iter_mut().chain(&mut kept).chain(&mut second) {
        assert_eq!(client.answer().unwrap().body, b"done");
    }
    let ran = server.ran();
    for (front, behind) in [("newcomer", "kept"), ("kept", "second")] {
        let count = overtaken(&ran, front, behind);
        assert!(count <= 3, "{count} of {behind} have run before {front}: {ran:?}");
    }
    server.stop();
}

fn returning() {
    let server = Server::start(&["max_workers=1"]);
    let mut busy = server.hold();
    let mut clients: Vec<Client> = (0..40).map(|_| server.connect()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.send(&asks("first", n)).unwrap();
    }
    server.manager_has_read();
    thread::scope(|scope| {
        for (n, client) in clients.iter_mut().enumerate() {
            scope.spawn(move || {
                client.answer().unwrap();
                client.send(&asks("again", n)).unwrap();
                assert_eq!(client.answer().unwrap().body, b"done");
            });
        }
        server.open_gate();
    });
    busy.answer().unwrap();
    let ran = server.ran();
    let count = overtaken(&ran, "first", "again");
    assert!(count <= 3, "{count} have returned before others were served once: {ran:?}");
    server.stop();
}

/// Those who connected last ask first, so that the order of jobs is not that of slots. Workers come and go meanwhile.
fn deaths_in_a_queue() {
    let server = Server::start(&["max_workers=1", "max_reqs_per_child=1"]);
    let mut busy = server.hold();
    let mut clients: Vec<Client> = (0..20).map(|_| server.connect()).collect();
    server.manager_has_read();
    for (n, client) in clients.iter_mut().rev().enumerate() {
        client.send(&request(&format!("/spin/1/{n}"))).unwrap();
        server.manager_has_read();
    }
    server.open_gate();
    clients.iter_mut().for_each(|client| assert_eq!(client.answer().unwrap().body, b"done"));
    busy.answer().unwrap();
    let ran = server.ran();
    let expected: Vec<String> = (0..20).map(|n| format!("/spin/1/{n}")).collect();
    assert_eq!(ran[1..], expected, "twenty workers have left, and no job its place");
    server.stop();
}

//! Several events with one claim: nobody waits for long behind a request that takes its time after all.

use std::time::{Duration, Instant};

use crate::client::{Client, request};
use crate::server::{Server, until};
use crate::stories::Story;

pub(crate) fn all() -> Vec<Story> {
    let told: [(&str, fn()); 5] = [
        ("who_is_in_a_round_with_a_slow_request_does_not_wait_for_it", slow_among_tiny),
        ("a_worker_killed_in_a_round_costs_one_connection_at_most", killed_in_a_round),
        ("a_worker_that_leaves_in_a_round_costs_nothing", recycled_in_a_round),
        ("rounds_are_looked_at_after_a_worker_died_before_it_said_so", killed_before_it_said_so),
        ("an_answer_does_not_wait_for_what_was_pipelined_behind_it", pipelined_in_a_round),
    ];
    told.into_iter().map(|(name, story)| (name.to_owned(), Box::new(story) as _)).collect()
}

/// More than one worker takes at once, so that two have several each.
const CLIENTS: usize = 24;

/// One request on every connection, all sent before the first answer is read. Returns how many
/// connections broke; those are replaced.
fn burst(server: &Server, clients: &mut [Client]) -> usize {
    for client in &mut *clients {
        // Whoever cannot send cannot read, either.
        let _ = client.send(&request("/n/tiny"));
    }
    let mut broken = 0;
    for client in clients {
        if !client.answer().is_ok_and(|answer| answer.status == 200) {
            *client = server.connect();
            broken += 1;
        }
    }
    broken
}

/// Connections to a server whose workers know by now that its requests are tiny.
fn warm(server: &Server) -> Vec<Client> {
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| server.connect()).collect();
    for _ in 0..40 {
        assert_eq!(burst(server, &mut clients), 0);
    }
    clients
}

/// While both workers have something to do, `CLIENTS` requests come: one in their midst says this, and the
/// others are tiny. When those are answered, `then` is done. Returns how long each answer of that one took.
fn in_the_midst(
    server: &Server,
    clients: &mut [Client],
    said: &[&str],
    then: impl FnOnce() + Send,
) -> Vec<Duration> {
    let mut busy = [server.connect(), server.connect()];
    busy.iter_mut().for_each(|client| client.send(&request("/spin/20")).unwrap());
    let (one, tiny) = clients.split_at_mut(1);
    let (before, behind) = tiny.split_at_mut(CLIENTS / 4);
    before.iter_mut().for_each(|client| client.send(&request("/n/before")).unwrap());
    let asked = Instant::now();
    one[0].send(&said.iter().map(|path| request(path)).collect::<String>()).unwrap();
    behind.iter_mut().for_each(|client| client.send(&request("/n/behind")).unwrap());
    let each = said.iter().map(|_| {
        assert_eq!(one[0].answer().unwrap().status, 200);
        asked.elapsed()
    });
    let each = std::thread::scope(|threads| {
        threads.spawn(|| {
            for client in before.iter_mut().chain(behind).chain(&mut busy) {
                assert_eq!(client.answer().unwrap().status, 200);
            }
            then();
        });
        each.collect()
    });
    // They know again that requests are tiny.
    assert_eq!((0..40).map(|_| burst(server, clients)).sum::<usize>(), 0);
    each
}

fn slow_among_tiny() {
    let server = Server::start(&["max_workers=2"]);
    let mut clients = warm(&server);
    nobody_waits_for_the_slow(&server, &mut clients);
    server.stop();
}

/// The slow one goes on when all others are answered, and not before.
fn nobody_waits_for_the_slow(server: &Server, clients: &mut [Client]) {
    until("a round was freed", || {
        server.close_gate();
        in_the_midst(server, clients, &["/hold"], || server.open_gate());
        server.lines_with("a round lasts too long") > 0
    });
}

fn killed_before_it_said_so() {
    let server = Server::start_to_die(&["max_workers=2"], "round");
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| server.connect()).collect();
    until("a worker was killed", || {
        burst(&server, &mut clients);
        server.has_died()
    });
    server.wait_for("buried");
    until("there are two workers again", || server.family().len() == 4);
    (0..40).for_each(|_| assert_eq!(burst(&server, &mut clients), 0));
    nobody_waits_for_the_slow(&server, &mut clients);
    server.stop();
}

/// The third is answered when its round was freed already: the kernel would keep the answer for 200 ms.
fn pipelined_in_a_round() {
    let server = Server::start(&["max_workers=2"]);
    let mut clients = warm(&server);
    let said = ["/n/first", "/spin/60", "/n/third", "/spin/400"];
    // Without that push more than half of them wait. Others may keep the machine busy for a while.
    let (mut in_time, mut late) = (0, 0);
    while in_time < 18 {
        let each = in_the_midst(&server, &mut clients, &said, || ());
        if each[2].saturating_sub(each[0]) > Duration::from_millis(200) {
            late += 1;
        } else {
            in_time += 1;
        }
        assert!(late <= 6, "{late} have waited, {in_time} have not");
    }
    server.stop();
}

fn killed_in_a_round() {
    let server = Server::start_to_die(&["max_workers=2"], "round");
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| server.connect()).collect();
    let mut broken = 0;
    until("a worker was killed", || {
        broken += burst(&server, &mut clients);
        server.has_died()
    });
    broken += burst(&server, &mut clients);
    assert!(broken <= 1, "one death has cost {broken} connections");
    server.wait_for("buried");
    until("there are two workers again", || server.family().len() == 4);
    assert_eq!((0..10).map(|_| burst(&server, &mut clients)).sum::<usize>(), 0);
    server.stop();
}

fn recycled_in_a_round() {
    let server = Server::start(&["max_workers=2", "max_reqs_per_child=300"]);
    let mut clients = warm(&server);
    for _ in 0..60 {
        assert_eq!(burst(&server, &mut clients), 0);
    }
    server.stop();
}

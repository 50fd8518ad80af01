//! Connections for one request, whose ends leave together: nobody waits for long behind a request that takes its
//! time after all, and no death costs those who are answered.

use crate::client::Client;
use crate::server::{Server, until};
use crate::stories::Story;

pub(crate) fn all() -> Vec<Story> {
    let told: [(&str, fn()); 4] = [
        ("who_is_answered_does_not_wait_for_a_slow_request_to_end", slow_among_tiny),
        ("nor_if_another_was_ended_meanwhile", slow_behind_a_stream),
        ("a_worker_killed_with_ends_held_back_costs_nothing", killed_with_ends),
        ("recycled_workers_that_hold_ends_back_cost_nothing", recycled_with_ends),
    ];
    told.into_iter().map(|(name, story)| (name.to_owned(), Box::new(story) as _)).collect()
}

/// More than the workers take before they look again.
const CLIENTS: usize = 24;

/// A connection of its own for each of these paths, asked for at once.
fn ask(server: &Server, paths: &[&str]) -> Vec<Client> {
    let ask = |path: &&str| {
        let mut client = server.connect();
        client
            .send(&format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
            .unwrap();
        client
    };
    paths.iter().map(ask).collect()
}

/// The answer, and the end behind it.
fn see_off(client: &mut Client) {
    assert_eq!(client.answer().unwrap().status, 200);
    client.end().unwrap();
}

fn burst(server: &Server) {
    ask(server, &["/n/tiny"; CLIENTS]).iter_mut().for_each(see_off);
}

/// A server whose workers know by now that its requests are tiny.
fn warm(options: &[&str]) -> Server {
    let server = Server::start(options);
    (0..40).for_each(|_| burst(&server));
    server
}

/// The slow one goes on when all others have their end, and not before.
fn slow_among_tiny() {
    let server = warm(&["max_workers=2"]);
    until("a worker held ends back for too long", || {
        server.close_gate();
        let mut busy = ask(&server, &["/spin/20"; 2]);
        let mut before = ask(&server, &["/n/before"; CLIENTS / 4]);
        let mut slow = ask(&server, &["/hold"]);
        let behind = ask(&server, &["/n/behind"; CLIENTS / 4]);
        before.extend(behind);
        busy.iter_mut().chain(&mut before).for_each(see_off);
        server.open_gate();
        slow.iter_mut().for_each(see_off);
        // They know again that requests are tiny.
        (0..20).for_each(|_| burst(&server));
        server.lines_with("a round lasts too long") > 0
    });
    server.stop();
}

/// A stream's end is not held back, and says nothing of those that are.
fn slow_behind_a_stream() {
    let server = warm(&["max_workers=1"]);
    until("a worker held ends back for too long", || {
        server.close_gate();
        let mut busy = ask(&server, &["/spin/20"]);
        let mut before = ask(&server, &["/n/before", "/stream/x"]);
        let mut slow = ask(&server, &["/hold"]);
        busy.iter_mut().chain(&mut before).for_each(see_off);
        server.open_gate();
        slow.iter_mut().for_each(see_off);
        (0..20).for_each(|_| burst(&server));
        server.lines_with("a round lasts too long") > 0
    });
    server.stop();
}

fn killed_with_ends() {
    let server = Server::start_to_die(&["max_workers=2"], "round");
    until("a worker was killed", || {
        burst(&server);
        server.has_died()
    });
    server.wait_for("buried");
    (0..10).for_each(|_| burst(&server));
    server.stop();
}

fn recycled_with_ends() {
    let server = warm(&["max_workers=2", "max_reqs_per_child=200"]);
    (0..20).for_each(|_| burst(&server));
    server.stop();
}

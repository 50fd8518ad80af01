//! While requests are tiny and many, some workers serve, and the others stand aside.

use std::collections::HashMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::client::{Client, request};
use crate::server::{Server, until};
use crate::stories::Story;

pub(crate) fn all() -> Vec<Story> {
    let told: [(&str, fn()); 3] = [
        ("while_requests_are_tiny_some_serve_and_the_others_stand_aside", some_serve),
        ("who_stands_aside_comes_when_others_take_their_time", they_come),
        ("who_stands_aside_closes_what_is_over", they_close),
    ];
    told.into_iter().map(|(name, story)| (name.to_owned(), Box::new(story) as _)).collect()
}

const CLIENTS: usize = 24;

/// Nobody stands aside who is asked for this: it takes milliseconds of a core.
const NOT_TINY: &str = "/spin/3";

/// As many as may serve while requests are tiny, on two cores.
const ENOUGH: usize = 3;

/// Two workers more than are needed, who live on, on no more than two of this machine's cores.
fn start() -> Server {
    let mine = sched_getaffinity(None).unwrap();
    let mut two = CpuSet::new();
    (0..CpuSet::MAX_CPU).filter(|core| mine.is_set(*core)).take(2).for_each(|core| two.set(core));
    sched_setaffinity(None, &two).unwrap();
    let server = Server::start(&["max_workers=5", "max_reqs_per_child=0"]);
    sched_setaffinity(None, &mine).unwrap();
    server
}

fn connect(server: &Server) -> Vec<Client> {
    (0..CLIENTS).map(|_| server.connect()).collect()
}

/// Everybody asks, and then everybody reads.
fn ask_all(clients: &mut [Client], path: &str) -> Vec<String> {
    clients.iter_mut().for_each(|client| client.send(&request(path)).unwrap());
    let answers = clients.iter_mut().map(|client| client.answer().unwrap());
    answers.map(|answer| String::from_utf8(answer.body).unwrap()).collect()
}

/// Whether of many requests nearly all are served by as many workers as are enough.
fn do_some_serve(clients: &mut [Client]) -> bool {
    let mut served = HashMap::<String, usize>::new();
    for pid in (0..50).flat_map(|_| ask_all(clients, "/who")) {
        *served.entry(pid).or_default() += 1;
    }
    let mut most: Vec<usize> = served.into_values().collect();
    most.sort_unstable_by(|a, b| b.cmp(a));
    let all: usize = most.iter().sum();
    most.iter().take(ENOUGH).sum::<usize>() * 20 > all * 19
}

fn some_serve() {
    let server = start();
    let mut clients = connect(&server);
    beside_others(&server, || {
        until("some serve and the others stand aside", || do_some_serve(&mut clients));
    });
    server.stop();
}

/// Does something while there is always more to serve.
fn beside_others(server: &Server, then: impl FnOnce()) {
    let enough = AtomicBool::new(false);
    thread::scope(|threads| {
        for mut others in [connect(server), connect(server)] {
            let enough = &enough;
            threads.spawn(move || {
                while !enough.load(Relaxed) {
                    ask_all(&mut others, "/who");
                }
            });
        }
        let done = catch_unwind(AssertUnwindSafe(then));
        enough.store(true, Relaxed);
        done.unwrap_or_else(|why| resume_unwind(why));
    });
}

/// Whoever serves is held, and whoever stands aside serves the rest.
fn they_come() {
    let server = start();
    let mut clients = connect(&server);
    let (held, rest) = clients.split_at_mut(ENOUGH + 1);
    beside_others(&server, || {
        until("some serve and the others stand aside", || do_some_serve(rest));
        server.close_gate();
        held.iter_mut().for_each(|client| client.send(&request("/hold")).unwrap());
        let since = Instant::now();
        (0..10).for_each(|_| assert_eq!(ask_all(rest, "/who").len(), rest.len()));
        assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    });
    server.open_gate();
    held.iter_mut().for_each(|client| assert_eq!(client.answer().unwrap().status, 200));
    server.stop();
}

/// As long as others go on asking nobody is idle, neither who serves nor who does not; and yet what those had
/// who have gone is closed.
fn they_close() {
    let server = start();
    let mut many: Vec<Client> = (0..4).flat_map(|_| connect(&server)).collect();
    let workers = workers(&server);
    // Others beside whom they go have half as many.
    let most = many.len() * 3 / 4;
    until("every worker has met most of them", || {
        ask_all(&mut many, NOT_TINY);
        workers.iter().all(|worker| sockets(*worker) > most)
    });
    beside_others(&server, || {
        drop(many);
        until("what is over is closed by every worker", || {
            workers.iter().all(|worker| sockets(*worker) <= most)
        });
    });
    server.stop();
}

fn workers(server: &Server) -> Vec<Pid> {
    let others = [server.supervisor(), server.manager()];
    server.family().into_iter().filter(|pid| !others.contains(pid)).collect()
}

fn sockets(worker: Pid) -> usize {
    let files = fs::read_dir(format!("/proc/{}/fd", worker.as_raw_nonzero())).unwrap();
    let links = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
}

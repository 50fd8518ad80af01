//! What signals do, and what is left afterwards: nothing.

use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::client::{Client, Seen, request};
use crate::server::{DEADLINE, Server, pass, until};
use crate::stories::{Story, many};

pub(crate) fn all() -> Vec<Story> {
    let told: [(&str, fn()); 13] = [
        ("term_answers_what_runs_and_ends_what_is_idle", term),
        ("quit_is_term", quit),
        ("a_second_term_is_fast", a_second_term_is_fast),
        ("an_interrupt_is_fast", an_interrupt_is_fast),
        ("who_does_not_leave_is_killed_at_the_deadline", graceful_timeout),
        ("a_stopped_worker_is_killed_at_the_deadline", a_stopped_worker),
        ("term_to_every_process_at_once_answers_what_runs", term_to_all),
        ("a_worker_told_to_leave_answers_and_is_replaced", term_to_a_worker),
        ("interrupts_and_hangups_reach_the_supervisor_alone", signals_to_others),
        ("a_hangup_replaces_all_workers_and_costs_nothing", hangup),
        ("one_worker_more_and_one_less", more_and_fewer),
        ("a_pid_file_and_a_path_go_with_the_server", files),
        ("an_address_that_is_taken_is_status_4", taken),
    ];
    told.into_iter().map(|(name, story)| (name.to_owned(), Box::new(story) as _)).collect()
}

/// A client whose request is being run.
fn running(server: &Server, path: &str) -> Client {
    let mut client = server.connect();
    client.send(&request(path)).unwrap();
    until("it runs", || server.has_run(path));
    client
}

fn workers(server: &Server) -> Vec<Pid> {
    let others = [server.manager(), server.supervisor()];
    server.family().into_iter().filter(|pid| !others.contains(pid)).collect()
}

fn term_by(signal: Signal) {
    let server = Server::start(&["max_workers=2"]);
    let mut idle = server.connect();
    idle.get("/n/1");
    let mut client = running(&server, "/spin/400");
    server.signal(signal);
    idle.end().unwrap();
    until("nobody listens", || TcpStream::connect(server.address).is_err());
    assert_eq!(client.answer().unwrap().body, b"done");
    client.end().unwrap();
    assert_eq!(server.end(), Some(0));
}

fn term() {
    term_by(Signal::TERM);
}

fn quit() {
    term_by(Signal::QUIT);
}

fn a_second_term_is_fast() {
    let server = Server::start(&["max_workers=1"]);
    let mut client = running(&server, "/begin-and-hang");
    server.signal(Signal::TERM);
    server.wait_for("stopping");
    // The same TERM, passed on by somebody: it changes nothing.
    server.signal(Signal::TERM);
    pass(Duration::from_millis(1_100));
    let before = Instant::now();
    server.signal(Signal::TERM);
    assert!(client.answer().is_err());
    assert_eq!(server.end(), Some(0));
    assert!(before.elapsed() < DEADLINE);
}

fn an_interrupt_is_fast() {
    let server = Server::start(&["max_workers=1"]);
    let mut client = running(&server, "/begin-and-hang");
    let before = Instant::now();
    server.signal(Signal::INT);
    assert!(client.answer().is_err());
    assert_eq!(server.end(), Some(0));
    assert!(before.elapsed() < DEADLINE);
}

fn graceful_timeout() {
    let server = Server::start(&["max_workers=2", "graceful_timeout=0.3"]);
    let mut client = running(&server, "/hang");
    server.signal(Signal::TERM);
    assert!(!client.answer().is_ok_and(|answer| answer.status == 200));
    assert_eq!(server.end(), Some(0));
}

fn a_stopped_worker() {
    let server = Server::start(&["max_workers=1", "graceful_timeout=0.3"]);
    kill_process(server.some_worker(), Signal::STOP).unwrap();
    server.signal(Signal::TERM);
    assert_eq!(server.end(), Some(0));
}

fn term_to_all() {
    let server = Server::start(&["max_workers=2"]);
    let mut client = running(&server, "/spin/400");
    let mut queued = server.connect();
    queued.get("/n/1");
    for pid in server.family() {
        kill_process(pid, Signal::TERM).unwrap();
    }
    assert_eq!(client.answer().unwrap().body, b"done");
    assert_eq!(server.end(), Some(0));
}

fn term_to_a_worker() {
    let server = Server::start(&["max_workers=1"]);
    let worker = server.some_worker();
    let mut client = running(&server, "/spin/300");
    kill_process(worker, Signal::TERM).unwrap();
    assert_eq!(client.answer().unwrap().body, b"done");
    // The connection is not the worker's: the next one goes on with it.
    assert_ne!(client.get("/pid"), worker.as_raw_nonzero().get().to_string());
    server.stop();
}

fn signals_to_others() {
    let server = Server::start(&["max_workers=1"]);
    let (worker, manager) = (server.some_worker(), server.manager());
    kill_process(worker, Signal::INT).unwrap();
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::USR1, Signal::PIPE] {
        kill_process(manager, signal).unwrap();
    }
    assert_eq!(many(&server, 2, 20), Seen { answered: 40, broken: 0 });
    assert_eq!(server.some_worker(), worker);
    assert!(server.family().contains(&manager));
    server.stop();
}

fn hangup() {
    let server = Server::start(&["max_workers=3"]);
    let before = workers(&server);
    thread::scope(|scope| {
        let load = scope.spawn(|| many(&server, 6, 300));
        server.signal(Signal::HUP);
        until("all are new", || {
            let now = workers(&server);
            now.len() == 3 && !now.iter().any(|pid| before.contains(pid))
        });
        assert_eq!(load.join().unwrap(), Seen { answered: 1_800, broken: 0 });
    });
    server.assert_once();
    server.stop();
}

fn more_and_fewer() {
    let server = Server::start(&["max_workers=1"]);
    until("one", || workers(&server).len() == 1);
    server.signal(Signal::TTIN);
    until("two", || workers(&server).len() == 2);
    server.signal(Signal::TTOU);
    until("one again", || workers(&server).len() == 1);
    server.signal(Signal::TTOU);
    server.wait_for("the last worker stays");
    assert_eq!(workers(&server).len(), 1);
    server.stop();
}

fn files() {
    let at = |what: &str| {
        let name = format!("monoceros-orders-{}.{what}", std::process::id());
        std::env::temp_dir().join(name)
    };
    let (pid, socket): (PathBuf, PathBuf) = (at("pid"), at("sock"));
    let options = [format!("pid={}", pid.display()), format!("listen={}", socket.display())];
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let server = Server::start(&options);
    let number = server.supervisor().as_raw_nonzero().get();
    assert_eq!(std::fs::read_to_string(&pid).unwrap(), format!("{number}\n"));
    UnixStream::connect(&socket).unwrap();
    let (status, log) = Server::fail(&["listen=127.0.0.1:0", options[0]]);
    assert_eq!(status, Some(1), "{log}");
    assert!(log.contains("belongs to a server that runs"), "{log}");
    let (status, log) = Server::fail(&[options[1]]);
    assert_eq!(status, Some(4), "{log}");
    server.stop();
    assert!(!pid.exists() && !socket.exists());
}

fn taken() {
    let server = Server::start(&["max_workers=1"]);
    let listen = format!("listen={}", server.address);
    let (status, log) = Server::fail(&[&listen]);
    assert_eq!(status, Some(4), "{log}");
    assert!(log.contains(&format!("cannot listen on {}: ", server.address)), "{log}");
    server.stop();
}

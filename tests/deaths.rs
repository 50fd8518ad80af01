//! Processes killed at bad moments: what it costs, and that nothing is left behind.

use crate::support::{Client, End, Pid, Server, Signal, Tree, both_doors, kill};

/// Whoever waits for this before a birth is not there in time for any story.
const NO_PAUSE: &str = "--err-respawn-interval=60";

/// The process that a line of the log names as `pid=…`.
fn pid_in(line: &str) -> Pid {
    let word = line.split_whitespace().find_map(|word| word.strip_prefix("pid="));
    let number = word.and_then(|word| word.parse().ok());
    number.and_then(Pid::from_raw).unwrap_or_else(|| panic!("no pid in {line:?}"))
}

/// Sends a request that will wait at the gate; gives the worker that has it.
fn hold(server: &Server, client: &mut Client, path: &str) -> Pid {
    client.get(path);
    pid_in(&server.expect_log(&format!("path={path}")))
}

/// What ps shows of a process; its short name, which is the title's beginning, is looked at, too.
fn title(pid: Pid) -> String {
    let read = |file| {
        let path = format!("/proc/{}/{file}", pid.as_raw_nonzero());
        std::fs::read_to_string(path).unwrap_or_default()
    };
    let (title, short) = (read("cmdline"), read("comm"));
    let title = title.trim_end_matches(['\0', ' ']);
    let same = !short.is_empty() && title.starts_with(short.trim_end());
    if same { title.to_owned() } else { format!("{title} {short}") }
}

both_doors! {
    /// Before the first byte of an answer: one client gets a 502, nobody else notices.
    fn a_worker_killed_in_mid_request_costs_one_answer(door) {
        let server = Server::start(door, "hold.psgi", &["--max-workers=2", NO_PAUSE]);
        let mut kept: Vec<_> = (0..10).map(|_| server.connect()).collect();
        for client in &mut kept {
            assert_eq!(client.ask("/kept").status(), 200);
        }
        // The first time it came as a job, the second time a worker claimed it.
        for (round, warm) in [(1, false), (2, true)] {
            let mut victim = server.connect();
            if warm {
                victim.ask("/first");
            }
            let worker = hold(&server, &mut victim, &format!("/hold{round}"));
            kill(worker);
            let answer = victim.answer();
            assert_eq!((answer.status(), answer.field("Connection")), (502, Some("close")));
            victim.expect_end();

            // Both workers are there again: both can be busy at once.
            let mut both = [server.connect(), server.connect()];
            let [one, two] = &mut both;
            let first = hold(&server, one, &format!("/hold-one{round}"));
            let second = hold(&server, two, &format!("/hold-two{round}"));
            assert!(first != second && first != worker && second != worker);
            server.open_gate(2);
            assert!(both.iter_mut().all(|client| client.answer().status() == 200));
            for client in &mut kept {
                assert_eq!(client.ask("/kept").status(), 200);
            }
        }
        server.stop();
    }

    /// After the first byte: a reset, never an answer that looks whole.
    fn a_worker_killed_in_mid_answer_is_a_reset(door) {
        let server = Server::start(door, "streams.psgi", &["--max-workers=1"]);
        for path in ["/events", "/length"] {
            let mut client = server.connect();
            let mark = server.log.mark();
            client.get(path);
            client.read_at_least(1);
            kill(pid_in(&server.expect_log_since(mark, "waiting pid=")));
            let answer = client.any_answer(false);
            assert_eq!((answer.status(), answer.whole, answer.end), (200, false, End::Reset), "{path}");
            assert_eq!(server.connect().ask("/next").text(), "/next");
        }
        server.stop();
    }

    /// An idle worker's death is nobody's loss.
    fn a_worker_killed_while_idle_costs_nothing(door) {
        let server = Server::start(door, "hold.psgi", &["--max-workers=1"]);
        let mut client = server.connect();
        for _ in 0..5 {
            client.ask("/first");
            // The only worker serves somebody else: so it has released the first connection.
            let text = server.connect().ask("/other").text();
            let worker = pid_in(&format!("pid={}", text.split(' ').nth(1).unwrap()));
            let tree = Tree::one(worker);
            kill(worker);
            assert_eq!(tree.survivors(), []);
            let next = client.ask("/next").text();
            assert!(next.starts_with("/next "), "{next}");
        }
        server.stop();
    }

    /// A child of the application that outlives its worker does not hide the death.
    fn a_grandchild_hides_no_death(door) {
        let server = Server::start(door, "forks.psgi", &["--max-workers=1"]);
        let mut client = server.connect();
        let text = client.ask("/fork").text();
        let worker = pid_in(&format!("pid={}", text.split(' ').nth(1).unwrap()));
        let mut victim = server.connect();
        assert_eq!(hold(&server, &mut victim, "/hold"), worker);
        kill(worker);
        assert_eq!(victim.answer().status(), 502);
        assert_eq!(server.connect().ask("/next").status(), 200);
        // The child of the application, and whoever else waits there.
        server.open_gate(2);
        server.stop();
    }

    /// The supervisor's death ends everything, whatever it is doing.
    fn nothing_outlives_the_supervisor(door) {
        let mut server = Server::start(door, "hold.psgi", &["--max-workers=4"]);
        let mut idle: Vec<_> = (0..10).map(|_| server.connect()).collect();
        for client in &mut idle {
            client.ask("/kept");
        }
        let mut held = server.connect();
        hold(&server, &mut held, "/hold");
        let tree = server.tree();
        assert!(tree.pids().len() >= 6, "supervisor, manager, four workers: {:?}", tree.pids());
        server.signal(Signal::KILL);
        server.wait();
        assert_eq!(tree.survivors(), []);
    }

    /// The manager's death ends its connections; a new set is there at once.
    fn the_manager_is_replaced(door) {
        let server = Server::start(door, "path_info.psgi", &["--max-workers=2", NO_PAUSE]);
        let mut client = server.connect();
        client.ask("/first");
        let before = server.tree();
        kill(server.manager());
        client.expect_gone();
        server.until("a new set serves", || {
            let mut client = server.connect();
            client.try_send(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n").is_ok()
                && client.read_at_least(1) > 0
        });
        server.until("only the supervisor is the same", || {
            let after = server.tree().pids();
            before.pids().iter().filter(|pid| after.contains(pid)).count() == 1 && after.len() == 4
        });
        server.stop();
    }

    /// ps tells who is who, also after a manager's death.
    fn every_process_has_its_title(door) {
        let server = Server::start(door, "path_info.psgi", &["--max-workers=2"]);
        let titles = || {
            let mut titles: Vec<_> = server.tree().pids().into_iter().map(title).collect();
            titles.sort_unstable();
            titles
        };
        let all = ["manager", "supervisor", "worker 0", "worker 1"];
        let all = all.map(|role| format!("monoceros: {role}"));
        server.until("all have their titles", || titles() == all);
        let before = server.manager();
        kill(before);
        server.until("there is another manager", || server.manager() != before);
        server.until("the new ones have them, too", || titles() == all);
        server.stop();
        let server = Server::start(door, "path_info.psgi", &["--disable-proctitle"]);
        for pid in server.tree().pids() {
            // Plack itself sets the title while it loads a file: only ours is to be missing.
            let name = title(pid);
            assert!(!name.contains("monoceros: ") && name.starts_with('/'), "{name}");
        }
        server.stop();
    }
}

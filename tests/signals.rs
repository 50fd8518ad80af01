//! What an operator sends, and what a client sees of it.

use std::fs;
use std::time::Duration;

use crate::support::{Client, Door, Server, Setup, Signal, both_doors};

/// A server with one request that waits at the gate and one idle connection, which silence alone does not end
/// while a story lasts.
fn busy(door: Door, options: &[&str]) -> (Server, Client, Client) {
    let options = [&["--keepalive-timeout=60"], options].concat();
    let server = Server::start(door, "hold.psgi", &options);
    let (mut held, mut idle) = (server.connect(), server.connect());
    assert_eq!(idle.ask("/first").status(), 200);
    held.get("/hold");
    server.expect_log("path=/hold");
    (server, held, idle)
}

/// The held request is answered in full and its connection ended; then everybody is gone.
#[track_caller]
fn ends_in_good_order(mut server: Server, mut held: Client) {
    let tree = server.tree();
    server.open_gate(1);
    let answer = held.answer();
    assert_eq!((answer.status(), answer.field("Connection")), (200, Some("close")));
    held.expect_end();
    assert_eq!(server.wait().code(), Some(0));
    assert_eq!(tree.survivors(), []);
}

both_doors! {
    /// What is running is finished, what is idle is closed, and then it is over.
    fn term_and_quit_are_graceful(door) {
        for signal in [Signal::TERM, Signal::QUIT] {
            let (server, held, mut idle) = busy(door, &["--max-workers=2"]);
            server.signal(signal);
            idle.expect_end();
            // By now the listeners are closed; the request is still running.
            let refused = std::net::TcpStream::connect(&server.addresses()[0]);
            assert!(refused.is_err(), "a connection after {signal:?}");
            ends_in_good_order(server, held);
        }
    }

    /// Patience with a request that does not end has an end; workers without one leave in good order.
    fn a_graceful_stop_has_a_deadline(door) {
        let (mut server, mut held, _idle) = busy(door, &["--graceful-timeout=4", "--max-workers=3"]);
        let line = server.expect_log("path=/hold");
        let (workers, manager, tree) = (server.workers(), server.manager(), server.tree());
        server.signal(Signal::TERM);
        assert_eq!(server.wait().code(), Some(0));
        assert_eq!(tree.survivors(), []);
        held.read_at_least(1_000_000);
        let number = |pid: &crate::support::Pid| pid.as_raw_nonzero().to_string();
        let killed = |pid: &str| format!("killed: it had not left in time pid={pid}");
        server.expect_log(&killed(&number(&manager)));
        for pid in workers.iter().map(number) {
            // Whoever is told to leave has a second for it, and a busy machine may need more: its blocks have run.
            let has_one = line.contains(&format!("pid={pid} "));
            server.expect_log(&if has_one { killed(&pid) } else { format!("END of {pid}") });
        }
    }

    /// A stopped worker does not stop the stop.
    fn a_stopped_worker_is_killed_in_the_end(door) {
        let (mut server, _held, _idle) = busy(door, &["--graceful-timeout=1"]);
        let tree = server.tree();
        let line = server.expect_log("path=/hold");
        let pid = line.split("pid=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        crate::support::signal(crate::support::Pid::from_raw(pid).unwrap(), Signal::STOP);
        server.signal(Signal::TERM);
        assert_eq!(server.wait().code(), Some(0));
        assert_eq!(tree.survivors(), []);
    }

    /// The same signal at once is the same signal; after a second it means now.
    fn a_second_term_is_fast(door) {
        let (mut server, _held, mut idle) = busy(door, &[]);
        let tree = server.tree();
        server.signal(Signal::TERM);
        server.signal(Signal::TERM);
        idle.expect_end();
        server.outlives(Duration::from_millis(1100));
        server.signal(Signal::TERM);
        assert_eq!(server.wait().code(), Some(0));
        assert_eq!(tree.survivors(), []);
    }

    /// INT does not wait for anybody.
    fn int_is_fast(door) {
        let (mut server, _held, _idle) = busy(door, &[]);
        let tree = server.tree();
        server.signal(Signal::INT);
        assert_eq!(server.wait().code(), Some(0));
        assert_eq!(tree.survivors(), []);
    }

    /// All workers are new, and a client that never stopped asking has lost nothing.
    fn hup_recycles_workers_one_by_one(door) {
        // Whoever is replaced has not failed, even if it never had anything to do.
        let options = ["--max-workers=3", "--err-respawn-interval=60"];
        let server = Server::start(door, "hold.psgi", &options);
        server.outlives(Duration::from_millis(1100));
        let old = server.workers();
        assert_eq!(old.len(), 3);
        let mut client = server.connect();
        server.signal(Signal::HUP);
        server.until("all workers are new", || {
            for _ in 0..20 {
                let answer = client.ask("/asking");
                assert_eq!((answer.status(), answer.field("Connection")), (200, None));
            }
            let now = server.workers();
            now.len() == 3 && !now.iter().any(|pid| old.contains(pid))
        });
        server.stop();
    }

    /// One worker more, one less, never none.
    fn ttin_and_ttou_change_the_number_of_workers(door) {
        let (server, mut held, mut idle) = busy(door, &["--max-workers=1"]);
        // The only worker is busy. Another one takes the next request.
        server.signal(Signal::TTIN);
        assert_eq!(idle.ask("/second").status(), 200);
        assert_eq!(server.workers().len(), 2);
        server.open_gate(1);
        assert_eq!(held.answer().status(), 200);
        server.signal(Signal::TTOU);
        server.until("one worker", || server.workers().len() == 1);
        server.signal(Signal::TTOU);
        assert_eq!(idle.ask("/third").status(), 200);
        assert_eq!(server.workers().len(), 1);
        server.stop();
    }

    /// A log that was moved away is begun anew.
    fn usr1_reopens_the_error_log(door) {
        let setup = Setup::new(door, "report.psgi");
        let (folder, path) = (setup.folder().to_owned(), setup.folder().join("log"));
        let socket = folder.join("socket").display().to_string();
        let log = format!("--error-log={}", path.display());
        let server = setup.only(&["--listen", &socket, &log, "--max-workers=1"]).spawn();
        server.until("it listens", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
        let mut client = Client::connect(&socket);
        client.ask("/before");
        fs::rename(&path, folder.join("old")).unwrap();
        server.signal(Signal::USR1);
        server.until("there is a new log", || path.exists());
        let said = |path: &std::path::Path, what: &str| fs::read_to_string(path).unwrap().contains(what);
        server.until("the application's words are in it", || {
            client.ask("/after");
            said(&path, "report GET /after")
        });
        assert!(said(&folder.join("old"), "report GET /before"));
        server.stop();
    }

    /// A worker that is told to leave before it first waits leaves, and is replaced.
    fn a_term_before_the_first_wait_is_not_lost(door) {
        let setup = Setup::bare(door);
        let app = setup.folder().join("app.psgi");
        let code = "if (!-e \"$ENV{TEST_DIR}/told\") { \
                    open my $told, '>', \"$ENV{TEST_DIR}/told\" or die $!; \
                    print STDERR \"told $$.\\n\"; kill TERM => $$ } \
                    sub { [200, ['Content-Type' => 'text/plain'], [$$]] }";
        fs::write(&app, code).unwrap();
        let delayed: &[&str] =
            if door == Door::Program { &["--disable-preload-app"] } else { &["-L", "Delayed"] };
        let path = app.display().to_string();
        let options = ["--listen", "127.0.0.1:0", "--max-workers=1", "-E", "deployment", "-a", &path];
        let server = setup.options(delayed).options(&options).start();
        let line = server.expect_log("told ");
        let told = line.trim_start_matches("told ").trim_end_matches('.');
        server.expect_log(&format!("a worker has left worker=0 pid={told}"));
        assert_ne!(server.connect().ask("/").text(), told);
        server.stop();
    }

    /// systemd signals a whole group, and start_server passes its own on: one stop, and nobody loses his
    /// answer.
    fn a_term_for_everybody_is_one_stop(door) {
        let (server, held, mut idle) = busy(door, &["--max-workers=2"]);
        rustix::process::kill_process_group(server.pid(), Signal::TERM).unwrap();
        server.signal(Signal::TERM);
        idle.expect_end();
        ends_in_good_order(server, held);
    }

    /// Starlet's slow stop: worker by worker, and whoever asks meanwhile is served.
    fn usr1_may_stop_slowly(door) {
        let options = ["--signal-usr1=slow-stop", "--spawn-interval=4", "--max-workers=2"];
        let mut server = Server::start(door, "hold.psgi", &options);
        let (mut client, tree) = (server.connect(), server.tree());
        assert_eq!((client.ask("/first").status(), server.workers().len()), (200, 2));
        server.signal(Signal::USR1);
        server.until("one worker is left", || server.workers().len() == 1);
        assert_eq!(client.ask("/second").status(), 200);
        assert_eq!(server.connect().ask("/new").status(), 200);
        client.expect_end();
        assert_eq!(server.wait().code(), Some(0));
        assert_eq!(tree.survivors(), []);
    }

    /// A worker that is told to leave finishes first, and is replaced.
    fn a_worker_told_to_leave_finishes_first(door) {
        for signal in [Signal::TERM, Signal::QUIT, Signal::HUP] {
            let (server, mut held, mut idle) = busy(door, &["--max-workers=1"]);
            let [worker] = server.workers()[..] else { panic!("one worker") };
            crate::support::signal(worker, signal);
            server.open_gate(1);
            assert_eq!(held.answer().status(), 200);
            server.until("a new worker", || !server.workers().contains(&worker));
            assert_eq!(idle.ask("/next").status(), 200);
            server.stop();
        }
    }

    /// A terminal's interrupt reaches the whole group, and a worker leaves it to the supervisor.
    fn a_worker_ignores_int(door) {
        let (server, mut held, _idle) = busy(door, &["--max-workers=1"]);
        let [worker] = server.workers()[..] else { panic!("one worker") };
        crate::support::signal(worker, Signal::INT);
        server.open_gate(1);
        assert_eq!(held.answer().text(), format!("/hold {}", worker.as_raw_nonzero()));
        assert_eq!(held.ask("/next").text(), format!("/next {}", worker.as_raw_nonzero()));
        server.stop();
    }
}

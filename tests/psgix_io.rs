//! psgix.io: who looks at the socket, who takes it, and how that ends.

use std::time::Duration;

use crate::support::{Client, Door, End, Pid, Server, Setup, Signal, both_doors, kill};

/// Asks for another protocol.
fn upgrade(client: &mut Client, path: &str) {
    client.send(format!(
        "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
    ));
}

/// Asks for another protocol, and gets it.
#[track_caller]
fn switch(client: &mut Client, path: &str) {
    upgrade(client, path);
    let answer = client.any_answer(true);
    assert_eq!((answer.status(), answer.field("Upgrade")), (101, Some("echo")), "{path}");
    assert_eq!(answer.field("Connection"), Some("Upgrade"), "{path}");
}

#[track_caller]
fn expect_echo(client: &mut Client, said: &str) {
    client.send(said);
    client.expect_bytes(format!("echo {said}").as_bytes());
}

/// What the application finds out about a socket, at this address of the server's.
fn methods(door: Door, listen: &str, address: impl Fn(&Setup) -> String) -> (Client, String) {
    let setup = Setup::new(door, "socket.psgi");
    let address = address(&setup).replace("LISTEN", listen);
    let server = setup.only(&["--listen", &address, "-E", "deployment"]).start();
    let mut client = server.connect();
    let answer = client.ask("/methods");
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let text = answer.text();
    for line in
        ["low=1", "blocking=1", "connected=1", "select=1", "waiting=0", "timeout=none none 7"]
    {
        assert!(text.lines().any(|said| said == line), "no {line} in {text}");
    }
    assert_eq!(client.ask("/next").text(), "/next");
    server.stop();
    (client, text)
}

both_doors! {
    /// Edge 21. The socket is the application's, however it says so, until it returns; then the
    /// connection ends, and the worker serves on.
    fn the_socket_may_be_taken(door) {
        let server = Server::start(door, "socket.psgi", &["--max-workers=1"]);
        for path in ["/by-hand", "/writer", "/three"] {
            for warm in [false, true] {
                let mut client = server.connect();
                if warm {
                    assert_eq!(client.ask("/first").text(), "/first");
                }
                switch(&mut client, path);
                expect_echo(&mut client, "hello");
                expect_echo(&mut client, "again");
                client.half_close();
                client.expect_end();
            }
        }
        // Behind another request, in one packet.
        let mut client = server.connect();
        client.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\n\
            GET /by-hand HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
        assert_eq!(client.answer().text(), "/first");
        assert_eq!(client.any_answer(true).status(), 101);
        expect_echo(&mut client, "hello");
        drop(client);
        assert_eq!(server.connect().ask("/next").text(), "/next");
        server.stop();
    }

    /// Edge 21. Nothing is said in the application's place, not even that it said nothing; and no
    /// upgrade need have been asked for.
    fn what_is_taken_is_answered_by_nobody_else(door) {
        let server = Server::start(door, "socket.psgi", &["--max-workers=1"]);
        for (path, said) in [("/nothing", ""), ("/plain", "no HTTP at all\n")] {
            let mut client = server.connect();
            client.get(path);
            client.expect_bytes(said.as_bytes());
            client.expect_end();
        }
        for path in ["/array", "/close"] {
            let mut client = server.connect();
            switch(&mut client, path);
            client.expect_end();
        }
        server.stop();
    }

    /// Edge 20. Looking, or copying env, changes nothing: the answer is sent, the connection kept, and
    /// no descriptor stays behind.
    fn looking_changes_nothing(door) {
        let server = Server::start(door, "socket.psgi", &["--max-workers=1"]);
        let mut client = server.connect();
        assert_eq!(client.ask("/look").text(), "IO::Socket::INET");
        let before = client.ask("/descriptors").text();
        for _ in 0..50 {
            assert_eq!(client.ask("/look").text(), "IO::Socket::INET");
        }
        assert_eq!(client.ask("/descriptors").text(), before);
        server.stop();
    }

    /// A 101 needs an application that has the socket, and a client that asked for it.
    fn a_101_that_nobody_meant_is_a_500(door) {
        let server = Server::start(door, "socket.psgi", &["--max-workers=1"]);
        let mut client = server.connect();
        upgrade(&mut client, "/unseen");
        assert_eq!(client.answer().status(), 500);
        assert_eq!(client.ask("/array").status(), 500);
        assert_eq!(client.ask("/three").status(), 500);
        assert_eq!(client.ask("/next").text(), "/next");
        server.stop();
    }

    /// Edge 21. Whoever dies has said what it said: nothing is put behind that, and it does not look
    /// whole. Who has only looked gets a 500 like anybody else.
    fn a_death_in_mid_conversation_is_a_reset(door) {
        let server = Server::start(door, "socket.psgi", &["--max-workers=1"]);
        for path in ["/dies/101", "/dies/by-hand", "/dies/early"] {
            let mut client = server.connect();
            switch(&mut client, path);
            assert_eq!(client.expect_gone(), End::Reset, "{path}");
        }
        let mut client = server.connect();
        for path in ["/dies/silent", "/dies/unread"] {
            upgrade(&mut client, path);
            assert_eq!(client.answer().status(), 500, "{path}");
            assert_eq!(client.ask(path).status(), 500, "{path}");
            assert_eq!(client.ask("/next").text(), "/next", "{path}");
        }
        // What was written by us is no answer of the application's.
        client.get("/dies/informed");
        assert_eq!(client.answer().status(), 103);
        assert_eq!(client.answer().status(), 500);
        for line in ["before a byte", "after a 101", "after some bytes", "too early", "having looked"] {
            server.expect_log(line);
        }
        server.stop();
    }

    /// It is an IO::Socket of its family, with all that those can do.
    fn it_is_an_io_socket(door) {
        let (client, text) = methods(door, "127.0.0.1:0", |_| "LISTEN".to_owned());
        for line in ["class=IO::Socket::INET", "peerhost=127.0.0.1", "sockhost=127.0.0.1"] {
            assert!(text.contains(line), "no {line} in {text}");
        }
        assert!(text.contains(&format!("peerport={}\n", client.port())), "{text}");

        let (_, text) = methods(door, "[::1]:0", |_| "LISTEN".to_owned());
        for line in ["class=IO::Socket::IP", "peerhost=::1", "sockhost=::1"] {
            assert!(text.contains(line), "no {line} in {text}");
        }

        let path = |setup: &Setup| setup.folder().join("LISTEN").display().to_string();
        let (_, text) = methods(door, "s.sock", path);
        assert!(text.contains("class=IO::Socket::UNIX"), "{text}");
        assert!(text.contains("/s.sock\n"), "{text}");
    }

    /// Buffered and unbuffered, as a handle and as an object; what was not flushed leaves at the end.
    fn it_reads_and_writes(door) {
        let server = Server::start(door, "socket.psgi", &[]);
        let mut client = server.connect();
        upgrade(&mut client, "/talk");
        assert_eq!(client.any_answer(true).status(), 101);
        client.expect_bytes(b"print,printf,method,syswrite\n");
        client.send("a line\nfour");
        client.expect_bytes(b"a line\nfour\n");
        client.send("raw");
        client.expect_bytes("\u{e9}rawnot flushed".as_bytes());
        client.expect_end();
        server.stop();
    }

    /// The mode belongs to all copies of a socket. It harms nobody: our own calls do not care, and the
    /// next application finds the socket blocking.
    fn a_socket_left_non_blocking_harms_nobody(door) {
        let server = Server::start(door, "socket.psgi", &["--max-workers=1"]);
        let content: Vec<u8> = (0..20_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        std::fs::write(server.folder().join("file"), &content).unwrap();
        let mut client = server.connect();
        assert_eq!(client.ask("/mode").text(), "1");
        assert_eq!(client.ask("/mode").text(), "1");
        assert_eq!(client.ask("/bytes").body.len(), content.len());
        assert_eq!(client.ask("/mode").text(), "1");
        assert!(client.ask("/file").body == content);
        switch(&mut client, "/by-hand");
        server.outlives(Duration::from_millis(50));
        expect_echo(&mut client, "hello");
        drop(client);
        server.stop();
    }

    /// `shutdown` reaches the client at once, whatever copies there are; `close` when the
    /// application returns.
    fn the_application_may_end_it(door) {
        let server = Server::start(door, "socket.psgi", &["--max-workers=1"]);
        let mut client = server.connect();
        switch(&mut client, "/shut");
        // The gate is still closed: the application has not returned.
        client.expect_end();
        server.open_gate(1);
        assert_eq!(server.connect().ask("/next").text(), "/next");
        server.stop();
    }

    /// Who has the socket is not idle, whatever the client says, or does not say.
    fn no_deadline_cuts_it(door) {
        let options = ["--keepalive-timeout=2", "--header-timeout=2", "--timeout=2", "--linger-timeout=2"];
        let server = Server::start(door, "socket.psgi", &options);
        let (mut cold, mut warm) = (server.connect(), server.connect());
        assert_eq!(warm.ask("/first").text(), "/first");
        switch(&mut cold, "/by-hand");
        switch(&mut warm, "/writer");
        server.outlives(Duration::from_millis(4500));
        expect_echo(&mut cold, "still here");
        expect_echo(&mut warm, "still here");
        drop((cold, warm));
        server.stop();
    }

    /// But the limit of a request, which the application may lift. It says nothing in the midst.
    fn the_limit_of_a_request_ends_it(door) {
        let server = Server::start(door, "socket.psgi", &["--max-workers=2", "--request-timeout=3"]);
        let (mut limited, mut lifted) = (server.connect(), server.connect());
        switch(&mut limited, "/by-hand");
        switch(&mut lifted, "/lifted");
        expect_echo(&mut limited, "hello");
        assert_eq!(limited.expect_gone(), End::Reset);
        server.outlives(Duration::from_millis(500));
        expect_echo(&mut lifted, "still here");
        drop(lifted);
        assert_eq!(server.connect().ask("/next").text(), "/next");
        server.stop();
    }

    /// A graceful stop waits for it, as for any request.
    fn a_stop_waits_for_it(door) {
        let mut server = Server::start(door, "socket.psgi", &["--max-workers=2"]);
        let mut client = server.connect();
        switch(&mut client, "/by-hand");
        let tree = server.tree();
        server.signal(Signal::TERM);
        server.expect_log("stopping");
        expect_echo(&mut client, "hello");
        server.outlives(Duration::from_millis(500));
        expect_echo(&mut client, "still here");
        client.half_close();
        client.expect_end();
        assert_eq!(server.wait().code(), Some(0));
        assert_eq!(tree.survivors(), []);
    }

    /// And not longer than the stop may take.
    fn a_stop_does_not_wait_for_ever(door) {
        let mut server = Server::start(door, "socket.psgi", &["--graceful-timeout=1"]);
        let mut client = server.connect();
        switch(&mut client, "/by-hand");
        let tree = server.tree();
        server.signal(Signal::TERM);
        _ = client.expect_gone();
        _ = server.wait();
        assert_eq!(tree.survivors(), []);
    }

    /// A worker that is told to leave, or recycled, ends its conversation first: no read of the
    /// application's is interrupted.
    fn a_worker_told_to_leave_finishes_it(door) {
        let server = Server::start(door, "socket.psgi", &["--max-workers=1"]);
        for signal in [Signal::TERM, Signal::HUP, Signal::QUIT, Signal::INT] {
            let [worker] = server.workers()[..] else { panic!("one worker") };
            let mut client = server.connect();
            switch(&mut client, "/by-hand");
            expect_echo(&mut client, "hello");
            crate::support::signal(worker, signal);
            server.outlives(Duration::from_millis(300));
            expect_echo(&mut client, "still here");
            client.half_close();
            client.expect_end();
            assert_eq!(server.connect().ask("/next").text(), "/next");
            let replaced = signal != Signal::INT;
            server.until("the worker is replaced", || {
                matches!(server.workers()[..], [other] if (other != worker) == replaced)
            });
        }
        server.stop();
    }

    /// A worker that dies takes its conversation with it, and nobody says a word in it, whether or not
    /// the client had asked for another protocol.
    fn a_killed_worker_ends_it(door) {
        let server = Server::start(door, "socket.psgi", &["--max-workers=1"]);
        for asked in [true, false] {
            let mut client = server.connect();
            let mark = server.log.mark();
            if asked { upgrade(&mut client, "/hold") } else { client.get("/hold") }
            assert_eq!(client.any_answer(true).status(), 101);
            let line = server.expect_log_since(mark, "holding pid=");
            let number = line.rsplit('=').next().and_then(|number| number.trim().parse().ok());
            kill(number.and_then(Pid::from_raw).expect("a process number"));
            assert_eq!(client.expect_gone(), End::Reset);
            assert_eq!(server.connect().ask("/next").text(), "/next");
        }
        server.stop();
    }

    /// The manager's death ends the connections that it held, and this is not one of them.
    fn it_outlives_the_manager(door) {
        let server = Server::start(door, "socket.psgi", &["--max-workers=2"]);
        let mut client = server.connect();
        switch(&mut client, "/by-hand");
        let mark = server.log.mark();
        kill(server.manager());
        server.expect_log_since(mark, "accepting");
        expect_echo(&mut client, "still here");
        client.half_close();
        client.expect_end();
        assert_eq!(server.connect().ask("/next").text(), "/next");
        server.stop();
    }

    /// The same over a UNIX socket, which knows no reset and does not count what was written.
    fn a_unix_socket_may_be_taken(door) {
        let setup = Setup::new(door, "socket.psgi");
        let path = setup.folder().join("s.sock").display().to_string();
        let server = setup.only(&["--listen", &path, "-E", "deployment", "--max-workers=1"]).start();
        let mut client = server.connect();
        switch(&mut client, "/writer");
        expect_echo(&mut client, "hello");
        client.half_close();
        client.expect_end();
        for path in ["/dies/101", "/dies/by-hand", "/dies/early"] {
            let mut client = server.connect();
            switch(&mut client, path);
            _ = client.expect_gone();
        }
        // Who might have taken the socket may have written to it: nothing can be said.
        for path in ["/dies/silent", "/dies/unread"] {
            let mut client = server.connect();
            upgrade(&mut client, path);
            _ = client.expect_gone();
        }
        assert_eq!(server.connect().ask("/dies/unread").status(), 500);
        assert_eq!(server.connect().ask("/next").text(), "/next");
        server.stop();
    }
}

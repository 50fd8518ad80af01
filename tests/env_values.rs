//! What env holds beside strings, and what an application may do to it.

use std::time::Duration;

use crate::support::{Client, DEADLINE, Server, Setup, both_doors};

/// The whole env as the application saw it, without what differs from request to request.
fn all(client: &mut Client) -> Vec<String> {
    let text = client.ask("/all").text();
    text.lines()
        .filter(|line| !line.starts_with("monoceros.queue_time="))
        .map(str::to_owned)
        .collect()
}

/// Two lines, and more behind them: small enough for memory, or so large that they are spooled.
fn body(size: usize) -> String {
    format!("one\ntwo\n{}end\n", "x".repeat(size - 12))
}

both_doors! {
    /// Every key that a plain request has, and no other.
    fn the_keys_of_a_get(door) {
        let server = Server::start(door, "env.psgi", &[]);
        let mut client = server.connect();
        for _ in 0..2 {
            let lines = all(&mut client);
            let keys: Vec<_> = lines.iter().map(|line| line.split_once('=').unwrap().0).collect();
            assert_eq!(keys, [
                "HTTP_HOST", "PATH_INFO", "QUERY_STRING", "REMOTE_ADDR", "REMOTE_PORT", "REQUEST_METHOD", "REQUEST_URI",
                "SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "SERVER_SOFTWARE", "psgi.errors", "psgi.input",
                "psgi.multiprocess", "psgi.multithread", "psgi.nonblocking", "psgi.run_once", "psgi.streaming",
                "psgi.url_scheme", "psgi.version", "psgix.cleanup", "psgix.cleanup.handlers", "psgix.harakiri",
                "psgix.informational", "psgix.input.buffered", "psgix.io", "psgix.logger",
            ]);
            for line in [
                "psgi.errors=GLOB", "psgi.input=GLOB", "psgi.version=[1 1]", "psgix.cleanup.handlers=[]",
                "psgix.informational=CODE", "psgix.io=IO::Socket::INET", "psgix.logger=CODE", "psgi.multithread=",
                "psgi.multiprocess=1", "SCRIPT_NAME=",
            ] {
                assert!(lines.iter().any(|said| said == line), "no {line:?} in {lines:?}");
            }
        }
        server.stop();
    }

    /// Edge 5: every value may be assigned to, every key deleted; the next env is as new.
    fn an_env_is_a_requests_own(door) {
        let server = Server::start(door, "env.psgi", &["--max-workers=1"]);
        let mut client = server.connect();
        let first = all(&mut client);
        for (path, said) in [("/assign", "assigned"), ("/delete", "deleted")] {
            assert_eq!(client.ask(path).text(), said);
            assert_eq!(all(&mut client), first);
        }
        assert!(client.ask("/push").text().starts_with("refused: Modification of a read-only"));
        assert_eq!(all(&mut client), first);
        server.stop();
    }

    /// Edge 18: every way to read a body, in memory and in a file.
    fn a_body_is_read_in_every_way(door) {
        let server = Server::start(door, "env.psgi", &["--max-workers=1"]);
        let mut client = server.connect();
        let twice = "one!two one!two";
        for size in [20, 65_536, 65_537, 300_000] {
            let said = format!("GLOB 3 one 3 one! two! 0 0 eof undef {twice} 616200006f6e one! end!");
            for _ in 0..2 {
                client.send(format!("POST /input HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n{}", body(size)));
                assert_eq!(client.answer().text(), said, "{size} bytes");
                // A handle that was closed, or was STDIN, was that request's.
                client.send(format!("POST /shut HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n{}", body(size)));
                assert_eq!(client.answer().text(), "one\n", "{size} bytes");
                assert_eq!(client.ask("/shut").text(), "none");
                assert_eq!(client.ask("/get").text(), "0 eof");
            }
        }
        server.stop();
    }

    /// Edge 19: a request without a body has one to read all the same, without waiting, and the next
    /// request's bytes are not in it.
    fn reading_no_body_gives_nothing(door) {
        let server = Server::start(door, "env.psgi", &["--max-workers=1"]);
        let mut client = server.connect();
        let get = "GET /get HTTP/1.1\r\nHost: a\r\n\r\n";
        client.send(format!("{get}{get}"));
        for _ in 0..2 {
            assert_eq!(client.answer().text(), "0 eof");
        }
        server.stop();
    }

    /// Edge 20: looking at psgix.io, copying or closing it changes nothing if an ordinary answer follows.
    fn looking_at_the_socket_changes_nothing(door) {
        let server = Server::start(door, "env.psgi", &["--max-workers=1"]);
        let mut client = server.connect();
        let first = client.ask("/copy");
        assert!(first.text().starts_with("IO::Socket::INET "), "{}", first.text());
        let closed = client.ask("/close");
        for _ in 0..20 {
            for (path, before) in [("/copy", &first), ("/close", &closed)] {
                let answer = client.ask(path);
                assert_eq!((answer.text(), answer.field("Connection")), (before.text(), None), "{path}");
            }
        }
        server.stop();
    }

    /// Its class is the address family's.
    fn the_class_of_the_socket(door) {
        let setup = Setup::new(door, "env.psgi");
        let path = setup.folder().join("socket").display().to_string();
        let server = setup.only(&["--listen", "[::1]:0", "--listen", &path]).start();
        for (address, class) in server.addresses().iter().zip(["IO::Socket::IP ", "IO::Socket::UNIX "]) {
            let said = Client::connect(address).ask("/copy").text();
            assert!(said.starts_with(class), "{said}");
        }
        server.stop();
    }

    /// Edge 12: a death is told where the application has asked for it; if that cannot be, in the log.
    fn a_death_is_told_to_psgi_errors_as_it_is_then(door) {
        let server = Server::start(door, "env.psgi", &["--max-workers=1"]);
        let mut client = server.connect();
        for path in ["/errors/object", "/errors/memory", "/errors/closed"] {
            let answer = client.ask(path);
            assert_eq!((answer.status(), answer.field("Content-Type")), (500, Some("text/plain")), "{path}");
            assert_eq!(answer.text(), "Internal Server Error");
        }
        server.expect_log("instead: as asked");
        server.expect_log("closed");
        assert_eq!(client.ask("/errors/kept").text(), "in memory\n");
        let lines = server.log.matching(|line| line.contains("as asked") || line.contains("in memory"));
        assert_eq!(lines, ["instead: as asked"]);
        server.stop();
    }

    /// psgi.errors is the error log, and stays it when the application turns STDERR elsewhere.
    fn psgi_errors_is_the_log(door) {
        let server = Server::start(door, "env.psgi", &[]);
        assert_eq!(server.connect().ask("/errors").text(), "said elsewhere\n");
        server.expect_log("said to psgi.errors");
        server.expect_log("and printed");
        server.stop();
    }

    /// Edge 16: `$/` is a reference to a number while a body's getline runs, and then what it was.
    fn the_record_separator_is_given_back(door) {
        let server = Server::start(door, "env.psgi", &["--max-workers=1"]);
        let mut client = server.connect();
        for (path, now) in [("/separator", "\n"), ("/separator/own", "own")] {
            assert_eq!(client.ask(path).text(), "a number");
            assert_eq!(client.ask("/separator/now").text(), now);
        }
        server.stop();
    }

    /// How long a request waited for a worker, in seconds: as a job, and on a kept connection.
    fn the_time_in_the_queue(door) {
        let server = Server::start(door, "env.psgi", &["--max-workers=1"]);
        let queued = |client: &mut Client| client.answer().text().parse::<f64>().expect("a number");
        let (mut kept, mut fresh, mut holder) = (server.connect(), server.connect(), server.connect());
        kept.get("/queue");
        assert!((0.0..DEADLINE.as_secs_f64()).contains(&queued(&mut kept)));
        holder.get("/hold");
        server.expect_log("holding");
        kept.get("/queue");
        fresh.get("/queue");
        // The manager has both by the time it says that a head is malformed.
        let mut other = server.connect();
        other.send("G@T / HTTP/1.1\r\n\r\n");
        assert_eq!(other.answer().status(), 400);
        server.outlives(Duration::from_millis(200));
        server.open_gate(1);
        for client in [&mut kept, &mut fresh] {
            let waited = queued(client);
            assert!((0.19..DEADLINE.as_secs_f64()).contains(&waited), "{waited}");
        }
        server.stop();
    }

    /// Where the kernel stamps nothing, there is no such key.
    fn an_unknown_time_in_the_queue_is_absent(door) {
        let setup = Setup::new(door, "env.psgi");
        let path = setup.folder().join("socket").display().to_string();
        let server = setup.only(&["--listen", &path]).start();
        let mut client = Client::connect(&path);
        assert!(client.ask("/queue").text().parse::<f64>().is_ok(), "the manager knows it");
        assert_eq!(client.ask("/queue").text(), "absent");
        server.stop();
    }

    /// Edge 34: four workers draw four numbers, also after one was drawn at load; what was printed then
    /// comes out once.
    fn workers_share_no_chance_and_no_buffer(door) {
        let server = Server::start(door, "preload.psgi", &["--max-workers=4"]);
        let mut clients = [(); 4].map(|()| server.connect());
        for client in &mut clients {
            client.get("/");
        }
        server.until("all four have one", || server.log.matching(|line| line == "holding").len() == 4);
        server.open_gate(4);
        let texts = clients.map(|mut client| client.answer().text());
        let column = |at: usize| {
            let mut words: Vec<_> = texts.iter().map(|text| text.split(' ').nth(at).unwrap()).collect();
            words.sort_unstable();
            words.dedup();
            words.len()
        };
        assert_eq!([0, 1, 2].map(column), [4, 4, 1], "{texts:?}");
        let log = server.log.clone();
        server.stop();
        assert!(log.wait(0, DEADLINE, |line| line.contains("printed once")).is_some());
        let printed: usize = log.matching(|_| true).iter().map(|line| line.matches("printed once").count()).sum();
        assert_eq!(printed, 1);
    }

    /// Sockets that all workers would share are listed when the server begins; others are not.
    fn sockets_opened_at_load_are_listed(door) {
        let said = |server: &Server| server.log.matching(|line| line.contains("while it was loaded"));
        let server = Server::start(door, "preload.psgi", &[]);
        let lines = said(&server);
        let [line] = &lines[..] else { panic!("{lines:?}") };
        let list = line.split("sockets=\"").nth(1).unwrap().trim_end_matches('"');
        let ends: Vec<_> = list.split(", ").map(|socket| socket.split(" to ").nth(1).unwrap()).collect();
        assert_eq!(ends.len(), 2, "{line}");
        assert!(["127.0.0.1:9", "127.0.0.1:10"].iter().all(|end| ends.contains(end)), "{line}");
        server.stop();
        let server = Server::start(door, "env.psgi", &[]);
        assert_eq!(said(&server), [""; 0]);
        server.stop();
        let starter = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/starter.pl");
        let server = Setup::new(door, "env.psgi").only(&[]).behind("perl", &[starter, "127.0.0.1:0", "--"]).start();
        assert_eq!(said(&server), [""; 0], "what was inherited is nobody's fault");
        server.stop();
    }
}

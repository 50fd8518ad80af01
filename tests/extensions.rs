//! psgix.io, psgix.informational, psgix.logger, exit.

use crate::support::{Client, Server, both_doors};

/// The path and the worker that an answer names.
fn ask(client: &mut Client, path: &str) -> String {
    let text = client.ask(path).text();
    let (said, pid) = text.split_once(' ').unwrap_or_else(|| panic!("no worker in {text:?}"));
    assert_eq!(said, path);
    pid.to_owned()
}

both_doors! {
    /// `exit` in the application: the client is answered, END runs, the worker is replaced.
    fn exit_is_answered(door) {
        let server = Server::start(door, "extensions.psgi", &["--max-workers=1"]);
        let mut client = server.connect();
        let first = ask(&mut client, "/first");
        assert_eq!(client.ask("/exit").status(), 500);
        server.expect_log(&format!("END of {first}"));
        let mut client = server.connect();
        assert_ne!(ask(&mut client, "/next"), first);
        server.stop();
    }

    /// Interim answers go to who understands them.
    fn informational_answers(door) {
        let server = Server::start(door, "extensions.psgi", &[]);
        let mut client = server.connect();
        client.get("/early");
        let early = client.answer();
        assert_eq!((early.status(), early.field("Link")), (103, Some("</style.css>")));
        assert_eq!(client.answer().status(), 200);
        client.send("GET /early HTTP/1.0\r\n\r\n");
        assert_eq!(client.answer().status(), 200);
        server.stop();
    }

    /// Closing psgi.input reaches no other request; psgi.errors is the log.
    fn handles_are_a_requests_own(door) {
        let server = Server::start(door, "extensions.psgi", &["--max-workers=1"]);
        let mut client = server.connect();
        for path in ["/input", "/errors", "/input", "/next"] {
            ask(&mut client, path);
        }
        server.expect_log("said to psgi.errors");
        server.stop();
    }

    /// The socket is the application's, until it returns; then the connection ends.
    fn the_socket_may_be_taken(door) {
        let server = Server::start(door, "socket.psgi", &["--max-workers=1"]);
        for warm in [false, true] {
            let mut client = server.connect();
            if warm {
                assert_eq!(client.ask("/").text(), "no upgrade");
            }
            client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
            assert_eq!(client.any_answer(true).status(), 101);
            client.send("hello");
            client.expect_bytes(b"echo hello");
            client.half_close();
            client.expect_end();
        }
        server.expect_log("socket IO::Socket::I");
        assert_eq!(server.connect().ask("/").text(), "no upgrade");
        server.stop();
    }
}

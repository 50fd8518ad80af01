//! psgix.informational, psgix.logger, exit.

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

    /// Edge 35: interim answers go to who understands them, as many as there are, before the head.
    fn informational_answers(door) {
        let server = Server::start(door, "extensions.psgi", &["--max-workers=1"]);
        let mut client = server.connect();
        let said = |client: &mut Client, request: &str, line: &str, early: &[&str]| {
            let mark = server.log.mark();
            client.send(request);
            for link in early {
                let answer = client.answer();
                assert_eq!((answer.status(), answer.field("Link")), (103, Some(*link)), "{request}");
                assert_eq!(answer.fields.len(), 1, "{answer:?}");
            }
            assert_eq!(client.answer().status(), 200, "{request}");
            server.expect_log_since(mark, line);
        };
        let get = |path: &str, version: &str| format!("GET {path} HTTP/{version}\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
        said(&mut client, &get("/early", "1.1"), "early 1,1", &["</style.css>", "</b.js>"]);
        said(&mut client, &get("/early", "1.0"), "early 0,0", &[]);
        said(&mut client, &get("/after", "1.1"), "after 0", &[]);
        said(&mut client, &get("/body", "1.1"), "close 0", &[]);
        assert_eq!(server.log.matching(|line| line == "getline 0").len(), 2);
        said(&mut client, &get("/keep", "1.1"), "keeping", &[]);
        said(&mut client, &get("/kept", "1.1"), "kept croaked", &[]);
        client.get("/any");
        assert_eq!((client.answer().line.as_str(), client.answer().status()), ("HTTP/1.1 199 ", 200));
        server.expect_log("any 1");
        server.stop();
    }

    /// Edge 35: what breaks a rule croaks, and nothing of it is sent.
    fn informational_answers_are_checked(door) {
        let server = Server::start(door, "extensions.psgi", &["--max-workers=1"]);
        let mut client = server.connect();
        for _ in 0..2 {
            ask(&mut client, "/bad");
        }
        assert_eq!(server.log.matching(|line| line.contains("did not croak")), [""; 0]);
        server.stop();
    }

    /// Who has gone is sent nothing, and the application is told so.
    fn an_informational_answer_to_nobody(door) {
        let server = Server::start(door, "extensions.psgi", &["--max-workers=1"]);
        let mut client = server.connect();
        client.get("/gone");
        server.expect_log("waiting");
        client.reset();
        server.open_gate(1);
        server.expect_log("gone 0");
        ask(&mut server.connect(), "/next");
        server.stop();
    }

    /// curl, a client that nobody here wrote, shows the early hints, and then the answer.
    fn curl_shows_early_hints(door) {
        let server = Server::start(door, "extensions.psgi", &[]);
        let url = format!("http://{}/early", server.addresses()[0]);
        let mut curl = std::process::Command::new("curl");
        let output = curl.args(["-sv", "--http1.1", "--noproxy", "*", &url]).output().expect("curl");
        let (out, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && out.starts_with("/early "), "{out}{told}");
        let at = |line: &str| told.find(line).unwrap_or_else(|| panic!("no {line:?} in {told}"));
        assert!(at("< HTTP/1.1 103 Early Hints") < at("< Link: </style.css>"), "{told}");
        assert!(at("< Link: </b.js>") < at("< HTTP/1.1 200 OK"), "{told}");
        server.stop();
    }

    /// A line of the log for each level, with the request's name; croaks on what is no level.
    fn the_logger_writes_into_the_log(door) {
        let server = Server::start(door, "extensions.psgi", &["--max-workers=1"]);
        let mut client = server.connect();
        let mut connections = Vec::new();
        for number in 1..=2 {
            let mark = server.log.mark();
            let worker = ask(&mut client, "/log");
            for (level, shown) in
                [("debug", "DEBUG"), ("info", "INFO"), ("warn", "WARN"), ("error", "ERROR"), ("fatal", "ERROR")]
            {
                let line = server.expect_log_since(mark, &format!(" a {level} line"));
                let who = format!(" {shown} worker=0 pid={worker} a {level} line connection=");
                assert!(line.contains(&who) && line.contains(&format!(" request={number}")), "{line}");
                assert_eq!(line.contains(" level=fatal"), level == "fatal", "{line}");
                connections.push(line.split(" connection=").nth(1).unwrap().split(' ').next().unwrap().to_owned());
            }
        }
        connections.dedup();
        assert_eq!(connections.len(), 1, "one connection has one name: {connections:?}");
        ask(&mut client, "/log/bad");
        assert_eq!(server.log.matching(|line| line.contains("did not croak")), [""; 0]);
        server.stop();
    }
}

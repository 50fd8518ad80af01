//! %env, key by key.

use std::collections::BTreeMap;

use crate::support::{Answer, Client, Server, Setup, both_doors};

fn env_of(answer: &Answer) -> BTreeMap<String, String> {
    let text = answer.text();
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

both_doors! {
    /// What PSGI requires, exactly.
    fn a_get(door) {
        let server = Server::start(door, "report.psgi", &[]);
        let address = server.addresses()[0].clone();
        let (host, port) = address.rsplit_once(':').unwrap();
        let mut client = server.connect();
        client.send("GET /a%2Fb%20c?x=%zz&y=? HTTP/1.1\r\nHost: h.example:99\r\nX-A: 1\r\nX-A: 2\r\n\
            Cookie: a=1\r\nCookie: b=2\r\nX_B: no\r\nProxy: evil\r\nX-Empty:\r\n\
            Connection: X-Real\r\nX-Real: 1\r\n\r\n");
        let env = env_of(&client.answer());
        for (name, value) in [
            ("REQUEST_METHOD", "GET"),
            ("SCRIPT_NAME", ""),
            ("PATH_INFO", "/a/b c"),
            ("REQUEST_URI", "/a%2Fb%20c?x=%zz&y=?"),
            ("QUERY_STRING", "x=%zz&y=?"),
            ("SERVER_NAME", host),
            ("SERVER_PORT", port),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("REMOTE_ADDR", "127.0.0.1"),
            ("REMOTE_PORT", client.port().to_string().as_str()),
            ("HTTP_HOST", "h.example:99"),
            ("HTTP_X_A", "1, 2"),
            ("HTTP_COOKIE", "a=1; b=2"),
            ("HTTP_X_EMPTY", ""),
            ("HTTP_X_REAL", "1"),
            ("psgi.url_scheme", "http"),
            ("psgi.multithread", ""),
            ("psgi.multiprocess", "1"),
            ("psgi.run_once", ""),
            ("psgi.nonblocking", ""),
            ("psgi.streaming", "1"),
            ("psgix.input.buffered", "1"),
            ("psgix.harakiri", "1"),
            ("psgix.cleanup", "1"),
            ("size", "0"),
        ] {
            assert_eq!(env.get(name).map(String::as_str), Some(value), "{name}");
        }
        for absent in ["CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_PROXY", "HTTP_X_B", "HTTPS", "REMOTE_HOST"] {
            assert_eq!(env.get(absent), None, "{absent}");
        }
        assert!(env["SERVER_SOFTWARE"].starts_with("Monoceros/"), "{}", env["SERVER_SOFTWARE"]);
        server.stop();
    }

    /// Content-Type and Content-Length have no HTTP_ before them.
    fn a_post(door) {
        let server = Server::start(door, "report.psgi", &[]);
        let mut client = server.connect();
        client.send("POST / HTTP/1.0\r\nContent-Type: text/x\r\nContent-Length: 2\r\n\r\nhi");
        let env = env_of(&client.answer());
        assert_eq!((env["CONTENT_TYPE"].as_str(), env["CONTENT_LENGTH"].as_str()), ("text/x", "2"));
        assert_eq!((env["body"].as_str(), env["SERVER_PROTOCOL"].as_str()), ("hi", "HTTP/1.0"));
        for absent in ["HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH", "HTTP_HOST"] {
            assert_eq!(env.get(absent), None, "{absent}");
        }
        server.stop();
    }

    /// A UNIX socket has no peer address: what allows localhost must not allow it.
    fn over_a_unix_socket(door) {
        let setup = Setup::new(door, "report.psgi");
        let path = setup.folder().join("socket").display().to_string();
        let server = setup.only(&["--listen", &path]).start();
        let mut client = Client::connect(&path);
        for _ in 0..3 {
            let env = env_of(&client.ask("/p"));
            assert_eq!((env["REMOTE_ADDR"].as_str(), env["REMOTE_PORT"].as_str()), ("", "0"));
            assert_eq!((env["SERVER_NAME"].as_str(), env["SERVER_PORT"].as_str()), ("localhost", "80"));
        }
        server.stop();
    }

    /// IPv6 addresses have no brackets.
    fn over_ipv6(door) {
        let server = Setup::new(door, "report.psgi").only(&["--listen", "[::1]:0"]).start();
        let env = env_of(&server.connect().ask("/p"));
        assert_eq!(env["REMOTE_ADDR"], "::1");
        server.stop();
    }

    /// Edge 23: over a socket of both families an IPv4 client has an IPv4 address.
    fn over_a_socket_of_both_families(door) {
        let starter = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/starter.pl");
        let setup = Setup::new(door, "report.psgi").only(&[]);
        let server = setup.behind("perl", &[starter, "[::]:0", "--"]).start();
        let port = server.addresses()[0].rsplit_once(':').unwrap().1.to_owned();
        for (address, name) in [("127.0.0.1", "127.0.0.1"), ("[::1]", "::1")] {
            let mut client = Client::connect(&format!("{address}:{port}"));
            for _ in 0..2 {
                let env = env_of(&client.ask("/p"));
                assert_eq!((env["REMOTE_ADDR"].as_str(), env["SERVER_NAME"].as_str()), (name, name));
            }
        }
        server.stop();
    }

    /// A wildcard is no name: the address that the client has found is.
    fn over_a_wildcard(door) {
        let server = Setup::new(door, "report.psgi").only(&["--listen", ":0"]).start();
        let port = server.addresses()[0].rsplit_once(':').unwrap().1.to_owned();
        let mut clients: Vec<_> =
            [1, 2].map(|n| (n, Client::connect(&format!("127.0.0.{n}:{port}")))).into();
        for _ in 0..2 {
            for (number, client) in &mut clients {
                let env = env_of(&client.ask("/p"));
                assert_eq!((env["SERVER_NAME"].clone(), &env["SERVER_PORT"]), (format!("127.0.0.{number}"), &port));
            }
        }
        server.stop();
    }

    /// A name that was given is the name.
    fn over_a_listener_with_a_name(door) {
        let server = Setup::new(door, "report.psgi").only(&["--listen", "localhost:0"]).start();
        let env = env_of(&server.connect().ask("/p"));
        assert_eq!(env["SERVER_NAME"], "localhost");
        server.stop();
    }

    /// Edge 22: REQUEST_URI is as sent, PATH_INFO is decoded once, and nothing is tidied up.
    fn targets(door) {
        let server = Server::start(door, "report.psgi", &[]);
        let mut client = server.connect();
        for (target, uri, path, query) in [
            ("http://b.example:81/p%2Fq?x", "/p%2Fq?x", "/p/q", "x"),
            ("http://b.example", "/", "/", ""),
            ("/a//b/./../c", "/a//b/./../c", "/a//b/./../c", ""),
            ("/%2561+b%20c%2fd", "/%2561+b%20c%2fd", "/%61+b c/d", ""),
            ("/?a=?&b=%41&c=//", "/?a=?&b=%41&c=//", "/", "a=?&b=%41&c=//"),
            ("/p?", "/p?", "/p", ""),
            ("/%E2%98%83", "/%E2%98%83", "/\u{2603}", ""),
        ] {
            let env = env_of(&client.ask(target));
            let said = [&env["REQUEST_URI"], &env["PATH_INFO"], &env["QUERY_STRING"]];
            assert_eq!(said, [uri, path, query], "{target}");
            let host = if target.starts_with("http://b.example:") { "b.example:81" } else { "a" };
            assert!(env["HTTP_HOST"] == host || target == "http://b.example", "{target} {}", env["HTTP_HOST"]);
        }
        server.stop();
    }

    /// The server's name is what the operator says; that it is not shown to clients is another matter.
    fn the_name_of_the_server_in_env(door) {
        let ours = format!("Monoceros/{}", env!("CARGO_PKG_VERSION"));
        for (option, name) in [("--server-software=Other/1", "Other/1"), ("--server-software=", ours.as_str())] {
            let server = Server::start(door, "report.psgi", &[option]);
            assert_eq!(env_of(&server.connect().ask("/p"))["SERVER_SOFTWARE"], name);
            server.stop();
        }
    }

    /// A method is what was sent, in its own case.
    fn methods(door) {
        let server = Server::start(door, "report.psgi", &[]);
        let mut client = server.connect();
        for method in ["get", "PROPFIND", "x-Y!"] {
            client.send(format!("{method} /p HTTP/1.1\r\nHost: a\r\n\r\n"));
            assert_eq!(env_of(&client.answer())["REQUEST_METHOD"], method);
        }
        server.stop();
    }

    /// Fields that are about the connection are the application's to see, too.
    fn fields_about_the_connection_stay(door) {
        let server = Server::start(door, "report.psgi", &[]);
        let mut client = server.connect();
        client.send("POST /p HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo\r\n\
            Expect: 100-continue\r\nTE: trailers\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\nhi");
        let env = env_of(&client.answer());
        for (name, value) in [
            ("HTTP_CONNECTION", "keep-alive, Upgrade"),
            ("HTTP_UPGRADE", "echo"),
            ("HTTP_EXPECT", "100-continue"),
            ("HTTP_TE", "trailers"),
            ("HTTP_KEEP_ALIVE", "timeout=5"),
        ] {
            assert_eq!(env.get(name).map(String::as_str), Some(value), "{name}");
        }
        server.stop();
    }

    /// Underscores may be allowed; what they must never say stays unsaid.
    fn underscores_may_be_allowed(door) {
        let server = Server::start(door, "report.psgi", &["--header-underscores=allow"]);
        let mut client = server.connect();
        client.send("GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nX_A: 2\r\nX_B: 3\r\nContent_Length: 5\r\n\r\n");
        let env = env_of(&client.answer());
        assert_eq!((env["HTTP_X_A"].as_str(), env["HTTP_X_B"].as_str()), ("1", "3"));
        assert_eq!((env.get("HTTP_CONTENT_LENGTH"), env.get("CONTENT_LENGTH")), (None, None));
        server.stop();
    }
}

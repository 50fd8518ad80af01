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

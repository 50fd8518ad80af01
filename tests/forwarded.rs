//! Behind a proxy: whom `trusted-proxy` lets the server believe, and what the application sees then.

use std::fs;

use crate::support::{Client, Door, Server, Setup, both_doors};

/// A head that claims more than its sender is.
const CLAIM: &str = "GET /x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.1.1.1\r\n\
                     X-Forwarded-Proto: https\r\nForwarded: for=6.6.6.6;proto=http\r\n\r\n";

/// What `report.psgi` says of one key; `None`: there is no such key.
fn said(client: &mut Client, key: &str) -> Option<String> {
    client.send(CLAIM);
    let text = client.answer().text();
    text.lines().find_map(|line| line.strip_prefix(&format!("{key}="))).map(str::to_owned)
}

fn expect(client: &mut Client, pairs: &[(&str, Option<&str>)]) {
    for (key, value) in pairs {
        assert_eq!(said(client, key).as_deref(), *value, "{key}");
    }
}

const BELIEVED: &[(&str, Option<&str>)] = &[
    ("REMOTE_ADDR", Some("192.0.2.1")),
    ("REMOTE_PORT", Some("0")),
    ("psgi.url_scheme", Some("https")),
    ("HTTPS", Some("on")),
    ("HTTP_X_FORWARDED_FOR", Some("6.6.6.6, 192.0.2.1, 10.1.1.1")),
];

both_doors! {
    /// Nothing is believed, unless it is said of whom.
    fn nobody_is_believed_by_default(door) {
        for options in [&[][..], &["--trusted-proxy=10.0.0.0/8,unix"]] {
            let server = Server::start(door, "report.psgi", options);
            expect(&mut server.connect(), &[
                ("REMOTE_ADDR", Some("127.0.0.1")),
                ("psgi.url_scheme", Some("http")),
                ("HTTPS", None),
            ]);
            server.stop();
        }
    }

    /// A trusted proxy is believed as far as trusted proxies reach, on every request of a connection.
    fn a_trusted_proxy_speaks_for_its_client(door) {
        let options = ["--trusted-proxy=127.0.0.0/8", "--trusted-proxy=10.1.1.1", "--max-workers=1"];
        let server = Server::start(door, "report.psgi", &options);
        let mut client = server.connect();
        expect(&mut client, BELIEVED);
        let plain = client.ask("/").text();
        assert!(plain.contains("REMOTE_ADDR=127.0.0.1\n"), "what was said before counts no more");
        assert!(plain.contains("psgi.url_scheme=http\n") && !plain.contains("HTTPS="), "{plain}");
        server.stop();
    }

    /// So is one over a UNIX socket, that has no address itself.
    fn a_proxy_over_a_unix_socket(door) {
        let setup = Setup::new(door, "report.psgi");
        let path = setup.folder().join("socket").display().to_string();
        let server = setup.only(&["-l", &path, "--trusted-proxy=unix,10.1.1.1"]).start();
        expect(&mut Client::connect(&path), BELIEVED);
        server.stop();
    }

    /// What is no network is an error.
    fn a_proxy_has_an_address(door) {
        let finished = Setup::new(door, "report.psgi").options(&["--trusted-proxy=nginx"]).finish();
        assert_eq!(finished.status, Some(2), "{finished}");
        assert!(finished.err.contains("networks like 10.0.0.0/8"), "{finished}");
    }
}

/// The access log names whom the application saw.
#[test]
fn the_access_log_names_the_client() {
    let setup = Setup::new(Door::Program, "report.psgi");
    let path = setup.folder().join("access");
    let log = format!("--access-log={}", path.display());
    let server = setup.options(&[&log, "--trusted-proxy=127.0.0.1,10.1.1.1"]).start();
    expect(&mut server.connect(), BELIEVED);
    server.until("the line is there", || {
        fs::read_to_string(&path).is_ok_and(|text| text.starts_with("192.0.2.1 - - ["))
    });
    server.stop();
}

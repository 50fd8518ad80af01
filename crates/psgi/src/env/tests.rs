//! The strings of `%env`, one rule per test.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsFd;
use std::time::Duration;

use monoceros_server::http::{Limits, head};
use monoceros_server::worker::app::{Body, ConnId, Forwarded, Local};

use super::*;

/// The environment of a request, given from its request line to its last field.
fn env_of(request: &str, change: impl FnOnce(&mut Request<'_>)) -> HashMap<String, String> {
    let bytes = format!("{request}\r\n\r\n");
    let scan = &mut head::Scan::default();
    let head = head::read(bytes.as_bytes(), &Limits::default(), scan).unwrap().unwrap();
    let socket = File::open("/dev/null").unwrap();
    let local = Local { name: "127.0.0.1".to_owned(), port: 5000 };
    let mut request = Request {
        id: (ConnId { slot: 0, serial: 0 }, 1),
        head: &head,
        body: Body::Memory(b""),
        content_length: None,
        peer: Peer::Tcp("192.0.2.7".parse().unwrap(), 40_000),
        forwarded: Forwarded::default(),
        local: &local,
        client: socket.as_fd(),
        behind: b"",
        queue_time: None,
    };
    change(&mut request);
    let mut env = Env::default();
    let mut entries = Vec::new();
    env.gather(&request, &mut entries);
    let text = |text: &Text<'_>| String::from_utf8(resolve(&env.made, text).to_vec()).unwrap();
    let name = |pair: &Entry<'_>| pair.key.map_or_else(|| text(&pair.name), |key| KEYS[key].into());
    let count = entries.len();
    let pairs: HashMap<_, _> = entries.iter().map(|pair| (name(pair), text(&pair.value))).collect();
    assert_eq!(pairs.len(), count, "a name was given twice");
    pairs
}

#[test]
fn the_constants_name_their_keys() {
    for (index, name) in [
        (METHOD, "REQUEST_METHOD"),
        (URI, "REQUEST_URI"),
        (PATH_INFO, "PATH_INFO"),
        (QUERY, "QUERY_STRING"),
        (PROTOCOL, "SERVER_PROTOCOL"),
        (SERVER_NAME, "SERVER_NAME"),
        (SERVER_PORT, "SERVER_PORT"),
        (REMOTE_ADDR, "REMOTE_ADDR"),
        (REMOTE_PORT, "REMOTE_PORT"),
        (CONTENT_LENGTH, "CONTENT_LENGTH"),
        (CONTENT_TYPE, "CONTENT_TYPE"),
        (HOST, "HTTP_HOST"),
        (QUEUE_TIME, "monoceros.queue_time"),
        (FIRST_FIELD, "HTTP_ACCEPT"),
        (COOKIE, "HTTP_COOKIE"),
        (TRANSFER_ENCODING, "HTTP_TRANSFER_ENCODING"),
        (UPGRADE, "HTTP_UPGRADE"),
    ] {
        assert_eq!(KEYS[index], name);
    }
}

#[test]
fn a_plain_request_has_these_pairs_and_no_others() {
    let env = env_of("GET /a%20b//c?x=%20?y HTTP/1.1\r\nHost: a:80\r\nx-own: 1", |_| ());
    let mut pairs: Vec<_> = env.iter().map(|(k, v)| format!("{k}={v}")).collect();
    pairs.sort();
    assert_eq!(
        pairs.join("\n"),
        "HTTP_HOST=a:80\nHTTP_X_OWN=1\nPATH_INFO=/a b//c\nQUERY_STRING=x=%20?y\n\
         REMOTE_ADDR=192.0.2.7\nREMOTE_PORT=40000\nREQUEST_METHOD=GET\n\
         REQUEST_URI=/a%20b//c?x=%20?y\nSERVER_NAME=127.0.0.1\nSERVER_PORT=5000\n\
         SERVER_PROTOCOL=HTTP/1.1"
    );
}

#[test]
fn every_known_field_is_found_in_any_case() {
    for key in KEYS.iter().skip(FIRST_FIELD) {
        let name = key[5..].replace('_', "-").to_ascii_lowercase();
        let place = Env::default().known_field(name.as_bytes());
        assert_eq!(place.map(|index| KEYS[index]), Some(*key));
    }
}

#[test]
fn repeated_fields_are_joined_and_cookies_by_semicolons() {
    let env = env_of(
        "GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nX-A: 1\r\nAccept: x\r\nx-a: 2\r\n\
         Cookie: b=2\r\naccept: y\r\nX-a: 3",
        |_| (),
    );
    assert_eq!(env["HTTP_COOKIE"], "a=1; b=2");
    assert_eq!(env["HTTP_X_A"], "1, 2, 3");
    assert_eq!(env["HTTP_ACCEPT"], "x, y");
}

#[test]
fn what_says_how_the_body_came_is_not_passed_on() {
    let env = env_of(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Type: text/x",
        |request| request.content_length = Some(0),
    );
    assert_eq!(env["CONTENT_LENGTH"], "0");
    assert_eq!(env["CONTENT_TYPE"], "text/x");
    assert!(!env.contains_key("HTTP_TRANSFER_ENCODING"));
    assert!(!env.contains_key("HTTP_CONTENT_TYPE"));

    let env = env_of("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 007", |request| {
        request.content_length = Some(7);
    });
    assert_eq!(env["CONTENT_LENGTH"], "7");
    assert!(!env.contains_key("HTTP_CONTENT_LENGTH"));
}

#[test]
fn an_upgrade_counts_only_if_the_connection_says_so_on_http_1_1() {
    let upgrade = |start: &str, connection: &str| {
        let request = format!("{start}\r\nHost: a\r\nUpgrade: websocket{connection}");
        env_of(&request, |_| ()).contains_key("HTTP_UPGRADE")
    };
    assert!(upgrade("GET / HTTP/1.1", "\r\nConnection: Upgrade"));
    assert!(!upgrade("GET / HTTP/1.1", ""));
    assert!(!upgrade("GET / HTTP/1.0", "\r\nConnection: Upgrade"));
}

#[test]
fn peers_are_named_so_that_trust_fails_closed() {
    let peer = |peer| env_of("GET / HTTP/1.1\r\nHost: a", |request| request.peer = peer);
    assert_eq!(peer(Peer::Tcp("::1".parse().unwrap(), 9))["REMOTE_ADDR"], "::1");
    assert_eq!(peer(Peer::Tcp("::ffff:1.2.3.4".parse().unwrap(), 9))["REMOTE_ADDR"], "1.2.3.4");
    let unix = peer(Peer::Unix);
    assert_eq!((unix["REMOTE_ADDR"].as_str(), unix["REMOTE_PORT"].as_str()), ("", "0"));
}

#[test]
fn the_absolute_form_tells_its_own_host_once() {
    let env = env_of("GET http://b:81/p?q HTTP/1.1\r\nHost: a", |_| ());
    assert_eq!(env["HTTP_HOST"], "b:81");
    assert_eq!(env["REQUEST_URI"], "/p?q");
}

#[test]
fn the_queue_time_is_there_only_if_it_is_known() {
    let env = env_of("GET / HTTP/1.1\r\nHost: a", |request| {
        request.queue_time = Some(Duration::from_micros(1_500));
    });
    assert_eq!(env["monoceros.queue_time"], "0.001500");
}

#[test]
fn numbers_are_written_as_the_standard_library_writes_them() {
    for number in [0, 7, 10, 99, 100, 65_535, u64::MAX] {
        let mut made = b"x".to_vec();
        decimal(number, &mut made);
        assert_eq!(made, format!("x{number}").into_bytes());
    }
}

#[test]
fn what_a_trusted_proxy_says_is_the_client() {
    let client = Some(("192.0.2.9".parse().unwrap(), 0));
    let env = env_of("GET / HTTP/1.1\r\nHost: a", |request| {
        request.peer = Peer::Unix;
        request.forwarded = Forwarded { client, https: true };
    });
    let of = |name: &str| env.get(name).map(String::as_str);
    assert_eq!((of("REMOTE_ADDR"), of("REMOTE_PORT")), (Some("192.0.2.9"), Some("0")));
    assert_eq!((of("HTTPS"), of("psgi.url_scheme")), (Some("on"), Some("https")));
    let env = env_of("GET / HTTP/1.1\r\nHost: a", |_| ());
    assert_eq!((env.get("HTTPS"), env.get("psgi.url_scheme")), (None, None), "the constant counts");
}

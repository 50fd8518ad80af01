//! The rules of the fields that decide something, by their rows in the table of conformance.

use crate::http::framing::Framing;
use crate::http::head::tests::{get, head, host, read_with, status, value};
use crate::http::{Limits, Underscores};

#[test]
fn row_019_fields_that_come_twice_are_both_given_in_order() {
    let bytes = get("Accept: a\r\nCookie: c\r\nAccept: b\r\n");
    let names: Vec<_> = head(&bytes).fields.iter().map(|field| field.name).collect();
    assert_eq!(names, [&b"Host"[..], b"Accept", b"Cookie", b"Accept"]);
}

#[test]
fn row_020_names_with_underscores_are_dropped_or_refused_as_asked() {
    let bytes = get("X_Forwarded_For: 6.6.6.6\r\n");
    assert_eq!(head(&bytes).fields.len(), 1);
    let limits = Limits { underscores: Underscores::Reject, ..Limits::default() };
    assert_eq!(read_with(&bytes, &limits).unwrap_err().status, 400);
}

#[test]
fn row_021_an_allowed_underscore_never_shadows_another_key() {
    let limits = Limits { underscores: Underscores::Allow, ..Limits::default() };
    let bytes =
        get("X_A: 2\r\nx-a: 1\r\nX_B: 3\r\nContent_Length: 5\r\nTransfer_Encoding: chunked\r\n");
    let head = read_with(&bytes, &limits).unwrap().unwrap();
    assert_eq!((value(&head, "X-A"), value(&head, "X_A")), (Some(&b"1"[..]), None));
    assert_eq!((value(&head, "X_B"), head.fields.len()), (Some(&b"3"[..]), 3));
    assert_eq!(head.framing, Framing::None);
}

#[test]
fn row_022_proxy_is_dropped() {
    assert_eq!(value(&head(&get("Proxy: http://evil\r\n")), "Proxy"), None);
}

#[test]
fn rows_023_027_040_some_fields_may_stand_there_once() {
    for name in ["Content-Type", "Content-Length", "Transfer-Encoding", "Host"] {
        for (one, two) in [("5", "5"), ("5", "6")] {
            assert_eq!(status(get(&format!("{name}: {one}\r\n{name}: {two}\r\n"))), 400, "{name}");
        }
    }
    assert_eq!(status("GET /p HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), 400);
    assert_eq!(status(get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")), 400);
}

#[test]
fn row_025_fields_that_connection_names_are_not_removed() {
    let bytes = get("Connection: X-Real\r\nX-Real: 1\r\n");
    assert_eq!(value(&head(&bytes), "X-Real"), Some(&b"1"[..]));
}

#[test]
fn rows_026_028_a_host_is_one_host_and_perhaps_a_port() {
    assert_eq!(status("GET /p HTTP/1.1\r\n\r\n"), 400);
    for text in
        ["", "a b", "a/b", "u@a", "a,b", "a:99999", "[::1", "[::1]x", "[]", "a:1:2", ":80", "a:+1"]
    {
        assert_eq!(status(host(text)), 400, "{text}");
    }
    for text in ["[::1]:5000", "a_b.example", "a:", "127.0.0.1:65535", "[2001:db8::1]"] {
        assert_eq!(head(&host(text)).host, Some(text.as_bytes()));
    }
}

#[test]
fn rows_043_044_a_size_over_the_limit_is_refused_when_announced() {
    assert_eq!(status(get(&format!("Content-Length: {}\r\n", "9".repeat(18)))), 413);
    assert_eq!(status(get("Content-Length: 67108865\r\n")), 413);
    assert_eq!(head(&get("Content-Length: 67108864\r\n")).framing, Framing::Length(64 << 20));
    let limits = Limits { max_body_size: 0, ..Limits::default() };
    let bytes = get("Content-Length: 9999999999\r\n");
    assert_eq!(
        read_with(&bytes, &limits).unwrap().unwrap().framing,
        Framing::Length(9_999_999_999)
    );
}

#[test]
fn rows_068_069_a_100_is_expected_on_1_1_and_before_a_body() {
    for value in ["100-continue", "100-Continue"] {
        let expect = format!("Expect: {value}\r\n");
        assert!(head(&get(&format!("{expect}Content-Length: 5\r\n"))).expects_continue);
        assert!(head(&get(&format!("{expect}Transfer-Encoding: chunked\r\n"))).expects_continue);
        assert!(!head(&get(&format!("{expect}Content-Length: 0\r\n"))).expects_continue);
        assert!(!head(&get(&expect)).expects_continue);
    }
    assert!(!head(b"GET / HTTP/1.0\r\nExpect: x\r\nContent-Length: 5\r\n\r\n").expects_continue);
}

#[test]
fn rows_070_071_other_expectations_are_refused_in_their_turn() {
    for value in ["200-ok", "100-continue, x", "", "100", "100-continue\r\nExpect: 100-continue"] {
        assert_eq!(status(get(&format!("Expect: {value}\r\n"))), 417, "{value}");
    }
    assert_eq!(status(get("Expect: 100-continue\r\nContent-Length: 67108865\r\n")), 413);
    assert_eq!(status(get("Expect: x\r\nContent-Length: 67108865\r\n")), 417);
    assert_eq!(status(get("Expect: x\r\nTransfer-Encoding: gzip\r\n")), 501);
    assert_eq!(status(get("Expect: x\r\nContent-Length: x\r\n")), 400);
}

#[test]
fn row_072_an_upgrade_needs_1_1_and_connection() {
    let bytes = get("Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n");
    let asked = head(&bytes);
    assert!(asked.connection.upgrade && asked.connection.keep_alive);
    assert_eq!(value(&asked, "Upgrade"), Some(&b"websocket"[..]));
    for text in [
        "GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n",
    ] {
        let ignored = head(text.as_bytes());
        assert_eq!((ignored.connection.upgrade, value(&ignored, "Upgrade")), (false, None));
    }
}

#[test]
fn row_074_connection_is_one_list_over_all_its_lines_in_any_case() {
    for lines in ["close", "Keep-Alive, Close", "x\r\nConnection: CLOSE", "x ,\tclose"] {
        assert!(head(&get(&format!("Connection: {lines}\r\n"))).connection.close, "{lines}");
    }
    assert!(!head(&get("Connection: closed\r\n")).connection.close);
}

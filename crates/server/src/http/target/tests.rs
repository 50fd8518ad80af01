//! The rules of targets, by their rows in the table of conformance.

use std::borrow::Cow;

use crate::http::head::decode_path;
use crate::http::head::tests::{head, line, status, value};

#[test]
fn row_029_the_authority_of_an_absolute_form_replaces_host() {
    let bytes = line("GET http://h.example/p?q=1 HTTP/1.1");
    let head = head(&bytes);
    assert_eq!(
        (head.host, value(&head, "Host")),
        (Some(&b"h.example"[..]), Some(&b"h.example"[..]))
    );
    assert_eq!((head.uri, head.path, head.query), (&b"/p?q=1"[..], &b"/p"[..], &b"q=1"[..]));
}

#[test]
fn row_030_an_absolute_form_has_host_and_no_user() {
    assert_eq!(status("GET http://h/ HTTP/1.1\r\n\r\n"), 400);
    assert_eq!(head(&line("GET http://h HTTP/1.1")).uri, b"/");
    assert_eq!(head(&line("GET HTTPS://h:443/ HTTP/1.1")).host, Some(&b"h:443"[..]));
    for target in ["http://u@h/", "ftp://h/", "http:///p", "http:/p", "http://h?q", "http://h:x/"] {
        assert_eq!(status(line(&format!("GET {target} HTTP/1.1"))), 400, "{target}");
    }
    let old = head(b"GET http://h/ HTTP/1.0\r\n\r\n");
    assert_eq!((old.host, value(&old, "Host")), (Some(&b"h"[..]), Some(&b"h"[..])));
}

#[test]
fn rows_031_032_the_other_forms_of_a_target() {
    assert!(head(&line("OPTIONS * HTTP/1.1")).asterisk);
    for target in ["*", "a:80", "p", "?q", "\\p"] {
        assert_eq!(status(line(&format!("GET {target} HTTP/1.1"))), 400, "{target}");
    }
    assert_eq!(status(line("CONNECT a:80 HTTP/1.1")), 501);
}

#[test]
fn row_033_a_path_is_decoded_once_and_the_rest_is_raw() {
    let bytes = line("GET /a%2Fb%20c%252?x=%zz HTTP/1.1");
    let head = head(&bytes);
    assert_eq!(decode_path(head.path).as_ref(), b"/a/b c%2");
    assert_eq!((head.query, head.uri), (&b"x=%zz"[..], &b"/a%2Fb%20c%252?x=%zz"[..]));
    assert!(matches!(decode_path(b"/a+b"), Cow::Borrowed(b"/a+b")));
}

#[test]
fn rows_034_035_a_path_that_cannot_be_decoded_is_refused() {
    for path in ["/a%zz", "/a%", "/a%4", "/a%00b", "/%%20"] {
        assert_eq!(status(line(&format!("GET {path} HTTP/1.1"))), 400, "{path}");
    }
}

#[test]
fn row_036_dots_and_slashes_are_not_touched() {
    for path in ["//foo///bar", "/a/../b"] {
        assert_eq!(head(&line(&format!("GET {path} HTTP/1.1"))).path, path.as_bytes());
    }
}

#[test]
fn row_037_a_target_may_be_utf_8_and_has_no_fragment() {
    let bytes = line("GET /caf\u{e9} HTTP/1.1");
    assert_eq!(head(&bytes).path, "/caf\u{e9}".as_bytes());
    assert_eq!(status(b"GET /caf\xE9 HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    assert_eq!(status(line("GET /a#b HTTP/1.1")), 400);
    assert_eq!(status(line("GET /a?b#c HTTP/1.1")), 400);
    assert_eq!(status(line("GET /a\x7f HTTP/1.1")), 400);
}

//! The rules of answers, by their rows in the table of conformance.

use super::*;
use crate::http::head::Connection;

const ASKED: Asked = Asked {
    version: Version::Http11,
    connection: Connection { close: false, keep_alive: false, upgrade: false },
    head_only: false,
    has_body: false,
    may_keep: true,
};
const HEAD: Asked = Asked { head_only: true, ..ASKED };
const OLD: Asked = Asked { version: Version::Http10, ..ASKED };

fn fields<'a>(pairs: &[(&'a str, &'a str)]) -> Vec<Field<'a>> {
    let field = |&(name, value): &(&'a str, &'a str)| Field {
        name: name.as_bytes(),
        value: value.as_bytes(),
    };
    pairs.iter().map(field).collect()
}

/// The head, and what follows it.
fn answer(
    asked: &Asked,
    status: i64,
    pairs: &[(&str, &str)],
    length: Length,
) -> Result<(String, Sending), HeadError> {
    let common = Common { date: "D", server: Some("S") };
    let mut out = b"before".to_vec();
    let sending =
        write_head(&mut out, asked, status, &fields(pairs), length, status == 101, &common);
    if sending.is_err() {
        assert_eq!(out, b"before", "nothing may be appended");
    }
    let text = String::from_utf8(out).unwrap();
    Ok((text.strip_prefix("before").unwrap().to_owned(), sending?))
}

/// The head of a good answer, without the lines that all have.
fn head(asked: &Asked, status: i64, pairs: &[(&str, &str)], length: Length) -> String {
    let (head, sending) = answer(asked, status, pairs, length).unwrap();
    assert_eq!(sending.keep, !head.contains("Connection: close") && status != 101, "{head}");
    head.strip_suffix("\r\n\r\n").unwrap().replace("\r\nDate: D\r\nServer: S", "")
}

fn whole(sending: &mut Sending, pieces: &[&[u8]]) -> Result<Vec<u8>, BadBody> {
    let mut out = Vec::new();
    for data in pieces {
        let piece = sending.body.piece(data)?;
        out.extend([&piece.before[..], &piece.data, piece.after].concat());
    }
    out.extend(sending.body.end()?);
    Ok(out)
}

#[test]
fn an_answer_has_its_fields_in_one_order() {
    let pairs = [("X-A", "1"), ("Content-Length", "5"), ("Content-Type", "text/plain")];
    let (head, sending) = answer(&ASKED, 200, &pairs, Length::Known(5)).unwrap();
    assert_eq!(
        head,
        "HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Type: text/plain\r\nDate: D\r\nServer: S\r\n\
         Content-Length: 5\r\n\r\n"
    );
    assert!(sending.keep && sending.notes.is_empty());
}

#[test]
fn an_unknown_status_has_an_empty_reason_and_no_server_means_no_field() {
    let mut out = Vec::new();
    let common = Common { date: "D", server: None };
    write_head(&mut out, &ASKED, 299, &[], Length::Known(0), false, &common).unwrap();
    assert_eq!(out, b"HTTP/1.1 299 \r\nDate: D\r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn rows_089_090_an_answer_to_head_has_no_body_and_no_computed_length() {
    let given = [("Content-Length", "12")];
    let (_, mut sending) = answer(&HEAD, 200, &given, Length::Known(12)).unwrap();
    assert!(sending.body.none());
    assert_eq!(whole(&mut sending, &[b"hello, world"]), Ok(Vec::new()));
    assert_eq!(
        head(&HEAD, 200, &given, Length::Known(12)),
        "HTTP/1.1 200 OK\r\nContent-Length: 12"
    );
    assert_eq!(head(&HEAD, 200, &[], Length::Known(12)), "HTTP/1.1 200 OK");
    assert_eq!(head(&HEAD, 200, &[], Length::Unknown), "HTTP/1.1 200 OK");
    let coded = [("Transfer-Encoding", "chunked")];
    assert_eq!(head(&HEAD, 200, &coded, Length::Unknown), "HTTP/1.1 200 OK");
    assert_eq!(head(&HEAD, 500, &[], Length::Known(5)), "HTTP/1.1 500 Internal Server Error");
}

#[test]
fn row_091_204_205_and_304_have_no_body_whatever_was_given() {
    for (status, expected) in [
        (204, "HTTP/1.1 204 No Content"),
        (304, "HTTP/1.1 304 Not Modified"),
        (205, "HTTP/1.1 205 Reset Content\r\nContent-Length: 0"),
    ] {
        for asked in [ASKED, HEAD] {
            for field in [("Content-Length", "5"), ("Transfer-Encoding", "chunked")] {
                assert_eq!(head(&asked, status, &[field], Length::Known(5)), expected);
            }
        }
        let (_, mut sending) = answer(&ASKED, status, &[], Length::Unknown).unwrap();
        assert!(sending.body.none());
        assert_eq!(whole(&mut sending, &[b"hello"]), Ok(Vec::new()));
    }
}

#[test]
fn row_092_a_status_is_200_to_599() {
    for status in [103, 99, 1000, 199, 600, 0, -1, i64::MAX, i64::MIN] {
        let error = answer(&ASKED, status, &[], Length::Known(0)).unwrap_err();
        assert_eq!(error, HeadError::Status(status));
    }
    assert!(answer(&ASKED, 599, &[], Length::Known(0)).is_ok());
    let common = Common { date: "D", server: None };
    let refused = write_head(&mut Vec::new(), &ASKED, 101, &[], Length::Known(0), false, &common);
    assert_eq!(refused.unwrap_err(), HeadError::Status(101));
}

#[test]
fn row_093_what_would_split_an_answer_is_never_sent_and_its_field_is_named() {
    for value in ["a\r\nX: b", "a\nb", "a\rb", "\0", "\x01", "\x7f"] {
        let error = answer(&ASKED, 200, &[("X-Bad", value)], Length::Known(0)).unwrap_err();
        assert!(error.to_string().contains("X-Bad"), "{error}");
    }
    for name in ["X\r\nY", "X Y", "X:", "", "caf\u{e9}"] {
        let error = answer(&ASKED, 200, &[(name, "1")], Length::Known(0)).unwrap_err();
        assert_eq!(error, HeadError::Name(name.as_bytes().escape_ascii().to_string()));
    }
    assert!(answer(&ASKED, 200, &[("X", "a\tb \u{e9}")], Length::Known(0)).is_ok());
}

#[test]
fn row_094_a_body_that_falls_short_is_told() {
    let (_, mut sending) =
        answer(&ASKED, 200, &[("Content-Length", "10")], Length::Known(5)).unwrap();
    assert_eq!(sending.body.remaining(), Some(10));
    assert_eq!(sending.body.piece(b"hello").unwrap().data.as_ref(), b"hello");
    assert_eq!(sending.body.end(), Err(BadBody::Short(5)));
}

#[test]
fn row_095_a_body_that_is_too_long_is_cut() {
    let (_, mut sending) =
        answer(&ASKED, 200, &[("Content-Length", "5")], Length::Unknown).unwrap();
    assert_eq!(sending.body.piece(b"hel").unwrap().data.as_ref(), b"hel");
    assert!(!sending.body.overrun());
    assert_eq!(sending.body.piece(b"lo, w").unwrap().data.as_ref(), b"lo");
    assert!(sending.body.overrun() && sending.keep);
    assert_eq!(whole(&mut sending, &[b"orld"]), Ok(Vec::new()));
}

#[test]
fn row_096_a_length_is_one_number() {
    let refused =
        |pairs: &[(&str, &str)]| answer(&ASKED, 200, pairs, Length::Known(5)).unwrap_err();
    for value in ["abc", "", "-1", "+5", "5 5", "5,5", "99999999999999999999"] {
        assert_eq!(refused(&[("Content-Length", value)]), HeadError::Length(value.into()));
    }
    let two = [("Content-Length", "5"), ("content-length", "6")];
    assert_eq!(refused(&two), HeadError::Lengths(5, 6));
    let equal = [("Content-Length", "5"), ("content-length", "5")];
    assert_eq!(head(&ASKED, 200, &equal, Length::Known(5)), "HTTP/1.1 200 OK\r\nContent-Length: 5");
}

#[test]
fn row_097_a_body_that_the_application_chunked_is_framed_once() {
    let coded = [("Transfer-Encoding", "chunked")];
    let pieces: [&[u8]; 4] = [b"3\r\nab", b"c\r\n", b"2\r\nde\r\n", b"0\r\n\r\n"];
    for (asked, coding, expected) in [
        (
            ASKED,
            "\r\nTransfer-Encoding: chunked",
            &b"2\r\nab\r\n1\r\nc\r\n2\r\nde\r\n0\r\n\r\n"[..],
        ),
        (OLD, "\r\nConnection: close", b"abcde"),
    ] {
        assert_eq!(
            head(&asked, 200, &coded, Length::Known(23)),
            format!("HTTP/1.1 200 OK{coding}")
        );
        let (_, mut sending) = answer(&asked, 200, &coded, Length::Known(23)).unwrap();
        assert_eq!(whole(&mut sending, &pieces).unwrap(), expected);
    }
}

#[test]
fn row_098_other_codings_and_false_chunks_are_errors() {
    let refused =
        |pairs: &[(&str, &str)]| answer(&ASKED, 200, pairs, Length::Known(5)).unwrap_err();
    assert_eq!(refused(&[("Transfer-Encoding", "gzip")]), HeadError::Coding("gzip".into()));
    assert_eq!(
        refused(&[("Transfer-Encoding", "chunked"), ("Content-Length", "5")]),
        HeadError::LengthAndCoding
    );
    for pieces in [&[&b"hello"[..]][..], &[b"5\r\nhello\r\n"], &[b"0\r\n\r\n", b"x"], &[]] {
        let coded = [("Transfer-Encoding", "Chunked")];
        let (_, mut sending) = answer(&ASKED, 200, &coded, Length::Unknown).unwrap();
        assert_eq!(whole(&mut sending, pieces), Err(BadBody::NotChunked));
    }
}

#[test]
fn row_099_of_what_is_said_about_this_hop_only_close_counts() {
    let closed = [("Connection", "X, Close")];
    assert_eq!(
        head(&ASKED, 200, &closed, Length::Known(1)),
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close"
    );
    let dropped = [
        ("Connection", "keep-alive"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "close"),
        ("TE", "trailers"),
        ("Trailer", "X"),
        ("Upgrade", "h2c"),
    ];
    assert_eq!(
        head(&ASKED, 200, &dropped, Length::Known(1)),
        "HTTP/1.1 200 OK\r\nContent-Length: 1"
    );
}

#[test]
fn row_100_date_and_server_are_sent_once_and_names_are_compared_whole() {
    let pairs = [
        ("Date", "mine"),
        ("server", "mine too"),
        ("C", "1"),
        ("Da", "2"),
        ("Se", "3"),
        ("date", "x"),
    ];
    assert_eq!(
        head(&ASKED, 200, &pairs, Length::Known(0)),
        "HTTP/1.1 200 OK\r\nDate: mine\r\nserver: mine too\r\nC: 1\r\nDa: 2\r\nSe: 3\r\nContent-Length: 0"
    );
}

#[test]
fn rows_075_101_a_body_is_framed_by_what_is_known_of_it() {
    let keep = Connection { keep_alive: true, ..ASKED.connection };
    let old_kept = Asked { connection: keep, ..OLD };
    for (asked, length, expected) in [
        (ASKED, Length::Known(5), "Content-Length: 5"),
        (ASKED, Length::Unknown, "Transfer-Encoding: chunked"),
        (OLD, Length::Known(5), "Content-Length: 5\r\nConnection: close"),
        (OLD, Length::Unknown, "Connection: close"),
        (old_kept, Length::Known(5), "Content-Length: 5\r\nConnection: keep-alive"),
        (old_kept, Length::Unknown, "Connection: close"),
    ] {
        assert_eq!(head(&asked, 200, &[], length), format!("HTTP/1.1 200 OK\r\n{expected}"));
    }
}

#[test]
fn row_102_empty_writes_make_no_chunk() {
    let (_, mut sending) = answer(&ASKED, 200, &[], Length::Unknown).unwrap();
    let long = [b'x'; 0x1ab];
    let out = whole(&mut sending, &[b"a", b"", b"b", &long]).unwrap();
    let expected = [b"1\r\na\r\n1\r\nb\r\n1ab\r\n", &long[..], b"\r\n0\r\n\r\n"].concat();
    assert_eq!(out, expected);
}

#[test]
fn row_105_interim_answers_are_checked_like_others_and_have_no_framing() {
    let mut out = Vec::new();
    let link = fields(&[("Link", "</a>"), ("Content-Length", "5"), ("Connection", "close")]);
    write_interim(&mut out, 103, &link).unwrap();
    assert_eq!(out, b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    for status in [101, 200, 99, -1] {
        assert_eq!(write_interim(&mut out, status, &[]), Err(HeadError::Status(status)));
    }
    assert!(write_interim(&mut out, 103, &fields(&[("X", "a\nb")])).is_err());
}

#[test]
fn row_106_long_and_many_fields_are_all_sent() {
    let long = "x".repeat(100 << 10);
    let pairs = [vec![("Set-Cookie", "a=b"); 600], vec![("X-Long", long.as_str())]].concat();
    let head = head(&ASKED, 200, &pairs, Length::Known(0));
    assert_eq!(head.matches("\r\nSet-Cookie: a=b").count(), 600);
    assert!(head.contains(&long));
}

#[test]
fn a_status_field_is_dropped_and_logged() {
    let (head, sending) = answer(&ASKED, 200, &[("Status", "404")], Length::Known(0)).unwrap();
    assert!(!head.contains("404"));
    assert_eq!(sending.notes.len(), 1);
}

#[test]
fn an_upgrade_is_announced_in_connection() {
    let upgrade = [("Upgrade", "websocket"), ("Connection", "Upgrade")];
    let (text, mut sending) = answer(&ASKED, 101, &upgrade, Length::Unknown).unwrap();
    assert_eq!(
        text,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nDate: D\r\nServer: S\r\n\
         Connection: Upgrade\r\n\r\n"
    );
    assert!(!sending.keep && !sending.body.none());
    assert_eq!(whole(&mut sending, &[b"frame"]).unwrap(), b"frame");
    assert_eq!(
        head(&ASKED, 426, &[("Upgrade", "h2c")], Length::Known(0)),
        "HTTP/1.1 426 Upgrade Required\r\nUpgrade: h2c\r\nContent-Length: 0\r\nConnection: Upgrade"
    );
}

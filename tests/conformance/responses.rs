//! Rows 89 to 103, 105 and 106: answers.

use super::row::{NEXT, next, rows};
use crate::support::{Answer, End};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n{NEXT}")
}

/// The same on 1.0, which keeps nothing.
fn old(path: &str) -> String {
    format!("GET {path} HTTP/1.0\r\n\r\n")
}

fn head(path: &str) -> String {
    format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n{NEXT}")
}

#[track_caller]
fn is(answer: &Answer, status: u16, body: &str) {
    assert_eq!((answer.status(), answer.text().as_str()), (status, body), "{answer:?}");
}

/// What is logged of a body that is cut.
const LONGER: &str = "longer than its Content-Length";

rows! {
    /// The length that a GET would have had, and no byte of it.
    89 Plain fn row_089_head_with_a_length(row) {
        row.each(head("/a/twelve"), |client| {
            let answer = client.answer_to_head();
            assert_eq!((answer.status(), answer.field("Content-Length")), (200, Some("12")));
            next(client);
        });
    }

    /// Without the application's, no length and no coding; faults and refusals have no body either.
    90 Plain fn row_090_head_without_a_length(row) {
        for (path, status) in ["array", "stream", "object", "file"].map(|path| (path, 200)) {
            row.each(head(&format!("/a/body/{path}")), |client| {
                let answer = client.answer_to_head();
                assert_eq!((answer.status(), answer.field("Transfer-Encoding")), (status, None));
                assert_eq!(answer.field("Content-Length"), None);
                next(client);
            });
        }
        for path in ["/a/die", "/a/value/lf"] {
            row.each(head(path), |client| {
                assert_eq!(client.answer_to_head().status(), 500);
                next(client);
            });
        }
        for (fields, status) in [
            ("Host: a\r\nHost: a\r\n\r\n", 400),
            ("Host: a\r\nContent-Length: 67108865\r\n\r\n", 413),
            ("Host: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400),
        ] {
            row.each(format!("HEAD /p HTTP/1.1\r\n{fields}"), |client| {
                assert_eq!(client.answer_to_head().status(), status);
                client.expect_end();
            });
        }
    }

    /// Statuses that have no body, whatever the application gave.
    91 Plain fn row_091_no_body(row) {
        for status in [204, 304] {
            row.each(get(&format!("/a/status/{status}")), |client| {
                let answer = client.answer();
                is(&answer, status, "");
                assert_eq!((answer.field("Content-Length"), answer.field("Transfer-Encoding")), (None, None));
                next(client);
            });
        }
        row.each(get("/a/status/205"), |client| {
            let answer = client.answer();
            is(&answer, 205, "");
            assert_eq!(answer.field("Content-Length"), Some("0"));
            next(client);
        });
    }

    /// Statuses that are none.
    92 Plain fn row_092_statuses_that_are_none(row) {
        for (status, logged) in [("103", "103"), ("99", "99"), ("1000", "1000"), ("200-OK", "200 OK"), ("undef", "")] {
            row.each(get(&format!("/a/status/{status}")), |client| {
                assert_eq!(client.answer().status(), 500);
                next(client);
            });
            row.logged(logged);
        }
        let faults = row.server.log.matching(|line| line.contains("status"));
        assert!(faults.len() >= 5, "{faults:?}");
    }

    /// Fields that would become others, or lines.
    93 Plain fn row_093_fields_that_are_none(row) {
        for kind in ["crlf", "lf", "nul", "control", "wide"] {
            row.each(get(&format!("/a/value/{kind}")), |client| {
                let answer = client.answer();
                assert_eq!((answer.status(), answer.field("X")), (500, None));
                next(client);
            });
            row.logged(&format!("X-{kind}"));
        }
        for (kind, logged) in [("crlf", "X\\r\\nY"), ("space", "X Y"), ("colon", "X:"), ("empty", "\"\"")] {
            row.each(get(&format!("/a/name/{kind}")), |client| {
                let answer = client.answer();
                assert_eq!((answer.status(), answer.field("X")), (500, None));
                next(client);
            });
            row.logged(logged);
        }
    }

    /// A body that is shorter than its length never looks whole.
    94 Plain fn row_094_a_short_body(row) {
        for kind in ["array", "file", "stream", "object"] {
            row.each(get(&format!("/a/short/{kind}")), |client| {
                let answer = client.any_answer(false);
                assert_eq!(answer.field("Content-Length"), Some("10"));
                assert_eq!((answer.whole, answer.end), (false, End::Reset));
                // A reset may overtake the bytes before it.
                assert!("hello".starts_with(&answer.text()), "{answer:?}");
            });
            row.logged("shorter than its Content-Length");
        }
    }

    /// One that is longer is cut.
    95 Plain fn row_095_a_long_body(row) {
        // No other row logs this. A file leaves in a way of its own, without being read.
        for (path, length) in [("/a/longfile/20000", 20_000), ("/a/long", 5)] {
            let before = row.server.log.matching(|line| line.contains(LONGER)).len();
            row.each(get(path), |client| {
                assert_eq!(client.answer().body.len(), length);
                next(client);
            });
            row.server.until("each is told", || {
                row.server.log.matching(|line| line.contains(LONGER)).len() == before + 4
            });
        }
    }

    /// Lengths that are none, or two.
    96 Plain fn row_096_lengths(row) {
        for (kind, status) in [("abc", 500), ("differ", 500), ("equal", 200)] {
            row.each(get(&format!("/a/length/{kind}")), |client| {
                let answer = client.answer();
                assert_eq!(answer.status(), status);
                if status == 200 {
                    is(&answer, 200, "body");
                }
                next(client);
            });
        }
    }

    /// A middleware that frames the body itself.
    97 Plain fn row_097_chunked_by_the_application(row) {
        row.each(get("/a/chunk"), |client| {
            let answer = client.answer();
            is(&answer, 200, "hello");
            assert_eq!(answer.field("Transfer-Encoding"), Some("chunked"));
            next(client);
        });
        row.each(old("/a/chunk"), |client| {
            let answer = client.answer();
            is(&answer, 200, "hello");
            assert_eq!(answer.field("Transfer-Encoding"), None);
        });
    }

    /// Who says chunked has to mean it; nothing else may be said.
    98 Plain fn row_098_codings_that_are_none(row) {
        for coding in ["chunked", "gzip"] {
            row.each(get(&format!("/a/coding/{coding}")), |client| {
                let answer = client.answer();
                assert_eq!((answer.status(), answer.field("Transfer-Encoding")), (500, None));
                next(client);
            });
        }
    }

    /// What the application may say of the connection.
    99 Plain fn row_099_connection_fields(row) {
        row.each(get("/a/field/Connection=close"), |client| {
            let answer = client.answer();
            assert_eq!((answer.status(), answer.field("Connection")), (200, Some("close")));
            client.expect_end();
        });
        for name in ["Connection=keep-alive", "Keep-Alive=timeout", "Trailer=X", "TE=trailers"] {
            row.each(get(&format!("/a/field/{name}")), |client| {
                let answer = client.answer();
                is(&answer, 200, "hello");
                assert_eq!(answer.field("Connection"), None);
                assert_eq!(answer.field(name.split('=').next().unwrap()), None);
                next(client);
            });
        }
    }

    /// The application's Date and Server are the only ones, and only those are called so.
    100 Plain fn row_100_date_and_server(row) {
        row.each(get("/a/own"), |client| {
            let answer = client.answer();
            for (name, value) in [("Date", "then"), ("Server", "mine"), ("C", "1"), ("Da", "2"), ("Se", "3")] {
                assert_eq!(answer.field(name), Some(value));
            }
            next(client);
        });
    }

    /// How each kind of body ends.
    101 Plain fn row_101_framing(row) {
        for (kind, length) in [("array", true), ("file", true), ("object", false), ("stream", false)] {
            let path = format!("/a/body/{kind}");
            row.each(get(&path), |client| {
                let answer = client.answer();
                is(&answer, 200, "hello");
                assert_eq!(answer.field("Content-Length"), length.then_some("5"));
                assert_eq!(answer.field("Transfer-Encoding"), (!length).then_some("chunked"));
                next(client);
            });
            row.each(old(&path), |client| {
                let answer = client.answer();
                is(&answer, 200, "hello");
                assert_eq!(answer.field("Content-Length"), length.then_some("5"));
                assert_eq!((answer.field("Transfer-Encoding"), answer.field("Connection")), (None, Some("close")));
                assert!(!length || { client.expect_end(); true });
            });
        }
        row.each(get("/a/body/none"), |client| {
            assert_eq!(client.answer().field("Content-Length"), Some("0"));
            next(client);
        });
    }

    /// A chunk for each write that brings something; a stream that dies never looks whole.
    102 Plain fn row_102_writes(row) {
        row.each(get("/a/body/writes"), |client| {
            let answer = client.answer();
            assert_eq!((answer.text().as_str(), answer.chunks.as_slice()), ("ab", &[1, 1][..]));
            next(client);
        });
        row.each(get("/a/body/die"), |client| {
            let answer = client.any_answer(false);
            assert_eq!((answer.whole, answer.end), (false, End::Reset));
        });
        row.logged("in mid-stream");
    }

    /// A worker that dies before its answer, and in the midst of it.
    103 Plain fn row_103_a_worker_is_killed(row) {
        row.each(get("/a/kill"), |client| {
            let answer = client.answer();
            assert_eq!((answer.status(), answer.field("Connection")), (502, Some("close")));
            assert!(answer.text().starts_with("502 Bad Gateway: "), "{answer:?}");
            client.expect_end();
        });
        row.each(head("/a/kill"), |client| {
            assert_eq!(client.answer_to_head().status(), 502);
            client.expect_end();
        });
        row.each(get("/a/body/killed"), |client| {
            let answer = client.any_answer(false);
            assert_eq!((answer.whole, answer.end), (false, End::Reset));
        });
    }

    /// An interim answer goes to who understands it.
    105 Plain fn row_105_early_hints(row) {
        row.each(get("/a/early"), |client| {
            let early = client.answer();
            assert_eq!((early.status(), early.field("Link")), (103, Some("</style.css>")));
            is(&client.answer(), 200, "late");
            next(client);
        });
        row.each(old("/a/early"), |client| {
            is(&client.answer(), 200, "late");
            client.expect_end();
        });
    }

    /// Many fields, and a long one.
    106 Plain fn row_106_large_heads(row) {
        row.each(get("/a/cookie/600"), |client| {
            let answer = client.answer();
            let cookies: Vec<_> = answer.fields.iter().filter(|(name, _)| name == "Set-Cookie").collect();
            assert_eq!(cookies.len(), 600);
            assert_eq!((cookies[0].1.as_str(), cookies[599].1.as_str()), ("c1=1", "c600=1"));
            next(client);
        });
        row.each(get("/a/large/102400"), |client| {
            assert_eq!(client.answer().field("X-Large").map(str::len), Some(102_400));
            next(client);
        });
    }
}

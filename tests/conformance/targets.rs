//! Rows 26 to 37: Host and target.

use super::row::{NEXT, has_no, next, rows, says};

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

rows! {
    /// 1.1 needs a Host, 1.0 does not.
    26 Plain fn row_026_no_host(row) {
        row.refused(400, ["GET /p HTTP/1.1\r\n\r\n"]);
        row.not_called();
        row.each("GET /p HTTP/1.0\r\n\r\n", |client| {
            let answer = client.answer();
            assert_eq!(answer.status(), 200);
            has_no(&answer, "HTTP_HOST");
        });
    }

    /// Two of them, equal or not.
    27 Plain fn row_027_two_hosts(row) {
        for version in ["1.1", "1.0"] {
            row.refused(400, ["a", "b"].map(|other| {
                format!("GET /p HTTP/{version}\r\nHost: a\r\nHost: {other}\r\n\r\n")
            }));
        }
        row.not_called();
    }

    /// What is a host, and what is none.
    28 Plain fn row_028_hosts(row) {
        for host in ["", "a b", "a/b", "u@a", "a,b", "a:99999", "[::1"] {
            row.refused(400, [format!("GET /p HTTP/1.1\r\nHost: {host}\r\n\r\n")]);
        }
        row.not_called();
        for host in ["[::1]:5000", "a_b.example", "a:"] {
            row.kept(format!("GET /p HTTP/1.1\r\nHost: {host}\r\n\r\n"), |answer| says(answer, "HTTP_HOST", host));
        }
    }

    /// The absolute form names the host.
    29 Plain fn row_029_absolute_form(row) {
        row.kept(get("http://h.example/p?q=1"), |answer| {
            says(answer, "HTTP_HOST", "h.example");
            says(answer, "PATH_INFO", "/p029");
            says(answer, "REQUEST_URI", "/p029?q=1");
            says(answer, "QUERY_STRING", "q=1");
        });
    }

    /// Without a Host field; without a path; with a user; of another scheme.
    30 Plain fn row_030_absolute_forms(row) {
        row.refused(400, ["GET http://h.example/p?q=1 HTTP/1.1\r\n\r\n"]);
        row.kept(get("http://h"), |answer| {
            says(answer, "PATH_INFO", "/");
            says(answer, "REQUEST_URI", "/");
        });
        row.refused(400, [get("http://u@h/"), get("http://u@h/p"), get("ftp://h/"), get("ftp://h/p")]);
        row.not_called();
    }

    /// A question to the server itself, which Perl does not hear of.
    31 Plain fn row_031_options_asterisk(row) {
        row.each(format!("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n{NEXT}"), |client| {
            let answer = client.answer();
            assert_eq!((answer.status(), answer.field("Content-Length")), (200, Some("0")));
            assert_eq!(answer.field("Connection"), None);
            next(client);
        });
        assert!(row.server.log.matching(|line| line.contains("report OPTIONS")).is_empty());
    }

    /// Targets that are none; CONNECT.
    32 Plain fn row_032_targets_that_are_none(row) {
        row.refused(400, ["*", "a:80", "p", "?q", "\\p"].map(get));
        row.refused(501, ["CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"]);
        assert!(row.server.log.matching(|line| line.contains("report CONNECT")).is_empty());
    }

    /// A path is decoded once, a query is not looked at.
    33 Plain fn row_033_a_path_is_decoded(row) {
        row.kept(get("/e%2Fb%20c?x=%zz"), |answer| {
            says(answer, "PATH_INFO", "/e/b c");
            says(answer, "QUERY_STRING", "x=%zz");
            says(answer, "REQUEST_URI", "/e%2Fb%20c?x=%zz");
        });
    }

    /// A `%` without two digits.
    34 Plain fn row_034_half_escapes(row) {
        row.refused(400, ["/a%zz", "/a%", "/a%4"].map(get));
    }

    /// A path that C code would cut.
    35 Plain fn row_035_nul_in_the_path(row) {
        row.refused(400, [get("/a%00b")]);
    }

    /// Slashes and dots are the application's.
    36 Plain fn row_036_paths_are_not_touched(row) {
        for path in ["//foo///bar", "/d/../b"] {
            row.kept(get(path), |answer| {
                says(answer, "PATH_INFO", path);
                says(answer, "REQUEST_URI", path);
            });
        }
    }

    /// UTF-8 as browsers send it; a byte that is none; a fragment.
    37 Plain fn row_037_bytes_in_the_target(row) {
        row.kept(get("/caf\u{e9}"), |answer| {
            says(answer, "REQUEST_URI", "/caf\u{e9}");
            says(answer, "PATH_INFO", "/caf\u{e9}");
        });
        row.refused(400, [&b"GET /caf\xE9 HTTP/1.1\r\nHost: a\r\n\r\n"[..], b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"]);
    }
}

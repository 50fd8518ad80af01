//! Rows 1 to 13: the request line.

use super::row::{G, WAYS, rows, says};

rows! {
    /// The least that a request can be; the connection is kept, and nothing is said about that.
    1 Plain fn row_001_a_request_and_the_next(row) {
        row.kept(format!("{G}\r\n"), |answer| says(answer, "REQUEST_METHOD", "GET"));
    }

    /// 1.0 is answered as 1.1, in its own framing.
    2 Plain fn row_002_http_1_0(row) {
        row.each("GET /p HTTP/1.0\r\n\r\n", |client| {
            let answer = client.answer();
            assert_eq!(answer.line, "HTTP/1.1 200 OK");
            assert_eq!(answer.field("Transfer-Encoding"), None);
            assert_eq!(answer.field("Connection"), Some("close"));
            client.expect_end();
        });
    }

    /// Empty lines before a request are skipped.
    3 Plain fn row_003_empty_lines_before(row) {
        row.kept(format!("\r\n\r\n{G}\r\n"), |answer| says(answer, "PATH_INFO", "/p003"));
    }

    /// Lines that end in LF alone.
    4 Plain fn row_004_bare_lf(row) {
        row.refused(400, ["GET /p HTTP/1.1\nHost: a\n\n"]);
        row.not_called();
    }

    /// One wrong line end among right ones.
    5 Plain fn row_005_a_wrong_line_end(row) {
        row.refused(400, [
            format!("\n{G}\r\n"),
            "GET /p HTTP/1.1\nHost: a\r\nX: b\r\n\r\n".to_owned(),
            "GET /p HTTP/1.1\r\nHost: a\nX: b\r\n\r\n".to_owned(),
            "GET /p HTTP/1.1\r\r\nHost: a\r\n\r\n".to_owned(),
        ]);
        row.not_called();
    }

    /// Whitespace that is too much, or another.
    6 Plain fn row_006_whitespace_in_the_line(row) {
        row.refused(400, [
            " GET /p HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET  /p HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /p  HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET\t/p HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /p\tHTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /p HTTP/1.1 \r\nHost: a\r\n\r\n",
            "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        ]);
        row.not_called();
    }

    /// Methods have cases.
    7 Plain fn row_007_a_small_method(row) {
        row.kept("get /p HTTP/1.1\r\nHost: a\r\n\r\n", |answer| says(answer, "REQUEST_METHOD", "get"));
    }

    /// Not a token; a letter too many; far too many.
    8 Plain fn row_008_methods_that_are_none(row) {
        row.refused(400, ["G@T /p HTTP/1.1\r\nHost: a\r\n\r\n"]);
        for length in [33, 100_000] {
            row.refused(501, [format!("{} /p HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(length))]);
        }
        row.not_called();
    }

    /// Versions that are none of ours.
    9 Plain fn row_009_other_versions(row) {
        let line = |version| format!("GET /p {version}\r\nHost: a\r\n\r\n");
        row.refused(505, ["HTTP/1.2", "HTTP/2.0", "HTTP/0.9"].map(line));
        row.not_called();
    }

    /// What looks like a version and is none.
    10 Plain fn row_010_no_versions(row) {
        let line = |version| format!("GET /p {version}\r\nHost: a\r\n\r\n");
        row.refused(400, ["http/1.1", "HTTP/1.10", "HTTP/11", "HTTP/1"].map(line));
        row.not_called();
    }

    /// HTTP/0.9 does not wait for more; the preface of HTTP/2.
    11 Plain fn row_011_other_protocols(row) {
        row.refused_at_once(400, ["GET /p\r\n"]);
        row.refused_at_once(505, ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]);
        row.not_called();
    }

    /// TLS is told apart at its first byte, and the operator where it was spoken.
    12 Plain fn row_012_tls(row) {
        row.refused_at_once(400, [b"\x16\x03\x01"]);
        let line = row.logged("TLS");
        let port = row.server.addresses()[0].rsplit(':').next().unwrap();
        assert!(line.contains(port), "no listener in {line}");
    }

    /// A target that is too long is refused before its line ends.
    13 Plain fn row_013_a_long_target(row) {
        row.refused_at_once(414, [format!("GET /{}", "p".repeat(17 * 1024))]);
        // As much as is allowed is allowed.
        let target = "q".repeat(16 * 1024 - "GET / HTTP/1.1\r\n".len());
        let mut client = row.connect(WAYS[0]);
        client.send(format!("GET /{target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        says(&client.answer(), "PATH_INFO", &format!("/{target}"));
    }
}

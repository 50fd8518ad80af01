//! Rows 14 to 25: fields.

use super::row::{G, P, has_no, rows, says};

rows! {
    /// A space before the colon.
    14 Plain fn row_014_space_before_the_colon(row) {
        row.refused(400, ["GET /p HTTP/1.1\r\nHost : a\r\n\r\n"]);
        row.not_called();
    }

    /// Folded lines; a first field that begins with a space.
    15 Plain fn row_015_folded_lines(row) {
        row.refused(400, [
            format!("{G}X: b\r\n c\r\n\r\n"),
            format!("{G}X: b\r\n\tc\r\n\r\n"),
            "GET /p HTTP/1.1\r\n Host: a\r\n\r\n".to_owned(),
            "GET /p HTTP/1.1\r\n X: b\r\nHost: a\r\n\r\n".to_owned(),
        ]);
        row.not_called();
    }

    /// Names that are none.
    16 Plain fn row_016_names_that_are_none(row) {
        for line in [&b"foo"[..], b": x", b"X Y: 1", b"X(: 1", b"X\xE9: 1"] {
            row.refused(400, [[G.as_bytes(), line, b"\r\n\r\n"].concat()]);
        }
        row.not_called();
    }

    /// Controls in a value.
    17 Plain fn row_017_controls_in_a_value(row) {
        row.refused(400, ['\0', '\r', '\x01', '\x7f'].map(|c| format!("{G}X: a{c}b\r\n\r\n")));
        row.not_called();
    }

    /// Other bytes pass as they are; whitespace around them does not.
    18 Plain fn row_018_values_are_bytes(row) {
        row.kept([G.as_bytes(), b"X: caf\xE9\r\nY: \t a \t\r\nZ:\r\n\r\n"].concat(), |answer| {
            let body = &answer.body;
            assert!(body.windows(12).any(|w| w == b"HTTP_X=caf\xE9\n"), "{}", answer.text());
            says(answer, "HTTP_Y", "a");
            says(answer, "HTTP_Z", "");
        });
    }

    /// The same field twice.
    19 Plain fn row_019_fields_are_joined(row) {
        row.kept(format!("{G}Accept: a\r\nCookie: c=1\r\nAccept: b\r\nCookie: d=2\r\n\r\n"), |answer| {
            says(answer, "HTTP_ACCEPT", "a, b");
            says(answer, "HTTP_COOKIE", "c=1; d=2");
        });
    }

    /// A name that would pass for another.
    20 Plain fn row_020_underscores(row) {
        row.kept(format!("{G}X_Forwarded_For: 6.6.6.6\r\n\r\n"), |answer| {
            has_no(answer, "HTTP_X_FORWARDED_FOR");
        });
    }

    /// Where underscores are allowed, none of them replaces anything.
    21 Short fn row_021_underscores_that_are_allowed(row) {
        for fields in ["X-A: 1\r\nX_A: 2\r\n", "X_A: 2\r\nX-A: 1\r\n"] {
            row.kept(format!("{G}{fields}X_B: 3\r\n\r\n"), |answer| {
                says(answer, "HTTP_X_A", "1");
                says(answer, "HTTP_X_B", "3");
            });
        }
        row.kept(format!("{P}Content_Length: 5\r\nTransfer_Encoding: chunked\r\n\r\n"), |answer| {
            says(answer, "size", "0");
            has_no(answer, "CONTENT_LENGTH");
            has_no(answer, "HTTP_CONTENT_LENGTH");
            has_no(answer, "HTTP_TRANSFER_ENCODING");
        });
    }

    /// What CGI code would copy to the environment.
    22 Plain fn row_022_proxy(row) {
        row.kept(format!("{G}Proxy: http://evil\r\n\r\n"), |answer| has_no(answer, "HTTP_PROXY"));
    }

    /// Two of what decides how a body is read.
    23 Plain fn row_023_two_content_types(row) {
        row.refused(400, [
            format!("{P}Content-Type: a/b\r\nContent-Type: a/b\r\n\r\n"),
            format!("{P}Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n"),
        ]);
        row.not_called();
    }

    /// As many fields as may be; one more; a head that is too large, before it ends.
    24 Plain fn row_024_too_many_and_too_large(row) {
        let fields = |count: usize| "X-A: b\r\n".repeat(count);
        row.refused(431, [format!("{G}{}\r\n", fields(128))]);
        row.refused_at_once(431, [format!("{G}{}", fields(129)), format!("{G}X: {}", "v".repeat(70 * 1024))]);
        row.not_called();
        row.kept(format!("{G}{}\r\n", fields(127)), |answer| says(answer, "PATH_INFO", "/p024"));
    }

    /// `Connection` names fields, and takes none of them away.
    25 Plain fn row_025_connection_deletes_nothing(row) {
        row.kept(format!("{G}Connection: X-Real\r\nX-Real: 1\r\n\r\n"), |answer| {
            says(answer, "HTTP_X_REAL", "1");
        });
    }
}

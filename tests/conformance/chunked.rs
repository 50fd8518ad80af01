//! Rows 51 to 67: chunked requests.

use std::time::Instant;

use super::row::{C, P, WAYS, has_no, refusal, rows, says};

fn coded(coding: &str) -> String {
    format!("{P}Transfer-Encoding: {coding}\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
}

fn chunks(text: &str) -> String {
    format!("{C}{text}")
}

rows! {
    /// The application sees a body, its length, and nothing of the coding.
    51 Plain fn row_051_a_chunked_body(row) {
        for coding in ["chunked", "Chunked"] {
            row.kept(coded(coding), |answer| {
                says(answer, "body", "hello");
                says(answer, "CONTENT_LENGTH", "5");
                has_no(answer, "HTTP_TRANSFER_ENCODING");
            });
        }
    }

    /// A coding that we do not undo.
    52 Plain fn row_052_gzip_then_chunked(row) {
        row.refused(501, [coded("gzip, chunked")]);
        row.not_called();
    }

    /// Codings that nobody knows, or that are not to be sent.
    53 Plain fn row_053_other_codings(row) {
        row.refused(501, ["gzip", "identity", "xchunked", "chunked;q=1"].map(coded));
        row.not_called();
    }

    /// `chunked`, but not once and last.
    54 Plain fn row_054_chunked_not_last(row) {
        row.refused(400, [
            "chunked, gzip",
            "chunked, chunked",
            "chunked,",
            ", chunked",
            "chunked\r\nTransfer-Encoding: chunked",
        ].map(coded));
        row.not_called();
    }

    /// What some take for a space.
    55 Plain fn row_055_odd_spaces(row) {
        let coded = |space: &[u8]| {
            [P.as_bytes(), b"Transfer-Encoding: ", space, b"chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"].concat()
        };
        row.refused(400, [coded(b"\x0b")]);
        row.refused(501, [coded(b"\xA0")]);
        row.not_called();
    }

    /// 1.0 has no codings.
    56 Plain fn row_056_chunked_on_1_0(row) {
        row.refused(400, [chunks("5\r\nhello\r\n0\r\n\r\n").replace("HTTP/1.1", "HTTP/1.0")]);
        row.not_called();
    }

    /// Trailers are read, and dropped.
    57 Plain fn row_057_a_trailer(row) {
        row.kept(chunks("5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n"), |answer| {
            says(answer, "body", "hello");
            has_no(answer, "HTTP_X_T");
        });
    }

    /// Whatever they are called; but they have to be fields, and not too many.
    58 Plain fn row_058_trailers(row) {
        row.refused(400, ["X T: 1\r\n\r\n", "X: 1\n\r\n", "X: 1\r\n\n"].map(|t| chunks(&format!("0\r\n{t}"))));
        row.refused_at_once(431, [chunks(&format!("0\r\nX: {}", "v".repeat(9 * 1024)))]);
        row.not_called();
        row.kept(chunks("5\r\nhello\r\n0\r\nContent-Length: 3\r\nHost: b\r\n\r\n"), |answer| {
            says(answer, "CONTENT_LENGTH", "5");
            says(answer, "HTTP_HOST", "a");
        });
    }

    /// Extensions that have the grammar are ignored, others refused.
    59 Plain fn row_059_extensions(row) {
        for size in ["5;n=\"v\"", "5 ;x", "5;a=b;c", "5;a=\"b;\\\"\""] {
            row.kept(chunks(&format!("{size}\r\nhello\r\n0;x\r\n\r\n")), |answer| says(answer, "body", "hello"));
        }
        row.refused(400, ["5;", "5;a[=b", "5;a=\"b"].map(|size| chunks(&format!("{size}\r\nhello\r\n0\r\n\r\n"))));
    }

    /// Sizes that are none, and line ends inside a line.
    60 Plain fn row_060_sizes_that_are_none(row) {
        row.refused(400, ["5 ", " 5", "+5", "-5", "0x5", "5x", "", "5;a\nb", "5;a\0b"].map(|size| {
            chunks(&format!("{size}\r\nhello\r\n0\r\n\r\n"))
        }));
        row.not_called();
    }

    /// Numbers at the edge of 64 bits; zeros.
    61 Plain fn row_061_huge_sizes(row) {
        row.refused_at_once(400, [chunks("11111111111111111\r\n")]);
        row.refused_at_once(413, [chunks("FFFFFFFFFFFFFFFF\r\n")]);
        row.not_called();
        row.kept(chunks("00005\r\nhello\r\n000\r\n\r\n"), |answer| says(answer, "body", "hello"));
    }

    /// What must follow a chunk.
    62 Plain fn row_062_behind_a_chunk(row) {
        row.refused(400, ["5\r\nhelloX", "5\r\nhello\n", "5\r\nhello\n0\r\n\r\n"].map(chunks));
        row.not_called();
    }

    /// A line that is too long; extensions that are too many.
    63 Plain fn row_063_long_extensions(row) {
        row.refused(400, [chunks(&format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(1023)))]);
        let chunk = format!("1;{}\r\nx\r\n", "y".repeat(1000));
        row.refused(400, [chunks(&chunk.repeat(18))]);
        row.not_called();
        row.kept(chunks(&format!("{}0\r\n\r\n", chunk.repeat(15))), |answer| says(answer, "size", "15"));
    }

    /// A sum that is too large is refused when it is announced.
    64 Plain fn row_064_the_sum_of_chunks(row) {
        row.refused_at_once(413, [chunks("5\r\nhello\r\n4000000\r\n")]);
        row.not_called();
    }

    /// Many small chunks cost no more than their bytes; a line without an end is not waited for.
    65 Plain fn row_065_many_small_chunks(row) {
        let time = |count: usize| {
            let begun = Instant::now();
            let mut client = row.connect(WAYS[1]);
            client.send(chunks(&format!("{}0\r\n\r\n", "1\r\nx\r\n".repeat(count))));
            says(&client.answer(), "size", &count.to_string());
            begun.elapsed()
        };
        // A square would be sixteen times as much each time; what else runs here is not.
        let linear = |_| {
            let (quarter, whole) = (time(1 << 18), time(1 << 20));
            eprintln!("{quarter:?}, then {whole:?}");
            whole < quarter * 12
        };
        assert!((0..5).any(linear), "it takes more than its bytes");
        row.refused_at_once(400, [chunks(&"x".repeat(128 * 1024)), chunks(&format!("1;{}", "x".repeat(128 * 1024)))]);
    }

    /// An end of file before the last CR LF.
    66 Plain fn row_066_half_a_chunked_body(row) {
        for text in ["5\r\nhello\r\n0\r\n", "5\r\nhel", "5\r\nhello\r\n", "5\r\nhello\r\n0\r\nX: 1\r\n", ""] {
            row.each(chunks(text), |client| {
                client.half_close();
                refusal(client, 400);
            });
        }
        row.not_called();
    }

    /// A body of nothing.
    67 Plain fn row_067_nothing_in_chunks(row) {
        row.kept(chunks("0\r\n\r\n"), |answer| {
            says(answer, "CONTENT_LENGTH", "0");
            says(answer, "size", "0");
        });
    }
}

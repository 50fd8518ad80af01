//! Rows 38 to 50: the length of a body, and where it is kept.

use std::time::Duration;

use super::row::{NEXT, P, WAYS, has_no, next, refusal, rows, says, send};
use crate::support::{Server, pss};

fn length(text: &str) -> String {
    format!("{P}Content-Length: {text}\r\n\r\nhello")
}

rows! {
    /// So many bytes, and not one more.
    38 Plain fn row_038_a_length(row) {
        row.kept(length("5"), |answer| {
            says(answer, "body", "hello");
            says(answer, "CONTENT_LENGTH", "5");
        });
    }

    /// Two lengths of one body.
    39 Plain fn row_039_length_and_coding(row) {
        for length in ["5", "0"] {
            let fields = [format!("Content-Length: {length}\r\n"), "Transfer-Encoding: chunked\r\n".to_owned()];
            row.refused(400, [
                format!("{P}{}{}\r\n0\r\n\r\n", fields[0], fields[1]),
                format!("{P}{}{}\r\n0\r\n\r\n", fields[1], fields[0]),
            ]);
        }
        row.not_called();
    }

    /// Two lengths, equal or not, in two lines or in one.
    40 Plain fn row_040_two_lengths(row) {
        row.refused(400, ["5\r\nContent-Length: 5", "5\r\nContent-Length: 6", "5, 5"].map(length));
        row.not_called();
    }

    /// Numbers that are none.
    41 Plain fn row_041_lengths_that_are_none(row) {
        row.refused(400, ["+5", "-5", "5 5", "5;", "0x5", "5.0", "5e0", ""].map(length));
        row.not_called();
    }

    /// Zeros before a number.
    42 Plain fn row_042_leading_zeros(row) {
        row.kept(length("0005"), |answer| {
            says(answer, "body", "hello");
            says(answer, "CONTENT_LENGTH", "5");
        });
    }

    /// More digits than a number may have; a number that is too large.
    43 Plain fn row_043_huge_lengths(row) {
        row.refused_at_once(400, [format!("{P}Content-Length: 1234567890123456789\r\n\r\n")]);
        row.refused_at_once(413, [format!("{P}Content-Length: 999999999999999999\r\n\r\n")]);
        row.not_called();
    }

    /// A byte over the limit is refused by its announcement. Without a limit, an announcement costs
    /// nothing.
    44 Short fn row_044_announced_and_not_sent(row) {
        let weight = || row.server.tree().pids().into_iter().map(pss).sum::<u64>();
        let mut clients: Vec<_> = (0..8).map(|at| row.connect(WAYS[at % 2])).collect();
        let before = weight();
        for client in &mut clients {
            client.send(row.named(format!("{P}Content-Length: 9999999999\r\n\r\nx").as_bytes()));
        }
        row.server.outlives(Duration::from_millis(300));
        assert!(weight() < before + 8 * 1024, "{before} KiB before, {} now", weight());
        for client in &mut clients {
            client.half_close();
            refusal(client, 400);
        }
        row.not_called();
    }

    /// The same for methods that rarely have one.
    45 Plain fn row_045_bodies_of_any_method(row) {
        for method in ["GET", "DELETE"] {
            let request = format!("{method} /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
            row.kept(request, |answer| says(answer, "body", "hello"));
        }
        let request = format!("HEAD /a/twelve HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello{NEXT}");
        row.each(request, |client| {
            assert_eq!(client.answer_to_head().status(), 200);
            next(client);
        });
    }

    /// A POST without a length has no body, one of length 0 has an empty one; 1.0 has lengths too.
    46 Plain fn row_046_no_length_and_none(row) {
        row.kept(format!("{P}\r\n"), |answer| {
            has_no(answer, "CONTENT_LENGTH");
            says(answer, "size", "0");
        });
        row.kept(format!("{P}Content-Length: 0\r\n\r\n"), |answer| says(answer, "CONTENT_LENGTH", "0"));
        row.each("POST /p HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello", |client| {
            says(&client.answer(), "body", "hello");
            client.expect_end();
        });
    }

    /// Half a body is none.
    47 Plain fn row_047_half_a_body(row) {
        let half = format!("{P}Content-Length: 10\r\n\r\nhello");
        row.each(&half, |client| {
            client.half_close();
            refusal(client, 400);
        });
        for way in WAYS {
            let mut client = row.connect(way);
            send(&mut client, &row.named(half.as_bytes()), way);
            client.reset();
        }
        row.not_called();
    }

    /// A body that Perl takes for false.
    48 Plain fn row_048_a_body_that_is_zero(row) {
        row.kept(format!("{P}Content-Length: 1\r\n\r\n0"), |answer| says(answer, "body", "0"));
    }

    /// A byte more than memory holds: the same body, in a file without a name.
    49 Plain fn row_049_a_spooled_body(row) {
        let body: Vec<u8> = (0..65_537u32).map(|at| b'a' + u8::try_from(at % 26).unwrap()).collect();
        let sum: u64 = body.iter().map(|&byte| u64::from(byte)).sum();
        let head = |path: &str| format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n");
        row.kept([head("/p").as_bytes(), &body].concat(), |answer| {
            says(answer, "size", "65537");
            says(answer, "sum", &sum.to_string());
            says(answer, "again", "abcde");
        });
        row.each([head("/a/input").as_bytes(), &body].concat(), |client| {
            let name = client.answer().text();
            assert!(name.ends_with("(deleted)"), "{name}");
        });
    }

    /// No room to store it: an answer that says so, and never a part of the body.
    50 Plain fn row_050_no_room(row) {
        // A limit of our own and a full file system are one case: see the server's own tests.
        let server = Server::start(row.door, "conformance.psgi", &["--max-spool-size=70k"]);
        for coding in ["Content-Length: 102400\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n19000\r\n"] {
            let mut client = server.connect();
            _ = client.try_send(format!("{P}{coding}{}", "x".repeat(102_400)).as_bytes());
            refusal(&mut client, 507);
        }
        server.expect_log("cannot store a body");
        assert!(server.log.matching(|line| line.contains("report ")).is_empty());
        server.stop();
    }
}

/// The limit itself, which row 44 lifts: nothing is sent behind the announcement.
mod row_044_over_the_limit {
    use super::super::row::{Kind, P, Row};
    use crate::support::both_doors;

    both_doors! {
        /// 64 MiB and a byte.
        fn announced(door) {
            let row = Row::begin(44, door, Kind::Plain);
            row.refused_at_once(413, ["", "Expect: 100-continue\r\n"].map(|expect| {
                format!("{P}{expect}Content-Length: 67108865\r\n\r\n")
            }));
            row.not_called();
        }
    }
}

//! The rules of chunked bodies, by their rows in the table of conformance; each is read whole and
//! byte by byte.

use proptest::prelude::*;

use super::*;

const LIMIT: u64 = 64 << 20;

/// What a body decodes to and how many bytes it takes, or the status of its refusal. `None`: more is
/// wanted.
type Answer = Result<Option<(Vec<u8>, usize)>, u16>;

fn in_pieces<'b>(pieces: impl IntoIterator<Item = &'b [u8]>, limit: u64) -> Answer {
    let (mut chunked, mut out, mut used) = (Chunked::new(limit), Vec::new(), 0);
    for piece in pieces {
        let fed = chunked.feed(piece, &mut out).map_err(|refusal| refusal.status)?;
        used += fed.used;
        if fed.done {
            assert_eq!(chunked.decoded(), u64::try_from(out.len()).unwrap());
            return Ok(Some((out, used)));
        }
        assert_eq!(fed.used, piece.len());
    }
    Ok(None)
}

fn read(bytes: impl AsRef<[u8]>, limit: u64) -> Answer {
    let bytes = bytes.as_ref();
    let whole = in_pieces([bytes], limit);
    assert_eq!(in_pieces(bytes.chunks(1), limit), whole, "{}", bytes.escape_ascii());
    whole
}

fn decoded(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    read(bytes, LIMIT).expect("is let through").expect("is whole").0
}

fn status(bytes: impl AsRef<[u8]>) -> u16 {
    let text = bytes.as_ref().escape_ascii().to_string();
    read(bytes, LIMIT).expect_err(&text)
}

#[test]
fn rows_051_067_chunks_are_joined_and_the_next_request_is_left() {
    assert_eq!(read("5\r\nhello\r\n0\r\n\r\nGET", LIMIT), Ok(Some((b"hello".to_vec(), 15))));
    assert_eq!(decoded("3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"), b"abc0123456789");
    assert_eq!(decoded("0\r\n\r\n"), b"");
}

#[test]
fn rows_057_058_trailers_obey_the_rules_of_fields_and_are_dropped() {
    assert_eq!(read("0\r\nX-T: 1\r\n\r\nGET", LIMIT), Ok(Some((Vec::new(), 13))));
    assert_eq!(decoded("0\r\nContent-Length: 3\r\nHost: b\r\nE:\r\n\r\n"), b"");
    for trailer in [
        "X T: 1\r\n",
        "X: 1\n",
        "X : 1\r\n",
        " X: 1\r\n",
        ": 1\r\n",
        "X\r\n",
        "X: \0\r\n",
        "X: 1\r\r\n",
        "\n",
    ] {
        assert_eq!(status(format!("0\r\n{trailer}\r\n")), 400, "{trailer:?}");
    }
    assert_eq!(status(format!("0\r\nX: {}\r\n\r\n", "a".repeat(9 << 10))), 431);
    assert_eq!(decoded(format!("0\r\n{}\r\n", "X: 1\r\n".repeat(32))), b"");
    assert_eq!(status(format!("0\r\n{}\r\n", "X: 1\r\n".repeat(33))), 431);
}

#[test]
fn row_059_extensions_have_their_grammar_and_are_ignored() {
    for line in
        ["5;n=\"v\"", "5 ;x", "5\t; x = y ;z", "5;a=\"\\\"\t\\;\"", "5;a=b;c=\"\" ;d", "5;a;b"]
    {
        assert_eq!(decoded(format!("{line}\r\nhello\r\n0;x\r\n\r\n")), b"hello", "{line}");
    }
    for line in [
        "5;",
        "5;a[=b",
        "5;a=\"b",
        "5;a=",
        "5;;a",
        "5;a ",
        "5;a=b ",
        "5;a=\"b\"c",
        "5;a b",
        "5;=b",
        "5;a=\"b\" ",
        "5 ",
        "5; ",
    ] {
        assert_eq!(status(format!("{line}\r\nhello\r\n0\r\n\r\n")), 400, "{line}");
    }
}

#[test]
fn row_060_a_size_is_hexadecimal_digits_alone() {
    for line in
        ["5 ", " 5", "+5", "-5", "0x5", "5x", "", "5;a\nb", "5;a=\"\0\"", "5\r", "5;a=\"\n\""]
    {
        assert_eq!(status(format!("{line}\r\nhello\r\n0\r\n\r\n")), 400, "{line:?}");
    }
    assert_eq!(status("5\nhello\r\n0\r\n\r\n"), 400);
    assert_eq!(status("0\n\n"), 400);
    assert_eq!(status("0\r\n\n"), 400);
}

#[test]
fn row_061_a_size_has_at_most_16_digits() {
    assert_eq!(status("00000000000000005\r\nhello\r\n"), 400);
    assert_eq!(status("FFFFFFFFFFFFFFFF\r\n"), 413);
    assert_eq!(decoded("00005\r\nhello\r\n000\r\n\r\n"), b"hello");
    // Without a limit the sum must not overflow either.
    assert_eq!(read("1\r\na\r\nFFFFFFFFFFFFFFFF\r\n", 0), Err(413));
    assert_eq!(read("FFFFFFFFFFFFFFFF\r\n", 0), Ok(None));
}

#[test]
fn row_062_data_is_followed_by_cr_lf() {
    for bytes in ["5\r\nhelloX", "5\r\nhello\n", "5\r\nhello\rX"] {
        assert_eq!(status(bytes), 400, "{bytes:?}");
    }
}

#[test]
fn row_063_extensions_are_limited_by_line_and_by_request() {
    let line = |bytes: usize| format!("1;{}\r\na\r\n", "x".repeat(bytes - 2));
    assert_eq!(decoded(format!("{}0\r\n\r\n", line(1024))), b"a");
    assert_eq!(status(line(1025)), 400);
    assert_eq!(decoded(format!("{}0\r\n\r\n", line(1001).repeat(16))).len(), 16);
    assert_eq!(status(line(1001).repeat(17)), 400);
}

#[test]
fn row_064_the_sum_is_limited_when_a_size_is_read() {
    assert_eq!(read("5\r\nhello\r\n6\r", 10), Err(413));
    assert_eq!(
        read("5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n", 10),
        Ok(Some((b"helloworld".to_vec(), 25)))
    );
}

#[test]
fn row_065_a_megabyte_of_tiny_chunks_is_read_and_an_endless_line_is_not() {
    let bytes = "1\r\na\r\n".repeat(1 << 20) + "0\r\n\r\n";
    let (body, used) = in_pieces(bytes.as_bytes().chunks(4096), LIMIT).unwrap().unwrap();
    assert_eq!((body.len(), used), (1 << 20, bytes.len()));
    assert_eq!(status("0".repeat(128 << 10)), 400);
    assert_eq!(status(format!("0;{}", "a".repeat(128 << 10))), 400);
}

#[test]
fn row_066_a_body_that_has_not_ended_is_not_done() {
    for bytes in ["", "5", "5\r\nhel", "5\r\nhello\r\n", "0\r\n", "0\r\n\r", "0\r\nX: 1\r\n"] {
        assert_eq!(read(bytes, LIMIT), Ok(None), "{bytes:?}");
    }
}

#[test]
fn a_decoder_that_is_done_takes_nothing_more() {
    let (mut chunked, mut out) = (Chunked::new(LIMIT), Vec::new());
    assert_eq!(chunked.feed(b"0\r\n\r\n", &mut out).unwrap(), Fed { used: 5, done: true });
    assert_eq!(chunked.feed(b"GET", &mut out).unwrap(), Fed { used: 0, done: true });
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 1000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn row_080_any_bytes_get_one_answer_however_they_are_cut(
        pieces in proptest::collection::vec(proptest::sample::select(vec![
            "0", "1", "5", "a", "hello", "\r\n", "\r\n", "\r\n", ";", "x", "=", "\"", "\\", " ", "\r", "\n",
            "5\r\nhello\r\n", "0\r\n\r\n", "X: y\r\n", ":", "\0",
        ]), 0..24),
        limit in 0_u64..40,
        size in 1_usize..9,
    ) {
        let bytes = pieces.concat().into_bytes();
        let whole = read(&bytes, limit);
        prop_assert_eq!(in_pieces(bytes.chunks(size), limit), whole);
    }

    #[test]
    fn what_was_chunked_comes_out_again(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..300), 0..8),
        size in 1_usize..50,
    ) {
        let mut bytes = Vec::new();
        for chunk in &chunks {
            bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            bytes.extend(chunk);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
        let used = bytes.len();
        prop_assert_eq!(in_pieces(bytes.chunks(size), LIMIT), Ok(Some((chunks.concat(), used))));
    }
}

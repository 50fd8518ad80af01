//! The rules of lines and limits, by their rows in the table of conformance; each head is read
//! whole and byte by byte.
//!
//! Not here: targets ([`target`](super::super::target)) and fields that decide something
//! ([`policy`](super::super::policy)).

use proptest::prelude::*;

use super::*;

/// Reads `bytes` in one piece and byte by byte, and wants the same of both.
pub(in crate::http) fn read_with<'b>(
    bytes: &'b [u8],
    limits: &Limits,
) -> Result<Option<Head<'b>>, Refusal> {
    let whole = read(bytes, limits, &mut Scan::default());
    assert_eq!(in_pieces(bytes, 1..=bytes.len(), limits), whole, "{}", bytes.escape_ascii());
    whole
}

/// Reads as a connection would: more and more of `bytes`, until there is an answer.
fn in_pieces<'b>(
    bytes: &'b [u8],
    ends: impl IntoIterator<Item = usize>,
    limits: &Limits,
) -> Result<Option<Head<'b>>, Refusal> {
    let mut scan = Scan::default();
    let pieces = ends.into_iter().map(|end| bytes.get(..end).unwrap_or(bytes));
    for piece in pieces {
        match read(piece, limits, &mut scan) {
            Ok(None) => {}
            answer => return answer,
        }
    }
    Ok(None)
}

pub(in crate::http) fn head(bytes: &[u8]) -> Head<'_> {
    read_with(bytes, &Limits::default()).expect("is let through").expect("is whole")
}

pub(in crate::http) fn status(bytes: impl AsRef<[u8]>) -> u16 {
    let bytes = bytes.as_ref();
    let refusal = read_with(bytes, &Limits::default());
    refusal.expect_err(&bytes.escape_ascii().to_string()).status
}

/// `GET /p HTTP/1.1` with `Host: a`, these lines, and the empty one.
pub(in crate::http) fn get(lines: &str) -> Vec<u8> {
    format!("GET /p HTTP/1.1\r\nHost: a\r\n{lines}\r\n").into_bytes()
}

pub(in crate::http) fn line(line: &str) -> Vec<u8> {
    format!("{line}\r\nHost: a\r\n\r\n").into_bytes()
}

pub(in crate::http) fn host(host: &str) -> Vec<u8> {
    format!("GET /p HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes()
}

pub(in crate::http) fn value<'b>(head: &Head<'b>, name: &str) -> Option<&'b [u8]> {
    let mut fields = head.fields.iter();
    fields.find(|field| field.name.eq_ignore_ascii_case(name.as_bytes())).map(|field| field.value)
}

#[test]
fn row_001_a_plain_request_is_read_and_what_follows_is_left() {
    let bytes = [get(""), get("")].concat();
    let head = read(&bytes, &Limits::default(), &mut Scan::default()).unwrap().unwrap();
    assert_eq!(head.len, get("").len());
    assert_eq!(
        (head.method, head.uri, head.path, head.query),
        ("GET", &b"/p"[..], &b"/p"[..], &b""[..])
    );
    assert_eq!((head.version, head.framing), (Version::Http11, Framing::None));
    assert_eq!((head.host, head.connection), (Some(&b"a"[..]), Connection::default()));
}

#[test]
fn row_002_http_10_needs_no_host() {
    let head = head(b"GET /p HTTP/1.0\r\n\r\n");
    assert_eq!((head.version, head.host), (Version::Http10, None));
}

#[test]
fn row_003_empty_lines_before_the_request_are_skipped_and_counted() {
    let bytes = [b"\r\n\r\n".to_vec(), get("")].concat();
    assert_eq!(head(&bytes).len, bytes.len());
    let limits = Limits { max_header_size: 100, ..Limits::default() };
    let endless = b"\r\n".repeat(50);
    assert_eq!(read_with(&endless, &limits).unwrap_err().status, 431);
}

#[test]
fn rows_004_005_a_line_ends_with_cr_lf_and_nothing_else() {
    for bytes in [
        "GET /p HTTP/1.1\nHost: a\n\n",
        "\nGET /p HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\nGET /p HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /p HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        "GET /p HTTP/1.1\r\nHost: a\r\nX: b\n\r\n",
        "GET /p HTTP/1.1\r\nHost: a\r\nX: b\r\n\n",
        "GET /p HTTP/1.1\nHost: a\r\n\r\n",
        "GET /p HTTP/1.1\r\r\nHost: a\r\n\r\n",
        "GET /p HTTP/1.1\r\nHost: a\r\r\n\r\n",
        "GET /p HTTP/1.0\r\n\n",
        "GET /p HTTP/1.0\n\r\n",
        "\rGET /p HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        assert_eq!(status(bytes), 400);
    }
}

#[test]
fn row_006_a_request_line_has_two_spaces_and_nothing_after_the_version() {
    for text in [
        " GET /p HTTP/1.1",
        "GET  /p HTTP/1.1",
        "GET /p  HTTP/1.1",
        "GET\t/p HTTP/1.1",
        "GET /p\tHTTP/1.1",
        "GET /p HTTP/1.1 ",
        "GET /a b HTTP/1.1",
    ] {
        assert_eq!(status(line(text)), 400, "{text}");
    }
}

#[test]
fn row_007_a_method_keeps_its_case() {
    assert_eq!(head(&line("get /p HTTP/1.1")).method, "get");
}

#[test]
fn row_008_a_method_is_a_token_of_at_most_32_bytes() {
    assert_eq!(status(line("G@T /p HTTP/1.1")), 400);
    assert_eq!(head(&line(&format!("{} /p HTTP/1.1", "M".repeat(32)))).method.len(), 32);
    assert_eq!(status(line(&format!("{} /p HTTP/1.1", "M".repeat(33)))), 501);
    assert_eq!(status("M".repeat(100_000)), 501);
}

#[test]
fn rows_009_010_only_two_versions_are_spoken_and_nonsense_is_no_version() {
    for version in ["HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "HTTP/1.9"] {
        assert_eq!(status(line(&format!("GET /p {version}"))), 505, "{version}");
    }
    for version in ["http/1.1", "HTTP/1.10", "HTTP/11", "HTTP/1", "HTTP/1.x", "HTTPS/1.1", ""] {
        assert_eq!(status(line(&format!("GET /p {version}"))), 400, "{version}");
    }
}

#[test]
fn row_011_what_is_no_request_is_answered_at_once() {
    assert_eq!(status("GET /p\r\n"), 400);
    assert_eq!(status("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
    assert_eq!(status("PRI * HTTP/2.0\r\n"), 505);
}

#[test]
fn row_012_a_tls_record_is_told_apart_before_any_line_end() {
    let limits = Limits::default();
    let refusal = read_with(&[0x16, 3, 1], &limits).unwrap_err();
    assert_eq!((refusal.status, refusal.why.as_ref()), (400, TLS));
}

#[test]
fn row_013_a_long_line_is_refused_before_it_ends() {
    assert_eq!(status(format!("GET /{}", "a".repeat(17 << 10))), 414);
    let longest = (16 << 10) - "GET / HTTP/1.1".len();
    let fits = line(&format!("GET /{} HTTP/1.1", "a".repeat(longest)));
    assert!(read_with(&fits, &Limits::default()).is_ok());
    assert_eq!(status(line(&format!("GET /{} HTTP/1.1", "a".repeat(longest + 1)))), 414);
}

#[test]
fn rows_014_to_017_fields_have_the_grammar_of_fields() {
    for lines in [
        "X : a\r\n",
        "X: b\r\n c\r\n",
        "X: b\r\n\tc\r\n",
        "foo\r\n",
        ": x\r\n",
        "X Y: 1\r\n",
        "X(: 1\r\n",
        "\u{e9}: 1\r\n",
        "X: a\0b\r\n",
        "X: a\rb\r\n",
        "X: a\x01b\r\n",
        "X: a\x7fb\r\n",
    ] {
        assert_eq!(status(get(lines)), 400, "{lines:?}");
    }
    assert_eq!(status("GET /p HTTP/1.1\r\nHost : a\r\n\r\n"), 400);
    assert_eq!(status("GET /p HTTP/1.1\r\n Host: a\r\n\r\n"), 400);
    assert_eq!(status(b"GET /p HTTP/1.1\r\nHost: a\r\nX\xE9: a\r\n\r\n"), 400);
}

#[test]
fn row_018_values_are_bytes_and_lose_the_blanks_around_them() {
    let bytes = b"GET /p HTTP/1.1\r\nHost: a\r\nX: caf\xE9\r\nY: \t a \t\r\nZ:\r\n\r\n";
    let head = head(bytes);
    assert_eq!(value(&head, "X"), Some(&b"caf\xE9"[..]));
    assert_eq!((value(&head, "Y"), value(&head, "Z")), (Some(&b"a"[..]), Some(&b""[..])));
}

#[test]
fn row_024_fields_are_limited_in_number_and_size_before_the_head_ends() {
    let many = |count: usize| "X: 1\r\n".repeat(count);
    assert_eq!(head(&get(&many(127))).fields.len(), 128);
    assert_eq!(status(get(&many(128))), 431);
    assert_eq!(status(format!("GET /p HTTP/1.1\r\n{}", many(129))), 431);
    let long = format!("GET /p HTTP/1.1\r\nHost: a\r\nX: {}", "a".repeat(70 << 10)).into_bytes();
    assert_eq!(status(&long), 431);
    let ends = (1..=80).map(|kib| kib << 10);
    assert_eq!(in_pieces(&long, ends, &Limits::default()).unwrap_err().status, 431);
}

#[test]
fn a_head_may_fill_the_limit_and_a_full_buffer_always_has_an_answer() {
    let bytes = get("X: 1\r\n");
    let exact = Limits { max_header_size: bytes.len(), ..Limits::default() };
    assert!(read_with(&bytes, &exact).unwrap().is_some());
    for max_header_size in 1..bytes.len() {
        let limits = Limits { max_header_size, ..Limits::default() };
        assert_eq!(read_with(&bytes, &limits).unwrap_err().status, 431);
        let full = bytes.get(..max_header_size).unwrap();
        assert_eq!(read_with(full, &limits).unwrap_err().status, 431);
    }
}

#[test]
fn more_fields_than_usual_can_be_allowed() {
    let limits = Limits { max_header_count: 1000, ..Limits::default() };
    let bytes = get(&"X: 1\r\n".repeat(999));
    assert_eq!(read_with(&bytes, &limits).unwrap().unwrap().fields.len(), 1000);
    let bytes = get(&"X: 1\r\n".repeat(1000));
    assert_eq!(read_with(&bytes, &limits).unwrap_err().status, 431);
}

#[test]
fn a_refusal_knows_that_the_method_is_head() {
    let limits = Limits::default();
    let refusal = read_with(b"HEAD /p HTTP/1.1\r\n\r\n", &limits).unwrap_err();
    assert!(refusal.head_only);
    assert!(!read_with(b"GET /p HTTP/1.1\r\n\r\n", &limits).unwrap_err().head_only);
}

/// Heads of lines that are good or bad by themselves, most of them well ended.
fn heads() -> impl Strategy<Value = Vec<u8>> {
    let lines = "GET /p HTTP/1.1|GET /p HTTP/1.1|HEAD /a%20b?c HTTP/1.1|GET /p HTTP/1.0|G@T / HTTP/1.1|\
                 OPTIONS * HTTP/1.1|GET http://h HTTP/1.1|GET * HTTP/1.1|GET /%00 HTTP/1.1|PRI * HTTP/2.0|\
                 GET /#a HTTP/1.1|GET /caf\u{e9} HTTP/1.1|CONNECT a:1 HTTP/1.1|GET /p |GET  /p HTTP/1.1";
    let fields = "Host: a|Host: a|Host: a|Host:|X: y|X:\ty \t|Accept: */*|Cookie: a=b|Cookie: c=d|\
                  Content-Length: 5|Content-Length: 999999999999|Transfer-Encoding: chunked|Proxy: x|\
                  Transfer-Encoding: gzip|Expect: 100-continue|Expect: x|Connection: close, upgrade|\
                  Upgrade: h2c|x_y: z|X : y| X: y|:|x|X: \x01|X: \u{e9}|\u{e9}: x|";
    let ends = || {
        let bad = proptest::sample::select(vec!["\n", "\r", "\r\r\n", "", " \r\n"]);
        prop_oneof![30 => Just("\r\n"), 1 => bad]
    };
    let line = proptest::sample::select(lines.split('|').collect::<Vec<_>>());
    let field = proptest::sample::select(fields.split('|').collect::<Vec<_>>());
    let fields = proptest::collection::vec((field, ends()), 0..6);
    (prop_oneof![4 => Just(""), 1 => Just("\r\n")], line, ends(), fields, ends()).prop_map(
        |(before, line, end, fields, last)| {
            let fields: String = fields.into_iter().flat_map(|(field, end)| [field, end]).collect();
            [before, line, end, &fields, last].concat().into_bytes()
        },
    )
}

/// Whole requests with one byte replaced.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let bytes =
        b"\r\nPOST /a%20b?c=d HTTP/1.1\r\nHost: a:80\r\nX-Y:  z \r\nContent-Length: 12\r\n\r\n";
    (0..bytes.len(), any::<u8>()).prop_map(|(at, octet)| {
        let mut bytes = bytes.to_vec();
        bytes.splice(at..=at, [octet]);
        bytes
    })
}

fn small_limits() -> impl Strategy<Value = Limits> {
    (1_usize..80, 1_usize..120, 0_usize..5).prop_map(|(line, size, count)| Limits {
        max_request_line: line,
        max_header_size: size,
        max_header_count: count,
        ..Limits::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 3000,
        ..ProptestConfig::default()
    })]

    /// The fast pass and the careful one never disagree, and pieces do not matter.
    #[test]
    fn row_080_any_bytes_get_one_answer_however_they_are_cut(
        bytes in prop_oneof![heads(), mutated(), proptest::collection::vec(any::<u8>(), 0..9)],
        limits in prop_oneof![Just(Limits::default()), small_limits()],
        cuts in proptest::collection::vec(0_usize..200, 0..4),
    ) {
        let whole = read_with(&bytes, &limits);
        let mut ends: Vec<_> = cuts.into_iter().filter(|&cut| cut < bytes.len()).collect();
        ends.sort_unstable();
        ends.push(bytes.len());
        prop_assert_eq!(&in_pieces(&bytes, ends, &limits), &whole);
        prop_assert!(!matches!(&whole, Err(refusal) if refusal.why == "malformed head"));
    }
}

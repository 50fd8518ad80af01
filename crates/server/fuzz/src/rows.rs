//! Requests whose framing is known, by the numbers of the table of conformance, and messages of the
//! channel: the seeds of fuzzing, and what an ordinary test compares with the oracle.
//!
//! Every request that is let through has another behind it, which must be found where it begins.

/// Stands behind every request that is let through.
pub const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

/// What becomes of the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// They are a request without a body, and `CONTENT_LENGTH` is absent.
    Bare,
    /// They are a request with this body.
    Body(Vec<u8>),
    /// They are refused with this status.
    Refused(u16),
    /// They are the beginning of a request.
    More,
}

/// Bytes on a connection.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its number in the table.
    pub number: u16,
    /// What is sent, the next request included if it is let through.
    pub bytes: Vec<u8>,
    /// What becomes of it.
    pub says: Says,
}

/// All of them.
pub fn rows() -> Vec<Row> {
    let groups = [lines(), fields(), hosts(), lengths(), codings(), sizes(), ends()];
    groups.into_iter().flatten().collect()
}

fn row(number: u16, says: Says, bytes: impl AsRef<[u8]>) -> Row {
    let mut bytes = bytes.as_ref().to_vec();
    if matches!(says, Says::Bare | Says::Body(_)) {
        bytes.extend_from_slice(NEXT);
    }
    Row { number, bytes, says }
}

fn bare(number: u16, bytes: impl AsRef<[u8]>) -> Row {
    row(number, Says::Bare, bytes)
}

fn body(number: u16, body: &str, bytes: impl AsRef<[u8]>) -> Row {
    row(number, Says::Body(body.into()), bytes)
}

fn refused(number: u16, status: u16, bytes: impl AsRef<[u8]>) -> Row {
    row(number, Says::Refused(status), bytes)
}

/// `GET`, its `Host`, and these lines.
fn get(lines: &str) -> String {
    format!("GET /p HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

/// `POST` with these lines, and this behind the head.
fn post(lines: &str, behind: &str) -> String {
    format!("POST /p HTTP/1.1\r\nHost: a\r\n{lines}\r\n{behind}")
}

fn length(value: &str) -> String {
    post(&format!("Content-Length: {value}\r\n"), "hello")
}

fn coding(value: &str) -> String {
    post(&format!("Transfer-Encoding: {value}\r\n"), "5\r\nhello\r\n0\r\n\r\n")
}

fn chunks(behind: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", behind)
}

fn line(line: &str) -> String {
    format!("{line}\r\nHost: a\r\n\r\n")
}

/// Rows 1 to 13: the request line.
fn lines() -> Vec<Row> {
    let mut rows = vec![
        bare(1, get("")),
        bare(2, "GET /p HTTP/1.0\r\n\r\n"),
        bare(3, format!("\r\n\r\n{}", get(""))),
        refused(4, 400, "GET /p HTTP/1.1\nHost: a\n\n"),
        refused(5, 400, format!("\n{}", get(""))),
        refused(5, 400, get("X: b\nY: c\r\n")),
        refused(5, 400, "GET /p HTTP/1.1\r\r\nHost: a\r\n\r\n"),
        bare(7, line("get /p HTTP/1.1")),
        refused(8, 400, line("G@T /p HTTP/1.1")),
        refused(8, 501, line(&format!("{} /p HTTP/1.1", "M".repeat(33)))),
        refused(11, 400, "GET /p\r\n"),
        refused(11, 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        refused(12, 400, [0x16, 3, 1]),
        refused(13, 414, format!("GET /{}", "a".repeat(17 << 10))),
    ];
    for text in [" GET /p HTTP/1.1", "GET  /p HTTP/1.1", "GET\t/p HTTP/1.1", "GET /p HTTP/1.1 "] {
        rows.push(refused(6, 400, line(text)));
    }
    for version in ["HTTP/1.2", "HTTP/2.0", "HTTP/0.9"] {
        rows.push(refused(9, 505, line(&format!("GET /p {version}"))));
    }
    for version in ["http/1.1", "HTTP/1.10", "HTTP/11", "HTTP/1"] {
        rows.push(refused(10, 400, line(&format!("GET /p {version}"))));
    }
    rows
}

/// Rows 14 to 25: fields.
fn fields() -> Vec<Row> {
    let mut rows = vec![
        refused(14, 400, "GET /p HTTP/1.1\r\nHost : a\r\n\r\n"),
        refused(15, 400, get("X: b\r\n c\r\n")),
        refused(15, 400, "GET /p HTTP/1.1\r\n Host: a\r\n\r\n"),
        bare(18, b"GET /p HTTP/1.1\r\nHost: a\r\nX: caf\xE9\r\nY: \t a \t\r\nZ:\r\n\r\n"),
        bare(19, get("Accept: a\r\nAccept: b\r\nCookie: a=b\r\nCookie: c=d\r\n")),
        bare(20, get("X_Forwarded_For: 6.6.6.6\r\n")),
        bare(21, post("Content_Length: 5\r\n", "")),
        bare(21, post("Transfer_Encoding: chunked\r\n", "")),
        bare(22, get("Proxy: http://evil\r\n")),
        refused(23, 400, get("Content-Type: a\r\nContent-Type: a\r\n")),
        bare(24, get(&"X: 1\r\n".repeat(127))),
        refused(24, 431, get(&"X: 1\r\n".repeat(128))),
        bare(25, get("Connection: X-Real\r\nX-Real: 1\r\n")),
    ];
    for text in ["foo", ": x", "X Y: 1", "X(: 1", "\u{e9}: 1"] {
        rows.push(refused(16, 400, get(&format!("{text}\r\n"))));
    }
    for octet in ["\0", "\r", "\x01", "\x7f"] {
        rows.push(refused(17, 400, get(&format!("X: a{octet}b\r\n"))));
    }
    rows
}

/// Rows 26 to 37: who is asked, and for what.
fn hosts() -> Vec<Row> {
    let mut rows = vec![
        refused(26, 400, "GET /p HTTP/1.1\r\n\r\n"),
        refused(27, 400, get("Host: a\r\n")),
        bare(29, line("GET http://h.example/p?q=1 HTTP/1.1")),
        bare(30, line("GET http://h HTTP/1.1")),
        refused(30, 400, line("GET http://u@h/ HTTP/1.1")),
        bare(31, line("OPTIONS * HTTP/1.1")),
        refused(32, 501, line("CONNECT a:80 HTTP/1.1")),
        bare(33, line("GET /a%2Fb%20c?x=%zz HTTP/1.1")),
        refused(35, 400, line("GET /a%00b HTTP/1.1")),
        bare(36, line("GET //foo///bar/../b HTTP/1.1")),
        bare(37, line("GET /caf\u{e9} HTTP/1.1")),
        refused(37, 400, line("GET /a#b HTTP/1.1")),
    ];
    for host in ["", "a b", "a/b", "u@a", "a,b", "a:99999", "[::1"] {
        let bytes = format!("GET /p HTTP/1.1\r\nHost: {host}\r\n\r\n");
        rows.push(refused(28, 400, bytes));
    }
    for host in ["[::1]:5000", "a_b.example", "a:"] {
        rows.push(bare(28, format!("GET /p HTTP/1.1\r\nHost: {host}\r\n\r\n")));
    }
    for target in ["*", "a:80", "p", "?q", "\\p", "/a%zz", "/a%", "/a%4"] {
        rows.push(refused(32, 400, line(&format!("GET {target} HTTP/1.1"))));
    }
    rows
}

/// Rows 38 to 50: `Content-Length`.
fn lengths() -> Vec<Row> {
    let both = |first: &str, second: &str| post(&format!("{first}\r\n{second}\r\n"), "0\r\n\r\n");
    let (five, chunked) = ("Content-Length: 5", "Transfer-Encoding: chunked");
    let mut rows = vec![
        body(38, "hello", length("5")),
        refused(39, 400, both(five, chunked)),
        refused(39, 400, both(chunked, five)),
        refused(39, 400, both("Content-Length: 0", chunked)),
        refused(39, 400, both(five, "Transfer-Encoding: identity")),
        refused(40, 400, both(five, five)),
        refused(40, 400, both(five, "Content-Length: 6")),
        body(42, "hello", length("0005")),
        refused(43, 400, length("1234567890123456789")),
        refused(43, 413, length("999999999999999999")),
        refused(44, 413, length(&((64 << 20) + 1).to_string())),
        row(44, Says::More, length("9999999")),
        bare(46, post("", "")),
        body(46, "", post("Content-Length: 0\r\n", "")),
        body(46, "hello", "POST /p HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello"),
        row(47, Says::More, length("10")),
        body(48, "0", post("Content-Length: 1\r\n", "0")),
    ];
    for value in ["+5", "-5", "5 5", "5;", "0x5", "5.0", "5e0", "", "5, 5"] {
        rows.push(refused(41, 400, length(value)));
    }
    for method in ["GET", "DELETE", "HEAD"] {
        let head = format!("{method} /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
        rows.push(body(45, "hello", head + "hello"));
    }
    rows
}

/// Rows 51 to 56: `Transfer-Encoding`.
fn codings() -> Vec<Row> {
    let mut rows = vec![
        body(51, "hello", coding("chunked")),
        body(51, "hello", coding("Chunked")),
        refused(54, 400, coding("chunked\r\nTransfer-Encoding: chunked")),
        refused(55, 400, coding("\x0bchunked")),
        refused(55, 501, coding("\u{a0}chunked")),
        refused(56, 400, "POST /p HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ];
    for value in ["gzip, chunked", "gzip", "identity", "xchunked", "chunked;q=1"] {
        rows.push(refused(if value == "gzip, chunked" { 52 } else { 53 }, 501, coding(value)));
    }
    for value in ["chunked, gzip", "chunked, chunked", "chunked,", ", chunked"] {
        rows.push(refused(54, 400, coding(value)));
    }
    rows
}

/// Rows 59 to 65: sizes and their extensions.
fn sizes() -> Vec<Row> {
    let hello = |line: &str| chunks(&format!("{line}\r\nhello\r\n0\r\n\r\n"));
    let bytes = "1\r\nx\r\n".repeat(300);
    let mut rows = vec![
        body(59, "hello", chunks("5;n=\"v\"\r\nhello\r\n0;x\r\n\r\n")),
        body(59, "hello", hello("5 ;x")),
        body(59, "hello", hello("5;a=\"\\\"b\\\\\" ; c\t=\td")),
        refused(60, 400, hello("5;a\nb")),
        refused(60, 400, hello("5;a\0b")),
        refused(61, 400, hello("00000000000000005")),
        refused(61, 413, hello("FFFFFFFFFFFFFFFF")),
        body(61, "hello", chunks("00005\r\nhello\r\n000\r\n\r\n")),
        refused(62, 400, chunks("5\r\nhelloX")),
        refused(62, 400, chunks("5\r\nhello\n")),
        refused(63, 400, hello(&format!("5;{}", "a".repeat(1023)))),
        refused(63, 400, chunks(&format!("1;{}\r\nx\r\n", "a".repeat(999)).repeat(17))),
        refused(64, 413, chunks("5\r\nhello\r\n4000000\r\n")),
        body(65, &"x".repeat(300), chunks(&(bytes + "0\r\n\r\n"))),
    ];
    for line in ["5;", "5;a[=b", "5;a=\"b", "5;a=", "5;=b", "5 x", "5;a\"b\""] {
        rows.push(refused(59, 400, hello(line)));
    }
    for line in ["5 ", " 5", "+5", "-5", "0x5", "5x", ""] {
        rows.push(refused(60, 400, hello(line)));
    }
    rows
}

/// Rows 57, 58, 66 to 72: ends of chunked bodies; what waits for a word.
fn ends() -> Vec<Row> {
    let trailers = |lines: &str| chunks(&format!("5\r\nhello\r\n0\r\n{lines}\r\n"));
    let waits =
        |value: &str, behind| post(&format!("Expect: {value}\r\nContent-Length: 5\r\n"), behind);
    vec![
        body(57, "hello", trailers("X-T: 1\r\n")),
        body(58, "hello", trailers("Content-Length: 3\r\nHost: b\r\n")),
        refused(58, 400, trailers("X T: 1\r\n")),
        refused(58, 400, trailers("X: 1\n")),
        refused(58, 431, trailers(&format!("X: {}\r\n", "a".repeat(9 << 10)))),
        refused(58, 431, trailers(&"X: 1\r\n".repeat(33))),
        row(66, Says::More, chunks("5\r\nhello\r\n0\r\n")),
        row(66, Says::More, chunks("5\r\nhel")),
        body(67, "", chunks("0\r\n\r\n")),
        row(68, Says::More, waits("100-continue", "")),
        body(69, "hello", waits("100-continue", "hello")),
        refused(70, 417, waits("200-ok", "hello")),
        refused(70, 417, waits("100-continue, x", "hello")),
        bare(72, get("Connection: Upgrade\r\nUpgrade: h2c\r\n")),
        bare(74, get("Connection: Keep-Alive\r\nConnection: CLOSE\r\n")),
    ]
}

/// One message of each kind, and a job: numbers in little-endian, then bytes.
pub fn messages() -> Vec<Vec<u8>> {
    let message = |kind: u32, code: u32, first: u64, bytes: &[u8]| {
        let mut out: Vec<u8> = [kind, code, 70_000, 3].map(u32::to_le_bytes).concat();
        out.extend([4096, 1 << 20, first].map(u64::to_le_bytes).concat());
        out.extend_from_slice(bytes);
        out
    };
    let job = |head: &[u8], body: &[u8], rest: &[u8]| {
        let len = |part: &[u8]| u8::try_from(part.len()).unwrap_or(u8::MAX);
        let mut out = [70_000, 3, 1, 0].map(u32::to_le_bytes).concat();
        out.extend(123_456_789_u64.to_le_bytes());
        out.extend([len(head), len(body)].map(u32::from).map(u32::to_le_bytes).concat());
        out.extend(u64::from(len(rest)).to_le_bytes());
        [out, head.to_vec(), body.to_vec(), rest.to_vec()].concat()
    };
    let control = |kind: u32| [kind, 7, 4711].map(u32::to_le_bytes).concat();
    let mut all: Vec<_> = (1..=8).map(control).collect();
    all.extend([
        message(1, 0, 0, b""),
        message(2, 0, 0, b""),
        message(3, 0, 0, b"GET /p HTTP/1.1\r\nHo"),
        message(4, 0x10, 5, b"firstGET"),
        message(4, 0x21, 0, b""),
        message(5, 1, 0, b""),
        message(5, 3, 0, b""),
        job(NEXT, b"", b""),
        job(NEXT, b"hello", NEXT),
    ]);
    all
}

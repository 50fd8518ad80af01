//! What a client of the soak may do: requests of every kind, well-formed, malformed and given up.
//!
//! The malformed ones are rows of the conformance table; each says which status it must get.

/// What comes after the answers of a deed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// The connection is kept, and used for the next deed.
    Kept,
    /// The server closes.
    Closed,
    /// The client does not wait: it resets the connection once all is sent.
    Reset,
    /// The client does not wait: it closes.
    Left,
}

/// One thing that a client does.
#[derive(Debug, Clone)]
pub(crate) struct Deed {
    /// As a report names it.
    pub(crate) name: String,
    /// What is sent.
    pub(crate) bytes: Vec<u8>,
    /// How many bytes at a time.
    pub(crate) piece: usize,
    /// The statuses of the answers, in order.
    pub(crate) statuses: Vec<u16>,
    /// The answers have no body whatever their heads say.
    pub(crate) to_head: bool,
    /// The answer is read slowly, through a small window.
    pub(crate) slowly: bool,
    /// What comes then.
    pub(crate) then: Then,
    /// How often it is chosen, in relation to others.
    pub(crate) weight: u32,
}

impl Deed {
    fn new(name: &str, weight: u32, bytes: impl Into<Vec<u8>>, statuses: &[u16]) -> Self {
        Self {
            name: name.to_owned(),
            bytes: bytes.into(),
            piece: usize::MAX,
            statuses: statuses.to_vec(),
            to_head: false,
            slowly: false,
            then: Then::Kept,
            weight,
        }
    }

    fn pieces(self, piece: usize) -> Self {
        let name = format!("{} in pieces", self.name);
        Self { name, piece, ..self }
    }

    fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }

    /// How many requests it is.
    pub(crate) fn requests(&self) -> u64 {
        u64::try_from(self.statuses.len()).unwrap_or(u64::MAX).max(1)
    }
}

fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

fn post(path: &str, fields: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}")
}

fn with_length(length: usize) -> String {
    post("/sent", &format!("Content-Length: {length}\r\n"), &"b".repeat(length))
}

fn chunked(chunks: usize) -> String {
    let body = "5;name=\"v\"\r\nhello\r\n".repeat(chunks);
    post("/chunks", "Transfer-Encoding: chunked\r\n", &format!("{body}0\r\nX-T: 1\r\n\r\n"))
}

/// All of them.
pub(crate) fn all() -> Vec<Deed> {
    let mut deeds = good();
    deeds.extend(given_up());
    deeds.extend(malformed());
    deeds
}

fn good() -> Vec<Deed> {
    let four = [get("/1", ""), with_length(9), get("/3", ""), chunked(1)].concat();
    let head = "HEAD /bytes/12 HTTP/1.1\r\nHost: a\r\n\r\n";
    let continued = "Content-Length: 5\r\nExpect: 100-continue\r\n";
    vec![
        Deed::new("GET", 5000, get("/some/path?a=b", "Accept: */*\r\nCookie: a=b\r\n"), &[200]),
        Deed::new("GET", 100, get("/some/path", ""), &[200]).pieces(7),
        Deed::new("POST with a length", 700, with_length(300), &[200]),
        Deed::new("POST with a length", 100, with_length(5000), &[200]).pieces(1000),
        Deed::new("POST of 100 KiB", 20, with_length(102_400), &[200]),
        Deed::new("POST chunked", 500, chunked(4), &[200]),
        Deed::new("POST chunked", 100, chunked(4), &[200]).pieces(3),
        Deed::new("POST with Expect, body along", 50, post("/", continued, "hello"), &[200]),
        Deed::new("four pipelined", 300, four, &[200, 200, 200, 200]),
        Deed { to_head: true, ..Deed::new("HEAD", 400, head, &[200]) },
        Deed::new("close", 300, get("/", "Connection: close\r\n"), &[200]).then(Then::Closed),
        Deed::new("HTTP/1.0", 100, "GET / HTTP/1.0\r\n\r\n", &[200]).then(Then::Closed),
        Deed::new("streamed", 400, get("/stream", ""), &[200]),
        Deed::new("delayed", 200, get("/delayed", ""), &[200]),
        Deed::new("dies", 20, get("/die", ""), &[500]),
        Deed::new("OPTIONS *", 50, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", &[200]),
        Deed::new("200 KiB", 50, get("/bytes/200000", ""), &[200]),
        Deed {
            slowly: true,
            ..Deed::new("1 MB read slowly", 5, get("/bytes/1000000", ""), &[200]).then(Then::Left)
        },
        Deed {
            slowly: true,
            ..Deed::new("6 MB read slowly", 2, get("/bytes/6000000", ""), &[200]).then(Then::Left)
        },
    ]
}

fn given_up() -> Vec<Deed> {
    let large = get("/bytes/3000000", "");
    let half = "GET /half HTTP/1.1\r\nHo";
    let body = post("/", "Content-Length: 100000\r\n", &"b".repeat(70_000));
    vec![
        Deed::new("half a head, reset", 40, half, &[]).then(Then::Reset),
        Deed::new("half a head, left", 40, half, &[]).then(Then::Left),
        Deed::new("nothing, left", 20, "", &[]).then(Then::Left),
        Deed::new("a request, reset", 40, get("/", ""), &[]).then(Then::Reset),
        Deed::new("a request, left", 40, get("/", ""), &[]).then(Then::Left),
        Deed::new("a large answer, reset", 10, large.clone(), &[]).then(Then::Reset),
        Deed::new("a large answer, left", 10, large, &[]).then(Then::Left),
        Deed::new("a stream, reset", 20, get("/stream", ""), &[]).then(Then::Reset),
        Deed::new("70 of 100 KiB, reset", 10, body.clone(), &[]).then(Then::Reset),
        Deed::new("70 of 100 KiB, left", 10, body, &[]).then(Then::Left),
    ]
}

fn malformed() -> Vec<Deed> {
    let mut all: Vec<(u16, String)> = [
        (400, "GET /p HTTP/1.1\nHost: a\n\n"),
        (400, "\nGET /p HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, " GET /p HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, "GET  /p HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, "G@T /p HTTP/1.1\r\nHost: a\r\n\r\n"),
        (505, "GET /p HTTP/1.2\r\nHost: a\r\n\r\n"),
        (505, "GET /p HTTP/2.0\r\nHost: a\r\n\r\n"),
        (400, "GET /p http/1.1\r\nHost: a\r\n\r\n"),
        (400, "GET /p\r\n"),
        (505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        (400, "\x16\x03\x01"),
        (400, "GET p HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, "GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, "GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
        (501, "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, "GET /p HTTP/1.1\r\n\r\n"),
        (400, "GET ftp://h/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ]
    .map(|(status, text)| (status, text.to_owned()))
    .into();
    all.push((501, format!("{} /p HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(33))));
    all.push((414, format!("GET /{}", "p".repeat(17 << 10))));
    let mut field = |status, text: &str| all.push((status, get("/p", text)));
    field(400, "Host : a\r\n");
    field(400, "X: b\r\n c\r\n");
    field(400, "foo\r\n");
    field(400, "X Y: 1\r\n");
    field(400, "X: a\0b\r\n");
    field(400, "Host: b\r\n");
    field(400, "Content-Type: a\r\nContent-Type: a\r\n");
    field(431, &"X: y\r\n".repeat(129));
    field(431, &format!("X: {}\r\n", "y".repeat(70 << 10)));
    field(417, "Expect: 200-ok\r\n");
    let mut body = |status, fields: &str, body: &str| all.push((status, post("/p", fields, body)));
    let te = "Transfer-Encoding: chunked\r\n";
    body(400, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n");
    body(400, "Content-Length: 5\r\nContent-Length: 6\r\n", "hello");
    body(400, "Content-Length: +5\r\n", "hello");
    body(400, "Content-Length: 1234567890123456789\r\n", "");
    body(413, "Content-Length: 999999999999999999\r\n", "x");
    body(501, "Transfer-Encoding: gzip, chunked\r\n", "");
    body(400, "Transfer-Encoding: chunked, chunked\r\n", "");
    body(400, te, "5 \r\nhello\r\n0\r\n\r\n");
    body(400, te, "0x5\r\nhello\r\n0\r\n\r\n");
    body(400, te, "5\r\nhelloX");
    body(400, te, "5;\r\nhello\r\n0\r\n\r\n");
    body(400, te, "11111111111111111\r\n");
    body(413, te, "FFFFFFFFFFFFFFFF\r\n");
    body(400, te, "0\r\nX T: 1\r\n\r\n");
    body(431, te, &format!("0\r\nX: {}\r\n\r\n", "y".repeat(9 << 10)));
    let deed = |(status, text): (u16, String)| {
        let shown = text[..text.len().min(60)].escape_debug().to_string();
        Deed::new(&shown, 5, text, &[status]).then(Then::Closed)
    };
    let whole: Vec<_> = all.into_iter().map(deed).collect();
    let in_pieces = whole.iter().cloned().map(|deed| Deed { weight: 1, ..deed.pieces(1500) });
    whole.iter().cloned().chain(in_pieces).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_deed_sends_something_or_leaves_and_is_chosen_sometimes() {
        for deed in all() {
            assert!(deed.weight > 0 && deed.piece > 0);
            assert!(!deed.bytes.is_empty() || deed.then == Then::Left);
            assert_eq!(
                deed.statuses.is_empty(),
                matches!(deed.name.as_str(), name if name.ends_with("reset") || name.ends_with("left"))
            );
        }
    }
}

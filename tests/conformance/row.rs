//! What every row needs: a server that is there already, and the ways in which bytes can be sent.

use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::support::{Answer, Client, Door, Server, Setup};

/// What stands right behind a request: it is answered as such, or not at all.
pub(super) const NEXT: &str = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

/// **G** of the table: a GET without its last line.
pub(super) const G: &str = "GET /p HTTP/1.1\r\nHost: a\r\n";

/// **P** of the table: a POST without its last line.
pub(super) const P: &str = "POST /p HTTP/1.1\r\nHost: a\r\n";

/// A POST of a chunked body, up to the body.
pub(super) const C: &str = "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// How bytes are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Way {
    /// Behind an answered request.
    pub(super) warm: bool,
    /// Byte by byte, or in pieces of 1 KiB if there are many.
    pub(super) pieces: bool,
}

/// All of them.
pub(super) const WAYS: [Way; 4] = [
    Way { warm: false, pieces: false },
    Way { warm: true, pieces: false },
    Way { warm: false, pieces: true },
    Way { warm: true, pieces: true },
];

/// A server that all rows with the same options share.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Defaults, on TCP and on a path.
    Plain,
    /// What has limits that a test can wait for, and no limits on bodies and names.
    Short,
}

/// A row that is being tested.
pub(super) struct Row {
    number: u32,
    pub(super) door: Door,
    pub(super) server: &'static Server,
    mark: usize,
}

impl Row {
    /// The row of this number, through this door.
    pub(super) fn begin(number: u32, door: Door, kind: Kind) -> Self {
        let server = shared(door, kind);
        Self { number, door, server, mark: server.log.mark() }
    }

    /// The path that stands for `/p`: nobody else's.
    fn path(&self) -> String {
        format!("/p{:03}", self.number)
    }

    /// The bytes, with this row's path.
    pub(super) fn named(&self, bytes: &[u8]) -> Vec<u8> {
        let Some(at) = bytes.windows(3).position(|w| w == b"/p " || w == b"/p?") else {
            return bytes.to_vec();
        };
        [&bytes[..at], self.path().as_bytes(), &bytes[at + 2..]].concat()
    }

    /// A new connection, behind an answered request if the way says so.
    pub(super) fn connect(&self, way: Way) -> Client {
        let mut client = self.server.connect();
        if way.warm {
            assert_eq!(client.ask("/first").status(), 200);
        }
        client
    }

    /// Sends `bytes` in every way, and looks at what comes back.
    #[track_caller]
    pub(super) fn each(&self, bytes: impl AsRef<[u8]>, check: impl Fn(&mut Client)) {
        let bytes = self.named(bytes.as_ref());
        for way in WAYS {
            let told = Told(format!("{way:?} {}", shown(&bytes)));
            let mut client = self.connect(way);
            send(&mut client, &bytes, way);
            check(&mut client);
            drop(told);
        }
    }

    /// Sends `bytes`, which are one request, in every way, with another right behind; the other is
    /// answered, too. `check` looks at the first answer.
    #[track_caller]
    pub(super) fn kept(&self, bytes: impl AsRef<[u8]>, check: impl Fn(&Answer)) {
        self.each([bytes.as_ref(), NEXT.as_bytes()].concat(), |client| {
            let answer = client.answer();
            assert_eq!(answer.line, "HTTP/1.1 200 OK");
            assert_eq!(answer.field("Connection"), None);
            check(&answer);
            next(client);
        });
    }

    /// Each of these is refused, whatever stands behind it, and the application is not called.
    #[track_caller]
    pub(super) fn refused<B: AsRef<[u8]>>(&self, status: u16, cases: impl IntoIterator<Item = B>) {
        for case in cases {
            // The next one has this row's path, so that it is missed in the log as well.
            let next = NEXT.replace("/next", &self.path());
            self.refused_at_once(status, [[case.as_ref(), next.as_bytes()].concat()]);
        }
    }

    /// Each of these is refused without waiting for more.
    #[track_caller]
    pub(super) fn refused_at_once<B: AsRef<[u8]>>(
        &self,
        status: u16,
        cases: impl IntoIterator<Item = B>,
    ) {
        for case in cases {
            let bytes = self.named(case.as_ref());
            for way in WAYS {
                let told = Told(format!("{way:?} {}", shown(&bytes)));
                let mut client = self.connect(way);
                send(&mut client, &bytes, way);
                refusal(&mut client, status);
                drop(told);
            }
        }
    }

    /// Whatever was sent under this row's path so far has not reached the application.
    #[track_caller]
    pub(super) fn not_called(&self) {
        // What the log says of somebody later comes behind all that it says of us.
        let mark = self.server.log.mark();
        let fence = format!("/fence{}", self.number);
        assert_eq!(self.server.connect().ask(&fence).status(), 200);
        self.server.expect_log_since(mark, &fence);
        let path = self.path();
        let calls = self.server.log.matching(|l| l.contains("report") && l.ends_with(&path));
        assert_eq!(calls, Vec::<String>::new(), "the application was called");
    }

    /// A line that was logged since the row began.
    #[track_caller]
    pub(super) fn logged(&self, text: &str) -> String {
        self.server.expect_log_since(self.mark, text)
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("== row {}, log from line {} on:", self.number, self.mark);
            let text = self.server.log.to_string();
            text.lines().skip(self.mark).take(200).for_each(|line| eprintln!("{line}"));
        }
    }
}

/// Says what was being sent when a check failed.
struct Told(String);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("== sending: {}", self.0);
        }
    }
}

fn shown(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(200)].escape_ascii().to_string()
}

/// Sends what the server may stop reading.
pub(super) fn send(client: &mut Client, bytes: &[u8], way: Way) {
    let piece = match (way.pieces, bytes.len()) {
        (false, length) => length.max(1),
        (true, 0..1000) => 1,
        (true, _) => 1024,
    };
    for piece in bytes.chunks(piece) {
        if client.try_send(piece).is_err() {
            return;
        }
    }
}

/// The answer is a refusal, and nothing follows.
#[track_caller]
pub(super) fn refusal(client: &mut Client, status: u16) {
    let answer = client.answer();
    assert_eq!(answer.status(), status, "{answer:?}");
    assert_eq!(answer.field("Connection"), Some("close"));
    assert_eq!(answer.field("Content-Type"), Some("text/plain"));
    assert!(answer.field("Date").is_some() && answer.field("Server").is_some());
    assert_eq!(answer.text().lines().count(), 1, "{answer:?}");
    client.expect_end();
}

/// The next answer is that to [`NEXT`].
#[track_caller]
pub(super) fn next(client: &mut Client) {
    let answer = client.answer();
    assert_eq!((answer.status(), answer.value("PATH_INFO").as_deref()), (200, Some("/next")));
}

/// The value of a reported key.
#[track_caller]
pub(super) fn says(answer: &Answer, key: &str, value: &str) {
    assert_eq!(answer.value(key).as_deref(), Some(value), "{key} in {}", answer.text());
}

/// The reported key is not there.
#[track_caller]
pub(super) fn has_no(answer: &Answer, key: &str) {
    assert_eq!(answer.value(key), None, "{key}");
}

/// The server of this kind, started once for each door.
fn shared(door: Door, kind: Kind) -> &'static Server {
    static SERVERS: [OnceLock<(Server, Child)>; 4] = [const { OnceLock::new() }; 4];
    let place = usize::from(door == Door::Plackup) * 2 + usize::from(matches!(kind, Kind::Short));
    let start = || {
        let setup = Setup::new(door, "conformance.psgi").options(&["--max-reqs-per-child=0"]);
        let path = setup.folder().join("socket");
        let path = path.to_str().unwrap().to_owned();
        let server = match kind {
            Kind::Plain => setup.options(&["--listen", &path]),
            Kind::Short => setup.options(&[
                "--header-underscores=allow",
                "--max-body-size=0",
                "--header-timeout=4",
                "--keepalive-timeout=4",
            ]),
        };
        let server = server.start();
        let shell = end_with_us(&server);
        (server, shell)
    };
    &SERVERS[place].get_or_init(start).0
}

/// What lives as long as this process is never dropped. A shell waits for the end of a pipe that only
/// this process holds, and then ends the server.
fn end_with_us(server: &Server) -> Child {
    let pid = server.pid().as_raw_nonzero().to_string();
    let folder = server.folder().display().to_string();
    Command::new("sh")
        .args(["-c", "read line; kill -KILL -$0; rm -rf \"$1\"", &pid, &folder])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell")
}

/// Tests of rows, and the list of their numbers.
macro_rules! rows {
    ($($(#[$meta:meta])* $number:literal $kind:ident fn $name:ident($row:ident) $body:block)*) => {
        use crate::conformance::row::{Kind, Row};

        /// The rows that are tested here.
        pub(super) const ROWS: &[u32] = &[$($number),*];
        crate::support::both_doors! { $(
            $(#[$meta])*
            fn $name(door) {
                let $row = &Row::begin($number, door, Kind::$kind);
                $body
            }
        )* }
    };
}
pub(super) use rows;

//! A request becomes the strings of `%env`: names, values, and nothing about Perl.
//!
//! The names that most requests have are a table, known to Perl as shared keys from boot on
//! ([`KEYS`]); any other field is spelled out per request. Values are slices of the request as it
//! came; only what has to be made (decoded paths, numbers, joined duplicates) goes to a buffer that
//! is kept from request to request, so the usual request allocates nothing here.
//!
//! Not here: what is no string (`psgi.input`, `psgi.errors`, booleans), which the shim adds, and
//! which fields get through at all ([`head`](monoceros_server::http::head)).

mod made;

use std::io::Write as _;
use std::net::IpAddr;
use std::ops::Range;

use monoceros_perl::{Key, Var};
use monoceros_server::http::head::{Field, Version, decode_path};
use monoceros_server::worker::app::{Peer, Request};

use self::made::{decimal, spell};

/// The environment's names that every or nearly every request has; [`Entry::key`] is an index here.
/// Those from [`FIRST_FIELD`] on are request fields.
pub static KEYS: &[&str] = &[
    "REQUEST_METHOD",
    "REQUEST_URI",
    "PATH_INFO",
    "QUERY_STRING",
    "SERVER_PROTOCOL",
    "SERVER_NAME",
    "SERVER_PORT",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
    "HTTP_HOST",
    "monoceros.queue_time",
    "HTTP_ACCEPT",
    "HTTP_ACCEPT_CHARSET",
    "HTTP_ACCEPT_ENCODING",
    "HTTP_ACCEPT_LANGUAGE",
    "HTTP_ACCESS_CONTROL_REQUEST_HEADERS",
    "HTTP_ACCESS_CONTROL_REQUEST_METHOD",
    "HTTP_AUTHORIZATION",
    "HTTP_CACHE_CONTROL",
    "HTTP_CONNECTION",
    "HTTP_COOKIE",
    "HTTP_DATE",
    "HTTP_DNT",
    "HTTP_EXPECT",
    "HTTP_FORWARDED",
    "HTTP_FROM",
    "HTTP_IF_MATCH",
    "HTTP_IF_MODIFIED_SINCE",
    "HTTP_IF_NONE_MATCH",
    "HTTP_IF_RANGE",
    "HTTP_IF_UNMODIFIED_SINCE",
    "HTTP_KEEP_ALIVE",
    "HTTP_ORIGIN",
    "HTTP_PRAGMA",
    "HTTP_RANGE",
    "HTTP_REFERER",
    "HTTP_SEC_CH_UA",
    "HTTP_SEC_CH_UA_MOBILE",
    "HTTP_SEC_CH_UA_PLATFORM",
    "HTTP_SEC_FETCH_DEST",
    "HTTP_SEC_FETCH_MODE",
    "HTTP_SEC_FETCH_SITE",
    "HTTP_SEC_FETCH_USER",
    "HTTP_SEC_WEBSOCKET_KEY",
    "HTTP_SEC_WEBSOCKET_VERSION",
    "HTTP_TE",
    "HTTP_TRACEPARENT",
    "HTTP_TRANSFER_ENCODING",
    "HTTP_UPGRADE",
    "HTTP_UPGRADE_INSECURE_REQUESTS",
    "HTTP_USER_AGENT",
    "HTTP_VIA",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_REAL_IP",
    "HTTP_X_REQUEST_ID",
    "HTTP_X_REQUESTED_WITH",
];

/// Where request fields begin in [`KEYS`]. `Host` and the content fields stand before: they do not
/// become what their field says, letter for letter.
const FIRST_FIELD: usize = 13;
const METHOD: usize = 0;
const URI: usize = 1;
const PATH_INFO: usize = 2;
const QUERY: usize = 3;
const PROTOCOL: usize = 4;
const SERVER_NAME: usize = 5;
const SERVER_PORT: usize = 6;
const REMOTE_ADDR: usize = 7;
const REMOTE_PORT: usize = 8;
const CONTENT_LENGTH: usize = 9;
const CONTENT_TYPE: usize = 10;
const HOST: usize = 11;
const QUEUE_TIME: usize = 12;
const COOKIE: usize = 22;
const TRANSFER_ENCODING: usize = 49;
const UPGRADE: usize = 50;

/// Some look at the one, some at the other.
const HTTPS: [(&[u8], &[u8]); 2] = [(b"psgi.url_scheme", b"https"), (b"HTTPS", b"on")];

/// The strings that are the same for every request, for the template that requests copy.
pub fn constants(software: &str) -> Vec<(&'static str, String)> {
    vec![
        ("SCRIPT_NAME", String::new()),
        ("SERVER_SOFTWARE", software.to_owned()),
        ("psgi.url_scheme", "http".to_owned()),
    ]
}

/// A name or a value: a slice of the request, or of what was made for it.
#[derive(Debug, Clone)]
enum Text<'r> {
    Sent(&'r [u8]),
    Made(Range<usize>),
}

/// One pair of `%env`.
#[derive(Debug, Clone)]
struct Entry<'r> {
    /// Index in [`KEYS`], or `None`: `name` counts.
    key: Option<usize>,
    name: Text<'r>,
    value: Text<'r>,
}

/// What a request field becomes.
enum Place {
    Known(usize),
    Other,
    Dropped,
}

/// Makes the strings of `%env`; one per worker, for its buffers.
#[derive(Debug)]
pub struct Env {
    /// Open addressing over [`KEYS`] from [`FIRST_FIELD`] on, by [`bucket`]; 0 is empty.
    table: [u8; BUCKETS],
    made: Vec<u8>,
    entries: Vec<Entry<'static>>,
}

const BUCKETS: usize = 256;

/// A hash of a field's name that does not depend on case. `-` and `_` differ, as in the names.
fn bucket(name: &[u8]) -> usize {
    let mut hash = name.len();
    for &byte in [name.first(), name.get(name.len() / 2), name.last()].into_iter().flatten() {
        hash = hash.wrapping_mul(31).wrapping_add(usize::from(byte | 0x20));
    }
    hash % BUCKETS
}

/// Whether a field of this name, as sent, is the environment's `key` (`HTTP_` and upper case).
fn is_field(name: &[u8], key: &str) -> bool {
    let key = key.as_bytes().get(5..).unwrap_or_default();
    name.len() == key.len()
        && name.iter().zip(key).all(|(&sent, &known)| match sent {
            b'-' => known == b'_',
            b'_' => false,
            _ => sent.to_ascii_uppercase() == known,
        })
}

impl Default for Env {
    fn default() -> Self {
        let mut table = [0; BUCKETS];
        for (index, key) in KEYS.iter().enumerate().skip(FIRST_FIELD) {
            let name: Vec<u8> =
                key.bytes().skip(5).map(|b| if b == b'_' { b'-' } else { b }).collect();
            let mut at = bucket(&name);
            while table.get(at).is_some_and(|&taken| taken != 0) {
                at = (at + 1) % BUCKETS;
            }
            if let Some(free) = table.get_mut(at) {
                *free = u8::try_from(index).unwrap_or(0);
            }
        }
        Self { table, made: Vec::new(), entries: Vec::new() }
    }
}

impl Env {
    /// Appends the pairs of the request's environment. They live as long as the request and this
    /// are left alone.
    pub fn fill<'r>(&'r mut self, request: &'r Request<'_>, out: &mut Vec<Var<'r>>) {
        // The buffer's element type differs from call to call by its lifetime alone; the vector
        // itself is kept.
        let mut entries: Vec<Entry<'r>> = std::mem::take(&mut self.entries);
        self.gather(request, &mut entries);
        let made: &'r [u8] = &self.made;
        out.extend(entries.iter().map(|pair| {
            let value = resolve(made, &pair.value);
            match pair.key.and_then(|key| u16::try_from(key).ok()) {
                Some(key) => Var::keyed(Key::nth(key), value),
                None => Var::named(resolve(made, &pair.name), value),
            }
        }));
        self.entries = forget(entries);
    }

    fn gather<'r>(&mut self, request: &'r Request<'_>, entries: &mut Vec<Entry<'r>>) {
        self.made.clear();
        self.line(request, entries);
        self.ends(request, entries);
        for field in &request.head.fields {
            self.field(field, request, entries);
        }
    }

    /// What the request line says.
    fn line<'r>(&mut self, request: &'r Request<'_>, entries: &mut Vec<Entry<'r>>) {
        let head = request.head;
        entries.push(known(METHOD, Text::Sent(head.method.as_bytes())));
        entries.push(known(URI, Text::Sent(head.uri)));
        let path = if head.path.contains(&b'%') {
            self.make(|made| made.extend_from_slice(&decode_path(head.path)))
        } else {
            Text::Sent(head.path)
        };
        entries.push(known(PATH_INFO, path));
        entries.push(known(QUERY, Text::Sent(head.query)));
        let protocol: &[u8] = match head.version {
            Version::Http10 => b"HTTP/1.0",
            Version::Http11 => b"HTTP/1.1",
        };
        entries.push(known(PROTOCOL, Text::Sent(protocol)));
        if let Some(host) = head.host {
            entries.push(known(HOST, Text::Sent(host)));
        }
    }

    /// Who speaks to whom, how much, and since when.
    fn ends<'r>(&mut self, request: &'r Request<'_>, entries: &mut Vec<Entry<'r>>) {
        entries.push(known(SERVER_NAME, Text::Sent(request.local.name.as_bytes())));
        entries.push(known(SERVER_PORT, self.number(request.local.port.into())));
        let (address, port) = match (request.forwarded.client, request.peer) {
            (Some((address, port)), _) | (None, Peer::Tcp(address, port)) => {
                (self.address(address.to_canonical()), self.number(port.into()))
            }
            // An address that is nobody's, so that "allow localhost" fails closed.
            (None, Peer::Unix) => (Text::Sent(b""), Text::Sent(b"0")),
        };
        entries.push(known(REMOTE_ADDR, address));
        entries.push(known(REMOTE_PORT, port));
        if request.forwarded.https {
            entries.extend(HTTPS.map(|(name, value)| Entry {
                key: None,
                name: Text::Sent(name),
                value: Text::Sent(value),
            }));
        }
        if let Some(length) = request.content_length {
            entries.push(known(CONTENT_LENGTH, self.number(length)));
        }
        if let Some(time) = request.queue_time {
            let (seconds, micros) = (time.as_secs(), time.subsec_micros());
            entries.push(known(QUEUE_TIME, self.show(format_args!("{seconds}.{micros:06}"))));
        }
    }

    /// One field of the request: a pair of its own, or more of one that is there already.
    fn field<'r>(
        &mut self,
        field: &Field<'r>,
        request: &Request<'_>,
        entries: &mut Vec<Entry<'r>>,
    ) {
        let (key, name) = match self.place(field.name, request) {
            Place::Dropped => return,
            Place::Known(key) => (Some(key), Text::Sent(b"")),
            Place::Other => (None, self.make(|made| spell(field.name, made))),
        };
        let same = entries.iter().position(|entry| match (key, entry.key) {
            (Some(key), Some(other)) => key == other,
            (None, None) => resolve(&self.made, &entry.name) == resolve(&self.made, &name),
            _ => false,
        });
        let Some(same) = same.and_then(|at| entries.get_mut(at)) else {
            entries.push(Entry { key, name, value: Text::Sent(field.value) });
            return;
        };
        // RFC 9110 section 5.3 joins with a comma; a cookie split by an HTTP/2 front end is joined
        // as RFC 9113 section 8.2.3 asks.
        let glue: &[u8] = if key == Some(COOKIE) { b"; " } else { b", " };
        let first = same.value.clone();
        same.value = self.make(|made| {
            match first {
                Text::Sent(bytes) => made.extend_from_slice(bytes),
                Text::Made(range) => made.extend_from_within(range),
            }
            made.extend_from_slice(glue);
            made.extend_from_slice(field.value);
        });
    }

    /// Which pair a field belongs to.
    fn place(&self, name: &[u8], request: &Request<'_>) -> Place {
        match self.known_field(name) {
            // The body is here decoded: who decoded again would cut it.
            Some(TRANSFER_ENCODING) => Place::Dropped,
            // RFC 9110 section 7.8: to be ignored unless the connection says so too.
            Some(UPGRADE) if !may_upgrade(request) => Place::Dropped,
            Some(key) => Place::Known(key),
            None if name.eq_ignore_ascii_case(b"content-type") => Place::Known(CONTENT_TYPE),
            None if name.eq_ignore_ascii_case(b"content-length") => Place::Dropped,
            None if name.eq_ignore_ascii_case(b"host") => Place::Dropped,
            None => Place::Other,
        }
    }

    /// The index in [`KEYS`] of a field that is there.
    fn known_field(&self, name: &[u8]) -> Option<usize> {
        let mut at = bucket(name);
        loop {
            let index = usize::from(*self.table.get(at)?);
            if index == 0 {
                return None;
            }
            if is_field(name, KEYS.get(index)?) {
                return Some(index);
            }
            at = (at + 1) % BUCKETS;
        }
    }

    /// Appends to what is made for this request, and says where.
    fn make<'r>(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Text<'r> {
        let from = self.made.len();
        write(&mut self.made);
        Text::Made(from..self.made.len())
    }

    fn show<'r>(&mut self, what: std::fmt::Arguments<'_>) -> Text<'r> {
        // Writing to a Vec cannot fail.
        self.make(|made| drop(made.write_fmt(what)))
    }

    fn number<'r>(&mut self, number: u64) -> Text<'r> {
        self.make(|made| decimal(number, made))
    }

    fn address<'r>(&mut self, address: IpAddr) -> Text<'r> {
        let IpAddr::V4(address) = address else { return self.show(format_args!("{address}")) };
        let [a, b, c, d] = address.octets();
        self.make(|made| {
            for (part, end) in [(a, "."), (b, "."), (c, "."), (d, "")] {
                decimal(part.into(), made);
                made.extend_from_slice(end.as_bytes());
            }
        })
    }
}

fn known(key: usize, value: Text<'_>) -> Entry<'_> {
    Entry { key: Some(key), name: Text::Sent(b""), value }
}

/// Whether the client asked for another protocol in a way that counts: RFC 9110 section 7.8.
pub(crate) fn may_upgrade(request: &Request<'_>) -> bool {
    request.head.connection.upgrade && matches!(request.head.version, Version::Http11)
}

/// Empties a vector for another lifetime; the standard library keeps the allocation.
fn forget(mut entries: Vec<Entry<'_>>) -> Vec<Entry<'static>> {
    entries.clear();
    entries.into_iter().map(|_| unreachable!("it is empty")).collect()
}

fn resolve<'t>(made: &'t [u8], text: &Text<'t>) -> &'t [u8] {
    match text {
        Text::Sent(bytes) => bytes,
        Text::Made(range) => made.get(range.clone()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;

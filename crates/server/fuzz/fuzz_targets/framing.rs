//! Requests one behind another on a connection: wherever the server lets one through, the oracle sees
//! the same body and the same beginning of the next. This is what smuggling would break.
#![no_main]

use libfuzzer_sys::fuzz_target;
use monoceros_fuzz::oracle::{self, Body, Opinion};
use monoceros_server::http::Limits;
use monoceros_server::http::chunked::Chunked;
use monoceros_server::http::framing::Framing;
use monoceros_server::http::head::{self, Scan};

/// More than the inputs have, so that it is met by what they announce alone.
const MOST: u64 = 1 << 20;

/// The body behind a head, as the server reads it, and the bytes that it takes. `None`: not whole,
/// or refused.
fn body(framing: Framing, bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    match framing {
        Framing::None => Some((Vec::new(), 0)),
        Framing::Length(length) => {
            let length = usize::try_from(length).expect("the limit is small");
            Some((bytes.get(..length)?.to_vec(), length))
        }
        Framing::Chunked => {
            let mut out = Vec::new();
            let fed = Chunked::new(MOST).feed(bytes, &mut out).ok()?;
            fed.done.then_some((out, fed.used))
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { max_body_size: MOST, ..Limits::default() };
    let mut rest = bytes;
    while let Ok(Some(head)) = head::read(rest, &limits, &mut Scan::default()) {
        let Opinion::Whole(other) = oracle::head(rest) else {
            panic!("the oracle would not let the head through");
        };
        let same = match head.framing {
            Framing::None => Body::None,
            Framing::Length(length) => Body::Length(length),
            Framing::Chunked => Body::Chunked,
        };
        assert_eq!((head.len, same), (other.len, other.body));
        let behind = &rest[head.len..];
        let ours = body(head.framing, behind);
        let theirs = match oracle::body(other.body, behind, MOST) {
            Opinion::Whole(body) => Some(body),
            Opinion::More | Opinion::Refused => None,
        };
        assert_eq!(ours, theirs);
        let Some((_, used)) = ours else { break };
        rest = &behind[used..];
    }
});

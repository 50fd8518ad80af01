//! The server and a second opinion on every row of the table: what is let through, how its body is
//! delimited, what the body is, and where the next request begins.
//!
//! The rows and the oracle are those of fuzzing (`crates/server/fuzz`), which compares the two on bytes
//! that nobody has thought of.
#![expect(clippy::unwrap_used, reason = "a test that fails may say so in any way")]

#[path = "../fuzz/src/oracle.rs"]
#[expect(unreachable_pub, reason = "a library's, elsewhere")]
mod oracle;
#[path = "../fuzz/src/rows.rs"]
#[expect(unreachable_pub, dead_code, reason = "a library's, elsewhere")]
mod rows;

use monoceros_server::http::Limits;
use monoceros_server::http::chunked::{Chunked, Fed};
use monoceros_server::http::framing::Framing;
use monoceros_server::http::head::{self, Scan};
use monoceros_server::http::refusal::Refusal;
use oracle::{Body, Opinion};
use rows::{NEXT, Row, Says};

/// A request as the server has it: how it is delimited, its body, and its bytes in all.
type Request = (Body, Vec<u8>, usize);

fn server(bytes: &[u8], limits: &Limits) -> Result<Option<Request>, Refusal> {
    let Some(head) = head::read(bytes, limits, &mut Scan::default())? else { return Ok(None) };
    let behind = bytes.get(head.len..).unwrap();
    Ok(match head.framing {
        Framing::None => Some((Body::None, Vec::new(), head.len)),
        Framing::Length(length) => {
            let size = usize::try_from(length).unwrap();
            let body = behind.get(..size);
            body.map(|body| (Body::Length(length), body.to_vec(), head.len + size))
        }
        Framing::Chunked => {
            let mut body = Vec::new();
            let Fed { used, done } = Chunked::new(limits.max_body_size).feed(behind, &mut body)?;
            done.then_some((Body::Chunked, body, head.len + used))
        }
    })
}

fn oracle(bytes: &[u8], limits: &Limits) -> Opinion<Request> {
    match oracle::head(bytes) {
        Opinion::More => Opinion::More,
        Opinion::Refused => Opinion::Refused,
        Opinion::Whole(head) => {
            match oracle::body(head.body, &bytes[head.len..], limits.max_body_size) {
                Opinion::More => Opinion::More,
                Opinion::Refused => Opinion::Refused,
                Opinion::Whole((body, used)) => Opinion::Whole((head.body, body, head.len + used)),
            }
        }
    }
}

fn check(row: &Row) {
    let limits = Limits::default();
    let (ours, theirs) = (server(&row.bytes, &limits), oracle(&row.bytes, &limits));
    let name = format!("row {}: {}", row.number, row.bytes.escape_ascii());
    match (&row.says, &ours) {
        (Says::Refused(status), Err(refusal)) => assert_eq!(refusal.status, *status, "{name}"),
        (Says::More, Ok(None)) => {}
        (Says::Bare, Ok(Some((Body::None, ..)))) => {}
        (Says::Body(body), Ok(Some((framing, got, _)))) => {
            assert_eq!((body, *framing != Body::None), (got, true), "{name}");
        }
        _ => panic!("{name}\nshould be {:?}, is {ours:?}", row.says),
    }
    match ours {
        Ok(Some(request)) => {
            assert_eq!(row.bytes.get(request.2..), Some(NEXT), "{name}");
            assert_eq!(theirs, Opinion::Whole(request), "{name}");
        }
        Ok(None) => assert_eq!(theirs, Opinion::More, "{name}"),
        // What these are refused for is their length, so the oracle finds no request either.
        Err(_) if (39..=66).contains(&row.number) => {
            assert!(!matches!(theirs, Opinion::Whole(_)), "{name}");
        }
        Err(_) => {}
    }
}

#[test]
fn every_row_is_framed_as_the_oracle_frames_it() {
    let rows = rows::rows();
    rows.iter().for_each(check);
    assert!(rows.len() > 120, "{}", rows.len());
}

#[test]
fn what_is_behind_a_request_is_framed_alike_too() {
    let limits = Limits::default();
    let through = |row: &Row| matches!(row.says, Says::Bare | Says::Body(_));
    for row in rows::rows().iter().filter(|row| through(row)) {
        let mut bytes = row.bytes.repeat(3);
        let mut count = 0;
        while let Some((_, _, len)) = server(&bytes, &limits).unwrap() {
            let Opinion::Whole((_, _, other)) = oracle(&bytes, &limits) else { panic!("{row:?}") };
            assert_eq!(len, other, "row {}", row.number);
            bytes.drain(..len);
            count += 1;
        }
        assert_eq!((count, bytes.len()), (6, 0), "row {}", row.number);
    }
}

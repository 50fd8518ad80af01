//! A head gets one answer however it is cut, and is never let through where `httparse` or the
//! oracle would not, or would read it differently.
#![no_main]

use libfuzzer_sys::fuzz_target;
use monoceros_fuzz::{cuts, oracle};
use monoceros_server::http::head::{self, Head, Scan};
use monoceros_server::http::refusal::Refusal;
use monoceros_server::http::{Limits, Underscores};

fn in_pieces<'b>(
    bytes: &'b [u8],
    ends: impl IntoIterator<Item = usize>,
    limits: &Limits,
) -> Result<Option<Head<'b>>, Refusal> {
    let mut scan = Scan::default();
    for end in ends {
        match head::read(&bytes[..end], limits, &mut scan) {
            Ok(None) => {}
            answer => return answer,
        }
    }
    Ok(None)
}

fn one_answer<'b>(bytes: &'b [u8], limits: &Limits) -> Result<Option<Head<'b>>, Refusal> {
    let whole = head::read(bytes, limits, &mut Scan::default());
    assert_eq!(in_pieces(bytes, cuts(bytes), limits), whole);
    assert_eq!(in_pieces(bytes, 1..=bytes.len(), limits), whole);
    whole
}

fn agrees(bytes: &[u8], head: &Head<'_>) {
    let oracle::Opinion::Whole(other) = oracle::head(bytes) else {
        panic!("the oracle would not let it through");
    };
    assert_eq!((head.len, head.method), (other.len, &*other.method));
    assert!(other.target.ends_with(head.uri) || head.uri == b"/");
    assert!(head.fields.len() <= other.fields + 1);
    assert!(!head::decode_path(head.path).contains(&0));
    assert!(head.method.len() <= 32 && head.len <= bytes.len());
    // Nothing is framed twice, and no field carries a line end to the application.
    for field in &head.fields {
        assert!(!field.name.is_empty() && !field.name.contains(&b':'));
        assert!(!field.value.iter().any(|octet| b"\r\n\0".contains(octet)));
    }
}

fuzz_target!(|bytes: &[u8]| {
    match one_answer(bytes, &Limits::default()) {
        Ok(Some(head)) => agrees(bytes, &head),
        Ok(None) => assert!(!matches!(oracle::head(bytes), oracle::Opinion::Whole(_))),
        Err(refusal) => {
            assert!((400..=599).contains(&refusal.status));
            // The last resort of the careful pass: it should have found the reason.
            assert_ne!(refusal.why, "malformed head");
        }
    }
    let small = Limits {
        max_request_line: 40,
        max_header_size: 120,
        max_header_count: 3,
        max_body_size: 9,
        underscores: Underscores::Allow,
    };
    let answer = one_answer(bytes, &small);
    assert!(bytes.len() < 120 || answer != Ok(None), "a full buffer always has an answer");
});

//! A chunked body decodes to the same bytes however it is cut, to what the oracle says, and never to
//! more than has come.
#![no_main]

use libfuzzer_sys::fuzz_target;
use monoceros_fuzz::{cuts, oracle};
use monoceros_server::http::chunked::{Chunked, Fed};
use monoceros_server::http::refusal::Refusal;

type Answer = (Result<Fed, Refusal>, Vec<u8>, u64);

/// Feeds the pieces between `ends`; `used` counts from the beginning.
fn feed(bytes: &[u8], ends: impl IntoIterator<Item = usize>, most: u64) -> Answer {
    let (mut chunked, mut out, mut begin) = (Chunked::new(most), Vec::new(), 0);
    for end in ends {
        match chunked.feed(&bytes[begin..end], &mut out) {
            Ok(fed) if fed.done => {
                let fed = Fed { used: begin + fed.used, ..fed };
                return (Ok(fed), out, chunked.decoded());
            }
            Ok(fed) => assert_eq!(fed.used, end - begin),
            Err(refusal) => return (Err(refusal), out, chunked.decoded()),
        }
        begin = end;
    }
    (Ok(Fed { used: bytes.len(), done: false }), out, chunked.decoded())
}

fuzz_target!(|bytes: &[u8]| {
    for most in [1 << 20, 7] {
        let whole = feed(bytes, [bytes.len()], most);
        assert_eq!(feed(bytes, cuts(bytes), most), whole);
        assert_eq!(feed(bytes, 1..=bytes.len(), most), whole);
        let (answer, out, decoded) = whole;
        assert!(out.len() <= bytes.len());
        assert_eq!(u64::try_from(out.len()), Ok(decoded));
        assert!(decoded <= most);
        let opinion = oracle::chunked(bytes, most);
        match answer {
            Ok(Fed { used, done: true }) => {
                assert_eq!(opinion, oracle::Opinion::Whole((out, used)));
            }
            Ok(Fed { done: false, .. }) => assert_eq!(opinion, oracle::Opinion::More),
            // It refuses at the byte that decides, the oracle at the line's end.
            Err(refusal) => {
                assert!(matches!(refusal.status, 400 | 413 | 431));
                assert!(!matches!(opinion, oracle::Opinion::Whole(_)));
            }
        }
    }
});

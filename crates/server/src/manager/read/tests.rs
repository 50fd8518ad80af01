//! What becomes of bytes: requests told step by step, and whole connections cut anywhere.

use proptest::prelude::*;

use super::*;

fn read(pieces: &[&[u8]]) -> (Reading, Vec<Step>) {
    let (limits, dir) = (Limits::default(), std::env::temp_dir());
    let ledger = Ledger::default();
    let rules = Rules {
        limits: &limits,
        body_buffer_size: 10,
        spool_dir: &dir,
        max_spool_size: 20,
        ledger: &ledger,
    };
    let mut reading = Reading::default();
    let steps = pieces
        .iter()
        .map(|piece| {
            reading.push(piece);
            reading.step(&rules, 7)
        })
        .collect();
    (reading, steps)
}

#[test]
fn what_is_behind_a_request_is_its_rest() {
    let (reading, mut steps) =
        read(&[b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n", b"abcGET"]);
    assert!(matches!(steps[0], Step::More));
    let Some(Step::Complete(job)) = steps.pop() else { panic!("{steps:?}") };
    assert_eq!(
        (&job.body[..], &job.rest[..], job.file.is_none()),
        (&b"abc"[..], &b"GET"[..], true)
    );
    assert!(reading.is_silent());
}

#[test]
fn a_body_that_outgrows_memory_is_in_a_file_and_whole() {
    use std::os::unix::fs::FileExt;
    let (_, mut steps) = read(&[
        b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n",
        b"8\r\nabcdefgh\r\n1\r\n!",
        b"\r\n0\r\n\r\n",
    ]);
    let Some(Step::Complete(job)) = steps.pop() else { panic!("{steps:?}") };
    assert!(job.body.is_empty() && job.rest.is_empty());
    let file = job.file.unwrap().file;
    let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes, b"12345678abcdefgh!");
}

#[test]
fn a_body_on_its_way_to_a_file_keeps_no_memory() {
    let head = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n";
    let (reading, _) = read(&[head, b"12345678", b"87654321"]);
    let body = reading.body.unwrap();
    assert!(body.file.is_some());
    assert_eq!((reading.input.capacity(), body.memory.capacity()), (0, 0));
}

#[test]
fn what_a_client_is_told_when_its_body_cannot_be_stored() {
    let status = |errno: Errno| cannot_spool(&errno.into()).status;
    assert_eq!([Errno::NOSPC, Errno::MFILE, Errno::NFILE].map(status), [507, 503, 503]);
    assert_eq!(status(Errno::IO), 500);
}

#[test]
fn a_body_for_which_there_is_no_room_is_507_and_never_short() {
    let head = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 21\r\n\r\n";
    let (_, mut steps) = read(&[head, &[b'x'; 20], b"y"]);
    let Some(Step::Fail(refusal, _)) = steps.pop() else { panic!("{steps:?}") };
    assert_eq!(refusal.status, 507);
}

#[test]
fn a_client_that_waits_is_told_to_go_on_once() {
    let head = b"POST /p HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    let (_, steps) = read(&[head, b"a", b"b"]);
    assert!(matches!(steps[..], [Step::Continue, Step::More, Step::Complete(_)]), "{steps:?}");
    let along = [&head[..], b"a"].concat();
    let (_, steps) = read(&[&along, b"b"]);
    assert!(matches!(steps[..], [Step::More, Step::Complete(_)]), "{steps:?}");
}

#[test]
fn an_end_of_file_is_a_goodbye_only_between_requests() {
    assert!(!read(&[b""]).0.cut_short());
    assert!(!read(&[b"\r\n"]).0.cut_short());
    assert!(read(&[b"G"]).0.cut_short());
    assert!(read(&[b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"]).0.cut_short());
}

#[test]
fn a_refusal_of_a_body_knows_that_the_method_is_head() {
    let head = b"\r\nHEAD /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (reading, steps) = read(&[head, b"x"]);
    assert!(matches!(steps[..], [Step::More, Step::Refuse(_)]), "{steps:?}");
    assert!(reading.is_head());
    assert!(read(&[b"HEAD /p HTT"]).0.is_head());
    assert!(!read(&[b"GET /p HTT"]).0.is_head());
}

/// What becomes of a connection: the requests with their bodies, then the refusal, or whether
/// an end of file would cut a request short.
type Story = (Vec<(Vec<u8>, Vec<u8>)>, Result<bool, Refusal>);

/// Reads a connection that brings `bytes` in pieces that end at `ends`.
fn story(bytes: &[u8], ends: impl IntoIterator<Item = usize>, limits: &Limits) -> Story {
    use std::os::unix::fs::FileExt;
    let (dir, ledger) = (std::env::temp_dir(), Ledger::default());
    let max_spool_size = 1 << 20;
    let (spool_dir, ledger) = (dir.as_path(), &ledger);
    let rules = Rules { limits, body_buffer_size: 200, spool_dir, max_spool_size, ledger };
    let (mut reading, mut requests, mut begin) = (Reading::default(), Vec::new(), 0);
    for end in ends {
        reading.push(&bytes[begin..end]);
        begin = end;
        loop {
            match reading.step(&rules, 7) {
                Step::More | Step::Continue => break,
                Step::Refuse(refusal) => return (requests, Err(refusal)),
                Step::Fail(_, why) => panic!("{why}"),
                Step::Complete(Waiting { head, mut body, file, rest, .. }) => {
                    if let Some(Kept { file, .. }) = file {
                        body.resize(usize::try_from(file.metadata().unwrap().len()).unwrap(), 0);
                        file.read_exact_at(&mut body, 0).unwrap();
                    }
                    requests.push((head, body));
                    reading = Reading::new(rest, false);
                }
            }
        }
    }
    (requests, Ok(reading.cut_short()))
}

/// A request and its body, framed in any way that is right, and in some that are not.
fn request() -> impl Strategy<Value = (Vec<u8>, Option<Vec<u8>>)> {
    let body = proptest::collection::vec(any::<u8>(), 0..300);
    let line = proptest::sample::select(vec![
        "GET /p HTTP/1.1",
        "\r\nPOST /a%20b?c HTTP/1.1",
        "HEAD / HTTP/1.1",
    ]);
    let size = proptest::sample::select(vec!["", ";x", " ; n=\"v;\\\"\"", "\t;a = b;c", " "]);
    let trailer = proptest::sample::select(vec!["", "X-T: 1\r\n", "A:\r\nB: \tb\r\n", " X: 1\r\n"]);
    (line, body, 0..8_usize, 1..120_usize, size, trailer).prop_map(
        |(line, body, way, most, size, trailer)| {
            let mut bytes = format!("{line}\r\nHost: a\r\n").into_bytes();
            let mut right = true;
            match way {
                0 => {
                    bytes.extend_from_slice(b"\r\n");
                    return (bytes, Some(Vec::new()));
                }
                1..4 => {
                    let wait = if way == 1 { "Expect: 100-continue\r\n" } else { "" };
                    bytes.extend(format!("{wait}Content-Length: {}\r\n\r\n", body.len()).bytes());
                    bytes.extend_from_slice(&body);
                }
                _ => {
                    bytes.extend_from_slice(b"Transfer-Encoding: Chunked\r\n\r\n");
                    for piece in body.chunks(most) {
                        bytes.extend(format!("{:x}{size}\r\n", piece.len()).bytes());
                        bytes.extend_from_slice(piece);
                        bytes.extend_from_slice(b"\r\n");
                    }
                    bytes.extend(format!("000\r\n{trailer}\r\n").bytes());
                    right = (size != " " || body.is_empty()) && !trailer.starts_with(' ');
                }
            }
            (bytes, right.then_some(body))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

    /// Head, framing and chunks together, and what is pipelined behind.
    #[test]
    fn row_080_a_connection_tells_one_story_however_it_is_cut(
        requests in proptest::collection::vec(request(), 1..4),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
        lost in 0..40_usize,
    ) {
        let limits = Limits::default();
        let all: Vec<u8> = requests.iter().flat_map(|(bytes, _)| bytes).copied().collect();
        // One in two comes whole.
        let bytes = &all[..all.len() - lost.saturating_sub(20).min(all.len())];
        let whole = story(bytes, [bytes.len()], &limits);
        prop_assert_eq!(&story(bytes, 1..=bytes.len(), &limits), &whole);
        let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        ends.sort_unstable();
        ends.push(bytes.len());
        prop_assert_eq!(&story(bytes, ends, &limits), &whole);
        // And it is the story that was told.
        for ((_, body), (_, sent)) in whole.0.iter().zip(&requests) {
            prop_assert_eq!(Some(body), sent.as_ref());
        }
        let right = requests.iter().take_while(|(_, body)| body.is_some()).count();
        if bytes.len() == all.len() {
            prop_assert_eq!((whole.0.len(), whole.1.is_err()), (right, right < requests.len()));
        }
    }
}

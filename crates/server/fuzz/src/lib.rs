//! What the targets of fuzzing share: the second opinion, the seeds, and cuts.
//!
//! `crates/server/tests/framing.rs` includes the first two, so that an ordinary `cargo test` compares
//! them with the server on every row of the table.
pub mod oracle;
pub mod rows;

/// Where to cut an input into reads: everywhere that a hash of it says, so that the input is the
/// bytes and nothing else.
pub fn cuts(bytes: &[u8]) -> Vec<usize> {
    let mut state = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &octet| {
        (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut ends = Vec::new();
    let mut end = 0;
    while end < bytes.len() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // Mostly small pieces, sometimes a large one.
        let most = if state & 7 == 0 { 4096 } else { 24 };
        end = bytes.len().min(end + 1 + usize::try_from((state >> 8) % most).unwrap_or(0));
        ends.push(end);
    }
    ends
}

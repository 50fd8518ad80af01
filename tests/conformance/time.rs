//! Rows 82 and 83: clocks, shortened to two seconds.

use std::time::{Duration, Instant};

use super::row::{G, WAYS, refusal, rows, says};

/// The time-outs of the short server.
const LIMIT: Duration = Duration::from_secs(2);

/// The time is up, and was not before.
#[track_caller]
fn took(begun: Instant) {
    let time = begun.elapsed();
    assert!(time > LIMIT.mul_f64(0.9) && time < LIMIT * 3, "{time:?}");
}

rows! {
    /// Silence between requests, a word just before its end, and silence from the beginning.
    82 Short fn row_082_silence(row) {
        let (mut idle, mut late) = (row.connect(WAYS[1]), row.connect(WAYS[1]));
        let (begun, mut mute) = (Instant::now(), row.connect(WAYS[0]));
        row.server.outlives(LIMIT / 2);
        says(&late.ask("/late"), "PATH_INFO", "/late");
        idle.expect_end();
        took(begun);
        mute.expect_end();
        took(begun);
    }

    /// A byte now and then does not prolong the time that a head has.
    83 Short fn row_083_a_slow_head(row) {
        let mut clients = [row.connect(WAYS[0]), row.connect(WAYS[1])];
        let begun = Instant::now();
        for at in 0..8 {
            clients.iter_mut().for_each(|client| client.send(&G[at..=at]));
            row.server.outlives(LIMIT / 10);
        }
        for client in &mut clients {
            refusal(client, 408);
            took(begun);
        }
        row.not_called();
    }
}

//! Rows 82 and 83: clocks, shortened to four seconds.

use std::time::{Duration, Instant};

use super::row::{G, WAYS, refusal, rows, says};

/// The time-outs of the short server.
const LIMIT: Duration = Duration::from_secs(4);

/// The time is up, and was not before.
#[track_caller]
fn took(begun: Instant) {
    let time = begun.elapsed();
    // The defaults are ten seconds and thirty.
    assert!(time > LIMIT.mul_f64(0.99) && time < Duration::from_millis(9900), "{time:?}");
}

rows! {
    /// Silence between requests, a word just before its end, and silence from the beginning.
    82 Short fn row_082_silence(row) {
        let begun = Instant::now();
        let (mut idle, mut late) = (row.connect(WAYS[1]), row.connect(WAYS[1]));
        let mut mute = row.connect(WAYS[0]);
        row.server.outlives(LIMIT / 2);
        says(&late.ask("/late"), "PATH_INFO", "/late");
        idle.expect_end();
        took(begun);
        mute.expect_end();
        took(begun);
    }

    /// A byte now and then does not prolong the time that a head has.
    83 Short fn row_083_a_slow_head(row) {
        let begun = Instant::now();
        let mut clients = [row.connect(WAYS[0]), row.connect(WAYS[1])];
        for byte in row.named(format!("{G}X: {:100}", "").as_bytes()) {
            clients.iter_mut().for_each(|client| _ = client.try_send(&[byte]));
            if clients[0].hears(LIMIT / 20) {
                break;
            }
        }
        for client in &mut clients {
            refusal(client, 408);
            took(begun);
        }
        row.not_called();
    }
}

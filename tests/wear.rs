//! Workers that are replaced because they are old, or large: nobody loses anything by it.

use crate::support::{Client, Door, Server, Setup, both_doors};

/// Answers with the worker; on /grow it keeps 60 MB from then on.
const APP: &str = "my $kept; sub { $kept = 'x' x 60_000_000 if $_[0]{PATH_INFO} eq '/grow'; \
                   [200, ['Content-Type' => 'text/plain'], [$$]] }";

fn start(door: Door, option: &str) -> Server {
    let options = ["-l", "127.0.0.1:0", "-E", "deployment", "--max-workers=1", option, "-e", APP];
    // Whoever is replaced has not failed: this pause would be too long for any story.
    Setup::bare(door).options(&["--err-respawn-interval=60"]).options(&options).start()
}

/// Asks on and on, on one connection, until another worker answers.
fn until_another(server: &Server, client: &mut Client, worker: &str) {
    server.until("another worker", || {
        let answer = client.ask("/");
        assert_eq!((answer.status(), answer.field("Connection")), (200, None));
        answer.text() != worker
    });
}

both_doors! {
    /// A worker that only waits grows old, too.
    fn who_is_old_is_replaced(door) {
        let server = start(door, "--max-worker-age=2");
        let [unused] = server.workers()[..] else { panic!("one worker") };
        server.until("another worker", || server.workers().iter().any(|pid| *pid != unused));
        server.expect_log("max-worker-age");
        let mut client = server.connect();
        let worker = client.ask("/").text();
        until_another(&server, &mut client, &worker);
        server.stop();
    }

    /// After the request that made it large, which has its answer.
    fn who_is_large_is_replaced(door) {
        let server = start(door, "--max-worker-memory=50m");
        let mut client = server.connect();
        let worker = client.ask("/").text();
        for _ in 0..10 {
            assert_eq!(client.ask("/").text(), worker);
        }
        assert_eq!(client.ask("/grow").text(), worker);
        until_another(&server, &mut client, &worker);
        server.expect_log("max-worker-memory");
        server.stop();
    }
}

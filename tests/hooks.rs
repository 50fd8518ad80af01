//! What an operator's own Perl code is called for: as a worker leaves.

use crate::support::{Server, Setup, Signal, both_doors};

const HOOK: &str = "--child-exit=sub { print STDERR qq(child_exit of $$\\n) }";

both_doors! {
    /// Before END blocks, once in each worker, however it leaves; and never in the supervisor.
    fn child_exit_is_called_as_a_worker_leaves(door) {
        let options = ["--max-workers=1", "--max-reqs-per-child=1", "--min-reqs-per-child=1", HOOK];
        let mut server = Server::start(door, "ends.psgi", &options);
        let mut client = server.connect();
        for _ in 0..2 {
            let text = client.ask("/").text();
            let worker = text.trim_start_matches("/ ");
            server.expect_log(&format!("END of {worker}"));
            let lines = server.log.matching(|line| line.ends_with(&format!(" of {worker}")));
            assert_eq!(lines, [format!("child_exit of {worker}"), format!("END of {worker}")]);
        }
        let last = client.ask("/application").text();
        server.signal(Signal::TERM);
        assert_eq!(server.wait().code(), Some(0));
        assert!(!last.is_empty());
        let supervisor = format!("child_exit of {}", server.pid().as_raw_nonzero());
        assert_eq!(server.log.matching(|line| line == supervisor).len(), 0);
    }

    /// What is no code is found before anything is served.
    fn child_exit_is_code(door) {
        for text in ["--child-exit=4711", "--child-exit=sub {"] {
            let finished = Setup::new(door, "ends.psgi").options(&[text]).finish();
            assert_eq!(finished.status, Some(3), "{finished}");
            assert!(finished.err.contains("child_exit: "), "{finished}");
        }
    }
}

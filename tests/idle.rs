//! Idle connections by the thousand: what they cost, and that they cost nobody else anything.

use std::time::{Duration, Instant};

use monoceros_bench::Idle;

use crate::support::{Server, both_doors, pss, soaking};

/// What a tree weighs, in KiB.
fn weight(server: &Server) -> u64 {
    server.tree().pids().into_iter().map(pss).sum()
}

both_doors! {
    /// Thousands of idle connections: somebody new is answered at once, all of them still answer, and
    /// each costs less than 2 KiB.
    fn idle_connections_are_cheap(door) {
        let count = if soaking() { 9000 } else { 1500 };
        monoceros_bench::raise_descriptors();
        let options = ["--max-workers=2", "--keepalive-timeout=120", "--max-reqs-per-child=0"];
        let server = Server::start(door, "path_info.psgi", &options);
        let address = server.addresses()[0].parse().unwrap();
        // A few first, so that what every process allocates once is not counted.
        let mut warm = Idle::open(address, 50).unwrap();
        let before = weight(&server);
        assert!(before > 1000, "{before} KiB cannot be a tree of perls");

        let mut idle = Idle::open(address, count).unwrap();
        let grown = weight(&server).saturating_sub(before);
        let mut fastest = Duration::MAX;
        for _ in 0..10 {
            let asked = Instant::now();
            assert_eq!(server.connect().ask("/fresh").text(), "/fresh");
            fastest = fastest.min(asked.elapsed());
        }
        let longest = idle.ask_all().unwrap();
        warm.ask_all().unwrap();
        eprintln!("{count} idle: {grown} KiB more, a newcomer waits {fastest:?}, a hundred {longest:?}");
        assert!(fastest < Duration::from_millis(200), "a newcomer waited {fastest:?}");
        assert!(grown < 2 * count as u64, "{grown} KiB for {count} connections");
        server.stop();
    }
}

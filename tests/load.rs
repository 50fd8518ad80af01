//! Exactly once and in order, while workers die; newcomers beside kept connections.

mod clients;

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use monoceros_bench::{Amount, Plan, run};

use crate::support::{DEADLINE, Server, Setup, Signal, both_doors, kill, soaking};
use clients::Clients;

both_doors! {
    /// Numbered requests, in random pieces and with random pauses, on many connections; workers are
    /// killed, added and taken away meanwhile. Every answer is its request's, each connection's are in
    /// order, none is served twice, and no more connections are lost than workers were killed.
    fn every_request_is_served_once(door) {
        let time = Duration::from_secs(if soaking() { 60 } else { 6 });
        let server = Setup::new(door, "ledger.psgi").options(&["--max-workers=8"]).start();
        let mut clients = Clients::new(&server.addresses()[0], 200);
        let begun = Instant::now();
        let (mut kills, mut rounds) = (0, 0);
        let mut next = begun + Duration::from_millis(300);
        while begun.elapsed() < time || clients.answered().len() <= 1000 || kills <= 5 {
            assert!(begun.elapsed() < time * 10, "that was no load");
            clients.turn(Duration::from_millis(5));
            if Instant::now() < next {
                continue;
            }
            // Not in a row, however late it is: somebody is to serve meanwhile.
            next = Instant::now() + Duration::from_millis(250);
            rounds += 1;
            match rounds % 4 {
                0 => server.signal(Signal::TTIN),
                1 => server.signal(Signal::TTOU),
                _ => {
                    let workers = server.workers();
                    if let Some(victim) = workers.get(clients.random(workers.len())) {
                        kill(*victim);
                        kills += 1;
                    }
                }
            }
        }
        clients.finish(DEADLINE);

        let ledger = fs::read_to_string(server.folder().join("ledger")).unwrap();
        let mut served = BTreeMap::new();
        for line in ledger.lines() {
            *served.entry(line.to_owned()).or_insert(0) += 1;
        }
        let twice: Vec<_> = served.iter().filter(|(_, count)| **count > 1).collect();
        assert_eq!(twice, Vec::<(&String, &i32)>::new(), "served twice");
        for request in clients.answered() {
            assert!(served.contains_key(request), "{request} was answered but not served");
        }
        eprintln!(
            "{} answers on {} connections, {kills} workers killed, {} connections lost",
            clients.answered().len(),
            clients.opened(),
            clients.lost()
        );
        assert!(clients.lost() <= kills, "{} lost, {kills} killed", clients.lost());
        server.stop();
    }

    /// Kept connections that never pause do not push newcomers back.
    fn newcomers_do_not_starve(door) {
        let options = ["--max-workers=4", "--max-reqs-per-child=0"];
        let server = Server::start(door, "seed.psgi", &options);
        let address = server.addresses()[0].parse().unwrap();
        let time = Duration::from_secs(if soaking() { 20 } else { 3 });
        let amount = Amount::Time(time);
        let plan = Plan { fresh: 10, amount, patience: DEADLINE, ..Plan::keepalive(address, 100) };
        let report = run(&plan).unwrap();
        eprintln!("{report}");
        assert_eq!((report.kept.failures, report.fresh.failures), (0, 0));
        assert!(report.fresh.answered() > 100, "{report}");
        assert!(report.fresh.median() <= report.kept.median() * 2, "{report}");
        server.stop();
    }

    /// The benchmark that keep-alive on preforking servers failed: nobody waits until others go.
    fn nobody_waits_in_vain(door) {
        let options = ["-E", "production", "--max-workers=15", "--max-reqs-per-child=50000", "--keepalive-timeout=120"];
        let server = Setup::new(door, "seed.psgi").options(&options[2..]).start();
        let address = server.addresses()[0].parse().unwrap();
        monoceros_bench::raise_descriptors();
        for connections in [100, 1000] {
            let requests = if soaking() { 250 } else { 25 };
            let amount = Amount::RequestsPerConnection(requests);
            let plan = Plan { amount, patience: DEADLINE, ..Plan::keepalive(address, connections) };
            let report = run(&plan).unwrap();
            eprintln!("{connections} connections: {report}");
            assert_eq!(report.kept.failures, 0, "{report}");
            assert_eq!(report.kept.answered(), connections * requests as usize);
        }
        server.stop();
    }
}

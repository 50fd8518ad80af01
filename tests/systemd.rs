//! What systemd hands down, and what it is told.

use std::fs;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;

use crate::support::{Client, DEADLINE, Door, Setup, Signal, both_doors};

/// Does what systemd does before it executes a service.
const STARTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/starter.pl");

/// Debian's `systemd` has it; containers usually have not.
const ACTIVATE: &str = "/usr/bin/systemd-socket-activate";

/// What was told next.
fn told(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 512];
    let n = socket.recv(&mut bytes).expect("a word to systemd");
    String::from_utf8_lossy(&bytes[..n]).into_owned()
}

both_doors! {
    /// All sockets of the unit are served, and nothing else is bound.
    fn sockets_of_systemd_are_served(door) {
        let setup = Setup::new(door, "path_info.psgi");
        let path = setup.folder().join("socket").display().to_string();
        let arguments = [STARTER, "systemd", "127.0.0.1:0", "[::1]:0", &path, "--"];
        let mut server = setup.only(&[]).behind("perl", &arguments).start();
        let there = server.log.matching(|line| line.starts_with("starter: "));
        assert_eq!((there.len(), server.addresses().len()), (3, 3));
        for line in &there {
            let address = line.trim_start_matches("starter: ");
            assert!(server.addresses().iter().any(|it| it == address), "{address} is not named");
            let mut client = Client::connect(address);
            for _ in 0..3 {
                assert_eq!(client.ask("/p").text(), "/p", "{address}");
            }
        }
        server.signal(Signal::TERM);
        assert_eq!(server.wait().code(), Some(0));
        assert!(fs::exists(&path).unwrap(), "an inherited path is not ours to remove");
    }

    /// The same by systemd's own tool, where there is one: the first client starts the server.
    fn the_first_client_starts_the_server(door) {
        if !Path::new(ACTIVATE).exists() {
            return;
        }
        let setup = Setup::new(door, "path_info.psgi");
        let path = setup.folder().join("socket").display().to_string();
        let arguments = ["-l", &path, "-E", "PERL5LIB", "-E", "TEST_DIR"];
        let server = setup.only(&["--max-workers=1"]).behind(ACTIVATE, &arguments).spawn();
        server.until("it listens", || UnixStream::connect(&path).is_ok());
        let mut first = Client::connect(&path);
        assert_eq!(first.ask("/first").text(), "/first");
        server.expect_log(&format!("address={path}"));
        server.stop();
    }

    /// Sockets that are for another process are left alone.
    fn sockets_for_another_are_not_ours(door) {
        let listen = ["LISTEN_PID=1", "LISTEN_FDS=1"];
        let setup = Setup::new(door, "path_info.psgi").behind("env", &listen);
        let server = setup.start();
        assert_eq!(server.connect().ask("/p").text(), "/p");
        server.stop();
    }

    /// A socket that cannot be served is an error: a datagram socket, as start_server's `u80`.
    fn a_datagram_socket_is_an_error(door) {
        for how in [&["systemd", "udp:127.0.0.1:0", "--"][..], &["udp:127.0.0.1:0", "--"]] {
            let arguments: Vec<_> = std::iter::once(STARTER).chain(how.iter().copied()).collect();
            let setup = Setup::new(door, "path_info.psgi").only(&[]);
            let finished = setup.behind("perl", &arguments).finish();
            assert_eq!(finished.status, Some(4), "{finished}");
            assert!(finished.err.contains("no stream socket"), "{finished}");
        }
    }

    /// READY=1 when a worker is, and STOPPING=1.
    fn systemd_is_told(door) {
        let setup = Setup::new(door, "path_info.psgi");
        let path = setup.folder().join("notify");
        let receiver = UnixDatagram::bind(&path).unwrap();
        receiver.set_read_timeout(Some(DEADLINE)).unwrap();
        let notify = format!("NOTIFY_SOCKET={}", path.display());
        let server = setup.behind("env", &[&notify]).start();
        let ready = told(&receiver);
        assert!(ready.starts_with("READY=1\nSTATUS=ready on 127.0.0.1:"), "{ready}");
        server.stop();
        assert_eq!(told(&receiver), "STOPPING=1");
    }
}

/// A server whose application does not load is never ready.
#[test]
fn who_does_not_load_is_not_ready() {
    let setup = Setup::new(Door::Program, "dies_at_load.psgi");
    let path = setup.folder().join("notify");
    let receiver = UnixDatagram::bind(&path).unwrap();
    receiver.set_nonblocking(true).unwrap();
    let finished = setup.behind("env", &[&format!("NOTIFY_SOCKET={}", path.display())]).finish();
    assert_eq!(finished.status, Some(3), "{finished}");
    assert!(receiver.recv(&mut [0; 64]).is_err(), "it was told something");
}

//! Addresses: TCP, IPv6, UNIX, several, inherited.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Client, Setup, Signal, both_doors};

/// Listens on what its first arguments say, up to `--`, as start_server would, and executes the rest.
const STARTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/starter.pl");

both_doors! {
    /// Several addresses of several kinds, and all of them are served.
    fn several_addresses(door) {
        let setup = Setup::new(door, "path_info.psgi");
        let path = setup.folder().join("socket").display().to_string();
        let mut server = setup.only(&["-l", "127.0.0.1:0", "-l", "[::1]:0", "-l", &path]).start();
        assert_eq!(server.addresses().len(), 3, "{:?}", server.addresses());
        for address in server.addresses() {
            let address = address.trim_start_matches("unix:");
            let mut client = Client::connect(address);
            for _ in 0..3 {
                assert_eq!(client.ask("/p").text(), "/p", "{address}");
            }
        }
        server.signal(Signal::TERM);
        assert_eq!(server.wait().code(), Some(0));
        assert!(!fs::exists(&path).unwrap(), "the socket's file is left behind");
    }

    /// The options of peers for a UNIX socket.
    fn a_unix_socket_by_its_own_options(door) {
        for option in ["-S", "--socket-path"] {
            let setup = Setup::new(door, "path_info.psgi");
            let path = setup.folder().join("socket").display().to_string();
            let typed = if option == "-S" { vec!["-S".to_owned(), path.clone()] } else { vec![format!("{option}={path}")] };
            let typed: Vec<_> = typed.iter().map(String::as_str).collect();
            let server = setup.only(&typed).start();
            assert_eq!(Client::connect(&path).ask("/p").text(), "/p");
            assert_eq!(server.addresses().len(), 1, "only there: {:?}", server.addresses());
            server.stop();
        }
    }

    /// An IPv6 address needs no brackets in an option of its own.
    fn an_ipv6_host(door) {
        let setup = Setup::new(door, "path_info.psgi");
        let server = setup.only(&["--host", "::1", "--port", "0"]).start();
        let [address] = server.addresses() else { panic!("{:?}", server.addresses()) };
        assert!(address.starts_with("[::1]:"), "{address}");
        assert_eq!(Client::connect(address).ask("/p").text(), "/p");
        server.stop();
    }

    /// A port beside a UNIX socket: both.
    fn a_port_and_a_socket(door) {
        let setup = Setup::new(door, "path_info.psgi");
        let path = setup.folder().join("socket").display().to_string();
        let server = setup.only(&["--host=127.0.0.1", "--port=0", "-S", &path]).start();
        assert_eq!(server.addresses().len(), 2, "{:?}", server.addresses());
        for address in server.addresses() {
            assert_eq!(Client::connect(address).ask("/p").text(), "/p");
        }
        server.stop();
    }

    /// A file that a dead server left is replaced; permissions are what was asked.
    fn a_stale_socket_is_replaced(door) {
        let setup = Setup::new(door, "path_info.psgi");
        let path = setup.folder().join("socket");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let listen = format!("unix:{}?mode=0640", path.display());
        let server = setup.only(&["--listen", &listen]).start();
        let text = path.display().to_string();
        assert_eq!(Client::connect(&text).ask("/p").text(), "/p");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        server.stop();
    }

    /// Somebody who still answers there keeps the address.
    fn a_living_socket_is_not_taken(door) {
        let setup = Setup::new(door, "path_info.psgi");
        let path = setup.folder().join("socket");
        let _alive = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let finished = setup.only(&["--listen", &path.display().to_string()]).finish();
        assert_eq!(finished.status, Some(4), "{finished}");
    }

    /// Under start_server all its sockets are served, and nothing else is bound.
    fn inherited_sockets(door) {
        let setup = Setup::new(door, "path_info.psgi");
        let path = setup.folder().join("a=b").display().to_string();
        let arguments = [STARTER, "127.0.0.1:0", "127.0.0.1:0", "[::1]:0", &path, "--"];
        let mut server = setup.only(&[]).behind("perl", &arguments).start();
        let ports: Vec<_> = server.log.matching(|line| line.starts_with("starter: "));
        assert_eq!(ports.len(), 4);
        for line in &ports {
            let mut client = Client::connect(line.trim_start_matches("starter: "));
            for _ in 0..3 {
                assert_eq!(client.ask("/p").text(), "/p", "{line}");
            }
        }
        server.signal(Signal::TERM);
        assert_eq!(server.wait().code(), Some(0));
        assert!(fs::exists(&path).unwrap(), "an inherited path is not ours to remove");
    }
}

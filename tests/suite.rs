//! Plack::Test::Suite, with Plack::Lint on: over TCP, and over a UNIX socket behind a relay.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::thread;

use crate::support::{Setup, both_doors};

/// Runs the client side of the suite against a port; `skip` names tests that cannot hold there.
fn run_suite(address: &str, skip: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/suite.pl");
    let output = Command::new("perl").args([script, address, skip]).output().expect("perl");
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
}

/// Passes bytes between clients of a new TCP port and a UNIX socket, for as long as the test lives.
fn relay(path: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = UnixStream::connect(&path).expect("the server's socket");
            let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || pump(from, to, |to: &UnixStream| to.shutdown(Shutdown::Write)));
            thread::spawn(move || {
                pump(server, client, |to: &TcpStream| to.shutdown(Shutdown::Write))
            });
        }
    });
    address
}

fn pump<T: Write>(mut from: impl Read, mut to: T, end: impl Fn(&T) -> std::io::Result<()>) {
    // An end that was cut short is the test's to see.
    _ = std::io::copy(&mut from, &mut to);
    _ = end(&to);
}

both_doors! {
    /// The custom of PSGI servers, test by test.
    fn the_suite_over_tcp(door) {
        let server = Setup::new(door, "suite.psgi").start();
        run_suite(&server.addresses()[0], "");
        server.stop();
    }

    /// The same behind a relay. Its address is not the server's: that one test is told apart.
    fn the_suite_over_a_unix_socket(door) {
        let setup = Setup::new(door, "suite.psgi");
        let path = setup.folder().join("socket").display().to_string();
        let server = setup.only(&["--listen", &path, "-E", "deployment"]).start();
        run_suite(&relay(path), "^validate env$");
        server.stop();
    }
}

//! Real sockets, on the loopback and in a folder of their own.

use super::*;
use std::net::{Ipv6Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, IntoRawFd};
use std::os::unix::net::{UnixListener, UnixStream};

fn tcp_at(host: &str) -> Listen {
    Listen::Tcp { host: Host::Named(host.to_owned()), port: 0 }
}

fn bind(listen: &[Listen]) -> Result<Listeners, ListenError> {
    Listeners::bind(listen, &[], 16)
}

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("monoceros-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_port_that_the_kernel_chose_is_told_and_answers() {
    let listeners = bind(&[tcp_at("127.0.0.1"), tcp_at("::1")]).unwrap();
    let [v4, v6] = &listeners.addresses()[..] else { panic!("two were asked for") };
    assert_eq!((v4.name.as_str(), v4.wildcard, v4.unix), ("127.0.0.1", false, false));
    assert_eq!(v4.shown, format!("127.0.0.1:{}", v4.port));
    assert_eq!(v6.shown, format!("[::1]:{}", v6.port));
    TcpStream::connect((Ipv4Addr::LOCALHOST, v4.port)).unwrap();
    TcpStream::connect((Ipv6Addr::LOCALHOST, v6.port)).unwrap();
}

#[test]
fn without_a_host_it_is_every_ipv4_address_and_a_name_is_found() {
    let listeners = bind(&[Listen::Tcp { host: Host::V4Any, port: 0 }]).unwrap();
    assert!(listeners.all()[0].address.wildcard);
    TcpStream::connect((Ipv4Addr::LOCALHOST, listeners.all()[0].address.port)).unwrap();
    let listeners = bind(&[tcp_at("localhost")]).unwrap();
    assert_eq!(listeners.all()[0].address.name, "localhost");
    assert!(!listeners.all()[0].address.wildcard);
}

#[test]
fn ipv6_and_ipv4_wildcards_share_a_port() {
    let six = bind(&[tcp_at("::")]).unwrap();
    let port = six.all()[0].address.port;
    bind(&[Listen::Tcp { host: Host::V4Any, port }]).unwrap();
}

#[test]
fn an_address_that_is_taken_is_named_with_the_reason() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let host = Host::Named("127.0.0.1".to_owned());
    let error = bind(&[Listen::Tcp { host, port }]).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen on 127.0.0.1:{port}"));
    assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
}

#[test]
fn an_error_leaves_no_path_behind() {
    let folder = Folder::new("no-path");
    let error = bind(&[Listen::unix(folder.at("a")), tcp_at("256.0.0.1")]).unwrap_err();
    assert_eq!(error.address, "256.0.0.1:0");
    assert!(!folder.at("a").exists());
}

#[test]
fn a_unix_socket_has_the_mode_asked_for_and_goes_at_the_end() {
    let folder = Folder::new("mode");
    let listen = Listen::Unix {
        path: folder.at("a"),
        mode: Some(0o600),
        owner: Some("root".to_owned()),
        group: None,
        unlink: false,
    };
    let chowned = rustix::process::geteuid().is_root();
    let listen = if chowned { listen } else { Listen::unix(folder.at("a")) };
    let mut listeners = bind(&[listen]).unwrap();
    let address = &listeners.all()[0].address;
    assert_eq!((address.name.as_str(), address.port, address.unix), ("localhost", 80, true));
    let mode = fs::metadata(folder.at("a")).unwrap().permissions().mode() & 0o777;
    assert!(!chowned || mode == 0o600);
    UnixStream::connect(folder.at("a")).unwrap();
    listeners.remove_paths();
    assert!(!folder.at("a").exists());
}

#[test]
fn an_unknown_owner_is_an_error_that_says_so() {
    let folder = Folder::new("owner");
    let listen = Listen::Unix {
        path: folder.at("a"),
        mode: None,
        owner: Some("no-such-user".to_owned()),
        group: None,
        unlink: false,
    };
    let error = bind(&[listen]).unwrap_err();
    assert_eq!(error.source.to_string(), "there is no user no-such-user");
}

#[test]
fn a_stale_socket_is_replaced_and_a_living_one_is_not() {
    let folder = Folder::new("stale");
    drop(UnixListener::bind(folder.at("a")).unwrap());
    bind(&[Listen::unix(folder.at("a"))]).unwrap();

    let living = UnixListener::bind(folder.at("b")).unwrap();
    let error = bind(&[Listen::unix(folder.at("b"))]).unwrap_err();
    assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
    drop(living);

    fs::write(folder.at("c"), "precious").unwrap();
    bind(&[Listen::unix(folder.at("c"))]).unwrap_err();
    assert_eq!(fs::read_to_string(folder.at("c")).unwrap(), "precious");
}

#[test]
fn the_path_of_a_successor_is_left_alone() {
    let folder = Folder::new("successor");
    let mut listeners = bind(&[Listen::unix(folder.at("a"))]).unwrap();
    fs::remove_file(folder.at("a")).unwrap();
    let _successor = UnixListener::bind(folder.at("a")).unwrap();
    listeners.remove_paths();
    assert!(folder.at("a").exists());
}

#[expect(clippy::disallowed_methods, reason = "a descriptor as a parent process leaves it")]
fn left_open(socket: impl IntoRawFd + AsFd) -> i32 {
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::empty()).unwrap();
    socket.into_raw_fd()
}

#[expect(clippy::disallowed_methods, reason = "a number that nobody has left for us")]
fn number_of(socket: &TcpListener) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(socket)
}

fn inherit(name: &str, fd: i32) -> Result<Listeners, ListenError> {
    let entry = Inherited { name: name.to_owned(), fd };
    // What was typed is replaced.
    Listeners::bind(&[tcp_at("256.0.0.1")], &[entry], 16)
}

#[test]
fn an_inherited_listener_is_called_as_its_parent_calls_it() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let mut listeners = inherit(&format!("localhost:{port}"), left_open(socket)).unwrap();
    let address = &listeners.all()[0].address;
    assert_eq!((address.name.as_str(), address.port), ("localhost", port));
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();

    let folder = Folder::new("inherited");
    let socket = UnixListener::bind(folder.at("a")).unwrap();
    listeners = inherit("/a=b", left_open(socket)).unwrap();
    assert_eq!(listeners.all()[0].address.shown, "/a=b");
    listeners.remove_paths();
    assert!(folder.at("a").exists(), "it is its parent's");
}

#[test]
fn what_is_inherited_must_be_a_listening_stream_socket() {
    let udp = left_open(UdpSocket::bind("127.0.0.1:0").unwrap());
    let error = inherit("u80", udp).unwrap_err();
    assert_eq!(error.source.to_string(), "it is no stream socket");
    assert_eq!(error.address, format!("the inherited descriptor {udp} (u80)"));

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let error = inherit("80", left_open(stream)).unwrap_err();
    assert_eq!(error.source.to_string(), "it does not listen");

    // One of our own, and one that is listed twice.
    let ours = TcpListener::bind("127.0.0.1:0").unwrap();
    inherit("80", number_of(&ours)).unwrap_err();
    let fd = left_open(TcpListener::bind("127.0.0.1:0").unwrap());
    let entry = Inherited { name: "80".to_owned(), fd };
    Listeners::bind(&[], &[entry.clone(), entry], 16).unwrap_err();

    inherit("80", 1).unwrap_err();
    inherit("80", 999_999).unwrap_err();
}

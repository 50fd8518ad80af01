//! What systemd is told of a `Type=notify` service (sd_notify(3)): that it is ready, that it stops.
//!
//! One datagram for each, to the socket that `NOTIFY_SOCKET` names. The server does not depend on it: what
//! cannot be told is a line in the log.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use tracing::warn;

/// Tells this to whoever has asked to be told.
pub(super) fn tell(socket: Option<&OsStr>, state: &str) {
    if let Some(socket) = socket
        && let Err(why) = send(socket, state)
    {
        warn!("cannot tell NOTIFY_SOCKET {}: {why}", socket.display());
    }
}

fn send(socket: &OsStr, state: &str) -> io::Result<()> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    let sender = UnixDatagram::unbound()?;
    // Who does not read must not hold up the supervisor.
    sender.set_nonblocking(true)?;
    sender.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_and_an_abstract_name_are_told() {
        let id = std::process::id();
        let path = std::env::temp_dir().join(format!("monoceros-notify-{id}"));
        let name = format!("@monoceros-notify-{id}");
        let there = [
            SocketAddr::from_pathname(&path).unwrap(),
            SocketAddr::from_abstract_name(&name[1..]).unwrap(),
        ];
        for (address, asked) in there.iter().zip([path.as_os_str(), OsStr::new(&name)]) {
            let receiver = UnixDatagram::bind_addr(address).unwrap();
            tell(Some(asked), "READY=1");
            let mut bytes = [0; 16];
            assert_eq!(receiver.recv(&mut bytes).unwrap(), 7);
            assert_eq!(&bytes[..7], b"READY=1");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(send(OsStr::new("/no/such/socket"), "READY=1").is_err());
        tell(None, "READY=1");
    }
}

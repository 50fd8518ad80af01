//! Descriptors that come from outside the program: inherited ones, and answers of raw calls; and how
//! much of what a socket has taken is still in the kernel.
//!
//! This is the only place where a number becomes an owner. Everything else about sockets is
//! `rustix`'s: it also has `connect_unspec`, and passes descriptors without integers.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{FdFlags, fcntl_getfd};
use rustix::net::{AddressFamily, RecvFlags, SocketAddrUnix, getpeername, recv, sockopt};

/// Takes over descriptor `number`, which whoever started this program left open for it, and makes
/// it close-on-exec.
///
/// # Errors
///
/// `number` is a standard descriptor or is not open. `AlreadyExists`: it is close-on-exec, so it was
/// not there at the start; this program opened it, or has taken it before.
pub fn inherit(number: i32) -> io::Result<OwnedFd> {
    if number < 3 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: F_GETFD takes no argument; a number that is not open gives EBADF.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    if flags == -1 {
        return Err(io::Error::last_os_error());
    }
    if flags & libc::FD_CLOEXEC != 0 {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    // SAFETY: F_SETFD takes an integer, and `number` is open.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return Err(io::Error::last_os_error());
    }
    owned(number)
}

/// The sockets that this process has opened itself: by what the kernel calls them, the number and the
/// other end, for people. Those that were there when the program was started are not among them: they
/// are not close-on-exec, or an exec would have closed them. Nor are listeners, which speak to nobody: each
/// process that accepts is given a connection of its own.
pub fn opened_here() -> BTreeMap<PathBuf, String> {
    let entries = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let mut found = BTreeMap::new();
    for entry in entries {
        let number = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
        let link = std::fs::read_link(entry.path()).unwrap_or_default();
        let Some(number) = number.filter(|_| link.as_os_str().as_bytes().starts_with(b"socket:"))
        else {
            continue;
        };
        // SAFETY: the supervisor, who asks, has one thread: what its table of descriptors showed a moment
        // ago is still there, and nothing below closes it or keeps it.
        let socket = unsafe { BorrowedFd::borrow_raw(number) };
        let is_own = fcntl_getfd(socket).is_ok_and(|flags| flags.contains(FdFlags::CLOEXEC));
        if is_own && !sockopt::socket_acceptconn(socket).unwrap_or(false) {
            found.insert(link, format!("{number} to {}", other_end(socket)));
        }
    }
    found
}

/// Whom a socket speaks to.
fn other_end(socket: BorrowedFd<'_>) -> String {
    const NAMELESS: &str = "somebody without a name";
    let peer = match getpeername(socket) {
        Ok(Some(peer)) => peer,
        Ok(None) => return NAMELESS.to_owned(),
        Err(_) => return "nobody".to_owned(),
    };
    let tcp = match peer.address_family() {
        AddressFamily::INET => SocketAddrV4::try_from(peer.clone()).map(SocketAddr::from).ok(),
        AddressFamily::INET6 => SocketAddrV6::try_from(peer.clone()).map(SocketAddr::from).ok(),
        _ => None,
    };
    let unix = SocketAddrUnix::try_from(peer).ok();
    let path = unix.as_ref().and_then(SocketAddrUnix::path);
    match (tcp, path) {
        (Some(address), _) => address.to_string(),
        (None, Some(path)) => path.to_string_lossy().into_owned(),
        (None, None) => NAMELESS.to_owned(),
    }
}

/// Lets the kernel hold new connections to this TCP listener for up to `seconds` until they say
/// something, instead of having them accepted at once.
///
/// # Errors
///
/// It is no TCP listener.
#[expect(
    clippy::disallowed_methods,
    reason = "a call that no crate wraps; the number goes nowhere"
)]
pub fn defer_accept(listener: BorrowedFd<'_>, seconds: u32) -> io::Result<()> {
    let time = libc::c_int::try_from(seconds).map_err(io::Error::other)?;
    let len = libc::socklen_t::try_from(size_of::<libc::c_int>()).map_err(io::Error::other)?;
    // SAFETY: `time` lives across the call, and `len` is its size.
    let done = unsafe {
        libc::setsockopt(
            listener.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_DEFER_ACCEPT,
            (&raw const time).cast(),
            len,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes the socket non-blocking in all processes, or blocking again. Only sendfile needs it, which
/// knows no flag for one call; whoever owns the row does it, and undoes it before others may come.
pub fn nonblocking(socket: BorrowedFd<'_>, on: bool) {
    let set = fcntl_getfl(socket).and_then(|flags| {
        let others = flags.difference(OFlags::NONBLOCK);
        fcntl_setfl(socket, if on { others | OFlags::NONBLOCK } else { others })
    });
    if let Err(error) = set {
        tracing::warn!("cannot set the mode of a socket: {error}");
    }
}

/// The number of a descriptor, to be told to a process that may copy it from this one.
#[expect(clippy::disallowed_methods, reason = "it means nothing in the process that is told")]
pub fn number(fd: BorrowedFd<'_>) -> i32 {
    fd.as_raw_fd()
}

/// Whether a descriptor has the number of standard input, output or error, which are free if the
/// application has closed them: what prints there would write to it.
#[expect(clippy::disallowed_methods, reason = "the number goes nowhere")]
pub fn is_standard(fd: BorrowedFd<'_>) -> bool {
    fd.as_raw_fd() <= libc::STDERR_FILENO
}

/// Pushes out what the kernel holds back of a TCP connection (MSG_MORE). The option is set already;
/// setting it again flushes, as tcp(7) says. An error says that the connection is over.
pub fn push(client: BorrowedFd<'_>) {
    let _ = sockopt::set_tcp_nodelay(client, true);
}

/// Bytes that were written to a socket and that its peer has not got: TCP has not acknowledged them, or
/// nobody has read them from the UNIX socket. What the kernel cannot say is nothing.
#[expect(
    clippy::disallowed_methods,
    reason = "a call that no crate wraps; the number goes nowhere"
)]
pub fn unsent(socket: BorrowedFd<'_>) -> u64 {
    let mut bytes: libc::c_int = 0;
    // SAFETY: TIOCOUTQ (SIOCOUTQ on sockets) writes one int, and `bytes` is one that lives on; the
    // descriptor is open while it is borrowed.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if done == 0 { u64::try_from(bytes).unwrap_or_default() } else { 0 }
}

/// An answer of which no more than this many bytes are on their way needs nobody to look after it.
const LITTLE: u64 = 16 * 1024;

/// Whether a connection whose last answer is written may be closed at once: nothing has come that would
/// make it a reset, and the kernel can be left alone with what it still holds for the client.
pub fn is_settled(socket: BorrowedFd<'_>) -> bool {
    let came = recv(socket, &mut [0_u8; 1], RecvFlags::DONTWAIT | RecvFlags::PEEK);
    !matches!(came, Ok((1.., _))) && unsent(socket) <= LITTLE
}

/// Bytes that this end has written to a TCP connection, by whichever copy of its descriptor; counted
/// from a number of the kernel's, so only a difference says something. `None`: it is no TCP
/// connection.
#[expect(
    clippy::disallowed_methods,
    reason = "a call that no crate wraps; the number goes nowhere"
)]
pub fn written(socket: BorrowedFd<'_>) -> Option<u64> {
    let acknowledged = || {
        // The beginning of linux/tcp.h's struct tcp_info; libc's ends before tcpi_bytes_acked.
        let mut info = [0_u64; 16];
        let mut len = libc::socklen_t::try_from(size_of_val(&info)).ok()?;
        // SAFETY: the kernel writes no more than `len` bytes to `info`, which is so large, and how
        // many it wrote to `len`; the descriptor is open while it is borrowed.
        let done = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                info.as_mut_ptr().cast(),
                &raw mut len,
            )
        };
        let whole = usize::try_from(len).is_ok_and(|len| len == size_of_val(&info));
        (done == 0 && whole).then_some(info[15])
    };
    // What is acknowledged between the two looks would be missing, or counted twice.
    let mut before = acknowledged()?;
    loop {
        let count = before.wrapping_add(unsent(socket));
        let after = acknowledged()?;
        if before == after {
            return Some(count);
        }
        before = after;
    }
}

/// The owner of what a system call has just returned; its error if that is -1.
#[expect(clippy::disallowed_methods, reason = "the one place where a number becomes an owner")]
pub(super) fn owned(answer: i32) -> io::Result<OwnedFd> {
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `answer` is open, and nobody else in this process owns it: either a system call has
    // just made it for our caller, or it was open without close-on-exec, which Rust's and Perl's
    // descriptors above 2 never are, so it came with the program's start and this is the first
    // time that it is taken.
    Ok(unsafe { OwnedFd::from_raw_fd(answer) })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn what_was_written_is_counted_whether_it_was_read_or_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut ours, _) = listener.accept().unwrap();
        let mut copy = ours.try_clone().unwrap();
        let start = written(ours.as_fd()).expect("TCP");
        ours.write_all(b"hello").unwrap();
        copy.write_all(&[0; 1000]).unwrap();
        assert_eq!(written(ours.as_fd()), Some(start + 1005));
        theirs.read_exact(&mut [0; 1005]).unwrap();
        assert_eq!(written(ours.as_fd()), Some(start + 1005));
        assert_eq!(written(UnixStream::pair().unwrap().0.as_fd()), None);
    }
}

//! When the bytes of a read arrived: the kernel stamps them, so nobody has to have been there.
//!
//! A connection in the ready list may wait for a worker without any process knowing of it. The stamp
//! of its last byte says since when. Accepted sockets inherit the setting from their listener.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::time::Duration;

/// Asks the kernel to stamp what arrives at this TCP socket, or at those accepted from it.
///
/// # Errors
///
/// The kernel knows no stamps for this kind of socket.
pub fn enable(socket: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    let len = libc::socklen_t::try_from(size_of::<libc::c_int>()).map_err(io::Error::other)?;
    // SAFETY: `on` lives across the call, and `len` is its size.
    let done = unsafe {
        libc::setsockopt(
            raw(socket),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            ptr::from_ref(&on).cast(),
            len,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Room for one stamp, aligned as the kernel wants it.
#[repr(C, align(8))]
struct Room([u8; 64]);

/// Reads once without waiting. Returns how many bytes came and, if the kernel has said so, when the
/// last of them arrived, as time since 1970. TCP sockets only: what a client of a UNIX socket may send
/// along would stay open here.
///
/// # Errors
///
/// `WouldBlock`: there is nothing. Others: the connection is broken.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Option<Duration>)> {
    let mut room = Room([0; 64]);
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all zeros is a message without anything in it; the fields that matter follow.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut room).cast();
    message.msg_controllen = size_of::<Room>();
    // SAFETY: the message names `buffer` and `room`, both writable for their whole length and alive
    // across the call.
    let got = unsafe { libc::recvmsg(raw(socket), &raw mut message, libc::MSG_DONTWAIT) };
    match usize::try_from(got) {
        Ok(n) => Ok((n, stamp(&message))),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

fn stamp(message: &libc::msghdr) -> Option<Duration> {
    // SAFETY: the kernel has filled the message's control room and said how much of it counts; the
    // macro looks no further, and returns null if there is no header.
    let header = unsafe { libc::CMSG_FIRSTHDR(message).as_ref() }?;
    if (header.cmsg_level, header.cmsg_type) != (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) {
        return None;
    }
    // SAFETY: a header of this type is followed by one timespec; it may not be aligned for us.
    let time = unsafe { libc::CMSG_DATA(header).cast::<libc::timespec>().read_unaligned() };
    let seconds = u64::try_from(time.tv_sec).ok()?;
    Some(Duration::new(seconds, u32::try_from(time.tv_nsec).ok()?))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a raw call wants the number, and keeps it no longer"
)]
fn raw(socket: BorrowedFd<'_>) -> i32 {
    socket.as_raw_fd()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::time::Instant;

    #[test]
    fn what_arrives_at_an_accepted_socket_is_stamped() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        enable(listener.as_fd()).unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        let mut buffer = [0; 10];
        let begun = Instant::now();
        // For the first socket of the machine that asks, the kernel begins to stamp some time later.
        let (before, stamp) = loop {
            let before = crate::os::clock::since_1970();
            client.write_all(b"hello").unwrap();
            server.peek(&mut [0]).unwrap();
            let (n, stamp) = receive(server.as_fd(), &mut buffer).unwrap();
            assert_eq!(&buffer[..n], b"hello");
            if let Some(stamp) = stamp {
                break (before, stamp);
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "nothing is stamped");
        };
        assert!(before <= stamp && stamp <= crate::os::clock::since_1970(), "{before:?} {stamp:?}");
        let nothing = receive(server.as_fd(), &mut buffer).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    }
}

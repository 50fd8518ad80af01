//! SEQPACKET pairs, and descriptors that travel in them: `BorrowedFd` out, `OwnedFd` in.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::cmsg_space;
use rustix::io::retry_on_intr;
use rustix::net::{
    self, AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, sockopt,
};

/// The most descriptors that one message carries.
pub const MOST_DESCRIPTORS: usize = 2;

/// Makes a pair. `room` is the send buffer asked for in bytes, at both ends; the kernel may give
/// less.
///
/// # Errors
///
/// No descriptors are left.
pub fn pair(room: usize) -> io::Result<(OwnedFd, OwnedFd)> {
    let (a, b) = net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?;
    for end in [&a, &b] {
        sockopt::set_socket_send_buffer_size(end, room)?;
    }
    Ok((a, b))
}

/// Sends one message, whole, without waiting.
///
/// # Errors
///
/// `WouldBlock`: no room now. Others: the other end has gone, or descriptors cannot be sent.
pub fn send(
    socket: BorrowedFd<'_>,
    parts: &[IoSlice<'_>],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    retry_on_intr(|| net::sendmsg(socket, parts, &mut control, flags))?;
    Ok(())
}

/// A message as it came.
#[derive(Debug, Default)]
pub struct Received {
    /// Bytes of it; 0 is the end of file.
    pub len: usize,
    /// The descriptors that came along, close-on-exec.
    pub descriptors: Vec<OwnedFd>,
    /// Other descriptors came along and were lost, because this process can have no more.
    pub lost: bool,
}

/// Receives one message into `buffer`, without waiting.
///
/// # Errors
///
/// `WouldBlock`: there is none. `InvalidData`: it was larger than the buffer.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let message = retry_on_intr(|| {
        net::recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, flags)
    })?;
    let mut descriptors = Vec::new();
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = part {
            descriptors.extend(rights);
        }
    }
    if message.flags.contains(net::ReturnFlags::TRUNC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message was cut short"));
    }
    let lost = message.flags.contains(net::ReturnFlags::CTRUNC);
    Ok(Received { len: message.bytes, descriptors, lost })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;

    #[test]
    fn a_message_arrives_whole_with_its_descriptors() {
        let (a, b) = pair(1 << 20).unwrap();
        let (mut read, write) = io::pipe().unwrap();
        send(
            a.as_fd(),
            &[IoSlice::new(b"one "), IoSlice::new(b"two")],
            &[write.as_fd(), write.as_fd()],
        )
        .unwrap();
        drop(write);
        let mut buffer = [0; 100];
        let mut got = receive(b.as_fd(), &mut buffer).unwrap();
        assert_eq!((&buffer[..got.len], got.descriptors.len()), (&b"one two"[..], 2));
        std::fs::File::from(got.descriptors.pop().unwrap()).write_all(b"x").unwrap();
        drop(got);
        let mut text = String::new();
        read.read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
    }

    #[test]
    fn nothing_there_and_no_room_are_would_block_and_the_end_is_zero() {
        let (a, b) = pair(4096).unwrap();
        let kind = |result: io::Result<Received>| result.map(|got| got.len).map_err(|e| e.kind());
        assert_eq!(kind(receive(b.as_fd(), &mut [0; 9])), Err(io::ErrorKind::WouldBlock));
        let full = loop {
            if let Err(error) = send(a.as_fd(), &[IoSlice::new(&[1; 1000])], &[]) {
                break error.kind();
            }
        };
        assert_eq!(full, io::ErrorKind::WouldBlock);
        assert_eq!(kind(receive(b.as_fd(), &mut [0; 9])), Err(io::ErrorKind::InvalidData));
        drop(a);
        while receive(b.as_fd(), &mut [0; 1000]).unwrap().len > 0 {}
    }
}

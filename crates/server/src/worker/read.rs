//! Step 6 of a request: one read, and is it complete?
//!
//! A worker looks at what has come, once. What is not complete goes back to the manager with its
//! bytes, and the worker claims the next thing.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, recv};

use crate::config::HalfClose;
use crate::http::Limits;
use crate::http::chunked::Chunked;
use crate::http::framing::Framing;
use crate::http::head::{self, Head, Scan};
use crate::http::refusal::Refusal;
use crate::os::{clock, stamp};

/// Bytes of one read.
pub(crate) const MOST: usize = 64 * 1024;

/// What one read of a claimed connection brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// So many bytes, and how long the last of them has been here, if the kernel says so.
    Bytes(usize, Option<Duration>),
    /// Nothing yet: the event was stale.
    Nothing,
    /// The client has ended the connection.
    End,
}

/// Reads once, without waiting. Only TCP sockets have stamps: a client of a UNIX socket can send
/// descriptors, and whoever gives the kernel room for a stamp is given those.
pub(crate) fn once(client: BorrowedFd<'_>, buffer: &mut [u8], tcp: bool) -> Got {
    loop {
        let read = if tcp { stamp::receive(client, buffer) } else { plainly(client, buffer) };
        return match read {
            Ok((0, _)) => Got::End,
            Ok((n, stamp)) => {
                Got::Bytes(n, stamp.map(|then| clock::since_1970().saturating_sub(then)))
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Got::Nothing,
            Err(_) => Got::End,
        };
    }
}

/// Without room for anything but bytes: what else came along, the kernel closes.
fn plainly(client: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Option<Duration>)> {
    let (n, _) = recv(client, buffer, RecvFlags::DONTWAIT)?;
    Ok((n, None))
}

/// Whether nobody is left to answer: the client has reset the connection or closed all of it.
/// One that has only shut its writing half down is still there, unless the operator says otherwise.
pub(crate) fn has_gone(client: BorrowedFd<'_>, half_close: HalfClose) -> bool {
    let events = match half_close {
        HalfClose::Serve => PollFlags::empty(),
        HalfClose::Drop => PollFlags::RDHUP,
    };
    let mut one = [PollFd::from_borrowed_fd(client, events)];
    poll(&mut one, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|changed| changed > 0)
}

/// A complete request, and how many bytes of the buffer it took.
#[derive(Debug)]
pub(crate) struct Complete<'b> {
    pub(crate) head: Head<'b>,
    pub(crate) body: Whole<'b>,
    pub(crate) used: usize,
}

/// A body that has come whole.
#[derive(Debug)]
pub(crate) enum Whole<'b> {
    /// None was announced.
    None,
    /// As it came.
    Plain(&'b [u8]),
    /// It came in chunks, and is in the buffer for decoded bodies.
    Decoded,
}

/// Looks whether `bytes` begin with a complete request. `Ok(None)`: they do not. A chunked body is
/// decoded into `decoded`.
pub(crate) fn complete<'b>(
    bytes: &'b [u8],
    limits: &Limits,
    decoded: &mut Vec<u8>,
) -> Result<Option<Complete<'b>>, Refusal> {
    let Some(head) = head::read(bytes, limits, &mut Scan::default())? else { return Ok(None) };
    let behind = bytes.get(head.len..).unwrap_or_default();
    let (body, len) = match head.framing {
        Framing::None => (Whole::None, 0),
        Framing::Length(length) => {
            let body = usize::try_from(length).ok().and_then(|length| behind.get(..length));
            let Some(body) = body else { return Ok(None) };
            (Whole::Plain(body), body.len())
        }
        Framing::Chunked => {
            decoded.clear();
            let fed = Chunked::new(limits.max_body_size)
                .feed(behind, decoded)
                .map_err(|refusal| Refusal { head_only: head.method == "HEAD", ..refusal })?;
            if !fed.done {
                return Ok(None);
            }
            (Whole::Decoded, fed.used)
        }
    };
    let used = head.len + len;
    Ok(Some(Complete { head, body, used }))
}

#[cfg(test)]
mod tests {
    use std::io::{IoSlice, Read};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::channel::socket;

    fn of(bytes: &[u8]) -> (Result<Option<usize>, Refusal>, Vec<u8>) {
        let mut decoded = b"of the request before".to_vec();
        let answer = complete(bytes, &Limits::default(), &mut decoded);
        (answer.map(|complete| complete.map(|complete| complete.used)), decoded)
    }

    #[test]
    fn descriptors_that_a_client_sends_along_are_closed() {
        let (client, server) = UnixStream::pair().unwrap();
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        socket::send(client.as_fd(), &[IoSlice::new(b"GET")], &[theirs.as_fd()]).unwrap();
        drop(theirs);
        assert_eq!(once(server.as_fd(), &mut [0; 9], false), Got::Bytes(3, None));
        assert_eq!(ours.read(&mut [0]).unwrap(), 0, "somebody has the other end");
    }

    #[test]
    fn a_request_is_complete_or_it_is_not() {
        let head = "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let bytes = format!("{head}5\r\nhello\r\n0\r\n\r\n");
        let behind = format!("{bytes}GET");
        assert_eq!(of(behind.as_bytes()), (Ok(Some(bytes.len())), b"hello".to_vec()));
        for end in 0..bytes.len() {
            assert_eq!(of(&bytes.as_bytes()[..end]).0, Ok(None));
        }
    }

    #[test]
    fn a_refusal_of_a_body_knows_that_the_method_is_head() {
        for (method, is_head) in [("HEAD", true), ("POST", false)] {
            let head = format!("{method} /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n");
            let refusal = of(format!("{head}\r\nx").as_bytes()).0.unwrap_err();
            assert_eq!((refusal.status, refusal.head_only), (400, is_head));
        }
    }
}

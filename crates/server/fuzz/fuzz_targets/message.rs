//! What processes say to each other: no bytes make a reader panic or read beyond them, and whatever is
//! read as a message is, sent again, the same message.
#![no_main]

use std::cell::OnceCell;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};

use libfuzzer_sys::fuzz_target;
use monoceros_server::channel::control::{Order, Report};
use monoceros_server::channel::message::{self, Message};
use monoceros_server::channel::{job, socket};

thread_local! {
    static PAIR: OnceCell<(OwnedFd, OwnedFd)> = const { OnceCell::new() };
}

/// Sends with `send`, and what arrives at the other end.
fn carried<'b>(
    send: impl FnOnce(&OwnedFd) -> io::Result<()>,
    buffer: &'b mut [u8],
) -> Option<&'b [u8]> {
    PAIR.with(|pair| {
        let (one, other) = pair.get_or_init(|| socket::pair(1 << 20).expect("descriptors"));
        // More than the kernel takes at once is an error of the sender, and nothing arrives.
        send(one).ok()?;
        let len = socket::receive(other.as_fd(), buffer).expect("a message has arrived").len;
        Some(&buffer[..len])
    })
}

fn messages(bytes: &[u8]) {
    let Some(message) = Message::parse(bytes) else { return };
    let held = match message {
        Message::Partial(_, bytes) => bytes.len(),
        Message::Drain(_, drain) => drain.first.len() + drain.rest.len(),
        Message::Ready | Message::Fetch(_) | Message::Closed(..) | Message::Rounds => 0,
    };
    assert!(held <= bytes.len() && !message.name().is_empty());
    let mut buffer = vec![0; message::MOST];
    let again = carried(|socket| message.send(socket.as_fd(), None), &mut buffer);
    assert!(again.is_none_or(|again| Message::parse(again) == Some(message)));
}

fn jobs(bytes: &[u8]) {
    let Some(job) = job::parse(bytes) else { return };
    let parts = |job: &job::Job<'_>| {
        let parts = [job.head, job.body, job.rest].map(<[u8]>::to_vec);
        (job.id, job.number, job.complete, parts)
    };
    let mut buffer = vec![0; job::MOST];
    let again = carried(|socket| job.send(socket.as_fd(), socket.as_fd()), &mut buffer);
    let same = |again: &[u8]| job::parse(again).is_some_and(|other| parts(&other) == parts(&job));
    assert!(again.is_none_or(same));
}

/// These have no reader without a socket.
fn control(bytes: &[u8]) {
    if bytes.is_empty() || bytes.len() > 64 {
        return;
    }
    PAIR.with(|pair| {
        let (one, other) = pair.get_or_init(|| socket::pair(1 << 20).expect("descriptors"));
        for _ in 0..2 {
            socket::send(one.as_fd(), &[IoSlice::new(bytes)], &[]).expect("room for a few bytes");
        }
        let _ = Order::receive(other.as_fd());
        let _ = Report::receive(other.as_fd());
    });
}

fuzz_target!(|bytes: &[u8]| {
    messages(bytes);
    jobs(bytes);
    control(bytes);
});

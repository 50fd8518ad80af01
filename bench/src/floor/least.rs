//! The least that answers: accept, read, write, in an event loop without anything else.
//!
//! As many processes as asked for, each with its own listener on the same port (SO_REUSEPORT), so that
//! nothing at all is shared. It understands no HTTP: every read that ends in an empty line is a request.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use anyhow::Context;
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{accept_with, bind, listen, recv, send, socket_with, sockopt};

/// What every request is answered with.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
    Content-Type: text/plain\r\nContent-Length: 12\r\n\r\nHello World!";

/// Events of the listener, and of standard input; connections have their own numbers behind.
const LISTENER: u64 = 0;
const PARENT: u64 = 1;

/// Runs `count` of them until it is ended: a process that loses its parent ends as well.
///
/// # Errors
///
/// If they cannot be started.
pub(crate) fn parent(port: u16, count: u32) -> anyhow::Result<()> {
    let program = std::env::current_exe()?;
    let mut children = Vec::new();
    for _ in 0..count {
        let mut command = Command::new(&program);
        command.args(["floor-least", &port.to_string(), "0"]);
        children.push(command.stdin(Stdio::piped()).spawn()?);
    }
    // Waiting for a child closes what is in it: these stay open until this process ends.
    let _pipes: Vec<_> = children.iter_mut().map(|child| child.stdin.take()).collect();
    for child in &mut children {
        child.wait()?;
    }
    Ok(())
}

/// One of them.
///
/// # Errors
///
/// If a system call fails.
pub(crate) fn child(port: u16) -> anyhow::Result<()> {
    let listener = listener(port).with_context(|| format!("listening on port {port}"))?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let add = |fd: &dyn rustix::fd::AsFd, number| {
        epoll::add(&epoll, fd.as_fd(), epoll::EventData::new_u64(number), epoll::EventFlags::IN)
    };
    add(&listener, LISTENER)?;
    add(&std::io::stdin(), PARENT)?;
    let (mut clients, mut next) = (BTreeMap::new(), PARENT);
    let mut events = Vec::with_capacity(1024);
    loop {
        events.clear();
        match epoll::wait(&epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            match event.data.u64() {
                LISTENER => {
                    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
                    let Ok(client) = accept_with(&listener, flags) else { continue };
                    next += 1;
                    add(&client, next)?;
                    clients.insert(next, client);
                }
                PARENT => {
                    if matches!(std::io::stdin().read(&mut [0]), Ok(0) | Err(_)) {
                        return Ok(());
                    }
                }
                number => {
                    if !clients.get(&number).is_some_and(answer) {
                        clients.remove(&number);
                    }
                }
            }
        }
    }
}

fn listener(port: u16) -> anyhow::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let listener = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&listener, true)?;
    sockopt::set_socket_reuseport(&listener, true)?;
    bind(&listener, &SocketAddr::from(([127, 0, 0, 1], port)))?;
    listen(&listener, 1024)?;
    Ok(listener)
}

/// Whether the connection lives on.
fn answer(client: &OwnedFd) -> bool {
    let mut buffer = [0; 4096];
    match recv(client, &mut buffer, RecvFlags::empty()) {
        Ok((0, _)) => false,
        Ok((count, _)) if buffer[..count].ends_with(b"\r\n\r\n") => {
            send(client, ANSWER, SendFlags::NOSIGNAL).is_ok()
        }
        Ok(_) | Err(Errno::AGAIN | Errno::INTR) => true,
        Err(_) => false,
    }
}

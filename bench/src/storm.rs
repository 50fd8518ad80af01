//! Thousands of connections opened at once, each with one request: who fails, who waits to be
//! connected, and whether they are answered in the order in which they asked.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{connect, recv, send, socket_with, sockopt};

use crate::answer::{Progress, progress};
use crate::counters::Counters;

/// How many are begun before the first are looked at.
const AT_ONCE: usize = 32;

/// How a storm went.
#[derive(Debug, Clone, Default)]
pub struct StormReport {
    /// Requests answered with 200.
    pub answered: usize,
    /// What else happened, and how often.
    pub failures: BTreeMap<String, usize>,
    /// The longest time from connect to connected.
    pub longest_connect: Duration,
    /// From the first connect to the last request sent.
    pub asked_in: Duration,
    /// From the first connect to the last answer.
    pub elapsed: Duration,
    /// How many places each answer came before or after its request's, sorted.
    pub places: Vec<usize>,
    /// How the kernel's counters have moved.
    pub counters: BTreeMap<&'static str, u64>,
}

impl StormReport {
    /// So many thousandths of the answers came within this many places of their request's.
    pub fn places_of(&self, thousandths: usize) -> usize {
        let last = self.places.len().saturating_sub(1);
        self.places.get(last * thousandths / 1000).copied().unwrap_or_default()
    }
}

impl fmt::Display for StormReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} answered in {:.2?}, all asked in {:.2?}, longest connect {:.1?}, failures {:?}",
            self.answered, self.elapsed, self.asked_in, self.longest_connect, self.failures
        )?;
        let [half, most, all] = [500, 990, 1000].map(|at| self.places_of(at));
        writeln!(f, "places from arrival: median {half}, 99 % within {most}, all within {all}")?;
        writeln!(f, "kernel: {:?}", self.counters)
    }
}

struct Client {
    socket: Option<OwnedFd>,
    begun: Instant,
    /// Its place among the requests that were sent.
    place: Option<usize>,
    bytes: Vec<u8>,
}

struct Storm {
    epoll: OwnedFd,
    request: Vec<u8>,
    begun: Instant,
    clients: Vec<Client>,
    left: usize,
    asked: usize,
    report: StormReport,
}

/// Opens `count` connections as fast as it can, asks for `path` on each as soon as it is made, and
/// waits for all answers, at most `patience`.
///
/// # Errors
///
/// If the system refuses descriptors or sockets. What the server does is in the report.
pub fn storm(
    address: SocketAddr,
    count: usize,
    path: &str,
    patience: Duration,
) -> anyhow::Result<StormReport> {
    let before = Counters::now();
    let mut storm = Storm {
        epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
        request: format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").into_bytes(),
        begun: Instant::now(),
        clients: Vec::with_capacity(count),
        left: count,
        asked: 0,
        report: StormReport::default(),
    };
    for index in 0..count {
        storm.open(address, index)?;
        if index % AT_ONCE == 0 {
            storm.turn(Duration::ZERO)?;
        }
    }
    while storm.left > 0 && storm.begun.elapsed() < patience {
        storm.turn(Duration::from_millis(100))?;
    }
    if storm.left > 0 {
        storm.report.failures.insert(format!("not answered within {patience:?}"), storm.left);
    }
    storm.report.elapsed = storm.begun.elapsed();
    storm.report.places.sort_unstable();
    storm.report.counters = Counters::now().since(&before);
    Ok(storm.report)
}

impl Storm {
    fn open(&mut self, address: SocketAddr, index: usize) -> anyhow::Result<()> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::STREAM, flags, None)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        let begun = Instant::now();
        match connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let data = epoll::EventData::new_u64(u64::try_from(index)?);
        epoll::add(&self.epoll, &socket, data, epoll::EventFlags::OUT)?;
        self.clients.push(Client { socket: Some(socket), begun, place: None, bytes: Vec::new() });
        Ok(())
    }

    fn turn(&mut self, wait: Duration) -> anyhow::Result<()> {
        let mut events = Vec::with_capacity(1024);
        match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&wait_of(wait)?)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let index = usize::try_from(event.data.u64())?;
            let failed = match self.clients[index].place {
                None => self.ask(index)?,
                Some(_) => self.read(index),
            };
            if let Some(why) = failed {
                *self.report.failures.entry(why).or_default() += 1;
                self.over(index);
            }
        }
        Ok(())
    }

    /// The connection is made, or has failed.
    fn ask(&mut self, index: usize) -> anyhow::Result<Option<String>> {
        let client = &mut self.clients[index];
        let Some(socket) = &client.socket else { return Ok(None) };
        if let Err(error) = sockopt::socket_error(socket)? {
            return Ok(Some(format!("connecting: {error}")));
        }
        self.report.longest_connect = self.report.longest_connect.max(client.begun.elapsed());
        client.place = Some(self.asked);
        self.asked += 1;
        let data = epoll::EventData::new_u64(u64::try_from(index)?);
        epoll::modify(&self.epoll, socket, data, epoll::EventFlags::IN)?;
        let sent = send(socket, &self.request, SendFlags::NOSIGNAL);
        self.report.asked_in = self.begun.elapsed();
        Ok(sent.err().map(|error| format!("sending: {error}")))
    }

    fn read(&mut self, index: usize) -> Option<String> {
        let client = &mut self.clients[index];
        let socket = client.socket.as_ref()?;
        let mut buffer = [0; 4096];
        match recv(socket, &mut buffer, RecvFlags::empty()) {
            Err(Errno::AGAIN | Errno::INTR) => return None,
            Err(error) => return Some(format!("reading: {error}")),
            Ok((0, _)) => return Some("end of file".to_owned()),
            Ok((count, _)) => client.bytes.extend_from_slice(&buffer[..count]),
        }
        match progress(&client.bytes) {
            Progress::Partial => None,
            Progress::Whole { status: 200, .. } => {
                let place = client.place.unwrap_or_default();
                self.report.places.push(place.abs_diff(self.report.answered));
                self.report.answered += 1;
                self.over(index);
                None
            }
            Progress::Whole { status, .. } => Some(format!("status {status}")),
            Progress::Nonsense => Some("nonsense".to_owned()),
        }
    }

    /// A client is done. Its connection stays open until the end: closing is not measured here.
    fn over(&mut self, index: usize) {
        if let Some(socket) = &self.clients[index].socket {
            _ = epoll::delete(&self.epoll, socket);
        }
        self.left -= 1;
    }
}

fn wait_of(wait: Duration) -> anyhow::Result<Timespec> {
    Ok(Timespec::try_from(wait)?)
}

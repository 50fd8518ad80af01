//! The loop: connections that ask, wait and ask again.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{connect, recv, send, socket_with, sockopt};

use crate::answer::{Progress, progress};
use crate::plan::{Amount, Plan};
use crate::stats::{Report, Waits};

/// How often connections are looked at that may have waited too long.
const LOOK: Duration = Duration::from_millis(100);

/// Runs a plan to its end.
///
/// # Errors
///
/// If the system refuses descriptors or sockets. What the *server* does is never an error here, it is
/// a failure in the [`Report`].
pub fn run(plan: &Plan) -> anyhow::Result<Report> {
    let mut engine = Engine::new(plan)?;
    for index in 0..engine.clients.len() {
        engine.next(index)?;
    }
    let mut events = Vec::with_capacity(1024);
    let mut looked = Instant::now();
    while !engine.over() {
        events.clear();
        let wait = Timespec::try_from(engine.wake_rested()?)?;
        match epoll::wait(&engine.epoll, spare_capacity(&mut events), Some(&wait)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            engine.handle(usize::try_from(event.data.u64())?)?;
        }
        if looked.elapsed() > LOOK {
            looked = Instant::now();
            engine.give_up_late(looked)?;
        }
    }
    Ok(engine.report())
}

/// What a client is doing.
enum State {
    /// Nothing, and it will not again.
    Done,
    /// The connection is being made.
    Connecting(OwnedFd),
    /// A request is under way.
    Asked(OwnedFd),
    /// It has its answer, and thinks.
    Resting(OwnedFd),
}

struct Client {
    state: State,
    /// Connects anew for each request.
    fresh: bool,
    /// Requests it still makes, without the one under way.
    left: u32,
    /// Answers that this connection has brought.
    answers: u32,
    since: Instant,
    bytes: Vec<u8>,
}

#[derive(Default)]
struct Tally {
    waits: Vec<Duration>,
    failures: usize,
}

struct Engine {
    epoll: OwnedFd,
    address: SocketAddr,
    request: [Vec<u8>; 2],
    clients: Vec<Client>,
    tallies: [Tally; 2],
    /// Kept clients that are not done.
    active: usize,
    begun: Instant,
    end: Option<Instant>,
    patience: Duration,
    per_connection: u32,
    rest: Duration,
    /// Who rests, and until when: everybody rests as long, so the first in is the first out.
    resting: VecDeque<(Instant, usize)>,
}

impl Engine {
    fn new(plan: &Plan) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let (left, end) = match plan.amount {
            Amount::RequestsPerConnection(count) => (count, None),
            Amount::Time(time) => (u32::MAX, Some(begun + time)),
        };
        let client = |fresh, left| Client {
            state: State::Done,
            fresh,
            left,
            answers: 0,
            since: begun,
            bytes: Vec::new(),
        };
        let kept = (0..plan.kept).map(|_| client(false, left));
        let clients = kept.chain((0..plan.fresh).map(|_| client(true, u32::MAX))).collect();
        let request = |fields: &str| {
            let Plan { path, address, .. } = plan;
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{fields}\r\n").into_bytes()
        };
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            address: plan.address,
            request: [request("Connection: keep-alive\r\n"), request("Connection: close\r\n")],
            clients,
            tallies: Default::default(),
            active: plan.kept,
            begun,
            end,
            patience: plan.patience,
            rest: plan.rest,
            resting: VecDeque::new(),
            per_connection: if plan.per_connection == 0 { u32::MAX } else { plan.per_connection },
        })
    }

    fn over(&self) -> bool {
        let time_is_up = self.end.is_some_and(|end| Instant::now() >= end);
        let all_done = self.active == 0 && (self.end.is_none() || self.clients.is_empty());
        time_is_up || all_done
    }

    fn report(self) -> Report {
        let elapsed = self.begun.elapsed();
        let [kept, fresh] = self.tallies.map(|tally| Waits::new(tally.waits, tally.failures));
        Report { elapsed, kept, fresh }
    }

    /// Wakes whoever has rested long enough; gives how long nobody else will.
    fn wake_rested(&mut self) -> anyhow::Result<Duration> {
        while let Some((until, index)) = self.resting.front().copied() {
            let left = until.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                return Ok(left.min(LOOK));
            }
            self.resting.pop_front();
            let client = &mut self.clients[index];
            client.state = match std::mem::replace(&mut client.state, State::Done) {
                State::Resting(socket) => State::Asked(socket),
                // The server has closed it meanwhile, as it may.
                other => other,
            };
            self.next(index)?;
        }
        Ok(LOOK)
    }

    /// After an answer: the next request, or a rest before it.
    fn go_on(&mut self, index: usize) -> anyhow::Result<()> {
        let client = &mut self.clients[index];
        if self.rest.is_zero() || client.fresh {
            return self.next(index);
        }
        if let State::Asked(socket) = std::mem::replace(&mut client.state, State::Done) {
            client.state = State::Resting(socket);
        }
        self.resting.push_back((Instant::now() + self.rest, index));
        Ok(())
    }

    /// Begins a client's next request, on the connection that it has or on a new one.
    fn next(&mut self, index: usize) -> anyhow::Result<()> {
        let client = &mut self.clients[index];
        client.since = Instant::now();
        if client.left == 0 {
            client.state = State::Done;
            self.active -= usize::from(!client.fresh);
            return Ok(());
        }
        client.left -= 1;
        client.bytes.clear();
        if matches!(client.state, State::Asked(_)) {
            return self.ask(index);
        }
        let family = match self.address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::STREAM, flags, None)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        match connect(&socket, &self.address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let data = epoll::EventData::new_u64(u64::try_from(index)?);
        epoll::add(&self.epoll, &socket, data, epoll::EventFlags::OUT)?;
        client.state = State::Connecting(socket);
        client.answers = 0;
        Ok(())
    }

    fn ask(&mut self, index: usize) -> anyhow::Result<()> {
        let client = &self.clients[index];
        let State::Asked(socket) = &client.state else { return Ok(()) };
        // A request is small: a socket that has just been answered takes it whole, or is gone.
        match send(socket, &self.request[usize::from(client.fresh)], SendFlags::NOSIGNAL) {
            Ok(_) => Ok(()),
            Err(_) => self.fail(index),
        }
    }

    fn handle(&mut self, index: usize) -> anyhow::Result<()> {
        match std::mem::replace(&mut self.clients[index].state, State::Done) {
            State::Done => Ok(()),
            State::Resting(socket) => {
                let silent = recv(&socket, &mut [0; 16], RecvFlags::empty()) == Err(Errno::AGAIN);
                if silent {
                    self.clients[index].state = State::Resting(socket);
                }
                Ok(())
            }
            State::Connecting(socket) => {
                let connected = sockopt::socket_error(&socket)?.is_ok();
                let data = epoll::EventData::new_u64(u64::try_from(index)?);
                epoll::modify(&self.epoll, &socket, data, epoll::EventFlags::IN)?;
                self.clients[index].state = State::Asked(socket);
                if connected { self.ask(index) } else { self.fail(index) }
            }
            State::Asked(socket) => {
                let mut buffer = [0; 16384];
                let count = recv(&socket, &mut buffer, RecvFlags::empty());
                let client = &mut self.clients[index];
                client.state = State::Asked(socket);
                match count {
                    Err(Errno::AGAIN | Errno::INTR) => Ok(()),
                    Err(_) | Ok((0, _)) => self.fail(index),
                    Ok((count, _)) => {
                        client.bytes.extend_from_slice(&buffer[..count]);
                        self.judge(index)
                    }
                }
            }
        }
    }

    /// Looks at what a client has been told so far.
    fn judge(&mut self, index: usize) -> anyhow::Result<()> {
        let client = &mut self.clients[index];
        match progress(&client.bytes) {
            Progress::Partial => Ok(()),
            Progress::Whole { status: 200, length, close } if length == client.bytes.len() => {
                self.tallies[usize::from(client.fresh)].waits.push(client.since.elapsed());
                client.answers += 1;
                if close || client.fresh || client.answers >= self.per_connection {
                    client.state = State::Done;
                }
                self.go_on(index)
            }
            Progress::Whole { .. } | Progress::Nonsense => self.fail(index),
        }
    }

    /// Counts a failure; the client goes on with its next request, on a new connection.
    fn fail(&mut self, index: usize) -> anyhow::Result<()> {
        let client = &mut self.clients[index];
        self.tallies[usize::from(client.fresh)].failures += 1;
        client.state = State::Done;
        self.next(index)
    }

    fn give_up_late(&mut self, now: Instant) -> anyhow::Result<()> {
        for index in 0..self.clients.len() {
            let client = &self.clients[index];
            let waiting = matches!(client.state, State::Connecting(_) | State::Asked(_));
            if waiting && now.duration_since(client.since) > self.patience {
                self.fail(index)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Answers one connection after the other, so many requests on each; counts connections.
    fn server(answers: usize) -> (SocketAddr, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, connections) =
            (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&connections);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::Relaxed);
                for _ in 0..answers {
                    if !matches!(stream.read(&mut [0; 4096]), Ok(1..)) {
                        break;
                    }
                    _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                }
            }
        });
        (address, connections)
    }

    fn plan(address: SocketAddr, requests: u32) -> Plan {
        Plan { amount: Amount::RequestsPerConnection(requests), ..Plan::keepalive(address, 1) }
    }

    #[test]
    fn a_connection_is_closed_after_so_many_answers() {
        let (address, connections) = server(usize::MAX);
        let report = run(&Plan { per_connection: 3, ..plan(address, 7) }).unwrap();
        assert_eq!((report.kept.answered(), report.kept.failures), (7, 0));
        assert_eq!(connections.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn a_rest_is_no_wait_and_a_server_may_close_meanwhile() {
        let (address, connections) = server(2);
        let rest = Duration::from_millis(500);
        let report = run(&Plan { rest, ..plan(address, 4) }).unwrap();
        assert_eq!((report.kept.answered(), report.kept.failures), (4, 0));
        assert!(report.elapsed >= rest * 3, "{:?}", report.elapsed);
        assert!(report.kept.median() < rest, "{:?}", report.kept.median());
        assert_eq!(connections.load(Ordering::Relaxed), 2);
    }
}

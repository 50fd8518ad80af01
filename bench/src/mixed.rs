//! The soak's clients: one loop, each client doing one deed after another, chosen at random.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{EventData, EventFlags};
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send, sockopt};

use crate::answer::{Step, step};
use crate::crowd::small_window;
use crate::deeds::{Deed, Then};

/// How long a deed may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often slow readers read, and how much: some 3 MiB/s.
const TICK: Duration = Duration::from_millis(5);
const SIP: usize = 16 << 10;

struct Client {
    stream: TcpStream,
    deed: usize,
    since: Instant,
    sent: usize,
    bytes: Vec<u8>,
    answers: usize,
    /// Waits for room to send.
    sending: bool,
    small: bool,
}

/// What a look at a client led to.
enum Look {
    /// It waits.
    On,
    /// The deed is done; the connection is kept if `true`.
    Done(bool),
    /// It did not go as it should.
    Wrong(String),
}

/// All of them.
pub(crate) struct Mixed<'a> {
    address: SocketAddr,
    deeds: &'a [Deed],
    epoll: OwnedFd,
    clients: Vec<Option<Client>>,
    requests: u64,
    wanted: u64,
    total: u32,
    random: u64,
    unexpected: BTreeMap<String, u64>,
}

impl<'a> Mixed<'a> {
    pub(crate) fn new(
        address: SocketAddr,
        deeds: &'a [Deed],
        clients: usize,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            address,
            deeds,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            clients: (0..clients).map(|_| None).collect(),
            requests: 0,
            wanted: 0,
            total: deeds.iter().map(|deed| deed.weight).sum(),
            random: 0x9E37_79B9_7F4A_7C15,
            unexpected: BTreeMap::new(),
        })
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests
    }

    pub(crate) fn unexpected(self) -> BTreeMap<String, u64> {
        self.unexpected
    }

    /// Makes requests until there are `wanted` in all; then every client finishes and leaves.
    pub(crate) fn run(&mut self, wanted: u64) -> anyhow::Result<()> {
        self.wanted = wanted;
        for index in 0..self.clients.len() {
            self.begin(index, None)?;
        }
        let (mut events, mut looked) = (Vec::with_capacity(1024), Instant::now());
        let wait = Timespec::try_from(TICK)?;
        while self.clients.iter().any(Option::is_some) {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&wait)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                self.turn(usize::try_from(event.data.u64())?)?;
            }
            if looked.elapsed() >= TICK {
                looked = Instant::now();
                self.tick()?;
            }
        }
        Ok(())
    }

    fn choose(&mut self) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let total = u64::from(self.total);
        let mut left = (self.random >> 16) % total;
        let weights = self.deeds.iter().map(|deed| u64::from(deed.weight));
        for (index, weight) in weights.enumerate() {
            if left < weight {
                return index;
            }
            left -= weight;
        }
        0
    }

    /// A client's next deed, on the connection that it has or on a new one.
    fn begin(&mut self, index: usize, mut kept: Option<Client>) -> anyhow::Result<()> {
        loop {
            if self.requests >= self.wanted {
                return Ok(()); // what was kept is closed
            }
            let deed = self.choose();
            let Deed { slowly, .. } = self.deeds[deed];
            self.requests += self.deeds[deed].requests();
            let mut client = match kept.take() {
                Some(client) if client.small == slowly => client,
                _ => self.connect(index, slowly)?,
            };
            (client.deed, client.since, client.sent, client.answers) = (deed, Instant::now(), 0, 0);
            client.bytes.clear();
            match client.send(&self.deeds[deed]) {
                Look::On => {
                    client.watch(&self.epoll, index, slowly)?;
                    self.clients[index] = Some(client);
                    return Ok(());
                }
                Look::Done(_) => {} // given up: the next one is on a new connection
                Look::Wrong(why) => self.note(deed, &why),
            }
        }
    }

    fn connect(&self, index: usize, small: bool) -> anyhow::Result<Client> {
        let stream =
            if small { small_window(self.address)? } else { TcpStream::connect(self.address)? };
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let data = EventData::new_u64(u64::try_from(index)?);
        epoll::add(&self.epoll, &stream, data, EventFlags::IN)?;
        let (bytes, since) = (Vec::new(), Instant::now());
        let sending = false;
        Ok(Client { stream, deed: 0, since, sent: 0, bytes, answers: 0, sending, small })
    }

    fn note(&mut self, deed: usize, why: &str) {
        let what = format!("{}: {why}", self.deeds[deed].name);
        *self.unexpected.entry(what).or_default() += 1;
    }

    /// Something has happened on a client's socket.
    fn turn(&mut self, index: usize) -> anyhow::Result<()> {
        let Some(client) = &mut self.clients[index] else { return Ok(()) };
        let deed = &self.deeds[client.deed];
        let mut look = if client.sending { client.send(deed) } else { Look::On };
        if matches!(look, Look::On) {
            look = client.read(deed);
        }
        match look {
            Look::On => client.watch(&self.epoll, index, deed.slowly),
            Look::Done(kept) => {
                let client = self.clients[index].take();
                self.begin(index, client.filter(|_| kept))
            }
            Look::Wrong(why) => {
                let deed = client.deed;
                self.clients[index] = None;
                self.note(deed, &why);
                self.begin(index, None)
            }
        }
    }

    /// Slow readers have their sip, and who has waited too long gives up.
    fn tick(&mut self) -> anyhow::Result<()> {
        for index in 0..self.clients.len() {
            let Some(client) = &self.clients[index] else { continue };
            if client.small {
                self.turn(index)?;
            } else if client.since.elapsed() > PATIENCE {
                let deed = client.deed;
                self.clients[index] = None;
                self.note(deed, "no answer in time");
                self.begin(index, None)?;
            }
        }
        Ok(())
    }
}

impl Client {
    /// Waits for what it needs. A slow reader is woken by the tick alone.
    fn watch(&mut self, epoll: &OwnedFd, index: usize, slowly: bool) -> anyhow::Result<()> {
        let flags = match (slowly, self.sending) {
            (true, _) => EventFlags::empty(),
            (false, true) => EventFlags::IN | EventFlags::OUT,
            (false, false) => EventFlags::IN,
        };
        epoll::modify(epoll, &self.stream, EventData::new_u64(u64::try_from(index)?), flags)?;
        Ok(())
    }

    /// Sends the next piece.
    fn send(&mut self, deed: &Deed) -> Look {
        let rest = deed.bytes.get(self.sent..).unwrap_or_default();
        let piece = &rest[..rest.len().min(deed.piece)];
        match send(&self.stream, piece, SendFlags::NOSIGNAL) {
            Ok(count) => self.sent += count,
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.sent = deed.bytes.len(), // it was refused: what is read says why
        }
        self.sending = self.sent < deed.bytes.len();
        if self.sending || !deed.statuses.is_empty() {
            return Look::On;
        }
        if deed.then == Then::Reset {
            _ = sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO));
        }
        Look::Done(false)
    }

    fn read(&mut self, deed: &Deed) -> Look {
        let mut buffer = [0; 65536];
        let most = if deed.slowly { SIP } else { buffer.len() };
        match recv(&self.stream, &mut buffer[..most], RecvFlags::empty()) {
            Err(Errno::AGAIN | Errno::INTR) => Look::On,
            Err(error) if deed.statuses.is_empty() => Look::Wrong(format!("given up: {error}")),
            Err(error) => Look::Wrong(format!("reading: {error}, {} answers", self.answers)),
            Ok((0, _)) if deed.then == Then::Closed && self.answers == deed.statuses.len() => {
                Look::Done(false)
            }
            Ok((0, _)) => Look::Wrong(format!("end of file after {} answers", self.answers)),
            Ok((count, _)) => {
                self.bytes.extend_from_slice(&buffer[..count]);
                self.judge(deed)
            }
        }
    }

    fn judge(&mut self, deed: &Deed) -> Look {
        loop {
            let Some(&wanted) = deed.statuses.get(self.answers) else {
                return match (self.bytes.is_empty(), deed.then) {
                    (false, _) => Look::Wrong("more than was asked for".to_owned()),
                    (true, Then::Closed) => Look::On,
                    (true, then) => Look::Done(then == Then::Kept),
                };
            };
            match step(&self.bytes, deed.to_head) {
                Step::Partial => return Look::On,
                Step::Nonsense => return Look::Wrong("nonsense".to_owned()),
                Step::Whole { status, length } if status == wanted => {
                    self.bytes.drain(..length);
                    self.answers += 1;
                }
                Step::Whole { status, .. } => return Look::Wrong(format!("status {status}")),
            }
        }
    }
}

//! The connection table: one row per connection, in memory that all processes share.
//!
//! A row's *state word* says who may touch the connection's socket, and only they do. Every move of
//! it is one compare-and-swap; who loses the race leaves the socket alone. The serial in the word
//! makes a reused slot a different connection, so nothing stale is dangerous: an event, a job or an
//! answer that speaks of an earlier serial loses.
//!
//! The table is the truth: after a death it tells the manager what the dead worker held.
//!
//! Not here: what the manager remembers of a connection beside its row (`manager/desk.rs`).

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU16, AtomicU32, AtomicU64};

use crate::os::shared::{Pages, zeroable};

/// One connection: its slot, and the serial that tells it from the slot's earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId {
    /// The number of its row, from 0.
    pub slot: u32,
    /// How many connections the slot has had before this one, modulo 2³².
    pub serial: u32,
}

impl ConnId {
    /// As the 64 bits that the kernel keeps with a registration.
    pub fn to_bits(self) -> u64 {
        (u64::from(self.slot) << 32) | u64::from(self.serial)
    }

    /// The reverse of [`to_bits`](Self::to_bits).
    pub fn from_bits(bits: u64) -> Self {
        Self { slot: high(bits), serial: low(bits) }
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.serial)
    }
}

/// The number of a worker: from 0, given again after a death has been recovered from.
pub type WorkerId = u32;

/// Which lending of a connection a job is. 29 bits of it are kept.
pub type JobNumber = u32;

/// Who may touch a connection's socket.
///
/// ```text
///            complete                taken by w             answered, kept
///   Held ───────────────► Queued ─────────────────► Lent(w) ───────────────► Watched
///    ▲ ▲ ◄─────────────── (job n)                    │   ▲                    │   │
///    │ │   client gone                               │   └──── claimed by w ──┘   │
///    │ └─── message taken (partial, drain, closed) or ─┘                          │
///    │      w is dead                                                             │
///    └──────────────────────── may be silent: look ───────────────────────────────┘
/// ```
///
/// [`Row::change`] is the only way from one state to another. Lent goes to Lent as well: to set and
/// to clear *begun*, which says that bytes of an answer may have left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The manager: it is reading, draining, lingering or closing. A free row is Held, too.
    Held,
    /// Nobody: the request is a job that no worker has taken yet. Each lending has a number of its own, so
    /// whoever still has a copy of an earlier one loses the swap.
    Queued(JobNumber),
    /// This worker alone; `begun` if an answer may have begun. If the worker dies the request is
    /// never lent again: the application may already have acted on it.
    Lent {
        /// Whose it is.
        worker: WorkerId,
        /// Whether a byte of an answer may have been written.
        begun: bool,
    },
    /// Nobody but the kernel: the connection is idle, and armed in the ready list, or about to be.
    Watched,
}

const ARG_BITS: u32 = 29;
const ARG: u32 = (1 << ARG_BITS) - 1;
const BEGUN: u32 = 1 << ARG_BITS;
const OWNER_SHIFT: u32 = 30;

impl Owner {
    /// Lent to this worker, and no byte of an answer has left.
    pub fn lent(worker: WorkerId) -> Self {
        Self::Lent { worker, begun: false }
    }

    /// Whether the diagram has this arrow.
    pub fn may_become(self, to: Self) -> bool {
        use Owner::{Held, Lent, Queued, Watched};
        match (self, to) {
            (Held, Queued(_)) | (Queued(_), Held) => true,
            (Queued(_) | Watched, Lent { begun, .. }) => !begun,
            (Lent { .. }, Watched | Held) | (Watched, Held) => true,
            (Lent { worker: v, begun: before }, Lent { worker: w, begun: after }) => {
                v == w && before != after
            }
            _ => false,
        }
    }

    fn bits(self) -> u32 {
        match self {
            Self::Held => 0,
            Self::Queued(job) => (1 << OWNER_SHIFT) | (job & ARG),
            Self::Lent { worker, begun } => {
                (2 << OWNER_SHIFT) | if begun { BEGUN } else { 0 } | (worker & ARG)
            }
            Self::Watched => 3 << OWNER_SHIFT,
        }
    }

    fn from_bits(bits: u32) -> Self {
        match bits >> OWNER_SHIFT {
            0 => Self::Held,
            1 => Self::Queued(bits & ARG),
            2 => Self::Lent { worker: bits & ARG, begun: bits & BEGUN != 0 },
            _ => Self::Watched,
        }
    }
}

/// A job number's successor, as the state word keeps it.
pub fn next_job(number: JobNumber) -> JobNumber {
    (number + 1) & ARG
}

/// An end of a TCP connection, as atomics.
#[derive(Debug)]
struct End {
    high: AtomicU64,
    low: AtomicU64,
    port: AtomicU16,
    /// 0: a UNIX socket, 4 or 6.
    family: AtomicU8,
}

zeroable!(End { high: AtomicU64, low: AtomicU64, port: AtomicU16, family: AtomicU8 });

impl End {
    fn set(&self, end: Option<(IpAddr, u16)>) {
        let (family, bits, port) = match end {
            None => (0, 0, 0),
            Some((IpAddr::V4(ip), port)) => (4, u128::from(ip.to_bits()), port),
            Some((IpAddr::V6(ip), port)) => (6, ip.to_bits(), port),
        };
        self.high.store(u64::try_from(bits >> 64).unwrap_or(0), Relaxed);
        self.low.store(u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0), Relaxed);
        self.port.store(port, Relaxed);
        self.family.store(family, Relaxed);
    }

    fn get(&self) -> Option<(IpAddr, u16)> {
        let bits = (u128::from(self.high.load(Relaxed)) << 64) | u128::from(self.low.load(Relaxed));
        let ip = match self.family.load(Relaxed) {
            4 => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(bits).ok()?)),
            6 => IpAddr::V6(Ipv6Addr::from_bits(bits)),
            _ => return None,
        };
        Some((ip, self.port.load(Relaxed)))
    }
}

/// What all processes know of one connection.
#[derive(Debug)]
#[repr(align(64))]
pub struct Row {
    word: AtomicU64,
    /// When an answer last ended, in milliseconds of the monotonic clock.
    last: AtomicU64,
    peer: End,
    local: End,
    requests: AtomicU32,
    listener: AtomicU32,
    number: AtomicI32,
    /// 1: the request that was begun last is a HEAD.
    head: AtomicU8,
    /// 1: an event may have come while the row was Lent.
    stirred: AtomicU8,
}

zeroable!(Row {
    word: AtomicU64,
    last: AtomicU64,
    peer: End,
    local: End,
    requests: AtomicU32,
    listener: AtomicU32,
    number: AtomicI32,
    head: AtomicU8,
    stirred: AtomicU8,
});

impl Row {
    fn pack(serial: u32, owner: Owner) -> u64 {
        (u64::from(serial) << 32) | u64::from(owner.bits())
    }

    /// The serial and who may touch the socket, as of now.
    pub fn state(&self) -> (u32, Owner) {
        let word = self.word.load(SeqCst);
        (high(word), Owner::from_bits(low(word)))
    }

    /// Who may touch the socket, if the row still has this serial.
    pub fn owner(&self, serial: u32) -> Option<Owner> {
        let (now, owner) = self.state();
        (now == serial).then_some(owner)
    }

    /// Moves the row along one arrow of the [`Owner`] diagram, if it is still at its beginning.
    ///
    /// `false` means that somebody was faster, or that the slot has a new connection. Then the
    /// event that led here is stale, or too early (see [`stir`](Self::stir)): leave the socket alone.
    ///
    /// # Panics
    ///
    /// In debug builds, if there is no such arrow.
    #[must_use = "who loses the race must leave the socket alone"]
    pub fn change(&self, serial: u32, from: Owner, to: Owner) -> bool {
        debug_assert!(from.may_become(to), "no arrow {from:?} -> {to:?}");
        let (from, to) = (Self::pack(serial, from), Self::pack(serial, to));
        self.word.compare_exchange(from, to, SeqCst, SeqCst).is_ok()
    }

    /// Says that the ready list has told somebody of this connection to whom it was not lent. First this, then
    /// another look at the word: whoever makes the row Watched looks here afterwards
    /// ([`is_stirred`](Self::is_stirred)), and so one of the two notices.
    pub fn stir(&self) {
        self.stirred.store(1, SeqCst);
    }

    /// Whether the connection has to be armed, so that the list tells of it again.
    pub fn is_stirred(&self) -> bool {
        self.stirred.load(SeqCst) != 0
    }

    /// The same, and forgets it. Whoever the row is Lent to, and then they arm the connection: should they die
    /// instead, the recovery from that does.
    pub fn take_stirred(&self) -> bool {
        let stirred = self.is_stirred();
        if stirred {
            self.stirred.store(0, SeqCst);
        }
        stirred
    }

    /// Frees the slot: the row is Held under the next serial, which it returns. The manager only,
    /// and only when the row is Held.
    pub fn retire(&self, serial: u32) -> u32 {
        let next = serial.wrapping_add(1);
        self.word.store(Self::pack(next, Owner::Held), Release);
        next
    }

    /// Writes what a new connection is, before anybody else can hear of it. The manager only.
    pub fn begin(&self, new: &Newcomer) {
        self.peer.set(new.peer);
        self.local.set(new.local);
        self.listener.store(new.listener, Relaxed);
        self.number.store(new.number, Relaxed);
        self.requests.store(0, Relaxed);
        self.head.store(0, Relaxed);
        self.stirred.store(0, Relaxed);
        self.last.store(new.now, Relaxed);
    }

    /// The client's address and port; `None` over a UNIX socket.
    pub fn peer(&self) -> Option<(IpAddr, u16)> {
        self.peer.get()
    }

    /// The connection's own address and port, where the listener has a wildcard.
    pub fn local(&self) -> Option<(IpAddr, u16)> {
        self.local.get()
    }

    /// Which listener it came from.
    pub fn listener(&self) -> u32 {
        self.listener.load(Relaxed)
    }

    /// Under which number the manager has its descriptor.
    pub fn number(&self) -> i32 {
        self.number.load(Acquire)
    }

    /// Says that the manager has it under another number from now on, before the earlier one is closed.
    pub fn renumber(&self, number: i32) {
        self.number.store(number, Release);
    }

    /// When an answer last ended, in milliseconds of the monotonic clock.
    pub fn last(&self) -> u64 {
        self.last.load(Relaxed)
    }

    /// Says that an answer ended now. Whoever the row is Lent to.
    pub fn touch(&self, now: u64) {
        self.last.store(now, Relaxed);
    }

    /// Says whether the request that begins now is a HEAD, for whoever has to answer if its worker dies.
    pub fn begin_request(&self, is_head: bool) {
        self.head.store(u8::from(is_head), Relaxed);
    }

    /// Whether the request that was begun last is a HEAD.
    pub fn is_head(&self) -> bool {
        self.head.load(Relaxed) == 1
    }

    /// How many requests there were.
    pub fn requests(&self) -> u32 {
        self.requests.load(Relaxed)
    }

    /// Counts one more request, and returns how many there were with it.
    pub fn count_request(&self) -> u32 {
        self.requests.fetch_add(1, Relaxed).wrapping_add(1)
    }
}

/// What a row is told of a new connection.
#[derive(Debug)]
pub struct Newcomer {
    /// The client's address and port; `None` over a UNIX socket.
    pub peer: Option<(IpAddr, u16)>,
    /// Our address and port, where the listener has a wildcard.
    pub local: Option<(IpAddr, u16)>,
    /// Which listener it came from.
    pub listener: u32,
    /// The number of the manager's descriptor.
    pub number: i32,
    /// Milliseconds of the monotonic clock.
    pub now: u64,
}

/// The rows of all connections that this generation can have at once.
#[derive(Debug)]
pub struct Table {
    rows: Pages<Row>,
}

impl Table {
    /// A table of free rows.
    ///
    /// # Errors
    ///
    /// There is no memory for it.
    pub fn new(rows: u32) -> io::Result<Self> {
        let rows = usize::try_from(rows).map_err(io::Error::other)?;
        Ok(Self { rows: Pages::new(rows)? })
    }

    /// How many connections there can be.
    pub fn len(&self) -> u32 {
        u32::try_from(self.rows.len()).unwrap_or(u32::MAX)
    }

    /// Whether there can be none at all.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The row of a slot; `None` if there is no such slot.
    pub fn row(&self, slot: u32) -> Option<&Row> {
        self.rows.get(usize::try_from(slot).ok()?)
    }

    /// All rows, with their slots.
    pub fn rows(&self) -> impl Iterator<Item = (u32, &Row)> {
        (0..).zip(self.rows.iter())
    }
}

fn high(bits: u64) -> u32 {
    u32::try_from(bits >> 32).unwrap_or(u32::MAX)
}

fn low(bits: u64) -> u32 {
    u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;

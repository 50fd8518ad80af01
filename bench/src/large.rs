//! One very large body, up or down, and what the server weighs meanwhile.
//!
//! Nothing of a body is kept here: what is sent is a block again and again, what comes is compared with a
//! block and counted. The server is weighed all the time by another thread.

use std::fmt;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::tree::{footprint, weigh};
use crate::{pause, read};

/// Bytes of a block.
const BLOCK: usize = 64 << 10;

/// Time between two weighings.
const STEP: Duration = Duration::from_millis(50);

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub struct LargePlan<'a> {
    /// The server.
    pub address: SocketAddr,
    /// Its supervisor.
    pub server: u32,
    /// What to ask for.
    pub path: &'a str,
    /// Bytes to send, each of them `x`; `None`: ask, and read the answer.
    pub upload: Option<u64>,
}

/// What a whole tree of processes weighs, in KiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weight {
    /// Memory of its own: anonymous, shared, and files in memory that nobody has mapped.
    pub own: u64,
    /// Proportional, pages of files included.
    pub pss: u64,
    /// Resident, what is shared counted as often as it is.
    pub rss: u64,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct LargeReport {
    /// The answer's head.
    pub head: String,
    /// The beginning of its body.
    pub text: String,
    /// Bytes of its body.
    pub bytes: u64,
    /// Those that were not `x`.
    pub others: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// The server before.
    pub before: Weight,
    /// Each of its weights when that was greatest.
    pub peak: Weight,
}

impl LargeReport {
    /// By how much its own memory had grown at the most, in KiB.
    pub fn growth(&self) -> u64 {
        self.peak.own.saturating_sub(self.before.own)
    }
}

impl fmt::Display for LargeReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = |peak: u64, before: u64| peak.saturating_sub(before);
        writeln!(
            out,
            "{} bytes in {:.1} s: at most {} KiB more (own, of {}), PSS {} more (of {}), RSS {} more (of {})",
            self.bytes,
            self.elapsed.as_secs_f64(),
            self.growth(),
            self.before.own,
            more(self.peak.pss, self.before.pss),
            self.before.pss,
            more(self.peak.rss, self.before.rss),
            self.before.rss,
        )
    }
}

/// The server as it is now.
fn weight(server: u32) -> Weight {
    let all = weigh(server);
    let files = footprint(server).memory_files;
    Weight {
        own: all.iter().map(|process| process.own).sum::<u64>() + files,
        pss: all.iter().map(|process| process.pss).sum::<u64>() + files,
        rss: all.iter().map(|process| process.rss).sum::<u64>() + files,
    }
}

/// Sends or reads the body, and weighs the server until it is over.
///
/// # Errors
///
/// The connection broke, or what came is no answer.
pub fn large(plan: &LargePlan<'_>) -> anyhow::Result<LargeReport> {
    let before = weight(plan.server);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let scales = scope.spawn(|| {
            let mut peak = before;
            while !over.load(Ordering::Relaxed) {
                let now = weight(plan.server);
                peak.own = peak.own.max(now.own);
                peak.pss = peak.pss.max(now.pss);
                peak.rss = peak.rss.max(now.rss);
                if pause(STEP).is_err() {
                    break;
                }
            }
            peak
        });
        let began = Instant::now();
        let answer = talk(plan);
        let elapsed = began.elapsed();
        over.store(true, Ordering::Relaxed);
        let peak = scales.join().unwrap_or_default();
        let Answer { head, text, bytes, others } = answer?;
        Ok(LargeReport { head, text, bytes, others, elapsed, before, peak })
    })
}

struct Answer {
    head: String,
    text: String,
    bytes: u64,
    others: u64,
}

fn talk(plan: &LargePlan<'_>) -> anyhow::Result<Answer> {
    let mut stream = TcpStream::connect(plan.address)?;
    stream.set_read_timeout(Some(Duration::from_secs(300)))?;
    let path = plan.path;
    match plan.upload {
        None => write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?,
        Some(size) => {
            write!(
                stream,
                "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"
            )?;
            let (block, mut left) = (vec![b'x'; BLOCK], size);
            while left > 0 {
                let part = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK);
                stream.write_all(&block[..part]).context("while the body was sent")?;
                left -= part as u64;
            }
        }
    }
    listen(&mut stream)
}

/// The answer, to the end of file.
fn listen(stream: &mut TcpStream) -> anyhow::Result<Answer> {
    let (wanted, holes) = (vec![b'x'; 4 * BLOCK], vec![0; 4 * BLOCK]);
    let mut buffer = vec![0; 4 * BLOCK];
    let mut first = Vec::new();
    let end = loop {
        let n = read(stream, &mut buffer).context("before the answer's head")?;
        ensure!(n > 0, "the connection ended before an answer's head");
        first.extend_from_slice(&buffer[..n]);
        if let Some(end) = first.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
    };
    let different = |bytes: &[u8]| {
        if bytes == &wanted[..bytes.len()] {
            return 0;
        }
        if bytes == &holes[..bytes.len()] {
            return bytes.len() as u64;
        }
        bytes.iter().map(|&byte| u64::from(byte != b'x')).sum()
    };
    let body = &first[end + 4..];
    let mut answer = Answer {
        head: String::from_utf8_lossy(&first[..end]).into_owned(),
        text: String::from_utf8_lossy(&body[..body.len().min(1000)]).into_owned(),
        bytes: body.len() as u64,
        others: body.chunks(BLOCK).map(different).sum(),
    };
    loop {
        let n = read(stream, &mut buffer).context("in the body")?;
        if n == 0 {
            return Ok(answer);
        }
        answer.bytes += n as u64;
        answer.others += different(&buffer[..n]);
    }
}

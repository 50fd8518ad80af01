//! The load generators of others: wrk and ab. How they are run, and what they print.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::figures::{Figures, SHARES};
use crate::interrupt::Interrupt;
use crate::pause;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// Kept connections.
    Wrk,
    /// A connection per request.
    Ab,
}

/// What it is to do.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) path: String,
    pub(crate) connections: u32,
    pub(crate) seconds: u32,
    /// Of wrk; ab has one.
    pub(crate) threads: u32,
}

impl Tool {
    /// The program.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Wrk => "wrk",
            Self::Ab => "ab",
        }
    }

    /// What Debian calls its package.
    pub(crate) fn package(self) -> &'static str {
        match self {
            Self::Wrk => "wrk",
            Self::Ab => "apache2-utils",
        }
    }

    /// Whether it can be run here.
    pub(crate) fn is_installed(self) -> bool {
        let mut command = Command::new(self.program());
        command.arg(if self == Self::Wrk { "-v" } else { "-V" });
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    }

    fn arguments(self, address: SocketAddr, ask: &Ask) -> Vec<String> {
        let Ask { path, connections, seconds, threads } = ask;
        let url = format!("http://{address}{path}");
        let line = match self {
            Self::Wrk => format!("-t{threads} -c{connections} -d{seconds}s --latency {url}"),
            Self::Ab => format!("-q -r -t {seconds} -n 10000000 -c {connections} {url}"),
        };
        line.split(' ').map(str::to_owned).collect()
    }

    fn read(self, text: &str) -> anyhow::Result<(Figures, f64)> {
        match self {
            Self::Wrk => wrk(text),
            Self::Ab => ab(text),
        }
    }

    /// Runs it. Gives its figures, and the number of requests that were answered.
    ///
    /// # Errors
    ///
    /// It is not installed, failed, or printed nothing that can be read.
    pub(crate) fn run(
        self,
        address: SocketAddr,
        ask: &Ask,
        interrupt: &Interrupt,
    ) -> anyhow::Result<(Figures, f64)> {
        let program = self.program();
        let child = Command::new(program)
            .args(self.arguments(address, ask))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{program} (apt-get install {})", self.package()))?;
        let patience = Duration::from_secs(u64::from(ask.seconds) + 30);
        let child = wait(child, patience, interrupt).context(program)?;
        let out = child.wait_with_output()?;
        let text = String::from_utf8_lossy(&out.stdout);
        if !out.status.success() {
            let why = String::from_utf8_lossy(&out.stderr);
            bail!("{program}: {}", why.trim().lines().last().unwrap_or("it failed"));
        }
        self.read(&text).with_context(|| format!("reading what {program} printed"))
    }
}

/// Waits for the end of a child, which is killed if that does not come.
///
/// # Errors
///
/// It did not come, or we were interrupted.
pub(crate) fn wait(
    mut child: Child,
    patience: Duration,
    interrupt: &Interrupt,
) -> anyhow::Result<Child> {
    let until = Instant::now() + patience;
    while child.try_wait()?.is_none() {
        if interrupt.is_set() || Instant::now() > until {
            _ = child.kill();
            _ = child.wait();
            interrupt.check()?;
            bail!("did not end within {patience:?}");
        }
        pause(Duration::from_millis(10))?;
    }
    Ok(child)
}

fn wrk(text: &str) -> anyhow::Result<(Figures, f64)> {
    let answered = before(text, " requests in ").context("no count of requests")?;
    let wrong = after(text, "Non-2xx or 3xx responses:").unwrap_or_default();
    let broken: f64 = match text.lines().find_map(|line| line.trim().strip_prefix("Socket errors:"))
    {
        Some(line) => line.split(',').filter_map(last_number).sum(),
        None => 0.0,
    };
    let rate = after(text, "Requests/sec:").context("no rate")?;
    let wait = |share: usize| {
        let label = format!("{}%", share / 10);
        let line = text.lines().find(|line| line.trim_start().starts_with(&label))?;
        milliseconds(line.split_whitespace().nth(1)?)
    };
    let mut waits = SHARES.map(|share| if share % 10 == 0 { wait(share) } else { None });
    if let Some(line) = text.lines().find(|line| line.trim_start().starts_with("Latency ")) {
        waits[SHARES.len() - 1] = line.split_whitespace().nth(3).and_then(milliseconds);
    }
    Ok((figures(rate, waits, wrong + broken), answered - wrong))
}

fn ab(text: &str) -> anyhow::Result<(Figures, f64)> {
    let answered = after(text, "Complete requests:").context("no count of requests")?;
    let failed = after(text, "Failed requests:").unwrap_or_default();
    let wrong = after(text, "Non-2xx responses:").unwrap_or_default();
    let rate = after(text, "Requests per second:").context("no rate")?;
    let wait = |share: usize| after(text, &format!("\n{:>4}%", share / 10));
    let waits = SHARES.map(|share| if share % 10 == 0 { wait(share) } else { None });
    Ok((figures(rate, waits, failed + wrong), answered - failed - wrong))
}

fn figures(rate: f64, waits: [Option<f64>; SHARES.len()], failures: f64) -> Figures {
    let failures = format!("{failures:.0}").parse().unwrap_or(u64::MAX);
    Figures { rate: Some(rate), waits, failures, ..Figures::default() }
}

/// The number behind a label.
fn after(text: &str, label: &str) -> Option<f64> {
    text.split_once(label)?.1.split_whitespace().next()?.parse().ok()
}

/// The number before a label.
fn before(text: &str, label: &str) -> Option<f64> {
    text.split_once(label)?.0.split_whitespace().next_back()?.parse().ok()
}

fn last_number(part: &str) -> Option<f64> {
    part.split_whitespace().next_back()?.parse().ok()
}

/// `1.20ms`, `83.83us`, `2.01s`, `1.1m`.
fn milliseconds(text: &str) -> Option<f64> {
    let at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let scale = match &text[at..] {
        "us" => return Some(text[..at].parse::<f64>().ok()? / 1000.0),
        "ms" => 1.0,
        "s" => 1000.0,
        "m" => 60_000.0,
        _ => return None,
    };
    Some(text[..at].parse::<f64>().ok()? * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRK: &str = "Running 1s test @ http://127.0.0.1:7711/
  1 threads and 30 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    83.83us   65.33us   1.92ms   92.65%
    Req/Sec    41.26k     3.80k   47.89k    72.73%
  Latency Distribution
     50%   71.00us
     75%   92.00us
     90%  131.00us
     99%    1.25ms
  45141 requests in 1.10s, 3.31MB read
  Socket errors: connect 0, read 1, write 0, timeout 2
  Non-2xx or 3xx responses: 40
Requests/sec:  41026.23
Transfer/sec:      3.01MB
";

    const AB: &str = "Complete requests:      31622
Failed requests:        2
Requests per second:    10540.33 [#/sec] (mean)
Percentage of the requests served within a certain time (ms)
  50%      2
  75%      3
  90%      3
  99%      6
 100%     21 (longest request)
";

    #[test]
    fn wrk_is_read() {
        let (figures, answered) = wrk(WRK).unwrap();
        assert!((answered - 45101.0).abs() < 0.1, "{answered}");
        assert_eq!((figures.rate, figures.failures), (Some(41026.23), 43));
        assert_eq!((figures.wait(500), figures.wait(990)), (Some(0.071), Some(1.25)));
        assert_eq!((figures.wait(999), figures.wait(1000)), (None, Some(1.92)));
    }

    #[test]
    fn ab_is_read() {
        let (figures, answered) = ab(AB).unwrap();
        assert!((answered - 31620.0).abs() < 0.1, "{answered}");
        assert_eq!((figures.rate, figures.failures), (Some(10540.33), 2));
        assert_eq!((figures.wait(500), figures.wait(1000)), (Some(2.0), Some(21.0)));
    }

    #[test]
    fn what_is_not_theirs_is_an_error() {
        assert!(wrk("").is_err());
        assert!(ab("apr_socket_recv: Connection refused (111)").is_err());
    }
}

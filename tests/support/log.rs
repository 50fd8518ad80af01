//! What the server said, line by line, and waiting for a line.
//!
//! A thread reads each stream to its end. The log is an interface: stories wait for its lines.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// The lines of one or two streams, in the order in which they came.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<(Mutex<Vec<String>>, Condvar)>);

impl Log {
    /// Collects `stream` until its end, in a thread of its own.
    pub(crate) fn follow(&self, stream: impl Read + Send + 'static) -> std::thread::JoinHandle<()> {
        let log = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                log.0.0.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
                log.0.1.notify_all();
            }
        })
    }

    /// How many lines there are: what [`Log::wait`] may start from.
    pub(crate) fn mark(&self) -> usize {
        self.0.0.lock().unwrap().len()
    }

    /// The first line at or after `mark` for which `wanted` holds, or `None` if `patience` ends first.
    pub(crate) fn wait(
        &self,
        mark: usize,
        patience: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let deadline = Instant::now() + patience;
        let mut lines = self.0.0.lock().unwrap();
        loop {
            if let Some(line) = lines.iter().skip(mark).find(|line| wanted(line)) {
                return Some(line.clone());
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            lines = self.0.1.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// Waits until there are at least so many lines for which `wanted` holds, and no longer than
    /// `patience`; gives back how many there are.
    pub(crate) fn count(
        &self,
        least: usize,
        patience: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> usize {
        let deadline = Instant::now() + patience;
        let mut lines = self.0.0.lock().unwrap();
        loop {
            let count = lines.iter().filter(|line| wanted(line)).count();
            let left = deadline.checked_duration_since(Instant::now());
            match left {
                Some(left) if count < least => {
                    lines = self.0.1.wait_timeout(lines, left).unwrap().0;
                }
                _ => return count,
            }
        }
    }

    /// All lines so far for which `wanted` holds.
    pub(crate) fn matching(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        self.0.0.lock().unwrap().iter().filter(|line| wanted(line)).cloned().collect()
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.0.0.lock().unwrap().iter() {
            writeln!(f, "  | {line}")?;
        }
        Ok(())
    }
}

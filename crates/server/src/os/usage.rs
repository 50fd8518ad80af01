//! What the kernel says that this thread has cost.

use std::mem::MaybeUninit;
use std::time::Duration;

/// What a thread has used since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time on a processor, in user and in kernel mode.
    pub ran: Duration,
    /// How often it has left the processor of its own accord, to wait for something.
    pub slept: u64,
}

impl Usage {
    /// What was used since `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            ran: self.ran.saturating_sub(earlier.ran),
            slept: self.slept.saturating_sub(earlier.slept),
        }
    }

    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self { ran: self.ran + other.ran, slept: self.slept + other.slept }
    }
}

/// What this thread has used.
pub fn of_thread() -> Usage {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the kernel writes one rusage where there is room for one. An error leaves the zeros, which
    // are valid for a struct of integers.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr());
        usage.assume_init()
    };
    Usage {
        ran: time(usage.ru_utime) + time(usage.ru_stime),
        slept: usage.ru_nvcsw.try_into().unwrap_or(0),
    }
}

fn time(time: libc::timeval) -> Duration {
    let microseconds = u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0))
        + Duration::from_micros(microseconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    #[test]
    fn running_and_sleeping_are_told_apart() {
        let before = of_thread();
        while of_thread().ran < before.ran + Duration::from_millis(20) {}
        let busy = of_thread();
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        let echo = std::thread::spawn(move || {
            let mut byte = [0];
            while theirs.read(&mut byte).unwrap() == 1 {
                theirs.write_all(&byte).unwrap();
            }
        });
        for _ in 0..20 {
            ours.write_all(b"x").unwrap();
            ours.read_exact(&mut [0]).unwrap();
        }
        drop(ours);
        echo.join().unwrap();
        assert!(of_thread().slept > busy.slept, "{busy:?} {:?}", of_thread());
    }
}

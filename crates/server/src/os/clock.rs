//! The clocks. Only the loops ask them; below a loop time is an argument.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

fn read(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds * 1000 + u64::try_from(now.tv_nsec / 1_000_000).unwrap_or(0)
}

/// Milliseconds of the monotonic clock, which is the same in all processes.
pub fn now() -> u64 {
    read(ClockId::Monotonic)
}

/// A time in whole milliseconds, which is what [`now`] counts in.
pub fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Time since 1970, to compare with what the kernel has stamped.
pub fn since_1970() -> Duration {
    let now = clock_gettime(ClockId::Realtime);
    let nanoseconds = u32::try_from(now.tv_nsec).unwrap_or(0);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), nanoseconds)
}

/// Seconds since 1970, for people and for `Date`. From the coarse clock: right to some
/// milliseconds, and no system call.
pub fn unix_seconds() -> u64 {
    let now = clock_gettime(ClockId::RealtimeCoarse);
    u64::try_from(now.tv_sec).unwrap_or(0)
}

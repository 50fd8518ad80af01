//! What the processes say to one another, over SEQPACKET pairs: a message is whole or not at all.
//!
//! [`job`]: the manager to whichever worker is free. [`message`]: one worker and the manager.
//! [`control`]: the supervisor and the manager. Beside them [`over`], in shared memory: what need not wake
//! anybody.

pub mod control;
pub mod job;
pub mod message;
pub mod over;
pub mod socket;
mod wire;

//! The path of a request through Monoceros, in reading order.
pub mod config;
pub mod http;
pub mod log;
pub mod os;
pub mod worker;

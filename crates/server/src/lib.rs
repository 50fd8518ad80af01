//! The path of a request through Monoceros, in reading order.
pub mod http;
pub mod os;
pub mod worker;

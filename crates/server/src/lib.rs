//! The path of a request through Monoceros, in reading order.
mod access;
pub mod channel;
pub mod config;
pub mod http;
mod ledger;
mod limits;
pub mod listener;
pub mod log;
pub mod manager;
pub mod os;
pub mod ready;
pub mod scoreboard;
pub mod shared;
pub mod spool;
mod steps;
pub mod supervisor;
pub mod table;
pub mod worker;

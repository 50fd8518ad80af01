//! A worker: one process, one request at a time.
pub mod app;
pub mod reply;

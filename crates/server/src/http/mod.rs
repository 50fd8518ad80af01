//! HTTP/1, pure: bytes in, values out.
pub mod head;

//! shim/shim.h in Rust, in its order.

use std::ffi::{c_char, c_int};

/// Borrowed bytes; `at` may be null if `len` is 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Bytes {
    pub(crate) at: *const c_char,
    pub(crate) len: usize,
}

impl Bytes {
    pub(crate) const EMPTY: Self = Self { at: std::ptr::null(), len: 0 };

    /// The bytes.
    ///
    /// # Safety
    ///
    /// They are alive and unchanged for all of `'a`.
    pub(crate) unsafe fn as_slice<'a>(self) -> &'a [u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: not null as it has a length; alive and unchanged is this function's condition.
        unsafe { std::slice::from_raw_parts(self.at.cast(), self.len) }
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self { at: bytes.as_ptr().cast(), len: bytes.len() }
    }
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: Bytes,
    pub(crate) value: Bytes,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Var {
    pub(crate) key: c_int,
    pub(crate) name: Bytes,
    pub(crate) value: Bytes,
}

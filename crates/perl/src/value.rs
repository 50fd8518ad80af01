//! What crosses the boundary: variables of an env going in, fields and chunks coming out.
//!
//! All of it is borrowed. What goes in is copied by the shim before the call returns; what comes
//! out points into Perl's memory and is held by the borrow of an [`Answer`](crate::Answer).
//!
//! Not here: who fills them in (shim/value.c).

use std::marker::PhantomData;
use std::os::fd::BorrowedFd;

use crate::ffi;

/// A name that many requests use: registered once by [`Perl::keys`](crate::Perl::keys), a shared
/// key of perl from then on, and so cheaper than a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(u16);

impl Key {
    /// The `n`th name (from 0) of those given to [`Perl::keys`](crate::Perl::keys).
    pub const fn nth(n: u16) -> Self {
        Self(n)
    }
}

/// One string of an env: a name and its value, both bytes.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Var<'a> {
    raw: ffi::Var,
    life: PhantomData<&'a [u8]>,
}

impl<'a> Var<'a> {
    /// A variable with a registered name. One whose key was never registered is left out.
    pub fn keyed(key: Key, value: &'a [u8]) -> Self {
        let raw = ffi::Var { key: key.0.into(), name: ffi::Bytes::NONE, value: value.into() };
        Self { raw, life: PhantomData }
    }

    /// A variable with any other name.
    pub fn named(name: &'a [u8], value: &'a [u8]) -> Self {
        let raw = ffi::Var { key: -1, name: name.into(), value: value.into() };
        Self { raw, life: PhantomData }
    }
}

impl std::fmt::Debug for Var<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Var").field("key", &self.raw.key).finish_non_exhaustive()
    }
}

/// A field of an answer, as the application gave it: not checked, not trimmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name.
    pub name: &'a [u8],
    /// The value; empty if it was undef.
    pub value: &'a [u8],
}

/// The fields of an answer, in the application's order.
#[derive(Clone, Copy)]
pub struct Fields<'a> {
    raw: &'a [ffi::Field],
}

impl<'a> Fields<'a> {
    pub(crate) fn new(raw: &'a [ffi::Field]) -> Self {
        Self { raw }
    }

    /// How many there are.
    pub fn len(self) -> usize {
        self.raw.len()
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.raw.is_empty()
    }

    /// One after the other.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Field<'a>> {
        self.raw.iter().map(|raw| {
            // SAFETY: the shim wrote both slices and they live until `perl_release`; 'a is within
            // the borrow of the `Answer`, or the duration of the callback, that holds that off.
            unsafe { Field { name: raw.name.as_slice(), value: raw.value.as_slice() } }
        })
    }
}

impl std::fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The pieces of a body that is an array; a piece may be empty.
#[derive(Clone, Copy)]
pub struct Chunks<'a> {
    raw: &'a [ffi::Bytes],
}

impl<'a> Chunks<'a> {
    pub(crate) fn new(raw: &'a [ffi::Bytes]) -> Self {
        Self { raw }
    }

    /// How many pieces there are.
    pub fn len(self) -> usize {
        self.raw.len()
    }

    /// Whether there are none. (All of them may still be empty.)
    pub fn is_empty(self) -> bool {
        self.raw.is_empty()
    }

    /// One after the other.
    pub fn iter(self) -> impl ExactSizeIterator<Item = &'a [u8]> {
        self.raw.iter().map(|raw| {
            // SAFETY: as in `Fields::iter`: written by the shim, held by the borrow behind 'a.
            unsafe { raw.as_slice() }
        })
    }
}

impl std::fmt::Debug for Chunks<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter().map(<[u8]>::len)).finish()
    }
}

/// A body that is a regular file without a translating layer: it need not go through Perl.
#[derive(Debug, Clone, Copy)]
pub struct FileBody<'a> {
    /// The file; Perl's own descriptor.
    pub fd: BorrowedFd<'a>,
    /// Where the application's handle stands: from here.
    pub offset: u64,
    /// How many bytes there were from there to the end when the response was looked at.
    pub length: u64,
}

//! Memory that every process of a generation sees: mapped once, before forking, shared by all.
//!
//! What lies in it is made of atomics alone, so a reference may be held by any number of processes
//! at once, and a process that is killed in the middle of anything leaves valid values behind.
//! Pages that nobody touches cost nothing.

use std::io;
use std::marker::PhantomData;
use std::mem::{align_of, size_of};
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU16, AtomicU32, AtomicU64};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// Types that may lie in [`Pages`].
///
/// # Safety
///
/// Every bit pattern of zeros is a valid value, all of it is atomics (or padding), it holds no
/// pointer, and it has no `Drop`.
pub unsafe trait Zeroable: Sync {}

// SAFETY: an atomic integer; zero is one of its values.
unsafe impl Zeroable for AtomicI32 {}
// SAFETY: an atomic integer; zero is one of its values.
unsafe impl Zeroable for AtomicU8 {}
// SAFETY: an atomic integer; zero is one of its values.
unsafe impl Zeroable for AtomicU16 {}
// SAFETY: an atomic integer; zero is one of its values.
unsafe impl Zeroable for AtomicU32 {}
// SAFETY: an atomic integer; zero is one of its values.
unsafe impl Zeroable for AtomicU64 {}
// SAFETY: an array has no bytes but its elements'.
unsafe impl<T: Zeroable, const N: usize> Zeroable for [T; N] {}

/// Makes a struct [`Zeroable`] whose fields all are, and checks that they are.
macro_rules! zeroable {
    ($name:ident { $($field:ident: $kind:ty),* $(,)? }) => {
        const _: fn(&$name) = |it| {
            fn each<T: $crate::os::shared::Zeroable>(_: &T) {}
            $(each::<$kind>(&it.$field);)*
            let $name { $($field: _),* } = it;
        };
        // SAFETY: the function above does not compile unless every field is `Zeroable`, and the
        // pattern in it names them all.
        unsafe impl $crate::os::shared::Zeroable for $name {}
    };
}
pub(crate) use zeroable;

/// A shared slice of `T`, zero at first.
#[derive(Debug)]
pub struct Pages<T: Zeroable> {
    at: NonNull<T>,
    len: usize,
    owns: PhantomData<T>,
}

impl<T: Zeroable> Pages<T> {
    /// Maps room for `len` values, all zero.
    ///
    /// # Errors
    ///
    /// The kernel has no such memory.
    pub fn new(len: usize) -> io::Result<Self> {
        assert!(align_of::<T>() <= 4096, "a page is aligned to 4096 bytes");
        let bytes = Self::bytes(len);
        // SAFETY: a new mapping at an address that the kernel chooses; nothing is replaced.
        let at = unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
            )
        }?;
        let at = NonNull::new(at.cast::<T>()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { at, len, owns: PhantomData })
    }

    fn bytes(len: usize) -> usize {
        len.saturating_mul(size_of::<T>()).max(1)
    }
}

impl<T: Zeroable> Deref for Pages<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `at` is a mapping of at least `len` values that lives until `self` is dropped;
        // zeros are valid for `T`, and `T` is all atomics, so others may write at the same time.
        unsafe { slice::from_raw_parts(self.at.as_ptr(), self.len) }
    }
}

impl<T: Zeroable> Drop for Pages<T> {
    fn drop(&mut self) {
        // SAFETY: this very mapping was made in `new`, and `&mut self` says that nobody in this
        // process borrows from it. Other processes have mappings of their own.
        // An error would mean that it was no mapping: there is nothing to be done about it here.
        let _ = unsafe { munmap(self.at.as_ptr().cast(), Self::bytes(self.len)) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering::SeqCst;

    #[test]
    fn pages_are_zero_at_first_and_keep_what_is_stored() {
        let pages = Pages::<AtomicU64>::new(1000).unwrap();
        assert!(pages.iter().all(|value| value.load(SeqCst) == 0));
        pages[999].store(7, SeqCst);
        assert_eq!((pages.len(), pages[999].load(SeqCst)), (1000, 7));
    }
}

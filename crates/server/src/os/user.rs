//! Users and groups by name, as the host's databases know them.

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::ptr;

/// Bytes for one entry's strings; a group of very many members needs more, and is then not found.
const ROOM: usize = 64 * 1024;

/// The number of a user, given by name or by number. `None`: there is no such user.
pub fn user(name: &str) -> Option<u32> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    let name = CString::new(name).ok()?;
    user_named(&name)
}

/// The number of a group, given by name or by number. `None`: there is no such group.
pub fn group(name: &str) -> Option<u32> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    let name = CString::new(name).ok()?;
    group_named(&name)
}

fn user_named(name: &CStr) -> Option<u32> {
    let mut strings = vec![0; ROOM];
    let mut entry = MaybeUninit::<libc::passwd>::zeroed();
    let mut found = ptr::null_mut();
    // SAFETY: `name` ends with NUL; `entry`, `strings` (of the length given) and `found` live
    // across the call, and `found` is null or points at `entry`, which is then filled in. Only a
    // number is taken out of it.
    unsafe {
        let (at, len) = (strings.as_mut_ptr(), strings.len());
        libc::getpwnam_r(name.as_ptr(), entry.as_mut_ptr(), at, len, &raw mut found);
        found.as_ref().map(|entry| entry.pw_uid)
    }
}

fn group_named(name: &CStr) -> Option<u32> {
    let mut strings = vec![0; ROOM];
    let mut entry = MaybeUninit::<libc::group>::zeroed();
    let mut found = ptr::null_mut();
    // SAFETY: as in `user_named`, with the group database's types.
    unsafe {
        let (at, len) = (strings.as_mut_ptr(), strings.len());
        libc::getgrnam_r(name.as_ptr(), entry.as_mut_ptr(), at, len, &raw mut found);
        found.as_ref().map(|entry| entry.gr_gid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_found_and_nobody_else() {
        assert_eq!((user("root"), group("root")), (Some(0), Some(0)));
        assert_eq!((user("4711"), group("4711")), (Some(4711), Some(4711)));
        assert_eq!((user("no such user"), group("no\0group")), (None, None));
    }
}

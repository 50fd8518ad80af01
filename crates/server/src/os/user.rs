//! Users and groups by name, as the host's databases know them, and becoming one of them.

use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::ptr;

/// Bytes for one entry's strings; a group of very many members needs more, and is then not found.
const ROOM: usize = 64 * 1024;

/// The number of a user, given by name or by number. `None`: there is no such user.
pub fn user(name: &str) -> Option<u32> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    Some(account(name)?.user)
}

/// A user, as far as a process needs to know it to become that user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub user: u32,
    /// Its main group.
    pub group: u32,
    /// Its name, by which its other groups are found.
    pub name: CString,
}

/// A user's account, by name or by number. `None`: the databases have none.
pub fn account(name: &str) -> Option<Account> {
    let text = CString::new(name).ok()?;
    let mut strings = vec![0; ROOM];
    let mut entry = MaybeUninit::<libc::passwd>::zeroed();
    let mut found = ptr::null_mut();
    let (at, len) = (strings.as_mut_ptr(), strings.len());
    // SAFETY: `text` ends with NUL; `entry`, `strings` (of the length given) and `found` live
    // across the call, and `found` is null or points at `entry`, which is then filled in; its name
    // is a string in `strings` that ends with NUL, and is copied here.
    unsafe {
        match name.parse() {
            Ok(id) => libc::getpwuid_r(id, entry.as_mut_ptr(), at, len, &raw mut found),
            Err(_) => libc::getpwnam_r(text.as_ptr(), entry.as_mut_ptr(), at, len, &raw mut found),
        };
        found.as_ref().map(|entry| Account {
            user: entry.pw_uid,
            group: entry.pw_gid,
            name: CStr::from_ptr(entry.pw_name).to_owned(),
        })
    }
}

/// Gives this process `group` and, if a name is given, that user's further groups; without one it
/// has no others. For root, and before [`become_user`].
///
/// # Errors
///
/// The kernel does not allow it, or the groups cannot be read.
pub fn become_group(group: u32, name: Option<&CStr>) -> io::Result<()> {
    // SAFETY: the name ends with NUL, the list has the one number that is announced, and both live
    // across the calls. libc changes all threads of the process alike.
    let done = unsafe {
        let groups = match name {
            Some(name) => libc::initgroups(name.as_ptr(), group),
            None => libc::setgroups(1, &raw const group),
        };
        groups == 0 && libc::setresgid(group, group, group) == 0
    };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes this process that user's, for good.
///
/// # Errors
///
/// The kernel does not allow it, or allows to go back.
pub fn become_user(user: u32) -> io::Result<()> {
    // SAFETY: these calls take numbers and touch no memory of ours.
    unsafe {
        if libc::setresuid(user, user, user) != 0 {
            return Err(io::Error::last_os_error());
        }
        if user != 0 && libc::setuid(0) == 0 {
            return Err(io::Error::other("root could be had again"));
        }
    }
    Ok(())
}

/// The number of a group, given by name or by number. `None`: there is no such group.
pub fn group(name: &str) -> Option<u32> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    let name = CString::new(name).ok()?;
    group_named(&name)
}

fn group_named(name: &CStr) -> Option<u32> {
    let mut strings = vec![0; ROOM];
    let mut entry = MaybeUninit::<libc::group>::zeroed();
    let mut found = ptr::null_mut();
    // SAFETY: as in `account`, with the group database's types.
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
        let root = account("root").unwrap();
        assert_eq!((root.user, root.group, root.name.as_c_str()), (0, 0, c"root"));
        assert_eq!((account("0"), account("3999999999")), (Some(root), None));
    }
}

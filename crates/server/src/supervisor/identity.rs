//! Who the server becomes when it has bound its addresses and opened its files (`user`, `group`).
//!
//! The supervisor itself, and with it everything that it forks: nothing it does later needs root. It
//! is before the application is loaded, so that no code of the application's runs as root; under
//! plackup alone it was loaded before.
//!
//! What root has made until then is given away: log files, so that they can be opened anew, and the pid
//! file. UNIX sockets are given away when they are bound ([`listen`](super::listen)).

use std::ffi::CString;
use std::io;
use std::os::unix::fs::chown;
use std::path::Path;

use crate::config::Config;
use crate::os::user;

/// A user or a group to become, or both.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity {
    user: Option<u32>,
    group: Option<u32>,
    /// By which the further groups are found.
    name: Option<CString>,
}

impl Identity {
    /// Who is asked for. `None`: nobody, or who this process is already.
    ///
    /// # Errors
    ///
    /// There is nobody of that name, or this process may not become anybody else. Nothing has
    /// changed.
    pub(super) fn find(config: &Config) -> Result<Option<Self>, String> {
        let now = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Self::asked(config.user.as_deref(), config.group.as_deref())?.allowed(now)
    }

    fn asked(asked: Option<&str>, of: Option<&str>) -> Result<Self, String> {
        let group =
            of.map(|name| user::group(name).ok_or(format!("group: there is no group {name}")));
        let group = group.transpose()?;
        let Some(asked) = asked else { return Ok(Self { user: None, group, name: None }) };
        if let Some(account) = user::account(asked) {
            let group = group.or(Some(account.group));
            return Ok(Self { user: Some(account.user), group, name: Some(account.name) });
        }
        match (asked.parse(), group) {
            (Ok(number), Some(_)) => Ok(Self { user: Some(number), group, name: None }),
            (Ok(_), None) => Err(format!("user: {asked} has no account, so say a group, too")),
            (Err(_), _) => Err(format!("user: there is no user {asked}")),
        }
    }

    fn allowed(self, (user, group): (u32, u32)) -> Result<Option<Self>, String> {
        let same = self.user.is_none_or(|it| it == user) && self.group.is_none_or(|it| it == group);
        match (same, user) {
            // Root's further groups are given up, if that was asked.
            (true, 0) if self != (Self { user: None, group: None, name: None }) => Ok(Some(self)),
            (true, _) => Ok(None),
            (false, 0) => Ok(Some(self)),
            (false, _) => Err(format!(
                "user, group: only root may become somebody else, and this process is user {user}, \
                 group {group}"
            )),
        }
    }

    /// Gives a file away that was made for this identity.
    ///
    /// # Errors
    ///
    /// The file system does not allow it.
    pub(super) fn own(&self, path: &Path) -> io::Result<()> {
        chown(path, self.user, self.group)
    }

    /// Becomes it, for good.
    ///
    /// # Errors
    ///
    /// The kernel does not allow it (a container without that capability): the server must not go on.
    pub(super) fn take_on(&self) -> io::Result<()> {
        if let Some(group) = self.group {
            user::become_group(group, self.name.as_deref())?;
        }
        self.user.map_or(Ok(()), user::become_user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(user: &str, group: &str, now: (u32, u32)) -> Result<Option<Identity>, String> {
        let said = |name| Some(name).filter(|name: &&str| !name.is_empty());
        Identity::asked(said(user), said(group))?.allowed(now)
    }

    fn identity(user: Option<u32>, group: Option<u32>, name: Option<&str>) -> Identity {
        Identity { user, group, name: name.map(|name| CString::new(name).unwrap()) }
    }

    #[test]
    fn root_may_become_anybody_who_is_known() {
        let root = identity(Some(0), Some(0), Some("root"));
        assert_eq!(find("root", "", (0, 0)), Ok(Some(root)));
        let number = identity(Some(4_000_000), Some(4_711), None);
        assert_eq!(find("4000000", "4711", (0, 0)), Ok(Some(number)));
        assert_eq!(find("", "4711", (0, 0)), Ok(Some(identity(None, Some(4_711), None))));
        assert_eq!(find("", "", (0, 0)), Ok(None));
        assert!(find("no-such-user", "", (0, 0)).unwrap_err().contains("no user no-such-user"));
        assert!(find("", "no-such-group", (0, 0)).unwrap_err().contains("no group"));
        assert!(find("4000000", "", (0, 0)).unwrap_err().contains("say a group"));
    }

    #[test]
    fn others_are_who_they_are() {
        assert_eq!(find("", "", (1_000, 1_000)), Ok(None));
        assert_eq!(find("4000000", "4711", (4_000_000, 4_711)), Ok(None), "the same");
        for group in ["", "4711"] {
            assert!(find("root", group, (1_000, 1_000)).unwrap_err().contains("only root"));
        }
    }
}

//! Who the server becomes when it has bound its addresses and opened its files (`user`, `group`).
//!
//! The supervisor itself, and with it everything that it forks: nothing it does later needs root. It
//! is before the application is loaded, so that no code of the application's runs as root; under
//! plackup alone it was loaded before.
//!
//! What root has made until then is given away: log files, so that they can be opened anew, and the pid
//! file; no links, and no devices. UNIX sockets are given away when they are bound ([`listen`](super::listen)).

use std::ffi::CString;
use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid, chownat, fstat, open};
use tracing::info;

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

    /// Gives a file away that was made for this identity. Not what a link leads to, nor a file that has
    /// other names: whoever may write to the folder could have put somebody else's file there. Nor
    /// a device: `/dev/null` is everybody's.
    ///
    /// # Errors
    ///
    /// The file system does not allow it.
    pub(super) fn own(&self, path: &Path) -> io::Result<()> {
        // /dev is root's: /dev/stdout leads to what root has been given.
        let links = match path.parent() == Some(Path::new("/dev")) {
            true => OFlags::empty(),
            false => OFlags::NOFOLLOW,
        };
        let file = open(path, OFlags::PATH | OFlags::CLOEXEC | links, Mode::empty())?;
        let stat = fstat(&file)?;
        let may = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => stat.st_nlink == 1,
            kind => kind == FileType::Fifo,
        };
        if !may {
            info!("{} stays whose it is: no file with this one name", path.display());
            return Ok(());
        }
        let (user, group) = (self.user.map(Uid::from_raw), self.group.map(Gid::from_raw));
        Ok(chownat(&file, "", user, group, AtFlags::EMPTY_PATH)?)
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
    fn only_a_file_of_ones_own_is_given_away() {
        use std::os::unix::fs::{MetadataExt, symlink};
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let top = std::env::temp_dir().join(format!("monoceros-own-{}", std::process::id()));
        _ = std::fs::remove_dir_all(&top);
        std::fs::create_dir(&top).unwrap();
        let at = |name: &str| top.join(name);
        for name in ["log", "secret", "shared"] {
            std::fs::write(at(name), "").unwrap();
        }
        symlink(at("secret"), at("link")).unwrap();
        std::fs::hard_link(at("shared"), at("other name")).unwrap();
        let other = identity(Some(4_711), Some(4_712), None);
        for name in ["log", "link", "shared"] {
            other.own(&at(name)).unwrap();
        }
        other.own(Path::new("/dev/null")).unwrap();
        let owner = |path: &Path| std::fs::metadata(path).map(|at| (at.uid(), at.gid())).unwrap();
        assert_eq!(owner(&at("log")), (4_711, 4_712));
        for path in [at("secret"), at("shared"), "/dev/null".into()] {
            assert_eq!(owner(&path), (0, 0), "{}", path.display());
        }
        std::fs::remove_dir_all(top).unwrap();
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

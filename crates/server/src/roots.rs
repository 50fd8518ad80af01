//! Files below folders that the operator has named, and no others (`sendfile-root`).
//!
//! The kernel resolves the whole name beneath the folder in one call (openat2, Linux 5.6), so neither
//! `..`, nor a symbolic link, nor a rename meanwhile leads out; links that stay inside are followed.
//! Folders are opened anew for each file, so whatever is there now under their names is what counts.
//!
//! Not here: what an answer with such a file is like (`worker/x_sendfile`).

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2};
use rustix::io::Errno;

/// How often a name is resolved again when a rename came in between.
const TRIES: usize = 16;

/// Why there is no file.
#[derive(Debug)]
pub(crate) enum Missing {
    /// There is none that may be sent: it does not exist, may not be read, is not regular, or is not
    /// below any of the folders. The text says which.
    Absent(String),
    /// It could not be found out.
    Failed(String),
}

/// Whether files can be opened below this folder.
///
/// # Errors
///
/// It is no folder, or the kernel has no openat2 (or a sandbox forbids it): `Unsupported`.
pub(crate) fn check(root: &Path) -> io::Result<()> {
    let folder = open_root(root)?;
    match beneath(&folder, Path::new("."), OFlags::PATH) {
        Ok(_) => Ok(()),
        Err(Errno::NOSYS | Errno::PERM) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this kernel, or this sandbox, has no openat2 (Linux 5.6)",
        )),
        Err(error) => Err(error.into()),
    }
}

/// Opens the regular file of this absolute name, which must be below one of `roots`, by the name that
/// the folder was given or by its real one. Returns its size, too.
pub(crate) fn open(roots: &[PathBuf], name: &[u8]) -> Result<(File, u64), Missing> {
    let path = Path::new(OsStr::from_bytes(name));
    let mut missing = None;
    for root in roots {
        let real = || std::fs::canonicalize(root).ok();
        let inside = path.strip_prefix(root).ok().map(Path::to_owned);
        let inside = inside
            .or_else(|| real().and_then(|real| path.strip_prefix(real).ok().map(Path::to_owned)));
        let Some(inside) = inside else { continue };
        match open_below(root, &inside) {
            Err(Missing::Absent(why)) => missing = Some(why),
            found => return found,
        }
    }
    Err(Missing::Absent(missing.unwrap_or_else(|| {
        let roots: Vec<_> = roots.iter().map(|root| root.display().to_string()).collect();
        format!("not below {} (sendfile-root)", roots.join(", "))
    })))
}

fn open_below(root: &Path, inside: &Path) -> Result<(File, u64), Missing> {
    let below = root.display();
    let absent = |why: &str| Missing::Absent(format!("below {below} (sendfile-root): {why}"));
    let folder = open_root(root)
        .map_err(|why| Missing::Failed(format!("the folder {below} (sendfile-root): {why}")))?;
    // Not blocking: opening a pipe would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = beneath(&folder, inside, flags).map_err(|error| match error {
        Errno::XDEV => absent("leads out of it"),
        Errno::NOENT
        | Errno::NOTDIR
        | Errno::LOOP
        | Errno::ACCESS
        | Errno::PERM
        | Errno::NAMETOOLONG
        | Errno::NXIO
        | Errno::NODEV => absent(&error.to_string()),
        _ => Missing::Failed(format!("below {below} (sendfile-root): {error}")),
    })?;
    let stat = fstat(&file).map_err(|why| Missing::Failed(why.to_string()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(absent("not a regular file"));
    }
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    Ok((file.into(), size))
}

fn open_root(root: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat(CWD, root, flags, Mode::empty())?)
}

fn beneath(folder: &OwnedFd, inside: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let mut last = Errno::AGAIN;
    for _ in 0..TRIES {
        match openat2(folder, inside, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(error @ (Errno::AGAIN | Errno::INTR)) => last = error,
            opened => return opened,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read as _;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder with a file inside, one beside, and links of all kinds.
    fn folders() -> (PathBuf, PathBuf) {
        let top = std::env::temp_dir().join(format!("monoceros-roots-{}", std::process::id()));
        _ = fs::remove_dir_all(&top);
        let root = top.join("root");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(root.join("inside"), "inside").unwrap();
        fs::write(root.join("sub/deep"), "deep").unwrap();
        fs::write(top.join("secret"), "secret").unwrap();
        fs::create_dir(top.join("root-too")).unwrap();
        fs::write(top.join("root-too/file"), "secret").unwrap();
        symlink("inside", root.join("link")).unwrap();
        symlink("../inside", root.join("sub/up")).unwrap();
        symlink("../secret", root.join("out")).unwrap();
        symlink(top.join("secret"), root.join("absolute")).unwrap();
        symlink(root.join("inside"), root.join("absolute-inside")).unwrap();
        symlink("..", root.join("parent")).unwrap();
        symlink("/proc/self/root", root.join("magic")).unwrap();
        symlink("root", top.join("current")).unwrap();
        rustix::fs::mkfifoat(CWD, root.join("pipe"), 0o600.into()).unwrap();
        (top, root)
    }

    fn text(roots: &[PathBuf], name: &Path) -> Result<String, Missing> {
        let (mut file, size) = open(roots, name.as_os_str().as_bytes())?;
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(u64::try_from(text.len()).unwrap(), size);
        Ok(text)
    }

    #[test]
    fn what_is_beneath_is_found_and_nothing_else() {
        let (top, root) = folders();
        check(&root).unwrap();
        assert!(check(&root.join("inside")).is_err() && check(&root.join("none")).is_err());
        let roots = [root.clone()];
        for (name, found) in [
            ("inside", "inside"),
            ("sub/deep", "deep"),
            ("link", "inside"),
            ("sub/up", "inside"),
            ("sub/../inside", "inside"),
            (".//sub/./deep", "deep"),
        ] {
            assert_eq!(text(&roots, &root.join(name)).unwrap(), found, "{name}");
        }
        for name in [
            "",
            ".",
            "sub",
            "none",
            "inside/more",
            "pipe",
            "out",
            "absolute",
            "absolute-inside",
            "parent/secret",
            "parent/root/inside",
            "magic/etc/passwd",
            "../secret",
            "sub/../../secret",
            "../root/inside",
        ] {
            let found = text(&roots, &root.join(name));
            assert!(matches!(found, Err(Missing::Absent(_))), "{name}: {found:?}");
        }
        let long = format!("/{}", "x".repeat(5000));
        for name in ["/etc/passwd", "inside", "", "/", "/proc/self/environ", long.as_str()] {
            let found = text(&roots, Path::new(name));
            assert!(matches!(found, Err(Missing::Absent(_))), "{name}: {found:?}");
        }
        let beside = text(&roots, &top.join("root-too/file"));
        assert!(matches!(beside, Err(Missing::Absent(_))), "{beside:?}");
        fs::remove_dir_all(top).unwrap();
    }

    #[test]
    fn a_folder_may_be_called_by_its_real_name_and_there_may_be_several() {
        let top = std::env::temp_dir().join(format!("monoceros-roots-2-{}", std::process::id()));
        _ = fs::remove_dir_all(&top);
        for folder in ["one", "two", "two/inner"] {
            fs::create_dir_all(top.join(folder)).unwrap();
            fs::write(top.join(folder).join("file"), folder).unwrap();
        }
        symlink("two", top.join("current")).unwrap();
        let roots = [top.join("one"), top.join("current"), top.join("two/inner")];
        for (name, found) in [
            ("one/file", "one"),
            ("current/file", "two"),
            ("two/file", "two"),
            ("two/inner/file", "two/inner"),
        ] {
            assert_eq!(text(&roots, &top.join(name)).unwrap(), found, "{name}");
        }
        fs::remove_dir_all(top).unwrap();
    }
}

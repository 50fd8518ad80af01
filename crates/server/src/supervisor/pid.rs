//! The pid file: locked as long as the server runs, so that a second one with the same file fails.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// A pid file that is ours.
#[derive(Debug)]
pub(super) struct PidFile {
    path: PathBuf,
    file: File,
}

impl PidFile {
    /// Makes the file, or takes one that nobody holds. It says nothing yet.
    ///
    /// # Errors
    ///
    /// `WouldBlock`: a server that runs has it. Others: it cannot be made.
    pub(super) fn take(path: &Path) -> io::Result<Self> {
        // Absolute, because the application may change the folder.
        let path = std::path::absolute(path)?;
        loop {
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
            flock(&file, FlockOperation::NonBlockingLockExclusive)?;
            // Its last owner may have removed it between our opening and our locking.
            if fs::metadata(&path)
                .is_ok_and(|at| at.ino() == file.metadata().map_or(0, |f| f.ino()))
            {
                return Ok(Self { path, file });
            }
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the pid. To be called when signals are handled: who reads it may send one.
    ///
    /// # Errors
    ///
    /// The disk is full.
    pub(super) fn write(&mut self, pid: i32) -> io::Result<()> {
        self.file.set_len(0)?;
        writeln!(self.file, "{pid}")
    }

    /// Removes the file, or empties it if its folder is not ours any more (`user`). Only then the lock
    /// goes.
    pub(super) fn remove(self) {
        // Somebody else may have removed it: that is as well.
        if fs::remove_file(&self.path).is_err() {
            let _ = self.file.set_len(0);
        }
    }
}

/// The pid that a file says, if it says one.
pub(super) fn said(path: &Path) -> Option<i32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_file_is_one_servers_at_a_time_and_goes_with_it() {
        let path = std::env::temp_dir().join(format!("monoceros-pid-{}", std::process::id()));
        fs::write(&path, "a longer pid of somebody who was killed").unwrap();
        let mut first = PidFile::take(&path).unwrap();
        first.write(4711).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "4711\n");
        let error = PidFile::take(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(said(&path), Some(4711));
        first.remove();
        assert!(!path.exists());
        PidFile::take(&path).unwrap().remove();
    }
}

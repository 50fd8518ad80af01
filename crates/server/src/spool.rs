//! Files without a name, for what is too large or too early for memory: request bodies on their
//! way in, the rest of answers on their way out.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{MemfdFlags, Mode, OFlags};

/// From this size on an answer's rest is a file on disk rather than memory.
pub const MOST_IN_MEMORY: u64 = 1 << 20;

/// Makes an unlinked file in a directory.
///
/// # Errors
///
/// The directory cannot be written to, or its disk is full.
pub fn on_disk(dir: &Path) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::open(dir, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => Ok(file.into()),
        // Not every file system can make a file without a name.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR) => named_then_unlinked(dir),
        Err(error) => Err(error.into()),
    }
}

fn named_then_unlinked(dir: &Path) -> io::Result<File> {
    let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
    for attempt in 0..100 {
        let path = dir.join(format!(".monoceros-{}-{attempt}", std::process::id()));
        match File::options().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => {
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

/// Makes a file in memory.
///
/// # Errors
///
/// Descriptors or memory have run out.
pub fn in_memory() -> io::Result<File> {
    Ok(rustix::fs::memfd_create("monoceros", MemfdFlags::CLOEXEC)?.into())
}

/// Where a spooled answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nowhere of ours: it is a file of the application's.
    Elsewhere,
    /// In memory.
    Memory,
    /// In the spool directory.
    Disk,
}

/// How much may be added, of all that is spooled.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Bytes in memory.
    pub memory: u64,
    /// Bytes on disk.
    pub disk: u64,
}

impl Room {
    /// For those who are alone: no limit.
    pub const ALL: Self = Self { memory: u64::MAX, disk: u64::MAX };
}

/// A file that grows: in memory at first, on disk beyond [`MOST_IN_MEMORY`].
#[derive(Debug)]
pub struct Spool {
    file: File,
    len: u64,
    place: Place,
    room: Room,
}

impl Spool {
    /// An empty one that will hold about `expected` bytes.
    ///
    /// # Errors
    ///
    /// As [`on_disk`] and [`in_memory`]; `QuotaExceeded` if there is no room for it anywhere.
    pub fn new(dir: &Path, expected: u64, room: Room) -> io::Result<Self> {
        let (file, place) = if expected <= MOST_IN_MEMORY.min(room.memory) {
            (in_memory()?, Place::Memory)
        } else if expected <= room.disk {
            (on_disk(dir)?, Place::Disk)
        } else {
            return Err(io::ErrorKind::QuotaExceeded.into());
        };
        Ok(Self { file, len: 0, place, room })
    }

    /// Where it is.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Bytes in it.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends all of `bytes`.
    ///
    /// # Errors
    ///
    /// The disk is full, or broken.
    pub fn push(&mut self, dir: &Path, bytes: &[u8]) -> io::Result<()> {
        let len = u64::try_from(bytes.len()).map_err(io::Error::other)?;
        let after = self.len + len;
        if self.place == Place::Memory && after > MOST_IN_MEMORY.min(self.room.memory) {
            self.move_to_disk(dir)?;
        }
        if self.place == Place::Disk && after > self.room.disk {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        self.file.write_all(bytes)?;
        self.len += len;
        Ok(())
    }

    fn move_to_disk(&mut self, dir: &Path) -> io::Result<()> {
        let mut disk = on_disk(dir)?;
        let (mut at, mut buffer) = (0, vec![0; 64 * 1024]);
        while at < self.len {
            let n = self.file.read_at(&mut buffer, at)?;
            disk.write_all(buffer.get(..n).unwrap_or_default())?;
            at += u64::try_from(n).map_err(io::Error::other)?;
        }
        (self.file, self.place) = (disk, Place::Disk);
        Ok(())
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The file, for whoever takes it over.
    pub fn into_file(self) -> File {
        self.file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spool_keeps_its_bytes_when_it_outgrows_memory() {
        let dir = std::env::temp_dir();
        let mut spool = Spool::new(&dir, 10, Room::ALL).unwrap();
        let mut all = Vec::new();
        for n in 0..40_u8 {
            let piece = vec![n; 50_000];
            spool.push(&dir, &piece).unwrap();
            all.extend(piece);
        }
        assert_eq!(spool.len(), 2_000_000);
        let mut back = vec![0; all.len()];
        spool.into_file().read_exact_at(&mut back, 0).unwrap();
        assert!(back == all);
    }

    #[test]
    fn what_has_no_room_in_memory_is_on_disk_and_beyond_that_an_error() {
        let dir = std::env::temp_dir();
        let room = Room { memory: 10, disk: 20 };
        let mut spool = Spool::new(&dir, 10, room).unwrap();
        spool.push(&dir, &[1; 10]).unwrap();
        assert_eq!(spool.place(), Place::Memory);
        spool.push(&dir, &[2; 10]).unwrap();
        assert_eq!((spool.place(), spool.len()), (Place::Disk, 20));
        let kind = |result: io::Result<()>| result.unwrap_err().kind();
        assert_eq!(kind(spool.push(&dir, &[3])), io::ErrorKind::QuotaExceeded);
        assert_eq!(kind(Spool::new(&dir, 21, room).map(drop)), io::ErrorKind::QuotaExceeded);
    }

    #[test]
    fn a_file_on_disk_has_no_name() {
        let dir = std::env::temp_dir().join(format!("monoceros-spool-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let file = on_disk(&dir).unwrap();
        let other = named_then_unlinked(&dir).unwrap();
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
        drop((file, other));
        std::fs::remove_dir(&dir).unwrap();
    }
}

//! What a server weighs: every process below a supervisor, its memory and its descriptors.
//!
//! Files in memory that no process has mapped belong to nobody's proportional share, so they are
//! looked for among the descriptors, and counted once however many processes hold them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;

/// One process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Whether it is one of our workers, by its name.
    pub worker: bool,
    /// Resident memory in KiB, shared pages included.
    pub rss: u64,
    /// The same without pages of files, which the kernel drops and reads again as it likes.
    pub own: u64,
    /// Its proportional share of memory in KiB.
    pub pss: u64,
    /// Open descriptors.
    pub descriptors: usize,
}

/// All of them together, in KiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Proportional memory.
    pub pss: u64,
    /// Files in memory, unmapped.
    pub memory_files: u64,
    /// Files on disk that have no name any more: spools.
    pub disk_files: u64,
}

impl Footprint {
    /// What is memory, of both kinds.
    pub fn memory(&self) -> u64 {
        self.pss + self.memory_files
    }
}

/// What the kernel holds in TCP buffers for the whole machine, in KiB.
pub fn kernel_buffers() -> u64 {
    let text = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("TCP:")).unwrap_or_default();
    let pages: Option<u64> = line.split_once(" mem ").and_then(|(_, pages)| pages.parse().ok());
    pages.unwrap_or_default() * 4
}

/// `root` and its descendants, as they are now. Who ends meanwhile is left out.
pub fn pids(root: u32) -> BTreeSet<u32> {
    let mut pairs = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The name of a program may hold anything: start behind its end.
        let mut fields = stat.rsplit_once(") ").unwrap_or_default().1.split(' ');
        let alive = fields.next().is_some_and(|state| state != "Z");
        if let (true, Some(up)) = (alive, fields.next().and_then(|up| up.parse::<u32>().ok())) {
            pairs.push((pid, up));
        }
    }
    let mut tree = BTreeSet::from([root]);
    loop {
        let before = tree.len();
        let below: Vec<u32> =
            pairs.iter().filter(|(_, up)| tree.contains(up)).map(|(pid, _)| *pid).collect();
        tree.extend(below);
        if tree.len() == before {
            return tree;
        }
    }
}

/// Every process of the tree, weighed.
pub fn weigh(root: u32) -> Vec<Process> {
    let one = |pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| {
            let line = text.lines().chain(status.lines()).find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        };
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
        let own = field("RssAnon:")? + field("RssShmem:")?;
        let worker = status.starts_with("Name:\tmonoceros: work");
        Some(Process { pid, worker, rss: field("Rss:")?, own, pss: field("Pss:")?, descriptors })
    };
    pids(root).into_iter().filter_map(one).collect()
}

/// The whole tree, weighed.
pub fn footprint(root: u32) -> Footprint {
    let mut files = BTreeMap::new();
    for pid in pids(root) {
        for entry in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
            let name = fs::read_link(entry.path()).unwrap_or_default();
            let name = name.to_string_lossy();
            let in_memory = name.starts_with("/memfd:");
            if !in_memory && !name.ends_with("(deleted)") {
                continue;
            }
            // The link leads to the file itself, though nothing has its name any more.
            if let Ok(meta) = fs::metadata(entry.path()) {
                files.insert((meta.dev(), meta.ino()), (in_memory, meta.blocks() / 2));
            }
        }
    }
    let sum = |memory| files.values().filter(|(kind, _)| *kind == memory).map(|(_, kib)| kib).sum();
    Footprint {
        pss: weigh(root).iter().map(|process| process.pss).sum(),
        memory_files: sum(true),
        disk_files: sum(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_and_descriptors() {
        let own = std::process::id();
        let all = weigh(own);
        let me = all.iter().find(|process| process.pid == own).unwrap();
        assert!(me.rss > 0 && me.pss > 0 && me.descriptors >= 3, "{me:?}");
        assert!(footprint(own).memory() > 0);
    }
}

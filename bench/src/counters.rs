//! What the kernel counts of connections that did not go well.

use std::collections::BTreeMap;
use std::fs;

/// The counters that a storm must not move.
const WATCHED: [&str; 6] = [
    "ListenDrops",
    "ListenOverflows",
    "SyncookiesSent",
    "TCPReqQFullDrop",
    "TCPSynRetrans",
    "AttemptFails",
];

/// Their values, of the whole machine.
#[derive(Debug, Clone, Default)]
pub struct Counters(BTreeMap<&'static str, u64>);

impl Counters {
    /// As they are now.
    pub fn now() -> Self {
        let mut all = BTreeMap::new();
        for file in ["/proc/net/netstat", "/proc/net/snmp"] {
            let text = fs::read_to_string(file).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            for pair in lines.chunks(2) {
                let [names, values] = pair else { continue };
                let values = values.split(' ').map(str::parse);
                for (name, value) in names.split(' ').zip(values) {
                    let watched = WATCHED.iter().find(|watched| **watched == name);
                    if let (Some(watched), Ok(value)) = (watched, value) {
                        all.insert(*watched, value);
                    }
                }
            }
        }
        Self(all)
    }

    /// How much each has grown since.
    pub fn since(&self, before: &Self) -> BTreeMap<&'static str, u64> {
        let grown = |(name, value): (&&'static str, &u64)| {
            (*name, value.saturating_sub(before.0.get(name).copied().unwrap_or_default()))
        };
        self.0.iter().map(grown).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_has_all_of_them() {
        assert_eq!(Counters::now().0.len(), WATCHED.len());
    }
}

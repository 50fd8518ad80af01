//! Peers that are trusted: networks, and whoever comes over a UNIX socket.

use std::fmt;
use std::net::IpAddr;

/// Some peers, by network; none at first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peers {
    unix: bool,
    /// An address in it, and how many of its first bits count.
    networks: Vec<(IpAddr, u8)>,
}

impl Peers {
    /// Reads addresses, networks (`10.0.0.0/8`) and `unix`, separated by commas. `None`: one of them
    /// is none of these.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut peers = Self::default();
        for word in text.split(',').map(str::trim) {
            if word == "unix" {
                peers.unix = true;
                continue;
            }
            let (address, bits) = match word.split_once('/') {
                Some((address, bits)) => (address, Some(bits)),
                None => (word, None),
            };
            let address: IpAddr = address.parse().ok()?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
            let bits: u8 = Some(bits).filter(|bits| *bits <= most)?;
            // What is mapped into IPv6 is looked for as IPv4.
            let mapped = match (address, bits.checked_sub(96)) {
                (IpAddr::V6(address), Some(bits)) => address.to_ipv4_mapped().map(|it| (it, bits)),
                _ => None,
            };
            let network = mapped.map_or((address, bits), |(address, bits)| (address.into(), bits));
            peers.networks.push(network);
        }
        Some(peers)
    }

    /// These and those.
    pub(super) fn extend(&mut self, others: Self) {
        self.unix |= others.unix;
        self.networks.extend(others.networks);
    }

    /// Whether peers over UNIX sockets are among them.
    pub fn has_unix(&self) -> bool {
        self.unix
    }

    /// Whether this address is among them. An IPv4 address that is mapped into IPv6 counts as IPv4.
    pub fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|(network, bits)| match (network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differ = u32::from(*network) ^ u32::from(address);
                differ.checked_shr(32 - u32::from(*bits)).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differ = u128::from(*network) ^ u128::from(address);
                differ.checked_shr(128 - u32::from(*bits)).unwrap_or(0) == 0
            }
            _ => false,
        })
    }
}

/// As they were typed, or nearly; `none` if there are none.
impl fmt::Display for Peers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks = self.networks.iter().map(|(address, bits)| format!("{address}/{bits}"));
        let all: Vec<_> = networks.chain(self.unix.then(|| "unix".to_owned())).collect();
        out.write_str(if all.is_empty() { "none" } else { "" })?;
        out.write_str(&all.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(text: &str, address: &str) -> bool {
        Peers::read(text).unwrap().has(address.parse().unwrap())
    }

    #[test]
    fn a_network_is_all_addresses_with_its_first_bits() {
        for (text, inside, outside) in [
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("10.1.2.3/8", "10.255.255.255", "11.0.0.0"),
            ("192.0.2.128/25", "192.0.2.129", "192.0.2.127"),
            ("0.0.0.0/0", "255.0.0.1", "::1"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::10.0.0.1"),
            ("::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2"),
            ("::ffff:10.0.0.0/104", "10.255.0.1", "11.0.0.0"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::/0", "2001::1", "127.0.0.1"),
            ("unix, ::1", "::1", "::2"),
        ] {
            assert!(has(text, inside), "{inside} in {text}");
            assert!(!has(text, outside), "{outside} not in {text}");
        }
        assert!(Peers::read("::1,unix").unwrap().has_unix() && !Peers::default().has_unix());
        assert_eq!(Peers::read("unix,10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8,unix");
        assert_eq!(Peers::default().to_string(), "none");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "localhost", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.1/-1", "::1,"] {
            assert_eq!(Peers::read(text), None, "{text:?}");
        }
    }
}

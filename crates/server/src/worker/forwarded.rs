//! What a trusted proxy says of the client that it speaks for: X-Forwarded-For and X-Forwarded-Proto.
//!
//! Every proxy adds the address of its own peer at the right, so the list is true from the right up
//! to the first address that is no trusted proxy: that one is the client, and what stands left of it
//! is what the client has made up. Of several schemes the right-most counts, which is the nearest
//! proxy's.
//!
//! Not here: Forwarded (RFC 7239). A proxy that sets the one field passes the other as it came, so
//! whoever believed both would believe the client.

use std::net::{IpAddr, SocketAddr};

use super::app::{Forwarded, Peer};
use crate::config::Peers;
use crate::http::head::Field;

/// What is believed of what `peer` says. Nothing, unless it is one of `trusted`.
pub(super) fn believed(trusted: &Peers, peer: Peer, fields: &[Field<'_>]) -> Forwarded {
    let is_trusted = match peer {
        Peer::Tcp(address, _) => trusted.has(address),
        Peer::Unix => trusted.has_unix(),
    };
    if !is_trusted {
        return Forwarded::default();
    }
    let mut client = None;
    for word in from_the_right(fields, b"X-Forwarded-For") {
        // Whoever cannot be read is not trusted, and is nobody's address either.
        let Some((address, port)) = address(word) else { break };
        client = Some((address, port));
        if !trusted.has(address) {
            break;
        }
    }
    let scheme = from_the_right(fields, b"X-Forwarded-Proto").next();
    Forwarded { client, https: scheme.is_some_and(|word| word.eq_ignore_ascii_case(b"https")) }
}

/// The elements of a list that may be on several lines, the last one first.
fn from_the_right<'r>(fields: &'r [Field<'r>], name: &'r [u8]) -> impl Iterator<Item = &'r [u8]> {
    let lines = fields.iter().rev().filter(|field| field.name.eq_ignore_ascii_case(name));
    let words = lines.flat_map(|line| line.value.rsplit(|byte| *byte == b','));
    words.map(<[u8]>::trim_ascii).filter(|word| !word.is_empty())
}

/// An address as proxies write it, with or without a port: 0 is none.
fn address(word: &[u8]) -> Option<(IpAddr, u16)> {
    let text = std::str::from_utf8(word).ok()?;
    if let Ok(at) = text.parse::<SocketAddr>() {
        return Some((at.ip().to_canonical(), at.port()));
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    Some((bare.parse::<IpAddr>().ok()?.to_canonical(), 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Options;

    fn of(trusted: &str, peer: Peer, lines: &[(&str, &str)]) -> Forwarded {
        let mut options = Options::default();
        options.set("trusted-proxy", Some(trusted)).unwrap();
        let field = |(name, value): &(&'static str, &'static str)| Field {
            name: name.as_bytes(),
            value: value.as_bytes(),
        };
        let lines: Vec<_> = lines
            .iter()
            .map(|(name, value)| {
                let leak = |text: &str| &*Box::leak(text.to_owned().into_boxed_str());
                field(&(leak(name), leak(value)))
            })
            .collect();
        believed(&options.trusted_proxy, peer, &lines)
    }

    fn tcp(address: &str) -> Peer {
        Peer::Tcp(address.parse().unwrap(), 40_000)
    }

    /// The client, if 10.0.0.1 has said this.
    fn client(list: &str) -> Option<(String, u16)> {
        let said = of("10.0.0.0/8,::1", tcp("10.0.0.1"), &[("x-forwarded-for", list)]);
        said.client.map(|(address, port)| (address.to_string(), port))
    }

    #[test]
    fn the_client_is_the_right_most_who_is_no_trusted_proxy() {
        for (list, address, port) in [
            ("192.0.2.1", "192.0.2.1", 0),
            ("6.6.6.6, 192.0.2.1", "192.0.2.1", 0),
            ("6.6.6.6, 192.0.2.1 ,10.9.9.9,, ::1", "192.0.2.1", 0),
            ("192.0.2.1:4000", "192.0.2.1", 4000),
            ("[2001:db8::1]:4000", "2001:db8::1", 4000),
            ("[2001:db8::1]", "2001:db8::1", 0),
            ("::ffff:192.0.2.1", "192.0.2.1", 0),
            ("10.0.0.9, 10.0.0.8", "10.0.0.9", 0),
            ("192.0.2.1, unknown, 10.0.0.8", "10.0.0.8", 0),
        ] {
            assert_eq!(client(list), Some((address.to_owned(), port)), "{list}");
        }
        for list in ["", " ", "unknown", "6.6.6.6, localhost", "6.6.6.6, 192.0.2.1 x"] {
            assert_eq!(client(list), None, "{list}");
        }
    }

    #[test]
    fn several_lines_are_one_list() {
        let lines = [("X-Forwarded-For", "6.6.6.6"), ("A", "b"), ("x-forwarded-for", "192.0.2.1")];
        let said = of("unix", Peer::Unix, &lines);
        assert_eq!(said.client, Some(("192.0.2.1".parse().unwrap(), 0)));
    }

    #[test]
    fn nobody_else_is_believed() {
        let lines = [("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Proto", "https")];
        for (trusted, peer) in
            [("10.0.0.0/8", tcp("11.0.0.1")), ("10.0.0.0/8", Peer::Unix), ("unix", tcp("::1"))]
        {
            assert_eq!(of(trusted, peer, &lines), Forwarded::default());
        }
        let other = [("Forwarded", "for=192.0.2.1;proto=https"), ("X_Forwarded_For", "192.0.2.1")];
        assert_eq!(of("unix", Peer::Unix, &other), Forwarded::default());
    }

    #[test]
    fn the_scheme_is_the_nearest_proxys() {
        for (said, https) in
            [("https", true), ("HTTPS", true), ("https, http", false), ("http,https", true)]
        {
            let said = of("unix", Peer::Unix, &[("X-Forwarded-Proto", said)]);
            assert_eq!((said.https, said.client), (https, None));
        }
    }
}

//! The request line, complete and without its line end: method, target, version.
//!
//! The target is kept as sent. Only its form is looked at, and that its path can be decoded.

use super::head::Version;
use super::octets::{decimal, hex};
use super::refusal::Refusal;

/// What a request asks for, in the pieces that the application is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target<'b> {
    /// Path and query as sent, without scheme and authority.
    pub(super) uri: &'b [u8],
    /// The part of `uri` before the first `?`.
    pub(super) path: &'b [u8],
    /// The part of `uri` after it.
    pub(super) query: &'b [u8],
    /// The authority of an absolute-form, which replaces `Host`.
    pub(super) authority: Option<&'b [u8]>,
    /// `OPTIONS *`.
    pub(super) asterisk: bool,
}

/// Checks a request line, given without its CR LF and with a method that is known to be a token of
/// at most 32 bytes.
///
/// # Errors
///
/// 400 for what is no request line, 505 for a version that we do not speak, 501 for CONNECT.
///
/// # Source
///
/// RFC 9112 §3. The version comes before the target, because the preface of HTTP/2 is to be told
/// 505 although its target is `*`.
pub(super) fn check_line(line: &[u8]) -> Result<(), Refusal> {
    let malformed = || Refusal::new(400, "malformed request line");
    let mut parts = line.splitn(3, |&octet| octet == b' ');
    let (Some(method), Some(target), Some(version)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(malformed());
    };
    match version {
        b"HTTP/1.1" | b"HTTP/1.0" => read(method, target).map(|_| ()),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
            Err(Refusal::new(505, "only HTTP/1.0 and HTTP/1.1 are spoken here"))
        }
        _ => Err(malformed()),
    }
}

/// The version that a minor number of HTTP/1 means; `None` for any other.
pub(super) fn version(minor: u8) -> Option<Version> {
    match minor {
        0 => Some(Version::Http10),
        1 => Some(Version::Http11),
        _ => None,
    }
}

/// Reads a target in any of the forms of RFC 9112 §3.2.
///
/// # Errors
///
/// 501 for CONNECT, whatever its target; else 400.
pub(super) fn read<'b>(method: &[u8], target: &'b [u8]) -> Result<Target<'b>, Refusal> {
    if method == b"CONNECT" {
        return Err(Refusal::new(501, "CONNECT is for proxies"));
    }
    if !may_be_target(target) {
        return Err(Refusal::new(400, "an octet in the target that may not be there"));
    }
    match target {
        [b'/', ..] => origin_form(target, None),
        b"*" if method == b"OPTIONS" => {
            Ok(Target { uri: target, path: target, query: b"", authority: None, asterisk: true })
        }
        _ => absolute_form(target),
    }
}

/// Visible ASCII without `#`, and, beyond the grammar, UTF-8: curl sends what is typed.
fn may_be_target(target: &[u8]) -> bool {
    let mut ascii = true;
    for &octet in target {
        if octet <= b' ' || octet == 0x7f || octet == b'#' {
            return false;
        }
        ascii &= octet.is_ascii();
    }
    ascii || std::str::from_utf8(target).is_ok()
}

fn origin_form<'b>(uri: &'b [u8], authority: Option<&'b [u8]>) -> Result<Target<'b>, Refusal> {
    let (path, query) = match uri.iter().position(|&octet| octet == b'?') {
        Some(at) => {
            let (path, query) = uri.split_at(at);
            (path, query.get(1..).unwrap_or_default())
        }
        None => (uri, &b""[..]),
    };
    if !can_be_decoded(path) {
        return Err(Refusal::new(400, "%00, or % without two digits, in the path"));
    }
    Ok(Target { uri, path, query, authority, asterisk: false })
}

/// `http://authority/path?query`, as to a proxy.
fn absolute_form(target: &[u8]) -> Result<Target<'_>, Refusal> {
    let rest = ["http://", "https://"].iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme.as_bytes()).then_some(rest)
    });
    let Some(rest) = rest else {
        return Err(Refusal::new(400, "the target is neither a path nor an http URI"));
    };
    let end = rest.iter().position(|&octet| matches!(octet, b'/' | b'?'));
    let (authority, uri) = rest.split_at(end.unwrap_or(rest.len()));
    if !is_host(authority) {
        return Err(Refusal::new(400, "malformed authority in the target"));
    }
    match uri {
        [] => origin_form(b"/", Some(authority)),
        // "/?query" is nowhere in the bytes that were sent, and who sends this is no proxy.
        [b'?', ..] => Err(Refusal::new(400, "a query without a path in the target")),
        _ => origin_form(uri, Some(authority)),
    }
}

/// Whether every `%` has its two digits, and none of them makes a NUL, which would let what was
/// checked differ from what is served.
fn can_be_decoded(path: &[u8]) -> bool {
    let mut rest = path;
    while let Some(at) = rest.iter().position(|&octet| octet == b'%') {
        match rest.get(at + 1..) {
            Some([b'0', b'0', ..]) => return false,
            Some([high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                rest = after;
            }
            _ => return false,
        }
    }
    true
}

/// Whether `value` is a host and perhaps a port: a registered name, an IPv4 address or `[IPv6]`,
/// then perhaps `:` and a port of up to five digits, or none.
///
/// # Source
///
/// RFC 9110 §7.2, RFC 3986 §3.2.2. A name is not empty here: http URIs forbid that (RFC 9110
/// §4.2.1), and we have no other.
pub(super) fn is_host(value: &[u8]) -> bool {
    if let [b'[', rest @ ..] = value {
        let Some(end) = rest.iter().position(|&octet| octet == b']') else { return false };
        let (address, port) = rest.split_at(end);
        let address = std::str::from_utf8(address).unwrap_or_default();
        return address.parse::<std::net::Ipv6Addr>().is_ok() && port.get(1..).is_some_and(is_port);
    }
    let end = value.iter().position(|&octet| octet == b':').unwrap_or(value.len());
    let (name, port) = value.split_at(end);
    is_reg_name(name) && is_port(port)
}

/// `unreserved / pct-encoded / sub-delims` of RFC 3986 without the comma, in which two hosts could
/// be joined.
fn is_reg_name(name: &[u8]) -> bool {
    let plain = name.iter().all(|&octet| {
        octet.is_ascii_alphanumeric()
            || matches!(octet, b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')')
            || matches!(octet, b'*' | b'+' | b';' | b'=' | b'%')
    });
    !name.is_empty() && plain && can_be_decoded(name)
}

/// Nothing, or a colon and up to five digits.
fn is_port(port: &[u8]) -> bool {
    match port {
        [] | [b':'] => true,
        [b':', digits @ ..] => decimal(digits, 5).is_some_and(|port| port <= 65_535),
        _ => false,
    }
}

#[cfg(test)]
mod tests;

//! A request's head: the line and the fields, checked against every rule, as slices of the bytes
//! that came.
//!
//! A head that is here whole and right, which is nearly every one, costs one pass of `httparse` and
//! a few light checks. Whatever that pass does not like, and whatever comes in pieces, is read by
//! [`Scan`], which alone says what is wrong: so the answer does not depend on how the bytes came.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use super::framing::Framing;
use super::octets::hex;
use super::refusal::Refusal;
use super::target::{self, Target};
use super::{Limits, policy};

pub use super::scan::Scan;

/// The `why` of the [`Refusal`] of a TLS record, so that the log can name the listener.
pub const TLS: &str = "this is TLS, and plain HTTP is spoken here";

/// The version that a request says it speaks. Answers always say `HTTP/1.1` (RFC 9110 §2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// A field of a request or of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'b> {
    /// The name, in the case it was given in.
    pub name: &'b [u8],
    /// The value, without the whitespace around it in a request.
    pub value: &'b [u8],
}

/// What the `Connection` fields of a request say, all lines together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Connection {
    /// `close` is among the tokens.
    pub close: bool,
    /// `keep-alive` is among the tokens.
    pub keep_alive: bool,
    /// The request asks for another protocol as it must: HTTP/1.1, an `Upgrade` field, and
    /// `upgrade` among the tokens. Without this, an answer 101 is an error of the application.
    pub upgrade: bool,
}

/// A request's head that may be let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head<'b> {
    /// Bytes that the head takes, empty lines before it included: the body begins here.
    pub len: usize,
    /// The method, in the case it was sent in. 1 to 32 bytes.
    pub method: &'b str,
    /// `REQUEST_URI`: path and `?query` as sent; scheme and authority of an absolute-form cut.
    pub uri: &'b [u8],
    /// The path as sent, not decoded: see [`decode_path`].
    pub path: &'b [u8],
    /// What follows the first `?`, as sent; empty if there is none.
    pub query: &'b [u8],
    /// `OPTIONS *`: the server answers it itself.
    pub asterisk: bool,
    /// `HTTP_HOST`: the authority of an absolute-form, else the `Host` field. The field in
    /// `fields` says the same.
    pub host: Option<&'b [u8]>,
    /// The client's version.
    pub version: Version,
    /// The fields that pass the policy, in order, `Host` and the framing fields included.
    pub fields: Vec<Field<'b>>,
    /// How many fields were dropped: `Proxy`, and names with `_`.
    pub dropped: usize,
    /// The `Connection` fields, read.
    pub connection: Connection,
    /// How the body is delimited; its announced size is within the limit.
    pub framing: Framing,
    /// The client waits for `100 Continue` before it sends the body that it announces.
    pub expects_continue: bool,
}

/// Reads the head of the request that begins at the first of `bytes`.
///
/// `Ok(None)` means: read more, and call again with the same bytes and more, and the same `scan`. A
/// buffer of [`Limits::max_header_size`] bytes is enough: when it is full and holds no whole head,
/// the answer is a refusal.
///
/// # Errors
///
/// The answer of the first rule that is broken, in this order: the method's length (501), the size
/// of the line (414), the line (400, 501, 505), size and count of the fields (431), the fields
/// (400), `Host` (400), framing (400, 501), `Expect` (417), the announced size (413). Up to the
/// fields, the first line that is wrong decides, and nothing is waited for after it.
pub fn read<'b>(
    bytes: &'b [u8],
    limits: &Limits,
    scan: &mut Scan,
) -> Result<Option<Head<'b>>, Refusal> {
    if scan.is_fresh()
        && let Some(head) = parse(bytes, limits)
    {
        return head.map(Some);
    }
    let Some(end) = scan.judge(bytes, limits)? else { return Ok(None) };
    match parse(bytes.get(..end).unwrap_or_default(), limits) {
        Some(head) => head.map(Some),
        None => Err(Refusal::new(400, "malformed head")),
    }
}

/// Fields that need no allocation to be parsed.
const FEW: usize = 128;

/// Parses a head that is whole. `None` if it is not, or if it breaks a rule that [`Scan`] knows.
fn parse<'b>(bytes: &'b [u8], limits: &Limits) -> Option<Result<Head<'b>, Refusal>> {
    if limits.max_header_count > FEW {
        // No field is shorter than this, so a high limit costs nothing by itself.
        let most = limits.max_header_count.min(bytes.len() / "a:\n".len());
        let mut headers = vec![MaybeUninit::uninit(); most];
        parse_into(bytes, limits, &mut headers)
    } else {
        let mut headers = [const { MaybeUninit::uninit() }; FEW];
        parse_into(bytes, limits, headers.get_mut(..limits.max_header_count)?)
    }
}

fn parse_into<'b>(
    bytes: &'b [u8],
    limits: &Limits,
    headers: &mut [MaybeUninit<httparse::Header<'b>>],
) -> Option<Result<Head<'b>, Refusal>> {
    let start = empty_lines(bytes);
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(bytes.get(start..)?, headers).ok()?;
    let httparse::Status::Complete(len) = parsed else { return None };
    let len = start + len;
    let (method, target) = (request.method?, request.path?);
    let version = target::version(request.version?)?;
    let line = method.len() + target.len() + " HTTP/1.1".len() + 1;
    let is_right = method.len() <= 32
        && bytes.get(start) != Some(&b'\n')
        && line <= limits.max_request_line
        && len <= limits.max_header_size
        && has_crlf_everywhere(bytes, len, request.headers);
    if !is_right {
        return None;
    }
    let target = target::read(method.as_bytes(), target.as_bytes()).ok()?;
    let head = build(len, method, version, target, request.headers, limits);
    Some(head.map_err(|refusal| Refusal { head_only: method == "HEAD", ..refusal }))
}

fn build<'b>(
    len: usize,
    method: &'b str,
    version: Version,
    target: Target<'b>,
    headers: &[httparse::Header<'b>],
    limits: &Limits,
) -> Result<Head<'b>, Refusal> {
    let headers =
        headers.iter().map(|header| Field { name: header.name.as_bytes(), value: header.value });
    let policy = policy::apply(version, target.authority, headers, limits)?;
    Ok(Head {
        len,
        method,
        uri: target.uri,
        path: target.path,
        query: target.query,
        asterisk: target.asterisk,
        host: policy.host,
        version,
        fields: policy.fields,
        dropped: policy.dropped,
        connection: policy.connection,
        framing: policy.framing,
        expects_continue: policy.expects_continue,
    })
}

/// Bytes of the empty lines (CR LF) before a request line.
fn empty_lines(bytes: &[u8]) -> usize {
    bytes.as_chunks::<2>().0.iter().take_while(|pair| *pair == b"\r\n").count() * 2
}

/// Whether no line ends in a bare LF, which httparse lets through. Lines begin where names do, so
/// this looks before each name and at the end, and not at every byte.
fn has_crlf_everywhere(bytes: &[u8], len: usize, headers: &[httparse::Header<'_>]) -> bool {
    let origin = bytes.as_ptr().addr();
    let ends_before =
        |at: usize| at.checked_sub(2).and_then(|from| bytes.get(from..at)) == Some(b"\r\n");
    ends_before(len)
        && ends_before(len.saturating_sub(2))
        && headers
            .iter()
            .all(|header| ends_before(header.name.as_ptr().addr().wrapping_sub(origin)))
}

/// Decodes a path once: `PATH_INFO`. `%2F` becomes `/`; `+` stays. In the path of a [`Head`] every
/// `%` has two digits; a `%` without them stays as it is.
pub fn decode_path(path: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = path.iter().position(|&octet| octet == b'%') else {
        return Cow::Borrowed(path);
    };
    let (plain, mut rest) = path.split_at(first);
    let mut out = Vec::with_capacity(path.len());
    out.extend_from_slice(plain);
    while let Some((&octet, after)) = rest.split_first() {
        if let (b'%', [high, low, after @ ..]) = (octet, after)
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            out.push(high << 4 | low);
            rest = after;
        } else {
            out.push(octet);
            rest = after;
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
pub(super) mod tests;

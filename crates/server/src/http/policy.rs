//! What a head whose grammar is right may say, and which of its fields pass.
//!
//! One pass over the fields, which looks at the length of a name before it looks at its letters.

use super::framing::{self, Framing};
use super::head::{Connection, Field, Version};
use super::octets::elements;
use super::refusal::Refusal;
use super::target::is_host;
use super::{Limits, Underscores};

/// What the fields of one head say.
#[derive(Debug)]
pub(super) struct Policy<'b> {
    /// Those that pass, in order.
    pub(super) fields: Vec<Field<'b>>,
    /// How many do not: `Proxy`, and names with `_`.
    pub(super) dropped: usize,
    pub(super) host: Option<&'b [u8]>,
    pub(super) connection: Connection,
    pub(super) framing: Framing,
    pub(super) expects_continue: bool,
}

/// The fields that decide something, as found.
#[derive(Default)]
struct Found<'b> {
    host: Once<'b>,
    content_type: Once<'b>,
    content_length: Once<'b>,
    transfer_encoding: Once<'b>,
    expect: Once<'b>,
    connection: Connection,
    upgrade: bool,
    underscores: bool,
}

/// A field that may stand there once.
#[derive(Default, Clone, Copy)]
struct Once<'b> {
    value: Option<&'b [u8]>,
    twice: bool,
}

impl<'b> Once<'b> {
    fn add(&mut self, value: &'b [u8]) {
        self.twice |= self.value.is_some();
        self.value = Some(value);
    }

    fn only(self, why: &'static str) -> Result<Option<&'b [u8]>, Refusal> {
        if self.twice { Err(Refusal::new(400, why)) } else { Ok(self.value) }
    }
}

/// Applies the policy, in the order in which a request that breaks several rules is answered.
///
/// # Errors
///
/// 400 for fields, `Host` and framing; 501 for a coding; 417; 413.
pub(super) fn apply<'b>(
    version: Version,
    authority: Option<&'b [u8]>,
    headers: impl ExactSizeIterator<Item = Field<'b>>,
    limits: &Limits,
) -> Result<Policy<'b>, Refusal> {
    let came = headers.len();
    let mut fields = Vec::with_capacity(came + 1);
    let mut found = Found::default();
    for field in headers {
        if found.look(field, limits.underscores)? {
            fields.push(field);
        }
    }
    let dropped = came - fields.len();
    found.content_type.only("two Content-Type fields")?;
    let length = found.content_length.only("two Content-Length fields")?;
    let coding = found.transfer_encoding.only("two Transfer-Encoding fields")?;
    let host = host(version, found.host, authority)?;
    let framing = framing::decide(version, length, coding)?;
    let announces_body = matches!(framing, Framing::Length(1..) | Framing::Chunked);
    let expects_continue = expects(version, found.expect)? && announces_body;
    if let Framing::Length(length) = framing
        && limits.max_body_size != 0
        && length > limits.max_body_size
    {
        return Err(too_large(limits.max_body_size));
    }
    let asks_upgrade = version == Version::Http11 && found.connection.upgrade && found.upgrade;
    let connection = Connection { upgrade: asks_upgrade, ..found.connection };
    if found.upgrade && !asks_upgrade {
        fields.retain(|field| !field.name.eq_ignore_ascii_case(b"upgrade"));
    }
    if found.underscores {
        drop_shadows(&mut fields);
    }
    if let Some(authority) = authority {
        replace_host(&mut fields, authority);
    }
    Ok(Policy { fields, dropped, host, connection, framing, expects_continue })
}

impl<'b> Found<'b> {
    /// Whether the field passes; what it decides is kept.
    fn look(&mut self, field: Field<'b>, underscores: Underscores) -> Result<bool, Refusal> {
        let Field { name, value } = field;
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match name.len() {
            4 if is(b"host") => self.host.add(value),
            // CGI code copies HTTP_PROXY to the environment (CVE-2016-5385).
            5 if is(b"proxy") => return Ok(false),
            6 if is(b"expect") => self.expect.add(value),
            7 if is(b"upgrade") => self.upgrade = true,
            10 if is(b"connection") => self.connection(value),
            12 if is(b"content-type") => self.content_type.add(value),
            14 if is(b"content-length") => self.content_length.add(value),
            17 if is(b"transfer-encoding") => self.transfer_encoding.add(value),
            _ if name.contains(&b'_') => match underscores {
                Underscores::Drop => return Ok(false),
                Underscores::Reject => {
                    return Err(Refusal::new(400, "_ in a field name (header-underscores)"));
                }
                Underscores::Allow => self.underscores = true,
            },
            _ => {}
        }
        Ok(true)
    }

    /// `Connection` is one list over all its lines. The fields it names are not removed: else a
    /// client could strip X-Forwarded-For.
    fn connection(&mut self, value: &[u8]) {
        for token in elements(value) {
            self.connection.close |= token.eq_ignore_ascii_case(b"close");
            self.connection.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
            self.connection.upgrade |= token.eq_ignore_ascii_case(b"upgrade");
        }
    }
}

/// The host that the application is told. A `Host` field must be there even if an absolute-form
/// replaces it (RFC 9112 §3.2).
fn host<'b>(
    version: Version,
    field: Once<'b>,
    authority: Option<&'b [u8]>,
) -> Result<Option<&'b [u8]>, Refusal> {
    match (version, field.only("two Host fields")?) {
        (Version::Http11, None) => Err(Refusal::new(400, "no Host field")),
        (_, Some(value)) if !is_host(value) => Err(Refusal::new(400, "malformed Host field")),
        (_, value) => Ok(authority.or(value)),
    }
}

/// Whether the client waits for `100 Continue`. HTTP/1.0 has no such thing.
fn expects(version: Version, field: Once<'_>) -> Result<bool, Refusal> {
    match (version, field.value) {
        (Version::Http10, _) | (_, None) => Ok(false),
        (Version::Http11, Some(value)) => {
            if !field.twice && value.eq_ignore_ascii_case(b"100-continue") {
                Ok(true)
            } else {
                Err(Refusal::new(417, "an Expect other than 100-continue"))
            }
        }
    }
}

/// 413, with the option that decided.
pub(super) fn too_large(most: u64) -> Refusal {
    Refusal::new(413, format!("a body of more than {most} bytes (max-body-size)"))
}

/// Keeps `fields` and the host of one mind, for whoever reads the fields alone.
fn replace_host<'b>(fields: &mut Vec<Field<'b>>, authority: &'b [u8]) {
    match fields.iter_mut().find(|field| field.name.eq_ignore_ascii_case(b"host")) {
        Some(field) => field.value = authority,
        None => fields.push(Field { name: b"Host", value: authority }),
    }
}

/// Leaves out names with `_` that a name without it makes the same key of, and those whose key the
/// server itself answers for. Quadratic, but the number of fields is limited, and only an operator
/// who allows underscores pays.
fn drop_shadows(fields: &mut Vec<Field<'_>>) {
    const OURS: [&[u8]; 3] = [b"content-length", b"content-type", b"transfer-encoding"];
    let hyphened: Vec<&[u8]> =
        fields.iter().map(|field| field.name).filter(|name| !name.contains(&b'_')).collect();
    fields.retain(|field| {
        !field.name.contains(&b'_')
            || !OURS.iter().chain(&hyphened).any(|name| is_same_key(name, field.name))
    });
}

/// Whether two names become one key of the environment.
fn is_same_key(one: &[u8], other: &[u8]) -> bool {
    let fold = |octet: u8| if octet == b'_' { b'-' } else { octet.to_ascii_lowercase() };
    one.len() == other.len() && one.iter().zip(other).all(|(&a, &b)| fold(a) == fold(b))
}

#[cfg(test)]
mod tests;

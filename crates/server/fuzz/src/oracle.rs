//! A second opinion on where a request ends, written from the RFC and sharing no code with `http`.
//!
//! The head is `httparse`'s, less its lenience about line ends; the length of the body is RFC 9112
//! §6.3 where it leaves no choice, and a refusal where it does. Line by line and with a whole body
//! in hand, while the server reads byte by byte and forgets: so both can hardly share a mistake.
//!
//! It answers late: a refusal comes when the line that deserves it has ended. And it says nothing of
//! what does not bear on length, such as `Host`.

/// What it thinks of the bytes so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opinion<T> {
    /// It is here whole.
    Whole(T),
    /// It may become whole.
    More,
    /// It is none, or two readings of it are possible.
    Refused,
}

/// How a body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// By nothing: there is none.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// A head: its bytes, what it asks for, how many fields it has, and how its body is delimited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Bytes, with the empty lines before it.
    pub len: usize,
    /// The method.
    pub method: String,
    /// The target as sent.
    pub target: Vec<u8>,
    /// The minor version.
    pub minor: u8,
    /// The fields.
    pub fields: usize,
    /// The framing of what follows.
    pub body: Body,
}

/// Reads a head of at most 128 fields.
pub fn head(bytes: &[u8]) -> Opinion<Head> {
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut headers);
    let len = match request.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Opinion::More,
        Err(_) => return Opinion::Refused,
    };
    let is_bare = |(at, &octet): (usize, &u8)| match octet {
        b'\n' => at == 0 || bytes[at - 1] != b'\r',
        b'\r' => bytes.get(at + 1) != Some(&b'\n'),
        _ => false,
    };
    let minor = request.version.unwrap_or(9);
    if bytes[..len].iter().enumerate().any(is_bare) || minor > 1 {
        return Opinion::Refused;
    }
    let Some(body) = framing(minor, request.headers) else { return Opinion::Refused };
    Opinion::Whole(Head {
        len,
        method: request.method.unwrap_or_default().to_owned(),
        target: request.path.unwrap_or_default().as_bytes().to_vec(),
        minor,
        fields: request.headers.len(),
        body,
    })
}

/// RFC 9112 §6.3, 1 to 6; `None` wherever a recipient may or must refuse.
fn framing(minor: u8, headers: &[httparse::Header<'_>]) -> Option<Body> {
    let all = |name: &str| -> Vec<&[u8]> {
        let same = headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        same.map(|header| header.value.trim_ascii()).collect()
    };
    match (&all("content-length")[..], &all("transfer-encoding")[..]) {
        ([], []) => Some(Body::None),
        ([length], []) => {
            let digits = std::str::from_utf8(length).ok()?;
            let is_number = (1..=18).contains(&digits.len())
                && digits.chars().all(|letter| letter.is_ascii_digit());
            is_number.then(|| digits.parse().ok().map(Body::Length))?
        }
        ([], [coding]) if minor == 1 && coding.eq_ignore_ascii_case(b"chunked") => {
            Some(Body::Chunked)
        }
        _ => None,
    }
}

/// Reads the body behind a head: its bytes, decoded, and how many it took of `bytes`. `most`: the
/// decoded bytes it may have.
pub fn body(framing: Body, bytes: &[u8], most: u64) -> Opinion<(Vec<u8>, usize)> {
    match framing {
        Body::None => Opinion::Whole((Vec::new(), 0)),
        Body::Length(length) if length > most => Opinion::Refused,
        Body::Length(length) => {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            match bytes.get(..length) {
                Some(body) => Opinion::Whole((body.to_vec(), length)),
                None => Opinion::More,
            }
        }
        Body::Chunked => chunked(bytes, most),
    }
}

/// RFC 9112 §7.1, and the server's limits of lines, extensions and trailers.
pub fn chunked(bytes: &[u8], most: u64) -> Opinion<(Vec<u8>, usize)> {
    let (mut rest, mut decoded, mut extensions) = (bytes, Vec::new(), 0);
    loop {
        let Some((line, behind)) = line(rest) else { return Opinion::More };
        let digits = line.iter().take_while(|octet| octet.is_ascii_hexdigit()).count();
        let (size, extension) = line.split_at(digits);
        extensions += extension.len();
        let is_right = (1..=16).contains(&digits)
            && line.len() <= 1024
            && extensions <= 16 * 1024
            && behind.is_some()
            && is_extension(extension);
        let size = std::str::from_utf8(size).ok().and_then(|hex| u64::from_str_radix(hex, 16).ok());
        let (Some(size), Some(behind), true) = (size, behind, is_right) else {
            return Opinion::Refused;
        };
        if u128::from(size) + decoded.len() as u128 > u128::from(most) {
            return Opinion::Refused;
        }
        if size == 0 {
            return match trailers(behind) {
                Opinion::Whole(left) => Opinion::Whole((decoded, bytes.len() - left)),
                Opinion::More => Opinion::More,
                Opinion::Refused => Opinion::Refused,
            };
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let Some((data, behind)) = behind.split_at_checked(size) else { return Opinion::More };
        decoded.extend_from_slice(data);
        match behind {
            [b'\r', b'\n', behind @ ..] => rest = behind,
            [] | [b'\r'] => return Opinion::More,
            _ => return Opinion::Refused,
        }
    }
}

/// The next line, and what is behind it: nothing is, if it does not end in CR LF.
fn line(bytes: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let at = bytes.iter().position(|&octet| octet == b'\n')?;
    let (line, behind) = (&bytes[..at], &bytes[at + 1..]);
    Some(match line.strip_suffix(b"\r") {
        Some(line) => (line, Some(behind)),
        None => (line, None),
    })
}

/// `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`, and no blanks behind it.
fn is_extension(text: &[u8]) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let Some(behind) = after_blanks(rest).strip_prefix(b";") else { return false };
        let Some(behind) = after_token(after_blanks(behind)) else { return false };
        rest = behind;
        if let Some(value) = after_blanks(behind).strip_prefix(b"=") {
            let value = after_blanks(value);
            let behind = match value.strip_prefix(b"\"") {
                Some(text) => after_quoted(text),
                None => after_token(value),
            };
            let Some(behind) = behind else { return false };
            rest = behind;
        }
    }
    true
}

fn after_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|octet| matches!(octet, b' ' | b'\t')).count();
    &text[blanks..]
}

fn after_token(text: &[u8]) -> Option<&[u8]> {
    let letters = text.iter().take_while(|&&octet| is_token(octet)).count();
    (letters > 0).then(|| &text[letters..])
}

/// What is behind the quote that ends a string.
fn after_quoted(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    loop {
        rest = match rest {
            [b'"', behind @ ..] => return Some(behind),
            [b'\\', octet, behind @ ..] => is_text(*octet).then_some(behind)?,
            [b'\\'] => return None,
            [octet, behind @ ..] => is_text(*octet).then_some(behind)?,
            [] => return None,
        };
    }
}

/// The fields behind the last chunk; how many bytes are left behind the empty line.
fn trailers(bytes: &[u8]) -> Opinion<usize> {
    let (mut rest, mut count) = (bytes, 0);
    loop {
        let Some((line, behind)) = line(rest) else { return Opinion::More };
        let Some(behind) = behind else { return Opinion::Refused };
        if line.is_empty() {
            return Opinion::Whole(behind.len());
        }
        count += 1;
        let Some(value) = after_token(line).and_then(|rest| rest.strip_prefix(b":")) else {
            return Opinion::Refused;
        };
        let taken = bytes.len() - behind.len();
        if count > 32 || taken > 8 * 1024 || !value.iter().all(|&octet| is_text(octet)) {
            return Opinion::Refused;
        }
        rest = behind;
    }
}

fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}

/// HTAB, SP, VCHAR and obs-text.
fn is_text(octet: u8) -> bool {
    matches!(octet, b'\t' | b' '..=b'~' | 0x80..)
}

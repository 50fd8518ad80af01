//! Where an answer ends: just enough of HTTP for a client that knows what it asked.

/// What the bytes so far are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More must come.
    Partial,
    /// A whole answer of this status; it ends after so many bytes.
    Whole {
        /// Of the status line.
        status: u16,
        /// Head and body.
        length: usize,
        /// The server will close.
        close: bool,
    },
    /// No HTTP, or of a kind that is not asked for here.
    Nonsense,
}

/// Looks at what has come. An answer must say its length. Copies nothing: on a small machine what the
/// client spends is missing to the server.
pub(crate) fn progress(bytes: &[u8]) -> Progress {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Progress::Partial;
    };
    let mut lines = bytes[..end].split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let first = lines.next().unwrap_or_default();
    let status = first.get(9..12).and_then(number);
    // A server that speaks 1.0 must say keep-alive to mean it.
    let (mut body, mut close) = (None, !first.starts_with(b"HTTP/1.1"));
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            body = number(value);
        } else if name.eq_ignore_ascii_case(b"connection") {
            close = value.eq_ignore_ascii_case(b"close");
        }
    }
    let (Some(status), Some(body)) = (status.and_then(|it| u16::try_from(it).ok()), body) else {
        return Progress::Nonsense;
    };
    let length = end + 4 + body;
    if bytes.len() < length { Progress::Partial } else { Progress::Whole { status, length, close } }
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The same for answers of any framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// More must come.
    Partial,
    /// A whole answer of this status; it ends after so many bytes.
    Whole {
        /// Of the status line.
        status: u16,
        /// Head and body.
        length: usize,
    },
    /// No HTTP, or framed by the end of the connection.
    Nonsense,
}

/// Looks at what has come. `to_head`: the answer has no body, whatever its head says.
pub(crate) fn step(bytes: &[u8], to_head: bool) -> Step {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Step::Partial;
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let Some(status) = head.get(9..12).and_then(|word| word.parse().ok()) else {
        return Step::Nonsense;
    };
    let body = &bytes[end + 4..];
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = match (to_head, length) {
        (true, _) => Some(0),
        (false, Some(length)) => match length.parse() {
            Ok(length) => Some(length),
            Err(_) => return Step::Nonsense,
        },
        (false, None) if head.contains("\r\ntransfer-encoding: chunked") => match chunks(body) {
            Ok(length) => length,
            Err(()) => return Step::Nonsense,
        },
        (false, None) => return Step::Nonsense,
    };
    match length {
        Some(length) if length <= body.len() => Step::Whole { status, length: end + 4 + length },
        _ => Step::Partial,
    }
}

/// Where a chunked body ends, if it has; trailers are not expected.
fn chunks(body: &[u8]) -> Result<Option<usize>, ()> {
    let mut at = 0;
    loop {
        let rest = body.get(at..).unwrap_or_default();
        let Some(line) = rest.windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
        let digits = std::str::from_utf8(&rest[..line]).map_err(|_| ())?;
        let size = usize::from_str_radix(digits, 16).map_err(|_| ())?;
        at += line + 2 + size + 2;
        if size == 0 {
            return Ok(Some(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is_here() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        let whole = Progress::Whole { status: 200, length: bytes.len(), close: false };
        assert_eq!(progress(bytes), whole);
        for end in 0..bytes.len() {
            assert_eq!(progress(&bytes[..end]), Progress::Partial);
        }
    }

    #[test]
    fn who_closes_says_so() {
        let close = |head: &str| match progress(format!("{head}\r\n\r\n").as_bytes()) {
            Progress::Whole { close, .. } => close,
            other => panic!("{other:?}"),
        };
        assert!(close("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: Close"));
        assert!(!close("HTTP/1.1 200 OK\r\ncontent-length:0"));
        assert!(close("HTTP/1.0 200 OK\r\nContent-Length: 0"));
        assert!(!close("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0"));
    }

    #[test]
    fn an_answer_without_a_length_is_nonsense_here() {
        assert_eq!(progress(b"HTTP/1.1 200 OK\r\n\r\n"), Progress::Nonsense);
    }

    #[test]
    fn a_chunked_answer_ends_behind_its_last_chunk() {
        let bytes =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nHTTP";
        let length = bytes.len() - 4;
        assert_eq!(step(bytes, false), Step::Whole { status: 200, length });
        for end in 0..length {
            assert_eq!(step(&bytes[..end], false), Step::Partial);
        }
    }
}

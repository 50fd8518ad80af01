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

/// Looks at what has come. An answer must say its length.
pub(crate) fn progress(bytes: &[u8]) -> Progress {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Progress::Partial;
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let field = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(found, _)| *found == name).map(|(_, value)| value.trim().to_owned())
    };
    let status = head.split(' ').nth(1).and_then(|word| word.get(..3)?.parse().ok());
    let body = field("content-length").and_then(|value| value.parse::<usize>().ok());
    let (Some(status), Some(body)) = (status, body) else {
        return Progress::Nonsense;
    };
    let length = end + 4 + body;
    let close = match field("connection").as_deref() {
        Some(value) => value.contains("close"),
        // A server that speaks 1.0 must say keep-alive to mean it.
        None => head.starts_with("http/1.0"),
    };
    if bytes.len() < length { Progress::Partial } else { Progress::Whole { status, length, close } }
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
    fn an_answer_without_a_length_is_nonsense_here() {
        assert_eq!(progress(b"HTTP/1.1 200 OK\r\n\r\n"), Progress::Nonsense);
    }
}

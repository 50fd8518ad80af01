//! Our own answer to a request that is not let through.
//!
//! One line of plain text that says which rule decided, and never a byte of the request. The
//! connection is closed after it, and lingered on, so that the client can read it.

use std::borrow::Cow;

/// Why a request is not let through, and what its client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status code, 400 to 599.
    pub status: u16,
    /// The field or the option that decided: no bytes of the request.
    pub why: Cow<'static, str>,
    /// Whether the method is known to be HEAD: then the answer has no body.
    pub head_only: bool,
}

impl Refusal {
    /// A refusal of a request whose method is not known to be HEAD.
    pub fn new(status: u16, why: impl Into<Cow<'static, str>>) -> Self {
        Self { status, why: why.into(), head_only: false }
    }

    /// The whole answer, with `Connection: close`. `date` is the text of
    /// [`imf_fixdate`](super::date::imf_fixdate), `server` the `Server` field, if there is to be
    /// one. An answer to HEAD has neither a length nor a body.
    pub fn render(&self, date: &str, server: Option<&str>) -> Vec<u8> {
        let (status, reason) = (self.status, reason_phrase(self.status));
        let mut out = format!("HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain\r\n");
        for (name, value) in [("Date", Some(date)), ("Server", server)] {
            if let Some(value) = value {
                out.extend([name, ": ", value, "\r\n"]);
            }
        }
        let line = format!("{status} {reason}: {}\n", self.why);
        if self.head_only {
            out.push_str("Connection: close\r\n\r\n");
        } else {
            let length = line.len();
            out.push_str(&format!("Content-Length: {length}\r\nConnection: close\r\n\r\n{line}"));
        }
        out.into_bytes()
    }
}

/// The reason phrase of a status code; empty if the code is not registered with IANA.
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        208 => "Already Reported",
        226 => "IM Used",
        _ => redirect_or_error(status),
    }
}

fn redirect_or_error(status: u16) -> &'static str {
    match status {
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        305 => "Use Proxy",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        418 => "I'm a teapot",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        _ => server_error(status),
    }
}

fn server_error(status: u16) -> &'static str {
    match status {
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        506 => "Variant Also Negotiates",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        510 => "Not Extended",
        511 => "Network Authentication Required",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    #[test]
    fn a_refusal_is_one_line_that_names_what_decided() {
        let refusal = Refusal::new(431, "more than 128 fields (max-header-count)");
        let answer = String::from_utf8(refusal.render(DATE, Some("Monoceros/0.1"))).unwrap();
        assert_eq!(
            answer,
            "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: text/plain\r\n\
             Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: Monoceros/0.1\r\nContent-Length: 77\r\n\
             Connection: close\r\n\r\n\
             431 Request Header Fields Too Large: more than 128 fields (max-header-count)\n"
        );
    }

    #[test]
    fn row_090_a_refusal_to_head_has_neither_length_nor_body() {
        let refusal = Refusal { head_only: true, ..Refusal::new(400, "no Host field") };
        let answer = String::from_utf8(refusal.render(DATE, None)).unwrap();
        assert!(answer.ends_with("\r\nConnection: close\r\n\r\n"), "{answer}");
        assert!(!answer.contains("Content-Length") && !answer.contains("Server"), "{answer}");
    }
}

//! The access log: one line per request, in Apache's combined format, as plackup writes it.
//!
//! Each process opens the file for itself, for adding to its end, and writes a line by one write(2):
//! so lines of several workers stand one after the other. Times are UTC.
//!
//! Not here: the clock (the time comes in), and who is told to reopen.

use std::fs::File;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::line::Date;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The file, opened by this process.
#[derive(Debug)]
pub struct AccessLog {
    path: PathBuf,
    file: File,
    /// The line being made; kept, so that a request costs no memory.
    line: Vec<u8>,
    /// Whether the last write failed: told once, not for every request.
    failed: bool,
}

/// One request and its answer.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    /// The client; `None` over a UNIX socket.
    pub peer: Option<IpAddr>,
    /// When it was answered, in seconds since 1970.
    pub at: u64,
    /// What was asked; `None` if it was refused before it was understood, or not kept.
    pub asked: Option<Asked<'a>>,
    /// The answer's; 0, which is shown as `-`, if the application had the socket and said nothing here.
    pub status: u16,
    /// Bytes of the answer's body; 0 is shown as `-`.
    pub bytes: u64,
    /// The Referer field.
    pub referer: Option<&'a [u8]>,
    /// The User-Agent field.
    pub agent: Option<&'a [u8]>,
}

/// A request line, as sent.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The method.
    pub method: &'a str,
    /// `REQUEST_URI`.
    pub uri: &'a [u8],
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub protocol: &'a str,
}

impl AccessLog {
    /// Opens the file, and makes it if need be.
    ///
    /// # Errors
    ///
    /// The file cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let file = super::open(&path)?;
        Ok(Self { path, file, line: Vec::new(), failed: false })
    }

    /// Writes a line. If that fails, the error log is told, once, until it works again.
    pub fn line(&mut self, access: &Access<'_>) {
        self.line.clear();
        access.format(&mut self.line);
        // One write: what a full disk does not take of a line is not tried again.
        match self.file.write(&self.line) {
            Ok(_) => self.failed = false,
            Err(error) if !self.failed => {
                self.failed = true;
                tracing::error!(path = %self.path.display(), %error, "cannot write the access log");
            }
            Err(_) => {}
        }
    }

    /// Opens the file anew, after somebody has moved it away.
    ///
    /// # Errors
    ///
    /// The file cannot be opened: lines go on into the old one.
    pub fn reopen(&mut self) -> io::Result<()> {
        self.file = super::open(&self.path)?;
        Ok(())
    }
}

impl Access<'_> {
    /// `host - - [time] "request" status bytes "referer" "agent"`.
    fn format(&self, out: &mut Vec<u8>) {
        let Date { year, month, day } = Date::from_days(self.at / 86_400);
        let month = MONTHS.iter().zip(1..).find(|(_, number)| *number == month);
        let month = month.map_or("", |(name, _)| name);
        let (hour, minute, second) = (self.at / 3_600 % 24, self.at / 60 % 60, self.at % 60);
        // Writing to memory does not fail.
        let _ = match self.peer {
            Some(peer) => write!(out, "{peer}"),
            None => write!(out, "-"),
        };
        let _ = write!(
            out,
            " - - [{day:02}/{month}/{year}:{hour:02}:{minute:02}:{second:02} +0000] \"",
        );
        match &self.asked {
            Some(Asked { method, uri, protocol }) => {
                out.extend(method.bytes());
                out.push(b' ');
                escape(out, uri);
                let _ = write!(out, " {protocol}");
            }
            None => out.push(b'-'),
        }
        let _ = match self.status {
            0 => write!(out, "\" - "),
            status => write!(out, "\" {status} "),
        };
        let _ = if self.bytes > 0 { write!(out, "{}", self.bytes) } else { write!(out, "-") };
        for field in [self.referer, self.agent] {
            out.extend(b" \"");
            escape(out, field.unwrap_or(b"-"));
            out.push(b'"');
        }
        out.push(b'\n');
    }
}

/// What comes from a client can neither end a line nor a quoted text.
fn escape(out: &mut Vec<u8>, bytes: &[u8]) {
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            0x20..=0x7E => out.push(byte),
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const ASKED: Asked<'_> = Asked { method: "GET", uri: b"/a?b=c", protocol: "HTTP/1.1" };
    const ACCESS: Access<'_> = Access {
        peer: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        at: 1_795_248_600,
        asked: Some(ASKED),
        status: 200,
        bytes: 12,
        referer: None,
        agent: Some(b"curl/8"),
    };

    fn text(access: &Access<'_>) -> String {
        let mut out = Vec::new();
        access.format(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_request_is_a_line_in_the_combined_format() {
        assert_eq!(
            text(&ACCESS),
            "127.0.0.1 - - [21/Nov/2026:08:10:00 +0000] \"GET /a?b=c HTTP/1.1\" 200 12 \"-\" \
             \"curl/8\"\n"
        );
        let unix = Access { peer: None, bytes: 0, ..ACCESS };
        assert!(text(&unix).starts_with("- - - ["));
        assert!(text(&unix).contains(" 200 - \""));
        let refused = Access { asked: None, status: 408, bytes: 0, agent: None, ..ACCESS };
        assert!(text(&refused).ends_with("] \"-\" 408 - \"-\" \"-\"\n"), "{}", text(&refused));
        let taken = Access { status: 0, bytes: 0, ..ACCESS };
        assert!(text(&taken).contains(" HTTP/1.1\" - - \""), "{}", text(&taken));
    }

    #[test]
    fn no_client_can_forge_a_line() {
        let asked = Some(Asked { uri: b"/\xE9", ..ASKED });
        let evil = Access { asked, agent: Some(b"a\" 200\n\\"), ..ACCESS };
        assert!(text(&evil).contains("/\\xe9 HTTP"));
        assert!(text(&evil).ends_with("\"a\\\" 200\\x0a\\\\\"\n"));
        assert_eq!(text(&evil).lines().count(), 1);
    }

    #[test]
    fn a_file_that_was_moved_away_is_opened_anew() {
        let folder = std::env::temp_dir().join(format!("access-log-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (path, moved) = (folder.join("log"), folder.join("log.1"));
        let mut log = AccessLog::open(&path).unwrap();
        log.line(&ACCESS);
        std::fs::rename(&path, &moved).unwrap();
        log.line(&ACCESS);
        log.reopen().unwrap();
        log.line(&ACCESS);
        let lines = |path: &Path| std::fs::read_to_string(path).unwrap().lines().count();
        assert_eq!((lines(&moved), lines(&path)), (2, 1));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

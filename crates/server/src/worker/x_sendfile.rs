//! Step 8, when the application answers `X-Sendfile: /path`: that file is the body, whatever else the
//! application gave.
//!
//! Only with `sendfile-root`, and only files below it ([`roots`]); a request's field of
//! this name is nothing. The status is the application's. What it says of its own body (length, coding,
//! encoding) goes; the rest stays, and nothing is added but the length. A part is the application's
//! decision: with 206, its `Content-Range` says which. If there is no such file, nothing of the
//! application's answer is sent: its fields are about a file that is not there.

use std::fs::File;
use std::path::PathBuf;

use tracing::error;

use crate::http::head::Field;
use crate::roots::{self, Missing};

/// What is sent instead of what the application gave.
#[derive(Debug)]
pub(super) enum Instead<'f> {
    /// It gave no such field.
    Nothing,
    /// Its status has no body: these fields.
    Empty(Vec<Field<'f>>),
    /// This part of a file, behind these fields, to which the length must be added.
    Part { fields: Vec<Field<'f>>, file: File, offset: u64, length: u64 },
    /// A plain answer of this status. Why has been logged.
    Failure(i64),
}

/// Looks for the field, and opens the file that it names.
pub(super) fn look<'f>(roots: &[PathBuf], status: i64, fields: &[Field<'f>]) -> Instead<'f> {
    if roots.is_empty() {
        return Instead::Nothing;
    }
    let mut names = fields.iter().filter(|field| is(field, b"x-sendfile"));
    let Some(name) = names.next() else { return Instead::Nothing };
    let shown = name.value.escape_ascii();
    if names.next().is_some() {
        error!("500: two X-Sendfile fields");
        return Instead::Failure(500);
    }
    let others = fields.iter().filter(|field| !about_the_body(field)).copied().collect();
    if matches!(status, 100..200 | 204 | 205 | 304) {
        return Instead::Empty(others);
    }
    let (file, size) = match roots::open(roots, name.value) {
        Ok(found) => found,
        Err(Missing::Absent(why)) => {
            error!("404: X-Sendfile {shown}: {why}");
            return Instead::Failure(404);
        }
        Err(Missing::Failed(why)) => {
            error!("500: X-Sendfile {shown}: {why}");
            return Instead::Failure(500);
        }
    };
    if status != 206 {
        return Instead::Part { fields: others, file, offset: 0, length: size };
    }
    let mut ranges = fields.iter().filter(|field| is(field, b"content-range"));
    match (ranges.next().and_then(|range| part(range.value, size)), ranges.next()) {
        (Some((offset, length)), None) => Instead::Part { fields: others, file, offset, length },
        _ => {
            error!("500: X-Sendfile {shown}: 206 without a Content-Range of its {size} bytes");
            Instead::Failure(500)
        }
    }
}

fn is(field: &Field<'_>, name: &[u8]) -> bool {
    field.name.eq_ignore_ascii_case(name)
}

/// Fields that describe the body that is not sent, or that name the file.
fn about_the_body(field: &Field<'_>) -> bool {
    let names: [&[u8]; 4] =
        [b"x-sendfile", b"content-length", b"content-encoding", b"transfer-encoding"];
    names.iter().any(|name| is(field, name))
}

/// Offset and length of the part that `bytes first-last/size` means (RFC 9110 §14.4), if it is one of a
/// file of this size.
fn part(range: &[u8], size: u64) -> Option<(u64, u64)> {
    let text = std::str::from_utf8(range).ok()?;
    let (unit, rest) = text.trim().split_once(' ')?;
    let (bounds, whole) = rest.trim().split_once('/')?;
    let (first, last) = bounds.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    let right = unit.eq_ignore_ascii_case("bytes")
        && first <= last
        && last < size
        && (whole == "*" || number(whole)? == size);
    right.then(|| (first, last - first + 1))
}

/// Digits and nothing else.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_one_of_this_very_file() {
        for (range, found) in [
            ("bytes 0-0/10", Some((0, 1))),
            ("bytes 2-9/10", Some((2, 8))),
            ("Bytes 2-9/*", Some((2, 8))),
            ("bytes 2-10/10", None),
            ("bytes 9-2/10", None),
            ("bytes 2-9/11", None),
            ("bytes */10", None),
            ("bytes 2-9", None),
            ("lines 2-9/10", None),
            ("bytes +2-9/10", None),
            ("bytes -9/10", None),
            ("bytes 0-99999999999999999999/10", None),
            ("", None),
        ] {
            assert_eq!(part(range.as_bytes(), 10), found, "{range}");
        }
    }

    #[test]
    fn without_a_root_it_is_an_ordinary_field() {
        let fields = [Field { name: b"X-Sendfile", value: b"/etc/passwd" }];
        assert!(matches!(look(&[], 200, &fields), Instead::Nothing));
        let roots = [PathBuf::from("/nonexistent")];
        assert!(matches!(look(&roots, 200, &[]), Instead::Nothing));
        assert!(matches!(look(&roots, 200, &fields), Instead::Failure(404)));
        let twice = [fields[0], fields[0]];
        assert!(matches!(look(&roots, 200, &twice), Instead::Failure(500)));
        assert!(matches!(look(&roots, 304, &fields), Instead::Empty(rest) if rest.is_empty()));
    }
}

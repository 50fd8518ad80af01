//! How long is the body? Decided on the pair (`Content-Length`, `Transfer-Encoding`), for every
//! method alike.

use super::head::Version;
use super::octets::{decimal, elements};
use super::refusal::Refusal;

/// How the body of a request is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// No body was announced; the application must be able to tell this from `Length(0)`.
    None,
    /// So many bytes follow the head.
    Length(u64),
    /// Chunks follow: see [`chunked`](super::chunked).
    Chunked,
}

/// Decides. `length` and `coding` are the values of the only `Content-Length` and the only
/// `Transfer-Encoding` field. The size is not yet compared with any limit.
///
/// # Errors
///
/// 400 for whatever could be read in two ways, 501 for a coding that we do not know.
///
/// # Source
///
/// RFC 9112 §6.1 and §6.3, which leave us the choice in some of these cases: then we refuse.
pub(super) fn decide(
    version: Version,
    length: Option<&[u8]>,
    coding: Option<&[u8]>,
) -> Result<Framing, Refusal> {
    match (length, coding) {
        (None, None) => Ok(Framing::None),
        (Some(length), None) => content_length(length).map(Framing::Length),
        (Some(_), Some(_)) => Err(Refusal::new(400, "Content-Length beside Transfer-Encoding")),
        (None, Some(coding)) => match version {
            Version::Http10 => Err(Refusal::new(400, "Transfer-Encoding on HTTP/1.0")),
            Version::Http11 => transfer_encoding(coding),
        },
    }
}

/// 1 to 18 decimal digits: 18 nines are far beyond every limit, and fit.
fn content_length(value: &[u8]) -> Result<u64, Refusal> {
    decimal(value, 18).ok_or_else(|| Refusal::new(400, "Content-Length is not 1 to 18 digits"))
}

/// Chunked alone. An empty element is refused, although RFC 9110 §5.6.1 would ignore it.
fn transfer_encoding(value: &[u8]) -> Result<Framing, Refusal> {
    let is_chunked = |element: &[u8]| element.eq_ignore_ascii_case(b"chunked");
    if is_chunked(value) {
        return Ok(Framing::Chunked);
    }
    let count = elements(value).filter(|element| is_chunked(element)).count();
    let last = elements(value).last().is_some_and(is_chunked);
    if elements(value).any(<[u8]>::is_empty) {
        return Err(Refusal::new(400, "an empty element in Transfer-Encoding"));
    }
    match (count, last) {
        (0, _) | (1, true) => Err(Refusal::new(501, "a Transfer-Encoding other than chunked")),
        _ => Err(Refusal::new(400, "chunked is not once and last in Transfer-Encoding")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(length: Option<&str>, coding: Option<&[u8]>) -> Result<Framing, u16> {
        decide(Version::Http11, length.map(str::as_bytes), coding).map_err(|refusal| refusal.status)
    }

    #[test]
    fn row_039_a_length_beside_a_coding_is_refused_whatever_they_say() {
        for length in ["5", "0", "x", ""] {
            for coding in [&b"chunked"[..], b"gzip", b""] {
                assert_eq!(status(Some(length), Some(coding)), Err(400));
            }
        }
    }

    #[test]
    fn row_041_a_length_is_digits_and_nothing_else() {
        for length in ["+5", "-5", "5 5", "5;", "0x5", "5.0", "5e0", "", "5, 5"] {
            assert_eq!(status(Some(length), None), Err(400), "{length}");
        }
    }

    #[test]
    fn row_042_leading_zeros_are_decimal() {
        assert_eq!(status(Some("0005"), None), Ok(Framing::Length(5)));
    }

    #[test]
    fn row_043_eighteen_digits_pass_and_nineteen_do_not() {
        assert_eq!(
            status(Some(&"9".repeat(18)), None),
            Ok(Framing::Length(999_999_999_999_999_999))
        );
        assert_eq!(status(Some(&"9".repeat(19)), None), Err(400));
        assert_eq!(status(Some(&"0".repeat(19)), None), Err(400));
    }

    #[test]
    fn row_046_nothing_announced_is_not_zero_announced() {
        assert_eq!(status(None, None), Ok(Framing::None));
        assert_eq!(status(Some("0"), None), Ok(Framing::Length(0)));
    }

    #[test]
    fn row_051_chunked_is_chunked_in_any_case() {
        assert_eq!(status(None, Some(b"chunked")), Ok(Framing::Chunked));
        assert_eq!(status(None, Some(b"Chunked")), Ok(Framing::Chunked));
    }

    #[test]
    fn rows_052_053_055_other_codings_are_not_implemented() {
        for coding in [&b"gzip, chunked"[..], b"gzip", b"identity", b"xchunked", b"chunked;q=1"] {
            assert_eq!(status(None, Some(coding)), Err(501), "{}", coding.escape_ascii());
        }
        assert_eq!(status(None, Some(b"\xA0chunked")), Err(501));
    }

    #[test]
    fn row_054_chunked_must_be_once_and_last_and_no_element_empty() {
        for coding in ["chunked, gzip", "chunked, chunked", "chunked,", ", chunked", "", "gzip,"] {
            assert_eq!(status(None, Some(coding.as_bytes())), Err(400), "{coding}");
        }
    }

    #[test]
    fn row_056_http_10_has_no_transfer_encoding() {
        let refused = decide(Version::Http10, None, Some(b"chunked")).unwrap_err();
        assert_eq!(refused.status, 400);
    }
}

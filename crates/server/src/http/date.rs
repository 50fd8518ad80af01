//! The `Date` field: seconds since 1970 as RFC 9110 writes them.

const DAYS: &[u8] = b"ThuFriSatSunMonTueWed";
const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";

/// The last second of the year 9999, after which the form has no room.
const LAST: u64 = 253_402_300_799;

/// `unix_seconds`, counted from 1970 without leap seconds, as in `Sun, 06 Nov 1994 08:49:37 GMT`.
/// Times after the year 9999 are given as its last second.
///
/// # Source
///
/// RFC 9110 §5.6.7 (`IMF-fixdate`).
pub fn imf_fixdate(unix_seconds: u64) -> [u8; 29] {
    let seconds = unix_seconds.min(LAST);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let mut out = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    put(&mut out, 0, three(DAYS, days % 7));
    put(&mut out, 5, two(day));
    put(&mut out, 8, three(MONTHS, month));
    put(&mut out, 12, two(year / 100));
    put(&mut out, 14, two(year % 100));
    put(&mut out, 17, two(second / 3600));
    put(&mut out, 20, two(second / 60 % 60));
    put(&mut out, 23, two(second % 60));
    out
}

/// Year, month (0 for January) and day of the month of a day counted from 1970. Years begin in
/// March here, so that the day that some years lack is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468; // from 0000-03-01
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let march = (5 * day + 2) / 153;
    let month = (march + 2) % 12;
    (era * 400 + year + u64::from(month < 2), month, day - (153 * march + 2) / 5 + 1)
}

fn three(names: &[u8], number: u64) -> [u8; 3] {
    let names = names.as_chunks::<3>().0;
    usize::try_from(number).ok().and_then(|number| names.get(number)).copied().unwrap_or(*b"???")
}

fn two(number: u64) -> [u8; 2] {
    let digit = |digit: u64| b'0' + u8::try_from(digit % 10).unwrap_or(0);
    [digit(number / 10), digit(number)]
}

fn put<const N: usize>(out: &mut [u8; 29], at: usize, text: [u8; N]) {
    if let Some(place) = out.get_mut(at..at + N) {
        place.copy_from_slice(&text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_what_date_says() {
        for (seconds, expected) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (LAST, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(String::from_utf8_lossy(&imf_fixdate(seconds)), expected, "{seconds}");
        }
    }
}

//! Which octets may stand where: the two classes of RFC 9110 that everything here is made of.

/// Whether `octet` may stand in a token: a method, a field's name (RFC 9110 §5.6.2).
pub(super) fn is_token(octet: u8) -> bool {
    TOKEN.get(usize::from(octet)).copied().unwrap_or(false)
}

/// Whether `octet` may stand in a field's value: HTAB, SP, visible ASCII, 0x80 to 0xFF (RFC 9110
/// §5.5).
pub(super) fn is_value(octet: u8) -> bool {
    octet >= 0x20 && octet != 0x7f || octet == b'\t'
}

/// Whether `octet` is whitespace inside a line.
pub(super) fn is_blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

/// Whether `name` is a token; the empty one is not.
pub(super) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&octet| is_token(octet))
}

/// Whether all of `value` may stand in a field's value. Looks at every octet, which is what lets
/// the compiler look at sixteen at once.
pub(super) fn is_clean(value: &[u8]) -> bool {
    !value.iter().fold(false, |bad, &octet| bad | !is_value(octet))
}

/// `value` without the blanks around it.
pub(super) fn trim(value: &[u8]) -> &[u8] {
    let mut value = value;
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// The elements of a list, blanks around them cut; empty elements are given as such.
pub(super) fn elements(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&octet| octet == b',').map(trim)
}

/// A number in decimal digits alone, at most `most` of them.
pub(super) fn decimal(digits: &[u8], most: usize) -> Option<u64> {
    if digits.is_empty() || digits.len() > most {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, &octet| match octet {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(octet - b'0')),
        _ => None,
    })
}

/// The value of a hexadecimal digit.
pub(super) fn hex(octet: u8) -> Option<u8> {
    match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'a'..=b'f' => Some(octet - b'a' + 10),
        b'A'..=b'F' => Some(octet - b'A' + 10),
        _ => None,
    }
}

/// A table, because every octet of every name goes through it.
static TOKEN: [bool; 256] = token_table();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which would refuse it")]
const fn token_table() -> [bool; 256] {
    let mut table = [false; 256];
    let mut octet = 0_u8;
    loop {
        table[octet as usize] = octet.is_ascii_alphanumeric()
            || matches!(
                octet,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        if octet == u8::MAX {
            return table;
        }
        octet += 1;
    }
}

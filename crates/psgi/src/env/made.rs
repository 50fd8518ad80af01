//! What is made byte by byte for `%env`: numbers, and names of fields.

/// Appends a number. By hand: formatting machinery would be a tenth of what a request costs here.
pub(super) fn decimal(mut number: u64, made: &mut Vec<u8>) {
    let from = made.len();
    loop {
        made.push(b'0' + u8::try_from(number % 10).unwrap_or(0));
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = made.get_mut(from..) {
        digits.reverse();
    }
}

/// `x-a` becomes `HTTP_X_A`.
pub(super) fn spell(name: &[u8], made: &mut Vec<u8>) {
    made.extend_from_slice(b"HTTP_");
    made.extend(name.iter().map(|&b| if b == b'-' { b'_' } else { b.to_ascii_uppercase() }));
}

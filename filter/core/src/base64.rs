//! Bytes as text: base64 with the standard alphabet.
//!
//! Spec: <https://www.rfc-editor.org/rfc/rfc4648#section-4>

/// Bits that are left over at the end do not count.
/// Reads text with or without padding.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let digits = match text {
        [digits @ .., b'=', b'='] | [digits @ .., b'='] if text.len().is_multiple_of(4) => digits,
        _ => text,
    };
    let mut bytes = Vec::with_capacity(digits.len());
    for group in digits.chunks(4) {
        let mut bits = 0_u32;
        for at in 0..4 {
            let digit = group.get(at).map_or(Some(0), |it| value_of(*it))?;
            bits = bits << 6 | u32::from(digit);
        }
        let [_, a, b, c] = bits.to_be_bytes();
        let whole = match group.len() {
            4 => 3,
            3 => 2,
            2 => 1,
            _ => return None,
        };
        bytes.extend([a, b, c].into_iter().take(whole));
    }
    Some(bytes)
}

/// Writes text without padding.
pub fn encode(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = Vec::with_capacity(bytes.len().saturating_mul(2));
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let digits = [bits >> 18, bits >> 12, bits >> 6, bits].map(|it| it & 63);
        let whole = group.len().saturating_add(1);
        text.extend(
            digits
                .into_iter()
                .take(whole)
                .filter_map(|it| usize::try_from(it).ok().and_then(|it| DIGITS.get(it)).copied()),
        );
    }
    text
}

/// What a character stands for.
pub fn value_of(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit.wrapping_sub(b'A')),
        b'a'..=b'z' => Some(digit.wrapping_sub(b'a').wrapping_add(26)),
        b'0'..=b'9' => Some(digit.wrapping_sub(b'0').wrapping_add(52)),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

//! JSON text, as far as spans need it.
//!
//! Members and elements are written with a comma behind each; [`close`] takes the last one back.
//! Nothing here is inlined: it is called from many places, and there the module would grow.
//!
//! Spec: <https://www.rfc-editor.org/rfc/rfc8259>

use super::protobuf::utf8;
use crate::{base64, id};

/// Text as it is.
#[inline(never)]
pub fn raw(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(text.as_bytes());
}

/// A single character as it is.
#[inline(never)]
pub fn byte(character: u8, out: &mut Vec<u8>) {
    out.push(character);
}

/// A name of a member that needs no escape, and what stands between it and its value.
#[inline(never)]
pub fn name(name: &str, out: &mut Vec<u8>) {
    byte(b'"', out);
    raw(name, out);
    raw("\":", out);
}

/// The end of an object or array.
#[inline(never)]
pub fn close(end: &str, out: &mut Vec<u8>) {
    out.pop_if(|it| *it == b',');
    raw(end, out);
}

/// A string; what is not UTF-8 is replaced.
#[inline(never)]
pub fn string(value: &[u8], out: &mut Vec<u8>) {
    byte(b'"', out);
    escape(value, out);
    byte(b'"', out);
}

/// What stands between the quotes of a string.
///
/// ```text
/// char      = unescaped / escape ( %x22 / %x5C / %x62 / %x66 / %x6E / %x72 / %x74 / %x75 4HEXDIG )
/// unescaped = %x20-21 / %x23-5B / %x5D-10FFFF
/// ```
/// Spec: <https://www.rfc-editor.org/rfc/rfc8259#section-7>
#[inline(never)]
pub fn escape(value: &[u8], out: &mut Vec<u8>) {
    let value = utf8(value);
    let mut rest = value.as_bytes();
    while let Some(at) = rest.iter().position(|it| *it < b' ' || *it == b'"' || *it == b'\\') {
        let (before, after) = rest.split_at_checked(at).unwrap_or_default();
        out.extend_from_slice(before);
        let Some((special, after)) = after.split_first() else { break };
        let letter = match special {
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            8 => b'b',
            12 => b'f',
            b'"' | b'\\' => *special,
            _ => b'u',
        };
        out.extend_from_slice(&[b'\\', letter]);
        if letter == b'u' {
            raw("00", out);
            id::write_hex(&[*special], out);
        }
        rest = after;
    }
    out.extend_from_slice(rest);
}

/// A whole number without a sign.
#[inline(never)]
pub fn unsigned(mut value: u64, out: &mut Vec<u8>) {
    let start = out.len();
    loop {
        let [digit, ..] = (value % 10).to_le_bytes();
        out.push(b'0' | digit);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.get_mut(start..).unwrap_or_default().reverse();
}

/// A whole number.
#[inline(never)]
pub fn signed(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        byte(b'-', out);
    }
    unsigned(value.unsigned_abs(), out);
}

/// `true` or `false`.
pub fn flag(value: bool, out: &mut Vec<u8>) {
    raw(if value { "true" } else { "false" }, out);
}

/// A number with the fewest digits that give it back. What JSON has no number for is a word in
/// such quotes as the place asks for.
#[inline(never)]
pub fn float(value: f64, quote: &str, out: &mut Vec<u8>) {
    if value.is_finite() {
        return raw(zmij::Buffer::new().format_finite(value), out);
    }
    raw(quote, out);
    raw(if value < 0.0 { "-" } else { "" }, out);
    raw(if value.is_nan() { "NaN" } else { "Infinity" }, out);
    raw(quote, out);
}

/// Bytes in hexadecimal digits, in quotes.
#[inline(never)]
pub fn hex(value: &[u8], out: &mut Vec<u8>) {
    byte(b'"', out);
    id::write_hex(value, out);
    byte(b'"', out);
}

/// Bytes in base64 with such quotes.
#[inline(never)]
pub fn bytes(value: &[u8], quote: &str, out: &mut Vec<u8>) {
    raw(quote, out);
    let mut text = base64::encode(value);
    text.resize(text.len().next_multiple_of(4), b'=');
    out.extend_from_slice(&text);
    raw(quote, out);
}

//! Protocol Buffers' wire format, as far as OTLP needs it.
//!
//! ```text
//! message := (tag value)*
//! tag     := (field << 3) bit-or wire_type        encoded as uint32 varint
//! value   := varint / i32 / i64 / len-prefix
//! ```
//! Spec: <https://protobuf.dev/programming-guides/encoding/>

use std::borrow::Cow;

const VARINT: u32 = 0;
const I64: u32 = 1;
const LEN: u32 = 2;
const I32: u32 = 5;

/// Bytes of a length that is filled in later: 28 bits, so up to 256 MiB.
pub const PADDED: usize = 4;

/// A field that holds a number.
#[inline(always)]
pub fn integer(field: u32, value: u64, out: &mut Vec<u8>) {
    tag(field, VARINT, out);
    varint(value, out);
}

/// A field that holds a 64-bit number at full width.
pub fn fixed64(field: u32, value: u64, out: &mut Vec<u8>) {
    tag(field, I64, out);
    out.extend_from_slice(&value.to_le_bytes());
}

/// A field that holds a 32-bit number at full width.
pub fn fixed32(field: u32, value: u32, out: &mut Vec<u8>) {
    tag(field, I32, out);
    out.extend_from_slice(&value.to_le_bytes());
}

/// A field that holds bytes, or a string that is known to be UTF-8.
#[inline(always)]
pub fn bytes(field: u32, value: &[u8], out: &mut Vec<u8>) {
    length(field, value.len(), out);
    out.extend_from_slice(value);
}

/// The beginning of a field whose `len` bytes follow.
#[inline(always)]
pub fn length(field: u32, len: usize, out: &mut Vec<u8>) {
    tag(field, LEN, out);
    varint(wide(len), out);
}

/// The bytes that [`bytes`] or [`length`] take with `len` bytes, for a field below 16.
#[inline(always)]
pub fn size_of_bytes(len: usize) -> usize {
    1_usize.saturating_add(size_of_varint(wide(len))).saturating_add(len)
}

/// The bytes that a number takes, from 1 to 10.
#[inline(always)]
pub fn size_of_varint(value: u64) -> usize {
    let bits = 64_u32.saturating_sub((value | 1).leading_zeros());
    usize::try_from(bits.div_ceil(7)).unwrap_or(10)
}

/// The beginning of a field whose length is not known yet; returns where it will stand.
///
/// The length is a varint padded to [`PADDED`] bytes, which every reader of the format
/// accepts, so that nothing has to be moved or encoded twice.
pub fn open(field: u32, out: &mut Vec<u8>) -> usize {
    tag(field, LEN, out);
    let at = out.len();
    out.extend_from_slice(&[0; PADDED]);
    at
}

/// Fills in the length of the field that began at `at`: all bytes since.
///
/// Returns `false`, having changed nothing, if they are more than the length can say.
pub fn close(at: usize, out: &mut [u8]) -> bool {
    let Some(place) = out.get(at..) else { return false };
    let Some(len) = place.len().checked_sub(PADDED) else { return false };
    if len >= 1 << (7 * PADDED) {
        return false;
    }
    let len = wide(len);
    for (byte, shift) in out.iter_mut().skip(at).take(PADDED).zip([0_u32, 7, 14, 21]) {
        let more = if shift == 21 { 0 } else { 0x80 };
        *byte = low_byte(len >> shift & 0x7f) | more;
    }
    true
}

/// Text that a string field may hold.
pub fn utf8(value: &[u8]) -> Cow<'_, str> {
    // Nearly all text is good, and the check alone is several times quicker.
    std::str::from_utf8(value).map_or_else(|_| String::from_utf8_lossy(value), Cow::Borrowed)
}

#[inline(always)]
fn tag(field: u32, wire_type: u32, out: &mut Vec<u8>) {
    varint((field << 3 | wire_type).into(), out);
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(low_byte(value) | 0x80);
        value >>= 7;
    }
    out.push(low_byte(value));
}

fn low_byte(value: u64) -> u8 {
    let [byte, ..] = value.to_le_bytes();
    byte
}

fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_varint_is_as_the_official_decoder_reads_it(value: u64) {
            let mut out = Vec::new();
            varint(value, &mut out);
            prop_assert_eq!(out.len(), size_of_varint(value));
            prop_assert_eq!(prost::decode_length_delimiter(&out[..]).is_ok(), usize::try_from(value).is_ok());
            let mut want = Vec::new();
            prost::encoding::encode_varint(value, &mut want);
            prop_assert_eq!(out, want);
        }
    }

    #[test]
    fn a_padded_length_is_read_as_what_it_is() {
        for len in [0, 1, 127, 128, 16_383, 16_384, 3_000_000] {
            let mut out = b"before".to_vec();
            let at = open(1, &mut out);
            out.resize(at + PADDED + len, 7);
            assert!(close(at, &mut out));
            assert_eq!(prost::decode_length_delimiter(&out[at..]).unwrap(), len);
        }
    }

    #[test]
    fn a_length_that_does_not_fit_is_refused() {
        let mut out = vec![0; PADDED + (1 << 28)];
        assert!(!close(0, &mut out));
        assert!(!close(usize::MAX, &mut out));
        assert!(!close(out.len() - 1, &mut out));
    }
}

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

/// The value of one field, as it stands on the wire: what it means is for the schema to say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Value<'a> {
    /// `int64`, `uint32`, `bool`, an enum and the like.
    Number(u64),
    /// `fixed64`, or the bits of a `double`.
    Fixed64(u64),
    /// `bytes`, a `string` that may be anything, or another message.
    Bytes(&'a [u8]),
    /// `fixed32`, or the bits of a `float`.
    Fixed32(u32),
}

/// The fields of a message in the order in which they stand; see [`fields`].
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

/// Bytes of a length that is filled in later: 28 bits, so up to 256 MiB.
pub const PADDED: usize = 4;

/// A field that holds a number.
#[inline(always)]
pub fn integer(field: u32, value: u64, out: &mut Vec<u8>) {
    tag(field, VARINT, out);
    varint(value, out);
}

/// A field that holds a small number, which may be below zero: `sint32`.
pub fn zigzag(field: u32, value: i32, out: &mut Vec<u8>) {
    integer(field, ((value << 1) ^ (value >> 31)).cast_unsigned().into(), out);
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
    // Nearly all are this short, and the fields of OTLP known here: one step instead of two loops.
    if let (1..16, 0..0x80) = (field, len) {
        out.extend_from_slice(&[low_byte(u64::from(field << 3 | LEN)), low_byte(wide(len))]);
        return;
    }
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

/// The fields of a message, each with its number. `None` in place of a field says that the
/// message is broken there, and is the last:
///
/// ```
/// use hopspan_core::encode::protobuf::fields;
///
/// let numbers = |message| -> Option<Vec<u32>> {
///     fields(message).map(|it| it.map(|(number, _)| number)).collect()
/// };
/// assert_eq!(numbers(b"\x08\x96\x01\x12\x01a"), Some(vec![1, 2]));
/// assert_eq!(numbers(b"\x08\x96\x01\x12\x02a"), None);
/// ```
/// Groups, deprecated before OTLP began, are read by nobody here: they are broken, too.
pub fn fields(message: &[u8]) -> Fields<'_> {
    Fields { rest: message }
}

/// The values of a packed `repeated` field, all of 64 bits or all varints; `None` in place of one
/// says that the field is broken there, and is the last.
pub fn values(packed: &[u8], is_fixed: bool) -> impl Iterator<Item = Option<Value<'_>>> {
    let mut rest = packed;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let value = match is_fixed {
            true => take(&mut rest).map(|it| Value::Fixed64(u64::from_le_bytes(*it))),
            false => read_varint(&mut rest).map(Value::Number),
        };
        if value.is_none() {
            rest = &[];
        }
        Some(value)
    })
}

// === impl Fields ===

impl<'a> Fields<'a> {
    fn read(&mut self) -> Option<(u32, Value<'a>)> {
        let rest = &mut self.rest;
        let tag = u32::try_from(read_varint(rest)?).ok()?;
        let value = match tag & 7 {
            VARINT => Value::Number(read_varint(rest)?),
            I64 => Value::Fixed64(u64::from_le_bytes(*take(rest)?)),
            LEN => {
                let len = usize::try_from(read_varint(rest)?).ok()?;
                Value::Bytes(rest.split_off(..len)?)
            }
            I32 => Value::Fixed32(u32::from_le_bytes(*take(rest)?)),
            _ => return None,
        };
        // There is no field 0.
        Some((tag >> 3, value)).filter(|(number, _)| *number > 0)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u32, Value<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_none() {
            self.rest = &[];
        }
        Some(field)
    }
}

fn take<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(first)
}

/// At most ten bytes, whose last has the one bit that is left of 64. Nearly all have one byte.
fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    if let [byte @ 0..0x80, rest @ ..] = *bytes {
        *bytes = rest;
        return Some((*byte).into());
    }
    read_long_varint(bytes)
}

#[inline(never)]
fn read_long_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0_u32..70).step_by(7) {
        let byte = *bytes.split_off_first()?;
        if shift == 63 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[inline(always)]
fn tag(field: u32, wire_type: u32, out: &mut Vec<u8>) {
    varint((field << 3 | wire_type).into(), out);
}

/// A number in as few bytes as it takes.
pub fn varint(mut value: u64, out: &mut Vec<u8>) {
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
            prop_assert_eq!(&out, &want);
            prop_assert_eq!(read_varint(&mut &out[..]), Some(value));
        }

        /// The official decoder's opinion of the same bytes, with and without an end that is cut off.
        #[test]
        fn any_message_is_read_as_the_official_decoder_reads_it(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0_u8..32], 0..40)
        ) {
            let read: Option<Vec<_>> = fields(&bytes).collect();
            let want = official(&bytes);
            prop_assert_eq!(read, want);
            prop_assert!(fields(&bytes).count() <= bytes.len());
        }

        #[test]
        fn what_was_written_is_read(
            number in 1_u32..1 << 29, a: u64, b: u64, c: u32, text: Vec<u8>, cut: prop::sample::Index
        ) {
            let mut out = Vec::new();
            integer(number, a, &mut out);
            fixed64(number, b, &mut out);
            fixed32(number, c, &mut out);
            bytes(number, &text, &mut out);
            let want = [Value::Number(a), Value::Fixed64(b), Value::Fixed32(c), Value::Bytes(&text)];
            let read: Option<Vec<_>> = fields(&out).collect();
            prop_assert_eq!(read, Some(want.map(|it| (number, it)).to_vec()));
            let short = &out[..cut.index(out.len())];
            prop_assert_eq!(fields(short).collect::<Option<Vec<_>>>(), official(short));
        }
    }

    /// The fields by the official decoder's parts.
    fn official(mut bytes: &[u8]) -> Option<Vec<(u32, Value<'_>)>> {
        use prost::encoding::{WireType, decode_key, decode_varint};
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let (number, wire_type) = decode_key(&mut bytes).ok()?;
            let fixed = |bytes: &mut &[u8], len| {
                let mut wide = [0; 8];
                wide[..len].copy_from_slice(bytes.split_off(..len)?);
                Some(u64::from_le_bytes(wide))
            };
            let value = match wire_type {
                WireType::Varint => Value::Number(decode_varint(&mut bytes).ok()?),
                WireType::SixtyFourBit => Value::Fixed64(fixed(&mut bytes, 8)?),
                WireType::ThirtyTwoBit => Value::Fixed32(fixed(&mut bytes, 4)?.try_into().ok()?),
                WireType::LengthDelimited => {
                    let len = usize::try_from(decode_varint(&mut bytes).ok()?).ok()?;
                    Value::Bytes(bytes.split_off(..len)?)
                }
                WireType::StartGroup | WireType::EndGroup => return None,
            };
            found.push((number, value));
        }
        Some(found)
    }

    #[test]
    fn nothing_follows_what_is_broken() {
        let field = Some((1, Value::Number(1)));
        for (why, message, want) in [
            ("nothing", &b""[..], &[][..]),
            ("one field", b"\x08\x01", &[field]),
            ("no value", b"\x08\x01\x08", &[field, None]),
            ("field 0", b"\x08\x01\x00\x01\x08\x01", &[field, None]),
            ("a group", b"\x08\x01\x0b\x0c", &[field, None]),
            ("a wire type that is not", b"\x0e\x01\x08\x01", &[None]),
            ("a length beyond the end", b"\x0a\x02a", &[None]),
            ("a length beyond all", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01a", &[None]),
            ("65 bits", b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", &[None]),
            ("eleven bytes", b"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", &[None]),
            ("a field number of 33 bits", b"\x88\x80\x80\x80\x20\x01", &[None]),
            ("a padded length", b"\x08\x81\x80\x80\x00", &[field]),
            ("seven bytes of eight", b"\x09\x00\x00\x00\x00\x00\x00\x00", &[None]),
        ] {
            assert_eq!(fields(message).collect::<Vec<_>>(), want, "{why}");
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

//! Trace and span ids: checked, printed and generated.

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::fmt;

/// The id of a whole trace: 16 bytes, never all zero.
///
/// Spec: <https://www.w3.org/TR/trace-context-2/#trace-id>
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct TraceId([u8; 16]);

/// The id of one span, which is the `parent-id` of what it calls: 8 bytes, never all zero.
///
/// Spec: <https://www.w3.org/TR/trace-context-2/#parent-id>
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct SpanId([u8; 8]);

// === impl TraceId ===

impl TraceId {
    /// Returns `None` if all bytes are zero, the value that the specification forbids.
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    /// The id as it stands in binary formats.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The id of these two halves; `None` if both are zero.
    pub fn from_halves(high: u64, low: u64) -> Option<Self> {
        Self::from_bytes((u128::from(high) << 64 | u128::from(low)).to_be_bytes())
    }

    /// The first 64 bits.
    pub fn high(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// The last 64 bits, which are the whole id to those who know but so many.
    pub fn low(&self) -> u64 {
        let [.., a, b, c, d, e, f, g, h] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// Whether 64 bits say it all: the rest is zero, and what remains is not.
    pub fn is_narrow(&self) -> bool {
        self.high() == 0
    }

    /// The 56 bits that the random flag promises to be random: the last seven bytes.
    ///
    /// Spec: <https://www.w3.org/TR/trace-context-2/#random-trace-id-flag>
    pub fn randomness(&self) -> u64 {
        let [.., b, c, d, e, f, g, h] = self.0;
        u64::from_be_bytes([0, b, c, d, e, f, g, h])
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(&self.0, f)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

// === impl SpanId ===

impl SpanId {
    /// Returns `None` if all bytes are zero, the value that the specification forbids.
    pub fn from_bytes(bytes: [u8; 8]) -> Option<Self> {
        (bytes != [0; 8]).then_some(Self(bytes))
    }

    /// The id as it stands in binary formats.
    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(&self.0, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpanId({self})")
    }
}

fn print(id: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    id.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// A source of random ids and jitter, seeded once and then free of host calls.
///
/// Not for secrets: ids are public. One for each worker, so that no two workers
/// share a sequence.
#[derive(Debug)]
pub struct Generator(Xoshiro256PlusPlus);

impl Generator {
    /// Starts a sequence; equal seeds give equal sequences.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(Xoshiro256PlusPlus::from_seed(seed))
    }

    /// Starts a sequence from numbers that are not random: that they are not all the same
    /// as another's is enough to make the sequences differ from their first id on.
    pub fn from_numbers(numbers: &[u64]) -> Self {
        let mix = |seed: u64, number: &u64| {
            (seed ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31)
        };
        Self(Xoshiro256PlusPlus::seed_from_u64(numbers.iter().fold(0, mix)))
    }

    /// A new trace-id, random in all of its bytes.
    pub fn trace_id(&mut self) -> TraceId {
        loop {
            let mut bytes = [0; 16];
            self.0.fill_bytes(&mut bytes);
            if let Some(id) = TraceId::from_bytes(bytes) {
                return id;
            }
        }
    }

    /// A new span id.
    pub fn span_id(&mut self) -> SpanId {
        loop {
            if let Some(id) = SpanId::from_bytes(self.0.next_u64().to_le_bytes()) {
                return id;
            }
        }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }
}

/// Reads exactly `2 * N` lower-case hexadecimal digits, as W3C's formats demand.
///
/// ```text
/// HEXDIGLC = DIGIT / "a" / "b" / "c" / "d" / "e" / "f" ; lowercase hex character
/// ```
/// Spec: <https://www.w3.org/TR/trace-context-2/#traceparent-header-field-values>
#[inline(never)]
pub fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    if pairs.len() != N {
        return None;
    }
    let (mut bytes, mut all) = ([0; N], 0);
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let [high, low] = [nibble(*high), nibble(*low)];
        *byte = high << 4 | low;
        all |= high | low;
    }
    (all < 16).then_some(bytes)
}

/// Reads a hexadecimal number of up to `2 * N` digits in either case, filled up with zeroes
/// on its left.
///
/// ```
/// use hopspan_core::id::short_hex;
///
/// assert_eq!(short_hex::<2>(b"A1f"), Some([0x0a, 0x1f]));
/// assert_eq!(short_hex::<2>(b""), None);
/// ```
#[inline(never)]
pub fn short_hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if digits.is_empty() || digits.len().div_ceil(2) > N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().rev().zip(digits.rchunks(2)) {
        for digit in pair {
            let nibble = Some(nibble(digit.to_ascii_lowercase())).filter(|it| *it < 16)?;
            *byte = *byte << 4 | nibble;
        }
    }
    Some(bytes)
}

/// Reads a decimal number of 64 bits: digits and nothing else.
#[inline(never)]
pub fn decimal(digits: &[u8]) -> Option<u64> {
    let number = std::str::from_utf8(digits).ok()?;
    number.parse().ok().filter(|_| digits.iter().all(u8::is_ascii_digit))
}

/// Appends `bytes` as lower-case hexadecimal digits.
#[inline(never)]
pub fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start.saturating_add(bytes.len().saturating_mul(2)), 0);
    let (pairs, _) = out.get_mut(start..).unwrap_or_default().as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        *pair = PAIRS.get(usize::from(*byte)).copied().unwrap_or_default();
    }
}

/// Whether these are what [`write_hex`] makes of `bytes`.
#[inline(never)]
pub fn is_hex_of(digits: &[u8], bytes: &[u8]) -> bool {
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty()
        && pairs.len() == bytes.len()
        && pairs.iter().zip(bytes).all(|(pair, byte)| PAIRS.get(usize::from(*byte)) == Some(pair))
}

/// The value of a lower-case hexadecimal digit; 16 or more for any other byte.
fn nibble(digit: u8) -> u8 {
    NIBBLES.get(usize::from(digit)).copied().unwrap_or(u8::MAX)
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The two digits of each byte.
#[expect(clippy::indexing_slicing, reason = "at compile time")]
static PAIRS: [[u8; 2]; 256] = {
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    pairs
};

/// What each byte is worth as a digit.
#[expect(clippy::indexing_slicing, reason = "at compile time")]
static NIBBLES: [u8; 256] = {
    let mut nibbles = [u8::MAX; 256];
    let mut value: u8 = 0;
    while value < 16 {
        nibbles[DIGITS[value as usize] as usize] = value;
        value += 1;
    }
    nibbles
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hex_reads_only_whole_lower_case_numbers() {
        for (why, digits, want) in [
            ("two bytes", &b"00ff"[..], Some([0, 255])),
            ("all digits", b"9a0f", Some([0x9a, 0x0f])),
            ("upper case", b"00FF", None),
            ("odd length", b"00f", None),
            ("too short", b"00", None),
            ("too long", b"00ff00", None),
            ("a sign", b"+0ff", None),
            ("the neighbours of the digits", b"/0:0", None),
            ("the neighbours of the letters", b"`0g0", None),
        ] {
            assert_eq!(hex::<2>(digits), want, "{why}");
        }
    }

    #[test]
    fn decimal_reads_digits_only() {
        for (why, digits, want) in [
            ("zero", "0", Some(0)),
            ("the largest", "18446744073709551615", Some(u64::MAX)),
            ("one more", "18446744073709551616", None),
            ("zeroes in front", "007", Some(7)),
            ("a sign", "+7", None),
            ("nothing", "", None),
            ("a space", " 7", None),
        ] {
            assert_eq!(decimal(digits.as_bytes()), want, "{why}");
        }
    }

    #[test]
    fn zero_is_no_id() {
        assert_eq!(TraceId::from_bytes([0; 16]), None);
        assert_eq!(SpanId::from_bytes([0; 8]), None);
    }

    #[test]
    fn randomness_is_the_last_seven_bytes() {
        let id = TraceId::from_bytes(
            *b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04\x05\x06\x07",
        );
        assert_eq!(id.map(|id| id.randomness()), Some(0x0001_0203_0405_0607));
    }

    #[test]
    fn a_generator_repeats_with_its_seed_and_only_with_it() {
        let ids = |seed| {
            let mut it = Generator::new(seed);
            (it.trace_id(), it.span_id(), it.bits())
        };
        assert_eq!(ids([1; 32]), ids([1; 32]));
        assert_ne!(ids([1; 32]), ids([2; 32]));
    }

    #[test]
    fn numbers_that_differ_a_little_give_ids_that_differ() {
        let mut ids = std::collections::HashSet::new();
        for numbers in [[0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 1, 1], [7, 7, 2]] {
            let mut it = Generator::from_numbers(&numbers);
            assert!((0..100).all(|_| ids.insert(it.span_id())), "{numbers:?}");
        }
    }

    proptest! {
        #[test]
        fn short_hex_agrees_with_the_standard_library(digits in "[0-9a-fA-Fg+ ]{0,5}") {
            let hex = digits.chars().all(|it| it.is_ascii_hexdigit());
            let number = u16::from_str_radix(&digits, 16).ok().filter(|_| hex && digits.len() <= 4);
            prop_assert_eq!(short_hex::<2>(digits.as_bytes()), number.map(u16::to_be_bytes));
        }

        #[test]
        fn an_id_is_its_two_halves(high: u64, low: u64) {
            if let Some(id) = TraceId::from_halves(high, low) {
                prop_assert_eq!((id.high(), id.low()), (high, low));
            }
        }

        #[test]
        fn hex_undoes_write_hex(bytes: [u8; 16]) {
            let mut digits = Vec::new();
            write_hex(&bytes, &mut digits);
            prop_assert_eq!(&digits, &bytes.iter().map(|b| format!("{b:02x}")).collect::<String>().into_bytes());
            prop_assert_eq!(hex::<16>(&digits), Some(bytes));
        }
    }
}

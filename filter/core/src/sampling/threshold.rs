//! The rejection threshold: a sampling probability as 56-bit integers compare it.
//!
//! ```text
//! th       = 1*14hexdigit ; filled up with zeros on its right
//! hexdigit = DIGIT / "a" / "b" / "c" / "d" / "e" / "f"
//! ```
//! Spec: <https://opentelemetry.io/docs/specs/otel/trace/tracestate-handling/#sampling-threshold-value-th>

use crate::id;

/// How many of all 2⁵⁶ values of randomness are rejected: the lowest ones.
///
/// A trace is kept if its randomness is not below it. So who keeps a trace by one threshold
/// keeps it by every lower one, too: decisions of different hops are consistent.
///
/// Spec: <https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/#rejection-threshold-th>
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Threshold(u64);

/// How many values there are: the largest adjusted count.
const ALL: u64 = 1 << 56;
/// The bits of randomness.
pub const RANDOM: u64 = ALL - 1;
/// Their digits.
const DIGITS: u32 = 14;
/// Significant digits of what a ratio becomes.
const PRECISION: u32 = 4;

impl Threshold {
    /// Rejects nothing.
    pub const ZERO: Self = Self(0);

    /// Reads the value of `th`.
    ///
    /// ```
    /// use hopspan_core::sampling::threshold::Threshold;
    ///
    /// assert_eq!(Threshold::parse(b"c"), Threshold::parse(b"c0000000000000"));
    /// assert_eq!(Threshold::parse(b"c").unwrap().probability(), 0.25);
    /// assert_eq!(Threshold::parse(b"C"), None);
    /// ```
    pub fn parse(digits: &[u8]) -> Option<Self> {
        let mut all = [b'0'; DIGITS as usize];
        all.get_mut(..digits.len()).filter(|it| !it.is_empty())?.copy_from_slice(digits);
        randomness(&all).map(Self)
    }

    /// The threshold of a sampling probability; `None` below 2⁻⁵⁶, which OpenTelemetry does not
    /// define, and above 1.
    ///
    /// It is rounded to the four digits that the specification recommends, not counting `f`s
    /// in front: then SDKs that have the same ratio keep the same traces as we do, and `th`
    /// stays short. What is kept differs from `probability` by at most one part in 8192 (of
    /// those above 2⁻⁴⁴); but the rounded threshold is the one that decides, so `th` is exact.
    ///
    /// Spec: <https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/#converting-floating-point-probability-to-threshold-value>
    #[expect(clippy::cast_possible_truncation, reason = "it lies between 0 and 2^56")]
    #[expect(clippy::cast_sign_loss, reason = "it lies between 0 and 2^56")]
    pub fn of_probability(probability: f64) -> Option<Self> {
        if !(1.0 / ALL as f64..=1.0).contains(&probability) {
            return None;
        }
        // What is kept, in units of the last digit. To multiply by a power of two is exact.
        let mut digits = PRECISION;
        let mut kept = probability * f64::from(1_u32 << (4 * PRECISION));
        while kept < f64::from(1_u32 << (4 * (PRECISION - 1))) && digits < DIGITS {
            kept *= 16.0;
            digits = digits.saturating_add(1);
        }
        // Halves round the threshold up, so what is kept down.
        let kept = (kept - 0.5).ceil() as u64;
        let unit = 1_u64.unbounded_shl(DIGITS.saturating_sub(digits).saturating_mul(4));
        Some(Self(ALL.saturating_sub(kept.saturating_mul(unit))))
    }

    /// Whether a trace with these 56 random bits is kept.
    pub fn keeps(self, randomness: u64) -> bool {
        randomness >= self.0
    }

    /// The share that is kept.
    pub fn probability(self) -> f64 {
        ALL.saturating_sub(self.0) as f64 / ALL as f64
    }

    /// How many traces one that was kept stands for.
    pub fn adjusted_count(self) -> f64 {
        1.0 / self.probability()
    }

    /// Appends the value of `th`, without the zeros on its right.
    pub fn write(self, out: &mut Vec<u8>) {
        let Self(threshold) = self;
        write_randomness(threshold, out);
        for _ in 1..DIGITS {
            if out.last() == Some(&b'0') {
                out.pop();
            }
        }
    }
}

/// Reads 56 bits: exactly 14 lower-case digits.
pub fn randomness(digits: &[u8]) -> Option<u64> {
    let [a, b, c, d, e, f, g] = id::hex(digits)?;
    Some(u64::from_be_bytes([0, a, b, c, d, e, f, g]))
}

/// Appends the last 56 bits as 14 digits.
pub fn write_randomness(bits: u64, out: &mut Vec<u8>) {
    let [_, bytes @ ..] = bits.to_be_bytes();
    id::write_hex(&bytes, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(threshold: Threshold) -> String {
        let mut out = b"th:".to_vec();
        threshold.write(&mut out);
        String::from_utf8(out).unwrap().split_off(3)
    }

    fn of(probability: f64) -> Option<String> {
        Threshold::of_probability(probability).map(written)
    }

    #[test]
    fn reads_only_what_the_grammar_allows() {
        for (why, digits, want) in [
            ("nothing is rejected", "0", Some("0")),
            ("one digit", "2", Some("2")),
            ("two", "ab", Some("ab")),
            ("all fourteen", "abcdefabcdefab", Some("abcdefabcdefab")),
            ("zeros in front count", "0004", Some("0004")),
            ("zeros at the end do not", "1000", Some("1")),
            ("fourteen zeros", "00000000000000", Some("0")),
            ("no digit", "", None),
            ("fifteen", "100000000000000", None),
            ("sixteen", "ffffffffffffffff", None),
            ("upper case", "AB", None),
            ("no hexadecimal digit", "$", None),
            ("nor this", "fg", None),
            ("a prefix", "0x1p+3", None),
            ("a point", "14.5", None),
            ("a sign", "-1", None),
            ("white space", " 1", None),
        ] {
            let got = Threshold::parse(digits.as_bytes()).map(written);
            assert_eq!(got.as_deref(), want, "{why}");
        }
    }

    #[test]
    fn ratios_become_the_thresholds_of_the_specification() {
        // Its table of one in N, with precision 4: N, th, probability, adjusted count.
        for (n, th, probability, adjusted_count) in [
            (1, "0", 1.0, 1.0),
            (2, "8", 0.5, 2.0),
            (3, "aaab", 0.333_328_247_070_312_5, 3.000_045_777_065_69),
            (4, "c", 0.25, 4.0),
            (5, "cccd", 0.199_996_948_242_187_5, 5.000_076_295_109_483_5),
            (8, "e", 0.125, 8.0),
            (10, "e666", 0.100_006_103_515_625, 9.999_389_685_688_13),
            (16, "f", 0.0625, 16.0),
            (100, "fd70a", 0.010_000_228_881_835_938, 99.997_711_234_026_33),
            (1_000, "ffbe77", 0.000_999_987_125_396_728_5, 1_000.012_874_769_029),
            (10_000, "fff9724", 0.000_100_001_692_771_911_62, 9_999.830_725_674_266),
            (100_000, "ffff583a", 1.000_007_614_493_37e-5, 99_999.238_556_461),
            (1_000_000, "ffffef39", 1.000_007_614_493_37e-6, 999_992.385_564_61),
        ] {
            let threshold = Threshold::of_probability(1.0 / f64::from(n)).unwrap();
            assert_eq!(written(threshold), th, "1 in {n}");
            let near = |got: f64, want: f64| (got / want - 1.0).abs() < 1e-14;
            assert!(near(threshold.probability(), probability), "1 in {n}");
            assert!(near(threshold.adjusted_count(), adjusted_count), "1 in {n}");
        }
    }

    #[test]
    fn the_ends_and_halves_are_rounded() {
        let tiny = |kept: f64| kept / ALL as f64;
        for (why, probability, want) in [
            ("two thirds", 2.0 / 3.0, Some("5555")),
            ("one in 2⁵⁶", tiny(1.0), Some("ffffffffffffff")),
            ("two", tiny(2.0), Some("fffffffffffffe")),
            ("sixteen", tiny(16.0), Some("fffffffffffff")),
            ("between digits", tiny(1.4), Some("ffffffffffffff")),
            ("less", tiny(0.99), None),
            ("none", 0.0, None),
            ("more than all", 1.000_001, None),
            ("less than none", -0.1, None),
            ("no number", f64::NAN, None),
            ("nearly all", 1.0 - 2.0_f64.powi(-16), Some("0001")),
            ("half a digit less than all", 1.0 - 2.0_f64.powi(-17), Some("0001")),
            ("less than half a digit", 1.0 - 2.0_f64.powi(-18), Some("0")),
            ("half a digit", 1.0 - 2.0_f64.powi(-17) * 3.0, Some("0002")),
            ("zeros in front count", 1.0 - 2.0_f64.powi(-12), Some("001")),
            ("sixteenths have a digit", 0.937_5, Some("1")),
            ("the smallest that may be configured", 1e-9, Some("fffffffbb48")),
        ] {
            assert_eq!(of(probability).as_deref(), want, "{why}");
        }
    }

    #[test]
    fn the_lowest_values_are_rejected() {
        let half = Threshold::parse(b"8").unwrap();
        assert!(half.keeps(0x80_0000_0000_0000));
        assert!(!half.keeps(0x7f_ffff_ffff_ffff));
        assert!(Threshold::ZERO.keeps(0));
        let last = Threshold::parse(b"ffffffffffffff").unwrap();
        assert!(last.keeps(0xff_ffff_ffff_ffff));
        assert!(!last.keeps(0xff_ffff_ffff_fffe));
    }

    #[test]
    fn randomness_has_all_of_its_digits() {
        assert_eq!(randomness(b"6e6d1a75832a2f"), Some(0x6e_6d1a_7583_2a2f));
        assert_eq!(randomness(b"00000000000003"), Some(3));
        for wrong in
            ["", "3", "6e6d1a75832a2", "6e6d1a75832a2f0", "6E6d1a75832a2f", "6e6d1a75832a2g"]
        {
            assert_eq!(randomness(wrong.as_bytes()), None, "{wrong}");
        }
        let mut out = Vec::new();
        write_randomness(0xaa00_0000_0000_0003, &mut out);
        assert_eq!(out, b"00000000000003", "56 bits of them");
    }

    /// A second opinion: the digits of what is rejected, one by one, by exact division as on
    /// paper, then cut and rounded on paper, too.
    fn naive(probability: f64) -> String {
        let bits = probability.to_bits();
        let mut kept = u128::from(bits & ((1 << 52) - 1) | 1 << 52);
        let mut whole = 1_u128 << (1023 + 52 - (bits >> 52));
        while kept % 2 == 0 && whole > 1 {
            (kept, whole) = (kept / 2, whole / 2);
        }
        let mut rest = whole - kept;
        let mut digits: Vec<u128> = Vec::new();
        while digits.len() < 15 {
            rest *= 16;
            digits.push(rest / whole);
            rest %= whole;
        }
        let in_front = digits.iter().take_while(|it| **it == 15).count();
        let mut end = (4 + in_front).min(14);
        let mut carry = digits[end] >= 8;
        digits.truncate(end);
        while carry && end > 0 {
            end -= 1;
            carry = digits[end] == 15;
            digits[end] = (digits[end] + 1) % 16;
        }
        assert!(!carry, "more than everything");
        let text: String = digits.iter().map(|it| format!("{it:x}")).collect();
        match text.trim_end_matches('0') {
            "" => "0".to_owned(),
            text => text.to_owned(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        #[test]
        fn agrees_with_digits_worked_out_on_paper(mantissa in 0.5..1.0, exponent in -55..=0) {
            let probability: f64 = mantissa * 2.0_f64.powi(exponent);
            prop_assert_eq!(of(probability), Some(naive(probability)), "{}", probability);
        }

        #[test]
        fn what_is_written_is_read_again(bits in 0..ALL, zeros in 0_u32..56) {
            let threshold = Threshold(bits >> zeros << zeros);
            let text = written(threshold);
            prop_assert_eq!(Threshold::parse(text.as_bytes()), Some(threshold));
            prop_assert!(text == "0" || !text.ends_with('0'));
            let naive = format!("{:014x}", threshold.0);
            prop_assert!(naive.starts_with(&text) && naive[text.len()..].bytes().all(|it| it == b'0'));
        }

        #[test]
        fn more_is_never_less(a in 1e-12..1.0, b in 1e-12..1.0) {
            let [a, b]: [Option<Threshold>; 2] = [f64::min(a, b), f64::max(a, b)].map(Threshold::of_probability);
            prop_assert!(a >= b);
        }

        #[test]
        fn rounding_costs_no_more_than_it_says(mantissa in 0.5..1.0, exponent in -43..=0) {
            let probability: f64 = mantissa * 2.0_f64.powi(exponent);
            let got = Threshold::of_probability(probability).unwrap().probability();
            prop_assert!((got / probability - 1.0).abs() <= 1.0 / 8192.0, "{} for {}", got, probability);
        }
    }

    #[test]
    fn powers_of_two_agree_with_digits_worked_out_on_paper() {
        for exponent in -56..=-1 {
            let probability = 2.0_f64.powi(exponent);
            assert_eq!(of(probability), Some(naive(probability)), "2^{exponent}");
        }
    }
}

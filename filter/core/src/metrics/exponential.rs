//! Buckets whose ends grow by a factor: as fine for what takes a millisecond as for what takes a minute,
//! with no bounds that somebody must choose.
//!
//! ```text
//! bucket i holds what is in (base^i, base^(i+1)], where base = 2^(2^-scale)
//! ```
//! Spec: <https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram>

/// Counts of durations, in seconds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exponential {
    scale: u32,
    /// The index of the first bucket.
    offset: i32,
    counts: Vec<u64>,
    zeros: u64,
}

/// The finest scale: 16 buckets for what is twice as long, so that none is off by more than 2.2 %.
const MAX_SCALE: u32 = 4;

/// As many as OpenTelemetry's SDKs have. What is between a nanosecond and five centuries takes 64
/// doublings, so that scale 1 has room for all.
///
/// Spec: <https://opentelemetry.io/docs/specs/otel/metrics/sdk/#base2-exponential-bucket-histogram-aggregation>
const MAX_BUCKETS: usize = 160;

/// Where a double's mantissa is that of 2^(1/16), 2^(2/16) and so on up to 2^(15/16).
const STEPS: [u64; 15] = [
    0xb5586cf9890f,
    0x172b83c7d517b,
    0x2387a6e756238,
    0x306fe0a31b715,
    0x3dea64c123422,
    0x4bfdad5362a27,
    0x5ab07dd485429,
    0x6a09e667f3bcd,
    0x7a11473eb0187,
    0x8ace5422aa0db,
    0x9c49182a3f090,
    0xae89f995ad3ad,
    0xc199bdd85529c,
    0xd5818dcfba487,
    0xea4afa2a490da,
];

// === impl Exponential ===

impl Default for Exponential {
    fn default() -> Self {
        Self { scale: MAX_SCALE, offset: 0, counts: Vec::new(), zeros: 0 }
    }
}

impl Exponential {
    /// Adds one, in nanoseconds.
    pub fn record(&mut self, nanos: u64) {
        let Some(finest) = index(nanos) else {
            self.zeros = self.zeros.saturating_add(1);
            return;
        };
        if self.place(finest).is_none() {
            self.make_room(finest);
        }
        if let Some(count) = self.place(finest) {
            *count = count.saturating_add(1);
        }
    }

    /// Where the bucket of an index of the finest scale is.
    fn place(&mut self, finest: i32) -> Option<&mut u64> {
        let index = finest >> MAX_SCALE.saturating_sub(self.scale);
        let at = usize::try_from(index.checked_sub(self.offset)?).ok()?;
        self.counts.get_mut(at)
    }

    /// Has all buckets from those that are there up or down to one more; fewer, of twice the size, if
    /// they were too many.
    fn make_room(&mut self, finest: i32) {
        let Self { scale, offset, counts, .. } = self;
        let mut index = finest >> MAX_SCALE.saturating_sub(*scale);
        let length = i32::try_from(counts.len()).unwrap_or(i32::MAX);
        let (mut first, mut last) = match length {
            0 => (index, index),
            _ => (*offset, offset.saturating_add(length).saturating_sub(1)),
        };
        let mut shift = 0_u32;
        let size = loop {
            let (low, high) = (first.min(index), last.max(index));
            let size = usize::try_from(high.abs_diff(low)).unwrap_or(usize::MAX).saturating_add(1);
            if size <= MAX_BUCKETS || *scale == 0 {
                first = low;
                break size.min(MAX_BUCKETS);
            }
            (index, first, last) = (index >> 1, first >> 1, last >> 1);
            *scale = scale.saturating_sub(1);
            shift = shift.saturating_add(1);
        };
        let mut wider = vec![0_u64; size];
        for (old, count) in (*offset..).zip(counts.iter()) {
            let at = usize::try_from((old >> shift).saturating_sub(first)).unwrap_or(usize::MAX);
            if let Some(place) = wider.get_mut(at) {
                *place = place.saturating_add(*count);
            }
        }
        (*offset, *counts) = (first, wider);
    }

    /// How fine the buckets are.
    pub fn scale(&self) -> i32 {
        self.scale.cast_signed()
    }

    /// The index of the first bucket.
    pub fn offset(&self) -> i32 {
        self.offset
    }

    /// How many are in each bucket.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// How many took no time.
    pub fn zeros(&self) -> u64 {
        self.zeros
    }
}

/// The bucket at the finest scale; `None` for nothing.
fn index(nanos: u64) -> Option<i32> {
    if nanos == 0 {
        return None;
    }
    // A double is 2^exponent times 1 + mantissa / 2^52.
    let bits = (nanos as f64 / 1e9).to_bits();
    let exponent = i32::try_from(bits >> 52).ok()?.saturating_sub(1023);
    let mantissa = bits & ((1 << 52) - 1);
    // An end belongs to the bucket below it.
    let steps = STEPS.partition_point(|it| *it < mantissa);
    let above = i32::try_from(steps).ok()?.saturating_sub((mantissa == 0).into());
    Some((exponent << MAX_SCALE).saturating_add(above))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The ends of a bucket, in seconds.
    fn ends(scale: i32, index: i32) -> (f64, f64) {
        let base = 2_f64.powf(2_f64.powi(-scale));
        (base.powi(index), base.powi(index + 1))
    }

    fn histogram(nanos: &[u64]) -> Exponential {
        let mut it = Exponential::default();
        nanos.iter().for_each(|nanos| it.record(*nanos));
        it
    }

    #[test]
    fn one_bucket_is_enough_for_one_value() {
        for (why, nanos, offset) in [
            ("a second is the end of the bucket below", 1_000_000_000, -1),
            ("more than a second", 1_000_000_001, 0),
            ("two seconds", 2_000_000_000, 15),
            ("half a second", 500_000_000, -17),
            ("a nanosecond", 1, -479),
            ("five centuries", u64::MAX, 545),
        ] {
            let it = histogram(&[nanos]);
            assert_eq!((it.scale(), it.offset(), it.counts()), (4, offset, &[1][..]), "{why}");
        }
        let it = histogram(&[0, 0]);
        assert_eq!((it.zeros(), it.counts()), (2, &[][..]));
    }

    #[test]
    fn buckets_grow_where_there_are_too_many() {
        let ms = 1_000_000;
        for (why, nanos, scale, buckets) in [
            ("a factor of a thousand", &[ms, 1000 * ms][..], 4, 160),
            ("a little more", &[ms, 1100 * ms], 3, 82),
            ("a factor of a million", &[ms, 1_000_000 * ms], 3, 160),
            ("everything", &[1, u64::MAX], 1, 129),
            ("downwards", &[u64::MAX, ms, 1], 1, 129),
        ] {
            let it = histogram(nanos);
            let counted: u64 = it.counts().iter().sum();
            let want = (scale, buckets, nanos.len() as u64);
            assert_eq!((it.scale(), it.counts().len(), counted), want, "{why}");
        }
    }

    proptest! {
        #[test]
        fn each_is_in_the_bucket_that_holds_it(
            nanos in prop::collection::vec(prop_oneof![1_u64..100_000_000_000, any::<u64>()], 1..40)
        ) {
            let it = histogram(&nanos);
            prop_assert!(it.counts().len() <= MAX_BUCKETS);
            let mut want = vec![0; it.counts().len()];
            for nanos in nanos.iter().filter(|it| **it > 0) {
                let seconds = *nanos as f64 / 1e9;
                let at = want.iter().enumerate().position(|(at, _)| {
                    let (low, high) = ends(it.scale(), it.offset() + at as i32);
                    // The powers of tests have an error of their own.
                    seconds > low * (1.0 - 1e-12) && seconds <= high * (1.0 + 1e-12)
                });
                want[at.expect("a bucket")] += 1;
            }
            prop_assert_eq!(it.counts(), want);
        }
    }
}

//! Durations in buckets.

use super::exponential::Exponential;
use crate::time::nanos;
use std::time::Duration;

/// How often what lasted how long.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Histogram {
    buckets: Buckets,
    /// In nanoseconds: exact, for five centuries of requests.
    sum: u64,
}

/// Which ends buckets have.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Shape {
    /// Those that the conventions say.
    #[default]
    Explicit,
    /// Those of [`Exponential`].
    Exponential,
}

/// The counts of a histogram.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Buckets {
    /// Between bounds; the last is for those above all of them.
    Explicit(&'static Bounds, [u64; BOUNDS + 1]),
    /// Of ends that grow by a factor.
    Exponential(Exponential),
}

/// The inclusive upper ends of all buckets but the last, in nanoseconds.
pub type Bounds = [u64; BOUNDS];

const BOUNDS: usize = 14;

/// For requests.
///
/// Source: <https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#metric-httpserverrequestduration>
pub const REQUESTS: Bounds = [
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    75_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    750_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    7_500_000_000,
    10_000_000_000,
];

/// For what a proxy itself takes of them: from 25 us to 1 s.
pub const PROXY: Bounds = [
    25_000,
    50_000,
    100_000,
    200_000,
    300_000,
    500_000,
    750_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    50_000_000,
    100_000_000,
    1_000_000_000,
];

// === impl Histogram ===

impl Histogram {
    /// Nothing yet.
    pub fn new(shape: Shape, bounds: &'static Bounds) -> Self {
        let buckets = match shape {
            Shape::Explicit => Buckets::Explicit(bounds, [0; BOUNDS + 1]),
            Shape::Exponential => Buckets::Exponential(Exponential::default()),
        };
        Self { buckets, sum: 0 }
    }

    /// Adds one.
    pub fn record(&mut self, took: Duration) {
        let took = nanos(took);
        match &mut self.buckets {
            Buckets::Explicit(bounds, counts) => {
                let bucket = bounds.iter().position(|it| took <= *it).unwrap_or(BOUNDS);
                if let Some(count) = counts.get_mut(bucket) {
                    *count = count.saturating_add(1);
                }
            }
            Buckets::Exponential(it) => it.record(took),
        }
        self.sum = self.sum.saturating_add(took);
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        let (counts, zeros) = match &self.buckets {
            Buckets::Explicit(_, counts) => (&counts[..], 0),
            Buckets::Exponential(it) => (it.counts(), it.zeros()),
        };
        counts.iter().copied().fold(zeros, u64::saturating_add)
    }

    /// How long all of them took together.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }

    /// How many are in each bucket.
    pub fn buckets(&self) -> &Buckets {
        &self.buckets
    }
}

/// Bounds in seconds.
pub fn seconds(bounds: &Bounds) -> impl ExactSizeIterator<Item = f64> {
    bounds.iter().map(|it| *it as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_are_those_of_the_conventions() {
        let want =
            [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
        let bits = |it: f64| it.to_bits();
        assert!(seconds(&REQUESTS).map(bits).eq(want.map(bits)));
        assert!(PROXY.is_sorted() && REQUESTS.is_sorted());
    }

    #[test]
    fn a_bound_belongs_to_the_bucket_below_it() {
        for (why, took, bucket) in [
            ("nothing", Duration::ZERO, 0),
            ("the first bound", Duration::from_millis(5), 0),
            ("more", Duration::from_nanos(5_000_001), 1),
            ("the last bound", Duration::from_secs(10), 13),
            ("more than all bounds", Duration::from_nanos(10_000_000_001), 14),
            ("more than can be counted", Duration::MAX, 14),
        ] {
            let mut it = Histogram::new(Shape::Explicit, &REQUESTS);
            it.record(took);
            let mut want = [0; 15];
            want[bucket] = 1;
            assert_eq!(it.buckets(), &Buckets::Explicit(&REQUESTS, want), "{why}");
            assert_eq!(it.count(), 1);
        }
    }

    #[test]
    fn a_sum_that_is_full_stays_full() {
        let mut it = Histogram::new(Shape::Explicit, &REQUESTS);
        it.record(Duration::MAX);
        it.record(Duration::from_secs(1));
        assert_eq!((it.sum(), it.count()), (Duration::from_nanos(u64::MAX), 2));
    }
}

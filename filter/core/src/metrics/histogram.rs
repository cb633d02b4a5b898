//! Durations in buckets.

use crate::time::nanos;
use std::time::Duration;

/// How often what lasted how long.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Histogram {
    bounds: &'static Bounds,
    counts: [u64; BOUNDS + 1],
    /// In nanoseconds: exact, for five centuries of requests.
    sum: u64,
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
    pub fn new(bounds: &'static Bounds) -> Self {
        Self { bounds, counts: [0; BOUNDS + 1], sum: 0 }
    }

    /// Adds one.
    pub fn record(&mut self, took: Duration) {
        let took = nanos(took);
        let bucket = self.bounds.iter().position(|it| took <= *it).unwrap_or(BOUNDS);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count = count.saturating_add(1);
        }
        self.sum = self.sum.saturating_add(took);
    }

    /// The bounds, in seconds.
    pub fn bounds(&self) -> impl ExactSizeIterator<Item = f64> {
        self.bounds.iter().map(|it| *it as f64 / 1e9)
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().copied().fold(0, u64::saturating_add)
    }

    /// How long all of them took together.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }

    /// How many are in each bucket; the last is for those above all bounds.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_are_those_of_the_conventions() {
        let want =
            [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
        let bits = |it: f64| it.to_bits();
        assert!(Histogram::new(&REQUESTS).bounds().map(bits).eq(want.map(bits)));
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
            let mut it = Histogram::new(&REQUESTS);
            it.record(took);
            let mut want = [0; 15];
            want[bucket] = 1;
            assert_eq!((it.counts(), it.count()), (&want[..], 1), "{why}");
        }
    }

    #[test]
    fn a_sum_that_is_full_stays_full() {
        let mut it = Histogram::new(&REQUESTS);
        it.record(Duration::MAX);
        it.record(Duration::from_secs(1));
        assert_eq!((it.sum(), it.count()), (Duration::from_nanos(u64::MAX), 2));
    }
}

//! Durations in buckets.

use crate::time::nanos;
use std::time::Duration;

/// How often what lasted how long.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Histogram {
    counts: [u64; BOUNDS.len() + 1],
    /// In nanoseconds: exact, for five centuries of requests.
    sum: u64,
}

/// The inclusive upper ends of all buckets but the last, in seconds.
///
/// Source: <https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#metric-httpserverrequestduration>
pub const BOUNDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// The same in milliseconds.
const MILLIS: [u64; BOUNDS.len()] =
    [5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000];

// === impl Histogram ===

impl Histogram {
    /// Adds one.
    pub fn record(&mut self, took: Duration) {
        let bucket = MILLIS.iter().position(|it| took <= Duration::from_millis(*it));
        if let Some(count) = self.counts.get_mut(bucket.unwrap_or(BOUNDS.len())) {
            *count = count.saturating_add(1);
        }
        self.sum = self.sum.saturating_add(nanos(took));
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().copied().fold(0, u64::saturating_add)
    }

    /// How long all of them took together.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }

    /// How many are in each bucket; the last is for those above all [`BOUNDS`].
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_are_the_same_in_both_units() {
        for (seconds, millis) in BOUNDS.into_iter().zip(MILLIS) {
            assert_eq!(Duration::from_secs_f64(seconds), Duration::from_millis(millis));
        }
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
            let mut it = Histogram::default();
            it.record(took);
            let mut want = [0; 15];
            want[bucket] = 1;
            assert_eq!((it.counts(), it.count()), (&want[..], 1), "{why}");
        }
    }

    #[test]
    fn a_sum_that_is_full_stays_full() {
        let mut it = Histogram::default();
        it.record(Duration::MAX);
        it.record(Duration::from_secs(1));
        assert_eq!((it.sum(), it.count()), (Duration::from_nanos(u64::MAX), 2));
    }
}

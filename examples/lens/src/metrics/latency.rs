//! Latencies counted in buckets, and the quantiles that can be told from them.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Upper bounds of buckets in seconds, rising; one more bucket is above the last.
pub type Bounds = Arc<[f64]>;

/// Counts by bucket, of one or several sets of bounds.
#[derive(Clone, Debug, Default)]
pub struct Latency {
    /// By the bits of the bounds: few sets, so few entries.
    parts: BTreeMap<Vec<u64>, (Bounds, Vec<u64>)>,
}

/// The bounds of what is counted from spans: three for each power of ten, 0.1 ms to 50 s.
#[must_use]
pub fn fine_bounds() -> Bounds {
    let decades = [1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0];
    decades.into_iter().flat_map(|ten| [ten, 2.0 * ten, 5.0 * ten]).collect()
}

/// The bucket that a value falls into: bounds belong to the bucket below them.
///
/// Source: <https://opentelemetry.io/docs/specs/otel/metrics/data-model/#histogram>
#[must_use]
pub fn bucket(bounds: &[f64], seconds: f64) -> usize {
    bounds.partition_point(|bound| *bound < seconds)
}

impl Latency {
    /// Adds counts, one more than there are bounds; others are ignored.
    pub fn add(&mut self, bounds: &Bounds, counts: &[u64]) {
        if counts.len() != bounds.len() + 1 {
            return;
        }
        let key = bounds.iter().map(|bound| bound.to_bits()).collect();
        let (_, sums) =
            self.parts.entry(key).or_insert_with(|| (bounds.clone(), vec![0; counts.len()]));
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum = sum.saturating_add(*count));
    }

    /// Adds everything of another one.
    pub fn merge(&mut self, other: &Self) {
        other.parts.values().for_each(|(bounds, counts)| self.add(bounds, counts));
    }

    /// The value in seconds that a share `q` of all values does not exceed.
    ///
    /// Values are taken to lie evenly within their bucket; what is above the last bound is taken
    /// for that bound. `None` if there are no values.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let total: u64 = self.parts.values().flat_map(|(_, counts)| counts).sum();
        if total == 0 {
            return None;
        }
        let target = q * total as f64;
        let mut bounds: Vec<f64> =
            self.parts.values().flat_map(|(bounds, _)| bounds.iter().copied()).collect();
        bounds.sort_by(f64::total_cmp);
        bounds.dedup();
        // Between two bounds the sum of all parts rises evenly, so that this is exact.
        let (mut below, mut at) = (0.0, 0.0);
        for bound in &bounds {
            let reached = self.values_up_to(*bound);
            if reached >= target {
                let share = if reached > at { (target - at) / (reached - at) } else { 1.0 };
                return Some(below + share * (bound - below));
            }
            (below, at) = (*bound, reached);
        }
        bounds.last().copied()
    }

    fn values_up_to(&self, seconds: f64) -> f64 {
        self.parts.values().map(|(bounds, counts)| values_up_to(bounds, counts, seconds)).sum()
    }
}

fn values_up_to(bounds: &[f64], counts: &[u64], seconds: f64) -> f64 {
    let (mut sum, mut low) = (0.0, 0.0);
    for (high, count) in bounds.iter().zip(counts) {
        let count = *count as f64;
        if seconds < *high {
            let share = if *high > low { (seconds - low) / (high - low) } else { 0.0 };
            return sum + count * share.clamp(0.0, 1.0);
        }
        sum += count;
        low = *high;
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bounds(list: &[f64]) -> Bounds {
        list.iter().copied().collect()
    }

    #[test]
    fn quantiles_lie_evenly_within_their_bucket() {
        let three = bounds(&[0.01, 0.1, 1.0]);
        for (why, counts, q, want) in [
            ("no values", [0, 0, 0, 0], 0.5, None),
            ("the middle of one bucket", [0, 10, 0, 0], 0.5, Some(0.055)),
            ("the first begins at zero", [10, 0, 0, 0], 0.5, Some(0.005)),
            ("on a bound", [5, 5, 0, 0], 0.5, Some(0.01)),
            ("an empty bucket between", [5, 0, 5, 0], 0.99, Some(0.982)),
            ("above the last bound", [0, 0, 0, 9], 0.5, Some(1.0)),
        ] {
            let mut latency = Latency::default();
            latency.add(&three, &counts);
            let got = latency.quantile(q).map(|it| (it * 1e9).round() / 1e9);
            assert_eq!(got, want, "{why}");
        }
    }

    #[test]
    fn a_value_on_a_bound_belongs_below_it() {
        let got: Vec<usize> = [0.0, 0.01, 0.011, 1.0, 2.0]
            .into_iter()
            .map(|seconds| bucket(&[0.01, 0.1, 1.0], seconds))
            .collect();
        assert_eq!(got, [0, 0, 1, 2, 3]);
    }

    #[test]
    fn counts_that_do_not_fit_their_bounds_are_ignored() {
        let mut latency = Latency::default();
        latency.add(&bounds(&[1.0]), &[1, 2, 3]);
        assert_eq!(latency.quantile(0.5), None);
    }

    proptest! {
        /// Several sets of bounds together: no quantile is further off than the widest bucket
        /// around the true value.
        #[test]
        fn quantiles_are_within_a_bucket_of_the_truth(
            fine in prop::collection::vec(0.0..1.0f64, 1..200),
            coarse in prop::collection::vec(0.0..1.0f64, 0..200),
            q in 0.01..0.99f64,
        ) {
            let mut latency = Latency::default();
            let tenths: Vec<f64> = (1..=10).map(|it| f64::from(it) / 10.0).collect();
            for (values, bounds) in [(&fine, bounds(&tenths)), (&coarse, bounds(&[0.5, 1.0]))] {
                let mut counts = vec![0; bounds.len() + 1];
                values.iter().for_each(|value| counts[bucket(&bounds, *value)] += 1);
                latency.add(&bounds, &counts);
            }
            let mut all: Vec<f64> = fine.iter().chain(&coarse).copied().collect();
            all.sort_by(f64::total_cmp);
            let truth = all[((q * all.len() as f64).ceil() as usize).clamp(1, all.len()) - 1];
            let got = latency.quantile(q).unwrap();
            prop_assert!((got - truth).abs() <= 0.5 + 1e-9, "{got} for {truth}");
        }
    }
}

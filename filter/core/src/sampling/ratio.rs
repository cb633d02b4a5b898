//! A share of all traces.

use super::threshold::Threshold;

/// Keeps a share of all traces, the same ones wherever it decides.
///
/// Spec: <https://opentelemetry.io/docs/specs/otel/trace/sdk/#traceidratiobased>
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TraceIdRatio {
    /// `None` keeps no trace: "never" is not a probability.
    threshold: Option<Threshold>,
}

impl TraceIdRatio {
    /// Keeps every trace.
    pub const ALL: Self = Self { threshold: Some(Threshold::ZERO) };

    /// Creates a sampler that keeps `ratio` of all traces.
    ///
    /// `ratio` is a share, not a percentage: `0.0` keeps none, `1.0` keeps all. It is rounded
    /// to what [`Threshold::of_probability`] says; below 2⁻⁵⁶ none is kept.
    ///
    /// Returns `None` if `ratio` is NaN or outside `0.0..=1.0`.
    ///
    /// ```
    /// use hopspan_core::sampling::TraceIdRatio;
    ///
    /// assert!(TraceIdRatio::new(0.05).is_some());
    /// assert!(TraceIdRatio::new(5.0).is_none());
    /// ```
    pub fn new(ratio: f64) -> Option<Self> {
        let threshold = || Threshold::of_probability(ratio);
        (0.0..=1.0).contains(&ratio).then(|| Self { threshold: threshold() })
    }

    /// The share of traces that is kept, from 0 to 1.
    pub fn probability(self) -> f64 {
        self.threshold().map_or(0.0, Threshold::probability)
    }

    /// Whether a trace with these 56 random bits is kept.
    pub fn keeps(self, randomness: u64) -> bool {
        self.threshold.is_some_and(|it| it.keeps(randomness))
    }

    /// What describes a trace that is kept; `None` if none is.
    pub fn threshold(self) -> Option<Threshold> {
        self.threshold
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Generator;

    #[test]
    fn only_shares_are_ratios() {
        for ratio in [-0.1, 1.000_001, f64::NAN, f64::INFINITY, 50.0] {
            assert_eq!(TraceIdRatio::new(ratio), None, "{ratio}");
        }
    }

    #[test]
    fn the_ends_keep_all_and_none() {
        let last = (1 << 56) - 1;
        assert!(TraceIdRatio::new(1.0).unwrap().keeps(0));
        assert!(!TraceIdRatio::new(0.0).unwrap().keeps(last));
        assert!(TraceIdRatio::new(1e-9).unwrap().keeps(last));
        assert!(!TraceIdRatio::new(1e-9).unwrap().keeps(last - (1 << 28)));
    }

    #[test]
    fn keeps_the_share_it_promises() {
        let mut ids = Generator::new([7; 32]);
        for ratio in [0.001, 0.1, 0.5, 0.99] {
            let sampler = TraceIdRatio::new(ratio).unwrap();
            let of = 200_000;
            let kept = (0..of).filter(|_| sampler.keeps(ids.trace_id().randomness())).count();
            let (kept, of) = (kept as f64, f64::from(of));
            let sigma = (of * ratio * (1.0 - ratio)).sqrt();
            assert!((kept - of * ratio).abs() < 5.0 * sigma, "{ratio}: {kept} of {of}");
        }
    }

    #[test]
    fn a_lower_ratio_keeps_a_part_of_what_a_higher_one_keeps() {
        let mut ids = Generator::new([9; 32]);
        let [low, high] = [0.1, 0.4].map(|it| TraceIdRatio::new(it).unwrap());
        for _ in 0..10_000 {
            let bits = ids.trace_id().randomness();
            assert!(!low.keeps(bits) || high.keeps(bits));
        }
    }
}

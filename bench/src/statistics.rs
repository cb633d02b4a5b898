//! How sure a figure is: bootstrap over the rounds of a run.
//!
//! A round has one slice of each variant, close together in time: what the machine does meanwhile
//! hits them alike, so that rounds are drawn as a whole.

use serde::Serialize;

/// A figure, and between what it lies in 95 of 100 runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Estimate {
    /// The figure.
    pub(crate) value: f64,
    /// The lower end.
    pub(crate) low: f64,
    /// The upper end.
    pub(crate) high: f64,
}

impl Estimate {
    /// What `figure` makes of the rounds with these numbers, for all rounds and for many draws
    /// of as many of them.
    pub(crate) fn bootstrap(rounds: usize, figure: impl Fn(&[usize]) -> f64) -> Self {
        let all: Vec<usize> = (0..rounds).collect();
        let value = figure(&all);
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut draw = || {
            // xorshift64*: equal runs have equal intervals.
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            let number = state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
            number as usize % rounds.max(1)
        };
        let mut figures: Vec<f64> =
            (0..DRAWS).map(|_| figure(&(0..rounds).map(|_| draw()).collect::<Vec<_>>())).collect();
        figures.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| figures.get((share * DRAWS as f64) as usize).copied();
        let [low, high] = [at(0.025), at(0.975)].map(|it| it.unwrap_or(value));
        Self { value, low, high }
    }

    /// A figure that is what it is.
    pub(crate) fn exact(value: f64) -> Self {
        Self { value, low: value, high: value }
    }

    /// How far the ends are apart.
    pub(crate) fn width(&self) -> f64 {
        self.high - self.low
    }
}

/// The figure and the ends of its interval, with so many digits behind the point.
pub(crate) fn interval(it: &Estimate, digits: usize) -> String {
    format!("{:.digits$} ({:.digits$} to {:.digits$})", it.value, it.low, it.high)
}

/// The mean of the values in these places.
pub(crate) fn mean(values: &[f64], places: &[usize]) -> f64 {
    let sum: f64 = places.iter().filter_map(|it| values.get(*it)).sum();
    sum / places.len() as f64
}

/// The middle one of the values in these places: one slice that was disturbed does not move it.
pub(crate) fn median(values: &[f64], places: &[usize]) -> f64 {
    let mut chosen: Vec<f64> = places.iter().filter_map(|it| values.get(*it).copied()).collect();
    chosen.sort_unstable_by(f64::total_cmp);
    permille(&chosen, 500)
}

/// What so many of 1000 sorted values do not exceed.
pub(crate) fn permille<T: Copy + Default>(sorted: &[T], permille: usize) -> T {
    let place = (sorted.len() * permille).div_ceil(1000).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

const DRAWS: usize = 2000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_holds_the_figure_and_tells_its_noise() {
        let of = |values: &[f64]| Estimate::bootstrap(values.len(), |it| mean(values, it));
        let quiet = of(&[10.0, 10.1, 9.9, 10.0, 10.1, 9.9]);
        assert!((quiet.value - 10.0).abs() < 1e-9, "{quiet:?}");
        assert!(quiet.low < 10.0 && quiet.high > 10.0, "{quiet:?}");
        let noisy = of(&[5.0, 15.0, 8.0, 12.0, 6.0, 14.0]);
        assert!(noisy.width() > 20.0 * quiet.width(), "{noisy:?}, {quiet:?}");
        assert_eq!(of(&[3.0; 5]), Estimate { value: 3.0, low: 3.0, high: 3.0 }, "no noise");
    }

    #[test]
    fn what_hits_a_whole_round_does_not_widen_a_difference() {
        let (a, b) = ([10.0, 20.0, 15.0, 12.0], [11.0, 21.0, 16.0, 13.0]);
        let added = Estimate::bootstrap(4, |it| mean(&b, it) - mean(&a, it));
        assert!(added.width() < 1e-9, "{added:?}");
    }

    #[test]
    fn percentiles_are_of_the_values() {
        let values: Vec<u32> = (1..=1000).collect();
        for (of_1000, want) in [(500, 500), (990, 990), (999, 999), (1000, 1000)] {
            assert_eq!(permille(&values, of_1000), want);
        }
        assert_eq!(median(&[9.0, 1.0, 5.0, 100.0], &[0, 1, 2]), 5.0, "of those in these places");
        assert_eq!(permille(&[7], 500), 7, "of one");
        assert_eq!(permille::<u32>(&[], 500), 0, "of none");
    }
}

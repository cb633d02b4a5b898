//! Whether a figure is within a bound, as far as the figure is known.

use std::fmt;

use serde::Serialize;

use crate::statistics::Estimate;

/// What is to be said of a figure and the most that it may be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// It is no more than that, and so is the upper end of its interval.
    Met,
    /// It is more by so much, and so is the lower end of its interval.
    Over(f64),
    /// The interval has the bound in it, or what was measured is not to be believed.
    Open,
}

impl Verdict {
    /// That on `figure`, of which there may be doubts.
    pub(crate) fn of(figure: &Estimate, most: f64, doubted: bool) -> Self {
        if doubted {
            Self::Open
        } else if figure.high <= most {
            Self::Met
        } else if figure.low > most {
            Self::Over(figure.value - most)
        } else {
            Self::Open
        }
    }
}

/// The precision is that of the excess.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Met => f.write_str("met"),
            Self::Over(excess) => write!(f, "over by {excess:.*}", f.precision().unwrap_or(0)),
            Self::Open => f.write_str("cannot be concluded"),
        }
    }
}

#[test]
fn a_bound_is_judged_by_the_whole_interval() {
    let of = |low, value, high| Estimate { value, low, high };
    for (why, figure, doubted, want) in [
        ("below", of(0.5, 0.6, 0.7), false, "met"),
        ("just", of(0.75, 0.75, 0.75), false, "met"),
        ("above", of(0.8, 0.9, 1.0), false, "over by 0.15"),
        ("its end is above", of(0.6, 0.7, 0.8), false, "cannot be concluded"),
        ("its end is below", of(0.7, 0.8, 0.9), false, "cannot be concluded"),
        ("below, and not to be believed", of(0.5, 0.6, 0.7), true, "cannot be concluded"),
        ("above, and not to be believed", of(0.8, 0.9, 1.0), true, "cannot be concluded"),
        ("no number", of(f64::NAN, f64::NAN, f64::NAN), false, "cannot be concluded"),
    ] {
        assert_eq!(format!("{:.2}", Verdict::of(&figure, 0.75, doubted)), want, "{why}");
    }
}

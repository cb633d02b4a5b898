//! Which traces the proxies record.

use std::fmt;
use std::str::FromStr;

/// The ratio of all proxies. Below 1, they keep errors all the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sampling {
    ratio: f64,
}

// === impl Sampling ===

impl Sampling {
    /// Every trace.
    pub(crate) const ALL: Self = Self { ratio: 1.0 };
    /// So few that errors would be lost, were they not kept.
    pub(crate) const RARE: Self = Self { ratio: 0.01 };

    pub(crate) const fn is_all(self) -> bool {
        self.ratio >= 1.0
    }

    /// How many of `count` traces may be sampled, at least and at most: what is outside comes
    /// by chance less often than once in a million times.
    ///
    /// Six standard deviations of the binomial distribution, and three more because it is
    /// skewed where few are expected.
    pub(crate) fn expected(self, count: usize) -> (usize, usize) {
        let mean = count as f64 * self.ratio;
        let room = 6.0 * (mean * (1.0 - self.ratio)).sqrt();
        // e^-14 is less than a millionth.
        let least = if mean >= 14.0 { (mean - room).max(1.0) } else { 0.0 };
        let most = (mean + room + 3.0).min(count as f64);
        (least.floor() as usize, most.ceil() as usize)
    }

    /// The value of hopspan's `sampling` key.
    pub(crate) fn config(self) -> String {
        let Self { ratio } = self;
        let keep = if self.is_all() { "" } else { ", keep: { errors: true }" };
        format!("{{ ratio: {ratio}{keep} }}")
    }
}

impl FromStr for Sampling {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ratio: f64 = text.parse().map_err(|_| "not a number")?;
        let is_share = (0.0..=1.0).contains(&ratio);
        if is_share { Ok(Self { ratio }) } else { Err("a share is from 0 to 1") }
    }
}

impl fmt::Display for Sampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ratio } = self;
        if self.is_all() {
            return f.write_str("every trace is recorded");
        }
        write!(f, "a share of {ratio} of all traces is recorded, and every error")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_a_share() {
        for (text, want) in [
            ("1", Ok("{ ratio: 1 }")),
            ("0.01", Ok("{ ratio: 0.01, keep: { errors: true } }")),
            ("0", Ok("{ ratio: 0, keep: { errors: true } }")),
            ("1.5", Err("a share is from 0 to 1")),
            ("-0.1", Err("a share is from 0 to 1")),
            ("NaN", Err("a share is from 0 to 1")),
            ("5 %", Err("not a number")),
        ] {
            let config = text.parse().map(Sampling::config);
            assert_eq!(config, want.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn what_chance_allows_is_wide_but_tells_some_from_none_and_all() {
        for (why, ratio, count, want) in [
            ("all of them", 1.0, 100, (100, 100)),
            ("none of them", 0.0, 100, (0, 3)),
            ("too few to say", 0.01, 100, (0, 10)),
            ("enough to miss them", 0.01, 1_650, (1, 44)),
            ("a half", 0.5, 10_000, (4_700, 5_303)),
        ] {
            assert_eq!(Sampling { ratio }.expected(count), want, "{why}");
        }
    }
}

//! When what failed is sent again.

use std::time::Duration;

/// `retry.*` of the configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Retry {
    /// Whether a failed request is tried again at all.
    pub enabled: bool,
    /// Upper end of the first back-off.
    pub initial_backoff: Duration,
    /// Upper end of any back-off.
    pub max_backoff: Duration,
    /// How long after its first try a request is given up; `None` is never.
    pub max_elapsed: Option<Duration>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            enabled: true,
            initial_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(30),
            max_elapsed: Some(Duration::from_secs(120)),
        }
    }
}

impl Retry {
    /// Exponential back-off with full jitter: anything from nothing to the limit, which
    /// doubles with each of the `failures` in a row. `random` is any number.
    pub fn backoff(&self, failures: u32, random: u64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let limit = self.initial_backoff.saturating_mul(1 << doublings).min(self.max_backoff);
        let share = u128::from(random).saturating_mul(limit.as_nanos()) >> 64;
        Duration::from_nanos(u64::try_from(share).unwrap_or(u64::MAX))
    }
}

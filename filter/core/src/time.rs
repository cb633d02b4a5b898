//! The two clocks: wall time for when a span began, monotonic time for how long.

use std::time::Duration;

/// Nanoseconds since 1970-01-01T00:00:00Z, as OTLP counts time.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct UnixNanos(pub u64);

/// A reading of a clock that never goes back, in nanoseconds since some start.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Monotonic(pub u64);

/// Both clocks, read at the same moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// When: what people and other machines call this moment.
    pub wall: UnixNanos,
    /// For intervals: not moved by whoever sets the machine's clock.
    pub mono: Monotonic,
}

impl UnixNanos {
    /// This moment plus `interval`; stays at the end of time.
    pub fn plus(self, interval: Duration) -> Self {
        Self(self.0.saturating_add(nanos(interval)))
    }

    /// This moment minus `interval`; stays at the beginning of time.
    pub fn minus(self, interval: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(interval)))
    }
}

impl Monotonic {
    /// The time since `earlier`; zero if the host's clock went back all the same.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This moment plus `interval`; stays at the end of time.
    pub fn plus(self, interval: Duration) -> Self {
        Self(self.0.saturating_add(nanos(interval)))
    }
}

/// A duration in whole nanoseconds; 584 years and more become `u64::MAX`.
pub fn nanos(interval: Duration) -> u64 {
    u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_saturates_instead_of_wrapping() {
        let second = Duration::from_secs(1);
        assert_eq!(UnixNanos(u64::MAX).plus(second), UnixNanos(u64::MAX));
        assert_eq!(UnixNanos(1).minus(second), UnixNanos(0));
        assert_eq!(Monotonic(u64::MAX).plus(second), Monotonic(u64::MAX));
        assert_eq!(Monotonic(1).since(Monotonic(2)), Duration::ZERO);
        assert_eq!(Monotonic(5).since(Monotonic(2)), Duration::from_nanos(3));
        assert_eq!(nanos(Duration::MAX), u64::MAX);
    }
}

//! Time, which only tests move.

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The wall clock and the monotonic clock of the proxy.
///
/// Neither moves by itself. [`Clock::advance`] moves both, as time does; the
/// other methods make them disagree, as operators and NTP do. Moving a clock
/// fires nothing: [`Proxy::run_for`](crate::Proxy::run_for) also runs what
/// becomes due.
#[derive(Debug)]
pub struct Clock {
    wall: Cell<u64>,
    monotonic: Cell<u64>,
}

impl Clock {
    /// 2026-01-01T00:00:00Z, and a monotonic clock that has run for an hour.
    pub(crate) fn new() -> Self {
        Self { wall: Cell::new(1_767_225_600_000_000_000), monotonic: Cell::new(3_600_000_000_000) }
    }

    /// Lets time pass: both clocks move.
    pub fn advance(&self, by: Duration) {
        self.jump_wall(nanos(by).cast_signed());
        self.advance_monotonic(by);
    }

    /// Moves the monotonic clock alone.
    pub fn advance_monotonic(&self, by: Duration) {
        self.monotonic.set(self.monotonic.get().saturating_add(nanos(by)));
    }

    /// Sets the monotonic clock, even back, which a host should never do.
    pub fn set_monotonic_nanos(&self, nanos: u64) {
        self.monotonic.set(nanos);
    }

    /// Moves the wall clock alone, back if `by_nanos` is negative.
    pub fn jump_wall(&self, by_nanos: i64) {
        self.wall.set(self.wall.get().saturating_add_signed(by_nanos));
    }

    /// Sets the wall clock; times before 1970 become 1970.
    pub fn set_wall(&self, to: SystemTime) {
        self.wall.set(to.duration_since(UNIX_EPOCH).map_or(0, nanos));
    }

    /// Sets the wall clock to nanoseconds since 1970.
    pub fn set_wall_nanos(&self, nanos: u64) {
        self.wall.set(nanos);
    }

    /// Nanoseconds since 1970 by the wall clock.
    pub fn wall_nanos(&self) -> u64 {
        self.wall.get()
    }

    /// Nanoseconds by the monotonic clock.
    pub fn monotonic_nanos(&self) -> u64 {
        self.monotonic.get()
    }
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

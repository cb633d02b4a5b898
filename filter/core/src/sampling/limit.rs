//! `sampling.max_per_second`: so many new traces a second, of all workers of a process.
//!
//! The limit is a generic cell rate algorithm. All that workers share is one moment: the
//! theoretical arrival time, at which all tokens given so far would have been earned at the
//! configured rate. A token moves it on by one interval, and is given while it is no
//! further than a burst (150 ms) and one interval ahead of now. So of any second at most
//! 1.15 s worth of tokens is leased, plus one.
//!
//! A worker leases several tokens at once and keeps them no longer than 100 ms, whose worth
//! comes on top: **any second sees at most `N × (1 + 0.15 + 0.10) + 1` traces.** What it did
//! not use by then is lost to all; so a lease is no larger than a sixteenth of what the
//! worker used up before it lost any, and at most one token in seventeen is lost.
//!
//! Source: <https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm>

use crate::shared::{Shared, Table, Updated};
use crate::time::{Monotonic, nanos};
use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

/// One worker's part in the limit of its process.
///
/// Where the host has no shared data, each worker has the whole limit for itself: more than
/// was asked for, but still a limit.
#[derive(Debug)]
pub struct Limiter {
    per_second: NonZeroU64,
    table: Table,
    /// Tokens of the last lease that are left.
    tokens: u64,
    leased: Monotonic,
    /// Tokens that were used since some were lost.
    used: u64,
    /// No lease can succeed before.
    closed_until: Monotonic,
    /// The theoretical arrival time where the host has no shared data.
    own_arrival: u64,
}

/// How far ahead of now tokens may be leased, beyond the next one.
const BURST: Duration = Duration::from_millis(150);
/// How long leased tokens are good for.
const HELD: Duration = Duration::from_millis(100);
/// A lease is at most this part of a second's tokens.
const LARGEST: u64 = 50;
/// A lease is at most this part of what was used since some were lost.
const PROVEN: u64 = 16;
/// No clock and no configuration leads further ahead: what does is trouble that has passed.
const TROUBLE: Duration = Duration::from_secs(5);
const SECOND: Duration = Duration::from_secs(1);

// === impl Limiter ===

impl Limiter {
    /// A limit of `per_second` for all workers that give the same number.
    pub fn new(per_second: NonZeroU32) -> Self {
        Self {
            per_second: per_second.into(),
            // Of each rate in use the arrival time: there may be several, such as of an old
            // and a new configuration, and they do not hold each other up.
            table: Table::new("hopspan.limit", 1, 16),
            tokens: 0,
            leased: Monotonic::default(),
            used: 0,
            closed_until: Monotonic::default(),
            own_arrival: 0,
        }
    }

    /// Takes a token for a new trace; `false` if there is none. Costs no host call while there
    /// are leased tokens or it is known that there are none, else one to read and, if
    /// there are tokens, one to write.
    pub fn take(&mut self, now: Monotonic, shared: &mut impl Shared) -> bool {
        if self.tokens > 0 && now.since(self.leased) > HELD {
            (self.tokens, self.used) = (0, 0);
        }
        if self.tokens == 0 && (self.is_closed(now) || !self.lease(now, shared)) {
            return false;
        }
        self.tokens = self.tokens.saturating_sub(1);
        self.used = self.used.saturating_add(1);
        true
    }

    fn is_closed(&self, now: Monotonic) -> bool {
        let wait = self.closed_until.since(now);
        wait > Duration::ZERO && wait <= TROUBLE
    }

    fn lease(&mut self, now: Monotonic, shared: &mut impl Shared) -> bool {
        let largest = (self.per_second.get() / LARGEST).max(1);
        let tokens = (self.used / PROVEN).clamp(1, largest);
        let mut refused = None;
        let updated = self.table.update(self.per_second.get(), shared, |arrival| {
            let arrival = self.arrival(arrival.unwrap_or(0), tokens, now);
            refused = arrival.err();
            arrival.ok()
        });
        let granted = match updated {
            Updated::Written { .. } => true,
            Updated::Unchanged | Updated::Raced => false,
            Updated::Failed => {
                let arrival = self.arrival(self.own_arrival, tokens, now);
                refused = arrival.err();
                self.own_arrival = arrival.unwrap_or(self.own_arrival);
                arrival.is_ok()
            }
        };
        if granted {
            (self.tokens, self.leased) = (tokens, now);
        } else if let Some(until) = refused {
            self.closed_until = until;
        }
        granted
    }

    /// The theoretical arrival time after a lease, or when to ask again.
    fn arrival(&self, last: u64, tokens: u64, now: Monotonic) -> Result<u64, Monotonic> {
        let ahead = Monotonic(last).since(now);
        let ahead = if ahead > TROUBLE { Duration::ZERO } else { ahead };
        let ahead = ahead.saturating_add(self.interval(tokens));
        match ahead.checked_sub(BURST.saturating_add(self.interval(1))) {
            Some(over) if over > Duration::ZERO => Err(now.plus(over)),
            // At the end of time nothing is added any more: no token either.
            _ => now.0.checked_add(nanos(ahead)).ok_or(now),
        }
    }

    /// The time in which so many tokens are earned, rounded up.
    fn interval(&self, tokens: u64) -> Duration {
        Duration::from_nanos(nanos(SECOND).saturating_mul(tokens).div_ceil(self.per_second.get()))
    }
}

#[cfg(test)]
mod tests;

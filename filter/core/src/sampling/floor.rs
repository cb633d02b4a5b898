//! `sampling.min_per_minute`: the first so many requests of each route, in each minute, of all
//! workers of a process.
//!
//! Minutes are those of the monotonic clock, which workers share. How many requests of a
//! route were kept in a minute stands in a table of shared data; a worker touches it only
//! until it knows that the route has enough. Whatever goes wrong there, a table that is too
//! small or a host without shared data, makes more requests pass and never fewer, and no
//! worker keeps more of a route than the whole process should. Only routes beyond the
//! 2048th of a worker and minute have no floor at all.

use crate::shared::{Shared, Table, Updated, fnv1a};
use crate::time::Monotonic;
use std::num::NonZeroU32;

/// One worker's part in the floor of its process.
#[derive(Debug)]
pub struct Floor {
    per_minute: NonZeroU32,
    table: Table,
    minute: u32,
    /// By hash of the route, what is known of this minute.
    known: Vec<(u64, u32)>,
    forgotten: u64,
}

/// How many requests of a route were kept in a minute, as it stands in the table.
#[derive(Clone, Copy, Debug)]
struct Count {
    minute: u32,
    kept: u32,
}

/// Routes that have a floor, in one worker: 32 KiB. They are configured, so it takes a very
/// large proxy to have more, but nothing may grow without bound.
const ROUTES: usize = 2048;
const MINUTE: u64 = 60_000_000_000;

// === impl Floor ===

impl Floor {
    /// A floor of `per_minute` for all workers that give the same number.
    pub fn new(per_minute: NonZeroU32) -> Self {
        Self {
            per_minute,
            table: Table::new("hopspan.floor", 128, 16),
            minute: 0,
            known: Vec::new(),
            forgotten: 0,
        }
    }

    /// Whether a request of this route is to be kept for the route's sake; it counts as kept
    /// then. Costs no host call once the route has enough, else one to read and, if the
    /// request is kept, one to write.
    pub fn wants(&mut self, route: &[u8], now: Monotonic, shared: &mut impl Shared) -> bool {
        let minute = u32::try_from(now.0 / MINUTE).unwrap_or(u32::MAX);
        if self.minute != minute {
            self.minute = minute;
            self.known.clear();
        }
        // Two floors of one process do not count for each other.
        let hash = fnv1a(route) ^ u64::from(self.per_minute.get()).rotate_left(32);
        let place = match self.known.binary_search_by_key(&hash, |(hash, _)| *hash) {
            Ok(place) => place,
            Err(_) if self.known.len() >= ROUTES => {
                self.forgotten = self.forgotten.saturating_add(1);
                return false;
            }
            Err(place) => {
                self.known.insert(place, (hash, 0));
                place
            }
        };
        let Some((_, kept)) = self.known.get(place).copied() else { return false };
        let enough = self.per_minute.get();
        if kept >= enough {
            return false;
        }
        let wants = self.count(hash, shared);
        if let Some((_, kept)) = self.known.get_mut(place) {
            *kept = if wants { kept.saturating_add(1) } else { enough };
        }
        wants
    }

    /// How often something had to be forgotten since this was asked last: a count of this minute
    /// that had no room in the table, so that more were kept, or a route beyond the first 2048,
    /// which has no floor.
    pub fn forgotten(&mut self) -> u64 {
        std::mem::take(&mut self.forgotten)
    }

    fn count(&mut self, hash: u64, shared: &mut impl Shared) -> bool {
        let (minute, enough) = (self.minute, self.per_minute.get());
        let mut is_over = false;
        let updated = self.table.update(hash, shared, |count| {
            let count = count.map(Count::of).filter(|it| it.is_of(minute));
            let Count { minute: counted, kept } = count.unwrap_or(Count { minute, kept: 0 });
            is_over = counted != minute;
            (!is_over && kept < enough)
                .then(|| Count { minute, kept: kept.saturating_add(1) }.bits())
        });
        match updated {
            Updated::Written { evicted } => {
                let lost = evicted.map(Count::of).is_some_and(|it| it.minute == minute);
                self.forgotten = self.forgotten.saturating_add(lost.into());
                true
            }
            // Other workers are in the next minute already: nobody counts in this one.
            Updated::Unchanged => is_over,
            Updated::Raced | Updated::Failed => true,
        }
    }
}

// === impl Count ===

impl Count {
    fn of(bits: u64) -> Self {
        let [a, b, c, d, e, f, g, h] = bits.to_be_bytes();
        let (minute, kept) = ([a, b, c, d], [e, f, g, h]);
        Self { minute: u32::from_be_bytes(minute), kept: u32::from_be_bytes(kept) }
    }

    fn bits(self) -> u64 {
        u64::from(self.minute) << 32 | u64::from(self.kept)
    }

    /// Whether it says something about this minute: it is of it, or of the next one, which
    /// another worker has seen begin. All else is of the past, or of a clock that went wrong.
    fn is_of(self, minute: u32) -> bool {
        self.minute.checked_sub(minute).is_some_and(|ahead| ahead <= 1)
    }
}

#[cfg(test)]
mod tests;

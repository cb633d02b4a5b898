//! What gives way when room is short: spans first, then metrics. Context always goes on.
//!
//! Two things can be short. The queue, while the collector takes less than is made: what finds no
//! place there is dropped. And memory, while requests under way are many: all else has a bound of
//! its own, and they are as many as clients like. A module's memory never shrinks, so what counts
//! is what they hold and will give back, not what the module once had.

use super::Tracer;
use crate::batch::Priority;
use crate::span::held::{Held, Share};
use crate::stats::{Stat, Stats};

/// What is given up, with all that comes before it.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Level {
    #[default]
    Nothing,
    /// Spans of requests that went well.
    FineSpans,
    /// All spans, of requests that begin or that find the queue full.
    Spans,
    /// Counts of requests that begin.
    Metrics,
}

/// How short room is for one configuration in one worker.
#[derive(Debug)]
pub(super) struct Pressure {
    /// What requests under way hold, and how much of it is too much, in bytes.
    held: Held,
    max: usize,
    /// What was given up since that was told.
    level: Level,
    told: Level,
}

// === impl Pressure ===

impl Pressure {
    /// No pressure, until requests under way hold nearly `max` bytes.
    pub(super) fn new(max: usize) -> Self {
        Self { held: Held::default(), max, level: Level::Nothing, told: Level::Nothing }
    }

    /// A request is under way, of which so many bytes are kept.
    pub(super) fn hold(&self, bytes: usize) -> Option<Share> {
        self.held.add(bytes)
    }

    /// Whether there is memory to record a request that begins: a quarter is for counting.
    pub(super) fn may_record(&mut self, stats: &mut Stats) -> bool {
        self.has_room(Level::Spans, Stat::GivenUpSpan, stats)
    }

    /// Whether there is memory to count a request that begins.
    pub(super) fn may_count(&mut self, stats: &mut Stats) -> bool {
        self.has_room(Level::Metrics, Stat::GivenUpMetrics, stats)
    }

    fn has_room(&mut self, level: Level, given_up: Stat, stats: &mut Stats) -> bool {
        let has_room = self.by_memory() < level;
        if !has_room {
            self.note(level);
            stats.count(given_up);
        }
        has_room
    }

    /// A span found no place in the queue.
    pub(super) fn is_refused(&mut self, priority: Priority) {
        self.note(match priority {
            Priority::Normal => Level::FineSpans,
            Priority::High => Level::Spans,
        });
    }

    fn note(&mut self, level: Level) {
        self.level = self.level.max(level);
    }

    fn by_memory(&self) -> Level {
        let held = self.held.bytes();
        match self.max {
            max if held >= max => Level::Metrics,
            max if held >= max.saturating_sub(max / 4) => Level::Spans,
            _ => Level::Nothing,
        }
    }

    /// Time has passed: tells what was given up since the last time, or still is.
    fn settle(&mut self, by_queue: Level, stats: &mut Stats) {
        let level = self.level.max(self.by_memory()).max(by_queue);
        self.level = Level::Nothing;
        self.tell(level, stats);
    }

    fn tell(&mut self, level: Level, stats: &mut Stats) {
        for (level, by) in [(std::mem::replace(&mut self.told, level), -1), (level, 1)] {
            let stat = match level {
                Level::Nothing => continue,
                Level::FineSpans => Stat::Pressure1,
                Level::Spans => Stat::Pressure2,
                Level::Metrics => Stat::Pressure3,
            };
            stats.add(stat, by);
        }
    }
}

impl Tracer {
    /// Tells how short room is, unless the configuration has ended: that tells no more.
    pub(super) fn settle_pressure(&mut self) {
        if self.is_draining() {
            return;
        }
        let has_place = |priority| self.exporter.as_ref().is_none_or(|it| it.has_place(priority));
        let by_queue = match (has_place(Priority::Normal), has_place(Priority::High)) {
            (true, _) => Level::Nothing,
            (false, true) => Level::FineSpans,
            (false, false) => Level::Spans,
        };
        self.pressure.settle(by_queue, &mut self.stats);
    }

    /// The configuration ends, and its state with it.
    pub(super) fn end_pressure(&mut self) {
        self.pressure.tell(Level::Nothing, &mut self.stats);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the stats say: configurations at each level, and requests that gave something up.
    fn told(stats: &Stats) -> ([i64; 3], [i64; 2]) {
        (
            [Stat::Pressure1, Stat::Pressure2, Stat::Pressure3].map(|it| stats.get(it)),
            [Stat::GivenUpSpan, Stat::GivenUpMetrics].map(|it| stats.get(it)),
        )
    }

    #[test]
    fn spans_give_way_to_requests_that_hold_memory_and_then_metrics() {
        let (mut it, mut stats) = (Pressure::new(1000), Stats::default());
        let mut open = Vec::new();
        for (why, held, want, levels) in [
            ("nothing is under way", 0, [true, true], [0, 0, 0]),
            ("there is room", 749, [true, true], [0, 0, 0]),
            ("a quarter is for counting", 750, [false, true], [0, 1, 0]),
            ("to the last byte", 999, [false, true], [0, 1, 0]),
            ("all of it", 1000, [false, false], [0, 0, 1]),
            ("as long as it is", 1500, [false, false], [0, 0, 1]),
            ("and no longer", 999, [false, true], [0, 1, 0]),
            ("there is room again", 749, [true, true], [0, 0, 0]),
        ] {
            open.clear();
            open.push(it.hold(held));
            let may = [it.may_record(&mut stats), it.may_count(&mut stats)];
            assert_eq!(may, want, "{why}: {held}");
            it.settle(Level::Nothing, &mut stats);
            assert_eq!(told(&stats).0, levels, "{why}: {held}");
        }
        assert_eq!(told(&stats).1, [5, 2], "each is counted");
    }

    #[test]
    fn a_queue_gives_up_what_went_well_and_then_all_spans() {
        let (fine, failed) = (Some(Priority::Normal), Some(Priority::High));
        let (mut it, mut stats) = (Pressure::new(1000), Stats::default());
        for (why, refused, by_queue, levels) in [
            ("room", None, Level::Nothing, [0, 0, 0]),
            ("refused, and room since", fine, Level::Nothing, [1, 0, 0]),
            ("nothing refused since", None, Level::Nothing, [0, 0, 0]),
            ("nobody came to be refused", None, Level::FineSpans, [1, 0, 0]),
            ("failures as well", failed, Level::FineSpans, [0, 1, 0]),
            ("a lower one says nothing new", fine, Level::Spans, [0, 1, 0]),
            ("some was sent", None, Level::FineSpans, [1, 0, 0]),
            ("more was sent", None, Level::Nothing, [0, 0, 0]),
        ] {
            if let Some(priority) = refused {
                it.is_refused(priority);
            }
            it.settle(by_queue, &mut stats);
            assert_eq!(told(&stats).0, levels, "{why}");
        }
    }

    #[test]
    fn the_worst_counts_and_an_end_ends_it() {
        let (mut it, mut stats) = (Pressure::new(1000), Stats::default());
        let open = it.hold(2000);
        it.is_refused(Priority::Normal);
        it.settle(Level::FineSpans, &mut stats);
        assert_eq!(told(&stats).0, [0, 0, 1]);
        drop(open);
        it.settle(Level::FineSpans, &mut stats);
        assert_eq!(told(&stats).0, [1, 0, 0]);
        it.tell(Level::Nothing, &mut stats);
        it.tell(Level::Nothing, &mut stats);
        assert_eq!(told(&stats).0, [0, 0, 0]);
    }

    #[test]
    fn what_a_request_holds_is_given_back_with_it() {
        let it = Pressure::new(1000);
        let (one, other) = (it.hold(300), it.hold(400));
        assert_eq!(it.held.bytes(), 700);
        drop(one);
        assert_eq!(it.held.bytes(), 400);
        drop(other);
        assert_eq!(it.held.bytes(), 0);
    }
}

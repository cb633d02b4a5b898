//! Traces by what one of their spans is.
//!
//! A trace is found if one of its spans fits everything that is asked for. The newest are looked at
//! first, in pieces of time, until there are enough or the time for one answer is over: then the
//! answer says how far it got, and the next question goes on there. So no search is slow, however
//! much is stored; it may only take several answers.

mod fits;
mod summary;

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};
use serde::Serialize;

use crate::span::TraceId;
pub use fits::Wanted;
pub use summary::Summary;

/// How long one answer may look, about. What it found is read after that, which takes as long again.
const BUDGET: Duration = Duration::from_millis(60);

/// The first piece of time, in nanoseconds; each one after it that went quickly is larger.
const FIRST_PIECE: i64 = 1_000_000_000;

/// A piece that took less than this is followed by a larger one.
const QUICK: Duration = Duration::from_millis(10);

/// What to look for.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// What one span must be.
    pub wanted: Wanted,
    /// From this time on, in nanoseconds since 1970.
    pub from: i64,
    /// Up to this time.
    pub to: i64,
    /// Traces, at most.
    pub limit: usize,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// The newest first, by the span that fits.
    pub traces: Vec<Summary>,
    /// How many of them took how long.
    pub histogram: Vec<Bar>,
    /// Everything after this was looked at, in milliseconds since 1970.
    pub searched_to_ms: f64,
    /// The same exactly, in nanoseconds: to go on from.
    pub searched_to: String,
    /// Whether there may be more before that.
    pub has_more: bool,
}

/// How many traces took at most so long, and longer than the bar before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bar {
    /// Upper bound in milliseconds.
    pub up_to_ms: f64,
    /// Traces.
    pub traces: usize,
    /// Those with a span that failed.
    pub failed: usize,
}

impl Search {
    /// Looks for traces.
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    pub fn run(&self, connection: &Connection) -> rusqlite::Result<Found> {
        self.run_within(connection, BUDGET)
    }

    fn run_within(&self, connection: &Connection, budget: Duration) -> rusqlite::Result<Found> {
        let begin = Instant::now();
        let mut seen = HashSet::new();
        let mut ids = Vec::new();
        let (mut to, mut piece) = (self.to, FIRST_PIECE);
        let sql = "SELECT (SELECT min(start) FROM span), (SELECT max(start) FROM span)";
        let (oldest, newest): (Option<i64>, Option<i64>) =
            connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let from = self.from.max(oldest.unwrap_or(self.to));
        to = to.min(newest.map_or(to, |newest| newest.saturating_add(1)));
        // One piece at least, so that whoever asks again gets on.
        while to > from {
            let piece_begin = Instant::now();
            let piece_from = to.saturating_sub(piece).max(from);
            let complete = self.piece(connection, piece_from, to, &mut seen, &mut ids)?;
            to = complete.unwrap_or(piece_from);
            if ids.len() >= self.limit || begin.elapsed() >= budget {
                break;
            }
            if piece_begin.elapsed() < QUICK {
                piece = piece.saturating_mul(4);
            }
        }
        let traces: rusqlite::Result<Vec<_>> =
            ids.into_iter().filter_map(|id| Summary::of(connection, id).transpose()).collect();
        let traces = traces?;
        Ok(Found {
            histogram: histogram(&traces),
            traces,
            searched_to_ms: super::millis(to),
            searched_to: to.to_string(),
            has_more: to > from,
        })
    }

    /// Looks at one piece of time. If there was enough before its end, says how far it got.
    fn piece(
        &self,
        connection: &Connection,
        from: i64,
        to: i64,
        seen: &mut HashSet<TraceId>,
        ids: &mut Vec<TraceId>,
    ) -> rusqlite::Result<Option<i64>> {
        let (condition, values) = self.wanted.condition(connection)?;
        let Some(condition) = condition else { return Ok(None) };
        let index = if self.wanted.failed { "span_failed" } else { "span_by_time" };
        let sql = format!(
            "SELECT id, start FROM span INDEXED BY {index}
             WHERE start >= ? AND start < ?{condition} ORDER BY start DESC"
        );
        let values = [Sql::Integer(from), Sql::Integer(to)].into_iter().chain(values);
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut last = None;
        while let Some(row) = rows.next()? {
            let start: i64 = row.get(1)?;
            // Not in the middle of one moment: the next question begins before it.
            if ids.len() >= self.limit && last.is_some_and(|last| last != start) {
                return Ok(last);
            }
            last = Some(start);
            if let Some(id) = self.wanted.trace_of(connection, row.get(0)?)?
                && seen.insert(id)
            {
                ids.push(id);
            }
        }
        Ok(None)
    }
}

/// Durations in bars that grow: 1, 2, 5, 10, ... milliseconds.
fn histogram(traces: &[Summary]) -> Vec<Bar> {
    let mut bars: BTreeMap<i32, (usize, usize)> = BTreeMap::new();
    for trace in traces {
        let (count, failed) = bars.entry(step(trace.duration_ms)).or_default();
        *count += 1;
        *failed += usize::from(trace.failed > 0);
    }
    let (Some(first), Some(last)) = (bars.keys().next().copied(), bars.keys().last().copied())
    else {
        return Vec::new();
    };
    (first..=last)
        .map(|step| {
            let (traces, failed) = bars.get(&step).copied().unwrap_or_default();
            Bar { up_to_ms: bound(step), traces, failed }
        })
        .collect()
}

/// The first bar whose bound is not less.
fn step(duration_ms: f64) -> i32 {
    // From a microsecond to a quarter of an hour.
    (-9..18).find(|step| duration_ms <= bound(*step)).unwrap_or(18)
}

fn bound(step: i32) -> f64 {
    [1.0, 2.0, 5.0][step.rem_euclid(3) as usize] * 10f64.powi(step.div_euclid(3))
}

#[cfg(test)]
mod tests;

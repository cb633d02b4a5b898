//! What was counted, by series and time, in steps of several lengths.

use std::collections::HashMap;

use prost::Message;
use prost::encoding::{decode_varint, encode_varint};
use rusqlite::{Connection, OptionalExtension, params};

use super::cache::{Cache, Key, METRICS, MOST_COUNTERS, counter_key};
use super::{Level, Open, now_seconds};
use crate::metrics::counter::{New, Total};
use crate::metrics::latency::Bounds;
use crate::metrics::{Kind, Measure, Sample, Subject};

/// Lengths of a step in seconds, and for how many seconds points of that length are kept.
pub const STEPS: [(i64, i64); 3] = [(10, 3_600), (60, 6 * 3_600), (600, i64::MAX)];

/// How far a sender's clock may be ahead, in seconds.
const FUTURE: i64 = 60;

/// What is new in a series.
#[derive(Clone, Debug, Default)]
pub(super) struct Delta {
    pub(super) requests: u64,
    pub(super) failures: u64,
    pub(super) seconds: f64,
    pub(super) buckets: Vec<u64>,
}

/// What is new in all series, by the shortest step.
#[derive(Debug, Default)]
pub(super) struct Deltas {
    all: HashMap<Place, (Option<Bounds>, Delta)>,
}

/// Time, series, and the bits of the bounds.
type Place = (i64, i64, Option<Vec<u64>>);

impl Delta {
    pub(super) fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.failures = self.failures.saturating_add(other.failures);
        self.seconds += other.seconds;
        for (sum, count) in self.buckets.iter_mut().zip(&other.buckets) {
            *sum = sum.saturating_add(*count);
        }
    }
}

impl Deltas {
    /// What is new at a time in a series whose durations are counted by these bounds.
    pub(super) fn of(&mut self, time: u64, series: i64, bounds: Option<&Bounds>) -> &mut Delta {
        let step = STEPS[0].0;
        let time = i64::try_from(time).unwrap_or(i64::MAX) / step * step;
        let bits = bounds.map(|bounds| bounds.iter().map(|bound| bound.to_bits()).collect());
        let (_, delta) = self.all.entry((time, series, bits)).or_insert_with(|| {
            let buckets = vec![0; bounds.map_or(0, |bounds| bounds.len() + 1)];
            (bounds.cloned(), Delta { buckets, ..Delta::default() })
        });
        delta
    }

    /// Adds all of it to what is stored.
    pub(super) fn store(self, connection: &Connection, cache: &mut Cache) -> rusqlite::Result<()> {
        let now = now_seconds();
        for (step, kept) in STEPS {
            let mut sums: HashMap<(i64, i64, i64), Delta> = HashMap::new();
            for ((time, series, _), (bounds, delta)) in &self.all {
                // Nor what a clock that is wrong puts into the future.
                if time.saturating_add(kept) < now || *time > now + FUTURE {
                    continue;
                }
                let layout = match bounds {
                    Some(bounds) => cache.layout(connection, bounds)?,
                    None => 0,
                };
                let sum = sums.entry((time / step * step, *series, layout)).or_insert_with(|| {
                    Delta { buckets: vec![0; delta.buckets.len()], ..Delta::default() }
                });
                sum.add(delta);
            }
            for ((time, series, layout), delta) in sums {
                add(connection, step, time, series, layout, delta)?;
            }
        }
        Ok(())
    }
}

fn add(
    connection: &Connection,
    step: i64,
    time: i64,
    series: i64,
    layout: i64,
    mut delta: Delta,
) -> rusqlite::Result<()> {
    let sql = "SELECT requests, failures, seconds, buckets FROM point
               WHERE step = ?1 AND time = ?2 AND series = ?3 AND layout = ?4";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Delta {
            requests: row.get::<_, i64>(0)? as u64,
            failures: row.get::<_, i64>(1)? as u64,
            seconds: row.get(2)?,
            buckets: unpack(row.get_ref(3)?.as_blob()?),
        })
    };
    let key = params![step, time, series, layout];
    if let Some(before) = connection.prepare_cached(sql)?.query_row(key, read).optional()? {
        delta.add(&before);
    }
    let sql = "INSERT OR REPLACE INTO point
               (step, time, series, layout, requests, failures, seconds, buckets)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    connection.prepare_cached(sql)?.execute(params![
        step,
        time,
        series,
        layout,
        stored(delta.requests),
        stored(delta.failures),
        delta.seconds,
        pack(&delta.buckets),
    ])?;
    Ok(())
}

/// Takes data points in: what is new since the sender's last report.
///
/// They count for the moment at which they come: clocks of senders may be off.
pub(super) fn take(
    connection: &Connection,
    cache: &mut Cache,
    samples: &[(std::sync::Arc<Vec<u8>>, Sample)],
    open: &mut Open,
    deltas: &mut Deltas,
) -> rusqlite::Result<()> {
    let now = now_seconds();
    // A worker that comes with several new series at once is new for all of them.
    let mut heard = Vec::new();
    for (source, Sample { subject, worker, identity, measure }) in samples {
        let resource = cache.resource(connection, source)?;
        let (is_delta, total, failed) = match measure {
            Measure::Durations { is_delta, total, failed, .. } => (*is_delta, total, *failed),
            Measure::Requests { is_delta, total, failed } => (*is_delta, total, *failed),
            Measure::Open(requests) => {
                let level = Level { requests: *requests, heard: now };
                let key = (*worker, identity.clone());
                open.entry(subject.service.clone()).or_default().insert(key, level);
                continue;
            }
        };
        let new = if is_delta {
            Some(New { count: total.count, sum: total.sum, buckets: total.buckets.clone() })
        } else {
            let key = counter_key(resource, *worker, identity);
            if cache.totals.len() >= MOST_COUNTERS && !cache.totals.contains_key(&key) {
                continue;
            }
            let is_known = cache.workers.contains_key(&(resource, *worker));
            let new = total.since(cache.totals.get(&key), is_known, cache.listening);
            heard.push((resource, *worker));
            remember(connection, cache, key, total, now)?;
            new
        };
        let Some(New { count, sum, buckets }) = new else { continue };
        let series = cache_series(connection, cache, subject)?;
        let time = u64::try_from(now).unwrap_or_default();
        match measure {
            Measure::Durations { bounds, counts, .. } => {
                let requests = if *counts { count } else { 0 };
                let failures = if failed { requests } else { 0 };
                let delta = Delta { requests, failures, seconds: sum, buckets };
                deltas.of(time, series, Some(bounds)).add(&delta);
            }
            _ => {
                let (requests, failures) = if failed { (0, count) } else { (count, 0) };
                let delta = Delta { requests, failures, ..Delta::default() };
                deltas.of(time, series, None).add(&delta);
            }
        }
    }
    heard.into_iter().for_each(|worker| {
        cache.workers.insert(worker, now);
    });
    Ok(())
}

fn remember(
    connection: &Connection,
    cache: &mut Cache,
    key: Vec<u8>,
    total: &Total,
    now: i64,
) -> rusqlite::Result<()> {
    // A report that came late or twice must not put the count back.
    let is_older = |known: &Total| (known.start, known.time) >= (total.start, total.time);
    if cache.totals.get(&key).is_some_and(is_older) {
        return Ok(());
    }
    let sql = "INSERT OR REPLACE INTO counter (key, state, heard) VALUES (?1, ?2, ?3)";
    connection.prepare_cached(sql)?.execute(params![key, total.encode_to_vec(), now])?;
    cache.totals.insert(key, total.clone());
    Ok(())
}

fn cache_series(
    connection: &Connection,
    cache: &mut Cache,
    subject: &Subject,
) -> rusqlite::Result<i64> {
    let Subject { kind, service, peer, route, status } = subject;
    let key = Key {
        source: METRICS,
        kind: *kind as u8,
        service: cache.name(connection, service)?,
        peer: cache.name(connection, peer)?,
        route: cache.name(connection, route)?,
        status: cache.name(connection, status)?,
        is_bare: false,
    };
    debug_assert!(Kind::from_number((*kind as u8).into()).is_some());
    cache.series(connection, key)
}

fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Counts as varints: most are small.
fn pack(buckets: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    buckets.iter().for_each(|count| encode_varint(*count, &mut bytes));
    bytes
}

/// What [`pack`] made; broken bytes end it.
pub(crate) fn unpack(mut bytes: &[u8]) -> Vec<u64> {
    let mut buckets = Vec::new();
    while !bytes.is_empty() {
        let Ok(count) = decode_varint(&mut bytes) else { break };
        buckets.push(count);
    }
    buckets
}

/// A stored point.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) series: i64,
    pub(crate) time: i64,
    pub(crate) requests: u64,
    pub(crate) failures: u64,
    pub(crate) durations: Option<(Bounds, Vec<u64>)>,
}

/// All points of one length from a time on.
pub(crate) fn points_of(
    connection: &Connection,
    step: i64,
    from: i64,
) -> rusqlite::Result<Vec<Point>> {
    let mut layouts: HashMap<i64, Bounds> = HashMap::new();
    let mut statement = connection.prepare_cached("SELECT id, bounds FROM layout")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let bytes = row.get_ref(1)?.as_blob()?.chunks_exact(8);
        let bound = |bytes: &[u8]| bytes.try_into().map(f64::from_le_bytes).unwrap_or_default();
        layouts.insert(row.get(0)?, bytes.map(bound).collect());
    }
    let sql = "SELECT series, time, layout, requests, failures, buckets FROM point
               WHERE step = ?1 AND time >= ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let points = statement.query_map((step, from), |row| {
        let bounds = layouts.get(&row.get(2)?).cloned();
        let buckets = unpack(row.get_ref(5)?.as_blob()?);
        Ok(Point {
            series: row.get(0)?,
            time: row.get(1)?,
            requests: row.get::<_, i64>(3)? as u64,
            failures: row.get::<_, i64>(4)? as u64,
            durations: bounds.map(|bounds| (bounds, buckets)),
        })
    })?;
    points.collect()
}

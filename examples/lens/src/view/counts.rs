//! What was counted within a window of time, and the golden figures of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rusqlite::Connection;
use serde::Serialize;

use crate::archive::{STEPS, points_of};
use crate::metrics::Kind;
use crate::metrics::latency::{Bounds, Latency};

/// The last so many seconds, in steps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Window {
    /// Length of a step, in seconds.
    pub step: i64,
    /// The first step's beginning, in seconds since 1970.
    pub from: i64,
    /// Now.
    pub to: i64,
}

/// Who counted.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The sender: every request.
    Metrics,
    /// Lens, from spans: as many requests as were recorded.
    Spans,
}

/// Steps that are drawn at least.
const FEWEST_STEPS: i64 = 6;

/// What a row counts by, in words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Series {
    /// Who counted.
    pub source: Source,
    /// What is counted.
    pub kind: Kind,
    /// The service that counts; of an edge, its client.
    pub service: String,
    /// The other end.
    pub peer: String,
    /// What requests have in common; of an edge, its connection type.
    pub route: String,
    /// Status of the answer.
    pub status: String,
    /// Of a client's requests: those without trace context.
    pub is_bare: bool,
    /// Whether the service is a gateway.
    pub is_gateway: bool,
}

/// A series in one step.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which series.
    pub series: Arc<Series>,
    /// What was counted.
    pub step: Step,
}

/// What was counted in one step.
#[derive(Clone, Debug)]
pub struct Step {
    /// The step's beginning.
    pub time: i64,
    /// Requests.
    pub requests: u64,
    /// Those that failed.
    pub failures: u64,
    /// Bounds and counts of durations, if there are any.
    pub durations: Option<(Bounds, Vec<u64>)>,
}

/// Everything of a window.
#[derive(Clone, Debug)]
pub struct Counts {
    /// The window.
    pub window: Window,
    /// In no order.
    pub rows: Vec<Row>,
    /// The first step that has counts.
    pub first: i64,
    /// For how many seconds of the window there are counts: rates go by it.
    pub seconds: f64,
}

/// Counts of several rows together.
#[derive(Clone, Debug, Default)]
struct Golden {
    requests: u64,
    failures: u64,
    latency: Latency,
    steps: BTreeMap<i64, (u64, u64)>,
}

/// The golden figures, ready to be shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Requests.
    pub requests: u64,
    /// Those that failed.
    pub failures: u64,
    /// Requests a second.
    pub rate: f64,
    /// Share of them that did not fail; none without requests.
    pub success: Option<f64>,
    /// Half of all took no longer, in milliseconds.
    pub p50_ms: Option<f64>,
    /// 95 %.
    pub p95_ms: Option<f64>,
    /// 99 %.
    pub p99_ms: Option<f64>,
    /// Requests a second, by step.
    pub steps: Vec<f64>,
    /// Failed ones.
    pub failed_steps: Vec<f64>,
}

// === impl Window ===

impl Window {
    /// The last `seconds` before `now`, in steps of which there are not too many to draw.
    #[must_use]
    pub fn last(seconds: i64, now: i64) -> Self {
        let step = match seconds {
            ..=900 => STEPS[0].0,
            901..=3_600 => STEPS[1].0,
            _ => STEPS[2].0,
        };
        Self { step, from: (now - seconds).div_euclid(step) * step, to: now }
    }
}

// === impl Counts ===

impl Counts {
    /// Reads everything that was counted in a window.
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    pub fn load(connection: &Connection, window: Window) -> rusqlite::Result<Self> {
        let mut series: HashMap<i64, Arc<Series>> = HashMap::new();
        let sql =
            "SELECT series.id, source, kind, service.text, peer.text, route.text, status.text,
                   is_bare, service.is_gateway FROM series
                   JOIN name service ON service.id = service JOIN name peer ON peer.id = peer
                   JOIN name route ON route.id = route JOIN name status ON status.id = status";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let Some(kind) = Kind::from_number(row.get(2)?) else { continue };
            let one = Series {
                source: if row.get::<_, i64>(1)? == 0 { Source::Metrics } else { Source::Spans },
                kind,
                service: row.get(3)?,
                peer: row.get(4)?,
                route: row.get(5)?,
                status: row.get(6)?,
                is_bare: row.get(7)?,
                is_gateway: row.get(8)?,
            };
            series.insert(row.get(0)?, Arc::new(one));
        }
        let rows = points_of(connection, window.step, window.from)?;
        let rows: Vec<Row> = rows
            .into_iter()
            .filter_map(|point| {
                Some(Row {
                    series: Arc::clone(series.get(&point.series)?),
                    step: Step {
                        time: point.time,
                        requests: point.requests,
                        failures: point.failures,
                        durations: point.durations,
                    },
                })
            })
            .collect();
        let first = rows.iter().map(|row| row.step.time).min().unwrap_or(window.to);
        let seconds = (window.to - first).max(1) as f64;
        Ok(Self { window, rows, first, seconds })
    }

    /// The figures of some rows.
    #[must_use]
    pub fn figures<'a>(&self, rows: impl IntoIterator<Item = &'a Row>) -> Figures {
        let mut golden = Golden::default();
        rows.into_iter().for_each(|row| golden.add(&row.step));
        golden.figures(self)
    }
}

// === impl Golden ===

impl Golden {
    /// Adds a step.
    fn add(&mut self, step: &Step) {
        self.requests += step.requests;
        self.failures += step.failures;
        let (requests, failures) = self.steps.entry(step.time).or_default();
        *requests += step.requests;
        *failures += step.failures;
        if let Some((bounds, counts)) = &step.durations {
            self.latency.add(bounds, counts);
        }
    }

    /// What comes out. The step that has not ended is not among the steps: it would look like
    /// a fall; nor are those of before anything was counted.
    fn figures(&self, counts: &Counts) -> Figures {
        let Counts { window, first, seconds, .. } = *counts;
        let Self { requests, failures, latency, steps } = self;
        let ms = |q| latency.quantile(q).map(|seconds| seconds * 1e3);
        let last = window.to.div_euclid(window.step) * window.step;
        let from = window.from.max(first.min(last - FEWEST_STEPS * window.step));
        let times = || (from..last).step_by(window.step as usize);
        let rate = |count: u64| count as f64 / window.step as f64;
        let step = |time| steps.get(&time).copied().unwrap_or_default();
        Figures {
            requests: *requests,
            failures: *failures,
            rate: *requests as f64 / seconds,
            success: (*requests > 0)
                .then(|| 1.0 - (*failures).min(*requests) as f64 / *requests as f64),
            p50_ms: ms(0.5),
            p95_ms: ms(0.95),
            p99_ms: ms(0.99),
            steps: times().map(|time| rate(step(time).0)).collect(),
            failed_steps: times().map(|time| rate(step(time).1)).collect(),
        }
    }
}

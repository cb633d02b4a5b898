//! A trace in one line.

use std::collections::BTreeSet;

use prost::Message;
use rusqlite::Connection;
use serde::Serialize;

use crate::span::{Span, TraceId};
use crate::view::millis;

/// Spans that are looked at, of a long trace the first.
const MOST_SPANS: i64 = 1_000;

/// What a list shows of a trace.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Its id.
    pub trace_id: String,
    /// Its begin, in milliseconds since 1970.
    pub start_ms: f64,
    /// From the first begin to the last end.
    pub duration_ms: f64,
    /// The service of the first span.
    pub service: String,
    /// The first span's route.
    pub route: String,
    /// Its status.
    pub status: String,
    /// Spans.
    pub spans: usize,
    /// Those that failed.
    pub failed: usize,
    /// Services that took part.
    pub services: Vec<String>,
    /// How long proxies held the request, together; none if no span says so.
    pub proxy_ms: Option<f64>,
    /// Whether there is one root, and every other span's parent.
    pub is_whole: bool,
}

impl Summary {
    /// Looks at the spans of a trace; `None` if there are none any more.
    pub(super) fn of(connection: &Connection, id: TraceId) -> rusqlite::Result<Option<Self>> {
        let sql = "SELECT span_id, parent_id, start, duration, failed, service.text, route.text,
                          status.text, body
                   FROM span JOIN name service ON service.id = service
                   JOIN name route ON route.id = route JOIN name status ON status.id = status
                   WHERE trace_id = ?1 LIMIT ?2";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query((id.bytes(), MOST_SPANS))?;
        let (mut begin, mut end) = (i64::MAX, i64::MIN);
        let mut summary: Option<((bool, i64), String, String, String)> = None;
        let (mut spans, mut failed, mut proxy) = (0, 0, None);
        let mut services = BTreeSet::new();
        let (mut ids, mut parents) = (BTreeSet::new(), Vec::new());
        while let Some(row) = rows.next()? {
            let parent: Option<Vec<u8>> = row.get(1)?;
            let (start, duration): (i64, i64) = (row.get(2)?, row.get(3)?);
            let has_failed: bool = row.get(4)?;
            let service: String = row.get(5)?;
            (begin, end) = (begin.min(start), end.max(start.saturating_add(duration)));
            spans += 1;
            failed += usize::from(has_failed);
            ids.insert(row.get::<_, Vec<u8>>(0)?);
            services.insert(service.clone());
            let whole =
                opentelemetry_proto::tonic::trace::v1::Span::decode(row.get_ref(8)?.as_blob()?);
            let held = whole.ok().and_then(|it| Span::try_new("", it).ok()?.proxy_time());
            if let Some(held) = held {
                *proxy.get_or_insert(0.0) += held.as_secs_f64() * 1e3;
            }
            // The one without a parent, or the earliest.
            let rank = (parent.is_some(), start);
            if summary.as_ref().is_none_or(|(best, ..)| rank < *best) {
                summary = Some((rank, service, row.get::<_, String>(6)?, row.get::<_, String>(7)?));
            }
            parents.push(parent);
        }
        let Some((_, service, route, status)) = summary else { return Ok(None) };
        let roots = parents.iter().filter(|it| it.is_none()).count();
        let has_parents = parents.iter().flatten().all(|it| ids.contains(it));
        Ok(Some(Self {
            trace_id: id.to_string(),
            start_ms: millis(begin),
            duration_ms: millis(end - begin),
            service,
            route,
            status,
            spans,
            failed,
            services: services.into_iter().collect(),
            proxy_ms: proxy,
            is_whole: roots == 1 && has_parents,
        }))
    }
}

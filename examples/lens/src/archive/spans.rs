//! Spans into their table, and what they say of requests into the counts.

use rusqlite::{Connection, params};

use super::cache::{Cache, Key, SPANS};
use super::points::{Delta, Deltas};
use super::{NewSpan, now_seconds};
use crate::metrics::Kind;
use crate::metrics::latency::{Bounds, bucket};
use crate::span::{Span, SpanKind, key};

/// Stores spans; those that are there already are left out.
pub(super) fn insert(
    connection: &Connection,
    cache: &mut Cache,
    spans: &[NewSpan],
    bounds: &Bounds,
    deltas: &mut Deltas,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO span (trace_id, span_id, parent_id, kind, service, peer,
               route, status, failed, start, duration, resource, arrived, body)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
    let now = now_seconds();
    let mut statement = connection.prepare_cached(sql)?;
    for NewSpan { span, body, source, by_proxy } in spans {
        let resource = cache.resource(connection, source)?;
        let service = cache.name(connection, &span.service)?;
        let route = cache.name(connection, &span.route())?;
        let status = cache.name(connection, &span.status())?;
        let is_client = span.kind == SpanKind::Client;
        let peer = cache.name(connection, if is_client { peer(span) } else { "" })?;
        let parent = span.parent.as_ref().map(|it| it.bytes().as_slice());
        let is_new = statement.execute(params![
            span.trace_id.bytes(),
            span.span_id.bytes(),
            parent,
            span.kind as i32,
            service,
            peer,
            route,
            status,
            span.failed,
            nanos(span.start_unix_nano),
            nanos(span.end_unix_nano - span.start_unix_nano),
            resource,
            now,
            body,
        ])? > 0;
        // A sender that tries again must not be counted again.
        if !is_new {
            continue;
        }
        let kind = match span.kind {
            SpanKind::Server => Kind::Server,
            SpanKind::Client => Kind::Client,
            _ => continue,
        };
        // A proxy that calls for a request which it received itself.
        if is_client && *by_proxy && span.parent.is_some() && !span.parent_is_remote {
            cache.gateway(connection, service)?;
        }
        let key = Key {
            source: SPANS,
            kind: kind as u8,
            service,
            peer,
            route,
            status,
            is_bare: is_client && span.parent.is_none(),
        };
        let series = cache.series(connection, key)?;
        let seconds = span.duration().as_secs_f64();
        let time = span.end_unix_nano / 1_000_000_000;
        let delta = deltas.of(time, series, Some(bounds));
        delta.add(&Delta {
            requests: 1,
            failures: span.failed.into(),
            seconds,
            buckets: Vec::new(),
        });
        if let Some(count) = delta.buckets.get_mut(bucket(bounds, seconds)) {
            *count += 1;
        }
    }
    Ok(())
}

/// Whom a client called, by the best name that it has for it.
fn peer(span: &Span) -> &str {
    let names = [key::PEER_NAME, key::CLUSTER, key::SERVER_ADDRESS];
    names.into_iter().find_map(|key| span.text(key)).unwrap_or_default()
}

/// As SQLite's integers are; the year 2262 is the last one.
fn nanos(nanos: u64) -> i64 {
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

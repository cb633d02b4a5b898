//! The parts of a span that a proxy made.
//!
//! A proxy says how long it held the request and how long the upstream took, which ends with the span.
//! What is left is the client's: it was slow to send a body that the proxy buffers. So there are up
//! to three parts, in this order: the client, the proxy, the upstream. See `docs/spans.md`.
//! Where there was no such body, what is left lies between the response's last byte and the end of
//! the span.

use serde::Serialize;

use super::ms;
use crate::span::{Span, key};

/// A part of a span's time. In milliseconds from the trace's begin on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Segment {
    /// What it is.
    pub what: Part,
    /// When it began.
    pub offset_ms: f64,
    /// How long it took.
    pub duration_ms: f64,
}

/// Whose time it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// A client that was slow to send.
    Client,
    /// The proxy's.
    Proxy,
    /// Of the proxy's: the wait for a connection.
    Pool,
    /// From the first byte sent to the last one received.
    Upstream,
}

/// Begins of the parts of a span, in nanoseconds since 1970; it ends with the upstream's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Parts {
    pub(super) proxy: u64,
    pub(super) upstream: u64,
}

/// The shortest wait for a client that hopspan takes off the proxy's time.
const SHORTEST_WAIT_NANOS: i64 = 1_000_000;

impl Parts {
    /// `None` where the proxy's time is not known.
    pub(super) fn of(span: &Span) -> Option<Self> {
        let nanos = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let (start, end) = (span.start_unix_nano, span.end_unix_nano);
        let proxy = nanos(span.proxy_time()?);
        let upstream = span.upstream_time().map_or(0, nanos);
        let upstream = end.saturating_sub(upstream).max(start);
        let begin = upstream.saturating_sub(proxy).max(start);
        let received = span.integer(key::REQUEST_RECEIVE).unwrap_or(0);
        let may_wait = received >= SHORTEST_WAIT_NANOS && !span.proxy_time_is_upper_bound();
        Some(match may_wait {
            true => Self { proxy: begin, upstream },
            false => Self { proxy: start, upstream: start.saturating_add(proxy).min(end) },
        })
    }
}

/// The parts of a span; none where the proxy's time is not known.
pub(super) fn of(span: &Span, begin: u64) -> Vec<Segment> {
    let Some(Parts { proxy, upstream }) = Parts::of(span) else { return Vec::new() };
    let pool = span.integer(key::POOL_WAIT).and_then(|it| u64::try_from(it).ok()).unwrap_or(0);
    // The connection is there just before the first byte is sent.
    let pool = upstream.saturating_sub(pool).max(proxy);
    [
        (Part::Client, span.start_unix_nano, proxy),
        (Part::Proxy, proxy, pool),
        (Part::Pool, pool, upstream),
        (Part::Upstream, upstream, span.end_unix_nano),
    ]
    .into_iter()
    .filter(|(_, from, to)| to > from)
    .map(|(what, from, to)| Segment {
        what,
        offset_ms: ms(from - begin),
        duration_ms: ms(to - from),
    })
    .collect()
}

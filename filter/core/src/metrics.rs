//! Golden metrics: how many requests there were, how they ended, how long they took.
//!
//! Every request is counted, recorded or not, in a bounded number of series.

pub mod exponential;
pub mod histogram;
mod table;
pub mod edges;
pub mod host;
pub mod open;

use crate::id::{SpanId, TraceId};
use crate::route;
use crate::semconv::{Kind, http, rpc};
use crate::time::UnixNanos;
use histogram::{Histogram, REQUESTS, Shape};
use std::hash::{Hash, Hasher};
use std::time::Duration;
use table::{Key, Table};

/// How requests are counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Settings {
    /// Whether the collector is told.
    pub otlp: bool,
    /// Whether the proxy's own stats say it as well, with that many histograms at most.
    pub host: Option<usize>,
    /// How often the collector is told.
    pub interval: Duration,
    /// The most series, with those for what finds no room; and the most edges.
    pub max_series: usize,
    /// Which histograms the collector is sent.
    pub histogram: Shape,
    /// Whether a request that is traced is shown as an example.
    pub exemplars: bool,
    /// Whether the proxy's own time is measured of each request.
    pub proxy_time: bool,
}

/// What is measured of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    /// How long it took.
    pub took: Duration,
    /// Bytes of its body, and of the response's.
    pub bodies: [u64; 2],
    /// Attempts to reach an upstream.
    pub attempts: u64,
    /// The trace where it can be looked at.
    pub example: Option<Example>,
}

/// A request that is traced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Example {
    /// Its trace.
    pub trace_id: TraceId,
    /// The span of this side.
    pub span_id: SpanId,
    /// When it ended.
    pub time: UnixNanos,
    /// How long it took.
    pub took: Duration,
}

/// What tells the series of a request from others. All of it comes from bounded sources.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Labels<'a> {
    /// Which side of the hop counts.
    pub kind: Kind,
    /// `http.request.method`; empty for calls.
    pub method: &'static str,
    /// `http.response.status_code`; `None` for calls, and if none was sent.
    pub status: Option<u16>,
    /// `error.type`; empty if it did not fail.
    pub error: &'a str,
    /// `hopspan.route`; empty if it has none.
    pub route: &'a [u8],
    /// Whether the route is configured, which makes it `http.route` on the server's side.
    pub is_configured: bool,
    /// `hopspan.upstream.cluster`, on the client's side.
    pub cluster: &'a [u8],
    /// Of a request that is a call.
    pub call: Option<CallLabels<'a>>,
}

/// What tells the series of calls from others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CallLabels<'a> {
    /// `rpc.system.name`
    pub system: &'static str,
    /// `rpc.method`; empty if it is not known to be one of few.
    pub method: &'a [u8],
    /// `rpc.response.status_code`; empty if there is none.
    pub status: &'static str,
}

/// All series of one resource.
#[derive(Debug)]
pub struct Store(Table<Series>);

/// The requests that have all labels in common.
#[derive(Debug)]
pub struct Series {
    /// Those that are borrowed in [`Labels`] are empty here.
    plain: Labels<'static>,
    error: Box<str>,
    route: Box<[u8]>,
    cluster: Box<[u8]>,
    rpc_method: Box<[u8]>,
    /// How long they took.
    pub histogram: Histogram,
    /// Bytes of their bodies, and of the responses'.
    pub bodies: [u64; 2],
    /// Attempts to reach an upstream.
    pub attempts: u64,
    /// The last one that was traced since [`Store::forget_examples`].
    pub example: Option<Example>,
}

/// The most series for what finds no room: on each side one for calls of gRPC, of Connect, and for
/// what is no call.
pub const OVERFLOWS: usize = 6;

// === impl Store ===

impl Store {
    /// No series yet, and never more than `max`.
    pub fn new(max: usize, shape: Shape) -> Self {
        Self(Table::new(max, OVERFLOWS, shape))
    }

    /// Counts a request. Returns whether there was no room for a series of its own.
    pub fn record(&mut self, labels: &Labels<'_>, measured: &Measured) -> bool {
        let place = self.0.place(labels);
        if let Some(it) = self.0.entries_mut().get_mut(place.at) {
            it.add(measured);
        }
        place.is_other
    }

    /// All of them, in the order in which they began.
    pub fn series(&self) -> &[Series] {
        self.0.entries()
    }

    /// Shows no request twice.
    pub fn forget_examples(&mut self) {
        self.0.entries_mut().iter_mut().for_each(|it| it.example = None);
    }
}

// === impl Series ===

impl Series {
    fn new(labels: &Labels<'_>, shape: Shape) -> Self {
        let Labels { kind, method, status, error, route, is_configured, cluster, call } = *labels;
        let plain =
            |it: CallLabels<'_>| CallLabels { system: it.system, method: b"", status: it.status };
        Self {
            plain: Labels {
                kind,
                method,
                status,
                error: "",
                route: b"",
                is_configured,
                cluster: b"",
                call: call.map(plain),
            },
            error: error.into(),
            route: route.into(),
            cluster: cluster.into(),
            rpc_method: call.map_or(&b""[..], |it| it.method).into(),
            histogram: Histogram::new(shape, &REQUESTS),
            bodies: [0; 2],
            attempts: 0,
            example: None,
        }
    }

    fn add(&mut self, measured: &Measured) {
        let Measured { took, bodies, attempts, example } = *measured;
        self.histogram.record(took);
        for (sum, bytes) in self.bodies.iter_mut().zip(bodies) {
            *sum = sum.saturating_add(bytes);
        }
        self.attempts = self.attempts.saturating_add(attempts);
        self.example = example.or(self.example);
    }

    /// What its requests have in common.
    pub fn labels(&self) -> Labels<'_> {
        let Self { plain, error, route, cluster, rpc_method, .. } = self;
        let call = plain.call.map(|it| CallLabels { method: rpc_method, ..it });
        Labels { error, route, cluster, call, ..*plain }
    }
}

// === impl Labels ===

/// By what there are many of; of the rest there are few, which equality tells apart.
impl Hash for Labels<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.route);
        state.write(self.cluster);
        state.write(self.call.map_or(b"", |it| it.method));
        state.write_u16(self.status.unwrap_or(0));
    }
}

impl Key for Labels<'_> {
    type Entry = Series;

    fn is_of(&self, entry: &Series) -> bool {
        entry.labels() == *self
    }

    fn entry(&self, shape: Shape) -> Series {
        Series::new(self, shape)
    }

    fn other(&self) -> Self {
        let other = route::OTHER.as_bytes();
        Labels {
            kind: self.kind,
            method: if self.call.is_some() { "" } else { http::OTHER },
            status: None,
            error: "",
            route: other,
            is_configured: false,
            // On the server's side there is none, or it is this service: see [`host`].
            cluster: if self.kind == Kind::Client { other } else { self.cluster },
            call: self.call.map(|it| CallLabels {
                system: it.system,
                method: rpc::OTHER.as_bytes(),
                status: "",
            }),
        }
    }
}

#[cfg(test)]
mod tests;

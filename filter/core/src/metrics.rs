//! Golden metrics: how many requests there were, how they ended, how long they took.
//!
//! Every request is counted, recorded or not, in a bounded number of series.

pub mod histogram;

use crate::route;
use crate::semconv::{Kind, http, rpc};
use histogram::Histogram;
use rustc_hash::FxHasher;
use std::hash::{Hash as _, Hasher as _};
use std::time::Duration;

/// How requests are counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Settings {
    /// How often the collector is told.
    pub interval: Duration,
    /// The most series, with those for what finds no room.
    pub max_series: usize,
}

/// What tells the series of a request from others. All of it comes from bounded sources.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
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
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
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
pub struct Store {
    series: Vec<Series>,
    /// Each one's hash and its place, in order.
    index: Vec<(u64, usize)>,
    /// How many of them are for what finds no room.
    overflows: usize,
    max: usize,
}

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
}

/// What became of a request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counted {
    /// It is the first of its series.
    pub is_new: bool,
    /// There was no more room for a series of its own.
    pub is_overflow: bool,
}

/// The most series for what finds no room: on each side one for calls of gRPC, of Connect, and for
/// what is no call.
pub const OVERFLOWS: usize = 6;

// === impl Store ===

impl Store {
    /// No series yet, and never more than `max`.
    pub fn new(max: usize) -> Self {
        let max = max.saturating_sub(OVERFLOWS);
        Self { series: Vec::new(), index: Vec::new(), overflows: 0, max }
    }

    /// Counts a request that took so long.
    pub fn record(&mut self, labels: &Labels<'_>, took: Duration) -> Counted {
        let hash = labels.hash_of_all();
        if self.add(hash, labels, took) {
            return Counted::default();
        }
        if self.series.len().saturating_sub(self.overflows) < self.max {
            self.insert(hash, labels, took);
            return Counted { is_new: true, is_overflow: false };
        }
        let labels = labels.overflow();
        let hash = labels.hash_of_all();
        let is_new = !self.add(hash, &labels, took);
        if is_new {
            self.insert(hash, &labels, took);
            self.overflows = self.overflows.saturating_add(1);
        }
        Counted { is_new, is_overflow: true }
    }

    /// All of them, in the order in which they began.
    pub fn series(&self) -> &[Series] {
        &self.series
    }

    /// Counts a request of a series that is there. Returns whether it is.
    fn add(&mut self, hash: u64, labels: &Labels<'_>, took: Duration) -> bool {
        let start = self.index.partition_point(|(it, _)| *it < hash);
        let alike = self.index.iter().skip(start).take_while(|(it, _)| *it == hash);
        for (_, place) in alike {
            if let Some(it) = self.series.get_mut(*place).filter(|it| it.labels() == *labels) {
                it.histogram.record(took);
                return true;
            }
        }
        false
    }

    fn insert(&mut self, hash: u64, labels: &Labels<'_>, took: Duration) {
        let start = self.index.partition_point(|(it, _)| *it < hash);
        self.index.insert(start, (hash, self.series.len()));
        let mut series = Series::new(labels);
        series.histogram.record(took);
        self.series.push(series);
    }
}

// === impl Series ===

impl Series {
    fn new(labels: &Labels<'_>) -> Self {
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
            histogram: Histogram::default(),
        }
    }

    /// What its requests have in common.
    pub fn labels(&self) -> Labels<'_> {
        let Self { plain, error, route, cluster, rpc_method, histogram: _ } = self;
        let call = plain.call.map(|it| CallLabels { method: rpc_method, ..it });
        Labels { error, route, cluster, call, ..*plain }
    }
}

// === impl Labels ===

impl Labels<'_> {
    /// Those of what finds no room.
    fn overflow(&self) -> Labels<'static> {
        let other = route::OTHER.as_bytes();
        Labels {
            kind: self.kind,
            method: if self.call.is_some() { "" } else { http::OTHER },
            status: None,
            error: "",
            route: other,
            is_configured: false,
            cluster: if self.kind == Kind::Client { other } else { b"" },
            call: self.call.map(|it| CallLabels {
                system: it.system,
                method: rpc::OTHER.as_bytes(),
                status: "",
            }),
        }
    }

    fn hash_of_all(&self) -> u64 {
        let mut hasher = FxHasher::default();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests;

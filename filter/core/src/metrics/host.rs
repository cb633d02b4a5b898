//! The same counts in the proxy's own stats, which all its workers share and Prometheus scrapes.
//!
//! What tells stats apart stands in their names, in the form in which Istio's bootstrap finds it
//! there. Such a name is written, and the stat made, when the proxy is told next: never on the
//! way of a request. Durations alone do not wait for that, once their histogram is there: it
//! takes them one by one.

mod name;

use super::edges::{Edge, Passed};
use super::histogram::Shape;
use super::open::OpenSeries;
use super::table::{Key, Place, Table};
use super::{Labels, Measured, Store};
use crate::route;
use crate::semconv::Kind;
use std::time::Duration;

/// What a stat of the proxy is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// Only grows.
    Counter,
    /// Goes up and down; what workers add to it adds up.
    Gauge,
    /// How often which value.
    Histogram,
}

/// Where the proxy keeps its stats.
pub trait Registry {
    /// A stat by its name, new or not; `None` where there can be none. The proxy never forgets it.
    fn define(&mut self, form: Form, name: String) -> Option<u32>;
    /// Moves a counter or a gauge. Returns whether the proxy did so.
    fn add(&mut self, id: u32, by: i64) -> bool;
    /// Records a value in a histogram.
    fn record(&mut self, id: u32, value: u64);
}

/// What the proxy is told of one resource.
#[derive(Debug)]
pub struct HostStats {
    /// Requests by all of their labels; the service that is called is in place of the cluster.
    series: Store,
    told: Vec<Told>,
    groups: Table<Group>,
    edges: Vec<[Told; 2]>,
    open: Vec<Told>,
    /// Durations, each with the place of its group, whose histogram is not there yet.
    waiting: Vec<(usize, u64)>,
}

/// A stat, as the proxy was told.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    is_defined: bool,
    id: Option<u32>,
    value: u64,
}

/// Requests that share a histogram of their durations.
#[derive(Debug)]
struct Group {
    about: About,
    /// Service and route, or client and server.
    names: [Box<[u8]>; 2],
    durations: Told,
    /// Bytes of requests and responses, and attempts.
    sums: Sums,
    told: [Told; SUMS.len()],
}

/// What a request has its group by.
#[derive(Clone, Copy, Debug, Hash)]
struct Of<'a> {
    about: About,
    names: [&'a [u8]; 2],
}

/// What a group has the durations of.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum About {
    /// Requests on one side of hops.
    Requests(Kind),
    /// Requests on an edge, as one side sees them.
    Edge(Kind),
    /// The proxy's own time.
    Proxy,
}

/// What is added up in a group, in the order of [`SUMS`].
type Sums = [u64; SUMS.len()];

const SUMS: [&str; 3] = ["hopspan.request_bytes", "hopspan.response_bytes", "hopspan.attempts"];
const NOTHING: Sums = [0; SUMS.len()];

const EDGE: [&str; 2] =
    ["traces_service_graph_request_total", "traces_service_graph_request_failed_total"];

/// The most groups for what finds no room: one for each of [`About`].
const OVERFLOWS: usize = 5;

/// The most durations that wait for the next time that the proxy is told.
const MAX_WAITING: usize = 4096;

// === impl HostStats ===

impl HostStats {
    /// Nothing yet, and never more than that many series and histograms.
    pub fn new(max_series: usize, max_histograms: usize) -> Self {
        Self {
            series: Store::new(max_series, Shape::Explicit),
            told: Vec::new(),
            groups: Table::new(max_histograms, OVERFLOWS, Shape::Explicit),
            edges: Vec::new(),
            open: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// How many series and histograms there are.
    pub fn size(&self) -> usize {
        self.series.series().len().saturating_add(self.groups.entries().len())
    }

    /// Counts a request to `passed`'s server; among those of its edge as well if `is_on_edge`.
    /// `record` is [`Registry::record`]. Returns whether it found no room of its own.
    pub fn record(
        &mut self,
        labels: &Labels<'_>,
        measured: &Measured,
        passed: &Passed<'_>,
        is_on_edge: bool,
        record: &mut dyn FnMut(u32, u64),
    ) -> bool {
        let (client, server) = passed.ends();
        let Labels { kind, route, .. } = *labels;
        let Measured { took, bodies: [request, response], attempts, .. } = *measured;
        let labels = Labels { cluster: server, is_configured: false, ..*labels };
        let mut is_overflow = self.series.record(&labels, measured);
        let requests = Of { about: About::Requests(kind), names: [server, route] };
        is_overflow |= self.add(requests, took, [request, response, attempts], record);
        if is_on_edge {
            let edge = Of { about: About::Edge(kind), names: [client, server] };
            is_overflow |= self.add(edge, took, NOTHING, record);
        }
        is_overflow
    }

    /// Counts the proxy's own time of a request.
    pub fn record_proxy_time(&mut self, took: Duration, record: &mut dyn FnMut(u32, u64)) {
        self.add(Of { about: About::Proxy, names: [b""; 2] }, took, NOTHING, record);
    }

    /// Adds a request to its group. Returns whether that is the one for what finds no room.
    fn add(
        &mut self,
        group: Of<'_>,
        took: Duration,
        sums: Sums,
        record: &mut dyn FnMut(u32, u64),
    ) -> bool {
        let Place { at, is_other } = self.groups.place(&group);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let Some(group) = self.groups.entries_mut().get_mut(at) else { return is_other };
        for (sum, more) in group.sums.iter_mut().zip(sums) {
            *sum = sum.saturating_add(more);
        }
        match group.durations.id {
            Some(id) => record(id, micros),
            None if group.durations.is_defined || self.waiting.len() >= MAX_WAITING => {}
            None => self.waiting.push((at, micros)),
        }
        is_other
    }

    /// Tells the proxy what has moved since it was last told. What was open is taken back if
    /// this is the last time.
    pub fn tell(
        &mut self,
        edges: &[Edge],
        open: &[OpenSeries],
        is_last: bool,
        proxy: &mut dyn Registry,
    ) {
        let series = self.series.series();
        self.told.resize_with(series.len(), Told::default);
        for (told, it) in self.told.iter_mut().zip(series) {
            told.reach(it.histogram.count(), Form::Counter, &|| name::of_series(it), proxy);
        }
        for Group { about, names, durations, sums, told } in self.groups.entries_mut() {
            durations.define(Form::Histogram, &|| name::of_durations(*about, names), proxy);
            for ((told, sum), what) in told.iter_mut().zip(sums).zip(SUMS) {
                told.reach(*sum, Form::Counter, &|| name::of_group(what, *about, names), proxy);
            }
        }
        for (at, micros) in self.waiting.drain(..) {
            if let Some(id) = self.groups.entries().get(at).and_then(|it| it.durations.id) {
                proxy.record(id, micros);
            }
        }
        self.edges.resize_with(edges.len(), Default::default);
        for (told, it) in self.edges.iter_mut().zip(edges) {
            for ((told, count), what) in told.iter_mut().zip([it.requests, it.failed]).zip(EDGE) {
                told.reach(count, Form::Counter, &|| name::of_edge(what, it), proxy);
            }
        }
        self.open.resize_with(open.len(), Told::default);
        for (told, it) in self.open.iter_mut().zip(open) {
            let count = if is_last { 0 } else { it.count };
            told.reach(count, Form::Gauge, &|| name::of_open(it), proxy);
        }
    }
}

// === impl Of ===

impl Key for Of<'_> {
    type Entry = Group;

    fn is_of(&self, Group { about, names: [a, b], .. }: &Group) -> bool {
        (*about, [&**a, b]) == (self.about, self.names)
    }

    fn entry(&self, _: Shape) -> Group {
        Group {
            about: self.about,
            names: self.names.map(Into::into),
            durations: Told::default(),
            sums: NOTHING,
            told: [Told::default(); SUMS.len()],
        }
    }

    fn other(&self) -> Self {
        // This service is known in any case.
        let (other, [first, second]) = (route::OTHER.as_bytes(), self.names);
        let names = match self.about {
            About::Requests(Kind::Server) | About::Edge(Kind::Client) => [first, other],
            About::Edge(Kind::Server) => [other, second],
            About::Requests(Kind::Client) | About::Proxy => [other; 2],
        };
        Self { names, ..*self }
    }
}

// === impl Told ===

impl Told {
    /// Makes the stat, once.
    fn define(&mut self, form: Form, name: &dyn Fn() -> String, proxy: &mut dyn Registry) {
        if !self.is_defined {
            (self.is_defined, self.id) = (true, proxy.define(form, name()));
        }
    }

    /// Moves the stat to where it should be. What never moved is not there.
    fn reach(
        &mut self,
        value: u64,
        form: Form,
        name: &dyn Fn() -> String,
        proxy: &mut dyn Registry,
    ) {
        if value == self.value {
            return;
        }
        self.define(form, name, proxy);
        let by = value.wrapping_sub(self.value).cast_signed();
        if self.id.is_some_and(|id| proxy.add(id, by)) {
            self.value = value;
        }
    }
}

#[cfg(test)]
mod tests;

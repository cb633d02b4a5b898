//! Metrics on their way to the collector.
//!
//! Each report has all series from their beginning, so none needs to be sent again: what one did
//! not bring, the next one does.

use super::answer::{Answer, Verdict};
use super::health::Notice;
use super::{Call, CallId, Collector, GRACE};
use crate::encode::otlp::Envelope;
use crate::encode::otlp_metrics::{Snapshot, write_request};
use crate::encode::{Compression, Protocol, Resource, gzip, otlp_json};
use crate::metrics::edges::{Edges, Passed};
use crate::metrics::histogram::{Histogram, PROXY, Shape};
use crate::metrics::host::{HostStats, Registry};
use crate::metrics::open::{Open, Place};
use crate::metrics::{Labels, Measured, Settings, Store};
use crate::semconv::Kind;
use crate::time::{Monotonic, Now, UnixNanos};
use std::collections::VecDeque;
use std::time::Duration;

/// The metrics of one resource for one collector in one worker, whichever of its configurations
/// count; and for the proxy's own stats.
#[derive(Debug)]
pub struct Reporter {
    resource: Resource,
    collector: Option<Collector>,
    settings: Settings,
    envelope: Envelope,
    store: Store,
    edges: Edges,
    host: Option<HostStats>,
    open: Open,
    /// The proxy's own time, if it is wanted.
    proxy_time: Option<Histogram>,
    /// Requests of the service itself that carried no trace context.
    missing: u64,
    /// What tells its series from those of others.
    number: Option<u64>,
    /// Whether there is anything to tell.
    has_begun: bool,
    /// When the first request that has ended began, or else the first report is made.
    start: Option<UnixNanos>,
    /// When the next report is due.
    due: Monotonic,
    /// Whether something has been counted that no report has told.
    has_news: bool,
    /// The report that is in flight, and when an answer can no longer come.
    flying: Option<(u64, Monotonic)>,
    reports: u64,
    /// Whether no collector is told: there is none, or it takes no metrics at all.
    is_silent: bool,
    said_fails: bool,
    said_rejects: bool,
    notices: VecDeque<Notice>,
}

// === impl Reporter ===

impl Reporter {
    /// Nothing is counted yet.
    pub fn new(resource: &Resource, collector: Option<&Collector>, settings: Settings) -> Self {
        let collector = collector.filter(|_| settings.otlp).cloned();
        Self {
            resource: resource.clone(),
            is_silent: collector.is_none(),
            collector,
            settings,
            envelope: Envelope::new(resource, "hopspan", env!("CARGO_PKG_VERSION")),
            store: Store::new(settings.max_series, settings.histogram),
            edges: Edges::new(settings.max_series, settings.histogram),
            host: settings.host.map(|histograms| HostStats::new(settings.max_series, histograms)),
            open: Open::default(),
            proxy_time: settings.proxy_time.then(|| Histogram::new(settings.histogram, &PROXY)),
            missing: 0,
            number: None,
            has_begun: false,
            start: None,
            due: Monotonic::default(),
            has_news: false,
            flying: None,
            reports: 0,
            said_fails: false,
            said_rejects: false,
            notices: VecDeque::new(),
        }
    }

    /// Whether it is at work, and what another one would be: then there must not be two, for
    /// nothing would tell their series apart.
    pub fn is_like(&self, other: &Self) -> bool {
        let Self { resource, collector, settings, .. } = self;
        // What has no collector is not silent for a collector's answer.
        self.is_silent == collector.is_none()
            && (resource, collector, settings)
                == (&other.resource, &other.collector, &other.settings)
    }

    /// Whether anything is counted: not where a collector takes no metrics and the proxy's own
    /// stats are not wanted.
    pub fn is_on(&self) -> bool {
        !self.is_silent || self.host.is_some()
    }

    /// How many series there are, edges with them.
    pub fn series(&self) -> usize {
        let own = self.store.series().len().saturating_add(self.edges.all().len());
        own.saturating_add(self.host.as_ref().map_or(0, HostStats::size))
    }

    /// Whether requests that are traced are shown as examples.
    pub fn has_exemplars(&self) -> bool {
        self.settings.exemplars
    }

    /// Counts a request that ended `now`. Returns whether it found no room of its own, as all that
    /// count do.
    pub fn record(
        &mut self,
        labels: &Labels<'_>,
        measured: &Measured,
        now: &mut dyn FnMut() -> Now,
    ) -> bool {
        if self.is_silent {
            return false;
        }
        if self.start.is_none() {
            let Now { wall, mono } = now();
            self.start = Some(wall.minus(measured.took));
            self.start_at(mono);
        }
        self.has_news = true;
        self.store.record(labels, measured)
    }

    /// Counts it on its edge, too, after [`Reporter::record`].
    pub fn record_edge(
        &mut self,
        passed: &Passed<'_>,
        is_secured: &mut dyn FnMut() -> bool,
    ) -> bool {
        self.is_on() && self.edges.record(passed, self.reports, is_secured)
    }

    /// What the proxy's own stats say of requests, if they are wanted.
    pub fn host(&mut self) -> Option<&mut HostStats> {
        self.host.as_mut()
    }

    /// Counts the time that the proxy itself took of it, if that is known.
    pub fn record_proxy_time(&mut self, took: Option<Duration>, record: &mut dyn FnMut(u32, u64)) {
        if let (Some(histogram), Some(took)) = (&mut self.proxy_time, took) {
            histogram.record(took);
            if let Some(host) = &mut self.host {
                host.record_proxy_time(took, record);
            }
        }
    }

    /// Tells the proxy's own stats what has moved, if they are wanted.
    pub fn tell_host(&mut self, is_last: bool, proxy: &mut dyn Registry) {
        if let Some(host) = &mut self.host {
            host.tell(self.edges.all(), self.open.series(), is_last, proxy);
        }
    }

    /// A request begins. Whoever gets a place gives it to [`Reporter::end`].
    pub fn begin(
        &mut self,
        kind: Kind,
        method: &'static str,
        scheme: &'static str,
        now: Monotonic,
    ) -> Option<Place> {
        if !self.is_on() {
            return None;
        }
        self.start_at(now);
        self.has_news = true;
        self.open.begin(kind, method, scheme)
    }

    /// It ends.
    pub fn end(&mut self, place: Place) {
        self.open.end(place);
        self.has_news = true;
    }

    /// The service beside the proxy sent a request without trace context.
    pub fn context_is_missing(&mut self) {
        self.missing = self.missing.saturating_add(1);
    }

    /// How long until it wants to be asked; `None` if there is nothing to tell.
    pub fn wait(&self, now: Monotonic) -> Option<Duration> {
        if self.is_silent || !self.has_begun {
            return None;
        }
        let next = if self.is_due(now) { now.plus(self.settings.interval) } else { self.due };
        Some(next.since(now))
    }

    /// Takes a number that no other one in this process has, if it needs one by now.
    pub fn take_number(&mut self, number: impl FnOnce() -> u64) {
        if self.has_begun && self.number.is_none() {
            self.number = Some(number());
        }
    }

    /// The report that is due. The `last` one is due if there is anything that was not told.
    pub fn next<'a>(
        &mut self,
        now: Now,
        is_last: bool,
        collector: &'a Collector,
        deflate: &mut dyn FnMut(&[u8]) -> Option<Vec<u8>>,
    ) -> Option<Call<'a>> {
        let Now { wall, mono } = now;
        let worker = self.number.filter(|_| self.has_begun)?;
        self.flying.take_if(|(_, overdue)| mono > *overdue);
        let is_due = self.flying.is_none() && self.is_due(mono);
        let is_wanted = is_due || is_last && self.has_news;
        if self.is_silent || !is_wanted {
            return None;
        }
        self.due = mono.plus(self.settings.interval);
        let start = *self.start.get_or_insert(wall);
        // The wall clock may have been put back.
        let time = wall.max(start);
        let (series, edges, open) = (self.store.series(), self.edges.all(), self.open.series());
        let (proxy_time, missing) = (self.proxy_time.as_ref(), self.missing);
        let shape = self.settings.histogram;
        let snapshot =
            Snapshot { series, open, edges, proxy_time, missing, worker, start, time, shape };
        let mut plain = write_request(&self.envelope, &snapshot)?;
        if collector.protocol == Protocol::HttpJson {
            let mut json = Vec::new();
            otlp_json::transcode_metrics(&plain, &mut json)?;
            plain = json;
        }
        self.store.forget_examples();
        self.has_news = false;
        self.reports = self.reports.wrapping_add(1);
        self.flying = Some((self.reports, mono.plus(collector.timeout).plus(GRACE)));
        let small = match collector.compression {
            Compression::None => None,
            Compression::Gzip => deflate(&plain).and_then(|it| gzip::wrap(&it, &plain)),
        };
        let is_gzip = small.is_some();
        let body = small.unwrap_or(plain).into();
        let id = CallId::Metrics(self.reports);
        Some(Call { id, collector, path: &collector.metrics_path, body, is_gzip })
    }

    /// A report was answered, or will not be.
    pub fn answered(&mut self, id: CallId, answer: &Answer<'_>, now: Now) {
        let CallId::Metrics(number) = id else { return };
        if self.flying.take_if(|(it, _)| *it == number).is_none() || self.is_silent {
            return;
        }
        let Some(Collector { cluster, protocol, .. }) = &self.collector else { return };
        match (answer, answer.verdict(*protocol, now.wall)) {
            (_, Verdict::Taken { rejected: 0 }) => self.said_fails = false,
            (_, Verdict::Taken { rejected }) => {
                if !std::mem::replace(&mut self.said_rejects, true) {
                    let text = format!(
                        "collector.cluster \"{cluster}\" rejects metrics of reports that it takes"
                    );
                    self.say(text, format!(" ({rejected} data points this time)"));
                }
            }
            (Answer::Response { status: status @ (404 | 405 | 501), .. }, _) => {
                self.is_silent = true;
                self.store = Store::new(0, Shape::Explicit);
                if self.host.is_none() {
                    self.edges = Edges::new(0, Shape::Explicit);
                }
                let text = format!(
                    "collector.cluster \"{cluster}\" answered {status} to metrics, so it gets no \
                     more; see collector.metrics_path and metrics.to"
                );
                self.say(text, String::new());
            }
            (answer, _) => {
                self.has_news = true;
                if !std::mem::replace(&mut self.said_fails, true) {
                    let why = match answer {
                        Answer::Response { status, .. } => format!("answered {status}"),
                        _ => "did not answer".to_owned(),
                    };
                    let text = format!("collector.cluster \"{cluster}\" {why} to metrics");
                    self.say(text, "; the next report brings all that was counted".to_owned());
                }
            }
        }
    }

    /// The oldest line that waits to be said.
    pub fn notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    fn start_at(&mut self, now: Monotonic) {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.due = now.plus(self.settings.interval);
        }
    }

    fn is_due(&self, now: Monotonic) -> bool {
        // A clock that went back must not make the collector wait until it has caught up.
        let went_back = self.due.since(now) > self.settings.interval;
        went_back || now.plus(Duration::from_millis(1)) >= self.due
    }

    fn say(&mut self, text: String, detail: String) {
        self.notices.push_back(Notice { is_warning: true, once: false, text, detail });
    }
}

#[cfg(test)]
mod tests;

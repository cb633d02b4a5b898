//! Metrics on their way to the collector.
//!
//! Each report has all series from their beginning, so none needs to be sent again: what one did
//! not bring, the next one does.

use super::answer::{Answer, Verdict};
use super::health::Notice;
use super::{Call, CallId, Collector, GRACE};
use crate::encode::otlp::Envelope;
use crate::encode::otlp_metrics::{Snapshot, write_request};
use crate::encode::{Compression, Resource, gzip};
use crate::metrics::{Counted, Labels, Settings, Store};
use crate::time::{Monotonic, Now, UnixNanos};
use std::collections::VecDeque;
use std::time::Duration;

/// The metrics of one resource for one collector in one worker, whichever of its configurations
/// count.
#[derive(Debug)]
pub struct Reporter {
    resource: Resource,
    collector: Collector,
    settings: Settings,
    envelope: Envelope,
    store: Store,
    /// What tells its series from those of others.
    number: Option<u64>,
    /// When the first request was counted.
    start: Option<UnixNanos>,
    /// When the next report is due.
    due: Monotonic,
    /// Whether something has been counted that no report has told.
    has_news: bool,
    /// The report that is in flight, and when an answer can no longer come.
    flying: Option<(u64, Monotonic)>,
    reports: u64,
    /// Whether the collector takes no metrics at all.
    has_ended: bool,
    said_fails: bool,
    said_rejects: bool,
    notices: VecDeque<Notice>,
}

// === impl Reporter ===

impl Reporter {
    /// Nothing is counted yet.
    pub fn new(resource: &Resource, collector: &Collector, settings: Settings) -> Self {
        Self {
            resource: resource.clone(),
            collector: collector.clone(),
            settings,
            envelope: Envelope::new(resource, "hopspan", env!("CARGO_PKG_VERSION")),
            store: Store::new(settings.max_series),
            number: None,
            start: None,
            due: Monotonic::default(),
            has_news: false,
            flying: None,
            reports: 0,
            has_ended: false,
            said_fails: false,
            said_rejects: false,
            notices: VecDeque::new(),
        }
    }

    /// Whether it is at work, and what another one would be: then there must not be two, for
    /// nothing would tell their series apart.
    pub fn is_like(&self, other: &Self) -> bool {
        let Self { resource, collector, settings, has_ended, .. } = self;
        !has_ended
            && (resource, collector, settings)
                == (&other.resource, &other.collector, &other.settings)
    }

    /// Whether the collector takes no metrics, so that nothing is counted any more.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// How many series there are.
    pub fn series(&self) -> usize {
        self.store.series().len()
    }

    /// Counts a request that took so long and ended `now`.
    pub fn record(
        &mut self,
        labels: &Labels<'_>,
        took: Duration,
        now: &mut dyn FnMut() -> Now,
    ) -> Counted {
        if self.has_ended {
            return Counted::default();
        }
        if self.start.is_none() {
            let Now { wall, mono } = now();
            self.start = Some(wall.minus(took));
            self.due = mono.plus(self.settings.interval);
        }
        self.has_news = true;
        self.store.record(labels, took)
    }

    /// How long until it wants to be asked; `None` if there is nothing to tell.
    pub fn wait(&self, now: Monotonic) -> Option<Duration> {
        self.start.filter(|_| !self.has_ended)?;
        let next = if self.is_due(now) { now.plus(self.settings.interval) } else { self.due };
        Some(next.since(now))
    }

    /// Takes a number that no other one in this process has, if it needs one by now.
    pub fn take_number(&mut self, number: impl FnOnce() -> u64) {
        if self.start.is_some() && self.number.is_none() {
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
        let (start, worker) = (self.start?, self.number?);
        self.flying.take_if(|(_, overdue)| mono > *overdue);
        let is_due = self.flying.is_none() && self.is_due(mono);
        let is_wanted = is_due || is_last && self.has_news;
        if self.has_ended || !is_wanted {
            return None;
        }
        self.due = mono.plus(self.settings.interval);
        // The wall clock may have been put back.
        let time = wall.max(start);
        let snapshot = Snapshot { series: self.store.series(), worker, start, time };
        let plain = write_request(&self.envelope, &snapshot)?;
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
        if self.flying.take_if(|(it, _)| *it == number).is_none() || self.has_ended {
            return;
        }
        let cluster = &self.collector.cluster;
        match (answer, answer.verdict(self.collector.protocol, now.wall)) {
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
                self.has_ended = true;
                self.store = Store::new(0);
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

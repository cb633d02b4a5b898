//! Sending spans: requests out, answers in, nothing lost without a count.
//!
//! Spec: <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

pub mod answer;
pub mod health;

use crate::batch::{Batch, Priority, Queue, Refused};
use crate::context::SpanContext;
use crate::propagation;
use crate::request;
use crate::stats::{Stat, Stats};
use crate::time::Monotonic;
use answer::{Answer, Verdict};
use health::{Health, Notice};
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// `collector.*` of the configuration.
#[derive(Clone, Eq, PartialEq)]
pub struct Collector {
    /// The proxy's cluster that requests go to.
    pub cluster: String,
    /// How clusters are called in this proxy.
    pub naming: ClusterNaming,
    /// `:authority` of requests.
    pub authority: String,
    /// `:path` of requests.
    pub traces_path: String,
    /// Further headers, which may hold secrets.
    pub headers: Vec<(String, String)>,
    /// How long to wait for an answer.
    pub timeout: Duration,
}

/// How clusters are called in a proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClusterNaming {
    /// By whatever name the proxy's own configuration gives.
    Envoy,
    /// `outbound|port|subset|host`, by Istio's control plane.
    Istio,
}

/// `retry.*` of the configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Retry {
    /// Whether a failed request is tried again at all.
    pub enabled: bool,
    /// Upper end of the first back-off.
    pub initial_backoff: Duration,
    /// Upper end of any back-off.
    pub max_backoff: Duration,
    /// How long after its first try a request is given up; `None` is never.
    pub max_elapsed: Option<Duration>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            enabled: true,
            initial_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(30),
            max_elapsed: Some(Duration::from_secs(120)),
        }
    }
}

/// Names one request that is in flight.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CallId(u64);

/// A request for the adapter to send.
#[derive(Debug)]
pub struct Call<'a> {
    /// To be given back with the answer.
    pub id: CallId,
    /// Where and how to send it.
    pub collector: &'a Collector,
    /// The encoded spans.
    pub body: &'a [u8],
}

impl fmt::Debug for Collector {
    /// Without the headers: they may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cluster, naming, authority, traces_path, headers: _, timeout } = self;
        let fields = (cluster, naming, authority, traces_path, timeout);
        f.debug_tuple("Collector").field(&fields).finish_non_exhaustive()
    }
}

impl Call<'_> {
    /// The request's headers. `context` is an unsampled one: whoever passes the request
    /// on must not trace it.
    pub fn headers(&self, context: &SpanContext<'_>) -> Vec<u8> {
        let Collector { authority, traces_path, headers, .. } = self.collector;
        let traceparent = propagation::to_traceparent(context);
        let mut list: Vec<(&str, &[u8])> = vec![
            (":method", b"POST"),
            (":path", traces_path.as_bytes()),
            (":authority", authority.as_bytes()),
            ("content-type", b"application/x-protobuf"),
            ("user-agent", USER_AGENT.as_bytes()),
            (propagation::traceparent::NAME, &traceparent),
        ];
        list.extend(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
        request::encode_headers(&list)
    }
}

/// Spec: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/#user-agent>
const USER_AGENT: &str = concat!("OTel-OTLP-Exporter-hopspan/", env!("CARGO_PKG_VERSION"));

/// The state of sending: what waits, what is in flight, when to try again.
#[derive(Debug)]
pub struct Exporter {
    collector: Collector,
    retry: Retry,
    max_in_flight: usize,
    queue: Queue,
    /// Requests that failed, oldest first: they go before anything new.
    again: VecDeque<Attempted>,
    flying: Vec<Flight>,
    calls: u64,
    health: Health,
    /// Failures in a row.
    failures: u32,
    /// When the present wait began, and how long it is.
    backoff: (Monotonic, Duration),
    draining: bool,
}

#[derive(Debug)]
struct Attempted {
    batch: Batch,
    /// When it was sent the first time.
    first: Monotonic,
}

#[derive(Debug)]
struct Flight {
    id: CallId,
    request: Attempted,
    /// When an answer can no longer come: the host broke its promise of a time-out.
    overdue: Monotonic,
}

/// How much later than its time-out an answer may come.
const GRACE: Duration = Duration::from_secs(5);
/// The longest that a `Retry-After` is believed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(600);

// === impl Exporter ===

impl Exporter {
    /// An exporter with nothing to do.
    pub fn new(collector: Collector, retry: Retry, max_in_flight: usize, queue: Queue) -> Self {
        Self {
            health: Health::new(&collector),
            collector,
            retry,
            max_in_flight,
            queue,
            again: VecDeque::new(),
            flying: Vec::new(),
            calls: 0,
            failures: 0,
            backoff: (Monotonic::default(), Duration::ZERO),
            draining: false,
        }
    }

    /// Takes a finished span, or counts why not.
    pub fn push(
        &mut self,
        priority: Priority,
        stats: &mut Stats,
        encode: impl FnOnce(&mut Vec<u8>) -> bool,
    ) {
        stats.count(Stat::SpansCreated);
        stats.count(match self.queue.push(priority, encode) {
            Ok(()) => Stat::SpansQueued,
            Err(Refused::QueueFull) => Stat::DroppedQueueFull,
            Err(Refused::TooBig) => Stat::DroppedTooBig,
        });
    }

    /// Whether a whole request waits that nothing keeps from being sent at once.
    pub fn is_ready(&self, now: Monotonic) -> bool {
        self.queue.has_batch() && self.may_send(now)
    }

    /// The delay is over: what has been gathered may go, and answers that are overdue
    /// count as failures.
    pub fn flush(&mut self, now: Monotonic, random: u64, stats: &mut Stats) {
        self.queue.seal();
        while let Some(lost) = self.flying.iter().find(|it| now > it.overdue).map(|it| it.id) {
            self.answered(lost, &Answer::None, now, random, stats);
        }
    }

    /// The next request that may be sent now. Call until `None`.
    pub fn next(&mut self, now: Monotonic, stats: &mut Stats) -> Option<Call<'_>> {
        if !self.may_send(now) {
            return None;
        }
        let request = match self.again.pop_front() {
            Some(request) => {
                stats.count(Stat::ExportRetries);
                request
            }
            None => Attempted { batch: self.queue.pop()?, first: now },
        };
        let spans = count(request.batch.spans);
        stats.add(Stat::SpansQueued, spans.saturating_neg());
        stats.add(Stat::SpansInFlight, spans);
        stats.add(Stat::ExportBytes, count(request.batch.body.len()));
        self.calls = self.calls.wrapping_add(1);
        let id = CallId(self.calls);
        let overdue = now.plus(self.collector.timeout).plus(GRACE);
        self.flying.push(Flight { id, request, overdue });
        let body = &self.flying.last()?.request.batch.body;
        Some(Call { id, collector: &self.collector, body })
    }

    /// A request was answered, or will not be. An unknown `id` changes nothing.
    pub fn answered(
        &mut self,
        id: CallId,
        answer: &Answer<'_>,
        now: Monotonic,
        random: u64,
        stats: &mut Stats,
    ) {
        let Some(at) = self.flying.iter().position(|it| it.id == id) else { return };
        let request = self.flying.swap_remove(at).request;
        let spans = count(request.batch.spans);
        stats.add(Stat::SpansInFlight, spans.saturating_neg());
        let verdict = answer.verdict();
        stats.count(verdict.outcome());
        self.health.note(answer, &verdict, now);
        match verdict {
            Verdict::Taken { rejected } => {
                let rejected = count(rejected.min(request.batch.spans));
                stats.add(Stat::SpansExported, spans.saturating_sub(rejected));
                stats.add(Stat::DroppedPartialSuccess, rejected);
                self.failures = 0;
                self.backoff = (now, Duration::ZERO);
                self.queue.settle(&request.batch);
            }
            Verdict::Refused => self.drop(&request, Stat::DroppedNonRetryable, stats),
            Verdict::TryAgain { after, .. } => {
                self.failures = self.failures.saturating_add(1);
                let delay = match after {
                    Some(after) => after.min(MAX_RETRY_AFTER),
                    None => self.jitter(answer, random),
                };
                self.backoff = (now, delay);
                stats.add(Stat::ExportBackoffMs, millis(delay));
                let elapsed = now.since(request.first);
                if self.draining {
                    self.drop(&request, Stat::DroppedShutdown, stats);
                } else if !self.retry.enabled
                    || self.retry.max_elapsed.is_some_and(|max| elapsed >= max)
                {
                    self.drop(&request, Stat::DroppedRetryExhausted, stats);
                } else {
                    stats.add(Stat::SpansQueued, spans);
                    self.again.push_back(request);
                }
            }
        }
    }

    /// What should be said aloud, if anything: state changes, not single failures.
    pub fn notice(&mut self) -> Option<Notice> {
        self.health.notice()
    }

    /// The configuration ends: everything goes out now, and nothing is tried again.
    pub fn drain(&mut self, now: Monotonic) {
        self.queue.seal();
        self.draining = true;
        self.backoff = (now, Duration::ZERO);
    }

    /// Whether nothing is left to be sent or answered.
    pub fn is_empty(&self) -> bool {
        self.flying.is_empty() && self.again.is_empty() && self.queue.is_empty()
    }

    /// Gives up everything that is left, as lost by the shutdown.
    pub fn abandon(&mut self, stats: &mut Stats) {
        self.queue.seal();
        let waiting = std::iter::from_fn(|| self.queue.pop()).map(|it| it.spans);
        let again = self.again.drain(..).map(|it| it.batch.spans);
        let queued = waiting.chain(again).fold(0, usize::saturating_add);
        let flying = self.flying.drain(..).map(|it| it.request.batch.spans);
        let in_flight = flying.fold(0, usize::saturating_add);
        stats.add(Stat::SpansQueued, count(queued).saturating_neg());
        stats.add(Stat::SpansInFlight, count(in_flight).saturating_neg());
        stats.add(Stat::DroppedShutdown, count(queued).saturating_add(count(in_flight)));
    }

    fn may_send(&self, now: Monotonic) -> bool {
        // While the collector fails, one request at a time asks whether it is back.
        let most = if self.failures > 0 && !self.draining { 1 } else { self.max_in_flight };
        // A wait that began in the future: the clock went back, and there is none.
        let (since, delay) = self.backoff;
        let waits = since <= now && now.since(since) < delay;
        self.flying.len() < most && !waits
    }

    fn drop(&mut self, request: &Attempted, reason: Stat, stats: &mut Stats) {
        stats.add(reason, count(request.batch.spans));
        self.queue.settle(&request.batch);
    }

    /// Exponential back-off with full jitter: anything from nothing to the limit, which
    /// doubles with each failure. A cluster that does not exist will not soon.
    fn jitter(&self, answer: &Answer<'_>, random: u64) -> Duration {
        let Retry { initial_backoff, max_backoff, .. } = self.retry;
        if matches!(answer, Answer::NoSuchCluster) {
            return max_backoff;
        }
        let doublings = self.failures.saturating_sub(1).min(31);
        let limit = initial_backoff.saturating_mul(1 << doublings).min(max_backoff);
        let share = u128::from(random).saturating_mul(limit.as_nanos()) >> 64;
        Duration::from_nanos(u64::try_from(share).unwrap_or(u64::MAX))
    }
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn millis(delay: Duration) -> i64 {
    i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;

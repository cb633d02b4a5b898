//! Sending spans: requests out, answers in, nothing lost without a count.
//!
//! Spec: <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

pub mod answer;
pub mod health;
pub mod report;
mod call;
mod collector;
mod retry;
mod wire;

use crate::batch::request::Batch;
use crate::batch::{Priority, Queue, Refused};
use crate::stats::{Stat, Stats};
use crate::time::{Monotonic, Now};
use answer::{Answer, Verdict};
pub use call::Call;
pub use collector::{ClusterNaming, Collector};
use health::{Health, Notice};
pub use retry::Retry;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::Duration;
use wire::{Coding, Unsendable, Wire};

/// Names one request that is in flight.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CallId {
    /// It brings spans.
    Spans(u64),
    /// It brings metrics.
    Metrics(u64),
}

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
    phase: Phase,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// The configuration is at work.
    Working,
    /// It ends: everything goes out now.
    Draining,
    /// It ends, and the collector does not take what is left.
    Stuck,
}

#[derive(Debug)]
struct Attempted {
    batch: Batch,
    /// When it was sent the first time.
    first: Monotonic,
    /// Whether it was sent before.
    is_retry: bool,
    /// How often it was halved.
    halvings: u8,
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
/// How often what is too large for the collector is halved: 512 spans become 16, and at worst
/// 63 requests are made of one.
const MAX_HALVINGS: u8 = 5;
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
            phase: Phase::Working,
        }
    }

    /// Takes a finished span, or counts why not.
    ///
    /// # Errors
    ///
    /// Why it was not taken.
    pub fn push(
        &mut self,
        priority: Priority,
        stats: &mut Stats,
        encode: impl FnOnce(&mut Vec<u8>) -> bool,
    ) -> Result<(), Refused> {
        stats.count(Stat::SpansCreated);
        let pushed = self.queue.push(priority, encode);
        stats.count(match pushed {
            Ok(()) => Stat::SpansQueued,
            Err(Refused::QueueFull) => Stat::DroppedQueueFull,
            Err(Refused::TooBig) => Stat::DroppedTooBig,
        });
        pushed
    }

    /// Whether there may be a place for one more span.
    pub fn has_place(&self, priority: Priority) -> bool {
        self.queue.has_place(priority)
    }

    /// Counts spans that there is no place for, so that nobody makes them.
    pub fn refuse(&self, spans: i64, stats: &mut Stats) {
        stats.add(Stat::SpansCreated, spans);
        stats.add(Stat::DroppedQueueFull, spans);
    }

    /// Whether a whole request waits that nothing keeps from being sent at once.
    pub fn is_ready(&self, now: Monotonic) -> bool {
        self.queue.has_batch() && self.may_send(now)
    }

    /// The delay is over: what has been gathered may go, and answers that are overdue
    /// count as failures.
    pub fn flush(&mut self, now: Now, random: u64, stats: &mut Stats) {
        self.queue.seal();
        while let Some(lost) = self.flying.iter().find(|it| now.mono > it.overdue).map(|it| it.id) {
            self.answered(lost, &Answer::None, now, random, stats);
        }
    }

    /// The next request that may be sent now. Call until `None`. `deflate` is the host's way to
    /// compress bytes in zlib's format.
    pub fn next(
        &mut self,
        now: Monotonic,
        stats: &mut Stats,
        deflate: &mut dyn FnMut(&[u8]) -> Option<Vec<u8>>,
    ) -> Option<Call<'_>> {
        let (request, wire) = loop {
            if !self.may_send(now) {
                return None;
            }
            let request = self.take_next(now)?;
            let spans = count(request.batch.spans());
            stats.add(Stat::SpansQueued, spans.saturating_neg());
            match Wire::of(&request.batch, &self.collector, self.queue.max_request(), deflate) {
                Ok(wire) => break (request, wire),
                Err(Unsendable::TooLarge) => self.halve(request, stats),
                Err(Unsendable::Unreadable) => self.drop(&request, Stat::DroppedEncode, stats),
            }
        };
        if request.is_retry {
            stats.count(Stat::ExportRetries);
        }
        stats.add(Stat::SpansInFlight, count(request.batch.spans()));
        self.calls = self.calls.wrapping_add(1);
        let id = CallId::Spans(self.calls);
        let overdue = now.plus(self.collector.timeout).plus(GRACE);
        self.flying.push(Flight { id, request, overdue });
        let Wire { body, coding } = wire;
        if coding == Coding::Unable {
            self.health.cannot_compress();
        }
        let body = match body {
            Some(made) => made.into(),
            None => Cow::Borrowed(self.flying.last()?.request.batch.body()),
        };
        stats.add(Stat::ExportBytes, count(body.len()));
        let collector = &self.collector;
        let path = &collector.traces_path;
        Some(Call { id, collector, path, body, is_gzip: coding == Coding::Gzip })
    }

    /// A request was answered, or will not be. An unknown `id` changes nothing.
    pub fn answered(
        &mut self,
        id: CallId,
        answer: &Answer<'_>,
        now: Now,
        random: u64,
        stats: &mut Stats,
    ) {
        let Some(at) = self.flying.iter().position(|it| it.id == id) else { return };
        let mut request = self.flying.swap_remove(at).request;
        let spans = count(request.batch.spans());
        stats.add(Stat::SpansInFlight, spans.saturating_neg());
        let verdict = answer.verdict(self.collector.protocol, now.wall);
        let now = now.mono;
        stats.count(verdict.outcome());
        self.health.note(answer, &verdict, now);
        match verdict {
            Verdict::Taken { rejected } => {
                let rejected = count(rejected.min(request.batch.spans()));
                stats.add(Stat::SpansExported, spans.saturating_sub(rejected));
                stats.add(Stat::DroppedPartialSuccess, rejected);
                self.failures = 0;
                self.backoff = (now, Duration::ZERO);
                self.queue.settle(&request.batch);
            }
            Verdict::TooLarge => self.halve(request, stats),
            Verdict::Refused => self.drop(&request, Stat::DroppedNonRetryable, stats),
            Verdict::TryAgain { after, .. } => {
                self.failures = self.failures.saturating_add(1);
                let delay = match (after, answer) {
                    (Some(after), _) => after.min(MAX_RETRY_AFTER),
                    // A cluster that does not exist will not soon.
                    (None, Answer::NoSuchCluster) => self.retry.max_backoff,
                    (None, _) => self.retry.backoff(self.failures, random),
                };
                self.backoff = (now, delay);
                stats.add(Stat::ExportBackoffMs, millis(delay));
                let elapsed = now.since(request.first);
                let is_over = self.retry.max_elapsed.is_some_and(|max| elapsed >= max);
                if self.phase == Phase::Working && (!self.retry.enabled || is_over) {
                    self.drop(&request, Stat::DroppedRetryExhausted, stats);
                } else {
                    if self.phase != Phase::Working {
                        self.phase = Phase::Stuck;
                    }
                    stats.add(Stat::SpansQueued, spans);
                    request.is_retry = true;
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
        self.phase = Phase::Draining;
        self.backoff = (now, Duration::ZERO);
    }

    /// Whether nothing is left to be sent or answered.
    pub fn is_empty(&self) -> bool {
        self.flying.is_empty() && self.again.is_empty() && self.queue.is_empty()
    }

    /// Whether an exporter that drains has done what it can.
    pub fn is_drained(&self) -> bool {
        self.is_empty() || (self.phase == Phase::Stuck && self.flying.is_empty())
    }

    /// Gives away everything that is left, in flight included. What `give` does not take is
    /// lost by the shutdown.
    pub fn hand_over(&mut self, stats: &mut Stats, give: &mut dyn FnMut(&[u8]) -> bool) {
        self.queue.seal();
        let again = self.again.drain(..).map(|it| (it.batch, Stat::SpansQueued));
        let flying = self.flying.drain(..).map(|it| (it.request.batch, Stat::SpansInFlight));
        let mut left: Vec<_> = flying.chain(again).collect();
        left.extend(std::iter::from_fn(|| self.queue.pop()).map(|it| (it, Stat::SpansQueued)));
        for (batch, from) in left {
            let is_given = give(&batch.to_bytes());
            let spans = count(batch.spans());
            stats.add(from, spans.saturating_neg());
            stats.add(if is_given { Stat::SpansHandedOver } else { Stat::DroppedShutdown }, spans);
            self.queue.settle(&batch);
        }
    }

    /// Whether there is room for what others hand over.
    pub fn wants_handed_over(&self) -> bool {
        self.phase == Phase::Working && self.queue.has_room()
    }

    /// Takes what another worker gave away. Returns whether it could be read.
    pub fn take_over(&mut self, bytes: &[u8], stats: &mut Stats) -> bool {
        let Some(batch) = Batch::from_bytes(bytes) else { return false };
        let spans = count(batch.spans());
        stats.add(Stat::SpansTakenOver, spans);
        stats.add(
            match self.queue.take(batch) {
                Ok(()) => Stat::SpansQueued,
                Err(_) => Stat::DroppedQueueFull,
            },
            spans,
        );
        true
    }

    /// The next request to send, a failed one before a new one.
    fn take_next(&mut self, now: Monotonic) -> Option<Attempted> {
        self.again.pop_front().or_else(|| {
            let batch = self.queue.pop()?;
            Some(Attempted { batch, first: now, is_retry: false, halvings: 0 })
        })
    }

    /// Makes two requests of one that is too large. By the specification, the same request
    /// must not be sent again after such an answer: these are others.
    fn halve(&mut self, request: Attempted, stats: &mut Stats) {
        let may_be_halved = request.halvings < MAX_HALVINGS;
        let Some([front, back]) = request.batch.halves().filter(|_| may_be_halved) else {
            return self.drop(&request, Stat::DroppedTooBig, stats);
        };
        stats.add(Stat::SpansQueued, count(request.batch.spans()));
        let halvings = request.halvings.saturating_add(1);
        for batch in [back, front] {
            self.again.push_front(Attempted { batch, is_retry: false, halvings, ..request });
        }
    }

    fn may_send(&self, now: Monotonic) -> bool {
        // While the collector fails, one request at a time asks whether it is back.
        let asks = self.failures > 0 && self.phase == Phase::Working;
        let most = if asks { 1 } else { self.max_in_flight };
        // A wait that began in the future: the clock went back, and there is none.
        let (since, delay) = self.backoff;
        let waits = since <= now && now.since(since) < delay;
        self.phase != Phase::Stuck && self.flying.len() < most && !waits
    }

    fn drop(&mut self, request: &Attempted, reason: Stat, stats: &mut Stats) {
        stats.add(reason, count(request.batch.spans()));
        self.queue.settle(&request.batch);
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

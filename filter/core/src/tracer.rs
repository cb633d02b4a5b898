//! One configuration at work: START READING HERE.
//!
//! ```text
//! start ──> (the stream lives) ──> finish ──> queue ──> tick, next_call ──> answered
//! ```
//! A [`Tracer`] belongs to one configuration in one worker. A stream asks it twice: at
//! the request's headers, which gives an [`ActiveSpan`] and the header edits that pass it
//! on, and at the end, which writes the span into the queue. Everything else is about
//! getting the queue to the collector.

use crate::batch::{Priority, Queue};
use crate::config::Config;
use crate::context::SpanContext;
use crate::encode::otlp::{self, Envelope};
use crate::export::answer::Answer;
use crate::export::health::Notice;
use crate::export::{Call, CallId, Exporter};
use crate::id::Generator;
use crate::origin::Origin;
use crate::propagation::{self, Edit, Format};
use crate::request::fields::RequestFields;
use crate::request::{Direction, Fact, Headers, RequestHead, Stream, integer};
use crate::sampling::Reason;
use crate::semconv::{Kind, Outcome};
use crate::span::Kinds;
use crate::span::active::{ActiveSpan, Recording, RequestText};
use crate::span::exchange::Side;
use crate::span::hop::Hop;
use crate::stats::{Stat, Stats};
use crate::time::{Monotonic, Now, UnixNanos};
use crate::timing::Marks;
use std::time::Duration;

/// What a request's headers led to.
#[derive(Debug, Default)]
pub struct Started {
    /// To be kept by the stream; `None` if hopspan is switched off.
    pub span: Option<ActiveSpan>,
    /// To be written into the request's headers, last and once.
    pub edits: Vec<Edit>,
}

/// One configuration in one worker.
#[derive(Debug)]
pub struct Tracer {
    config: Config,
    exporter: Option<Exporter>,
    /// hopspan's own counters, for the adapter to hand to the host.
    pub stats: Stats,
    notices: Vec<Notice>,
    /// Finished requests that are still to be looked at for another tracer's traces.
    looks: u32,
    native_tracing_said: bool,
    next_flush: Monotonic,
    draining: Option<Monotonic>,
}

/// How many requests of each worker are looked at for native tracing: enough to notice
/// it, too few to cost.
const LOOKS: u32 = 16;
/// How long an ended configuration waits for its last answers.
const DRAIN: Duration = Duration::from_secs(5);

// === impl Tracer ===

impl Tracer {
    /// Puts a checked configuration to work.
    pub fn new(config: Config) -> Self {
        let exporter = config.collector.clone().filter(|_| config.enabled).map(|collector| {
            let envelope = Envelope::new(&config.resource, "hopspan", env!("CARGO_PKG_VERSION"));
            let queue = Queue::new(config.batch.clone(), envelope);
            Exporter::new(collector, config.retry.clone(), config.batch.max_in_flight, queue)
        });
        Self {
            exporter,
            stats: Stats::default(),
            notices: Vec::new(),
            looks: LOOKS,
            native_tracing_said: false,
            next_flush: Monotonic::default(),
            draining: None,
            config,
        }
    }

    /// The configuration at work.
    pub fn config(&self) -> &Config {
        &self.config
    }

    // --- requests ---

    /// A request's headers arrived: continues its trace or begins one.
    pub fn start(
        &mut self,
        head: &RequestHead<'_>,
        stream: &mut impl Stream,
        ids: &mut Generator,
    ) -> Started {
        if !self.config.enabled {
            return Started::default();
        }
        let fields = RequestFields::of(head.headers);
        let mut direction = self.config.direction;
        let asked = || listener(&mut direction, stream);
        let origin = Origin::of(&fields, head.headers, asked, &self.config, ids, &mut self.stats);
        let edits = self.config.propagation.inject(&origin.outgoing, &fields.trace, head.headers);
        let SpanContext { trace_id, span_id, flags, ref tracestate } = origin.outgoing.context;
        let recording = (flags.is_sampled() && self.exporter.is_some()).then(|| {
            Box::new(Recording {
                outer_id: ids.span_id(),
                parent: origin.parent,
                links: origin.links(),
                reason: origin.outgoing.is_debug.then_some(Reason::Debug),
                baggage: origin.baggage(&fields, head.headers, &self.config.propagation),
                marks: Marks::begin(head.now, head.end_of_stream),
                measured: true,
                direction,
                request: RequestText::keep(&fields, tracestate),
            })
        });
        Started { span: Some(ActiveSpan { trace_id, span_id, flags, recording }), edits }
    }

    /// A stream ended whose request the filter was shown.
    ///
    /// Returns whether a whole request to the collector is ready to be sent.
    pub fn finish(
        &mut self,
        span: ActiveSpan,
        stream: &mut impl Stream,
        now: impl FnOnce() -> Now,
    ) -> bool {
        self.look_for_native_tracing(&span, stream);
        let ActiveSpan { trace_id, span_id, flags, recording } = span;
        let Some(recording) = recording else { return false };
        let now = now();
        // One look at the calendar is enough: it began as long ago as it lasted.
        let start = now.wall.minus(now.mono.since(recording.marks.started));
        let hop = Hop { trace_id, span_id, flags, start, recording: *recording };
        self.record(hop, stream, now.mono)
    }

    /// A stream ended that was answered before the filter was shown its request: by an
    /// earlier filter, or by the proxy's own checks.
    ///
    /// Its context can be read but no longer passed on, and its time is the host's word.
    pub fn refused(
        &mut self,
        headers: Headers<'_>,
        stream: &mut impl Stream,
        ids: &mut Generator,
        now: Now,
    ) -> bool {
        let head = RequestHead { headers, end_of_stream: true, now: now.mono };
        let Some(span) = self.start(&head, stream, ids).span else { return false };
        let ActiveSpan { trace_id, span_id, flags, recording: Some(mut recording) } = span else {
            return false;
        };
        let duration = |fact| stream.fact(fact).as_deref().and_then(integer);
        let [began, lasted] = [Fact::RequestTime, Fact::RequestDuration].map(duration);
        let lasted = lasted.and_then(|it| u64::try_from(it).ok()).unwrap_or(0);
        let start = began.and_then(|it| u64::try_from(it).ok()).map_or(now.wall, UnixNanos);
        let started = Monotonic(now.mono.0.saturating_sub(lasted));
        recording.marks = Marks { started, request_end: None, response_end: Some(now.mono) };
        recording.measured = false;
        let hop = Hop { trace_id, span_id, flags, start, recording: *recording };
        self.record(hop, stream, now.mono)
    }

    /// With its own tracing switched on, a proxy writes its own `traceparent` over ours,
    /// after the filter: the trace falls apart, and only the end of a request shows it.
    fn look_for_native_tracing(&mut self, span: &ActiveSpan, stream: &mut impl Stream) {
        // Who does not write the header has nothing that could be written over.
        let writes = self.config.propagation.inject.has(Format::TraceContext);
        let Some(looks) = self.looks.checked_sub(1).filter(|_| writes) else { return };
        self.looks = looks;
        let Some(value) = stream.request_header(propagation::traceparent::NAME) else { return };
        if propagation::is_ours(&value, span.trace_id, span.span_id) {
            return;
        }
        self.stats.count(Stat::NativeTracing);
        if !std::mem::replace(&mut self.native_tracing_said, true) {
            self.notices.push(Notice {
                is_warning: true,
                once: true,
                detail: String::new(),
                text: "this proxy's own tracing, or a filter behind hopspan, overwrites \
                       traceparent: the upstream's spans will not find hopspan's; switch \
                       off tracing in the HTTP connection manager"
                    .to_owned(),
            });
        }
    }

    fn record(&mut self, mut hop: Hop, stream: &mut impl Stream, now: Monotonic) -> bool {
        let Some(exporter) = &mut self.exporter else { return false };
        let kinds = self.config.kinds.unwrap_or_else(|| {
            match listener(&mut hop.recording.direction, stream) {
                Direction::Inbound => Kinds::One(Kind::Server),
                Direction::Outbound => Kinds::One(Kind::Client),
                Direction::Gateway => Kinds::Both,
            }
        });
        let exchange = hop.exchange(kinds, stream);
        let redacted = hop.recording.request.redacted;
        self.stats.add(Stat::Redactions, i64::try_from(redacted).unwrap_or(i64::MAX));
        for (kind, outermost) in match kinds {
            Kinds::One(kind) => [Some((kind, true)), None],
            Kinds::Both if exchange.attempts == Some(0) => [Some((Kind::Server, true)), None],
            Kinds::Both => [Some((Kind::Server, true)), Some((Kind::Client, false))],
        }
        .into_iter()
        .flatten()
        {
            let outcome = exchange.outcome(kind);
            let span = hop.span(kinds, kind, &exchange, &outcome, now);
            let priority = match outcome {
                Outcome::Fine => Priority::Normal,
                Outcome::Failed(_) => Priority::High,
            };
            let side = Side { exchange: &exchange, kind, outermost, outcome: &outcome };
            exporter.push(priority, &mut self.stats, |out| otlp::write_span(&span, &side, out));
        }
        exporter.is_ready(now)
    }

    // --- export ---

    /// Time has passed. Returns how long until this must be called again; a call before
    /// that does nothing. Then ask [`Tracer::next_call`].
    pub fn tick(&mut self, now: Monotonic, random: u64) -> Duration {
        let delay = self.config.batch.schedule_delay;
        // A clock that went back must not make spans wait until it has caught up.
        let went_back = self.next_flush.since(now) > delay;
        let due = went_back || now.plus(Duration::from_millis(1)) >= self.next_flush;
        if let Some(exporter) = self.exporter.as_mut().filter(|_| due) {
            exporter.flush(now, random, &mut self.stats);
        }
        if due {
            self.next_flush = now.plus(delay);
        }
        if self.draining.is_some_and(|since| now.since(since) >= DRAIN) {
            self.abandon();
        }
        self.next_flush.since(now)
    }

    /// The next request to send; call until `None`.
    pub fn next_call(&mut self, now: Monotonic) -> Option<Call<'_>> {
        self.exporter.as_mut()?.next(now, &mut self.stats)
    }

    /// A request was answered, or could not be sent. Then ask [`Tracer::next_call`].
    pub fn answered(&mut self, id: CallId, answer: &Answer<'_>, now: Monotonic, random: u64) {
        if let Some(exporter) = &mut self.exporter {
            exporter.answered(id, answer, now, random, &mut self.stats);
        }
    }

    /// Something for the proxy's log; call until `None`.
    pub fn notice(&mut self) -> Option<Notice> {
        let export = self.exporter.as_mut().and_then(Exporter::notice);
        export.or_else(|| self.notices.pop())
    }

    /// The configuration ends. Returns whether nothing is left to do; if something is, go on
    /// sending until [`Tracer::is_drained`], which is within seconds.
    pub fn drain(&mut self, now: Monotonic) -> bool {
        self.draining = Some(now);
        if let Some(exporter) = &mut self.exporter {
            exporter.drain(now);
        }
        self.is_drained()
    }

    /// Whether the configuration has ended and nothing waits or is in flight.
    pub fn is_drained(&self) -> bool {
        self.draining.is_some() && self.exporter.as_ref().is_none_or(Exporter::is_empty)
    }

    /// The root context goes away: what is left is counted as lost.
    pub fn abandon(&mut self) {
        if let Some(exporter) = &mut self.exporter {
            exporter.abandon(&mut self.stats);
        }
    }
}

/// The listener's direction, read once a stream.
fn listener(known: &mut Option<Direction>, stream: &mut impl Stream) -> Direction {
    *known.get_or_insert_with(|| {
        Direction::of_listener(stream.fact(Fact::ListenerDirection).as_deref())
    })
}

//! One configuration at work: START READING HERE.
//!
//! ```text
//! start ──> (the stream lives) ──> finish ──> queue ──> tick, next_call ──> answered
//! ```
//! A [`Tracer`] belongs to one configuration in one worker. A stream asks it twice: at
//! the request's headers, which gives an [`ActiveSpan`] and the header edits that pass it
//! on, and at the end, which writes the span into the queue. Everything else is about
//! getting the queue to the collector.

mod access_log;
mod native_tracing;
mod keep;
mod pressure;
mod exporting;
mod recording;
mod counting;
mod reporting;
pub mod tries;

use crate::attempt::Tried;
use crate::batch::Queue;
use crate::config::Config;
use crate::context::SpanContext;
use crate::encode::otlp::Envelope;
use crate::explain::{Circumstances, explain};
use crate::export::Exporter;
use crate::export::health::Notice;
use crate::id::Generator;
use crate::keep::{Kept, Traceresponse};
use crate::matching::candidate::Candidate;
use crate::origin::Origin;
use crate::propagation::{self, Edit};
use crate::request::fields::RequestFields;
use crate::request::{Fact, Headers, RequestHead, Stream, integer};
use crate::route::Routes;
use crate::sampling::head::{By, Sampler};
use crate::semconv::piece::Piece;
use crate::semconv::rpc::Protocol;
use crate::shared::Shared;
use crate::span::Kinds;
use crate::span::active::{ActiveSpan, Recording, State, Waiting};
use crate::span::hop::Hop;
use crate::span::request_text::RequestText;
use crate::stats::{Stat, Stats};
use crate::time::{Monotonic, Now, UnixNanos};
use crate::timing::Marks;
use crate::trust::Action;
use counting::Metering;
pub use exporting::DRAIN;
use pressure::Pressure;
use std::rc::Rc;

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
    sampler: Sampler,
    kept: Kept,
    routes: Routes,
    exporter: Option<Exporter>,
    metering: Option<Metering>,
    pressure: Pressure,
    /// hopspan's own counters, for the adapter to hand to the host.
    pub stats: Stats,
    notices: Vec<Notice>,
    /// Finished requests that are still to be looked at for another tracer's traces.
    looks: u32,
    native_tracing_said: bool,
    next_flush: Monotonic,
    draining: Option<Monotonic>,
}

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
            sampler: Sampler::new(&config.sampling),
            kept: Kept::new(),
            routes: Routes::new(config.routes.clone()),
            exporter,
            metering: Metering::of(&config),
            pressure: Pressure::new(config.batch.max_open_bytes),
            stats: Stats::default(),
            notices: Vec::new(),
            looks: native_tracing::LOOKS,
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

    /// A request's headers arrived: continues its trace or begins one.
    pub fn start(
        &mut self,
        head: &RequestHead<'_>,
        host: &mut (impl Stream + Shared),
        ids: &mut Generator,
    ) -> Started {
        self.begin(head, host, ids, false).0
    }

    /// The same, with the line that [`explain`] has for it: for those who may see it although
    /// the request's caller may not. None if hopspan is switched off.
    pub fn start_explained(
        &mut self,
        head: &RequestHead<'_>,
        host: &mut (impl Stream + Shared),
        ids: &mut Generator,
    ) -> (Started, Option<Vec<u8>>) {
        self.begin(head, host, ids, true)
    }

    fn begin(
        &mut self,
        head: &RequestHead<'_>,
        host: &mut (impl Stream + Shared),
        ids: &mut Generator,
        is_explained: bool,
    ) -> (Started, Option<Vec<u8>>) {
        let Self { config, sampler, routes, stats, exporter, metering, pressure, .. } = self;
        if !config.enabled {
            return (Started::default(), None);
        }
        let fields = RequestFields::of(head.headers);
        let mut request = Candidate::new(&fields, head.headers, host, config.direction);
        let mut origin = Origin::of(&mut request, config, sampler, head.now, ids, stats);
        let is_stripped = config.egress.strips(&mut request);
        let is_left_out = matches!(origin.verdict.by, By::Disabled | By::Export);
        let is_wanted = origin.verdict.sampled && exporter.is_some();
        let is_sampled = is_wanted && pressure.may_record(stats);
        let may_be_kept =
            !origin.verdict.sampled && !is_left_out && !config.keep.is_off() && exporter.is_some();
        // Where nothing is recorded, what a trusted caller sent goes on as it came.
        let passes = is_left_out && origin.action == Action::Continue;
        let tells = config.response.is_any() && !passes;
        let is_logged = config.access_log && !passes;
        let is_seen = tells || is_logged;
        let may_be_written = is_sampled || may_be_kept;
        if !is_seen && !may_be_written {
            origin.make_no_span();
        }
        let mut edits = if is_stripped {
            propagation::strip(&fields)
        } else if passes {
            origin.without_announcement()
        } else {
            if !is_left_out {
                origin.announce(&mut request, config, may_be_kept);
            }
            config.propagation.inject(&origin.outgoing, &fields.trace, head.headers)
        };
        let explains = config.explains(head.headers);
        if origin.action != Action::Continue || is_stripped {
            edits.extend(config.without_wishes(head.headers));
        }
        let asked = explains.filter(|_| origin.action == Action::Continue);
        let line = (is_explained || asked.is_some()).then(|| {
            let gauges = [Stat::SpansQueued, Stat::SpansInFlight].map(|it| stats.get(it));
            let waiting = gauges.into_iter().fold(0, i64::saturating_add);
            let circumstances = Circumstances {
                service: config.resource.service_name(),
                action: config.trust.action(&mut request),
                trust_rule: config.trust.rule(&mut request),
                queue: exporter.is_some().then_some((waiting, config.batch.max_queue_size)),
            };
            explain(&origin, &circumstances)
        });
        let SpanContext { trace_id, span_id, flags, ref tracestate } = origin.outgoing.context;
        let outer_id = if is_seen || may_be_written { ids.span_id() } else { span_id };
        let mut told = Vec::new();
        if let (Some(name), Some(line)) = (asked, &line) {
            told.push(Edit::AddChosen(Rc::clone(name), line.clone()));
        }
        // Others are shown the span that stands for the whole hop.
        let has_two = is_seen && config.kinds_on(request.direction()) == Kinds::Both;
        let child_id = if has_two { outer_id } else { span_id };
        if tells {
            config.response.tell(Traceresponse { trace_id, child_id, flags }, &mut told);
        }
        let marks = Marks::begin(head.now, head.end_of_stream);
        // What is recorded learns its direction with all else at its end, at no extra price.
        let carries = match is_sampled && !is_explained && request.known_direction().is_none() {
            true => origin.carries,
            false => {
                counting::count_carried(origin.carries, request.direction(), stats, metering);
                None
            }
        };
        let kinds = request.known_direction().map(|it| config.kinds_on(it));
        let metering = metering.as_mut().filter(|_| !is_left_out && pressure.may_count(stats));
        let counts = metering.is_some();
        let open = metering.and_then(|it| it.begin(&fields, kinds, head.now));
        let state = if is_sampled {
            let may_speak =
                fields.is_forwarded() && config.trust.action(&mut request) == Action::Continue;
            let spans = &config.spans;
            let mut text = RequestText::keep(&fields, tracestate, may_speak, spans);
            let reads_baggage = origin.reads_baggage();
            State::Recording(Box::new(Recording {
                outer_id,
                parent: origin.parent,
                links: origin.links(),
                reason: origin.verdict.reason,
                custom: spans.at_request(head.headers, reads_baggage, &mut text.redacted),
                marks,
                measured: true,
                direction: request.known_direction(),
                carries,
                route: routes.seek(fields.method, fields.path),
                request: text,
                piece: Piece::default(),
                caller: origin.caller.take(),
                open,
            }))
        } else if may_be_kept {
            let rpc = Protocol::of(&fields);
            State::Waiting(Waiting {
                outer_id,
                parent: origin.parent,
                marks,
                direction: request.known_direction(),
                rpc,
                ends_in_trailers: rpc == Some(Protocol::Grpc),
                caller_asks: origin.caller_listens,
                went_well: false,
                reason: None,
            })
        } else {
            State::Passing
        };
        let is_ours = !is_stripped && !passes;
        // Who may be kept listens to what the next hop says of it.
        let announced = may_be_kept && origin.outgoing.announcement.is_some();
        let counted = match state {
            State::Recording(_) => None,
            _ if !counts => None,
            State::Passing | State::Waiting(_) => {
                let direction = request.known_direction();
                self.to_count(&fields, direction, marks, origin.caller.take(), open)
            }
        };
        let told = told.into_boxed_slice();
        let share = self.pressure.hold(state.size(counted.as_deref()));
        let span = ActiveSpan {
            trace_id,
            span_id,
            flags,
            is_ours,
            announced,
            told,
            state,
            counted,
            share,
        };
        if is_logged && !access_log::tell(trace_id, child_id, flags, host) {
            self.stats.count(Stat::Degraded);
        }
        (Started { span: Some(span), edits }, line)
    }

    /// A stream ended whose request the filter was shown.
    ///
    /// Returns whether a whole request to the collector is ready to be sent.
    pub fn finish(
        &mut self,
        span: ActiveSpan,
        host: &mut (impl Stream + Shared),
        now: impl FnMut() -> Now,
    ) -> bool {
        self.finish_tried(span, Tried::default(), host, now)
    }

    /// The same, with what was seen of the request's tries.
    pub fn finish_tried(
        &mut self,
        span: ActiveSpan,
        tried: Tried,
        host: &mut (impl Stream + Shared),
        mut now: impl FnMut() -> Now,
    ) -> bool {
        let on_wire = tried.on_wire().unwrap_or(span.span_id);
        self.look_for_native_tracing(&span, on_wire, host);
        self.has_ended(&span);
        let ActiveSpan { trace_id, span_id, flags, state, counted, .. } = span;
        // One look at the calendar is enough: it began as long ago as it lasted.
        let hop = |now: Now, recording: Recording| {
            let start = now.wall.minus(now.mono.since(recording.marks.started));
            Hop { trace_id, span_id, flags, start, ended: now.mono, recording }
        };
        match state {
            State::Passing => {
                if let Some(counted) = counted {
                    self.count(*counted, host, &mut now);
                }
                false
            }
            State::Recording(recording) => {
                let now = now();
                self.record(hop(now, *recording), true, tried, host)
            }
            State::Waiting(waiting) => match self.may_be_worth_keeping(&waiting, host, &mut now) {
                Some(now) => {
                    let headers = host.request_headers().unwrap_or_default();
                    let headers = Headers::new(&headers);
                    let mut recording =
                        waiting.recording(headers, &self.routes, &self.config.spans);
                    if let Some(counted) = counted {
                        recording.piece = counted.piece;
                        recording.caller = counted.caller;
                    }
                    self.record(hop(now, recording), false, Tried::default(), host)
                }
                None => {
                    if let Some(mut counted) = counted {
                        counted.marks = waiting.marks;
                        self.count(*counted, host, &mut now);
                    }
                    false
                }
            },
        }
    }

    /// A stream ended that was answered before the filter was shown its request: by an
    /// earlier filter, or by the proxy's own checks.
    ///
    /// Its context can be read but no longer passed on, and its time is the host's word.
    pub fn refused(
        &mut self,
        headers: Headers<'_>,
        host: &mut (impl Stream + Shared),
        ids: &mut Generator,
        now: Now,
    ) -> bool {
        let head = RequestHead { headers, end_of_stream: true, now: now.mono };
        let Some(span) = self.start(&head, host, ids).span else { return false };
        self.has_ended(&span);
        let ActiveSpan { trace_id, span_id, flags, state, counted, .. } = span;
        let (mut recording, is_sampled) = match state {
            State::Passing => {
                if let Some(mut counted) = counted {
                    counted.measured = false;
                    counted.marks = told_by_host(host, now).0;
                    self.count(*counted, host, &mut || now);
                }
                return false;
            }
            State::Waiting(waiting) => {
                (waiting.recording(headers, &self.routes, &self.config.spans), false)
            }
            State::Recording(recording) => (*recording, true),
        };
        let start;
        (recording.marks, start) = told_by_host(host, now);
        recording.measured = false;
        let hop = Hop { trace_id, span_id, flags, start, ended: now.mono, recording };
        self.record(hop, is_sampled, Tried::default(), host)
    }
}

/// When a request began and ended that the filter was not shown, by the host's word.
fn told_by_host(host: &mut impl Stream, now: Now) -> (Marks, UnixNanos) {
    let duration = |fact| host.fact(fact).as_deref().and_then(integer);
    let [began, lasted] = [Fact::RequestTime, Fact::RequestDuration].map(duration);
    let lasted = lasted.and_then(|it| u64::try_from(it).ok()).unwrap_or(0);
    let start = began.and_then(|it| u64::try_from(it).ok()).map_or(now.wall, UnixNanos);
    let started = Monotonic(now.mono.0.saturating_sub(lasted));
    (Marks { started, response_end: Some(now.mono), ..Marks::default() }, start)
}

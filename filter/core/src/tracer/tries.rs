//! The upstream role: one span a try.
//!
//! ```text
//! downstream instance   start, begin_tries ──────────────────────────> finish_tried
//! upstream instance                        start_try ──> finish_try
//! ```
//! Both belong to one worker and share its [`Requests`]. What a try shows of itself is noted
//! there, and its span is written with those of its request. A try that no request is known of
//! is a hop of its own, which goes on with the context that it finds.

use super::{Started, Tracer};
use crate::attempt::{OpenTry, Request, Requests, Seen, Tried, Try};
use crate::config::Role;
use crate::context::{Decision, Outgoing, Remote, SpanContext};
use crate::id::{Generator, SpanId};
use crate::propagation::{Edit, announcement, tracestate};
use crate::request::fields::RequestFields;
use crate::request::{Direction, Fact, RequestHead, Stream, integer};
use crate::semconv::Kind;
use crate::shared::Shared;
use crate::span::active::{ActiveSpan, State};
use crate::span::hop::Hop;
use crate::span::request_text::RequestText;
use crate::span::{Kinds, Parent};
use crate::stats::Stat;
use crate::time::Now;
use crate::timing::Marks;

/// What a try's headers led to.
#[derive(Debug, Default)]
pub struct StartedTry {
    /// To be kept by the stream; `None` if it is not recorded.
    pub it: Option<OpenTry>,
    /// To be written into the request's headers, last and once.
    pub edits: Vec<Edit>,
}

impl Tracer {
    /// Whether this instance of the filter sees tries.
    pub fn sees_tries(&self) -> bool {
        self.config.role == Role::Upstream
    }

    /// A request begins whose tries may be seen in this worker; after [`Tracer::start`], before
    /// its edits are made.
    pub fn begin_tries(
        &mut self,
        span: &mut ActiveSpan,
        host: &mut impl Stream,
        requests: &mut Requests,
    ) {
        let ActiveSpan { trace_id, span_id, flags, is_ours: true, state, .. } = span else {
            return;
        };
        let State::Recording(recording) = state else { return };
        let kinds = self.config.kinds_on(Direction::ask(&mut recording.direction, host));
        let own = |span_id| Some(Parent { span_id, is_remote: false });
        let parent = match kinds {
            Kinds::One(Kind::Server) => own(*span_id),
            Kinds::Both => own(recording.outer_id),
            Kinds::One(Kind::Client) => {
                recording.parent.map(|span_id| Parent { span_id, is_remote: true })
            }
        };
        let request = Request {
            trace_id: *trace_id,
            span_id: *span_id,
            flags: *flags,
            parent,
            is_free: kinds != Kinds::One(Kind::Server),
            on_wire: *span_id,
            tries: Vec::new(),
        };
        if !requests.begin(request) {
            self.stats.count(Stat::Degraded);
        }
    }

    /// The headers of a try.
    ///
    /// What is not sampled passes untouched.
    pub fn start_try(
        &mut self,
        head: &RequestHead<'_>,
        host: &mut (impl Stream + Shared),
        ids: &mut Generator,
        requests: &mut Requests,
    ) -> StartedTry {
        if !self.config.enabled {
            return StartedTry::default();
        }
        let fields = RequestFields::of(head.headers);
        let came = self.config.propagation.extract(&fields.trace, head.headers);
        if came.decision == Decision::Drop {
            return StartedTry::default();
        }
        let mut parent = None;
        if let Some(remote) = &came.context
            && let Some(on_wire) = remote.span_id
        {
            if let Some(request) = requests.find(remote.trace_id, on_wire) {
                let is_first = request.tries.is_empty();
                // Only another try, a copy of the request and what an application passes on
                // unchanged make it matter.
                let resends = if is_first { Some(0) } else { resends(host) };
                if is_first || resends != Some(0) {
                    let it = Sibling { fields: &fields, head, remote, on_wire, resends };
                    return self.start_sibling(it, host, ids, request);
                }
                if request.span_id == on_wire {
                    parent = Some(request.parent.map(|it| it.span_id));
                }
            } else if let Some(known) = requests.remembered(on_wire) {
                parent = resends(host).filter(|it| *it > 0).map(|_| known);
            }
        }
        let (Started { span, edits }, _) = self.begin(head, host, ids, false);
        let Some(mut span) = span.filter(|it| it.is_ours) else {
            return StartedTry { it: None, edits };
        };
        let State::Recording(recording) = &mut span.state else {
            return StartedTry { it: None, edits };
        };
        if let Some(parent) = parent {
            recording.parent = parent;
        }
        requests.remember(span.span_id, recording.parent);
        StartedTry { it: Some(OpenTry::Own(Box::new(span), Seen::default())), edits }
    }

    fn start_sibling(
        &mut self,
        it: Sibling<'_>,
        host: &mut impl Stream,
        ids: &mut Generator,
        request: &mut Request,
    ) -> StartedTry {
        let Sibling { fields, head, remote, on_wire, resends } = it;
        let Remote { trace_id, decision, is_short, ref tracestate, .. } = *remote;
        let caller = announcement::read(tracestate, on_wire);
        let rest = tracestate::without(tracestate.clone(), announcement::KEY);
        let takes_over = request.is_free && request.tries.is_empty();
        let span_id = if takes_over { request.span_id } else { ids.span_id() };
        let text = RequestText::keep(fields, &rest, false, &self.config.spans);
        let number = request.tries.len();
        let noted = request.note(Try {
            span_id,
            resends: resends.unwrap_or_else(|| u64::try_from(number).unwrap_or(u64::MAX)),
            request: text,
            marks: Marks::begin(head.now, head.end_of_stream),
            address: host.fact(Fact::UpstreamAddress).unwrap_or_default(),
            seen: Seen::default(),
            ended: None,
        });
        let Some(number) = noted else {
            self.stats.count(Stat::Degraded);
            return StartedTry::default();
        };
        let mut edits = Vec::new();
        if !takes_over {
            request.on_wire = span_id;
            let outgoing = Outgoing {
                announcement: caller.map(|it| announcement::write(span_id, it)),
                context: SpanContext { trace_id, span_id, flags: request.flags, tracestate: rest },
                is_debug: decision == Decision::Debug,
                is_short,
            };
            edits = self.config.propagation.inject(&outgoing, &fields.trace, head.headers);
        }
        StartedTry { it: Some(OpenTry::Of(request.span_id, number)), edits }
    }

    /// A try's stream ended. Returns whether a whole request to the collector is ready to be sent.
    pub fn finish_try(
        &mut self,
        it: OpenTry,
        requests: &mut Requests,
        host: &mut (impl Stream + Shared),
        now: impl FnOnce() -> Now,
    ) -> bool {
        let (span, mut seen) = match it {
            OpenTry::Own(span, seen) => (span, seen),
            OpenTry::Of(request, number) => {
                if let Some(it) = requests.attempt(request, number) {
                    it.ended = Some(now().mono);
                    it.seen.ask(&it.marks, host);
                }
                return false;
            }
        };
        let ActiveSpan { trace_id, span_id, flags, state: State::Recording(recording), .. } = *span
        else {
            return false;
        };
        let Now { wall, mono: ended } = now();
        let start = wall.minus(ended.since(recording.marks.started));
        seen.ask(&recording.marks, host);
        let hop = Hop { trace_id, span_id, flags, start, ended, recording: *recording };
        self.record(hop, true, Tried::Itself(seen), host)
    }
}

/// A try of a known request.
struct Sibling<'a> {
    fields: &'a RequestFields<'a>,
    head: &'a RequestHead<'a>,
    remote: &'a Remote<'a>,
    on_wire: SpanId,
    resends: Option<u64>,
}

impl Seen {
    /// Asks for what only a try that was not answered well has to say.
    fn ask(&mut self, marks: &Marks, host: &mut impl Stream) {
        let is_good = self.status.is_some_and(|it| it < 400) && self.rpc.is_none();
        if is_good && marks.response_end.is_some() {
            return;
        }
        let pool = host.fact(Fact::PoolReady).as_deref().and_then(integer);
        self.pool_wait = pool.and_then(|it| u64::try_from(it).ok());
        if self.status.is_none() {
            self.transport_failure = host.fact(Fact::TransportFailure).unwrap_or_default();
        }
    }
}

/// How often a request was sent before, as the host counts: `None` if it does not.
fn resends(host: &mut impl Stream) -> Option<u64> {
    let attempts = host.fact(Fact::Attempts).as_deref().and_then(integer)?;
    u64::try_from(attempts).ok()?.checked_sub(1)
}

//! What the response tells: the client of its trace, and the hops above of one that turns out to
//! be worth keeping although it was not sampled.

use super::Tracer;
use crate::config::Response;
use crate::context::TraceFlags;
use crate::keep::Told;
use crate::keep::traceresponse::{self, Traceresponse};
use crate::propagation::Edit;
use crate::request::{Direction, Headers, Stream};
use crate::sampling::Reason;
use crate::semconv::Kind;
use crate::semconv::grpc;
use crate::semconv::http;
use crate::semconv::rpc::Protocol;
use crate::shared::Shared;
use crate::span::Kinds;
use crate::span::active::{ActiveSpan, State, Waiting};
use crate::span::hop;
use crate::stats::Stat;
use crate::time::{Monotonic, Now};
use std::rc::Rc;

impl Tracer {
    /// The response's headers pass. Returns what is to be written into them.
    ///
    /// A hop that may be kept looks here whether it will be: while the hops above can still
    /// be told.
    pub fn respond(
        &mut self,
        span: &mut ActiveSpan,
        host: &mut (impl Stream + Shared),
        now: impl FnOnce() -> Monotonic,
    ) -> Vec<Edit> {
        let mut edits = std::mem::take(&mut span.told).into_vec();
        let ActiveSpan { trace_id, span_id, announced, state, .. } = span;
        if !*announced && !matches!(state, State::Waiting(_)) {
            return edits;
        }
        let headers = host.response_headers().unwrap_or_default();
        let headers = Headers::new(&headers);
        let below = headers.get(traceresponse::NAME.as_bytes()).filter(|_| *announced);
        let below = below.and_then(|it| Traceresponse::parse(it).ok());
        let below = below.filter(|it| it.trace_id == *trace_id);
        let tells_all = self.config.response.traceresponse;
        if below.is_some() && !tells_all {
            // It was meant for us, and our client has not asked.
            edits.push(Edit::Remove(traceresponse::NAME));
        }
        let State::Waiting(waiting) = state else { return edits };
        let status = hop::status(headers);
        let may_have_status = waiting.rpc.is_some_and(Protocol::has_grpc_status);
        let grpc = may_have_status.then(|| headers.get(b"grpc-status")).flatten();
        let grpc = grpc.and_then(grpc::status);
        // As a server sees it: what its client did wrong need not be looked into at the end.
        waiting.went_well = match grpc {
            Some(status) => !status.is_error(Kind::Server),
            None => status.is_some_and(|it| !http::is_error(it, Kind::Server)),
        };
        // A status in the headers is the last word; otherwise there is one in the trailers.
        waiting.ends_in_trailers &= grpc.is_none();
        let now = now();
        waiting.marks.response_start = Some(now);
        let elapsed = now.since(waiting.marks.started);
        let own = || self.config.keep.at_response_headers(status, grpc, elapsed);
        let told = below.is_some_and(|it| it.flags.is_sampled()).then_some(Reason::Below);
        waiting.reason = told.or_else(own);
        if waiting.reason.is_none() && waiting.direction != Some(Direction::Outbound) {
            // The application may hide what one of its own calls met.
            let told = self.kept.is_told(*trace_id, now, host);
            waiting.reason = told.then_some(Reason::Below);
        }
        if waiting.reason.is_some() {
            if waiting.direction == Some(Direction::Outbound) {
                match self.kept.tell(*trace_id, now, host) {
                    Told::All => {}
                    Told::InPlaceOfAnother => self.stats.count(Stat::KeepForgotten),
                    Told::Nobody => self.stats.count(Stat::Degraded),
                }
            }
            if waiting.caller_asks || tells_all {
                let has_two = waiting.direction.map(|it| self.config.kinds_on(it));
                let has_two = has_two == Some(Kinds::Both);
                let child_id = if has_two { waiting.outer_id } else { *span_id };
                let (trace_id, flags) = (*trace_id, TraceFlags::SAMPLED);
                let value = Traceresponse { trace_id, child_id, flags }.to_bytes();
                edits.push(Edit::Replace(traceresponse::NAME, value));
            }
        }
        edits
    }

    /// Whether a hop that was not sampled may be worth keeping, and when it ended: most are
    /// not, which must cost next to nothing.
    pub(super) fn may_be_worth_keeping(
        &self,
        waiting: &Waiting,
        host: &mut impl Stream,
        now: impl FnOnce() -> Now,
    ) -> Option<Now> {
        let Waiting { marks, ends_in_trailers, went_well, reason, .. } = waiting;
        let policy = &self.config.keep;
        if reason.is_some() {
            return Some(now());
        }
        if policy.errors {
            let mut call_failed = || {
                let status = host.response_trailer("grpc-status");
                let status = status.and_then(|it| grpc::status(&it));
                status.is_none_or(|it| it.is_error(Kind::Server))
            };
            let is_complete = marks.response_end.is_some() && *went_well;
            if !is_complete || *ends_in_trailers && call_failed() {
                return Some(now());
            }
        }
        let limit = policy.slower_than?;
        let now = now();
        (now.mono.since(marks.started) >= limit).then_some(now)
    }
}

impl Response {
    /// What a client is told of its trace.
    ///
    /// ```text
    /// Server-Timing = #server-timing-metric
    /// server-timing-metric = metric-name *( OWS ";" OWS server-timing-param )
    /// ```
    /// Spec: <https://www.w3.org/TR/server-timing/#the-server-timing-header-field>
    pub(super) fn tell(&self, it: Traceresponse, out: &mut Vec<Edit>) {
        let Self { trace_id_header, traceresponse, server_timing } = self;
        if let Some(name) = trace_id_header {
            let value = it.trace_id.to_string().into_bytes();
            out.push(Edit::ReplaceChosen(Rc::clone(name), value));
        }
        if *traceresponse {
            out.push(Edit::Replace(traceresponse::NAME, it.to_bytes()));
        }
        if *server_timing {
            // The application may have timings of its own: they stay.
            let value = [b"traceparent;desc=\"", &it.to_bytes()[..], b"\""].concat();
            out.push(Edit::Add("server-timing", value));
        }
    }
}

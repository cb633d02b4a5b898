//! A hop at its end: the host is asked for what is missing, and the spans are made.

use super::active::Recording;
use super::exchange::Exchange;
use super::{Kinds, Parent, Span};
use crate::context::TraceFlags;
use crate::id::{SpanId, TraceId};
use crate::request::{Fact, Headers, Stream, integer};
use crate::semconv::flags::ResponseFlags;
use crate::semconv::grpc::GrpcStatus;
use crate::semconv::{Kind, Outcome};
use crate::time::{Monotonic, UnixNanos};
use std::time::Duration;

/// A hop that is being written out.
#[derive(Debug)]
pub struct Hop {
    /// The trace.
    pub trace_id: TraceId,
    /// Its innermost span.
    pub span_id: SpanId,
    /// What went on to the next hop.
    pub flags: TraceFlags,
    /// Wall time of the beginning.
    pub start: UnixNanos,
    /// What was kept since its beginning.
    pub recording: Recording,
}

// === impl Hop ===

impl Hop {
    /// Asks the host for what the spans need, and no more.
    pub fn exchange(&self, kinds: Kinds, stream: &mut impl Stream) -> Exchange<'_> {
        let Recording { marks, measured, request, reason, baggage, .. } = &self.recording;
        let headers = stream.response_headers().unwrap_or_default();
        let headers = Headers::new(&headers);
        let status = match status(headers) {
            Some(status) => Some(status),
            None => number(stream, Fact::ResponseCode).and_then(|it| u16::try_from(it).ok()),
        };
        let grpc = request.is_grpc.then(|| match headers.get(b"grpc-status") {
            Some(status) => GrpcStatus::parse(status),
            None => stream.response_trailer("grpc-status").and_then(|it| GrpcStatus::parse(&it)),
        });
        let mut grpc = grpc.flatten();
        let mut complete = marks.response_end.is_some() && (*measured || status.is_some());
        let (mut flags, mut code_details) = (ResponseFlags::default(), Vec::new());
        let unanswered = request.is_grpc && grpc.is_none();
        if unanswered || Exchange::went_wrong(status, grpc, complete) {
            flags = ResponseFlags(number(stream, Fact::ResponseFlags).unwrap_or(0));
            code_details = stream.fact(Fact::CodeDetails).unwrap_or_default();
            // The proxy follows the redirect itself, in a stream of its own: this one is over.
            complete |= code_details == b"internal_redirect";
        }
        if unanswered && flags.client_gone() {
            grpc = Some(GrpcStatus::CANCELLED);
        }
        let attempts = number(stream, Fact::Attempts);
        let mut upstream = |fact| match attempts {
            Some(0) => None,
            _ => stream.fact(fact),
        };
        let cluster = upstream(Fact::Cluster).unwrap_or_default();
        let address = upstream(Fact::UpstreamAddress).unwrap_or_default();
        let backend = upstream(Fact::BackendLatency).as_deref().and_then(integer);
        let backend = backend.and_then(|it| u64::try_from(it).ok()).map(Duration::from_nanos);
        let mut breakdown = marks.breakdown(attempts, backend);
        breakdown.upper_bound |= !measured;
        let client = match kinds {
            Kinds::One(Kind::Client) => None,
            Kinds::One(Kind::Server) | Kinds::Both => stream.fact(Fact::ClientAddress),
        };
        Exchange {
            request,
            status,
            grpc,
            complete,
            protocol: stream.fact(Fact::Protocol).unwrap_or_default(),
            client: client.unwrap_or_default(),
            cluster,
            upstream: address,
            attempts,
            flags,
            code_details,
            breakdown,
            reason: *reason,
            baggage,
        }
    }

    /// One of the hop's spans.
    pub fn span<'a>(
        &'a self,
        kinds: Kinds,
        kind: Kind,
        exchange: &'a Exchange<'_>,
        outcome: &'a Outcome<'a>,
        now: Monotonic,
    ) -> Span<'a> {
        let Recording { outer_id, parent, links, marks, request, .. } = &self.recording;
        let start = self.start;
        let remote = parent.map(|span_id| Parent { span_id, is_remote: true });
        let outer = Parent { span_id: *outer_id, is_remote: false };
        let (span_id, parent) = match (kinds, kind) {
            (Kinds::One(_), _) => (self.span_id, remote),
            (Kinds::Both, Kind::Server) => (*outer_id, remote),
            (Kinds::Both, Kind::Client) => (self.span_id, Some(outer)),
        };
        let whole = (marks.started, now);
        let (began, ended) = match (kinds, kind, exchange.breakdown.upstream_started) {
            (Kinds::Both, Kind::Client, Some(began)) => (began, marks.response_end.unwrap_or(now)),
            _ => whole,
        };
        Span {
            trace_id: self.trace_id,
            span_id,
            parent,
            flags: self.flags,
            tracestate: request.tracestate(),
            name: exchange.name(),
            kind,
            start: start.plus(began.since(marks.started)),
            end: start.plus(ended.since(marks.started)),
            outcome: outcome.clone(),
            links: if parent == remote { links } else { &[] },
        }
    }
}

/// The status of a response, by its headers.
pub fn status(headers: Headers<'_>) -> Option<u16> {
    std::str::from_utf8(headers.get(b":status")?).ok()?.parse().ok()
}

fn number(stream: &mut impl Stream, fact: Fact) -> Option<u64> {
    stream.fact(fact).as_deref().and_then(integer).and_then(|it| u64::try_from(it).ok())
}

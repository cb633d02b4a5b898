//! A hop at its end: the host is asked for what is missing, and the spans are made.

use super::about::About;
use super::active::Recording;
use super::exchange::{Exchange, Peer};
use super::request_text::RequestText;
use super::{Detail, Kinds, Parent, Span};
use crate::context::TraceFlags;
use crate::id::{SpanId, TraceId};
use crate::request::{Direction, Fact, Headers, Stream, integer};
use crate::semconv::flags::ResponseFlags;
use crate::semconv::piece::Piece;
use crate::semconv::rpc::Response;
use crate::semconv::{Kind, Outcome, http};
use crate::time::{Monotonic, Now, UnixNanos};
use crate::timing::{Breakdown, Marks};
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
    /// When the stream ended.
    pub ended: Monotonic,
    /// What was kept since its beginning.
    pub recording: Recording,
}

/// What a stream has kept of a request, at its end.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    /// Monotonic moments.
    pub marks: &'a Marks,
    /// Whether they come from the filter's own callbacks.
    pub measured: bool,
    /// What the request said of itself.
    pub request: &'a RequestText,
    /// The piece of the response's body where a call has its status.
    pub piece: &'a Piece,
    /// When the stream ended.
    pub ended: Monotonic,
}

// === impl Ending ===

impl<'a> Ending<'a> {
    /// Asks the host for what tells whether the request went well, and nothing else.
    #[inline(never)]
    fn exchange(&self, stream: &mut impl Stream) -> Exchange<'a> {
        let Self { marks, measured, request, piece, ended: _ } = *self;
        // The map is dearer than the one fact that is of use in it, but for RPCs, which need more.
        let mut map = if request.rpc.is_some() { stream.response_headers() } else { None };
        let told = |map: &Option<Vec<u8>>| status(Headers::new(map.as_deref()?));
        let mut status = told(&map).or_else(|| code(stream));
        if status.is_none() && map.is_none() {
            map = stream.response_headers();
            status = told(&map);
        }
        let headers = Headers::new(map.as_deref().unwrap_or_default());
        let complete = marks.response_end.is_some() && (measured || status.is_some())
            || http::is_tunnel(request.method(), status);
        let body = piece.bytes();
        let response = Response { headers, http_status: status, body, is_complete: complete };
        let trailer = || stream.response_trailer("grpc-status");
        let rpc = request.rpc.and_then(|it| it.status(response, trailer));
        Exchange {
            request,
            status,
            rpc,
            complete,
            protocol: Vec::new(),
            downstream: Peer::default(),
            cluster: Vec::new(),
            upstream: Peer::default(),
            transport_failure: Vec::new(),
            route_name: Vec::new(),
            attempts: None,
            resends: 0,
            flags: ResponseFlags::default(),
            code_details: Vec::new(),
            breakdown: Breakdown::default(),
            pool_wait: None,
            request_bytes: marks.request_bytes,
            response_bytes: marks.response_bytes,
            reason: None,
            about: About::default(),
            custom: &[],
            custom_at_end: Vec::new(),
        }
    }

    /// Asks the host for what metrics need, of the upstream as well if that `is_asked`.
    pub fn counted(&self, is_asked: bool, stream: &mut impl Stream) -> Exchange<'a> {
        let mut it = self.exchange(stream);
        if is_asked {
            it.attempts = number(stream, Fact::Attempts);
        }
        if it.may_have_failed() {
            self.explain(&mut it, stream);
        }
        let mut backend = None;
        if is_asked && it.attempts != Some(0) {
            it.cluster = stream.fact(Fact::Cluster).unwrap_or_default();
            backend = number(stream, Fact::BackendLatency).map(Duration::from_nanos);
        }
        it.breakdown = self.marks.breakdown(it.attempts, backend, self.ended);
        it
    }

    /// Asks why there was no whole, good response.
    #[inline(never)]
    fn explain(&self, it: &mut Exchange<'_>, stream: &mut impl Stream) {
        it.flags = ResponseFlags(number(stream, Fact::ResponseFlags).unwrap_or(0));
        it.code_details = stream.fact(Fact::CodeDetails).unwrap_or_default();
        // The proxy follows the redirect itself, in a stream of its own: this one is over.
        it.complete |= it.code_details == b"internal_redirect";
        if it.rpc.is_none() && it.flags.client_gone() {
            let waited = self.ended.since(self.marks.started);
            it.rpc = self.request.rpc.map(|rpc| rpc.given_up(self.request.timeout, waited));
        }
    }
}

// === impl Peer ===

impl Peer {
    /// Of whom no more is asked than the address.
    fn at(stream: &mut impl Stream, address: Fact) -> Self {
        Self { address: stream.fact(address).unwrap_or_default(), ..Self::default() }
    }
}

// === impl Hop ===

impl Hop {
    /// When it ended, by both clocks.
    pub fn now(&self) -> Now {
        let elapsed = self.ended.since(self.recording.marks.started);
        Now { wall: self.start.plus(elapsed), mono: self.ended }
    }

    /// Asks the host for what the spans need, and no more.
    pub fn exchange(&self, kinds: Kinds, detail: Detail, stream: &mut impl Stream) -> Exchange<'_> {
        let Recording { marks, measured, request, reason, custom, piece, .. } = &self.recording;
        let ending = Ending { marks, measured: *measured, request, piece, ended: self.ended };
        let mut it = ending.exchange(stream);
        it.reason = *reason;
        it.custom = custom;
        let failed = it.may_have_failed();
        if detail == Detail::Minimal {
            if !failed {
                it.breakdown = marks.breakdown(None, None, self.ended);
                return it;
            }
            stream.gather();
        }
        it.route_name = stream.fact(Fact::RouteName).unwrap_or_default();
        it.attempts = number(stream, Fact::Attempts);
        if failed {
            ending.explain(&mut it, stream);
        }
        let mut backend = None;
        if it.attempts != Some(0) {
            it.cluster = stream.fact(Fact::Cluster).unwrap_or_default();
            it.upstream = match self.recording.direction {
                // The service beside the proxy.
                Some(Direction::Inbound) => Peer::at(stream, Fact::UpstreamAddress),
                _ => {
                    let certificate = (Fact::UpstreamUriSan, Fact::UpstreamDnsSan);
                    peer(stream, Fact::UpstreamAddress, Fact::UpstreamTls, certificate)
                }
            };
            backend = number(stream, Fact::BackendLatency).map(Duration::from_nanos);
            it.pool_wait = number(stream, Fact::PoolReady).map(Duration::from_nanos);
            if it.flags != ResponseFlags::default() {
                it.transport_failure = stream.fact(Fact::TransportFailure).unwrap_or_default();
            }
        }
        it.breakdown = marks.breakdown(it.attempts, backend, self.ended);
        it.breakdown.upper_bound |= !measured;
        if kinds != Kinds::One(Kind::Client) {
            it.protocol = stream.fact(Fact::Protocol).unwrap_or_default();
            let certificate = (Fact::PeerUriSan, Fact::PeerDnsSan);
            it.downstream = peer(stream, Fact::ClientAddress, Fact::DownstreamTls, certificate);
        }
        it
    }

    /// One of the hop's spans.
    pub fn span<'a>(
        &'a self,
        kinds: Kinds,
        kind: Kind,
        exchange: &'a Exchange<'_>,
        name: &'a [u8],
        outcome: &'a Outcome<'a>,
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
        let whole = (marks.started, self.ended);
        let (began, ended) = match (kinds, kind, exchange.breakdown.upstream_started) {
            (Kinds::Both, Kind::Client, Some(began)) => {
                (began, marks.response_end.unwrap_or(self.ended))
            }
            _ => whole,
        };
        Span {
            trace_id: self.trace_id,
            span_id,
            parent,
            flags: self.flags,
            tracestate: request.tracestate(),
            name,
            kind,
            start: start.plus(began.since(marks.started)),
            end: start.plus(ended.since(marks.started)),
            outcome: outcome.clone(),
            links: if parent == remote { links } else { &[] },
        }
    }
}

/// Who is at the other end of a connection; names are asked for only where TLS may prove them.
fn peer(stream: &mut impl Stream, address: Fact, tls: Fact, (uri, dns): (Fact, Fact)) -> Peer {
    let tls_version = stream.fact(tls).unwrap_or_default();
    let mut name = Vec::new();
    for san in [uri, dns] {
        if !tls_version.is_empty() && name.is_empty() {
            name = stream.fact(san).unwrap_or_default();
        }
    }
    Peer { tls_version, name, ..Peer::at(stream, address) }
}

/// The status of a response, as the host has it.
fn code(stream: &mut impl Stream) -> Option<u16> {
    number(stream, Fact::ResponseCode).and_then(|it| u16::try_from(it).ok())
}

/// The status of a response, by its headers.
pub fn status(headers: Headers<'_>) -> Option<u16> {
    std::str::from_utf8(headers.get(b":status")?).ok()?.parse().ok()
}

pub(super) fn number(stream: &mut impl Stream, fact: Fact) -> Option<u64> {
    stream.fact(fact).as_deref().and_then(integer).and_then(|it| u64::try_from(it).ok())
}

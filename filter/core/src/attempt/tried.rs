//! A request at its end, with all of its tries.

use super::intervals::covered;
use super::{Request, Seen, Tried, Try};
use crate::id::SpanId;
use crate::semconv::Kind;
use crate::semconv::flags::ResponseFlags;
use crate::span::exchange::{Exchange, Peer, Place};
use crate::span::hop::Hop;
use crate::span::{Kinds, Span};
use crate::time::Monotonic;
use crate::timing::Marks;
use std::time::Duration;

impl Request {
    /// Number of the try whose end was the request's: the last to end, of those that did not the
    /// last to begin.
    #[inline(never)]
    pub fn last(&self) -> usize {
        let (mut last, mut latest) = (0, Monotonic::default());
        for (number, it) in self.tries.iter().enumerate() {
            let ended = it.ended.unwrap_or(Monotonic(u64::MAX));
            if ended >= latest {
                (last, latest) = (number, ended);
            }
        }
        last
    }

    /// The proxy's own time, in which no try was with an upstream and no client was waited for;
    /// `None` if the response did not end. `backend` is how long the last try was with its own.
    pub fn proxy_time(&self, marks: &Marks, backend: Option<Duration>) -> Option<Duration> {
        let end = marks.response_end?;
        let whole = end.since(marks.started);
        let last = self.last();
        let mut intervals = Vec::with_capacity(self.tries.len());
        let mut first = end;
        for (number, it) in self.tries.iter().enumerate() {
            let (start, until) = match backend {
                Some(backend) if number == last => {
                    (marks.started.plus(whole.saturating_sub(backend)), end)
                }
                _ => {
                    let waited = Duration::from_nanos(it.seen.pool_wait.unwrap_or(0));
                    (it.marks.started.plus(waited), it.ended.unwrap_or(end).min(end))
                }
            };
            first = first.min(start);
            intervals.push((start, until));
        }
        let waited = marks.waited(first.since(marks.started));
        Some(whole.saturating_sub(covered(&intervals)).saturating_sub(waited))
    }

    /// The same, as part of what is known of the request's time: exact, where tries are seen.
    pub fn tell_time(&self, exchange: &mut Exchange<'_>, marks: &Marks) {
        let breakdown = &mut exchange.breakdown;
        if let Some(time) = self.proxy_time(marks, breakdown.upstream) {
            breakdown.proxy = Some(time);
            breakdown.upper_bound = false;
        }
    }

    /// The numbers of the tries, the last one first, and which of the hop's spans each is: on a
    /// hop of the client's side, the last one is all.
    pub fn places(&self, kinds: Kinds) -> impl Iterator<Item = (usize, Place)> {
        let of_last = match kinds {
            Kinds::One(Kind::Client) => Place::Only,
            _ => Place::Inner,
        };
        let last = self.last();
        let count = self.tries.len();
        (0..count).map(move |it| match it {
            0 => (last, of_last),
            it if it <= last => (it.saturating_sub(1), Place::Inner),
            it => (it, Place::Inner),
        })
    }

    /// Turns what is known of the whole request, which is the last try's, into what is known of
    /// one try; in the order of [`Request::places`].
    pub fn narrow<'a>(&'a self, number: usize, exchange: &mut Exchange<'a>) {
        let Some(it) = self.tries.get(number) else { return };
        exchange.request = &it.request;
        exchange.resends = it.resends;
        let last = self.last();
        if last == number {
            return;
        }
        let answered = self.tries.get(last).and_then(|it| it.marks.response_start);
        exchange.upstream = Peer { address: it.address.clone(), ..Peer::default() };
        // It was given up because another was quicker.
        exchange.complete = answered.is_some() && it.ended >= answered;
        it.seen.correct(exchange);
    }

    /// Turns a span of the hop into that of one try.
    pub fn of_try<'a>(&'a self, number: usize, hop: &Hop, span: &mut Span<'a>) {
        let Some(Try { span_id, marks, ended, request, .. }) = self.tries.get(number) else {
            return;
        };
        let began = hop.recording.marks.started;
        span.span_id = *span_id;
        span.parent = self.parent;
        span.tracestate = request.tracestate();
        span.start = hop.start.plus(marks.started.since(began));
        span.end = hop.start.plus(ended.unwrap_or(hop.ended).since(began));
    }
}

impl Tried {
    /// The id that was written into the request's headers last.
    pub fn on_wire(&self) -> Option<SpanId> {
        match self {
            Self::Request(it) => Some(it.on_wire),
            Self::Unseen | Self::Itself(_) => None,
        }
    }

    /// The request, if it was tried and each try makes a span.
    pub fn tries(&self) -> Option<&Request> {
        match self {
            Self::Request(it) if !it.tries.is_empty() => Some(it),
            _ => None,
        }
    }

    /// Adds to what the host knows.
    pub fn tell(&self, exchange: &mut Exchange<'_>, marks: &Marks) {
        match self {
            Self::Unseen => {}
            Self::Request(it) => it.tell_time(exchange, marks),
            Self::Itself(seen) => {
                exchange.resends = exchange.attempts.take().unwrap_or(1).saturating_sub(1);
                exchange.complete = marks.response_end.is_some();
                seen.correct(exchange);
            }
        }
    }
}

impl Seen {
    /// Replaces what the host knows of the request by what was seen of the try.
    pub fn correct(&self, exchange: &mut Exchange<'_>) {
        let Self { status, rpc, pool_wait: _, transport_failure } = self;
        exchange.status = *status;
        exchange.rpc = rpc.filter(|_| exchange.request.rpc.is_some());
        exchange.flags = ResponseFlags::default();
        exchange.code_details.clear();
        exchange.transport_failure.clear();
        if status.is_some() {
            return;
        }
        if transport_failure.is_empty() {
            exchange.code_details.extend_from_slice(b"no_response");
        } else {
            exchange.flags = ResponseFlags::UPSTREAM_CONNECTION_FAILURE;
            exchange.transport_failure.clone_from(transport_failure);
        }
    }
}

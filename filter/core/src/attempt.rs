//! Tries of one request, seen one by one by an instance of the filter behind the router.
//!
//! All tries of a request share one map of headers: the second finds there what the first wrote.
//! So whoever wrote the header last is remembered here, for each request in flight that is
//! recorded: by that a try knows its siblings from a caller, and its request finds it at the end.
//!
//! Envoy shows a try's stream nothing of its own but headers, end, and the address of its host:
//! all else is the request's, that is, of the try that came last or won. Why a try failed is known
//! when the whole request has ended. So tries are only noted here, and written out with it.

mod intervals;
mod tried;

use crate::context::TraceFlags;
use crate::id::{SpanId, TraceId};
use crate::request::{Headers, Stream};
use crate::semconv::{grpc, rpc};
use crate::span::active::ActiveSpan;
use crate::span::request_text::RequestText;
use crate::span::{Parent, hop};
use crate::time::Monotonic;
use crate::timing::Marks;

/// The most requests in flight that are remembered: of others, each try is a hop of its own.
const MAX_REQUESTS: usize = 4096;
/// The most tries of one request that are told.
const MAX_TRIES: usize = 64;
/// The most tries without a request that are remembered; then the oldest is forgotten.
const MAX_OWN: usize = 512;

/// What a worker knows of the requests in flight whose tries it may see.
#[derive(Debug, Default)]
pub struct Requests {
    /// Their ids, in the order of `open`: to look through them touches little memory.
    ids: Vec<SpanId>,
    open: Vec<Request>,
    /// Tries that no request is known of: the id that each wrote, and its parent.
    own: Vec<(SpanId, Option<SpanId>)>,
    /// Where the next of them goes.
    next: usize,
}

/// A request in flight, or at its end.
#[derive(Debug)]
pub struct Request {
    /// Its trace.
    pub trace_id: TraceId,
    /// The id that it went on with.
    pub span_id: SpanId,
    /// Flags that it went on with.
    pub flags: TraceFlags,
    /// The parent of its tries.
    pub parent: Option<Parent>,
    /// Whether that id is nobody's yet, so that the first try can have it.
    pub is_free: bool,
    /// The id that is in its headers now.
    pub on_wire: SpanId,
    /// What was tried, in order.
    pub tries: Vec<Try>,
}

/// One try.
#[derive(Debug)]
pub struct Try {
    /// Its span.
    pub span_id: SpanId,
    /// How often the request was sent before.
    pub resends: u64,
    /// What it said, in its own words: a route may have rewritten them.
    pub request: RequestText,
    /// Its moments.
    pub marks: Marks,
    /// Address and port of its host.
    pub address: Vec<u8>,
    /// What came of it.
    pub seen: Seen,
    /// When its stream ended; `None` if it did not before its request did.
    pub ended: Option<Monotonic>,
}

/// What came of a try.
#[derive(Debug, Default)]
pub struct Seen {
    /// Status of its response.
    pub status: Option<u16>,
    /// Status of a call.
    pub rpc: Option<rpc::Status>,
    /// How long it waited for a connection, if it was not answered: nanoseconds.
    pub pool_wait: Option<u64>,
    /// Why the transport failed, if it was not answered.
    pub transport_failure: Vec<u8>,
}

/// What is known at its end of how a request was tried.
#[derive(Debug, Default)]
pub enum Tried {
    /// Nothing.
    #[default]
    Unseen,
    /// Each try.
    Request(Request),
    /// It is a try itself, and a hop of its own.
    Itself(Seen),
}

/// A try under way, as its stream keeps it.
#[derive(Debug)]
pub enum OpenTry {
    /// One of a request that is known: which of it, and its number.
    Of(SpanId, usize),
    /// A hop of its own.
    Own(Box<ActiveSpan>, Seen),
}

// === impl Requests ===

impl Requests {
    /// Remembers a request. Returns whether there was room for it.
    pub fn begin(&mut self, request: Request) -> bool {
        let has_room = self.open.len() < MAX_REQUESTS;
        if has_room {
            self.ids.push(request.span_id);
            self.open.push(request);
        }
        has_room
    }

    /// A request has ended.
    pub fn end(&mut self, span_id: SpanId) -> Tried {
        let Some(at) = self.place(span_id) else { return Tried::Unseen };
        self.ids.swap_remove(at);
        Tried::Request(self.open.swap_remove(at))
    }

    /// The request in whose headers this id is.
    pub fn find(&mut self, trace_id: TraceId, on_wire: SpanId) -> Option<&mut Request> {
        // Of most, their own id; the others have been tried again.
        let tried_again = || self.open.iter().position(|it| it.on_wire == on_wire);
        let at = self.place(on_wire).or_else(tried_again)?;
        // Some formats know but half of a trace-id.
        self.open.get_mut(at).filter(|it| it.trace_id.low() == trace_id.low())
    }

    /// A try of a request that is still in flight.
    pub fn attempt(&mut self, span_id: SpanId, number: usize) -> Option<&mut Try> {
        let at = self.place(span_id)?;
        self.open.get_mut(at)?.tries.get_mut(number)
    }

    /// Where a request is. It is a new one more often than not.
    fn place(&self, span_id: SpanId) -> Option<usize> {
        self.ids.iter().rposition(|it| *it == span_id)
    }

    /// Remembers a try without a request by the id that it writes.
    pub fn remember(&mut self, span_id: SpanId, parent: Option<SpanId>) {
        if let Some(oldest) = self.own.get_mut(self.next) {
            *oldest = (span_id, parent);
        } else {
            self.own.push((span_id, parent));
        }
        self.next = self.next.saturating_add(1).checked_rem(MAX_OWN).unwrap_or(0);
    }

    /// The parent of the try without a request that wrote this id, if one is remembered.
    pub fn remembered(&self, on_wire: SpanId) -> Option<Option<SpanId>> {
        self.own.iter().find_map(|(id, parent)| (*id == on_wire).then_some(*parent))
    }
}

// === impl Request ===

impl Request {
    /// Notes a try. Returns its number, if there is room for it.
    pub fn note(&mut self, it: Try) -> Option<usize> {
        let number = self.tries.len();
        if number >= MAX_TRIES {
            return None;
        }
        self.tries.push(it);
        Some(number)
    }
}

// === impl OpenTry ===

impl OpenTry {
    /// The response's headers have come.
    pub fn response_began(
        &mut self,
        requests: &mut Requests,
        host: &mut impl Stream,
        now: impl FnOnce() -> Monotonic,
    ) {
        let headers = host.response_headers().unwrap_or_default();
        let headers = Headers::new(&headers);
        let seen = match self {
            Self::Of(request, number) => {
                let Some(it) = requests.attempt(*request, *number) else { return };
                it.marks.response_start.get_or_insert_with(now);
                &mut it.seen
            }
            Self::Own(span, seen) => {
                span.response_began(now);
                seen
            }
        };
        seen.status = hop::status(headers);
        seen.rpc = headers.get(b"grpc-status").and_then(grpc::status);
    }

    /// The response has come completely; perhaps with trailers.
    pub fn response_ended(
        &mut self,
        requests: &mut Requests,
        host: &mut impl Stream,
        now: impl FnOnce() -> Monotonic,
    ) {
        match self {
            Self::Of(request, number) => {
                if let Some(it) = requests.attempt(*request, *number) {
                    it.marks.response_end.get_or_insert_with(now);
                }
            }
            Self::Own(span, seen) => {
                let status = || grpc::status(&host.response_trailer("grpc-status")?);
                seen.rpc = seen.rpc.or_else(status);
                span.response_ended(now);
            }
        }
    }
}

#[cfg(test)]
mod tests;

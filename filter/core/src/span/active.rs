//! What a stream keeps from its request's headers to its end.

use crate::context::{SpanContext, TraceFlags};
use crate::id::{SpanId, TraceId};
use crate::propagation::Edit;
use crate::redact;
use crate::request::fields::RequestFields;
use crate::request::{Direction, Headers};
use crate::sampling::Reason;
use crate::semconv::grpc;
use crate::time::Monotonic;
use crate::timing::Marks;
use std::rc::Rc;

/// The hop that a stream is in the middle of, sampled or not.
#[derive(Debug)]
pub struct ActiveSpan {
    /// The trace, new or continued.
    pub trace_id: TraceId,
    /// The innermost span of the hop, which the upstream knows as its parent.
    pub span_id: SpanId,
    /// What goes on to the next hop.
    pub flags: TraceFlags,
    /// Whether the request went on with this context: neither with none nor with its caller's.
    pub is_ours: bool,
    /// Whether the next hop was told that we are one, and may answer that.
    pub announced: bool,
    /// What the response is to tell, as far as that is known when the request comes.
    pub told: Vec<Edit>,
    /// Whether it is written out at its end.
    pub state: State,
}

/// Whether a hop is written out at its end.
#[derive(Debug)]
pub enum State {
    /// It is not.
    Passing,
    /// It is not, unless it ends in an error or takes too long.
    Waiting(Waiting),
    /// It is.
    Recording(Box<Recording>),
}

/// What a hop needs that may be kept although it was not sampled: it is all that waits for
/// each open request, so it is small.
#[derive(Debug)]
pub struct Waiting {
    /// The outer span, where the hop makes two.
    pub outer_id: SpanId,
    /// The caller's span, if its trace is continued.
    pub parent: Option<SpanId>,
    /// Monotonic moments.
    pub marks: Marks,
    /// The listener's direction, where it is known already.
    pub direction: Option<Direction>,
    /// Whether the request is a gRPC call.
    pub is_grpc: bool,
    /// Whether the caller is another hopspan, which wants to know.
    pub caller_asks: bool,
    /// Whether the response's headers told of no failure.
    pub went_well: bool,
    /// Why it is kept, once that is known.
    pub reason: Option<Reason>,
}

/// What only a hop needs that will be written out.
#[derive(Debug)]
pub struct Recording {
    /// The outer span, where the hop makes two.
    pub outer_id: SpanId,
    /// The caller's span, if its trace is continued.
    pub parent: Option<SpanId>,
    /// Contexts that came with the request and do not go on.
    pub links: Vec<SpanContext<'static>>,
    /// Why it is recorded, where no ratio says so.
    pub reason: Option<Reason>,
    /// What spans tell of the request's baggage.
    pub baggage: Vec<(Rc<str>, Vec<u8>)>,
    /// Monotonic moments.
    pub marks: Marks,
    /// Whether the marks come from the filter's own callbacks: not so for a request that
    /// was answered before the filter saw it.
    pub measured: bool,
    /// The listener's direction, where it is known already.
    pub direction: Option<Direction>,
    /// What the request said of itself.
    pub request: RequestText,
}

/// The request's own words, redacted, cut and kept in one piece of memory, because the
/// host shows the headers only once.
#[derive(Clone, Debug, Default)]
pub struct RequestText {
    bytes: Vec<u8>,
    ends: [u32; PARTS],
    /// Whether the request is a gRPC call.
    pub is_grpc: bool,
    /// How many values were masked.
    pub redacted: u64,
}

const PARTS: usize = 7;

/// The longest value that is kept, in bytes: `spans.attribute_value_length_limit`'s default.
const VALUE_LIMIT: usize = 1024;

impl ActiveSpan {
    /// Notes that the request has arrived completely.
    pub fn request_ended(&mut self, now: impl FnOnce() -> Monotonic) {
        if let Some(marks) = self.marks() {
            marks.request_end.get_or_insert_with(now);
        }
    }

    /// Notes that the response has left completely.
    pub fn response_ended(&mut self, now: impl FnOnce() -> Monotonic) {
        if let Some(marks) = self.marks() {
            marks.response_end.get_or_insert_with(now);
        }
    }

    /// Whether the response's headers are of interest.
    pub fn wants_response(&self) -> bool {
        !self.told.is_empty() || self.announced || matches!(self.state, State::Waiting(_))
    }

    fn marks(&mut self) -> Option<&mut Marks> {
        match &mut self.state {
            State::Passing => None,
            State::Waiting(waiting) => Some(&mut waiting.marks),
            State::Recording(recording) => Some(&mut recording.marks),
        }
    }
}

impl Waiting {
    /// What is recorded after all, with the request's headers as the host still has them.
    ///
    /// A route may have rewritten the path; Envoy keeps the original one beside it.
    pub fn recording(self, headers: Headers<'_>) -> Recording {
        let Self { outer_id, parent, marks, direction, reason, .. } = self;
        let mut fields = RequestFields::of(headers);
        fields.path = headers.get(b"x-envoy-original-path").unwrap_or(fields.path);
        Recording {
            outer_id,
            parent,
            links: Vec::new(),
            reason,
            baggage: Vec::new(),
            marks,
            measured: true,
            direction,
            request: RequestText::keep(&fields, b""),
        }
    }
}

impl Marks {
    /// The beginning of a stream, which may be the end of its request as well.
    pub fn begin(now: Monotonic, end_of_stream: bool) -> Self {
        Self { started: now, request_end: end_of_stream.then_some(now), response_end: None }
    }
}

impl RequestText {
    /// Copies what a span will say about the request.
    pub fn keep(fields: &RequestFields<'_>, tracestate: &[u8]) -> Self {
        let mut it = Self { is_grpc: grpc::is_call(fields.content_type), ..Self::default() };
        let (path, query) = fields.path_and_query();
        let text = [
            fields.method,
            fields.scheme,
            redact::without_userinfo(fields.authority),
            path,
            fields.user_agent,
            tracestate,
        ];
        let cut = |part: &[u8]| part.len().min(VALUE_LIMIT);
        it.bytes.reserve(text.iter().map(|part| cut(part)).sum());
        let mut ends = it.ends.iter_mut();
        let mut end = |bytes: &Vec<u8>| {
            if let Some(end) = ends.next() {
                *end = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            }
        };
        for part in text {
            it.bytes.extend_from_slice(part.get(..cut(part)).unwrap_or_default());
            end(&it.bytes);
        }
        if let Some(query) = query {
            let query = query.get(..cut(query)).unwrap_or_default();
            it.redacted = redact::write_query(query, &mut it.bytes);
        }
        end(&it.bytes);
        it
    }

    /// `:method`
    pub fn method(&self) -> &[u8] {
        self.part(0)
    }

    /// `:scheme`
    pub fn scheme(&self) -> &[u8] {
        self.part(1)
    }

    /// `:authority`, without userinfo
    pub fn authority(&self) -> &[u8] {
        self.part(2)
    }

    /// `:path`, without query
    pub fn path(&self) -> &[u8] {
        self.part(3)
    }

    /// `user-agent`
    pub fn user_agent(&self) -> &[u8] {
        self.part(4)
    }

    /// `tracestate` as it went on
    pub fn tracestate(&self) -> &[u8] {
        self.part(5)
    }

    /// The query, its values masked
    pub fn query(&self) -> &[u8] {
        self.part(6)
    }

    fn part(&self, number: usize) -> &[u8] {
        let at = |number: usize| self.ends.get(number).and_then(|end| usize::try_from(*end).ok());
        let start = number.checked_sub(1).and_then(at).unwrap_or(0);
        self.bytes.get(start..at(number).unwrap_or(start)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_each_open_request_is_small() {
        let size = size_of::<ActiveSpan>();
        assert!(size <= 256, "{size} bytes");
    }

    #[test]
    fn keeps_the_words_of_a_request_apart_and_redacted() {
        let fields = RequestFields {
            method: b"GET",
            scheme: b"http",
            authority: b"me:secret@shop:80",
            path: b"/cart?token=secret&debug",
            user_agent: b"curl",
            ..RequestFields::default()
        };
        let it = RequestText::keep(&fields, b"a=1");
        assert_eq!(it.method(), b"GET");
        assert_eq!(it.scheme(), b"http");
        assert_eq!(it.authority(), b"shop:80");
        assert_eq!(it.path(), b"/cart");
        assert_eq!(it.user_agent(), b"curl");
        assert_eq!(it.tracestate(), b"a=1");
        assert_eq!(it.query(), b"token=REDACTED&debug");
        assert_eq!((it.is_grpc, it.redacted), (false, 1));
    }

    #[test]
    fn long_values_are_cut_and_others_not_moved() {
        let long = [b'x'; 5000];
        let fields = RequestFields { path: &long, user_agent: b"curl", ..RequestFields::default() };
        let it = RequestText::keep(&fields, b"");
        assert_eq!(it.path(), &long[..1024]);
        assert_eq!(it.user_agent(), b"curl");
        assert_eq!((it.method(), it.query()), (&b""[..], &b""[..]));
    }
}

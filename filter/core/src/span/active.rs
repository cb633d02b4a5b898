//! What a stream keeps from its request's headers to its end.

use crate::context::{SpanContext, TraceFlags};
use crate::id::{SpanId, TraceId};
use crate::redact;
use crate::request::Direction;
use crate::request::fields::RequestFields;
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
    /// Present if the hop is being recorded.
    pub recording: Option<Box<Recording>>,
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
        if let Some(recording) = &mut self.recording {
            recording.marks.request_end.get_or_insert_with(now);
        }
    }

    /// Notes that the response has left completely.
    pub fn response_ended(&mut self, now: impl FnOnce() -> Monotonic) {
        if let Some(recording) = &mut self.recording {
            recording.marks.response_end.get_or_insert_with(now);
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

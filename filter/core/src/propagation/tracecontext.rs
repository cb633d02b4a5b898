//! W3C Trace Context: `traceparent` and `tracestate` together.
//!
//! Spec: <https://www.w3.org/TR/trace-context-2/>

use super::traceparent::Traceparent;
use super::{Edits, Said, tracestate};
use crate::context::{Decision, Outgoing, Remote, SpanContext};
use crate::request::Headers;
use crate::request::fields::Field;
use crate::request::trace_fields::{TraceFields, TraceHeader};
use std::borrow::Cow;

/// What says that a request has this format: `tracestate` alone means nothing.
pub const MARKS: &[TraceHeader] = &[TraceHeader::Traceparent];
/// What belongs to it.
pub const HEADERS: &[TraceHeader] = &[TraceHeader::Traceparent, TraceHeader::Tracestate];

/// Reads both headers; `None` if `traceparent` is invalid or there several times.
///
/// An invalid `tracestate` loses only itself.
///
/// Spec: <https://www.w3.org/TR/trace-context-2/#a-traceparent-is-received>
pub fn extract<'a>(fields: &TraceFields<'a>, headers: Headers<'a>) -> Option<Said<'a>> {
    let value = fields.get(TraceHeader::Traceparent).once()?;
    let Traceparent { trace_id, parent_id, flags } = Traceparent::parse(value).ok()?;
    let list = match fields.get(TraceHeader::Tracestate) {
        Field::Absent => Cow::default(),
        Field::Once(list) => Cow::Borrowed(list),
        Field::Repeated(_) => Cow::Owned(tracestate::join(headers)),
    };
    let tracestate = match list {
        Cow::Borrowed(list) => tracestate::check(list).unwrap_or_default(),
        Cow::Owned(list) => match tracestate::check(&list) {
            Ok(list) => Cow::Owned(list.into_owned()),
            Err(_) => Cow::default(),
        },
    };
    Some(Said::Context(Remote {
        trace_id,
        span_id: Some(parent_id),
        decision: Decision::of_flag(flags.is_sampled()),
        is_short: false,
        is_random: flags.is_random(),
        tracestate,
    }))
}

/// Leaves exactly one valid `traceparent`, and the context's `tracestate`.
pub fn inject(outgoing: &Outgoing<'_>, edits: &mut Edits<'_>) {
    let SpanContext { trace_id, span_id, flags, tracestate } = &outgoing.context;
    let value = Traceparent { trace_id: *trace_id, parent_id: *span_id, flags: *flags }.to_bytes();
    edits.set(TraceHeader::Traceparent, value);
    if tracestate.is_empty() {
        edits.remove(TraceHeader::Tracestate);
    } else if !edits.has(TraceHeader::Tracestate, tracestate) {
        edits.set(TraceHeader::Tracestate, tracestate.to_vec());
    }
}

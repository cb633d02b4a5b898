//! W3C Trace Context: `traceparent` and `tracestate` together.
//!
//! Spec: <https://www.w3.org/TR/trace-context-2/>

use super::invalid::{Invalid, Invalids};
use super::traceparent::Traceparent;
use super::value::once;
use super::{Edits, Said, announcement, tracestate};
use crate::context::{Decision, Outgoing, Remote, SpanContext};
use crate::request::Headers;
use crate::request::fields::Field;
use crate::request::trace_fields::{TraceFields, TraceHeader};
use std::borrow::Cow;

/// What says that a request has this format: `tracestate` alone means nothing.
pub const MARKS: &[TraceHeader] = &[TraceHeader::Traceparent];
/// What belongs to it.
pub const HEADERS: &[TraceHeader] = &[TraceHeader::Traceparent, TraceHeader::Tracestate];

/// Reads both headers. An invalid `tracestate` loses only itself.
///
/// # Errors
///
/// The reason why `traceparent` cannot be used.
///
/// Spec: <https://www.w3.org/TR/trace-context-2/#a-traceparent-is-received>
pub fn extract<'a>(
    fields: &TraceFields<'a>,
    headers: Headers<'a>,
    invalid: &mut Invalids,
) -> Result<Said<'a>, Invalid> {
    let value = once(fields.get(TraceHeader::Traceparent))?;
    let Traceparent { trace_id, parent_id, flags } = Traceparent::parse(value)?;
    let list = match fields.get(TraceHeader::Tracestate) {
        Field::Absent => Cow::default(),
        Field::Once(list) => Cow::Borrowed(list),
        Field::Repeated(_) => Cow::Owned(tracestate::join(headers)),
    };
    let tracestate = match list {
        Cow::Borrowed(list) => tracestate::check(list),
        Cow::Owned(list) => tracestate::check(&list).map(|it| Cow::Owned(it.into_owned())),
    };
    let tracestate = tracestate.unwrap_or_else(|_| {
        invalid.add(Invalid::Tracestate);
        Cow::default()
    });
    Ok(Said::Context(Remote {
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
    let tracestate = match &outgoing.announcement {
        None => Cow::Borrowed(&**tracestate),
        Some(value) => tracestate::with(Cow::Borrowed(tracestate), announcement::KEY, value),
    };
    let traceparent = Traceparent { trace_id: *trace_id, parent_id: *span_id, flags: *flags };
    let came = edits.fields.get(TraceHeader::Traceparent);
    if !came.once().is_some_and(|it| traceparent.is(it)) {
        edits.set(TraceHeader::Traceparent, traceparent.to_bytes());
    }
    if tracestate.is_empty() {
        edits.remove(TraceHeader::Tracestate);
    } else if !edits.has(TraceHeader::Tracestate, &tracestate) {
        edits.set(TraceHeader::Tracestate, tracestate.into_owned());
    }
}

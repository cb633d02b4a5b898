//! What formats do together. Each one alone is tested in its own file.

use super::invalid::Invalid;
use super::*;
use crate::context::TraceFlags;
use crate::request::encode_headers;
use crate::request::fields::RequestFields;
use std::borrow::Cow;

#[path = "../../fuzz/naive.rs"]
pub(super) mod naive;
mod order;
mod invalid_headers;
mod passing;
mod words;
mod properties;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const OTHER: &str = "80f198ee56343ba864fe8b2a57d3eff7";
const SPAN: &str = "b7ad6b7169203331";
const OURS: &str = "00f067aa0ba902b7";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

type Fields = Vec<(String, String)>;

/// What a header says, as the naive readers put it.
pub(super) fn read(said: Said<'_>) -> String {
    let decision = |it: Decision| format!("{it:?}").to_lowercase();
    let remote = match said {
        Said::Decision(it) => return decision(it),
        Said::Context(it) => it,
    };
    let trace = remote.trace_id.to_string();
    let trace = if remote.is_short { &trace[16..] } else { &trace };
    let span = remote.span_id.map(|it| format!("/{it}")).unwrap_or_default();
    format!("{trace}{span} {}", decision(remote.decision))
}

/// Every change of one byte.
pub(super) fn changed(seed: &str) -> Vec<Vec<u8>> {
    let change = |(at, byte)| {
        let mut value = seed.as_bytes().to_vec();
        value[at] = byte;
        value
    };
    (0..seed.len()).flat_map(|at| (0..=u8::MAX).map(move |byte| (at, byte))).map(change).collect()
}

pub(super) fn with_fields<T>(
    headers: &[(&str, &str)],
    look: impl FnOnce(&TraceFields<'_>) -> T,
) -> T {
    let bytes = encode_headers(headers);
    look(&RequestFields::of(Headers::new(&bytes)).trace)
}

/// The headers that go on after these edits, each name's values in their order.
fn apply(headers: &[(&str, &str)], edits: Vec<Edit>) -> Fields {
    let mut out: Fields =
        headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    for edit in edits {
        let (Edit::Replace(name, _) | Edit::Remove(name)) = edit else { panic!("{edit:?}") };
        let before = out.clone();
        out.retain(|(it, _)| it != name);
        if let Edit::Replace(_, value) = edit {
            out.push((name.to_owned(), String::from_utf8(value).unwrap()));
        }
        assert_ne!(out, before, "{name}: a write that changes nothing");
    }
    out
}

fn outgoing(trace: &str) -> Outgoing<'static> {
    let trace_id = crate::id::short_hex(trace.as_bytes()).and_then(TraceId::from_bytes).unwrap();
    let span_id = crate::id::hex(OURS.as_bytes()).and_then(SpanId::from_bytes).unwrap();
    let (flags, tracestate) = (TraceFlags::SAMPLED, Cow::default());
    let context = SpanContext { trace_id, span_id, flags, tracestate };
    Outgoing { context, is_debug: false, is_short: trace.len() == 16, announcement: None }
}

/// What one format makes of these headers, for a sampled trace.
pub(super) fn injected(
    inject: fn(&Outgoing<'_>, &mut Edits<'_>),
    trace: &str,
    headers: &[(&str, &str)],
) -> Fields {
    let edits = with_fields(headers, |fields| {
        let mut edits = Edits { fields, list: Vec::new() };
        inject(&outgoing(trace), &mut edits);
        edits.list
    });
    apply(headers, edits)
}

fn extracted(
    propagation: &Propagation,
    headers: &[(&str, &str)],
) -> (Option<String>, Decision, usize) {
    let bytes = encode_headers(headers);
    let fields = RequestFields::of(Headers::new(&bytes));
    let it = propagation.extract(&fields.trace, Headers::new(&bytes));
    (it.context.map(|it| read(Said::Context(it))), it.decision, it.conflicts.len())
}

/// What is wrong with these headers.
fn wrong(propagation: &Propagation, headers: &[(&str, &str)]) -> Vec<Invalid> {
    let bytes = encode_headers(headers);
    let fields = RequestFields::of(Headers::new(&bytes));
    propagation.extract(&fields.trace, Headers::new(&bytes)).invalid.iter().collect()
}

/// What goes on, the trace being that of the first valid format, sampled.
fn pass_on(propagation: &Propagation, headers: &[(&str, &str)]) -> Fields {
    let bytes = encode_headers(headers);
    let headers_ = Headers::new(&bytes);
    let fields = RequestFields::of(headers_);
    let mut outgoing = outgoing(OTHER);
    let Extracted { context, decision, .. } = propagation.extract(&fields.trace, headers_);
    outgoing.is_debug = decision == Decision::Debug;
    if let Some(Remote { trace_id, is_short, tracestate, .. }) = context {
        outgoing.is_short = is_short;
        outgoing.context = SpanContext { trace_id, tracestate, ..outgoing.context };
    }
    apply(headers, propagation.inject(&outgoing, &fields.trace, headers_))
}

fn all(extract: &[Format]) -> Propagation {
    Propagation { extract: extract.to_vec(), ..Propagation::default() }
}

/// A header of this format, of trace `TRACE` or another, sampled.
fn sample(format: Format, trace: &str) -> Fields {
    let inject = |it: &Outgoing<'_>, edits: &mut Edits<'_>| format.inject(it, edits);
    let edits = with_fields(&[], |fields| {
        let mut edits = Edits { fields, list: Vec::new() };
        inject(&outgoing(trace), &mut edits);
        edits.list
    });
    apply(&[], edits)
}

fn borrowed(fields: &Fields) -> Vec<(&str, &str)> {
    fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[test]
fn nothing_of_a_trace_is_left_for_a_third_party() {
    let of_trace = TraceHeader::ALL.map(TraceHeader::name);
    let stripped = |headers: &[(&str, &str)]| {
        let bytes = encode_headers(headers);
        apply(headers, strip(&RequestFields::of(Headers::new(&bytes))))
    };
    for name in of_trace.into_iter().chain(["baggage"]) {
        assert_eq!(stripped(&[(name, "not well-formed")]), [], "{name}");
        assert_eq!(stripped(&[(name, "twice"), (name, "")]), [], "{name}");
    }
    let all: Fields = Format::ALL.into_iter().flat_map(|it| sample(it, TRACE)).collect();
    assert!(all.len() > Format::ALL.len());
    assert_eq!(stripped(&borrowed(&all)), []);
    let others = [(":path", "/"), ("x-request-id", "1"), ("x-b3", "1"), ("baggages", "a=b")];
    assert_eq!(borrowed(&stripped(&others)), others);
}

//! Reading the trace context that came in, writing the one that goes out.

pub mod traceparent;
pub mod tracestate;

use crate::context::SpanContext;
use crate::id::{SpanId, TraceId};
use crate::request::Headers;
use crate::request::fields::{Field, RequestFields};
use std::borrow::Cow;
use traceparent::Traceparent;

/// What the request's headers said about its trace.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Extracted<'a> {
    /// No trace header at all.
    Nothing,
    /// Trace headers that break their grammar; they count as none.
    Invalid,
    /// A valid context.
    Context(SpanContext<'a>),
}

/// One change to a header map.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Edit {
    /// Let exactly one header of this name be there, with this value.
    Replace(&'static str, Vec<u8>),
    /// Let no header of this name be there.
    Remove(&'static str),
}

/// Reads the context out of a request's headers.
///
/// An invalid `tracestate` loses only itself; an invalid `traceparent`, or several of
/// them, loses both.
///
/// Spec: <https://www.w3.org/TR/trace-context-2/#a-traceparent-is-received>
pub fn extract<'a>(fields: &RequestFields<'a>, headers: Headers<'a>) -> Extracted<'a> {
    let value = match fields.traceparent {
        Field::Absent => return Extracted::Nothing,
        Field::Repeated => return Extracted::Invalid,
        Field::Once(value) => value,
    };
    let Ok(Traceparent { trace_id, parent_id, flags }) = Traceparent::parse(value) else {
        return Extracted::Invalid;
    };
    let list = match fields.tracestate {
        Field::Absent => Cow::default(),
        Field::Once(list) => Cow::Borrowed(list),
        Field::Repeated => Cow::Owned(tracestate::join(headers)),
    };
    let tracestate = match list {
        Cow::Borrowed(list) => tracestate::check(list).unwrap_or_default(),
        Cow::Owned(list) => match tracestate::check(&list) {
            Ok(list) => Cow::Owned(list.into_owned()),
            Err(_) => Cow::default(),
        },
    };
    Extracted::Context(SpanContext { trace_id, span_id: parent_id, flags, tracestate })
}

/// The edits that leave exactly one valid `traceparent`, naming `span_id` as the parent,
/// and the `tracestate` of `context`, untouched where it is right already.
pub fn inject(context: &SpanContext<'_>, fields: &RequestFields<'_>) -> Vec<Edit> {
    let tracestate = &context.tracestate;
    let mut edits = vec![Edit::Replace(traceparent::NAME, to_traceparent(context))];
    if tracestate.is_empty() {
        if fields.tracestate.is_present() {
            edits.push(Edit::Remove(tracestate::NAME));
        }
    } else if fields.tracestate != Field::Once(tracestate) {
        edits.push(Edit::Replace(tracestate::NAME, tracestate.to_vec()));
    }
    edits
}

/// The `traceparent` value of a context.
pub fn to_traceparent(context: &SpanContext<'_>) -> Vec<u8> {
    let SpanContext { trace_id, span_id, flags, tracestate: _ } = context;
    Traceparent { trace_id: *trace_id, parent_id: *span_id, flags: *flags }.to_bytes()
}

/// Whether a `traceparent` value still is the one that [`inject`] wrote.
pub fn is_ours(value: &[u8], trace_id: TraceId, span_id: SpanId) -> bool {
    Traceparent::parse(value).is_ok_and(|it| it.trace_id == trace_id && it.parent_id == span_id)
}

/// `value` without the optional white space (SP and HTAB alone) around it.
///
/// Spec: <https://www.rfc-editor.org/rfc/rfc9110#section-5.6.3>
fn trim_ows(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::encode_headers;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    /// What a hop that changes nothing but the parent-id sends on: `traceparent`, `tracestate`.
    fn pass_on(headers: &[(&str, &str)]) -> Option<(String, Option<String>)> {
        let bytes = encode_headers(headers);
        let fields = RequestFields::of(Headers::new(&bytes));
        let Extracted::Context(context) = extract(&fields, Headers::new(&bytes)) else {
            return None;
        };
        let mut state: Vec<&str> =
            headers.iter().filter(|(name, _)| *name == "tracestate").map(|(_, it)| *it).collect();
        let mut parent = String::new();
        let edits = inject(&context, &fields);
        for edit in &edits {
            match edit {
                Edit::Replace("traceparent", value) => {
                    parent = String::from_utf8(value.clone()).unwrap();
                }
                Edit::Replace("tracestate", value) => {
                    state = vec![std::str::from_utf8(value).unwrap()];
                }
                Edit::Remove("tracestate") => state.clear(),
                other => panic!("{other:?}"),
            }
        }
        assert!(state.len() < 2, "several tracestate headers went out: {state:?}");
        Some((parent, state.first().map(|it| it.to_string())))
    }

    #[test]
    fn a_valid_context_goes_on() {
        for (why, state, want) in [
            ("none", &[][..], None),
            ("one", &["a=1,b=2"][..], Some("a=1,b=2")),
            ("spaces stay as they are", &["a=1 , b=2"], Some("a=1 , b=2")),
            ("several are joined", &["a=1", "b=2"], Some("a=1,b=2")),
            ("an empty one beside another", &["", "b=2"], Some("b=2")),
            ("an empty one is not sent", &[""], None),
            ("nothing but commas is not sent", &[" , ,"], None),
            ("a bad one is dropped whole", &["a=1,B=2"], None),
            ("bad in one of several", &["a=1", "B=2"], None),
            ("a key twice", &["a=1", "a=2"], None),
        ] {
            let mut headers = vec![("traceparent", PARENT)];
            headers.extend(state.iter().map(|it| ("tracestate", *it)));
            let want = Some((PARENT.to_owned(), want.map(str::to_owned)));
            assert_eq!(pass_on(&headers), want, "{why}");
        }
    }

    #[test]
    fn several_parents_are_none() {
        let twice = [("traceparent", PARENT), ("traceparent", PARENT)];
        assert_eq!(pass_on(&twice), None);
    }

    #[test]
    fn only_what_changes_is_written() {
        let bytes = encode_headers(&[("traceparent", PARENT), ("tracestate", "a=1")]);
        let fields = RequestFields::of(Headers::new(&bytes));
        let Extracted::Context(context) = extract(&fields, Headers::new(&bytes)) else { panic!() };
        assert_eq!(inject(&context, &fields).len(), 1);
    }
}

//! B3 in several headers.
//!
//! ```text
//! X-B3-TraceId      = 32LOWERHEX / 16LOWERHEX ; not zero
//! X-B3-SpanId       = 16LOWERHEX              ; not zero
//! X-B3-ParentSpanId = 16LOWERHEX              ; not read, not sent
//! X-B3-Sampled      = "1" / "0" / "true" / "false" ; absent: defer; words are not sent
//! X-B3-Flags        = "1" / "0"               ; 1 is debug, which implies accept
//! ```
//! Of several headers with one name the first value wins. Without ids, a decision may stand
//! alone.
//!
//! Spec: <https://github.com/openzipkin/b3-propagation/blob/master/README.md#multiple-headers>
//! (this grammar is its text in ABNF; `X-B3-Flags: 0` is what the first tracers sent)

use super::b3::{span_id, trace_id, trace_id_digits};
use super::{Edits, Said, trim_ows};
use crate::context::{Decision, Outgoing, Remote};
use crate::id;
use crate::request::trace_fields::{TraceFields, TraceHeader};

/// What belongs to this format.
pub const HEADERS: &[TraceHeader] = &[
    TraceHeader::B3TraceId,
    TraceHeader::B3SpanId,
    TraceHeader::B3Sampled,
    TraceHeader::B3Flags,
    TraceHeader::B3ParentSpanId,
];

/// Reads the headers; `None` if they break the grammar, or are a part of a context.
pub fn extract(fields: &TraceFields<'_>) -> Option<Said<'static>> {
    let value = |header| fields.get(header).first().map(trim_ows);
    let decision = match value(TraceHeader::B3Sampled) {
        None => Decision::Defer,
        Some(b"1" | b"true") => Decision::Sample,
        Some(b"0" | b"false") => Decision::Drop,
        Some(_) => return None,
    };
    let decision = match value(TraceHeader::B3Flags) {
        None | Some(b"0") => decision,
        Some(b"1") => Decision::Debug,
        Some(_) => return None,
    };
    match (value(TraceHeader::B3TraceId), value(TraceHeader::B3SpanId), decision) {
        (Some(trace), Some(span), _) => {
            let (trace_id, is_short) = trace_id(trace)?;
            let remote = Remote::new(trace_id, Some(span_id(span)?), decision).short(is_short);
            Some(Said::Context(remote))
        }
        (None, None, Decision::Defer) => None,
        (None, None, decision) => Some(Said::Decision(decision)),
        (Some(_), None, _) | (None, Some(_), _) => None,
    }
}

/// Writes the headers.
pub fn inject(outgoing: &Outgoing<'_>, edits: &mut Edits<'_>) {
    edits.set(TraceHeader::B3TraceId, trace_id_digits(outgoing));
    let mut span_id = Vec::with_capacity(16);
    id::write_hex(outgoing.context.span_id.as_bytes(), &mut span_id);
    edits.set(TraceHeader::B3SpanId, span_id);
    if outgoing.is_debug {
        edits.set(TraceHeader::B3Flags, b"1".to_vec());
        edits.remove(TraceHeader::B3Sampled);
    } else {
        let sampled = outgoing.context.flags.is_sampled();
        edits.set(TraceHeader::B3Sampled, if sampled { b"1" } else { b"0" }.to_vec());
        edits.remove(TraceHeader::B3Flags);
    }
    edits.remove(TraceHeader::B3ParentSpanId);
}

#[cfg(test)]
mod tests {
    use super::super::tests::{naive, read, with_fields};
    use super::*;
    use proptest::prelude::*;

    const TRACE: (&str, &str) = ("x-b3-traceid", "80f198ee56343ba864fe8b2a57d3eff7");
    const SHORT: (&str, &str) = ("x-b3-traceid", "64fe8b2a57d3eff7");
    const SPAN: (&str, &str) = ("x-b3-spanid", "e457b5a2e4d86bd1");
    const PARENT: (&str, &str) = ("x-b3-parentspanid", "05e3ac9a4f6e3b90");

    fn extracted(headers: &[(&str, &str)]) -> Option<String> {
        with_fields(headers, |fields| extract(fields).map(read))
    }

    #[test]
    fn reads_what_the_specification_allows_and_nothing_else() {
        let sampled = |value| ("x-b3-sampled", value);
        let flags = |value| ("x-b3-flags", value);
        let ids = |decision: &str| Some(format!("{}/{} {decision}", TRACE.1, SPAN.1));
        for (why, headers, want) in [
            ("its example", &[TRACE, PARENT, SPAN, sampled("1")][..], ids("sample")),
            ("denied", &[TRACE, SPAN, sampled("0")], ids("drop")),
            ("deferred", &[TRACE, SPAN], ids("defer")),
            ("debug", &[TRACE, SPAN, flags("1")], ids("debug")),
            ("debug implies accept", &[TRACE, SPAN, sampled("0"), flags("1")], ids("debug")),
            ("flags of old", &[TRACE, SPAN, sampled("1"), flags("0")], ids("sample")),
            ("the words of old", &[TRACE, SPAN, sampled("true")], ids("sample")),
            ("the other word", &[TRACE, SPAN, sampled("false")], ids("drop")),
            (
                "the first value wins",
                &[TRACE, SHORT, SPAN, sampled("1"), sampled("0")],
                ids("sample"),
            ),
            ("even before a wrong one", &[TRACE, SPAN, sampled("1"), sampled("x")], ids("sample")),
            (
                "64 bits",
                &[SHORT, SPAN, sampled("1")],
                Some(format!("{}/{} sample", SHORT.1, SPAN.1)),
            ),
            ("deny alone", &[sampled("0")], Some("drop".into())),
            ("accept alone", &[sampled("1")], Some("sample".into())),
            ("debug alone", &[flags("1")], Some("debug".into())),
            ("no trace", &[SPAN, sampled("1")], None),
            ("no span", &[TRACE, sampled("1")], None),
            ("nothing but a parent", &[PARENT], None),
            ("flags that say nothing, alone", &[flags("0")], None),
            ("another decision", &[TRACE, SPAN, sampled("d")], None),
            ("other flags", &[TRACE, SPAN, flags("2")], None),
            ("an empty decision", &[TRACE, SPAN, sampled("")], None),
            ("a span of 128 bits", &[TRACE, ("x-b3-spanid", TRACE.1)], None),
            ("upper case", &[("x-b3-traceid", "64FE8B2A57D3EFF7"), SPAN], None),
            ("a zero trace", &[("x-b3-traceid", "0000000000000000"), SPAN], None),
            ("a zero span", &[TRACE, ("x-b3-spanid", "0000000000000000")], None),
        ] {
            assert_eq!(extracted(headers), want, "{why}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_naive_reader(
            trace in prop::option::of("([0-9a-f]{16}){1,2}|0{16}|[0-9A-F]{16,17}"),
            span in prop::option::of("[0-9a-f]{16}|0{16}|[g-]{0,16}"),
            sampled in prop::option::of("[012d]|true|false|True|"),
            flags in prop::option::of("[012d]|"),
        ) {
            let values = [trace.as_deref(), span.as_deref(), sampled.as_deref(), flags.as_deref()];
            let names = ["x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-b3-flags"];
            let headers: Vec<_> =
                names.into_iter().zip(values).filter_map(|(name, it)| Some((name, it?))).collect();
            let values = values.map(|it| it.map(str::as_bytes));
            prop_assert_eq!(extracted(&headers), naive::b3multi(values));
        }
    }
}

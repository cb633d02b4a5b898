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

use super::b3::{first, span_id, trace_id, trace_id_digits};
use super::invalid::{Invalid, Invalids};
use super::value::within;
use super::{Edits, Said};
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

/// The longest value of these headers: a trace-id.
const LONGEST: usize = 32;

/// Reads the headers.
///
/// # Errors
///
/// The reason why nothing they say can be used.
pub fn extract(fields: &TraceFields<'_>, invalid: &mut Invalids) -> Result<Said<'static>, Invalid> {
    let mut value =
        |header| first(fields.get(header), invalid).map(|value| within(LONGEST, value)).transpose();
    let decision = match value(TraceHeader::B3Sampled)? {
        None => Decision::Defer,
        Some(b"1" | b"true") => Decision::Sample,
        Some(b"0" | b"false") => Decision::Drop,
        Some(_) => return Err(Invalid::Syntax),
    };
    let decision = match value(TraceHeader::B3Flags)? {
        None | Some(b"0") => decision,
        Some(b"1") => Decision::Debug,
        Some(_) => return Err(Invalid::Syntax),
    };
    match (value(TraceHeader::B3TraceId)?, value(TraceHeader::B3SpanId)?, decision) {
        (Some(trace), Some(span), _) => {
            let (trace_id, is_short) = trace_id(trace)?;
            let remote = Remote::new(trace_id, Some(span_id(span)?), decision).short(is_short);
            Ok(Said::Context(remote))
        }
        (None, None, Decision::Defer) => Err(Invalid::Incomplete),
        (None, None, decision) => Ok(Said::Decision(decision)),
        (Some(_), None, _) | (None, Some(_), _) => Err(Invalid::Incomplete),
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

    fn extracted(headers: &[(&str, &str)]) -> Result<String, Invalid> {
        with_fields(headers, |fields| extract(fields, &mut Invalids::default()).map(read))
    }

    #[test]
    fn reads_what_the_specification_allows_and_nothing_else() {
        use Invalid as E;

        let sampled = |value| ("x-b3-sampled", value);
        let flags = |value| ("x-b3-flags", value);
        let ids = |decision: &str| Ok(format!("{}/{} {decision}", TRACE.1, SPAN.1));
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
            ("64 bits", &[SHORT, SPAN, sampled("1")], Ok(format!("{}/{} sample", SHORT.1, SPAN.1))),
            ("deny alone", &[sampled("0")], Ok("drop".into())),
            ("accept alone", &[sampled("1")], Ok("sample".into())),
            ("debug alone", &[flags("1")], Ok("debug".into())),
            ("no trace", &[SPAN, sampled("1")], Err(E::Incomplete)),
            ("no span", &[TRACE, sampled("1")], Err(E::Incomplete)),
            ("nothing but a parent", &[PARENT], Err(E::Incomplete)),
            ("flags that say nothing, alone", &[flags("0")], Err(E::Incomplete)),
            ("another decision", &[TRACE, SPAN, sampled("d")], Err(E::Syntax)),
            ("other flags", &[TRACE, SPAN, flags("2")], Err(E::Syntax)),
            ("an empty decision", &[TRACE, SPAN, sampled("")], Err(E::Syntax)),
            ("a span of 128 bits", &[TRACE, ("x-b3-spanid", TRACE.1)], Err(E::Syntax)),
            (
                "33 digits",
                &[("x-b3-traceid", "080f198ee56343ba864fe8b2a57d3eff7"), SPAN],
                Err(E::TooLong),
            ),
            ("upper case", &[("x-b3-traceid", "64FE8B2A57D3EFF7"), SPAN], Err(E::Syntax)),
            ("a zero trace", &[("x-b3-traceid", "0000000000000000"), SPAN], Err(E::ZeroId)),
            ("a zero span", &[TRACE, ("x-b3-spanid", "0000000000000000")], Err(E::ZeroId)),
        ] {
            assert_eq!(extracted(headers), want, "{why}");
        }
    }

    #[test]
    fn a_repetition_is_noted_though_the_first_value_wins() {
        let sampled = |value| ("x-b3-sampled", value);
        for (why, headers, want) in [
            ("none", &[TRACE, SPAN, sampled("1")][..], None),
            ("a trace", &[TRACE, SPAN, SHORT], Some(Invalid::Repeated)),
            ("a decision alone", &[sampled("1"), sampled("1")], Some(Invalid::Repeated)),
            ("a parent, which is not read", &[TRACE, SPAN, PARENT, PARENT], None),
        ] {
            let mut invalid = Invalids::default();
            assert!(with_fields(headers, |it| extract(it, &mut invalid).is_ok()), "{why}");
            assert_eq!(invalid.iter().next(), want, "{why}");
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
            prop_assert_eq!(extracted(&headers).ok(), naive::b3multi(values));
        }
    }
}

//! B3 in a single header.
//!
//! ```text
//! b3            = TraceId "-" SpanId [ "-" SamplingState ] [ "-" ParentSpanId ]
//!               / SamplingState
//! TraceId       = 32LOWERHEX / 16LOWERHEX ; not zero
//! SpanId        = 16LOWERHEX              ; not zero
//! SamplingState = "1" / "0" / "d"         ; accept, deny, debug; absent: defer
//! ParentSpanId  = 16LOWERHEX
//! ```
//! Spec: <https://github.com/openzipkin/b3-propagation/blob/master/README.md#single-header>
//! (this grammar is its text in ABNF)

use super::{Edits, Said, trim_ows};
use crate::context::{Decision, Outgoing, Remote};
use crate::id::{self, SpanId, TraceId};
use crate::request::trace_fields::{TraceFields, TraceHeader};

/// What belongs to this format.
pub const HEADERS: &[TraceHeader] = &[TraceHeader::B3];

/// Reads the header, of several the first; `None` if it breaks the grammar.
pub fn extract(fields: &TraceFields<'_>) -> Option<Said<'static>> {
    parse(fields.get(TraceHeader::B3).first()?)
}

/// Reads one value.
pub fn parse(value: &[u8]) -> Option<Said<'static>> {
    let mut fields = trim_ows(value).split(|&b| b == b'-');
    let first = fields.next()?;
    let Some(second) = fields.next() else { return state(first).map(Said::Decision) };
    let (trace_id, is_short) = trace_id(first)?;
    let span_id = span_id(second)?;
    let (decision, parent) = match (fields.next(), fields.next(), fields.next()) {
        (None, _, _) => (Decision::Defer, None),
        (Some(it), None, _) => match state(it) {
            Some(decision) => (decision, None),
            None => (Decision::Defer, Some(it)),
        },
        (Some(it), parent, None) => (state(it)?, parent),
        (Some(_), Some(_), Some(_)) => return None,
    };
    if parent.is_some_and(|it| id::hex::<8>(it).is_none()) {
        return None;
    }
    let remote = Remote::new(trace_id, Some(span_id), decision).short(is_short);
    Some(Said::Context(remote))
}

/// Writes the header.
pub fn inject(outgoing: &Outgoing<'_>, edits: &mut Edits<'_>) {
    let mut value = trace_id_digits(outgoing);
    value.push(b'-');
    id::write_hex(outgoing.context.span_id.as_bytes(), &mut value);
    value.extend_from_slice(match (outgoing.is_debug, outgoing.context.flags.is_sampled()) {
        (true, _) => b"-d",
        (false, true) => b"-1",
        (false, false) => b"-0",
    });
    edits.set(TraceHeader::B3, value);
}

fn state(field: &[u8]) -> Option<Decision> {
    match field {
        b"0" => Some(Decision::Drop),
        b"1" => Some(Decision::Sample),
        b"d" => Some(Decision::Debug),
        _ => None,
    }
}

/// A trace-id, and whether it has but 64 bits.
pub(super) fn trace_id(digits: &[u8]) -> Option<(TraceId, bool)> {
    match digits.len() {
        16 => {
            let low = u64::from_be_bytes(id::hex(digits)?);
            Some((TraceId::from_halves(0, low)?, true))
        }
        _ => Some((id::hex(digits).and_then(TraceId::from_bytes)?, false)),
    }
}

pub(super) fn span_id(digits: &[u8]) -> Option<SpanId> {
    id::hex(digits).and_then(SpanId::from_bytes)
}

/// As many digits as the trace-id came with.
pub(super) fn trace_id_digits(outgoing: &Outgoing<'_>) -> Vec<u8> {
    let mut digits = Vec::with_capacity(64);
    let trace_id = outgoing.context.trace_id;
    if outgoing.is_short && trace_id.is_narrow() {
        id::write_hex(&trace_id.low().to_be_bytes(), &mut digits);
    } else {
        id::write_hex(trace_id.as_bytes(), &mut digits);
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::super::tests::{naive, read};
    use super::*;
    use proptest::prelude::*;

    const TRACE: &str = "80f198ee56343ba864fe8b2a57d3eff7";
    const SPAN: &str = "e457b5a2e4d86bd1";

    #[test]
    fn reads_what_the_specification_shows_and_nothing_else() {
        let zero = "0".repeat(16);
        let upper = TRACE.to_uppercase();
        let short = "64fe8b2a57d3eff7";
        for (why, value, want) in [
            (
                "its example",
                format!("{TRACE}-{SPAN}-1-05e3ac9a4f6e3b90"),
                Some(format!("{TRACE}/{SPAN} sample")),
            ),
            ("without parent", format!("{TRACE}-{SPAN}-1"), Some(format!("{TRACE}/{SPAN} sample"))),
            ("denied", format!("{TRACE}-{SPAN}-0"), Some(format!("{TRACE}/{SPAN} drop"))),
            ("debug", format!("{TRACE}-{SPAN}-d"), Some(format!("{TRACE}/{SPAN} debug"))),
            ("deferred", format!("{TRACE}-{SPAN}"), Some(format!("{TRACE}/{SPAN} defer"))),
            (
                "deferred, with parent",
                format!("{TRACE}-{SPAN}-05e3ac9a4f6e3b90"),
                Some(format!("{TRACE}/{SPAN} defer")),
            ),
            ("64 bits", format!("{short}-{SPAN}-1"), Some(format!("{short}/{SPAN} sample"))),
            (
                "white space around it",
                format!(" {TRACE}-{SPAN}-1\t"),
                Some(format!("{TRACE}/{SPAN} sample")),
            ),
            ("deny alone", "0".into(), Some("drop".into())),
            ("accept alone", "1".into(), Some("sample".into())),
            ("debug alone", "d".into(), Some("debug".into())),
            ("nothing", String::new(), None),
            ("debug in upper case", "D".into(), None),
            ("another state", format!("{TRACE}-{SPAN}-2"), None),
            ("an empty state", format!("{TRACE}-{SPAN}-"), None),
            ("a trace alone", TRACE.into(), None),
            ("an empty parent", format!("{TRACE}-{SPAN}-1-"), None),
            ("a fifth field", format!("{TRACE}-{SPAN}-1-{SPAN}-1"), None),
            ("upper case", format!("{upper}-{SPAN}-1"), None),
            ("a zero trace", format!("{zero}{zero}-{SPAN}-1"), None),
            ("a short zero trace", format!("{zero}-{SPAN}-1"), None),
            ("a zero span", format!("{TRACE}-{zero}-1"), None),
            ("24 digits", format!("{}-{SPAN}-1", &TRACE[..24]), None),
            ("two values", format!("{TRACE}-{SPAN}-1,{TRACE}-{SPAN}-1"), None),
        ] {
            assert_eq!(parse(value.as_bytes()).map(read), want, "{why}: {value:?}");
        }
    }

    #[test]
    fn agrees_with_a_naive_reader_about_every_changed_byte() {
        for seed in [
            format!("{TRACE}-{SPAN}-d-{SPAN}"),
            format!("{SPAN}-{SPAN}-{SPAN}"),
            "0000000000000001-0000000000000001".to_owned(),
            "d".to_owned(),
        ] {
            for value in super::super::tests::changed(&seed) {
                assert_eq!(parse(&value).map(read), naive::b3(&value), "{}", value.escape_ascii());
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_naive_reader(value in "([0-9a-f]{16}){0,2}(-([0-9a-f]{16}|[01d2])){0,4}") {
            prop_assert_eq!(parse(value.as_bytes()).map(read), naive::b3(value.as_bytes()));
        }
    }
}

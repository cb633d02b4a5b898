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

use super::invalid::{Invalid, Invalids};
use super::value::{self, within};
use super::{Edits, Said};
use crate::context::{Decision, Outgoing, Remote};
use crate::id::{self, SpanId, TraceId};
use crate::request::fields::Field;
use crate::request::trace_fields::{TraceFields, TraceHeader};

/// What belongs to this format.
pub const HEADERS: &[TraceHeader] = &[TraceHeader::B3];

/// The longest value: all fields, and what parts them.
const LONGEST: usize = 32 + 1 + 16 + 1 + 1 + 1 + 16;

/// Reads the header, of several the first.
///
/// # Errors
///
/// The reason why nothing it says can be used.
pub fn extract(fields: &TraceFields<'_>, invalid: &mut Invalids) -> Result<Said<'static>, Invalid> {
    parse(first(fields.get(TraceHeader::B3), invalid).ok_or(Invalid::Incomplete)?)
}

/// Reads one value.
///
/// # Errors
///
/// The reason why nothing it says can be used.
pub fn parse(value: &[u8]) -> Result<Said<'static>, Invalid> {
    let mut fields = within(LONGEST, value)?.split(|&b| b == b'-');
    let first = fields.next().unwrap_or_default();
    let Some(second) = fields.next() else {
        return state(first).map(Said::Decision).ok_or(Invalid::Syntax);
    };
    let (trace_id, is_short) = trace_id(first)?;
    let span_id = span_id(second)?;
    let (decision, parent) = match (fields.next(), fields.next(), fields.next()) {
        (None, _, _) => (Decision::Defer, None),
        (Some(it), None, _) => match state(it) {
            Some(decision) => (decision, None),
            None => (Decision::Defer, Some(it)),
        },
        (Some(it), parent, None) => (state(it).ok_or(Invalid::Syntax)?, parent),
        (Some(_), Some(_), Some(_)) => return Err(Invalid::Syntax),
    };
    if parent.is_some_and(|it| id::hex::<8>(it).is_none()) {
        return Err(Invalid::Syntax);
    }
    let remote = Remote::new(trace_id, Some(span_id), decision).short(is_short);
    Ok(Said::Context(remote))
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

/// Of several values the first; that there are others is noted.
pub(super) fn first<'a>(field: Field<'a>, invalid: &mut Invalids) -> Option<&'a [u8]> {
    if let Field::Repeated(_) = field {
        invalid.add(Invalid::Repeated);
    }
    field.first()
}

/// A trace-id, and whether it has but 64 bits.
pub(super) fn trace_id(digits: &[u8]) -> Result<(TraceId, bool), Invalid> {
    match digits.len() {
        16 => {
            let low = id::hex(digits).map(u64::from_be_bytes).ok_or(Invalid::Syntax)?;
            Ok((TraceId::from_halves(0, low).ok_or(Invalid::ZeroId)?, true))
        }
        _ => Ok((value::trace_id(id::hex(digits))?, false)),
    }
}

pub(super) fn span_id(digits: &[u8]) -> Result<SpanId, Invalid> {
    value::span_id(id::hex(digits))
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
        use Invalid as E;

        let zero = "0".repeat(16);
        let upper = TRACE.to_uppercase();
        let short = "64fe8b2a57d3eff7";
        for (why, value, want) in [
            (
                "its example",
                format!("{TRACE}-{SPAN}-1-05e3ac9a4f6e3b90"),
                Ok(format!("{TRACE}/{SPAN} sample")),
            ),
            ("without parent", format!("{TRACE}-{SPAN}-1"), Ok(format!("{TRACE}/{SPAN} sample"))),
            ("denied", format!("{TRACE}-{SPAN}-0"), Ok(format!("{TRACE}/{SPAN} drop"))),
            ("debug", format!("{TRACE}-{SPAN}-d"), Ok(format!("{TRACE}/{SPAN} debug"))),
            ("deferred", format!("{TRACE}-{SPAN}"), Ok(format!("{TRACE}/{SPAN} defer"))),
            (
                "deferred, with parent",
                format!("{TRACE}-{SPAN}-05e3ac9a4f6e3b90"),
                Ok(format!("{TRACE}/{SPAN} defer")),
            ),
            ("64 bits", format!("{short}-{SPAN}-1"), Ok(format!("{short}/{SPAN} sample"))),
            (
                "white space around it",
                format!(" {TRACE}-{SPAN}-1\t"),
                Ok(format!("{TRACE}/{SPAN} sample")),
            ),
            ("deny alone", "0".into(), Ok("drop".into())),
            ("accept alone", "1".into(), Ok("sample".into())),
            ("debug alone", "d".into(), Ok("debug".into())),
            ("nothing", String::new(), Err(E::Syntax)),
            ("debug in upper case", "D".into(), Err(E::Syntax)),
            ("another state", format!("{TRACE}-{SPAN}-2"), Err(E::Syntax)),
            ("an empty state", format!("{TRACE}-{SPAN}-"), Err(E::Syntax)),
            ("a trace alone", TRACE.into(), Err(E::Syntax)),
            ("an empty parent", format!("{TRACE}-{SPAN}-1-"), Err(E::Syntax)),
            ("a fifth field", format!("{TRACE}-{SPAN}-1-{SPAN}-1"), Err(E::TooLong)),
            ("upper case", format!("{upper}-{SPAN}-1"), Err(E::Syntax)),
            ("a zero trace", format!("{zero}{zero}-{SPAN}-1"), Err(E::ZeroId)),
            ("a short zero trace", format!("{zero}-{SPAN}-1"), Err(E::ZeroId)),
            ("a zero span", format!("{TRACE}-{zero}-1"), Err(E::ZeroId)),
            ("24 digits", format!("{}-{SPAN}-1", &TRACE[..24]), Err(E::Syntax)),
            ("a fifth field, short", format!("{short}-{SPAN}-1-{SPAN}-1"), Err(E::Syntax)),
            ("two values", format!("{TRACE}-{SPAN}-1,{TRACE}-{SPAN}-1"), Err(E::TooLong)),
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
                assert_eq!(
                    parse(&value).ok().map(read),
                    naive::b3(&value),
                    "{}",
                    value.escape_ascii()
                );
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_naive_reader(value in "([0-9a-f]{16}){0,2}(-([0-9a-f]{16}|[01d2])){0,4}") {
            prop_assert_eq!(parse(value.as_bytes()).ok().map(read), naive::b3(value.as_bytes()));
        }
    }
}

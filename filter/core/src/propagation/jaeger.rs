//! Jaeger's own format: `uber-trace-id`.
//!
//! ```text
//! value          = trace-id ":" span-id ":" parent-span-id ":" flags
//! trace-id       = 1*32HEXDIG ; zeroes on the left may be missing; not zero
//! span-id        = 1*16HEXDIG ; the same
//! parent-span-id = 1*16HEXDIG ; deprecated, not read; zero is sent
//! flags          = 1*2HEXDIG  ; bit 0: sampled; bit 1: debug, only with bit 0
//! ```
//! Some clients encode the value as in a URL: `%3A` for each colon.
//!
//! Spec: <https://www.jaegertracing.io/docs/1.18/client-libraries/#propagation-format>
//! (this grammar is its text in ABNF)

use super::invalid::Invalid;
use super::value::{self, once, within};
use super::{Edits, Said};
use crate::context::{Decision, Outgoing, Remote};
use crate::id::{self, short_hex};
use crate::request::trace_fields::{TraceFields, TraceHeader};

/// What belongs to this format.
pub const HEADERS: &[TraceHeader] = &[TraceHeader::UberTraceId];

/// The longest value: all fields, and what parts them.
const LONGEST: usize = 32 + 3 + 16 + 3 + 16 + 3 + 2;

/// Reads the header.
///
/// # Errors
///
/// The reason why nothing it says can be used.
pub fn extract(fields: &TraceFields<'_>) -> Result<Said<'static>, Invalid> {
    parse(once(fields.get(TraceHeader::UberTraceId))?)
}

/// Reads one value.
///
/// # Errors
///
/// The reason why nothing it says can be used.
pub fn parse(value: &[u8]) -> Result<Said<'static>, Invalid> {
    let (trace, rest) = field(within(LONGEST, value)?)?;
    let (span, rest) = field(rest)?;
    let (parent, flags) = field(rest)?;
    let trace_id = value::trace_id(short_hex(trace))?;
    let span_id = value::span_id(short_hex(span))?;
    short_hex::<8>(parent).ok_or(Invalid::Syntax)?;
    let [flags] = short_hex(flags).ok_or(Invalid::Syntax)?;
    let decision = match flags & 0b11 {
        0b01 => Decision::Sample,
        0b11 => Decision::Debug,
        _ => Decision::Drop,
    };
    let is_short = trace.len() <= 16;
    Ok(Said::Context(Remote::new(trace_id, Some(span_id), decision).short(is_short)))
}

/// Writes the header.
pub fn inject(outgoing: &Outgoing<'_>, edits: &mut Edits<'_>) {
    let mut value = super::b3::trace_id_digits(outgoing);
    value.push(b':');
    id::write_hex(outgoing.context.span_id.as_bytes(), &mut value);
    value.extend_from_slice(match (outgoing.is_debug, outgoing.context.flags.is_sampled()) {
        (true, _) => b":0:03",
        (false, true) => b":0:01",
        (false, false) => b":0:00",
    });
    edits.set(TraceHeader::UberTraceId, value);
}

/// What stands before the next colon, and what behind it.
fn field(text: &[u8]) -> Result<(&[u8], &[u8]), Invalid> {
    let at = text.iter().position(|&b| matches!(b, b':' | b'%')).ok_or(Invalid::Syntax)?;
    let (field, rest) = text.split_at_checked(at).unwrap_or_default();
    match rest {
        [b':', rest @ ..] | [b'%', b'3', b'A' | b'a', rest @ ..] => Ok((field, rest)),
        _ => Err(Invalid::Syntax),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{naive, read};
    use super::*;
    use proptest::prelude::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d000e4736";
    const SPAN: &str = "34f067aa0ba902b7";

    #[test]
    fn reads_what_the_specification_allows_and_nothing_else() {
        use Invalid as E;

        let ids = |decision: &str| Ok(format!("{TRACE}/{SPAN} {decision}"));
        let upper = TRACE.to_uppercase();
        for (why, value, want) in [
            ("sampled", format!("{TRACE}:{SPAN}:0:1"), ids("sample")),
            ("two digits of flags", format!("{TRACE}:{SPAN}:0:01"), ids("sample")),
            ("not sampled", format!("{TRACE}:{SPAN}:0:0"), ids("drop")),
            ("debug", format!("{TRACE}:{SPAN}:0:3"), ids("debug")),
            ("debug without sampled", format!("{TRACE}:{SPAN}:0:2"), ids("drop")),
            ("firehose", format!("{TRACE}:{SPAN}:0:9"), ids("sample")),
            ("all bits", format!("{TRACE}:{SPAN}:0:ff"), ids("debug")),
            ("a parent", format!("{TRACE}:{SPAN}:{SPAN}:1"), ids("sample")),
            ("upper case", format!("{upper}:{SPAN}:0:1"), ids("sample")),
            ("encoded", format!("{TRACE}%3A{SPAN}%3a0%3A1"), ids("sample")),
            ("64 bits", format!("{SPAN}:{SPAN}:0:1"), Ok(format!("{SPAN}/{SPAN} sample"))),
            (
                "zeroes missing",
                "abc:1:0:1".into(),
                Ok("0000000000000abc/0000000000000001 sample".into()),
            ),
            (
                "more than 64 bits, zeroes missing",
                "1a3ce929d000e4736:1:0:1".into(),
                Ok("0000000000000001a3ce929d000e4736/0000000000000001 sample".into()),
            ),
            ("a zero trace", format!("0:{SPAN}:0:1"), Err(E::ZeroId)),
            ("a zero span", format!("{TRACE}:0:0:1"), Err(E::ZeroId)),
            ("no trace", format!(":{SPAN}:0:1"), Err(E::Syntax)),
            ("no parent", format!("{TRACE}:{SPAN}::1"), Err(E::Syntax)),
            ("no flags", format!("{TRACE}:{SPAN}:0:"), Err(E::Syntax)),
            ("three fields", format!("{TRACE}:{SPAN}:1"), Err(E::Syntax)),
            ("five fields", format!("{TRACE}:{SPAN}:0:1:1"), Err(E::Syntax)),
            ("33 digits", format!("0{TRACE}:{SPAN}:0:1"), Err(E::Syntax)),
            ("a span of 17 digits", format!("{TRACE}:0{SPAN}:0:1"), Err(E::Syntax)),
            ("three digits of flags", format!("{TRACE}:{SPAN}:0:001"), Err(E::Syntax)),
            ("a second value", format!("{TRACE}:{SPAN}:0:1,{TRACE}:{SPAN}:0:1"), Err(E::TooLong)),
            ("another encoded byte", format!("{TRACE}%3B{SPAN}%3A0%3A1"), Err(E::Syntax)),
            ("a sign", format!("+{SPAN}:{SPAN}:0:1"), Err(E::Syntax)),
            ("nothing", String::new(), Err(E::Syntax)),
        ] {
            assert_eq!(parse(value.as_bytes()).map(read), want, "{why}: {value:?}");
        }
    }

    #[test]
    fn agrees_with_a_naive_reader_about_every_changed_byte() {
        for seed in [format!("{TRACE}:{SPAN}:0:1"), "abc%3A1%3A0%3a03".to_owned()] {
            for value in super::super::tests::changed(&seed) {
                assert_eq!(
                    parse(&value).ok().map(read),
                    naive::jaeger(&value),
                    "{}",
                    value.escape_ascii()
                );
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_naive_reader(value in "[0-9a-fA-F]{0,34}((:|%3A)[0-9a-f]{0,18}){0,2}(:|%3a)[0-9a-f]{0,3}") {
            prop_assert_eq!(parse(value.as_bytes()).ok().map(read), naive::jaeger(value.as_bytes()));
        }
    }
}

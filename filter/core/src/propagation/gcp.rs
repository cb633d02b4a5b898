//! Google Cloud: `X-Cloud-Trace-Context`.
//!
//! ```text
//! value    = TRACE_ID [ "/" [ SPAN_ID ] ] [ ";o=" [ OPTIONS ] ]
//! TRACE_ID = 32HEXDIG    ; not zero
//! SPAN_ID  = 1*DIGIT     ; decimal, 64 bits; zero is none
//! OPTIONS  = "0" / "1"   ; the parent was not sampled, was sampled; absent: defer
//! ```
//! Spec: <https://cloud.google.com/trace/docs/trace-context#legacy-http-header>; which parts
//! may be missing: App Engine's own reader,
//! <https://javadoc.io/static/com.google.appengine/runtime-impl/5.0.3/com/google/apphosting/runtime/TraceContextHelper.html>

use super::invalid::Invalid;
use super::value::{self, once, within};
use super::{Edits, Said};
use crate::context::{Decision, Outgoing, Remote};
use crate::id::{self, SpanId, decimal, short_hex};
use crate::request::trace_fields::{TraceFields, TraceHeader};

/// What belongs to this format.
pub const HEADERS: &[TraceHeader] = &[TraceHeader::CloudTraceContext];

/// The longest value: all fields, and what parts them.
const LONGEST: usize = 32 + 1 + 20 + 4;

/// Reads the header.
///
/// # Errors
///
/// The reason why nothing it says can be used.
pub fn extract(fields: &TraceFields<'_>) -> Result<Said<'static>, Invalid> {
    parse(once(fields.get(TraceHeader::CloudTraceContext))?)
}

/// Reads one value.
///
/// # Errors
///
/// The reason why nothing it says can be used.
pub fn parse(value: &[u8]) -> Result<Said<'static>, Invalid> {
    let value = within(LONGEST, value)?;
    let (trace, rest) = value.split_at_checked(32).ok_or(Invalid::Syntax)?;
    let trace_id = value::trace_id(short_hex(trace))?;
    let options = rest.iter().position(|&b| b == b';').unwrap_or(rest.len());
    let (span, options) = rest.split_at_checked(options).unwrap_or_default();
    let span_id = match span {
        [] | [b'/'] => None,
        [b'/', digits @ ..] => {
            SpanId::from_bytes(decimal(digits).ok_or(Invalid::Syntax)?.to_be_bytes())
        }
        _ => return Err(Invalid::Syntax),
    };
    let decision = match options {
        b"" | b";o=" => Decision::Defer,
        b";o=0" => Decision::Drop,
        b";o=1" => Decision::Sample,
        _ => return Err(Invalid::Syntax),
    };
    Ok(Said::Context(Remote::new(trace_id, span_id, decision)))
}

/// Writes the header.
pub fn inject(outgoing: &Outgoing<'_>, edits: &mut Edits<'_>) {
    let mut value = Vec::with_capacity(64);
    id::write_hex(outgoing.context.trace_id.as_bytes(), &mut value);
    value.push(b'/');
    let span_id = u64::from_be_bytes(*outgoing.context.span_id.as_bytes());
    value.extend_from_slice(span_id.to_string().as_bytes());
    let sampled = outgoing.context.flags.is_sampled();
    value.extend_from_slice(if sampled { b";o=1" } else { b";o=0" });
    edits.set(TraceHeader::CloudTraceContext, value);
}

#[cfg(test)]
mod tests {
    use super::super::tests::{naive, read};
    use super::*;
    use proptest::prelude::*;

    /// Trace and span of App Engine's documentation.
    const TRACE: &str = "000000000000007b00000000000001c8";
    const SPAN: &str = "0000000000000315";

    #[test]
    fn reads_what_the_documentation_shows_and_nothing_else() {
        use Invalid as E;

        let ids = |decision: &str| Ok(format!("{TRACE}/{SPAN} {decision}"));
        let trace = |decision: &str| Ok(format!("{TRACE} {decision}"));
        for (why, rest, want) in [
            ("trace, span, and options", "/789;o=1", ids("sample")),
            ("not sampled", "/789;o=0", ids("drop")),
            ("trace and span, empty options", "/789;o=", ids("defer")),
            ("trace and span, no options", "/789", ids("defer")),
            ("trace and options, empty span", "/;o=1", trace("sample")),
            ("trace, empty span and options", "/;o=", trace("defer")),
            ("trace, empty span, no options", "/", trace("defer")),
            ("trace and options, no span", ";o=1", trace("sample")),
            ("trace, empty options, no span", ";o=", trace("defer")),
            ("trace, no span, no options", "", trace("defer")),
            ("the first span of a trace", "/0;o=1", trace("sample")),
            (
                "the largest span",
                "/18446744073709551615;o=1",
                Ok(format!("{TRACE}/ffffffffffffffff sample")),
            ),
            ("one more", "/18446744073709551616;o=1", Err(E::Syntax)),
            ("a span in hex", "/31a;o=1", Err(E::Syntax)),
            ("a sign", "/-1;o=1", Err(E::Syntax)),
            ("other options", "/789;o=2", Err(E::Syntax)),
            ("another parameter", "/789;p=1", Err(E::Syntax)),
            ("a second one", "/789;o=1;o=1", Err(E::Syntax)),
            ("zeroes before the span", "/000000000000000000789;o=1", Err(E::TooLong)),
            ("33 digits", "0/789;o=1", Err(E::Syntax)),
        ] {
            let value = format!("{TRACE}{rest}");
            assert_eq!(parse(value.as_bytes()).map(read), want, "{why}: {value:?}");
        }
        for (why, value, want) in [
            ("nothing", String::new(), E::Syntax),
            ("zero", format!("{}/1;o=1", "0".repeat(32)), E::ZeroId),
            ("31 digits", format!("{}/1;o=1", &TRACE[1..]), E::Syntax),
            ("no hex", format!("{}/1;o=1", "g".repeat(32)), E::Syntax),
        ] {
            assert_eq!(parse(value.as_bytes()), Err(want), "{why}: {value:?}");
        }
    }

    #[test]
    fn agrees_with_a_naive_reader_about_every_changed_byte() {
        for rest in ["/789;o=1", "/18446744073709551615", ";o=", "/;o=0"] {
            for value in super::super::tests::changed(&format!("{TRACE}{rest}")) {
                assert_eq!(
                    parse(&value).ok().map(read),
                    naive::gcp(&value),
                    "{}",
                    value.escape_ascii()
                );
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_naive_reader(value in "[0-9a-fA-F]{31,33}(/[0-9]{0,21})?(;o=[01]{0,2})?") {
            prop_assert_eq!(parse(value.as_bytes()).ok().map(read), naive::gcp(value.as_bytes()));
        }
    }
}

//! OpenCensus' binary format in gRPC metadata: `grpc-trace-bin`.
//!
//! ```text
//! value         = base64 of the following, with or without padding
//! trace-context = version *field ; version 0 is the only one
//! field         = %x00 16OCTET   ; Trace-id, zero is invalid
//!               / %x01 8OCTET    ; Span-id, zero is invalid
//!               / %x02 OCTET     ; Trace-options: bit 0 recommends to trace
//! ```
//! Reading ends at the first field that is not known, which is no error. Without bit 0 "the
//! caller does not make a decision to trace and the decision might be deferred".
//!
//! Spec: <https://github.com/census-instrumentation/opencensus-specs/blob/master/encodings/BinaryEncoding.md>,
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md> ("Implementations MUST
//! accept padded and un-padded values and should emit un-padded values"),
//! <https://www.rfc-editor.org/rfc/rfc4648#section-4>

use super::invalid::Invalid;
use super::value::{once, within};
use super::{Edits, Said};
use crate::base64;
use crate::context::{Decision, Outgoing, Remote, SpanContext};
use crate::id::{SpanId, TraceId};
use crate::request::trace_fields::{TraceFields, TraceHeader};

/// What belongs to this format.
pub const HEADERS: &[TraceHeader] = &[TraceHeader::GrpcTraceBin];

/// The longest value: far more than all known fields take.
const LONGEST: usize = 512;

/// Reads the header.
///
/// # Errors
///
/// The reason why nothing it says can be used.
pub fn extract(fields: &TraceFields<'_>) -> Result<Said<'static>, Invalid> {
    parse(once(fields.get(TraceHeader::GrpcTraceBin))?)
}

/// Reads one value.
///
/// # Errors
///
/// The reason why nothing it says can be used.
pub fn parse(value: &[u8]) -> Result<Said<'static>, Invalid> {
    use Invalid as E;

    let bytes = base64::decode(within(LONGEST, value)?).ok_or(E::Syntax)?;
    let mut rest = match bytes.as_slice() {
        [0, rest @ ..] => rest,
        [_, ..] => return Err(E::Version),
        [] => return Err(E::Syntax),
    };
    let (mut trace_id, mut span_id, mut options) = (None, None, 0);
    loop {
        rest = match rest {
            [0, field @ ..] => {
                let (id, rest) = field.split_first_chunk().ok_or(E::Syntax)?;
                trace_id = Some(TraceId::from_bytes(*id).ok_or(E::ZeroId)?);
                rest
            }
            [1, field @ ..] => {
                let (id, rest) = field.split_first_chunk().ok_or(E::Syntax)?;
                span_id = Some(SpanId::from_bytes(*id).ok_or(E::ZeroId)?);
                rest
            }
            [2, field @ ..] => {
                let (bits, rest) = field.split_first().ok_or(E::Syntax)?;
                options = *bits;
                rest
            }
            _ => break,
        };
    }
    let decision = if options & 1 == 1 { Decision::Sample } else { Decision::Defer };
    Ok(Said::Context(Remote::new(trace_id.ok_or(E::Incomplete)?, span_id, decision)))
}

/// Writes the header.
pub fn inject(outgoing: &Outgoing<'_>, edits: &mut Edits<'_>) {
    let SpanContext { trace_id, span_id, flags, tracestate: _ } = &outgoing.context;
    let mut bytes = Vec::with_capacity(29);
    bytes.extend_from_slice(&[0, 0]);
    bytes.extend_from_slice(trace_id.as_bytes());
    bytes.push(1);
    bytes.extend_from_slice(span_id.as_bytes());
    bytes.extend_from_slice(&[2, u8::from(flags.is_sampled())]);
    edits.set(TraceHeader::GrpcTraceBin, base64::encode(&bytes));
}

#[cfg(test)]
mod tests {
    use super::super::tests::{naive, read};
    use super::*;
    use proptest::prelude::*;

    /// The specification's valid example.
    const EXAMPLE: [u8; 29] = [
        0, 0, 75, 249, 47, 53, 119, 179, 77, 166, 163, 206, 146, 157, 0, 14, 71, 54, 1, 52, 240,
        103, 170, 11, 169, 2, 183, 2, 1,
    ];
    const TRACE: &str = "4bf92f3577b34da6a3ce929d000e4736";
    const SPAN: &str = "34f067aa0ba902b7";

    #[test]
    fn reads_what_the_specification_allows_and_nothing_else() {
        use Invalid as E;

        let whole = EXAMPLE.to_vec();
        let sampled = Ok(format!("{TRACE}/{SPAN} sample"));
        let deferred = Ok(format!("{TRACE}/{SPAN} defer"));
        let part = |parts: &[(usize, usize)]| -> Vec<u8> {
            parts.iter().flat_map(|(from, to)| EXAMPLE[*from..*to].to_vec()).collect()
        };
        let with = |at: usize, byte: u8| {
            let mut it = whole.clone();
            it[at] = byte;
            it
        };
        for (why, bytes, want) in [
            ("its example", whole.clone(), sampled.clone()),
            ("in another order", part(&[(0, 1), (27, 29), (18, 27), (1, 18)]), sampled.clone()),
            ("no decision", with(28, 0), deferred.clone()),
            ("other bits mean nothing", with(28, 0xfe), deferred.clone()),
            ("no options", part(&[(0, 27)]), deferred.clone()),
            ("a field that nobody knows", [&whole[..], &[9, 1, 2]].concat(), sampled.clone()),
            ("before another", part(&[(0, 27)]).into_iter().chain([9, 2, 1]).collect(), deferred),
            ("no span", part(&[(0, 18)]), Ok(format!("{TRACE} defer"))),
            ("no trace", part(&[(0, 1), (18, 29)]), Err(E::Incomplete)),
            ("a later version", with(0, 1), Err(E::Version)),
            ("cut in the trace", part(&[(0, 17)]), Err(E::Syntax)),
            ("cut in the span", part(&[(0, 26)]), Err(E::Syntax)),
            ("cut in the options", part(&[(0, 28)]), Err(E::Syntax)),
            ("a zero trace", [&[0, 0][..], &[0; 16], &whole[18..]].concat(), Err(E::ZeroId)),
            ("a zero span", [&whole[..19], &[0; 8]].concat(), Err(E::ZeroId)),
            ("nothing", vec![], Err(E::Syntax)),
        ] {
            assert_eq!(parse(&base64::encode(&bytes)).map(read), want, "{why}");
        }
    }

    #[test]
    fn reads_base64_with_and_without_padding() {
        let unpadded = base64::encode(&EXAMPLE);
        let text = String::from_utf8(unpadded.clone()).unwrap();
        assert_eq!(text, "AABL+S81d7NNpqPOkp0ADkc2ATTwZ6oLqQK3AgE");
        let want = parse(&unpadded);
        assert!(want.is_ok());
        assert_eq!(parse(format!("{text}=").as_bytes()), want, "padded");
        for (why, value, reason) in [
            ("too much padding", format!("{text}=="), Invalid::Syntax),
            ("the URL alphabet", text.replace('+', "-"), Invalid::Syntax),
            ("two values", format!("{text},{text}"), Invalid::Syntax),
            ("white space inside", text.replacen('L', " ", 1), Invalid::Syntax),
            ("too long", text.clone() + &"A".repeat(600), Invalid::TooLong),
            ("padding alone", "====".to_owned(), Invalid::Syntax),
        ] {
            assert_eq!(parse(value.as_bytes()), Err(reason), "{why}");
        }
    }

    #[test]
    fn agrees_with_a_naive_reader_about_every_changed_byte() {
        let seed = String::from_utf8(base64::encode(&EXAMPLE)).unwrap();
        for value in super::super::tests::changed(&seed) {
            let value = &value[..];
            assert_eq!(
                parse(value).ok().map(read),
                naive::grpc_trace_bin(value),
                "{}",
                value.escape_ascii()
            );
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_naive_reader(
            fields in prop::collection::vec((0_u8..4, prop::collection::vec(0_u8..3, 0..17)), 0..4),
            padded: bool,
        ) {
            let mut bytes = vec![0];
            for (id, field) in fields {
                bytes.push(id);
                bytes.extend(field);
            }
            let mut value = base64::encode(&bytes);
            prop_assert_eq!(base64::decode(&value), Some(bytes));
            while padded && !value.len().is_multiple_of(4) {
                value.push(b'=');
            }
            prop_assert_eq!(parse(&value).ok().map(read), naive::grpc_trace_bin(&value));
        }
    }
}

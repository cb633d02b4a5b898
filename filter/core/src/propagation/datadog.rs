//! Datadog: `x-datadog-*`.
//!
//! ```text
//! x-datadog-trace-id          = 1*DIGIT ; the last 64 bits, decimal; zero is none
//! x-datadog-parent-id         = 1*DIGIT ; 64 bits, decimal; zero is none
//! x-datadog-sampling-priority = "-1" / "0" / "1" / "2" ; user reject, auto reject,
//!                                         auto keep, user keep; absent: defer
//! x-datadog-tags = [ tag *( "," tag ) ]
//! tag            = key "=" 1*allowed      ; key: 1*allowed but SP and "="
//! allowed        = %x20-2B / %x2D-7E      ; no comma
//! ```
//! Tag `_dd.p.tid` has the first 64 bits as 16 digits of lower-case hex; where it breaks that,
//! it is counted and not there (Datadog's tracers do the same, with a note on the span). Other
//! tags, and `x-datadog-origin`, pass as they are.
//!
//! Spec: <https://docs.datadoghq.com/tracing/trace_collection/trace_context_propagation/>;
//! tags: <https://github.com/DataDog/dd-trace-cpp/blob/main/src/datadog/tag_propagation.cpp>;
//! priorities: <https://docs.rs/libdd-sampling/2.0.0/libdd_sampling/dd_sampling/priority/>

use super::invalid::{Invalid, Invalids};
use super::value::{once, trim_ows, within};
use super::{Edits, Said};
use crate::context::{Decision, Outgoing, Remote};
use crate::id::{self, SpanId, TraceId, decimal};
use crate::request::fields::Field;
use crate::request::trace_fields::{TraceFields, TraceHeader};

/// What says that a request has this format.
pub const MARKS: &[TraceHeader] = &[
    TraceHeader::DatadogTraceId,
    TraceHeader::DatadogParentId,
    TraceHeader::DatadogSamplingPriority,
];
/// What belongs to it.
pub const HEADERS: &[TraceHeader] = &[
    TraceHeader::DatadogTraceId,
    TraceHeader::DatadogParentId,
    TraceHeader::DatadogSamplingPriority,
    TraceHeader::DatadogTags,
    TraceHeader::DatadogOrigin,
];

/// The tag that completes a trace-id.
const TID: &[u8] = b"_dd.p.tid=";
/// The longest value of the other headers: a number of 64 bits.
const LONGEST: usize = 20;
/// The longest list of tags that is read: Datadog's tracers take 512 bytes.
const LONGEST_TAGS: usize = 512;

/// Reads the headers.
///
/// # Errors
///
/// The reason why nothing they say can be used.
pub fn extract(fields: &TraceFields<'_>, invalid: &mut Invalids) -> Result<Said<'static>, Invalid> {
    let value = |header| match fields.get(header) {
        Field::Absent => Ok(None),
        field => within(LONGEST, once(field)?).map(Some),
    };
    let number = |digits| decimal(digits).ok_or(Invalid::Syntax);
    let low = number(value(TraceHeader::DatadogTraceId)?.ok_or(Invalid::Incomplete)?)?;
    if low == 0 {
        return Err(Invalid::ZeroId);
    }
    let span_id = value(TraceHeader::DatadogParentId)?.map(number).transpose()?;
    let span_id = span_id.and_then(|it| SpanId::from_bytes(it.to_be_bytes()));
    let decision = match value(TraceHeader::DatadogSamplingPriority)? {
        None => Decision::Defer,
        Some(priority) => Decision::of_flag(keeps(priority).ok_or(Invalid::Syntax)?),
    };
    let high = tags(fields).and_then(high_half).unwrap_or_else(|reason| {
        invalid.add(reason);
        None
    });
    let trace_id = TraceId::from_halves(high.unwrap_or(0), low).ok_or(Invalid::ZeroId)?;
    Ok(Said::Context(Remote::new(trace_id, span_id, decision).short(high.is_none())))
}

/// Writes the headers. A priority that says the same as ours stays: its wording is the user's.
pub fn inject(outgoing: &Outgoing<'_>, edits: &mut Edits<'_>) {
    let trace_id = outgoing.context.trace_id;
    if trace_id.low() == 0 {
        // It would read as no trace.
        for header in HEADERS {
            edits.remove(*header);
        }
        return;
    }
    let span_id = u64::from_be_bytes(*outgoing.context.span_id.as_bytes());
    edits.set(TraceHeader::DatadogTraceId, trace_id.low().to_string().into_bytes());
    edits.set(TraceHeader::DatadogParentId, span_id.to_string().into_bytes());
    let sampled = outgoing.context.flags.is_sampled();
    let came = edits.fields.get(TraceHeader::DatadogSamplingPriority).once().map(trim_ows);
    if outgoing.is_debug {
        edits.set(TraceHeader::DatadogSamplingPriority, b"2".to_vec());
    } else if came.and_then(keeps) != Some(sampled) {
        let priority = if sampled { b"1" } else { b"0" };
        edits.set(TraceHeader::DatadogSamplingPriority, priority.to_vec());
    }
    let high = (!trace_id.is_narrow()).then(|| trace_id.high());
    let came = tags(edits.fields).unwrap_or_default();
    if edits.has(TraceHeader::DatadogTags, came) && says(came, high) {
        return;
    }
    let mut list = Vec::new();
    if let Some(high) = high {
        list.extend_from_slice(TID);
        id::write_hex(&high.to_be_bytes(), &mut list);
    }
    for tag in came.split(|&b| b == b',').filter(|it| is_tag(it) && !it.starts_with(TID)) {
        // A longer list would be dropped whole by who reads it, and half of the id with it.
        if list.len().saturating_add(1).saturating_add(tag.len()) > LONGEST_TAGS {
            continue;
        }
        if !list.is_empty() {
            list.push(b',');
        }
        list.extend_from_slice(tag);
    }
    if list.is_empty() {
        edits.remove(TraceHeader::DatadogTags);
    } else {
        edits.set(TraceHeader::DatadogTags, list);
    }
}

/// Whether a list of tags needs no change to complete an id with this half.
fn says(tags: &[u8], high: Option<u64>) -> bool {
    let mut halves = tags.split(|&b| b == b',').filter_map(|it| it.strip_prefix(TID));
    let half = halves.next().map(|it| id::hex(it).map(u64::from_be_bytes));
    half == high.map(Some) && halves.next().is_none()
}

fn keeps(priority: &[u8]) -> Option<bool> {
    match priority {
        b"-1" | b"0" => Some(false),
        b"1" | b"2" => Some(true),
        _ => None,
    }
}

/// The list of tags, if it may be read.
fn tags<'a>(fields: &TraceFields<'a>) -> Result<&'a [u8], Invalid> {
    match fields.get(TraceHeader::DatadogTags) {
        Field::Absent => Ok(&[]),
        field => within(LONGEST_TAGS, once(field)?),
    }
}

fn is_tag(tag: &[u8]) -> bool {
    let allowed = |b: &u8| matches!(b, b' '..=b'~') && *b != b',';
    let equals = tag.iter().position(|&b| b == b'=').unwrap_or(0);
    let (key, value) = tag.split_at_checked(equals).unwrap_or_default();
    !key.is_empty() && !key.contains(&b' ') && value.len() > 1 && tag.iter().all(allowed)
}

fn high_half(tags: &[u8]) -> Result<Option<u64>, Invalid> {
    let Some(tid) = tags.split(|&b| b == b',').find_map(|it| it.strip_prefix(TID)) else {
        return Ok(None);
    };
    id::hex(tid).map(u64::from_be_bytes).map(Some).ok_or(Invalid::Syntax)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{injected, naive, read, with_fields};
    use super::*;
    use proptest::prelude::*;

    const TRACE: (&str, &str) = ("x-datadog-trace-id", "11803532876627986230");
    const SPAN: (&str, &str) = ("x-datadog-parent-id", "67667974448284343");
    const TID: (&str, &str) = ("x-datadog-tags", "_dd.p.dm=-1,_dd.p.tid=4bf92f3577b34da6");
    /// The same in hex.
    const HEX: &str = "a3ce929d0e0e4736";
    const WHOLE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    fn extracted(headers: &[(&str, &str)]) -> Result<String, Invalid> {
        with_fields(headers, |fields| extract(fields, &mut Invalids::default()).map(read))
    }

    #[test]
    fn reads_what_datadogs_tracers_write_and_nothing_else() {
        use Invalid as E;

        let priority = |it| ("x-datadog-sampling-priority", it);
        let tags = |it| ("x-datadog-tags", it);
        let half = |decision: &str| Ok(format!("{HEX}/{PARENT} {decision}"));
        let whole = |decision: &str| Ok(format!("{WHOLE}/{PARENT} {decision}"));
        let largest = ("x-datadog-trace-id", "18446744073709551615");
        for (why, headers, want) in [
            ("64 bits", &[TRACE, SPAN, priority("1")][..], half("sample")),
            ("128 bits", &[TRACE, SPAN, priority("1"), TID], whole("sample")),
            ("kept by a user", &[TRACE, SPAN, priority("2")], half("sample")),
            ("rejected", &[TRACE, SPAN, priority("0")], half("drop")),
            ("rejected by a user", &[TRACE, SPAN, priority("-1")], half("drop")),
            ("no priority", &[TRACE, SPAN], half("defer")),
            ("no parent", &[TRACE, priority("1")], Ok(format!("{HEX} sample"))),
            ("parent zero", &[TRACE, ("x-datadog-parent-id", "0")], Ok(format!("{HEX} defer"))),
            ("the largest trace", &[largest, SPAN], Ok(format!("ffffffffffffffff/{PARENT} defer"))),
            ("other tags", &[TRACE, SPAN, tags("_dd.p.dm=-1")], half("defer")),
            ("no trace", &[SPAN, priority("1"), TID], Err(E::Incomplete)),
            ("a zero trace", &[("x-datadog-trace-id", "0"), SPAN], Err(E::ZeroId)),
            ("a trace in hex", &[("x-datadog-trace-id", HEX), SPAN], Err(E::Syntax)),
            (
                "one too large",
                &[("x-datadog-trace-id", "18446744073709551616"), SPAN],
                Err(E::Syntax),
            ),
            (
                "zeroes before the trace",
                &[("x-datadog-trace-id", "000000000000000000001"), SPAN],
                Err(E::TooLong),
            ),
            ("a sign", &[("x-datadog-trace-id", "-1"), SPAN], Err(E::Syntax)),
            ("a parent in hex", &[TRACE, ("x-datadog-parent-id", PARENT)], Err(E::Syntax)),
            ("another priority", &[TRACE, SPAN, priority("3")], Err(E::Syntax)),
            ("a long priority", &[TRACE, SPAN, priority("100000000000000000000")], Err(E::TooLong)),
            ("a trace twice", &[TRACE, TRACE, SPAN], Err(E::Repeated)),
            ("a parent twice", &[TRACE, SPAN, SPAN], Err(E::Repeated)),
        ] {
            assert_eq!(extracted(headers), want, "{why}");
        }
    }

    #[test]
    fn tags_that_cannot_be_read_are_noted_and_not_there() {
        let longest = format!("{},a={}", TID.1, "x".repeat(512 - TID.1.len() - ",a=".len()));
        assert_eq!(longest.len(), 512);
        for (why, tags, want, reason) in [
            ("none", &[][..], HEX, None),
            ("others", &["_dd.p.dm=-1"], HEX, None),
            ("the other half", &[TID.1], WHOLE, None),
            ("in upper case", &["_dd.p.tid=4BF92F3577B34DA6"], HEX, Some(Invalid::Syntax)),
            ("short", &["_dd.p.tid=4bf9"], HEX, Some(Invalid::Syntax)),
            ("the longest", &[&longest], WHOLE, None),
            ("longer", &[&format!("{longest}x")], HEX, Some(Invalid::TooLong)),
            ("twice", &[TID.1, TID.1], HEX, Some(Invalid::Repeated)),
        ] {
            let mut headers = vec![TRACE, SPAN];
            headers.extend(tags.iter().map(|it| ("x-datadog-tags", *it)));
            let mut invalid = Invalids::default();
            let got = with_fields(&headers, |it| extract(it, &mut invalid).map(read));
            assert_eq!(got, Ok(format!("{want}/{PARENT} defer")), "{why}");
            assert_eq!(invalid.iter().next(), reason, "{why}");
        }
    }

    #[test]
    fn other_tags_pass_untouched() {
        let long = format!("a={},_dd.p.dm=-1", "x".repeat(512 - 14));
        for (why, tags, trace, want) in [
            ("no tag is needed", None, HEX, None),
            ("the half that is missing", None, WHOLE, Some("_dd.p.tid=4bf92f3577b34da6")),
            (
                "beside others",
                Some("_dd.p.dm=-1"),
                WHOLE,
                Some("_dd.p.tid=4bf92f3577b34da6,_dd.p.dm=-1"),
            ),
            ("there already", Some(TID.1), WHOLE, Some(TID.1)),
            ("not needed any more", Some(TID.1), HEX, Some("_dd.p.dm=-1")),
            ("nothing is left", Some("_dd.p.tid=4bf92f3577b34da6"), HEX, None),
            (
                "of another trace",
                Some("_dd.p.tid=1bf92f3577b34da6"),
                WHOLE,
                Some("_dd.p.tid=4bf92f3577b34da6"),
            ),
            ("broken", Some("_dd.p.tid=x"), HEX, None),
            (
                "what leaves no room for the half goes",
                Some(&long),
                WHOLE,
                Some("_dd.p.tid=4bf92f3577b34da6,_dd.p.dm=-1"),
            ),
            (
                "what is no tag goes",
                Some("a,=b,c=,d e=f,_dd.p.x=y z"),
                WHOLE,
                Some("_dd.p.tid=4bf92f3577b34da6,_dd.p.x=y z"),
            ),
        ] {
            let mut headers = vec![TRACE, SPAN];
            headers.extend(tags.map(|it| ("x-datadog-tags", it)));
            let out = injected(inject, trace, &headers);
            let got = out.iter().find(|(name, _)| name == "x-datadog-tags");
            assert_eq!(got.map(|(_, value)| value.as_str()), want, "{why}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_naive_reader(
            trace in prop::option::of("[0-9]{0,20}|1844674407370955161[0-9]|[+-]?[0-9a]{1,3}"),
            span in prop::option::of("[0-9]{0,20}|1844674407370955161[0-9]|[+-]?[0-9a]{1,3}"),
            priority in prop::option::of("-?[0-3]|"),
            tags in prop::option::of("((_dd.p.(tid|dm)=([0-9a-f]{16}|[0-9A-F]{1,17})|x),){0,3}"),
        ) {
            let values = [trace.as_deref(), span.as_deref(), priority.as_deref(), tags.as_deref()];
            let names = ["x-datadog-trace-id", "x-datadog-parent-id", "x-datadog-sampling-priority", "x-datadog-tags"];
            let headers: Vec<_> =
                names.into_iter().zip(values).filter_map(|(name, it)| Some((name, it?))).collect();
            let values = values.map(|it| it.map(str::as_bytes));
            prop_assert_eq!(extracted(&headers).ok(), naive::datadog(values));
        }
    }
}

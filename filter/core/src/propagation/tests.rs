//! What formats do together. Each one alone is tested in its own file.

use super::*;
use crate::context::TraceFlags;
use crate::request::encode_headers;
use crate::request::fields::RequestFields;
use proptest::prelude::*;
use std::borrow::Cow;

#[path = "../../fuzz/naive.rs"]
pub(super) mod naive;

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
        let (Edit::Replace(name, _) | Edit::Remove(name)) = edit;
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
    Outgoing { context, is_debug: false, is_short: trace.len() == 16 }
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
) -> (Option<String>, Decision, usize, bool) {
    let bytes = encode_headers(headers);
    let fields = RequestFields::of(Headers::new(&bytes));
    let it = propagation.extract(&fields.trace, Headers::new(&bytes));
    (it.context.map(|it| read(Said::Context(it))), it.decision, it.conflicts.len(), it.is_invalid)
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
fn each_format_is_written_as_its_specification_shows() {
    let write = |format, trace| {
        sample(format, trace).iter().map(|(n, v)| format!("{n}: {v}")).collect::<Vec<_>>()
    };
    let short = "8448eb211c80319c";
    for (format, trace, want) in [
        (
            Format::TraceContext,
            TRACE,
            &["traceparent: 00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"][..],
        ),
        (Format::B3, TRACE, &["b3: 0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-1"]),
        (Format::B3, short, &["b3: 8448eb211c80319c-00f067aa0ba902b7-1"]),
        (
            Format::B3Multi,
            short,
            &["x-b3-traceid: 8448eb211c80319c", "x-b3-spanid: 00f067aa0ba902b7", "x-b3-sampled: 1"],
        ),
        (Format::GrpcTraceBin, TRACE, &["grpc-trace-bin: AAAK92UZFs1D3YRI6yEcgDGcAQDwZ6oLqQK3AgE"]),
        (
            Format::Jaeger,
            TRACE,
            &["uber-trace-id: 0af7651916cd43dd8448eb211c80319c:00f067aa0ba902b7:0:01"],
        ),
        (Format::Jaeger, short, &["uber-trace-id: 8448eb211c80319c:00f067aa0ba902b7:0:01"]),
        (
            Format::XRay,
            TRACE,
            &[
                "x-amzn-trace-id: Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=00f067aa0ba902b7;Sampled=1",
            ],
        ),
        (
            Format::Datadog,
            TRACE,
            &[
                "x-datadog-trace-id: 9532127138774266268",
                "x-datadog-parent-id: 67667974448284343",
                "x-datadog-sampling-priority: 1",
                "x-datadog-tags: _dd.p.tid=0af7651916cd43dd",
            ],
        ),
        (
            Format::Datadog,
            short,
            &[
                "x-datadog-trace-id: 9532127138774266268",
                "x-datadog-parent-id: 67667974448284343",
                "x-datadog-sampling-priority: 1",
            ],
        ),
        (
            Format::Gcp,
            TRACE,
            &["x-cloud-trace-context: 0af7651916cd43dd8448eb211c80319c/67667974448284343;o=1"],
        ),
    ] {
        assert_eq!(write(format, trace), want, "{format:?}");
    }
}

#[test]
fn the_first_valid_format_wins() {
    use Decision::{Debug, Drop, Sample};
    let default = Propagation::default();
    let b3_first = all(&[Format::B3, Format::TraceContext]);
    let b3 = |trace: &str, state: &str| format!("{trace}-{SPAN}-{state}");
    let w3c = || Some(format!("{TRACE}/{SPAN} sample"));
    let debug = || Some(format!("{TRACE}/{SPAN} debug"));
    for (why, propagation, headers, want) in [
        ("alone", &default, vec![("b3", b3(TRACE, "1"))], (w3c(), Sample, 0, false)),
        (
            "two of one trace",
            &default,
            vec![("traceparent", PARENT.into()), ("b3", b3(TRACE, "0"))],
            (w3c(), Sample, 0, false),
        ),
        (
            "two traces",
            &default,
            vec![("traceparent", PARENT.into()), ("b3", b3(OTHER, "0"))],
            (w3c(), Sample, 1, false),
        ),
        (
            "two traces, in another order",
            &b3_first,
            vec![("traceparent", PARENT.into()), ("b3", b3(OTHER, "0"))],
            (Some(format!("{OTHER}/{SPAN} drop")), Drop, 1, false),
        ),
        (
            "the first is malformed",
            &default,
            vec![("traceparent", "00-x".into()), ("b3", b3(TRACE, "1"))],
            (w3c(), Sample, 0, true),
        ),
        (
            "single before multi",
            &default,
            vec![
                ("x-b3-traceid", OTHER.into()),
                ("x-b3-spanid", SPAN.into()),
                ("b3", b3(TRACE, "1")),
            ],
            (w3c(), Sample, 1, false),
        ),
        (
            "debug is never lost",
            &default,
            vec![("traceparent", PARENT.into()), ("b3", b3(TRACE, "d"))],
            (debug(), Debug, 0, false),
        ),
        (
            "not even without ids",
            &default,
            vec![("traceparent", PARENT.into()), ("b3", "d".into())],
            (w3c(), Debug, 0, false),
        ),
        (
            "but of another trace it does not count",
            &default,
            vec![("traceparent", PARENT.into()), ("b3", b3(OTHER, "d"))],
            (w3c(), Sample, 1, false),
        ),
        ("a decision alone", &default, vec![("b3", "0".into())], (None, Drop, 0, false)),
        (
            "a decision of the first, ids of the second",
            &b3_first,
            vec![("traceparent", PARENT.into()), ("b3", "0".into())],
            (w3c(), Drop, 0, false),
        ),
        (
            "the decision that the first defers",
            &b3_first,
            vec![("traceparent", PARENT.into()), ("b3", format!("{TRACE}-{SPAN}"))],
            (w3c(), Sample, 0, false),
        ),
        (
            "half an id",
            &b3_first,
            vec![("traceparent", PARENT.into()), ("b3", format!("{}-{SPAN}-1", &TRACE[16..]))],
            (w3c(), Sample, 0, false),
        ),
        (
            "a format that is not read",
            &default,
            vec![("uber-trace-id", "x".into())],
            (None, Decision::Defer, 0, false),
        ),
    ] {
        let headers: Vec<_> = headers.iter().map(|(name, it)| (*name, it.as_str())).collect();
        assert_eq!(extracted(propagation, &headers), want, "{why}");
    }
}

#[test]
fn nobody_behind_sees_two_traces() {
    let traceparent = format!("00-{TRACE}-{OURS}-01");
    let b3 = format!("{TRACE}-{OURS}-1");
    let preserve = Propagation::default();
    let alone = Propagation { preserve: false, ..Propagation::default() };
    let nothing = Propagation { inject: Formats::default(), ..alone.clone() };
    let clear = Propagation { clear: [Format::B3].into_iter().collect(), ..Propagation::default() };
    let amazon = "Root=1-67891233-abcdef012345678912345678";
    let old = format!("{TRACE}-{SPAN}-1");
    let other = format!("{OTHER}-{SPAN}-1");
    for (why, propagation, came, want) in [
        (
            "what came in is preserved",
            &preserve,
            &[("traceparent", PARENT), ("b3", &old)][..],
            &[("traceparent", &traceparent[..]), ("b3", &b3)][..],
        ),
        (
            "and translated",
            &preserve,
            &[("b3", &old)],
            &[("traceparent", &traceparent), ("b3", &b3)],
        ),
        (
            "another trace is written over",
            &preserve,
            &[("traceparent", PARENT), ("b3", &other)],
            &[("traceparent", &traceparent), ("b3", &b3)],
        ),
        (
            "so is what nobody can read",
            &preserve,
            &[("traceparent", PARENT), ("b3", "x")],
            &[("traceparent", &traceparent), ("b3", &b3)],
        ),
        (
            "several become one",
            &preserve,
            &[("traceparent", PARENT), ("b3", &old), ("b3", "x")],
            &[("traceparent", &traceparent), ("b3", &b3)],
        ),
        (
            "what is not listed stays",
            &preserve,
            &[("traceparent", PARENT), ("x-amzn-trace-id", amazon), ("x-cloud-trace-context", "x")],
            &[
                ("x-amzn-trace-id", amazon),
                ("x-cloud-trace-context", "x"),
                ("traceparent", &traceparent),
            ],
        ),
        (
            "without preserve, the same trace stays",
            &alone,
            &[("traceparent", PARENT), ("b3", &old)],
            &[("b3", &old), ("traceparent", &traceparent)],
        ),
        (
            "another does not",
            &alone,
            &[("traceparent", PARENT), ("b3", &other)],
            &[("traceparent", &traceparent), ("b3", &b3)],
        ),
        (
            "nor what nobody can read",
            &alone,
            &[("traceparent", PARENT), ("b3", "x")],
            &[("traceparent", &traceparent)],
        ),
        (
            "nor a decision alone",
            &alone,
            &[("traceparent", PARENT), ("b3", "0")],
            &[("traceparent", &traceparent), ("b3", &b3)],
        ),
        (
            "nothing is injected",
            &nothing,
            &[("traceparent", PARENT), ("b3", &old)],
            &[("traceparent", PARENT), ("b3", &old)],
        ),
        (
            "cleared",
            &clear,
            &[("traceparent", PARENT), ("b3", &old)],
            &[("traceparent", &traceparent)],
        ),
        (
            "cleared, though malformed",
            &clear,
            &[("traceparent", PARENT), ("b3", "x"), ("b3", "y")],
            &[("traceparent", &traceparent)],
        ),
        (
            "no parent of B3 is sent",
            &preserve,
            &[("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN), ("x-b3-parentspanid", SPAN)],
            &[
                ("traceparent", &traceparent),
                ("x-b3-traceid", TRACE),
                ("x-b3-spanid", OURS),
                ("x-b3-sampled", "1"),
            ],
        ),
        (
            "debug replaces the decision",
            &preserve,
            &[
                ("x-b3-traceid", TRACE),
                ("x-b3-spanid", SPAN),
                ("x-b3-sampled", "1"),
                ("x-b3-flags", "1"),
            ],
            &[
                ("traceparent", &traceparent),
                ("x-b3-traceid", TRACE),
                ("x-b3-spanid", OURS),
                ("x-b3-flags", "1"),
            ],
        ),
    ] {
        let mut got = pass_on(propagation, came);
        let mut want: Fields = want.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        got.sort();
        want.sort();
        assert_eq!(got, want, "{why}");
    }
}

#[test]
fn other_fields_of_amazon_pass_but_for_the_hops_own() {
    let xray = all(&[Format::XRay]);
    let root = "Root=1-0af76519-16cd43dd8448eb211c80319c";
    for (why, came, want) in [
        ("lineage", format!("{root};Lineage=1:a:0;Sampled=1"), ";Lineage=1:a:0"),
        ("several", format!("A=b;{root};C=d=e"), ";A=b;C=d=e"),
        ("the load balancer's own", format!("Self=1-67891234-12456789abcdef012345678;{root}"), ""),
        ("what has no key", format!("{root};=x"), ""),
        ("what must not be written", format!("{root};A=\u{e9};B=a b;C=c"), ";C=c"),
        ("too much", format!("{root};A={};B=b", "x".repeat(600)), ";B=b"),
    ] {
        let out = pass_on(&xray, &[("x-amzn-trace-id", &came)]);
        let value = out.iter().find(|(name, _)| name == "x-amzn-trace-id").unwrap();
        assert_eq!(value.1, format!("{root};Parent={OURS};Sampled=1{want}"), "{why}");
    }
}

#[test]
fn a_users_priority_stays_where_it_says_the_same() {
    let datadog = all(&[Format::Datadog]);
    for (came, want) in [("2", "2"), ("1", "1"), ("0", "1"), ("-1", "1"), ("9", "1")] {
        let headers = [
            ("x-datadog-trace-id", "9532127138774266268"),
            ("x-datadog-parent-id", "1"),
            ("x-datadog-sampling-priority", came),
            ("x-datadog-origin", "rum"),
        ];
        let out = pass_on(&datadog, &headers);
        let value = |name: &str| out.iter().find(|(it, _)| it == name).map(|(_, it)| it.as_str());
        assert_eq!(value("x-datadog-sampling-priority"), Some(want), "{came}");
        assert_eq!(value("x-datadog-origin"), Some("rum"));
    }
}

/// What a hop that changes nothing but the parent-id sends on: `traceparent`, `tracestate`.
fn w3c(state: &[&str]) -> (String, Vec<String>) {
    let mut headers = vec![("traceparent", PARENT)];
    headers.extend(state.iter().map(|it| ("tracestate", *it)));
    let out = pass_on(&Propagation::default(), &headers);
    let values = |name: &str| -> Vec<String> {
        out.iter().filter(|(it, _)| it == name).map(|(_, value)| value.clone()).collect()
    };
    let [parent] = &values("traceparent")[..] else { panic!("one traceparent") };
    (parent.clone(), values("tracestate"))
}

#[test]
fn a_valid_tracestate_goes_on() {
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
        let (parent, list) = w3c(state);
        assert_eq!(parent, format!("00-{TRACE}-{OURS}-01"), "{why}");
        assert_eq!(list, want.into_iter().collect::<Vec<_>>(), "{why}");
    }
}

#[test]
fn a_tracestate_belongs_to_the_trace_of_its_traceparent() {
    let b3_first = all(&[Format::B3, Format::TraceContext]);
    for (why, trace, want) in [("the same trace", TRACE, true), ("another", OTHER, false)] {
        let b3 = format!("{trace}-{SPAN}-1");
        let out =
            pass_on(&b3_first, &[("traceparent", PARENT), ("tracestate", "a=1"), ("b3", &b3)]);
        assert_eq!(out.iter().any(|(name, _)| name == "tracestate"), want, "{why}");
    }
}

#[test]
fn several_parents_are_none() {
    let twice = [("traceparent", PARENT), ("traceparent", PARENT)];
    assert_eq!(extracted(&Propagation::default(), &twice), (None, Decision::Defer, 0, true));
}

fn any_outgoing() -> impl Strategy<Value = Outgoing<'static>> {
    let ids = (any::<u64>(), 1_u64.., 1_u64..);
    (ids, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |((high, low, span), sampled, debug, short)| {
            let high = if short { 0 } else { high };
            let context = SpanContext {
                trace_id: TraceId::from_halves(high, low).unwrap(),
                span_id: SpanId::from_bytes(span.to_be_bytes()).unwrap(),
                flags: TraceFlags::RANDOM.with_sampled(sampled || debug),
                tracestate: Cow::Borrowed(b"a=1"),
            };
            Outgoing { context, is_debug: debug, is_short: short }
        },
    )
}

/// Headers as they come: right, of another trace, or nonsense.
fn any_headers() -> impl Strategy<Value = Fields> {
    let good = (
        prop::sample::select(Format::ALL.to_vec()),
        prop::sample::select(vec![TRACE, OTHER, "8448eb211c80319c"]),
    )
        .prop_map(|(format, trace)| sample(format, trace));
    let bad = (
        prop::sample::select(TraceHeader::ALL.to_vec()),
        "[0-9a-f:/;=,_\\-]{0,20}|[ -~é]{0,10}|d|0|1|_dd.p.tid=x|Root=1-2;A=\u{1}",
    )
        .prop_map(|(header, value)| vec![(header.name().to_owned(), value)]);
    prop::collection::vec(prop_oneof![good, bad], 0..5)
        .prop_map(|it| it.into_iter().flatten().collect())
}

proptest! {
    /// Each format brings ids and decision to the other side, as far as it has words for them.
    #[test]
    fn what_is_written_is_read(outgoing in any_outgoing()) {
        for format in Format::ALL {
            let edits = with_fields(&[], |fields| {
                let mut edits = Edits { fields, list: Vec::new() };
                format.inject(&outgoing, &mut edits);
                edits.list
            });
            let headers = apply(&[], edits);
            let bytes = encode_headers(&borrowed(&headers));
            let fields = RequestFields::of(Headers::new(&bytes));
            prop_assert!(format.came_in(&fields.trace));
            let Some(Said::Context(read)) = format.extract(&fields.trace, Headers::new(&bytes)) else {
                return Err(TestCaseError::fail(format!("{format:?}: {headers:?}")));
            };
            prop_assert_eq!(read.trace_id, outgoing.context.trace_id);
            prop_assert_eq!(read.span_id, Some(outgoing.context.span_id));
            let has_debug = matches!(format, Format::B3 | Format::B3Multi | Format::Jaeger);
            let has_short = has_debug || format == Format::Datadog;
            let want = match (outgoing.is_debug, outgoing.context.flags.is_sampled()) {
                (true, _) if has_debug => Decision::Debug,
                (_, true) => Decision::Sample,
                (_, false) if format == Format::GrpcTraceBin => Decision::Defer,
                (_, false) => Decision::Drop,
            };
            prop_assert_eq!(read.decision, want, "{:?}", format);
            let narrow = outgoing.context.trace_id.is_narrow();
            let short = has_short && outgoing.is_short || format == Format::Datadog && narrow;
            prop_assert_eq!(read.is_short, short, "{:?}", format);
        }
    }

    /// Whatever comes in: all that goes out in formats that are read or written is one valid
    /// context, and a next hop has nothing to change in it but its own span.
    #[test]
    fn whatever_comes_in_one_context_goes_out(
        came in any_headers(), extract in prop::sample::subsequence(Format::ALL.to_vec(), 0..=8).prop_shuffle(),
        inject in prop::sample::subsequence(Format::ALL.to_vec(), 0..=8), preserve: bool, debug: bool,
    ) {
        let propagation = Propagation {
            extract, inject: inject.into_iter().collect(), preserve, ..Propagation::default()
        };
        let came = borrowed(&came);
        let bytes = encode_headers(&came);
        let fields = RequestFields::of(Headers::new(&bytes));
        let extracted = propagation.extract(&fields.trace, Headers::new(&bytes));
        let mut outgoing = outgoing(OTHER);
        if let Some(Remote { trace_id, is_short, .. }) = extracted.context {
            outgoing.context.trace_id = trace_id;
            outgoing.is_short = is_short;
        }
        outgoing.is_debug = debug;
        let edits = propagation.inject(&outgoing, &fields.trace, Headers::new(&bytes));
        for edit in &edits {
            if let Edit::Replace(name, value) = edit {
                prop_assert!(value.iter().all(|b| matches!(b, b' '..=b'~')), "{}: {:?}", name, value);
            }
        }
        let out = apply(&came, edits);
        let bytes = encode_headers(&borrowed(&out));
        let fields = RequestFields::of(Headers::new(&bytes));
        for format in Format::ALL {
            let is_ours = propagation.extract.contains(&format) || propagation.inject.has(format);
            if is_ours && format.came_in(&fields.trace) {
                let Some(Said::Context(read)) = format.extract(&fields.trace, Headers::new(&bytes)) else {
                    return Err(TestCaseError::fail(format!("{format:?}: {out:?}")));
                };
                prop_assert_eq!(read.trace_id.low(), outgoing.context.trace_id.low());
                prop_assert!(read.is_short || read.trace_id == outgoing.context.trace_id);
                prop_assert_ne!(read.decision, Decision::Drop);
            }
        }
    }
}

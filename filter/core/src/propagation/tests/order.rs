//! Which of several formats wins, and what the others add to it.

use super::*;

#[test]
fn the_first_valid_format_wins() {
    use Decision::{Debug, Drop, Sample};
    let default = Propagation::default();
    let b3_first = all(&[Format::B3, Format::TraceContext]);
    let b3 = |trace: &str, state: &str| format!("{trace}-{SPAN}-{state}");
    let w3c = || Some(format!("{TRACE}/{SPAN} sample"));
    let debug = || Some(format!("{TRACE}/{SPAN} debug"));
    for (why, propagation, headers, want) in [
        ("alone", &default, vec![("b3", b3(TRACE, "1"))], (w3c(), Sample, 0)),
        (
            "two of one trace",
            &default,
            vec![("traceparent", PARENT.into()), ("b3", b3(TRACE, "0"))],
            (w3c(), Sample, 0),
        ),
        (
            "two traces",
            &default,
            vec![("traceparent", PARENT.into()), ("b3", b3(OTHER, "0"))],
            (w3c(), Sample, 1),
        ),
        (
            "two traces, in another order",
            &b3_first,
            vec![("traceparent", PARENT.into()), ("b3", b3(OTHER, "0"))],
            (Some(format!("{OTHER}/{SPAN} drop")), Drop, 1),
        ),
        (
            "the first is malformed",
            &default,
            vec![("traceparent", "00-x".into()), ("b3", b3(TRACE, "1"))],
            (w3c(), Sample, 0),
        ),
        (
            "single before multi",
            &default,
            vec![
                ("x-b3-traceid", OTHER.into()),
                ("x-b3-spanid", SPAN.into()),
                ("b3", b3(TRACE, "1")),
            ],
            (w3c(), Sample, 1),
        ),
        (
            "debug is never lost",
            &default,
            vec![("traceparent", PARENT.into()), ("b3", b3(TRACE, "d"))],
            (debug(), Debug, 0),
        ),
        (
            "not even without ids",
            &default,
            vec![("traceparent", PARENT.into()), ("b3", "d".into())],
            (w3c(), Debug, 0),
        ),
        (
            "but of another trace it does not count",
            &default,
            vec![("traceparent", PARENT.into()), ("b3", b3(OTHER, "d"))],
            (w3c(), Sample, 1),
        ),
        ("a decision alone", &default, vec![("b3", "0".into())], (None, Drop, 0)),
        (
            "a decision of the first, ids of the second",
            &b3_first,
            vec![("traceparent", PARENT.into()), ("b3", "0".into())],
            (w3c(), Drop, 0),
        ),
        (
            "the decision that the first defers",
            &b3_first,
            vec![("traceparent", PARENT.into()), ("b3", format!("{TRACE}-{SPAN}"))],
            (w3c(), Sample, 0),
        ),
        (
            "half an id",
            &b3_first,
            vec![("traceparent", PARENT.into()), ("b3", format!("{}-{SPAN}-1", &TRACE[16..]))],
            (w3c(), Sample, 0),
        ),
        (
            "a format that is not read",
            &default,
            vec![("uber-trace-id", "x".into())],
            (None, Decision::Defer, 0),
        ),
    ] {
        let headers: Vec<_> = headers.iter().map(|(name, it)| (*name, it.as_str())).collect();
        assert_eq!(extracted(propagation, &headers), want, "{why}");
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
    assert_eq!(extracted(&Propagation::default(), &twice), (None, Decision::Defer, 0));
}

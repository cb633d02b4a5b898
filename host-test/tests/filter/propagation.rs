//! What goes upstream: exactly one valid `traceparent`, the caller's trace where it has a
//! right to go on, and no write that changes nothing.

use crate::hopspan::{
    GATEWAY, Hopspan, INBOUND, PARENT, SAMPLED, TRACE, UNSAMPLED, sampled_get, sent,
};
use host_test::{Headers, HostcallCounts};

/// What can be wrong with a trace header.
const REASONS: [&str; 7] =
    ["repeated", "too_long", "version", "zero_id", "incomplete", "tracestate", "syntax"];

/// How often the request's headers were written.
fn writes(counts: &HostcallCounts) -> u64 {
    ["replace_header_map_value", "add_header_map_value", "remove_header_map_value"]
        .map(|it| counts.of(&format!("proxy_{it}")))
        .iter()
        .sum::<u64>()
        + counts.of("proxy_set_header_map_pairs")
}

#[test]
fn a_traceparent_is_continued_only_if_the_specification_allows_it() {
    let with = |version: &str, rest: &str| format!("{version}-{TRACE}-{PARENT}-{rest}");
    let upper = TRACE.to_uppercase();
    let zero = |digits| "0".repeat(digits);
    for (why, values, want) in [
        ("sampled", vec![SAMPLED.to_owned()], Ok("01")),
        ("not sampled", vec![UNSAMPLED.to_owned()], Ok("00")),
        ("random, sampled", vec![with("00", "03")], Ok("03")),
        ("random alone", vec![with("00", "02")], Ok("02")),
        ("unknown flags are cleared", vec![with("00", "ff")], Ok("03")),
        ("a higher version", vec![with("01", "01")], Ok("01")),
        ("a higher version with more", vec![with("fe", "01-future-field")], Ok("01")),
        ("white space around it", vec![format!(" {SAMPLED}\t")], Ok("01")),
        ("version 00 with more", vec![with("00", "01-more")], Err("too_long")),
        ("a higher version, glued", vec![with("01", "01future")], Err("syntax")),
        ("version ff", vec![with("ff", "01")], Err("version")),
        ("version in upper case", vec![with("0A", "01")], Err("syntax")),
        ("upper case", vec![format!("00-{upper}-{PARENT}-01")], Err("syntax")),
        ("zero trace-id", vec![format!("00-{}-{PARENT}-01", zero(32))], Err("zero_id")),
        ("zero parent-id", vec![format!("00-{TRACE}-{}-01", zero(16))], Err("zero_id")),
        ("too short", vec![SAMPLED[..54].to_owned()], Err("syntax")),
        ("empty", vec![String::new()], Err("syntax")),
        ("two of them", vec![SAMPLED.to_owned(), SAMPLED.to_owned()], Err("repeated")),
        ("two in one", vec![format!("{SAMPLED},{SAMPLED}")], Err("too_long")),
        ("none", vec![], Err("")),
    ] {
        let continued = want.ok();
        let hopspan = Hopspan::start(INBOUND);
        let stream = hopspan.stream();
        let plain = Headers::plain_get("/cart");
        let request = values.iter().fold(plain.clone(), |it, value| it.and("traceparent", value));
        stream.request_headers(request, true);
        let out = sent(&stream);
        assert_eq!(
            stream.upstream_headers().without("traceparent"),
            plain,
            "{why}: all else stays"
        );
        let makes_span = !matches!(continued, Some("00" | "02"));
        assert_eq!(out.parent_id != PARENT, makes_span, "{why}: whose span is the parent");
        match continued {
            Some(flags) => {
                assert_eq!((out.trace_id.as_str(), out.flags.as_str()), (TRACE, flags), "{why}")
            }
            // A new trace: its id is random, and sampled by the default ratio.
            None => {
                assert_ne!(out.trace_id, TRACE, "{why}");
                assert_eq!(out.flags, "03", "{why}");
            }
        }
        stream.respond(200);
        stream.finish();
        let spans = hopspan.spans();
        let sampled = continued.is_none_or(|flags| flags.ends_with(['1', '3']));
        assert_eq!(spans.len(), usize::from(sampled), "{why}");
        for span in spans {
            assert_eq!(
                (span.trace_id(), span.span_id()),
                (out.trace_id.clone(), out.parent_id.clone()),
                "{why}"
            );
            let parent = continued.map_or("", |_| PARENT);
            assert_eq!(span.parent_id(), parent, "{why}");
        }
        for reason in REASONS {
            assert_eq!(hopspan.invalid(reason), i64::from(want == Err(reason)), "{why}: {reason}");
        }
        assert_eq!(hopspan.stat("context.continued"), i64::from(continued.is_some()), "{why}");
        assert_eq!(hopspan.stat("context.started"), i64::from(continued.is_none()), "{why}");
    }
}

#[test]
fn what_is_wrong_is_counted_by_its_reason_once_a_request() {
    let b3 = format!("{TRACE}-{PARENT}-1");
    for (why, headers, continued, reasons) in [
        ("its state", [("traceparent", SAMPLED), ("tracestate", "A=1")], true, &["tracestate"][..]),
        ("two formats in one way", [("traceparent", "x"), ("b3", "x")], false, &["syntax"]),
        (
            "each in its own",
            [("traceparent", "x"), ("x-b3-spanid", PARENT)],
            false,
            &["incomplete", "syntax"],
        ),
        ("the second is right", [("traceparent", "x"), ("b3", &b3)], true, &["syntax"]),
        ("of B3 the first counts", [("b3", &b3), ("b3", "x")], true, &["repeated"]),
    ] {
        let hopspan = Hopspan::start(INBOUND);
        let plain = Headers::plain_get("/cart");
        let request = headers.iter().fold(plain.clone(), |it, (name, value)| it.and(*name, value));
        let stream = hopspan.stream();
        stream.request_headers(request, true);
        assert_eq!(sent(&stream).trace_id == TRACE, continued, "{why}");
        let others =
            ["traceparent", "tracestate", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled"];
        let left = others.iter().fold(stream.upstream_headers(), |it, name| it.without(name));
        assert_eq!(left, plain, "{why}: all else stays");
        stream.respond(200);
        stream.finish();
        hopspan.run_for(crate::hopspan::DELAY);
        for reason in REASONS {
            let want = i64::from(reasons.contains(&reason));
            assert_eq!(hopspan.invalid(reason), want, "{why}: {reason}");
        }
    }
}

/// Every write makes the proxy match its routes again.
#[test]
fn only_what_changes_is_written() {
    for (why, states, want) in [
        ("no tracestate", &[][..], 1),
        ("one that is right", &["a=1,b=2"], 1),
        ("one with white space, which is right", &["a=1 ,\tb=2"], 1),
        ("two, to be joined", &["a=1", "b=2"], 2),
        ("a bad one, to be dropped", &["A=1"], 2),
        ("an empty one, to be dropped", &[""], 2),
    ] {
        let hopspan = Hopspan::start(INBOUND);
        let stream = hopspan.stream();
        let request = states.iter().fold(sampled_get(), |it, state| it.and("tracestate", state));
        let before = hopspan.hostcalls();
        stream.request_headers(request, true);
        let head = hopspan.hostcalls().since(&before);
        assert_eq!(writes(&head), want, "{why}: {head}");
        stream.respond(200);
        stream.finish();
        let life = hopspan.hostcalls().since(&before);
        assert_eq!(writes(&life), want, "{why}: nothing is written later");
    }
}

#[test]
fn the_response_is_not_touched() {
    let hopspan = Hopspan::start(INBOUND);
    let stream = hopspan.stream();
    stream.request_headers(sampled_get(), true);
    let headers = Headers::from([(":status", "200"), ("x-a", "1"), ("x-a", "2")]);
    stream.response_headers(&headers, false);
    stream.response_body(b"body", false);
    stream.response_trailers([("x-end", "1")]);
    stream.finish();
    assert_eq!(stream.downstream_headers(), headers);
    assert_eq!(stream.downstream_body(), b"body");
    assert_eq!(stream.downstream_trailers(), Headers::from([("x-end", "1")]));
}

/// Envoy's own tracer writes over `traceparent` after the filter.
#[test]
fn native_tracing_is_noticed_and_said_once() {
    let hopspan = Hopspan::of(crate::hopspan::builder(INBOUND).workers(2));
    for worker in [0, 1] {
        for _ in 0..30 {
            let stream = hopspan.worker(worker).stream();
            stream.request_headers(sampled_get(), true);
            let of_envoy = format!("00-{TRACE}-00000000000000ff-01");
            stream.rewrite_upstream_headers(|it| it.with("traceparent", &of_envoy));
            stream.respond(200);
            stream.finish();
        }
    }
    assert_eq!(hopspan.spans().len(), 60);
    assert_eq!(hopspan.said("tracing").len(), 1, "{:#?}", hopspan.log());
    assert_eq!(hopspan.stat("native_tracing"), 2 * 16);
    let clean = Hopspan::start(INBOUND);
    clean.requests(20);
    assert_eq!((clean.spans().len(), clean.stat("native_tracing")), (20, 0));
    assert_eq!(clean.said("overwrites").len(), 0);
}

#[test]
fn without_a_collector_the_trace_goes_on_and_nothing_is_made() {
    let hopspan = Hopspan::start("{}");
    let stream = hopspan.stream();
    stream.request_headers(sampled_get(), true);
    assert_eq!(sent(&stream).trace_id, TRACE);
    stream.respond(200);
    stream.finish();
    hopspan.run_for(crate::hopspan::DELAY * 3);
    assert_eq!(hopspan.accounts(), [0; 5]);
    assert_eq!(hopspan.callouts_made().len(), 0);
    assert_eq!(hopspan.said("nothing is exported").len(), 1);
    // Gateways too: the default does not depend on one.
    let gateway = Hopspan::start(GATEWAY);
    gateway.requests(1);
    assert_eq!(gateway.spans().len(), 2);
}

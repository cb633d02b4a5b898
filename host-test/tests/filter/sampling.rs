//! Which new traces are kept, and what the next hop is told of the probability.

use crate::hopspan::{DELAY, Hopspan, PARENT, TRACE, sampled_get, sent};
use host_test::{Headers, HostcallCounts, Stream};
use std::ops::RangeInclusive;

/// An inbound listener that samples so.
fn sampling(settings: &str) -> String {
    format!(
        r#"{{"direction":"inbound","collector":{{"cluster":"otel"}},"sampling":{{{settings}}}}}"#
    )
}

fn is_sampled(stream: &Stream) -> bool {
    sent(stream).flags.ends_with(['1', '3'])
}

/// Sub-keys of a list's `ot` member as numbers: `th` and `rv`, by a reader of their own.
///
/// Spec: <https://opentelemetry.io/docs/specs/otel/trace/tracestate-handling/>
fn consistent(list: &str) -> (Option<u64>, Option<u64>) {
    let member = list.split(',').find_map(|it| it.trim().strip_prefix("ot="));
    let number = |key: &str| {
        let value = member?.split(';').find_map(|it| it.strip_prefix(key))?;
        assert!((1..=14).contains(&value.len()), "{list:?}");
        assert!(value.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f')), "{list:?}");
        Some(u64::from_str_radix(&format!("{value:0<14}"), 16).unwrap())
    };
    (number("th:"), number("rv:"))
}

/// The randomness of a trace-id: its last 56 bits.
fn randomness(trace_id: &str) -> u64 {
    u64::from_str_radix(&trace_id[18..], 16).unwrap()
}

/// How often the request's headers were written.
fn writes(counts: &HostcallCounts) -> u64 {
    let edits = ["replace", "add", "remove"].map(|it| format!("proxy_{it}_header_map_value"));
    edits.iter().map(|it| counts.about(it, "request_headers")).sum()
}

#[test]
fn the_first_rule_that_a_request_fits_wins_over_the_ratio() {
    let rules = r#""ratio":0,"rules":[
        {"match":{"path":"/pay*","method":["POST","PUT"]},"ratio":1},
        {"match":{"path":"/pay/health"},"ratio":0},
        {"match":{"host":"*.example.com","header":{"x-tier":"gold"}},"ratio":1},
        {"match":{"route":"checkout"},"ratio":1}]"#;
    let get = Headers::plain_get;
    for (why, request, route, want) in [
        ("no rule", get("/cart"), "other", false),
        ("all of the first", get("/pay/1").with(":method", "PUT"), "other", true),
        ("the query is no path", get("/?/pay").with(":method", "PUT"), "other", false),
        ("half of the first", get("/pay/1"), "other", false),
        ("methods have a case", get("/pay/1").with(":method", "put"), "other", false),
        ("a later rule for nothing", get("/pay/health"), "checkout", false),
        ("an earlier rule", get("/pay/health").with(":method", "POST"), "other", true),
        ("host and header", get("/").with("x-tier", "gold"), "other", true),
        ("another value", get("/").with("x-tier", "golden"), "other", false),
        ("the route's name", get("/"), "checkout", true),
    ] {
        let hopspan = Hopspan::start(&sampling(rules));
        let stream = hopspan.stream();
        stream.set_property("xds.route_name", route);
        stream.request_headers(request, true);
        assert_eq!(is_sampled(&stream), want, "{why}");
        stream.respond(200);
        stream.finish();
        assert_eq!(hopspan.spans().len(), usize::from(want), "{why}");
    }
}

/// What is told must let a reader count: each kept trace stands for 1 / (1 - threshold).
#[test]
fn a_ratio_is_told_by_a_threshold_that_counts_right() {
    const TRACES: u32 = 4000;
    for (ratio, likely) in [(0.1, 305..=495), (0.5, 1842..=2158)] as [(f64, RangeInclusive<_>); 2] {
        let hopspan = Hopspan::start(&sampling(&format!(r#""ratio":{ratio}"#)));
        let (mut kept, mut counted) = (0, 0.0);
        for _ in 0..TRACES {
            let stream = hopspan.stream();
            let before = hopspan.hostcalls();
            stream.request_headers(Headers::plain_get("/"), true);
            let writes = writes(&hopspan.hostcalls().since(&before));
            let state = stream.upstream_headers().text("tracestate").map(str::to_owned);
            let state = state.unwrap_or_default();
            let (threshold, dice) = consistent(&state);
            assert_eq!(dice, None, "the trace-id is random enough");
            if is_sampled(&stream) {
                let threshold = threshold.expect("a threshold is told");
                let share = 1.0 - threshold as f64 / (1_u64 << 56) as f64;
                assert!((share - ratio).abs() < ratio / 1000.0, "{share} is not {ratio}");
                assert!(randomness(&sent(&stream).trace_id) >= threshold, "{state}");
                assert_eq!(writes, 2);
                (kept, counted) = (kept + 1, counted + 1.0 / share);
            } else {
                assert_eq!((state.as_str(), writes), ("", 1), "nothing to say of what is not kept");
            }
            stream.respond(200);
            stream.finish();
        }
        // Four standard deviations and more.
        assert!(likely.contains(&kept), "{kept} of {TRACES} at {ratio}");
        let error = 5.0 * (f64::from(TRACES) * (1.0 - ratio) / ratio).sqrt();
        assert!((counted - f64::from(TRACES)).abs() < error, "{counted} of {TRACES}");
        let spans = hopspan.spans();
        assert_eq!(spans.len(), kept as usize);
        for it in spans {
            assert!(consistent(&it.span.trace_state).0.is_some(), "{:?}", it.span.trace_state);
            assert_eq!(it.text("hopspan.sampling.reason"), None, "a probability says it all");
        }
    }
}

#[test]
fn a_ratio_of_one_is_worth_no_second_write() {
    for settings in [r#""ratio":1"#, "", r#""rules":[{"match":{},"ratio":1}],"ratio":0"#] {
        let hopspan = Hopspan::start(&sampling(settings));
        let stream = hopspan.stream();
        let before = hopspan.hostcalls();
        stream.request_headers(Headers::plain_get("/"), true);
        assert_eq!(writes(&hopspan.hostcalls().since(&before)), 1, "{settings}");
        assert_eq!(stream.upstream_headers().value("tracestate"), None, "{settings}");
        stream.respond(200);
        stream.finish();
        assert_eq!(hopspan.span().span.trace_state, "", "{settings}");
    }
}

/// A trusted caller's probability goes on where its decision does, and only there.
#[test]
fn what_a_caller_told_of_its_probability_follows_its_decision() {
    let config = sampling(
        r#""force":{"header":"x-force"},"ratio":0.5,"keep":{"errors":true},
        "rules":[{"match":{"path":"/all"},"ratio":1}]"#,
    );
    let random = "ffffffffffffff";
    let get = || Headers::plain_get("/");
    let parent = |flags: &str| format!("00-{TRACE}-{PARENT}-{flags}");
    let ours = format!("ot=th:8;rv:{random},a=1");
    let (force, probe) = (("x-force", ""), ("user-agent", "kube-probe/1.31"));
    let none = ("x-other", "");
    for (why, flags, (name, value), state, want) in [
        ("sampled", "01", none, ours.as_str(), Some(ours.as_str())),
        ("its dice are the trace's", "01", none, "ot=th:8", None),
        ("dice alone", "01", none, "ot=rv:00000000000000", Some("ot=rv:00000000000000")),
        ("not sampled, which contradicts", "00", none, &ours, Some("ot=rv:ffffffffffffff,a=1")),
        (
            "not sampled",
            "00",
            none,
            "ot=th:f;rv:01000000000000;x:1",
            Some("ot=th:f;rv:01000000000000;x:1"),
        ),
        ("forced", "01", force, &ours, Some("ot=rv:ffffffffffffff,a=1")),
        ("forced, nothing else in it", "00", force, "ot=th:8,a=1", Some("a=1")),
        ("a health check", "01", probe, &ours, Some("ot=rv:ffffffffffffff,a=1")),
        (
            "not of the grammar",
            "01",
            none,
            "ot=th:xyz;rv:ffffffffffffff",
            Some("ot=rv:ffffffffffffff"),
        ),
    ] {
        let hopspan = Hopspan::start(&config);
        let stream = hopspan.stream();
        let request = get().with("traceparent", parent(flags)).with("tracestate", state);
        let before = hopspan.hostcalls();
        stream.request_headers(request.with(name, value), true);
        let writes = writes(&hopspan.hostcalls().since(&before));
        let headers = stream.upstream_headers();
        assert_eq!(headers.text("tracestate"), want, "{why}");
        assert_eq!(writes, 1 + u64::from(want != Some(state)), "{why}: no write without a change");
        stream.respond(200);
        stream.finish();
        for span in hopspan.spans() {
            assert_eq!(Some(span.span.trace_state.as_str()).filter(|it| !it.is_empty()), want);
        }
    }
}

/// Who chose the trace-id, and its dice, must not choose what is recorded.
#[test]
fn strangers_dice_are_not_rolled() {
    let config = r#"{"direction":"gateway","collector":{"cluster":"otel"},
        "sampling":{"ratio":0.1},"spans":{"kind":"server"}}"#;
    let hopspan = Hopspan::start(config);
    let lucky = format!("00-{}-{PARENT}-01", "f".repeat(32));
    let mut kept = 0;
    for _ in 0..2000 {
        let stream = hopspan.stream();
        let state = "ot=th:0;rv:ffffffffffffff,a=1";
        let request = sampled_get().with("traceparent", &lucky).with("tracestate", state);
        stream.request_headers(request, true);
        let state = stream.upstream_headers().text("tracestate").map(str::to_owned);
        let state = state.expect("the rest of it goes on");
        assert!(state.ends_with("a=1"), "{state}");
        match consistent(&state) {
            (Some(threshold), Some(dice)) => {
                assert!(dice >= threshold && dice != (1 << 56) - 1, "{state}");
                assert!(is_sampled(&stream));
                kept += 1;
            }
            told => assert_eq!((told, is_sampled(&stream)), ((None, None), false), "{state}"),
        }
        stream.respond(200);
        stream.finish();
    }
    // 200 ± 4.5 standard deviations of 13.4
    assert!((140..=260).contains(&kept), "{kept} of 2000");
    hopspan.run_for(DELAY);
    assert_eq!(hopspan.accounts()[0], kept);
    assert_eq!(hopspan.stat("sampling.sampled"), kept);
}

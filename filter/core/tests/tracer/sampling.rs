//! Who decides whether a trace is recorded, and what the next hop hears of it.

use super::*;

const COLLECTOR: &str = r#""collector":{"cluster":"c"}"#;

/// A hop on an inbound listener, with these members of its configuration.
fn trusting(members: &str) -> Tracer {
    tracer(&format!(r#"{{"direction":"inbound",{COLLECTOR},{members}}}"#))
}

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{PARENT}-{flags}")
}

/// The reasons that all exported spans give.
fn reasons(tracer: &mut Tracer) -> Vec<String> {
    let all = exported(tracer);
    let all = all.iter().flat_map(attributes);
    all.filter_map(|it| it.strip_prefix("hopspan.sampling.reason=").map(str::to_owned)).collect()
}

#[test]
fn the_first_rule_that_fits_has_its_share() {
    let mut tracer = trusting(
        r#""sampling":{"ratio":0,"rules":[
            {"match":{"path":"/cart*","method":"POST"},"ratio":0},
            {"match":{"path":"/cart*"},"ratio":1},
            {"match":{"path":"/cart"},"ratio":0}]}"#,
    );
    for (why, more, want) in [
        ("the second", &[][..], "03"),
        ("the first", &[(":method", "POST")], "02"),
        ("none, so the ratio", &[(":path", "/health")], "02"),
    ] {
        let started = exchange(&mut tracer, more, Scripted::answered("200"));
        assert_eq!(sent(&started).2, want, "{why}");
    }
}

#[test]
fn only_a_trusted_caller_can_force_a_trace() {
    let force = r#""sampling":{"ratio":0,"force":{"header":"X-Force","value":"yes"}},"trust":"#;
    let parent = traceparent("00");
    for (why, trust, headers, want, edits) in [
        ("forced", "continue", &[("x-force", "yes")][..], "03", 1),
        (
            "against its own decision",
            "continue",
            &[("x-force", "yes"), ("traceparent", &parent)],
            "01",
            1,
        ),
        ("another value", "continue", &[("x-force", "no")], "02", 1),
        ("a stranger", "ignore_sampling", &[("x-force", "yes")], "02", 2),
    ] {
        let mut tracer = trusting(&format!(r#"{force}{{"default":"{trust}"}}"#));
        let started = exchange(&mut tracer, headers, Scripted::answered("200"));
        assert_eq!(sent(&started).2, want, "{why}");
        assert_eq!(started.edits.len(), edits, "{why}: {:?}", written(&started));
        let forced = want.ends_with(['1', '3']);
        assert_eq!(reasons(&mut tracer), vec!["force"; usize::from(forced)], "{why}");
        assert_eq!(tracer.stats.get(Stat::SamplingForced), i64::from(forced), "{why}");
        let stranger = trust != "continue";
        assert_eq!(tracer.stats.get(Stat::UntrustedForce), i64::from(stranger), "{why}");
        assert_eq!(tracer.stats.get(Stat::UntrustedContext), 0, "{why}: it sent none");
        let removed = started.edits.contains(&Edit::RemoveChosen("x-force".into()));
        assert_eq!(removed, stranger, "{why}");
    }
}

#[test]
fn a_header_may_force_whatever_its_value() {
    let mut tracer = trusting(r#""sampling":{"ratio":0,"force":{"header":"x-force"}}"#);
    let started = exchange(&mut tracer, &[("x-force", "")], Scripted::answered("200"));
    assert_eq!(sent(&started).2, "03");
}

#[test]
fn health_checks_of_trusted_callers_are_left_out() {
    let probe = ("user-agent", "kube-probe/1.30");
    let parent = traceparent("01");
    let forced = r#""sampling":{"force":{"header":"x-force"}},"trust":{"default":"continue"}"#;
    for (why, members, headers, want) in [
        ("a probe", forced, &[probe][..], "02"),
        ("its context goes on", forced, &[probe, ("traceparent", &parent)], "00"),
        ("someone wants to see one", forced, &[probe, ("x-force", "1")], "03"),
        ("a stranger's", r#""trust":{"default":"ignore_sampling"}"#, &[probe], "03"),
        ("all are wanted", r#""sampling":{"skip_health_checks":false}"#, &[probe], "03"),
    ] {
        let started = exchange(&mut trusting(members), headers, Scripted::answered("200"));
        assert_eq!(sent(&started).2, want, "{why}");
    }
}

#[test]
fn the_process_keeps_no_more_than_its_limit() {
    let mut tracer = trusting(r#""sampling":{"max_per_second":10,"min_per_minute":3}"#);
    let mut host = Scripted::answered("200").with(Fact::RouteName, b"cart");
    let mut sampled = 0;
    for _ in 0..100 {
        let started = start(&mut tracer, &[], &mut host);
        let span = started.span.unwrap();
        sampled += usize::from(span.flags.is_sampled());
        tracer.finish(span, &mut host, || at(1));
    }
    let limited = usize::try_from(tracer.stats.get(Stat::SamplingLimited)).unwrap();
    assert_eq!(sampled + limited, 100);
    let (limit, floor) = ("max_per_second", "min_per_minute");
    assert_eq!(reasons(&mut tracer), [limit, limit, floor], "in one moment");
}

#[test]
fn each_route_has_some_traces_a_minute_whatever_the_ratio() {
    let mut tracer = trusting(r#""sampling":{"ratio":0,"min_per_minute":2}"#);
    let mut kept = Vec::new();
    for route in ["cart", "cart", "shop", "cart", "shop", "shop"] {
        let mut host = Scripted::answered("200").with(Fact::RouteName, route.as_bytes());
        let started = start(&mut tracer, &[], &mut host);
        let span = started.span.unwrap();
        if span.flags.is_sampled() {
            kept.push(route);
        }
        tracer.finish(span, &mut host, || at(1));
    }
    assert_eq!(kept, ["cart", "cart", "shop", "shop"]);
    assert!(reasons(&mut tracer).iter().all(|it| it == "min_per_minute"));
}

#[test]
fn a_route_may_have_a_share_of_its_own_or_no_traces_at_all() {
    let members = r#""routes":{"metadata":true},"sampling":{"ratio":0,"rules":[{"ratio":0}]}"#;
    let ratio =
        |it: f64| Scripted::answered("200").with(Fact::RouteSamplingRatio, &it.to_le_bytes());
    let mut tracer = trusting(members);
    let started = exchange(&mut tracer, &[], ratio(1.0));
    assert_eq!(sent(&started).2, "03");
    let started = exchange(&mut tracer, &[], ratio(7.0));
    assert_eq!(sent(&started).2, "02", "7 is no share");
    let off = || Scripted::answered("200").with(Fact::RouteDisabled, &[1]);
    let mut started = start(&mut tracer, &[], &mut off());
    assert_eq!(written(&started), [""; 0], "no trace begins");
    let parent = traceparent("01");
    let member = format!("hopspan={PARENT};shop,a=1");
    started = start(&mut tracer, &[("traceparent", &parent), ("tracestate", &member)], &mut off());
    assert_eq!(written(&started), ["tracestate: a=1"], "the caller's goes on, but who it was");
    assert!(!tracer.finish(started.span.unwrap(), &mut off(), || at(1)));
    let mut stranger = tracer_of_strangers(members);
    started = start(&mut stranger, &[("traceparent", &parent)], &mut off());
    assert_eq!(sent(&started).2, "00", "its flag does not");
}

fn tracer_of_strangers(members: &str) -> Tracer {
    tracer(&format!(r#"{{"direction":"gateway",{COLLECTOR},{members}}}"#))
}

/// `tracestate` as it goes on; `None` where it is left alone.
fn state(started: &Started) -> Option<String> {
    written(started).iter().find_map(|it| it.strip_prefix("tracestate: ").map(str::to_owned))
}

#[test]
fn the_next_hop_hears_how_probable_a_trace_was() {
    let half = r#""sampling":{"ratio":0.5}"#;
    // The last 56 bits of this trace-id are above one half, those of TRACE are below.
    let high = "0af7651916cd43dd84ff0000000000ff";
    let deferred = |trace: &str| format!("{trace}-{PARENT}");
    let mut tracer = trusting(half);
    let started = start(&mut tracer, &[("b3", &deferred(high))], &mut Scripted::default());
    assert_eq!(state(&started).as_deref(), Some("ot=th:8"));
    let started = start(&mut tracer, &[("b3", &deferred(TRACE))], &mut Scripted::default());
    assert_eq!(state(&started), None, "what is dropped has no threshold");
    let started = start(&mut trusting(r#""sampling":{"ratio":1}"#), &[], &mut Scripted::default());
    assert_eq!(written(&started).len(), 1, "th:0 is not worth a write");
}

#[test]
fn a_callers_probability_counts_as_far_as_it_is_trusted() {
    let stranger = r#""trust":{"default":"ignore_sampling"},"sampling":{"ratio":1}"#;
    let forced = r#""sampling":{"force":{"header":"x-force"}}"#;
    let rv = "rv:ffffffffffffff";
    let both = format!("ot=th:8;{rv},a=1");
    for (why, members, more, want) in [
        ("a trusted caller's goes on", forced, &[][..], None),
        ("a stranger's does not", stranger, &[], Some("a=1".to_owned())),
        ("force is no probability", forced, &[("x-force", "1")], Some(format!("ot={rv},a=1"))),
    ] {
        let parent = traceparent("03");
        let headers = [&[("traceparent", &parent[..]), ("tracestate", &both[..])], more].concat();
        let started = start(&mut trusting(members), &headers, &mut Scripted::default());
        assert_eq!(state(&started), want, "{why}");
    }
}

#[test]
fn calls_without_context_are_counted_for_the_service_that_makes_them() {
    let parent = traceparent("01");
    for (why, direction, headers, want) in [
        ("passes nothing on", "outbound", &[][..], (1, 0)),
        ("passes it on", "outbound", &[("traceparent", &parent[..])], (0, 1)),
        ("passes a decision on", "outbound", &[("b3", "0")], (0, 1)),
        ("comes from outside", "inbound", &[], (0, 0)),
        ("comes to a gateway", "gateway", &[], (0, 0)),
    ] {
        let mut tracer = tracer(&format!(r#"{{"direction":"{direction}"}}"#));
        start(&mut tracer, headers, &mut Scripted::default());
        let counted = [Stat::ContextMissing, Stat::ContextPresent].map(|it| tracer.stats.get(it));
        assert_eq!((counted[0], counted[1]), want, "{why}");
    }
}

#[test]
fn a_recorded_request_asks_for_its_direction_at_its_end_alone() {
    let mut tracer = tracer(r#"{"collector":{"cluster":"c"}}"#);
    let mut stream = Scripted::answered("200").with(Fact::ListenerDirection, &2_i64.to_le_bytes());
    let span = start(&mut tracer, &[], &mut stream).span.unwrap();
    assert_eq!(stream.asked, []);
    assert_eq!(tracer.stats.get(Stat::ContextMissing), 0);
    tracer.finish(span, &mut stream, || at(52));
    assert!(stream.asked.contains(&Fact::ListenerDirection));
    assert_eq!(tracer.stats.get(Stat::ContextMissing), 1);
    let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
    assert_eq!(span.kind(), otlp_types::span::SpanKind::Client);
}

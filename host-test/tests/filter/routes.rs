//! What a proxy's routes say of themselves, and requests that only ask whether one is alive.

use crate::hopspan::{DELAY, GATEWAY, Hopspan, INBOUND, PARENT, SAMPLED, TRACE, UNSAMPLED, sent};
use host_test::{Headers, Stream, Value};

/// An inbound listener whose routes may say something.
const METADATA: &str = r#"{"direction":"inbound","collector":{"cluster":"otel"},
    "routes":{"metadata":true},"sampling":{"ratio":0,"keep":{"errors":true},
        "rules":[{"match":{"path":"/rule"},"ratio":1}]}}"#;
const DISABLED: &str = "xds.route_metadata.filter_metadata.hopspan.disabled";
const RATIO: &str = "xds.route_metadata.filter_metadata.hopspan.sampling_ratio";

fn is_sampled(stream: &Stream) -> bool {
    sent(stream).flags.ends_with(['1', '3'])
}

#[test]
fn a_disabled_route_is_passed_through_untouched() {
    let b3 = format!("{TRACE}-{PARENT}-d");
    let get = || Headers::plain_get("/rule");
    for (why, request) in [
        ("no context", get()),
        ("a sampled one", get().with("traceparent", SAMPLED).with("tracestate", "a=1 , ot=th:8")),
        ("one that is not", get().with("traceparent", UNSAMPLED)),
        ("other formats, in conflict", get().with("traceparent", SAMPLED).with("b3", "0")),
        ("debug", get().with("b3", &b3)),
        ("one that is broken", get().with("traceparent", "x").with("tracestate", "A=")),
        ("several", get().and("traceparent", SAMPLED).and("traceparent", UNSAMPLED)),
    ] {
        let hopspan = Hopspan::start(METADATA);
        let stream = hopspan.stream();
        stream.set_property(DISABLED, true);
        let before = hopspan.hostcalls();
        stream.request_headers(&request, true);
        stream.respond(503);
        stream.finish();
        let calls = hopspan.hostcalls().since(&before);
        assert_eq!(stream.upstream_headers(), request, "{why}");
        assert_eq!(calls.of("proxy_replace_header_map_value"), 0, "{why}");
        assert_eq!(hopspan.spans().len(), 0, "{why}");
        assert_eq!(hopspan.stat("native_tracing"), 0, "{why}");
        assert_eq!(hopspan.stat("context.started"), 0, "{why}: no trace begins");
    }
}

/// Who calls is for hopspan alone.
#[test]
fn a_disabled_route_does_not_hear_who_calls() {
    for (rest, want) in [("", None), (",a=1", Some("a=1"))] {
        let hopspan = Hopspan::start(METADATA);
        let stream = hopspan.stream();
        stream.set_property(DISABLED, true);
        let state = format!("hopspan={PARENT};shop{rest}");
        let request = Headers::plain_get("/").with("traceparent", UNSAMPLED);
        stream.request_headers(request.with("tracestate", state), true);
        assert_eq!(stream.upstream_headers().text("tracestate"), want);
        assert_eq!(stream.upstream_headers().text("traceparent"), Some(UNSAMPLED));
        stream.finish();
    }
}

#[test]
fn strangers_gain_nothing_by_a_disabled_route() {
    let config = r#"{"direction":"gateway","collector":{"cluster":"otel"},"metrics":{"to":[]},
        "routes":{"metadata":true},"sampling":{"force":{"header":"x-force"}},
        "explain":{"header":"x-why"}}"#;
    let hopspan = Hopspan::start(config);
    let stream = hopspan.stream();
    stream.set_property(DISABLED, true);
    let b3 = format!("{TRACE}-{PARENT}-d");
    let request = Headers::plain_get("/").with("b3", b3).with("x-force", "").with("x-why", "");
    let state = format!("hopspan={PARENT};evil,ot=th:8");
    let request = request.with("traceparent", SAMPLED).with("tracestate", state);
    stream.request_headers(request, true);
    let out = stream.upstream_headers();
    assert!(!is_sampled(&stream), "{out:?}");
    for name in ["x-force", "x-why", "tracestate"] {
        assert_eq!(out.value(name), None, "{name}");
    }
    assert!(out.text("b3").is_none_or(|it| it.ends_with("-0")), "{out:?}");
    stream.respond(200);
    stream.finish();
    assert_eq!((hopspan.spans().len(), stream.downstream_headers().len()), (0, 3));
}

#[test]
fn a_routes_ratio_wins_over_rules_and_nobodys_decision() {
    let number = |it: f64| Some(Value::Double(it));
    for (why, path, traceparent, ratio, want) in [
        ("no word: the ratio", "/", None, None, false),
        ("no word: the rule", "/rule", None, None, true),
        ("all", "/", None, number(1.0), true),
        ("none", "/rule", None, number(0.0), false),
        ("more than all is no share", "/rule", None, number(1.5), true),
        ("nor is less than none", "/rule", None, number(-1.0), true),
        ("nor what is no number", "/rule", None, number(f64::NAN), true),
        // A number with a fraction, in YAML, is text to Envoy.
        ("all, as text", "/", None, Some("1.0".into()), true),
        ("as text of eight bytes", "/", None, Some("1.000000".into()), true),
        ("none, as text", "/rule", None, Some("0.0".into()), false),
        ("other text is no share", "/", None, Some("all".into()), false),
        ("nor truth", "/", None, Some(Value::Bool(true)), false),
        ("a trusted caller's yes", "/", Some(SAMPLED), number(0.0), true),
        ("a trusted caller's no", "/", Some(UNSAMPLED), number(1.0), false),
    ] {
        let hopspan = Hopspan::start(METADATA);
        let stream = hopspan.stream();
        stream.set_property(DISABLED, false);
        if let Some(ratio) = ratio {
            stream.set_property(RATIO, ratio);
        }
        let request = Headers::plain_get(path);
        let request = match traceparent {
            Some(value) => request.with("traceparent", value),
            None => request,
        };
        stream.request_headers(request, true);
        assert_eq!(is_sampled(&stream), want, "{why}");
        stream.finish();
    }
}

#[test]
fn only_true_disables() {
    for (why, value) in [
        ("false", Value::Bool(false)),
        ("a number", Value::Double(1.0)),
        ("text", "true".into()),
        ("no text", "".into()),
        ("what cannot be told", Value::Unserialisable),
    ] {
        let hopspan = Hopspan::start(METADATA);
        let stream = hopspan.stream();
        stream.set_property(DISABLED, value);
        stream.request_headers(Headers::plain_get("/rule"), true);
        assert!(is_sampled(&stream), "{why}");
        stream.finish();
    }
}

/// A host call each, so only where it was asked for.
#[test]
fn metadata_is_read_where_it_is_on_and_counts() {
    let asked = |config: &str, request: Headers| {
        let hopspan = Hopspan::start(config);
        let stream = hopspan.stream();
        stream.set_property(DISABLED, false);
        stream.set_property(RATIO, 0.0);
        stream.request_headers(request, true);
        stream.respond(200);
        stream.finish();
        let calls = hopspan.hostcalls();
        let of = |path| calls.about("proxy_get_property", path);
        (of(DISABLED), of(RATIO))
    };
    let get = || Headers::plain_get("/rule");
    assert_eq!(asked(INBOUND, get()), (0, 0), "off");
    assert_eq!(asked(METADATA, get()), (1, 1), "a new trace");
    assert_eq!(asked(METADATA, get().with("traceparent", SAMPLED)), (1, 0), "decided already");
}

#[test]
fn health_checks_of_trusted_callers_are_not_sampled_and_the_trace_goes_on() {
    let counted = INBOUND.replace("}}", r#"},"sampling":{"skip_health_checks":false}}"#);
    let get = |agent: &str| Headers::plain_get("/healthz").with("user-agent", agent);
    let traced = |agent: &str| get(agent).with("traceparent", SAMPLED);
    let grpc = |path: &str| Headers::grpc(path);
    let stranger = GATEWAY.replace(r#""continue""#, r#""ignore_sampling""#);
    for (why, config, request, want) in [
        ("a kubelet's", INBOUND, get("kube-probe/1.31"), false),
        ("whose trace was sampled", INBOUND, traced("kube-probe/1.31"), false),
        ("another proxy's", INBOUND, traced("Envoy/HC"), false),
        ("a balancer's", INBOUND, get("ELB-HealthChecker/2.0"), false),
        ("gRPC's own", INBOUND, grpc("/grpc.health.v1.Health/Check"), false),
        ("anybody's path", INBOUND, get("curl/8.5.0"), true),
        ("not quite one", INBOUND, get("x-kube-probe/1.31"), true),
        ("another call", INBOUND, grpc("/grpc.health.v1.Health/Other"), true),
        ("they are wanted", &counted, traced("kube-probe/1.31"), true),
        ("on a gateway that trusts", GATEWAY, get("GoogleHC/1.0"), false),
        ("a stranger says so", &stranger, get("GoogleHC/1.0"), true),
    ] {
        let hopspan = Hopspan::start(config);
        let stream = hopspan.stream();
        stream.request_headers(&request, true);
        assert_eq!(is_sampled(&stream), want, "{why}");
        let goes_on = sent(&stream).trace_id == TRACE;
        assert_eq!(goes_on, request.value("traceparent").is_some(), "{why}");
        stream.respond(200);
        stream.finish();
        assert_eq!(!hopspan.spans().is_empty(), want, "{why}");
        hopspan.run_for(DELAY);
        assert_eq!(hopspan.stat("sampling.dropped"), i64::from(!want), "{why}");
    }
}

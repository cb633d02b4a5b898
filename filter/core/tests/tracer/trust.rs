//! Rules of trust, and third parties, from a request's headers to its spans.

use super::*;

/// The third party of these tests.
const PARTNER: &str = r#"{"hosts":["shop.example"]}"#;

fn outbound(strip_on_egress: &str) -> Tracer {
    tracer(&format!(
        r#"{{"direction":"outbound","collector":{{"cluster":"otel"}},
            "propagation":{{"extract":["tracecontext","b3"],"inject":["tracecontext","b3","preserve"]}},
            "trust":{{"strip_on_egress":{strip_on_egress}}}}}"#
    ))
}

#[test]
fn rules_decide_before_the_default_does() {
    let document = r#"{"direction":"outbound","collector":{"cluster":"otel"},"trust":{
        "default":"ignore_sampling","rules":[
            {"match":{"peer":"spiffe://mesh/*"},"action":"continue"},
            {"match":{"source":["10.0.0.0/8"]},"action":"restart"}]}}"#;
    for (why, san, client, same, flags, untrusted) in [
        ("the mesh is trusted", "spiffe://mesh/a", "10.0.0.7:1", true, "00", 0),
        ("a neighbour is not", "spiffe://other/a", "10.0.0.7:1", false, "03", 1),
        ("nor is all the world", "spiffe://other/a", "11.0.0.7:1", true, "01", 1),
    ] {
        let mut tracer = tracer(document);
        let stream = Scripted::answered("200")
            .with(Fact::MutualTls, &[1])
            .with(Fact::PeerUriSan, san.as_bytes())
            .with(Fact::ClientAddress, client.as_bytes());
        let traceparent = format!("00-{TRACE}-{PARENT}-00");
        let started = exchange(&mut tracer, &[("traceparent", &traceparent)], stream);
        let (trace, _, sampled) = sent_on(&traceparent, &started);
        assert_eq!((trace == TRACE, &sampled[..]), (same, flags), "{why}");
        assert_eq!(tracer.stats.get(Stat::UntrustedContext), untrusted, "{why}");
        let spans = exported(&mut tracer);
        let links: usize = spans.iter().map(|it| it.links.len()).sum();
        assert_eq!(links, usize::from(!same), "{why}");
    }
}

#[test]
fn a_third_party_gets_no_trace_header_at_all() {
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let headers = [
        ("traceparent", &traceparent[..]),
        ("tracestate", "a=1"),
        ("b3", "malformed"),
        ("x-b3-sampled", "1"),
        ("x-datadog-origin", "rum"),
        ("x-amzn-trace-id", "Root=1"),
        ("baggage", "user=7"),
        ("x-request-id", "1"),
    ];
    let mut tracer = outbound(PARTNER);
    let mut started = exchange(&mut tracer, &headers, Scripted::answered("200"));
    assert_eq!(
        written(&started),
        [
            "-traceparent",
            "-tracestate",
            "-b3",
            "-x-b3-sampled",
            "-x-amzn-trace-id",
            "-x-datadog-origin",
            "-baggage",
        ]
    );
    let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
    assert_eq!(hopspan_core::id::hex::<16>(TRACE.as_bytes()).unwrap(), &span.trace_id[..]);
    assert_eq!(hopspan_core::id::hex::<8>(PARENT.as_bytes()).unwrap(), &span.parent_span_id[..]);
    tracer = outbound(PARTNER);
    started = exchange(&mut tracer, &[], Scripted::answered("200"));
    assert_eq!(written(&started), [""; 0], "nothing to take away, and nothing is added");
    assert_eq!(exported(&mut tracer).len(), 1);
    started = exchange(&mut tracer, &[(":authority", "cart")], Scripted::answered("200"));
    assert_eq!(sent(&started).2, "03", "others get theirs");
}

#[test]
fn a_cluster_is_asked_only_where_it_makes_a_third_party() {
    let asked = |strip: &str| {
        let mut tracer = outbound(strip);
        let mut stream = Scripted::answered("200");
        let started = start(&mut tracer, &[("baggage", "a=b")], &mut stream);
        (stream.asked, written(&started) == ["-baggage"])
    };
    assert_eq!(asked("{}"), (vec![], false));
    assert_eq!(asked(PARTNER), (vec![], true));
    assert_eq!(asked(r#"{"clusters":"shop"}"#), (vec![Fact::Cluster], true));
}

#[test]
fn a_stripped_request_shows_no_native_tracing() {
    let foreign = format!("00-{TRACE}-{PARENT}-01").into_bytes();
    for (why, strip, want) in [("stripped", PARTNER, 0), ("not stripped", "{}", 1)] {
        let mut tracer = outbound(strip);
        let stream = Scripted { traceparent: Some(foreign.clone()), ..Scripted::answered("200") };
        exchange(&mut tracer, &[], stream);
        assert_eq!(tracer.stats.get(Stat::NativeTracing), want, "{why}");
    }
}

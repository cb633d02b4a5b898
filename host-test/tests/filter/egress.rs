//! `trust.strip_on_egress`: third parties get no trace header, and hopspan still sees the call.

use crate::hopspan::{Hopspan, PARENT, SAMPLED, TRACE, builder};
use host_test::Headers;

const CONFIG: &str = r#"{"direction":"outbound","collector":{"cluster":"otel"},
    "propagation":{"extract":["tracecontext","b3","b3multi","xray"],
        "inject":["tracecontext","b3multi","jaeger","preserve"]},
    "trust":{"strip_on_egress":{"clusters":["outbound|443||*.pay.example","ads"],
        "hosts":["*.partner.example","localhost:8443"]}},
    "sampling":{"keep":{"errors":true},"force":{"header":"x-force"}},
    "metrics":{"announce_caller":"always"},"explain":{"header":"x-why"}}"#;

/// Every header by which the known formats speak, with something in it.
///
/// W3C Trace Context and Baggage, B3, gRPC's binary one of OpenCensus, Jaeger, X-Ray, Datadog,
/// Google Cloud.
const TRACE_HEADERS: [(&str, &str); 18] = [
    ("traceparent", SAMPLED),
    ("tracestate", "a=1,ot=th:8"),
    ("baggage", "user=7"),
    ("b3", "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1"),
    ("x-b3-traceid", TRACE),
    ("x-b3-spanid", PARENT),
    ("x-b3-parentspanid", "00f067aa0ba902b7"),
    ("x-b3-sampled", "1"),
    ("x-b3-flags", "0"),
    ("grpc-trace-bin", "AAAK92UZFs1D3YRI6yEcgDGcAbeta3FpIDMxAgE"),
    ("uber-trace-id", "0af7651916cd43dd8448eb211c80319c:b7ad6b7169203331:0:1"),
    ("x-amzn-trace-id", "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331"),
    ("x-datadog-trace-id", "9532127138774266268"),
    ("x-datadog-parent-id", "13235353014750950193"),
    ("x-datadog-sampling-priority", "1"),
    ("x-datadog-tags", "_dd.p.tid=0af7651916cd43dd"),
    ("x-datadog-origin", "rum"),
    ("x-cloud-trace-context", "0af7651916cd43dd8448eb211c80319c/13235353014750950193;o=1"),
];

#[test]
fn no_trace_header_of_any_format_leaves_to_a_third_party() {
    let plain = Headers::plain_get("/pay");
    let wishes = [("x-force", "1"), ("x-why", "1")];
    let all = TRACE_HEADERS.iter().chain(&wishes);
    let all = all.fold(plain.clone(), |it, (name, value)| it.and(*name, *value));
    let twice = TRACE_HEADERS.iter().fold(all.clone(), |it, (name, value)| it.and(*name, *value));
    for (why, request) in [
        ("every format", all),
        ("each of them twice", twice),
        ("none at all", plain.clone()),
        ("one that is broken", plain.clone().with("traceparent", "x").with("b3", b"\xff")),
        ("a sampled one", plain.clone().with("traceparent", SAMPLED)),
        ("one that is not", plain.clone().with("x-b3-sampled", "0")),
    ] {
        for (host, cluster, is_third) in [
            ("shop", "ads", true),
            ("shop", "outbound|443||api.pay.example", true),
            ("api.partner.example", "other", true),
            ("API.Partner.Example:443", "other", true),
            ("localhost:8443", "other", true),
            ("localhost:80", "other", false),
            ("partner.example", "adsense", false),
        ] {
            let hopspan = Hopspan::of(builder(CONFIG).property("xds.cluster_name", cluster));
            let stream = hopspan.stream();
            let (request, bare) =
                (request.clone().with(":authority", host), plain.clone().with(":authority", host));
            stream.request_headers(&request, true);
            let out = stream.upstream_headers();
            if is_third {
                assert_eq!(out, bare, "{why}, {host}, {cluster}");
            } else {
                assert!(out.value("traceparent").is_some(), "{why}, {host}, {cluster}");
                assert!(out.value("x-b3-traceid").is_some(), "{why}, {host}, {cluster}");
            }
            stream.respond(200);
            stream.finish();
            let sampled = why != "one that is not";
            let spans = hopspan.spans();
            assert_eq!(spans.len(), usize::from(sampled), "{why}, {host}: the call is still seen");
            assert_eq!(hopspan.stat("native_tracing"), 0, "{why}, {host}");
        }
    }
}

/// Nobody there can tell us anything, and what they answer passes.
#[test]
fn a_third_party_is_not_asked_and_not_believed() {
    let hopspan = Hopspan::of(builder(CONFIG).property("xds.cluster_name", "ads"));
    let stream = hopspan.stream();
    let unsampled = crate::hopspan::UNSAMPLED;
    stream.request_headers(Headers::plain_get("/").with("traceparent", unsampled), true);
    let answer = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let response = Headers::from([(":status", "200"), ("traceresponse", &answer)]);
    stream.response_headers(&response, true);
    stream.finish();
    assert_eq!(stream.downstream_headers(), response);
    assert_eq!(hopspan.spans().len(), 0);
}

//! Third parties, which get no trace headers at all.

use serde_json::json;

use super::{PARENT, TRACE};
use crate::bootstrap::{Direction, cluster};
use crate::client::{get, with};
use crate::hop::Hop;
use crate::upstream::{Answer, Seen};

const FORMATS: [&str; 8] =
    ["tracecontext", "b3", "b3multi", "grpc-trace-bin", "jaeger", "xray", "datadog", "gcp"];

/// All headers that carry trace context in one format or another, and baggage.
fn trace_headers() -> [(&'static str, String); 18] {
    let text = |name, value: &str| (name, value.to_owned());
    [
        ("traceparent", format!("00-{TRACE}-{PARENT}-01")),
        text("tracestate", "vendor=1"),
        ("b3", format!("{TRACE}-{PARENT}-1")),
        text("x-b3-traceid", TRACE),
        text("x-b3-spanid", PARENT),
        text("x-b3-parentspanid", PARENT),
        text("x-b3-sampled", "1"),
        text("x-b3-flags", "0"),
        text("grpc-trace-bin", "AABAQUJDREVGR0hJSktMTU5PAWFiY2RlZmdoAgE"),
        ("uber-trace-id", format!("{TRACE}:{PARENT}:0:1")),
        text("x-amzn-trace-id", "Root=1-67891233-abcdef012345678912345678;Sampled=1"),
        text("x-datadog-trace-id", "11803532876627986230"),
        text("x-datadog-parent-id", "67667974448284343"),
        text("x-datadog-sampling-priority", "1"),
        text("x-datadog-tags", "_dd.p.tid=4bf92f3577b34da6"),
        text("x-datadog-origin", "rum"),
        text("x-cloud-trace-context", "105445aa7843bc8bf206b12000100000/1;o=1"),
        text("baggage", "user=alice"),
    ]
}

/// The names of all headers by which a trace could be told, whatever their values.
fn told(seen: &Seen) -> Vec<&str> {
    let names = seen.headers.keys().map(|it| it.as_str());
    let trace = |it: &&str| {
        let parts = ["trac", "b3", "datadog", "uber", "amzn", "baggage", "hopspan"];
        parts.iter().any(|part| it.contains(part))
    };
    names.filter(trace).collect()
}

#[tokio::test]
async fn a_third_party_gets_no_trace_header_of_any_format() {
    let hop = Hop::start_with(
        Direction::Outbound,
        |_| Answer::status(200),
        |it| {
            it.clusters.push(cluster("partner-eu", Some(it.upstream), false));
            it.routes.push(
                json!({ "match": { "path": "/partner" }, "route": { "cluster": "partner-eu" } }),
            );
            let egress = json!({ "clusters": "partner-*", "hosts": ["*.partner.test"] });
            it.configure("trust", json!({ "strip_on_egress": egress }));
            // Whoever may be told anything is told everything.
            it.configure("propagation", json!({ "inject": FORMATS }));
            it.configure("metrics", json!({ "announce_caller": "always" }));
            it.configure("sampling", json!({ "force": { "header": "x-trace-me" } }));
        },
    )
    .await;
    let mut client = hop.client().await;

    for (index, (why, path, host, is_third_party)) in [
        ("one of the mesh", "/", "shop.test", false),
        ("by its cluster", "/partner", "shop.test", true),
        ("by its host", "/", "api.partner.test", true),
        ("by its host, with a port", "/", "api.partner.test:8443", true),
        ("not its host", "/", "partner.test", false),
    ]
    .into_iter()
    .enumerate()
    {
        let request = with(with(get(path), "host", host), "x-trace-me", "1");
        let request =
            trace_headers().iter().fold(request, |it, (name, value)| with(it, name, value));
        assert_eq!(client.ask(with(request, "x-other", "1")).await.status, 200, "{why}");

        let seen = &hop.upstream.seen(index + 1).await[index];
        assert_eq!(seen.header("x-other"), Some("1"), "{why}");
        assert_eq!(seen.header("x-trace-me").is_some(), !is_third_party, "{why}");
        if is_third_party {
            assert_eq!(told(seen), [""; 0], "{why}");
        } else {
            let announced = seen.header("tracestate").is_some_and(|it| it.contains("hopspan="));
            assert!(announced, "{why}: {seen:?}");
            // What says nothing that is true of a new hop is not sent on.
            let dropped = ["x-b3-parentspanid", "x-b3-flags"];
            for (name, _) in trace_headers().iter().filter(|it| !dropped.contains(&it.0)) {
                assert!(seen.headers.contains_key(*name), "{why}: {name}: {seen:?}");
            }
        }
    }

    // The call itself is part of the trace all the same.
    for span in hop.spans(5).await {
        assert_eq!((span.trace_id(), span.parent_id()), (TRACE.to_owned(), PARENT.to_owned()));
    }
}

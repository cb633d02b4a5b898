//! Envoy's own tracing in the same proxy: it overwrites what hopspan sends upstream.

use serde_json::{Value, json};

use crate::bootstrap::{Direction, UPSTREAM};
use crate::client::get;
use crate::hop::Hop;
use crate::upstream::{Answer, Seen};

#[tokio::test]
async fn native_tracing_is_noticed() {
    let hop = Hop::start_with(Direction::Inbound, ok, |it| {
        it.native_tracing = Some(native_tracing());
    });
    let hop = hop.await;

    let mut client = hop.client().await;
    for _ in 0..5 {
        assert_eq!(client.ask(get("/")).await.status, 200);
    }

    let noticed = hop.proxy.stats_when("native tracing", |it| it.hopspan("native_tracing") >= 1);
    noticed.await;
    let line = hop.proxy.logged("native tracing", is_native_tracing).await;
    assert!(line.contains("traceparent"), "which header it is about: {line}");
    let log = hop.proxy.log();
    assert_eq!(log.lines().filter(|it| is_native_tracing(it)).count(), 1, "said once:\n{log}");
}

#[tokio::test]
async fn native_tracing_is_not_seen_where_it_is_not() {
    let hop = Hop::start(Direction::Inbound).await;
    let mut client = hop.client().await;
    for _ in 0..5 {
        assert_eq!(client.ask(get("/")).await.status, 200);
    }
    hop.spans(5).await;
    let stats = hop.proxy.stats().await;
    assert_eq!(stats.hopspan("native_tracing"), 0, "{stats}");
    assert!(!hop.proxy.log().lines().any(is_native_tracing));
}

fn is_native_tracing(line: &str) -> bool {
    line.starts_with("[warning][wasm]") && line.contains("tracing")
}

fn native_tracing() -> Value {
    json!({
        "random_sampling": { "value": 100 },
        "provider": {
            "name": "envoy.tracers.opentelemetry",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
                "service_name": "envoy",
                "http_service": { "http_uri": {
                    "uri": "http://collector.test/native",
                    "cluster": UPSTREAM,
                    "timeout": "1s",
                } },
            },
        },
    })
}

fn ok(_: &Seen) -> Answer {
    Answer::status(200)
}

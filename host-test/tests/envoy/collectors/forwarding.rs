//! examples/collectors: a Collector between the proxies and a vendor.

use serde_json::{Value, json};

use super::otelcol::Otelcol;
use crate::bootstrap::{Direction, Setup};
use crate::client::{Client, get};
use crate::proxy::Proxy;
use crate::upstream::{Answer, Upstream};

const FORWARD: &str = include_str!("../../../../examples/collectors/forward.yaml");

#[tokio::test]
#[ignore = "needs real collectors: ./build.sh test-collectors"]
async fn the_vendor_gets_what_proxies_tell_with_the_collectors_token() {
    // As it stands but for ports, what the environment has, and the Collector's own metrics.
    let otelcol = Otelcol::start_with(|it| {
        let endpoint = it["exporters"]["otlp_http"]["endpoint"].as_str().expect("a text");
        let text = FORWARD.replace("${env:OTLP_ENDPOINT}", endpoint);
        let text = text.replace("${env:VENDOR_TOKEN}", "s3cret");
        let mut example: Value = serde_yaml_ng::from_str(&text).expect("YAML");
        let place = "/receivers/otlp/protocols/http/endpoint";
        *example.pointer_mut(place).expect("a place") = it.pointer(place).expect("one").clone();
        example["service"]["telemetry"] = json!({ "metrics": { "level": "none" } });
        *it = example;
    })
    .await;
    let service = Upstream::start(|_| Answer::status(200)).await;
    let mut setup = Setup::new(Direction::Inbound, service.address(), otelcol.otlp());
    setup.configure("metrics", json!({ "to": ["otlp"], "interval_ms": 50 }));
    let proxy = Proxy::start(&setup).await;

    assert_eq!(Client::http1(proxy.address()).await.ask(get("/cart")).await.status, 200);

    let spans = otelcol.backend.spans(1).await;
    assert_eq!(spans[0].text("url.path"), Some("/cart"));
    otelcol.backend.metrics(|it| !it.is_empty()).await;
    let bytes = String::from_utf8_lossy(&otelcol.backend.bytes()).into_owned();
    let tokens = bytes.to_lowercase().matches("bearer s3cret").count();
    assert!(tokens >= 2, "with spans and with metrics: {tokens}");
}

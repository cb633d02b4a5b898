//! hopspan's metrics beside those that a real Collector makes of its spans: the same numbers, as long
//! as every request has a span.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::json;

use super::otelcol::Otelcol;
use crate::bootstrap::Direction;
use crate::client::{Client, get};
use crate::deadline::poll;
use crate::mesh::{App, Mesh};
use crate::prometheus::exposition::scraped;
use crate::upstream::{Answer, Refusing, Seen};

const REQUESTS: usize = 40;

/// What somebody says of the mesh: counts by metric and the ends of an edge, or the service.
type Said = BTreeMap<String, f64>;

/// What a Prometheus would find there.
async fn said(exporter: SocketAddr) -> Said {
    let reply = Client::http1(exporter).await.ask(get("/metrics")).await;
    let text = String::from_utf8(reply.body.to_vec()).expect("text");
    let mut said = Said::new();
    for (series, value) in scraped(&text) {
        let label = |name: &str| series.labels.get(name).map_or("", String::as_str);
        let name = &series.name;
        let key = if name.starts_with("traces_service_graph_request_") {
            let name = name.trim_start_matches("traces_service_graph_request_");
            // Whoever is outside has another name there.
            let client = label("client").replace("user", "external");
            format!("{name} {client} {}", label("server"))
        } else if name == "http_server_request_duration_seconds_count" {
            format!("requests {}", label("job"))
        } else if name == "traces_span_metrics_calls_total"
            && label("span_kind") == "SPAN_KIND_SERVER"
        {
            format!("requests {}", label("service_name"))
        } else {
            continue;
        };
        if !key.contains("bucket") && !key.contains("_sum") {
            *said.entry(key).or_default() += value;
        }
    }
    said
}

/// What hopspan says after some requests, and what the Collector says by its spans.
async fn both_say(ratio: f64, is_all: impl Fn(&Said, &Said) -> bool) -> [Said; 2] {
    let exporters = [Refusing::anywhere(), Refusing::anywhere()];
    let otelcol = Otelcol::start_with(|it| {
        let [own, made] = exporters.each_ref().map(|it| json!({ "endpoint": it.address() }));
        it["exporters"]["prometheus/own"] = own;
        it["exporters"]["prometheus/made"] = made;
        it["connectors"] = json!({
            "servicegraph": {
                "store": { "ttl": "500ms" },
                "metrics_flush_interval": "100ms",
                "virtual_node_peer_attributes": ["service.peer.name"],
            },
            "spanmetrics": { "metrics_flush_interval": "100ms" },
        });
        let pipelines = &mut it["service"]["pipelines"];
        pipelines["traces/otlp"]["exporters"] = json!(["servicegraph", "spanmetrics"]);
        pipelines["metrics/own"] =
            json!({ "receivers": ["otlp"], "exporters": ["prometheus/own"] });
        let connectors = ["servicegraph", "spanmetrics"];
        pipelines["metrics/made"] =
            json!({ "receivers": connectors, "exporters": ["prometheus/made"] });
    })
    .await;
    let answer = |seen: &Seen| Answer::status(if seen.path == "/gone" { 503 } else { 200 });
    let mesh = Mesh::start(App::PassesOn, answer, |it| {
        it.collector = Some(otelcol.otlp());
        it.configure("metrics", json!({ "interval_ms": 200 }));
        it.configure("sampling", json!({ "ratio": ratio }));
        let next = if it.direction == Direction::Unspecified { "shop" } else { "stock" };
        it.configure("services", json!([{ "cluster": "*", "name": next }]));
    })
    .await;
    let mut client = Client::http1(mesh.gateway.address()).await;
    for at in 0..REQUESTS {
        let path = if at % 4 == 0 { "/gone" } else { "/cart" };
        assert_eq!(client.ask(get(path)).await.status, 200);
    }
    let [own, made] = exporters.each_ref().map(Refusing::address);
    poll("the numbers of both", async || {
        let (own, made) = (said(own).await, said(made).await);
        is_all(&own, &made).then_some([own, made])
    })
    .await
}

fn want() -> Said {
    let all = REQUESTS as f64;
    [
        ("total external gateway", all),
        ("total gateway shop", all),
        ("total shop stock", all),
        ("failed_total shop stock", all / 4.0),
        ("client_seconds_count gateway shop", all),
        ("client_seconds_count shop stock", all),
        ("server_seconds_count gateway shop", all),
        ("server_seconds_count external gateway", all),
        ("requests gateway", all),
        ("requests shop", all),
    ]
    .map(|(key, count)| (key.to_owned(), count))
    .into()
}

/// Whether all of this is there, and nothing that counts beside it.
fn has(said: &Said, want: &Said) -> bool {
    want.iter().all(|(key, count)| said.get(key) == Some(count))
}

#[tokio::test]
#[ignore = "needs real collectors: ./build.sh test-collectors"]
async fn with_a_span_of_each_request_the_connectors_say_the_same() {
    let want = want();
    let [own, made] = both_say(1.0, |own, made| has(own, &want) && has(made, &want)).await;
    for (key, count) in &own {
        // What did not fail is no series of the connector's.
        let of_both = made.get(key).copied().unwrap_or_default();
        assert!(of_both == *count || key.starts_with("failed_total") && *count == 0.0, "{key}");
    }
}

#[tokio::test]
#[ignore = "needs real collectors: ./build.sh test-collectors"]
async fn with_few_spans_only_hopspan_has_the_truth() {
    let want = want();
    // Spans say in their tracestate for how many they stand, and one of the connectors listens.
    let (edge, requests) = ("total gateway shop", "requests gateway");
    let is_estimate = |made: &Said| {
        made.get(edge).is_some_and(|spans| made.get(requests) == Some(&(spans * 4.0)))
    };
    let [_, made] = both_say(0.25, |own, made| has(own, &want) && is_estimate(made)).await;
    assert!(made[edge] < REQUESTS as f64, "{made:#?}");
}

//! `metrics.to: ["host"]` in Envoy, as Prometheus sees it with the snippet of `examples/prometheus`.

use serde_json::{Value, json};

use crate::bootstrap::Direction;
use crate::client::{Client, get};
use crate::deadline::{LIMIT, poll_or_none};
use crate::hop::Hop;
use crate::mesh::{App, Mesh};
use crate::prometheus::exposition::{Series, scraped};
use crate::prometheus::{istio_tags, stats_tags};
use crate::proxy::Proxy;
use crate::upstream::Answer;

/// Waits until the metrics whose names begin so are these: `name label=value ...: value`.
async fn shown(proxy: &Proxy, names: &str, want: &[String]) {
    let mut last = Vec::new();
    let is_shown = poll_or_none(LIMIT, async || {
        let all = scraped(&proxy.prometheus().await).into_iter();
        let all = all.filter(|(it, _)| it.name.starts_with(names));
        last = all.map(|(series, value)| line(&series, value)).collect();
        (last == want).then_some(())
    });
    assert!(is_shown.await.is_some(), "{last:#?}");
}

fn line(Series { name, labels }: &Series, value: f64) -> String {
    let labels = labels.iter().map(|(key, value)| format!(" {key}={value}"));
    format!("{name}{}: {value}", labels.collect::<String>())
}

#[tokio::test]
async fn a_proxy_counts_each_request_in_its_own_stats() {
    let hop = hop(stats_tags()).await;
    expect_requests(&hop.proxy, "service_name").await;
    let of = "reporter=destination route=/gone service_name=shop";
    let users = of.replace("/gone", "/users/{id}");
    let durations = "hopspan_request_duration_us_count";
    let counts = [format!("{durations} {of}: 20"), format!("{durations} {users}: 40")];
    shown(&hop.proxy, durations, &counts).await;
    let proxy_time = ["hopspan_proxy_time_us_count: 60".to_owned()];
    shown(&hop.proxy, "hopspan_proxy_time_us_count", &proxy_time).await;
    let all = scraped(&hop.proxy.prometheus().await);
    let own = || all.keys().filter(|it| it.name.starts_with("hopspan_"));
    let bounds = own().filter_map(|it| it.labels.get("le")?.parse::<f64>().ok());
    assert_eq!(bounds.filter(|it| it.is_finite()).fold(0.0, f64::max), 1e7, "up to ten seconds");
    assert!(own().all(|it| !it.name.contains("__") && !it.name.ends_with('_')), "clean names");
    let stats = hop.proxy.stats().await;
    assert_eq!(stats.hopspan("metrics.overflow"), 0, "{stats}");

    // In the form that `hopspan stat --admin` reads.
    let mut admin = Client::http1(hop.proxy.admin()).await;
    let path = "/stats?format=json&histogram_buckets=detailed&filter=request_duration_us";
    let answer: Value = serde_json::from_slice(&admin.ask(get(path)).await.body).expect("JSON");
    let details = answer["stats"][0]["histograms"]["details"].as_array().expect("details");
    let buckets = details.iter().flat_map(|it| it["totals"].as_array().expect("buckets"));
    assert_eq!(buckets.map(|it| it["count"].as_u64().expect("a count")).sum::<u64>(), 60);
}

#[tokio::test]
async fn its_tags_are_labels_where_istio_makes_them() {
    let hop = hop(istio_tags()).await;
    expect_requests(&hop.proxy, "service").await;
}

/// A hop of four workers, after 60 requests, of which 20 failed.
async fn hop(stats_config: Value) -> Hop {
    let hop = Hop::start_with(
        Direction::Inbound,
        |seen| Answer::status(if seen.path.starts_with("/gone") { 503 } else { 200 }),
        |it| {
            it.stats_config = stats_config;
            it.workers = 4;
            it.configure("service", json!({ "name": "shop" }));
            it.configure("metrics", json!({ "to": ["host"], "proxy_time": true }));
            it.configure("routes", json!({ "patterns": ["/users/{id}", "/gone"] }));
        },
    );
    let hop = hop.await;
    for at in 0..60 {
        let mut client = hop.client().await;
        client.ask(get(if at % 3 == 0 { "/gone" } else { "/users/7" })).await;
    }
    hop
}

async fn expect_requests(proxy: &Proxy, service: &str) {
    let labels = "reporter=destination request_method=GET request_protocol=http response_code";
    let requests = [
        format!("hopspan_requests error_type=503 {labels}=503 route=/gone {service}=shop: 20"),
        format!("hopspan_requests {labels}=200 route=/users/{{id}} {service}=shop: 40"),
    ];
    shown(proxy, "hopspan_requests", &requests).await;
}

/// In the queries of stock dashboards each request counts once on its edge, though all say so.
#[tokio::test]
async fn the_proxies_of_a_mesh_say_who_calls_whom() {
    let mesh = Mesh::start(
        App::PassesOn,
        |_| Answer::status(200),
        |it| {
            it.stats_config = stats_tags();
            it.configure("metrics", json!({ "to": ["host"] }));
            it.configure("sampling", json!({ "ratio": 0 }));
            let next = if it.direction == Direction::Unspecified { "shop" } else { "stock" };
            it.configure("services", json!([{ "cluster": "*", "name": next }]));
            it.workers = 2;
        },
    )
    .await;
    for _ in 0..20 {
        let mut client = Client::http1(mesh.gateway.address()).await;
        assert_eq!(client.ask(get("/cart")).await.status, 200);
    }
    let total = "traces_service_graph_request_total";
    let gateway = [
        format!("{total} client=external connection_type=virtual_node server=gateway: 20"),
        format!("{total} client=gateway server=shop: 20"),
    ];
    shown(&mesh.gateway, total, &gateway).await;
    let sidecar = format!("{total} client=shop server=stock: 20");
    shown(&mesh.sidecar, total, &[sidecar]).await;
}

//! The dashboards of `examples/dashboards`: each of their queries finds something in a real
//! Prometheus that has hopspan's metrics of a real Collector, and its stats of real Envoys.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::otelcol::Otelcol;
use crate::bootstrap::Direction;
use crate::client::{Client, get, post};
use crate::deadline::poll;
use crate::mesh::{App, Mesh};
use crate::prometheus::server::Prometheus;
use crate::prometheus::stats_tags;
use crate::upstream::{Answer, Refusing, Seen};

/// A query, and where it stands.
struct Query {
    place: String,
    expression: String,
}

/// All queries of all dashboards, with a value for each variable.
fn queries() -> Vec<Query> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/dashboards"));
    let files = fs::read_dir(folder).expect("dashboards").map(|it| it.unwrap().path());
    let mut queries = Vec::new();
    for file in files.filter(|it| it.extension().is_some_and(|it| it == "json")) {
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        assert_eq!(dashboard["uid"], name.as_str(), "links are by uid");
        for panel in dashboard["panels"].as_array().expect("panels") {
            for target in panel["targets"].as_array().expect("targets") {
                let expression = target["expr"].as_str().expect("a query");
                let expression = expression
                    .replace("$__rate_interval", "5s")
                    .replace("$service_name", "shop")
                    .replace("$service", "shop")
                    .replace("$route", "/cart");
                assert!(!expression.contains('$') || expression.contains("\"$1\""), "{expression}");
                let place = format!("{name}: {}", panel["title"]);
                queries.push(Query { place, expression });
            }
        }
    }
    queries
}

/// What a file of rules records.
fn recorded(rules: &str) -> Vec<Query> {
    let file: Value = serde_yaml_ng::from_str(rules).expect("YAML");
    let groups = file["groups"].as_array().expect("groups").iter();
    let rules = groups.flat_map(|it| it["rules"].as_array().expect("rules"));
    let names = rules.filter_map(|it| it["record"].as_str());
    let query = |it: &str| Query { place: "a rule".to_owned(), expression: it.to_owned() };
    names.map(query).collect()
}

#[tokio::test]
#[ignore = "needs real collectors: ./build.sh test-collectors"]
async fn each_query_of_the_dashboards_finds_something() {
    let exporter = Refusing::anywhere();
    let otelcol = Otelcol::start_with(|it| {
        it["exporters"]["prometheus"] = json!({ "endpoint": exporter.address() });
        it["service"]["pipelines"]["metrics"] =
            json!({ "receivers": ["otlp"], "exporters": ["prometheus"] });
    })
    .await;
    let answer = |seen: &Seen| Answer::status(if seen.path == "/gone" { 503 } else { 200 });
    let mesh = Mesh::start(App::Forgets, answer, |it| {
        it.collector = Some(otelcol.otlp());
        it.stats_config = stats_tags();
        it.configure("metrics", json!({ "interval_ms": 200 }));
        let next = if it.direction == Direction::Unspecified { "shop" } else { "stock" };
        it.configure("services", json!([{ "cluster": "*", "name": next }]));
    })
    .await;
    let of_collector = json!({
        "job_name": "collector",
        "honor_labels": true,
        "static_configs": [{ "targets": [exporter.address()] }],
    });
    let of_proxies = json!({
        "job_name": "proxies",
        "metrics_path": "/stats/prometheus",
        "static_configs": [{ "targets": [mesh.gateway.admin(), mesh.sidecar.admin()] }],
    });
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/prometheus/services.rules.yml");
    let rules = Path::new(rules).canonicalize().unwrap();
    let scraped = json!([of_collector, of_proxies]);
    let prometheus = Prometheus::start_with(&[&rules], scraped).await;

    let gateway = mesh.gateway.address();
    let traffic = tokio::spawn(async move {
        let mut client = Client::http1(gateway).await;
        loop {
            client.ask(get("/cart")).await;
            client.ask(get("/gone")).await;
            client.ask(post("/cart", "tea")).await;
        }
    });
    let mut queries = queries();
    queries.extend(recorded(&fs::read_to_string(&rules).unwrap()));
    assert!(queries.len() > 60, "the dashboards were read: {}", queries.len());
    for Query { place, expression } in queries {
        let found = async || {
            let values = prometheus.values(&percent_encoded(&expression)).await;
            values.iter().any(|it| it.is_finite()).then_some(())
        };
        poll(&format!("{place} to find something by {expression}"), found).await;
    }
    traffic.abort();
}

/// As a part of a URL.
fn percent_encoded(text: &str) -> String {
    text.bytes().map(|it| format!("%{it:02X}")).collect()
}

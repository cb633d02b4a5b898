//! hopspan's stats in Prometheus, by the files of `examples/prometheus`.

pub(crate) mod exposition;
pub(crate) mod server;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::bootstrap::Direction;
use crate::client::get;
use crate::collector::Mood;
use crate::deadline::poll;
use crate::hop::Hop;
use crate::upstream::Answer;
use exposition::{documented, scraped, selectors};
use server::Prometheus;

const RULES: &str = include_str!("../../../examples/prometheus/hopspan.rules.yml");
const RULES_TEST: &str = include_str!("../../../examples/prometheus/hopspan.rules.test.yml");

#[tokio::test]
async fn each_stat_has_a_clean_name_and_its_tag_as_a_label() {
    // As Istio writes it into the proxy's bootstrap for each of `extraStatTags`.
    let by_istio = |tag| json!({ "tag_name": tag, "regex": format!(r"({tag}=\.=(.*?);\.;)") });
    let tags = ["reason", "outcome", "what", "kind", "level", "service"];
    for (why, stats_config, service_label) in [
        ("the file", stats_tags(), "service_name"),
        ("Istio's", json!({ "stats_tags": tags.map(by_istio) }), "service"),
    ] {
        let hop = hop(stats_config).await;
        let want = documented(service_label, "shop-1.eu");
        assert!(want.len() > 30, "docs/stats.md was read");
        let shown = scraped(&hop.proxy.prometheus().await);
        let shown = shown.into_keys().filter(|it| it.name.starts_with("hopspan"));
        assert_eq!(shown.collect::<BTreeSet<_>>(), want, "{why}");
    }
}

#[tokio::test]
async fn the_rules_ask_only_for_what_the_proxy_shows() {
    let hop = hop(stats_tags()).await;
    let shown = scraped(&hop.proxy.prometheus().await);
    let mut asked = 0;
    for rule in rules() {
        let expression = rule["expr"].as_str().expect("an expression");
        for selector in selectors(expression) {
            let unknown = selector.unknown(shown.keys());
            assert!(unknown.is_empty(), "no proxy shows {unknown:?}, which this asks for: {rule}");
            asked += 1;
        }
    }
    assert!(asked > 20, "the expressions were read: {asked}");
}

#[test]
fn each_alert_was_seen_to_fire_and_is_documented() {
    let test: Value = serde_yaml_ng::from_str(RULES_TEST).expect("YAML");
    let test = test.to_string();
    let mut alerts = BTreeSet::new();
    for rule in rules() {
        let Some(name) = rule["alert"].as_str() else { continue };
        let fires = format!(r#"ALERTS{{alertname=\"{name}\", alertstate=\"firing\", severity="#);
        assert!(test.contains(&fires), "hopspan.rules.test.yml never expects {name}");
        alerts.insert((name.to_owned(), rule["labels"]["severity"].as_str().unwrap().to_owned()));
    }
    let rows = include_str!("../../../docs/export.md").lines();
    let rows = rows.filter_map(|it| it.strip_prefix("| `Hopspan")?.strip_suffix(" |"));
    let documented = rows.map(|row| {
        let (name, rest) = row.split_once('`').expect("the end of a name");
        let (_, severity) = rest.rsplit_once("| ").expect("a severity");
        (format!("Hopspan{name}"), severity.to_owned())
    });
    assert_eq!(documented.collect::<BTreeSet<_>>(), alerts, "docs/export.md");
}

#[tokio::test]
async fn a_real_prometheus_raises_the_alarm() {
    let hop = hop(stats_tags()).await;
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/prometheus/hopspan.rules.yml");
    let rules = Path::new(rules).canonicalize().unwrap();
    let prometheus = Prometheus::start(hop.proxy.admin(), &rules).await;

    // Counters grow from what was scraped before.
    let sum = "sum(hopspan_spans_dropped)";
    poll("the first scrape", async || (prometheus.values(sum).await == [0.0]).then_some(())).await;
    hop.collector.set_mood(Mood::Failing(400));
    assert_eq!(hop.client().await.ask(get("/")).await.status, 200);

    let alert = poll("an alert", async || {
        let alerts = prometheus.api("alerts").await;
        let mut alerts = alerts["alerts"].as_array().expect("a list").clone();
        alerts.retain(|it| it["state"] == "firing");
        alerts.pop()
    });
    let alert = alert.await;
    let labels = &alert["labels"];
    assert_eq!(labels["alertname"], "HopspanSpansRejected", "{alert}");
    assert_eq!(
        (&labels["reason"], &labels["job"]),
        (&json!("non_retryable"), &json!("proxies")),
        "{alert}"
    );

    // All rules are at work, and what they record is there.
    let rules = prometheus.api("rules").await;
    let rules: Vec<_> = groups(&rules).collect();
    assert!(rules.iter().all(|it| it["health"] == "ok" && it["lastError"].is_null()), "{rules:#?}");
    for name in rules.iter().filter(|it| it["type"] == "recording").map(|it| &it["name"]) {
        let name = name.as_str().expect("a name");
        let recorded = async || Some(prometheus.values(name).await).filter(|it| !it.is_empty());
        poll(name, recorded).await;
    }
    let unaccounted = "instance:hopspan_spans_unaccounted:sum";
    let at_rest = async || (prometheus.values(unaccounted).await == [0.0]).then_some(());
    poll("every span to be somewhere", at_rest).await;
}

/// A hop whose stats are shown as it is told, after one request that was traced.
async fn hop(stats_config: Value) -> Hop {
    let hop = Hop::start_with(
        Direction::Outbound,
        |_| Answer::status(200),
        |it| {
            it.stats_config = stats_config;
            it.configure("service", json!({ "name": "shop-1.eu" }));
        },
    );
    let hop = hop.await;
    assert_eq!(hop.client().await.ask(get("/")).await.status, 200);
    hop.span().await;
    hop
}

/// `stats_config` of the bootstrap that people are given.
pub(crate) fn stats_tags() -> Value {
    let yaml = include_str!("../../../examples/prometheus/stats_tags.yaml");
    let mut bootstrap: Value = serde_yaml_ng::from_str(yaml).expect("YAML");
    bootstrap["stats_config"].take()
}

/// All rules that people are given.
fn rules() -> Vec<Value> {
    let file: Value = serde_yaml_ng::from_str(RULES).expect("YAML");
    groups(&file).cloned().collect()
}

fn groups(file: &Value) -> impl Iterator<Item = &Value> {
    let groups = file["groups"].as_array().expect("groups");
    groups.iter().flat_map(|it| it["rules"].as_array().expect("rules"))
}

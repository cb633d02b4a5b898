//! Golden metrics in Envoy: as many as there were requests, whatever is sampled.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use serde_json::json;

use crate::bootstrap::Direction;
use crate::client::get;
use crate::hop::Hop;
use crate::upstream::Answer;

type Series = BTreeMap<String, String>;

fn text(attributes: &[KeyValue]) -> Series {
    let value = |it: &KeyValue| match it.value.as_ref().and_then(|it| it.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("text or a number: {other:?}"),
    };
    attributes.iter().map(|it| (it.key.clone(), value(it))).collect()
}

/// The requests by status, as the last points of all series have them.
fn by_status(reports: &[ExportMetricsServiceRequest], name: &str) -> BTreeMap<String, u64> {
    let mut last = BTreeMap::<Series, u64>::new();
    let resources = reports.iter().flat_map(|it| &it.resource_metrics);
    for metric in resources.flat_map(|it| &it.scope_metrics).flat_map(|it| &it.metrics) {
        assert_eq!((metric.name.as_str(), metric.unit.as_str()), (name, "s"));
        let Some(Data::Histogram(histogram)) = &metric.data else { panic!("{metric:?}") };
        for point in &histogram.data_points {
            last.insert(text(&point.attributes), point.count);
        }
    }
    let mut counts = BTreeMap::new();
    for (series, count) in last {
        let status = series.get("http.response.status_code").cloned().unwrap_or_default();
        *counts.entry(status).or_default() += count;
        let cluster = series.get("hopspan.upstream.cluster");
        assert_eq!(cluster.is_some(), name.contains("client"), "{series:?}");
    }
    counts
}

#[tokio::test]
async fn as_many_are_counted_as_were_made() {
    for (direction, name) in [
        (Direction::Inbound, "http.server.request.duration"),
        (Direction::Outbound, "http.client.request.duration"),
    ] {
        let hop = Hop::start_with(
            direction,
            |seen| Answer::status(if seen.path.starts_with("/gone") { 404 } else { 200 }),
            |it| {
                it.configure("metrics", json!({ "to": ["otlp"], "interval_ms": 200 }));
                it.configure("sampling", json!({ "ratio": 0.3 }));
            },
        )
        .await;
        let mut client = hop.client().await;
        for at in 0..90 {
            client.ask(get(if at % 3 == 0 { "/gone" } else { "/cart" })).await;
        }
        let want = BTreeMap::from([("200".to_owned(), 60), ("404".to_owned(), 30)]);
        let reports = hop.collector.metrics(|it| by_status(it, name) == want).await;
        let stats = hop.proxy.stats().await;
        assert_eq!(stats.hopspan("metrics.overflow"), 0, "{stats}");
        assert_eq!(stats.unaccounted_spans(), 0, "{stats}");
        // One more interval changes nothing.
        let more = reports.len() + 1;
        let reports = hop.collector.metrics(|it| it.len() > more).await;
        assert_eq!(by_status(&reports, name), want);
    }
}

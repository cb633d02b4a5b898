//! Metrics through a real Collector, in each encoding and with each kind of histogram.

use serde_json::json;

use super::otelcol::Otelcol;
use crate::bootstrap::{COLLECTOR, Direction};
use crate::client::get;
use crate::hop::Hop;
use crate::points::{last_points, sums};
use crate::upstream::Answer;

#[tokio::test]
#[ignore = "needs real collectors: ./build.sh test-collectors"]
async fn a_collector_reads_the_same_counts_from_every_encoding() {
    for protocol in ["http/protobuf", "http/json"] {
        for histogram in ["explicit", "exponential"] {
            let otelcol = Otelcol::start_with(|it| {
                it["service"]["pipelines"]["metrics/otlp"] =
                    json!({ "receivers": ["otlp"], "exporters": ["otlp_http"] });
            })
            .await;
            let hop = Hop::start_with(
                Direction::Inbound,
                |seen| Answer::status(if seen.path.starts_with("/gone") { 503 } else { 200 }),
                |it| {
                    it.collector = Some(otelcol.otlp());
                    it.configure(
                        "collector",
                        json!({ "cluster": COLLECTOR, "protocol": protocol }),
                    );
                    it.configure("metrics", json!({ "interval_ms": 200, "histogram": histogram }));
                },
            )
            .await;
            let mut client = hop.client().await;
            for at in 0..30 {
                client.ask(get(if at % 3 == 0 { "/gone" } else { "/cart" })).await;
            }
            let by_status = |reports: &[_]| {
                let by = ["http.response.status_code"];
                sums(last_points(reports.to_vec()), &by, |it| it.ends_with("request.duration"))
            };
            let name = "http.server.request.duration";
            let want = [("200", 20), ("503", 10)];
            let want = want.map(|(status, count)| (format!("{name} {status}"), count));
            otelcol.backend.metrics(|it| by_status(it) == want).await;
        }
    }
}

//! Requests compressed by Envoy's own function, unpacked by another library.

use serde_json::json;

use crate::bootstrap::{COLLECTOR, Direction};
use crate::client::get;
use crate::hop::Hop;
use crate::upstream::Answer;

#[tokio::test]
async fn a_collector_gets_gzip_that_it_can_unpack() {
    let hop = Hop::start_with(
        Direction::Inbound,
        |_| Answer::status(200),
        |it| {
            it.configure("collector", json!({ "cluster": COLLECTOR, "compression": "gzip" }));
            it.configure("batch", json!({ "schedule_delay_ms": 20, "max_export_batch_size": 100 }));
        },
    )
    .await;

    let mut client = hop.client().await;
    for at in 0..250 {
        client.ask(get(&format!("/{at}"))).await;
    }

    let spans = hop.spans(250).await;
    let mut paths: Vec<_> = spans.iter().filter_map(|it| it.text("url.path")).collect();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), 250, "as they were made");
    let came = String::from_utf8_lossy(&hop.collector.bytes()).into_owned();
    let compressed = came.matches(r#""content-encoding": "gzip""#).count();
    assert_eq!(compressed, hop.collector.requests(), "all of them");
    assert!(!came.contains("url.path"), "nothing can be read as it came");
    let log = hop.proxy.log();
    assert!(!log.contains("has no function"), "{log}");
    // Tens of requests of a few spans each.
    let bytes = hop.proxy.stats().await.hopspan("export.bytes");
    assert!(bytes < 250 * 500, "{bytes} bytes, where a span alone is 900");
}

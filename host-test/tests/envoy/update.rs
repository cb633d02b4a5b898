//! Configuration that is replaced while the proxy works.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;

use crate::bootstrap::{Direction, Setup};
use crate::client::{Client, get};
use crate::deadline::poll;
use crate::hop::Hop;
use crate::points::{last_points, sums};
use crate::stats::Stats;
use crate::upstream::{Answer, Seen};

#[tokio::test]
async fn a_refused_update_leaves_the_old_configuration_at_work() {
    let hop = Hop::start_with(Direction::Inbound, ok, |it| it.listener_from_file = true).await;
    assert_eq!(hop.client().await.ask(get("/before")).await.status, 200);

    let mut setup = from_file(&hop);
    setup.configure("sampling", json!({ "ratio": 50 }));
    hop.proxy.update(&setup);
    let rejected = |it: &Stats| it.envoy("listener_manager.lds.update_rejected") == 1;
    hop.proxy.stats_when("a rejected update", rejected).await;
    assert!(hop.proxy.log().contains("sampling.ratio"), "the reason is in the log");

    assert_eq!(hop.client().await.ask(get("/after")).await.status, 200);
    hop.spans(2).await;
}

#[tokio::test]
async fn updates_under_load_cost_no_request_no_span_and_no_count() {
    // Longer than old listeners are drained: spans wait when their configuration ends.
    let batch = json!({ "schedule_delay_ms": 1500 });
    let hop = Hop::start_with(Direction::Inbound, ok, |it| {
        it.listener_from_file = true;
        it.configure("batch", batch.clone());
        it.configure("metrics", json!({ "to": ["otlp", "host"] }));
        it.workers = 4;
    })
    .await;

    // A load of one connection after the other, as long as there are updates.
    let address = hop.proxy.address();
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load = tokio::spawn({
        let (stop, sent) = (stop.clone(), sent.clone());
        async move {
            while !stop.load(Ordering::Relaxed) {
                let mut client = Client::http1(address).await;
                assert_eq!(client.ask(get("/")).await.status, 200);
                sent.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    // The start was an update too.
    for update in 1..=UPDATES {
        if update > 1 {
            let mut setup = from_file(&hop);
            setup.configure("batch", batch.clone());
            setup.configure("metrics", json!({ "to": ["otlp", "host"] }));
            setup.configure("service", json!({ "version": update.to_string() }));
            hop.proxy.update(&setup);
        }
        let done = |it: &Stats| it.envoy("listener_manager.lds.update_success") == update;
        hop.proxy.stats_when(&format!("update {update}"), done).await;
        let before = sent.load(Ordering::Relaxed);
        let more = || sent.load(Ordering::Relaxed) >= before + 25;
        poll("requests under the new configuration", async || more().then_some(())).await;
    }
    stop.store(true, Ordering::Relaxed);
    load.await.expect("no request failed");

    let sent = sent.load(Ordering::Relaxed);
    let drained = |it: &Stats| {
        it.envoy("listener_manager.total_filter_chains_draining") == 0
            && it.envoy("listener_manager.total_listeners_draining") == 0
    };
    hop.proxy.stats_when("the old configurations gone", drained).await;
    let spans = hop.spans(sent).await;
    let versions: BTreeSet<_> =
        spans.iter().map(|it| it.resource_text("service.version").map(str::to_owned)).collect();
    let updates = (2..=UPDATES).map(|it| Some(it.to_string()));
    assert_eq!(versions, updates.chain([None]).collect());
    let ids: BTreeSet<_> = spans.iter().map(|it| it.span_id()).collect();
    assert_eq!(ids.len(), sent, "each span once");

    let counted = |it: &Stats| it.hopspan_sum("requests.") == sent as i64;
    hop.proxy.stats_when("each request counted", counted).await;
    let durations = |reports: &[_]| {
        let sums = sums(last_points(reports.to_vec()), &[], |it| it.ends_with("request.duration"));
        sums.into_iter().map(|(_, count)| count).sum::<u64>()
    };
    let all = sent as u64;
    hop.collector.metrics(|it| durations(it) == all).await;
}

/// How often the configuration changes, the first one counted.
const UPDATES: i64 = 21;

fn from_file(hop: &Hop) -> Setup {
    let (upstream, collector) = (hop.upstream.address(), hop.collector.address());
    Setup { listener_from_file: true, ..Setup::new(Direction::Inbound, upstream, collector) }
}

fn ok(_: &Seen) -> Answer {
    Answer::status(200)
}

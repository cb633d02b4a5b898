//! More spans than a collector takes.

use serde_json::json;

use super::*;
use crate::stats::Stats;

#[tokio::test]
async fn what_a_slow_collector_leaves_no_room_for_is_counted() {
    let mut trial = Trial::start_at(Duration::ZERO, |it| {
        let batch = json!({
            "schedule_delay_ms": 20, "max_export_batch_size": 16, "max_queue_size": 64,
        });
        it.configure("batch", batch);
    })
    .await;

    // 32 spans in flight for 200 ms: 160 a second.
    trial.hop.collector.set_mood(Mood::Late(Duration::from_millis(200)));
    // Stats are told one by one: what is seen in between makes no sum.
    let full = |it: &Stats| it.dropped("queue_full") > 100 && it.unaccounted_spans() == 0;
    let stats = trial.until("a full queue", full).await;
    let held = stats.hopspan("spans.queued") + stats.hopspan("spans.in_flight");
    assert!(held <= 48, "a quarter of the queue is for spans of failures:\n{stats}");
    trial.hop.collector.set_mood(Mood::Accepting);

    let Outcome { stats, lost, repeated, .. } = trial.end().await;
    assert_eq!(lost, stats.dropped("queue_full"), "{stats}");
    assert_eq!(repeated, 0, "{stats}");
}

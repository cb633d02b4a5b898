//! Answers that are neither a plain yes nor a plain "not now".

use serde_json::json;

use super::*;
use crate::stats::Stats;

#[tokio::test]
async fn spans_that_the_collector_refuses_are_counted_and_no_more_than_those() {
    let mut trial = Trial::start(|_| ()).await;

    let mut refused = 0;
    for status in [400, 401, 404, 500] {
        trial.hop.collector.set_mood(Mood::Failing(status));
        let again = |it: &Stats| it.exports("rejected") > refused;
        refused = trial.until("a refused request", again).await.exports("rejected");
    }
    trial.hop.collector.set_mood(Mood::Accepting);
    trial.traffic().await;

    let Outcome { stats, lost, repeated, .. } = trial.end().await;
    assert_eq!(lost, stats.dropped("non_retryable"), "{stats}");
    assert_eq!((stats.hopspan("export.retries"), repeated), (0, 0), "{stats}");
}

#[tokio::test]
async fn spans_that_a_collector_rejects_out_of_a_request_are_counted() {
    let mut trial = Trial::start(|_| ()).await;

    trial.hop.collector.set_mood(Mood::Picky(2, "the attribute x is not allowed"));
    trial.until("two such answers", |it| it.exports("partial_success") >= 2).await;
    trial.hop.collector.set_mood(Mood::Accepting);
    trial.traffic().await;

    let Outcome { proxy, stats, lost, repeated, .. } = trial.end().await;
    assert_eq!(lost, stats.dropped("partial_success"), "{stats}");
    assert_eq!((stats.hopspan("export.retries"), repeated), (0, 0), "{stats}");
    let log = proxy.log();
    let said = log.lines().filter(|it| it.contains("the attribute x is not allowed")).count();
    assert_eq!(said, 1, "the collector's reason, once:\n{log}");
}

#[tokio::test]
async fn a_request_that_is_too_large_is_halved_until_it_is_taken() {
    let mut trial = Trial::start(|it| {
        // Enough time to gather more than the collector takes.
        it.configure("batch", json!({ "schedule_delay_ms": 100 }));
    })
    .await;

    trial.hop.collector.set_mood(Mood::Narrow(5));
    trial.until("two halved requests", |it| it.exports("too_large") >= 2).await;

    let outcome = trial.end().await;
    outcome.assert_nothing_lost();
    outcome.assert_nothing_repeated();
}

#[tokio::test]
async fn what_stays_too_large_is_counted_and_not_sent_for_ever() {
    let mut trial = Trial::start(|_| ()).await;

    trial.hop.collector.set_mood(Mood::Narrow(0));
    trial.until("a span that is too big", |it| it.dropped("too_big") > 0).await;
    trial.hop.collector.set_mood(Mood::Accepting);
    trial.traffic().await;

    let Outcome { stats, lost, repeated, .. } = trial.end().await;
    assert_eq!(lost, stats.dropped("too_big"), "{stats}");
    assert_eq!(repeated, 0, "{stats}");
}

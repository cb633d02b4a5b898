//! Collectors that are away for a time, and come back.

use serde_json::json;

use super::*;
use crate::bootstrap::COLLECTOR;
use crate::stats::Stats;

#[tokio::test]
async fn a_collector_that_was_down_gets_every_span_once() {
    let mut trial = Trial::start(|_| ()).await;

    trial.hop.collector.close().await;
    trial.until("three failed retries", |it| it.hopspan("export.retries") >= 3).await;
    trial.hop.collector.reopen().await;
    trial.traffic().await;

    let outcome = trial.end().await;
    outcome.assert_nothing_lost();
    // This collector answered all that it took before it went down.
    outcome.assert_nothing_repeated();
    let log = outcome.proxy.log();
    for line in ["export fails", "export works again"] {
        let said = log.lines().filter(|it| it.contains(line)).count();
        assert_eq!(said, 1, "{line}:\n{log}");
    }
}

#[tokio::test]
async fn a_collector_that_was_overloaded_gets_every_span_once() {
    let mut trial = Trial::start(|_| ()).await;

    let mut refused = 0;
    for status in [429, 502, 503, 504] {
        trial.hop.collector.set_mood(Mood::Failing(status));
        let again = |it: &Stats| it.exports("retryable") >= refused + 2;
        refused = trial.until("two refused requests", again).await.exports("retryable");
    }
    trial.hop.collector.set_mood(Mood::Accepting);
    trial.traffic().await;

    let outcome = trial.end().await;
    outcome.assert_nothing_lost();
    outcome.assert_nothing_repeated();
}

#[tokio::test]
async fn a_collector_is_left_alone_for_as_long_as_it_asks() {
    let mut trial = Trial::start(|_| ()).await;
    for (why, retry_after) in
        [("delay-seconds", RetryAfter::Seconds(1)), ("HTTP-date", RetryAfter::Date(1))]
    {
        // Without the header, the next request would come within 100 ms.
        trial.hop.collector.set_mood(Mood::Busy(429, retry_after));
        let asked = trial.hop.collector.requests();
        trial.hop.collector.asked(asked + 1).await;
        trial.traffic().await;
        // Those that were in flight together may have been refused together.
        let before = trial.hop.collector.requests();
        trial.hop.collector.set_mood(Mood::Accepting);
        let asked = trial.hop.collector.asked(before + 1).await;
        let waited = asked[before].duration_since(asked[before - 1]);
        assert!(waited >= Duration::from_secs(1), "{why}: asked again after {waited:?}");
        trial.traffic().await;
    }

    let outcome = trial.end().await;
    outcome.assert_nothing_lost();
    outcome.assert_nothing_repeated();
}

#[tokio::test]
async fn spans_are_sent_again_when_the_answer_comes_too_late() {
    let mut trial = Trial::start(|it| {
        it.configure("collector", json!({ "cluster": COLLECTOR, "timeout_ms": 100 }));
    })
    .await;

    trial.hop.collector.set_mood(Mood::Late(Duration::from_millis(300)));
    trial.until("two late answers", |it| it.exports("retryable") >= 2).await;
    trial.hop.collector.set_mood(Mood::Accepting);
    trial.traffic().await;

    let outcome = trial.end().await;
    outcome.assert_nothing_lost();
    assert!(outcome.repeated > 0, "it took them, but nobody could know");
}

#[tokio::test]
async fn spans_are_sent_again_when_the_answer_is_cut() {
    let mut trial = Trial::start(|_| ()).await;

    trial.hop.collector.set_mood(Mood::Cutting);
    trial.until("two cut answers", |it| it.exports("failed") >= 2).await;
    trial.hop.collector.set_mood(Mood::Accepting);
    trial.traffic().await;

    let outcome = trial.end().await;
    outcome.assert_nothing_lost();
    assert!(outcome.repeated > 0, "it took them, but nobody could know");
}

#[tokio::test]
async fn a_collector_that_stays_away_is_given_up_and_counted() {
    let mut trial = Trial::start(|it| {
        let retry = json!({
            "initial_backoff_ms": 20, "max_backoff_ms": 40, "max_elapsed_ms": 100,
        });
        it.configure("retry", retry);
    })
    .await;

    trial.hop.collector.set_mood(Mood::Failing(503));
    trial.until("spans given up", |it| it.dropped("retry_exhausted") > 0).await;
    trial.hop.collector.set_mood(Mood::Accepting);
    trial.traffic().await;

    let outcome = trial.end().await;
    assert_eq!(outcome.lost, outcome.stats.dropped("retry_exhausted"), "{}", outcome.stats);
    outcome.assert_nothing_repeated();
}

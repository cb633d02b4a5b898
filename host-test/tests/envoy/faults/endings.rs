//! What becomes of spans that wait when their configuration, their VM or the proxy ends.
//!
//! A worker hands over to whoever serves under the same `vm_id`. Where nobody can come after, the
//! spans go out if they can, and are counted as `shutdown` in any case: nobody hears the answer. (Of
//! a VM that dies in a living Envoy few arrive; at SIGTERM all that have a warm connection.)

use serde_json::json;

use super::*;
use crate::bootstrap::Setup;
use crate::collector::Collector;
use crate::stats::Stats;

#[tokio::test]
async fn a_vm_that_is_replaced_loses_nothing() {
    let mut trial = Trial::start(|it| it.listener_from_file = true).await;

    for vm_configuration in ["second", "third"] {
        trial.update(|it| it.vm_configuration = vm_configuration).await;
    }
    trial.drained().await;

    trial.end().await.assert_nothing_lost();
}

#[tokio::test]
async fn a_vm_that_is_replaced_while_the_collector_is_down_hands_its_spans_over() {
    let mut trial = Trial::start(|it| it.listener_from_file = true).await;

    trial.hop.collector.close().await;
    trial.until("a failed export", |it| it.exports("retryable") > 0).await;
    hand_over(trial, async |it| it.reopen().await).await;
}

#[tokio::test]
async fn a_vm_that_is_replaced_hands_over_what_was_not_answered() {
    let mut trial = Trial::start(|it| {
        it.listener_from_file = true;
        it.workers = 2;
    })
    .await;

    trial.hop.collector.set_mood(Mood::Silent);
    trial.until("spans in flight", |it| it.hopspan("spans.in_flight") > 0).await;
    hand_over(trial, async |it| it.set_mood(Mood::Accepting)).await;
}

/// Has spans wait when what gathers them ends, with a connection to the collector that is warm.
fn gather(setup: &mut Setup) {
    // Longer than old listeners are drained.
    let batch = json!({ "schedule_delay_ms": 1500, "max_export_batch_size": 20 });
    setup.configure("batch", batch);
}

/// Replaces the VM, and then has the collector work again: each span comes, and comes once.
async fn hand_over(mut trial: Trial, recover: impl AsyncFnOnce(&mut Collector)) {
    trial.update(|it| it.vm_configuration = "second").await;
    trial.drained().await;
    trial.until("a hand-over", |it| it.hopspan("spans.handed_over") > 0).await;
    recover(&mut trial.hop.collector).await;
    trial.until("its other end", |it| it.hopspan("spans.taken_over") > 0).await;

    let outcome = trial.end().await;
    outcome.assert_nothing_lost();
    outcome.assert_nothing_repeated();
    let stats = &outcome.stats;
    assert_eq!(stats.hopspan("spans.handed_over"), stats.hopspan("spans.taken_over"), "{stats}");
}

#[tokio::test]
async fn a_configuration_that_is_replaced_while_the_collector_is_down_loses_nothing() {
    let mut trial = Trial::start(|it| it.listener_from_file = true).await;

    trial.hop.collector.close().await;
    trial.until("a failed export", |it| it.exports("retryable") > 0).await;
    trial.update(|it| it.configure("service", json!({ "version": "2" }))).await;
    trial.drained().await;
    trial.hop.collector.reopen().await;

    let outcome = trial.end().await;
    outcome.assert_nothing_lost();
    outcome.assert_nothing_repeated();
}

#[tokio::test]
async fn a_vm_with_another_vm_id_cannot_be_handed_anything_and_all_is_counted() {
    let mut trial = Trial::start(|it| it.listener_from_file = true).await;

    trial.hop.collector.close().await;
    trial.until("a failed export", |it| it.exports("retryable") > 0).await;
    trial.update(|it| it.vm_id = "another").await;
    trial.drained().await;
    trial.until("the loss", |it| it.dropped("shutdown") > 0).await;
    trial.hop.collector.reopen().await;

    let Outcome { stats, lost, repeated, .. } = trial.end().await;
    assert_eq!(lost, stats.dropped("shutdown"), "{stats}");
    assert_eq!(stats.hopspan("spans.handed_over"), 0, "{stats}");
    assert_eq!(repeated, 0, "{stats}");
}

#[tokio::test]
async fn a_vm_with_another_vm_id_loses_no_more_than_it_counts() {
    let mut trial = Trial::start(|it| {
        it.listener_from_file = true;
        gather(it);
    })
    .await;

    trial.update(|it| it.vm_id = "another").await;
    trial.drained().await;

    let Outcome { stats, lost, repeated, .. } = trial.end().await;
    assert!(lost <= stats.dropped("shutdown"), "{lost}: {stats}");
    assert_eq!(repeated, 0, "{stats}");
}

#[tokio::test]
async fn a_listener_that_is_removed_counts_what_it_could_not_send() {
    let mut trial = Trial::start(|it| {
        it.listener_from_file = true;
        it.bystander = true;
    })
    .await;

    trial.hop.collector.set_mood(Mood::Failing(503));
    trial.until("a failed export", |it| it.exports("retryable") > 0).await;
    let quiet = trial.quiet().await;
    quiet.hop.proxy.remove_listeners();

    let Outcome { stats, lost, .. } = quiet.end().await;
    assert!(lost > 0, "{stats}");
    assert_eq!(lost, stats.dropped("shutdown"), "{stats}");
}

#[tokio::test]
async fn a_listener_that_is_removed_loses_no_more_than_it_counts() {
    let trial = Trial::start(|it| {
        it.listener_from_file = true;
        it.bystander = true;
        gather(it);
    })
    .await;

    let quiet = trial.quiet().await;
    quiet.hop.proxy.remove_listeners();

    let Outcome { stats, lost, repeated, .. } = quiet.end().await;
    assert!(lost <= stats.dropped("shutdown"), "{lost}: {stats}");
    assert_eq!(repeated, 0, "{stats}");
}

/// Nobody can ask Envoy for its stats afterwards: what is lost is what waited.
#[tokio::test]
async fn sigterm_without_a_drain_loses_what_waited_at_most() {
    let trial = Trial::start(gather).await;

    let mut quiet = trial.quiet().await;
    let requests = quiet.requests();
    let all_told = |it: &Stats| it.hopspan("spans.created") == requests;
    let stats = quiet.hop.proxy.stats_when("all requests", all_told).await;
    assert!(quiet.hop.proxy.quit().await.success());

    let Outcome { stats, lost, repeated, .. } = quiet.compare(stats).await;
    let waited = stats.hopspan("spans.queued") + stats.hopspan("spans.in_flight");
    assert!(lost <= waited, "{lost}: {stats}");
    assert_eq!(repeated, 0, "{stats}");
}

/// What docs/export.md tells operators to do.
#[tokio::test]
async fn sigterm_after_a_drain_loses_nothing() {
    let mut trial = Trial::start(|it| {
        it.workers = 2;
        it.configure("batch", json!({ "schedule_delay_ms": 500 }));
    })
    .await;

    // Load balancers look elsewhere, and clients are told to: the traffic ends.
    trial.hop.proxy.tell("/healthcheck/fail").await;
    trial.traffic().await;
    let mut quiet = trial.quiet().await;
    quiet.hop.proxy.tell("/drain_listeners?graceful").await;
    // Stats are told each `schedule_delay_ms`: what they say may be older than the last request.
    let stats = quiet.hop.proxy.at_rest(quiet.requests()).await;
    assert!(quiet.hop.proxy.quit().await.success());

    let outcome = quiet.compare(stats).await;
    outcome.assert_nothing_lost();
    outcome.assert_nothing_repeated();
}

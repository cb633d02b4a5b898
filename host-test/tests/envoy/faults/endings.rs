//! What becomes of spans that wait when their configuration, their VM or the proxy ends.
//!
//! A worker hands over to whoever serves under the same `vm_id`. Where nobody can come after, the
//! spans go out if they can, and are counted as `shutdown` in any case: nobody hears the answer. (Of
//! a VM that dies in a living Envoy few arrive; at SIGTERM all that have a warm connection.)

use serde_json::json;

use super::trial::{Arrived, WAITING, gathered};
use super::*;
use crate::collector::Collector;

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
async fn a_vm_with_another_vm_id_counts_just_what_waited() {
    let mut quiet = gathered(|it| it.listener_from_file = true).await;

    quiet.update(|it| it.vm_id = "another").await;

    quiet.end().await.assert_only_shutdown(WAITING);
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
async fn a_listener_that_is_removed_counts_just_what_waited() {
    let quiet = gathered(|it| {
        it.listener_from_file = true;
        it.bystander = true;
    })
    .await;

    quiet.hop.proxy.remove_listeners();

    quiet.end().await.assert_only_shutdown(WAITING);
}

/// Nobody can ask Envoy for its stats afterwards: what counts is what the collector has.
#[tokio::test]
async fn sigterm_without_a_drain_sends_what_waited_over_a_connection_that_is_open() {
    let mut quiet = gathered(|_| ()).await;

    assert_eq!(quiet.arrived().await.lost, WAITING, "what waits has not been sent");
    assert!(quiet.hop.proxy.quit().await.success());
    quiet.hop.collector.left().await;

    let Arrived { lost, repeated, .. } = quiet.arrived().await;
    assert_eq!((lost, repeated), (0, 0));
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

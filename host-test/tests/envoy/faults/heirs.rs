//! Who comes after a configuration that ends, when that is not simply the next one.
//!
//! What is handed over is taken over, and counted where it ends: nothing stays in between.

use serde_json::json;
use tokio::time::sleep;

use super::trial::{Arrived, Quiet, WAITING, gathered};
use super::*;
use crate::bootstrap::{Setup, filter};
use crate::stats::Stats;

#[tokio::test]
async fn a_configuration_that_comes_back_takes_over_from_the_one_between() {
    let mut trial = Trial::start(|it| it.listener_from_file = true).await;

    trial.hop.collector.close().await;
    trial.until("a failed export", |it| it.exports("retryable") > 0).await;
    for version in [json!({ "version": "2" }), json!({})] {
        trial.update(|it| it.configure("service", version)).await;
    }
    trial.until("a hand-over", |it| it.hopspan("spans.handed_over") > 0).await;
    trial.drained().await;
    trial.hop.collector.reopen().await;

    let outcome = trial.end().await;
    outcome.assert_nothing_lost();
    outcome.assert_nothing_repeated();
    outcome.assert_all_taken_over();
}

/// Envoy does not tell a VM that it serves again, so the one between has no successor.
#[tokio::test]
async fn a_vm_that_comes_back_gets_nothing_from_the_one_between_and_all_is_counted() {
    let mut quiet = gathered(|it| it.listener_from_file = true).await;

    // The first VM is drained all the while.
    for (vm_configuration, spans) in [("second", 3), ("", 2)] {
        quiet.update(|it| it.vm_configuration = vm_configuration).await;
        quiet.ask(spans).await;
    }
    quiet.hop.proxy.stats_when("the loss", |it| it.dropped("shutdown") == 3).await;
    // Its request was cancelled, and the connection with it: another one opens.
    quiet.ask(20).await;
    let whole = quiet.requests() - WAITING - 5;
    let exported = |it: &Stats| it.hopspan("spans.exported") == whole;
    quiet.hop.proxy.stats_when("a whole batch exported", exported).await;
    assert!(quiet.hop.proxy.quit().await.success());
    quiet.hop.collector.left().await;

    let Arrived { lost, repeated, .. } = quiet.arrived().await;
    assert!(lost <= 3, "{lost} lost: what the first VM had was sent");
    assert_eq!(repeated, 0);
}

#[tokio::test]
async fn a_vm_that_came_back_and_is_removed_counts_all_that_waited() {
    let mut quiet = gathered(|it| {
        it.listener_from_file = true;
        it.bystander = true;
    })
    .await;

    for (vm_configuration, spans) in [("second", 3), ("", 2)] {
        quiet.update(|it| it.vm_configuration = vm_configuration).await;
        quiet.ask(spans).await;
    }
    quiet.hop.proxy.remove_listeners();

    let outcome = quiet.end().await;
    let Outcome { stats, lost, made, .. } = &outcome;
    assert_eq!(stats.dropped("shutdown"), WAITING + 5, "{stats}");
    assert_eq!(stats.hopspan("spans.exported"), made - WAITING - 5, "{stats}");
    assert!(*lost <= WAITING + 5, "{lost} lost:\n{stats}");
    assert_eq!(stats.hopspan("spans.handed_over"), stats.hopspan("spans.taken_over"), "{stats}");
    outcome.assert_nothing_repeated();
}

#[tokio::test]
async fn a_listener_that_is_removed_while_an_old_vm_drains_counts_all_that_waited() {
    let mut quiet = gathered(|it| {
        it.listener_from_file = true;
        it.bystander = true;
    })
    .await;

    quiet.update(|it| it.vm_configuration = "second").await;
    quiet.ask(3).await;
    quiet.hop.proxy.remove_listeners();

    let outcome = quiet.end().await;
    outcome.assert_all_taken_over();
    let Outcome { stats, made, .. } = &outcome;
    assert_eq!(stats.dropped("shutdown"), WAITING + 3, "{stats}");
    assert_eq!(stats.hopspan("spans.exported"), made - WAITING - 3, "{stats}");
    outcome.assert_nothing_repeated();
}

#[tokio::test]
async fn sigterm_while_an_old_vm_drains_sends_what_waits() {
    let mut quiet = gathered(|it| it.listener_from_file = true).await;

    // Each VM has a request of its own: two at once open a second connection.
    quiet.hop.collector.set_mood(Mood::Late(Duration::from_millis(300)));
    quiet.ask(40).await;
    quiet.exported().await;
    quiet.hop.collector.set_mood(Mood::Accepting);
    quiet.update(|it| it.vm_configuration = "second").await;
    quiet.ask(3).await;
    assert_eq!(quiet.arrived().await.lost, WAITING + 3, "what waits has not been sent");

    let Arrived { lost, repeated, .. } = terminated(quiet).await;
    assert_eq!((lost, repeated), (0, 0));
}

#[tokio::test]
async fn nobody_takes_over_before_there_is_traffic_and_then_all_comes() {
    let mut quiet = gathered(|it| it.listener_from_file = true).await;

    quiet.update(successor).await;
    let given = |it: &Stats| it.hopspan("spans.handed_over") == WAITING;
    quiet.hop.proxy.stats_when("a hand-over", given).await;
    // Some ticks of every VM: nothing tells of what does not happen.
    sleep(Duration::from_millis(100)).await;
    let stats = quiet.hop.proxy.stats().await;
    assert_eq!(stats.hopspan("spans.taken_over"), 0, "{stats}");
    quiet.ask(1).await;
    let taken = |it: &Stats| it.hopspan("spans.taken_over") == WAITING;
    quiet.hop.proxy.stats_when("its other end", taken).await;

    let outcome = quiet.end().await;
    outcome.assert_nothing_lost();
    outcome.assert_nothing_repeated();
}

/// Each worker of the old VM leaves what it has to the one worker that the only caller is at.
#[tokio::test]
async fn of_two_workers_the_one_that_serves_takes_all_over() {
    let mut trial = Trial::start(|it| {
        it.listener_from_file = true;
        it.workers = 2;
    })
    .await;

    trial.hop.collector.close().await;
    trial.until("a failed export", |it| it.exports("retryable") > 0).await;
    let mut quiet = trial.quiet().await;
    quiet.update(|it| it.vm_configuration = "second").await;
    quiet.drained().await;
    let requests = quiet.requests();
    let given =
        |it: &Stats| it.hopspan("spans.handed_over") == requests - it.hopspan("spans.exported");
    let stats = quiet.hop.proxy.stats_when("a hand-over", given).await;
    assert_eq!(stats.hopspan("spans.taken_over"), 0, "{stats}");
    quiet.hop.collector.reopen().await;
    quiet.ask(1).await;

    let given = stats.hopspan("spans.handed_over");
    let taken = |it: &Stats| it.hopspan("spans.taken_over") == given;
    quiet.hop.proxy.stats_when("its other end", taken).await;
    let outcome = quiet.end().await;
    outcome.assert_nothing_lost();
    outcome.assert_nothing_repeated();
}

#[tokio::test]
async fn a_successor_without_traffic_that_is_removed_counts_what_was_left_to_it() {
    let mut quiet = gathered(|it| {
        it.listener_from_file = true;
        it.bystander = true;
    })
    .await;

    quiet.update(successor).await;
    let given = |it: &Stats| it.hopspan("spans.handed_over") == WAITING;
    quiet.hop.proxy.stats_when("a hand-over", given).await;
    quiet.hop.proxy.remove_listeners();
    quiet.drained().await;

    let outcome = quiet.end().await;
    outcome.assert_all_taken_over();
    let Outcome { stats, .. } = &outcome;
    assert_eq!(stats.dropped("shutdown"), WAITING, "{stats}");
}

/// Envoy has configured the VM of the rejected listener when it comes to the filter that is wrong.
#[tokio::test]
async fn an_update_that_envoy_rejects_is_nobodys_heir() {
    for (why, change) in REJECTED {
        let quiet = gathered(|it| {
            it.listener_from_file = true;
            it.bystander = true;
        })
        .await;

        quiet.update_in_vain(change).await;
        quiet.hop.proxy.remove_listeners();

        println!("{why}");
        quiet.end().await.assert_only_shutdown(WAITING);
    }
}

#[tokio::test]
async fn an_update_that_envoy_rejects_keeps_nothing_from_being_sent_at_sigterm() {
    for (why, change) in REJECTED {
        let quiet = gathered(|it| it.listener_from_file = true).await;

        quiet.update_in_vain(change).await;

        let Arrived { lost, repeated, .. } = terminated(quiet).await;
        assert_eq!((lost, repeated), (0, 0), "{why}");
    }
}

/// What Envoy rejects after hopspan has taken its part of it.
const REJECTED: [(&str, Change); 2] = [
    ("another VM", |it| {
        it.vm_configuration = "second";
        it.after.push(broken());
    }),
    ("another configuration in the same VM", |it| {
        it.configure("service", json!({ "version": "2" }));
        it.after.push(broken());
    }),
];

type Change = fn(&mut Setup);

/// A filter that cannot be configured.
fn broken() -> serde_json::Value {
    filter("lua", "lua.v3.Lua", json!({ "default_source_code": { "inline_string": "(" } }))
}

/// Another VM, which sends at once.
fn successor(setup: &mut Setup) {
    setup.vm_configuration = "second";
    setup.configure("batch", json!({ "schedule_delay_ms": 20 }));
}

/// Ends the proxy, and waits for all that it sends with its last breath.
async fn terminated(mut quiet: Quiet) -> Arrived {
    assert!(quiet.hop.proxy.quit().await.success());
    quiet.hop.collector.left().await;
    quiet.arrived().await
}

//! What docs/operations.md promises who runs a proxy: upgrades, ways back, and how to switch off.

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use tempfile::TempDir;

use crate::bootstrap::{Direction, Setup};
use crate::client::{get, with};
use crate::faults::trial::Trial;
use crate::hop::Hop;
use crate::proxy;
use crate::stats::Stats;
use crate::upstream::{Answer, Seen};

const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Another version of the module, for the proxy: it goes by the bytes.
fn another_module() -> (TempDir, PathBuf) {
    let directory = tempfile::Builder::new().prefix("hopspan-module-").tempdir().unwrap();
    let mut bytes = fs::read(proxy::wasm()).expect("the module");
    // A custom section, which means nothing: its id, its length, and its name with its length.
    bytes.extend(b"\x00\x06\x05other");
    let path = directory.path().join("other.wasm");
    fs::write(&path, bytes).expect("a file");
    (directory, path)
}

/// Envoy's main thread compiles a new module, and counts the time to drain from before that: where
/// it is shorter, connections are cut that nobody asked to close.
const LONGER_THAN_TO_COMPILE: u32 = 6;

#[tokio::test]
async fn a_module_is_upgraded_and_taken_back_under_traffic_and_nothing_is_lost() {
    let (_directory, other) = another_module();
    let mut trial = Trial::start(|it| {
        it.listener_from_file = true;
        it.drain_seconds = LONGER_THAN_TO_COMPILE;
    })
    .await;

    trial.update(|it| it.module = Some(other)).await;
    // A way back while the old one still drains would find its VM ended, and its spans counted lost.
    trial.drained().await;
    trial.update(|it| it.module = None).await;
    trial.drained().await;

    trial.end().await.assert_nothing_lost();
}

/// An older module meets the keys of a newer one's document as ones that it does not know.
#[tokio::test]
async fn an_older_module_does_its_work_with_a_newer_document() {
    let mut trial = Trial::start(|it| it.listener_from_file = true).await;

    trial.update(|it| it.configure("of_a_later_version", json!({ "key": [1, 2] }))).await;
    trial.until("two unknown keys", |it| it.hopspan("config.unknown_keys") > 0).await;
    trial.drained().await;
    let document = |it: &mut Setup| {
        it.hopspan
            .as_mut()
            .and_then(|it| it.as_object_mut())
            .map(|it| it.remove("of_a_later_version"))
    };
    trial.update(|it| drop(document(it))).await;

    trial.end().await.assert_nothing_lost();
}

/// Ways to switch hopspan off while the proxy works: requests go on as they came, without a span.
#[tokio::test]
async fn hopspan_is_switched_off_without_a_restart() {
    type Change = fn(&mut Setup);
    let ways: [(&str, Change); 3] = [
        ("the filter is disabled", |it| it.disabled = true),
        ("the filter is taken out", |it| it.hopspan = None),
        // Of its environment a VM is told once: the proxy makes another one by itself.
        ("the SDK is disabled", |it| it.environment = vec![("OTEL_SDK_DISABLED", "true")]),
    ];
    for (why, change) in ways {
        let hop = started().await;
        let off = |hop: &Hop| {
            let mut setup = from_file(hop);
            change(&mut setup);
            setup
        };
        switched(&hop, &off(&hop)).await;
        let mut client = hop.client().await;
        for _ in 0..5 {
            assert_eq!(client.ask(with(get("/off"), "traceparent", SAMPLED)).await.status, 200);
        }
        let seen = hop.upstream.seen(6).await;
        let passed = seen.iter().filter(|it| it.header("traceparent") == Some(SAMPLED));
        assert_eq!(passed.count(), 5, "{why}: the caller's context goes on untouched");

        // And on again: the span of this request is the second of all.
        switched(&hop, &from_file(&hop)).await;
        assert_eq!(hop.client().await.ask(get("/on")).await.status, 200);
        let spans = hop.collector.spans(2).await;
        let paths: Vec<_> = spans.iter().map(|it| it.text("url.path")).collect();
        assert_eq!(paths, [Some("/before"), Some("/on")], "{why}");
    }
}

/// A proxy that has made one span.
async fn started() -> Hop {
    let hop = Hop::start_with(Direction::Inbound, ok, |it| it.listener_from_file = true).await;
    assert_eq!(hop.client().await.ask(get("/before")).await.status, 200);
    hop.collector.spans(1).await;
    hop
}

/// Replaces the listener, and waits until the old one has drained.
async fn switched(hop: &Hop, setup: &Setup) {
    let updates = |it: &Stats| it.envoy("listener_manager.lds.update_success");
    let before = updates(&hop.proxy.stats().await);
    hop.proxy.update(setup);
    let done = |it: &Stats| {
        updates(it) > before
            && it.envoy("listener_manager.total_filter_chains_draining") == 0
            && it.envoy("listener_manager.total_listeners_draining") == 0
    };
    hop.proxy.stats_when("the new listener alone", done).await;
}

fn from_file(hop: &Hop) -> Setup {
    let (upstream, collector) = (hop.upstream.address(), hop.collector.address());
    Setup { listener_from_file: true, ..Setup::new(Direction::Inbound, upstream, collector) }
}

fn ok(_: &Seen) -> Answer {
    Answer::status(200)
}

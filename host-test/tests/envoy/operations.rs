//! What docs/operations.md promises who runs a proxy: upgrades, ways back, and how to switch off.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::bootstrap::{Direction, Setup};
use crate::client::{Client, get, with};
use crate::deadline::poll;
use crate::faults::trial::Trial;
use crate::hop::Hop;
use crate::proxy;
use crate::received::Received;
use crate::stats::Stats;
use crate::upstream::{Answer, Seen};

const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Another version of the module: that of an earlier release, where `HOPSPAN_OLDER_WASM` names one;
/// else this one in other bytes, by which a proxy goes.
fn another_module() -> (TempDir, PathBuf) {
    let directory = tempfile::Builder::new().prefix("hopspan-module-").tempdir().unwrap();
    let older = std::env::var_os("HOPSPAN_OLDER_WASM").filter(|it| !it.is_empty());
    let mut bytes = fs::read(older.map_or_else(proxy::wasm, PathBuf::from)).expect("a module");
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
    let hop = Hop::start_with(Direction::Inbound, ok, |it| {
        it.listener_from_file = true;
        it.drain_seconds = LONGER_THAN_TO_COMPILE;
    })
    .await;

    let traffic = Traffic::start(hop.proxy.address());
    for module in [Some(other), None] {
        let mut setup = from_file(&hop);
        setup.module = module;
        // A way back while the old one still drains would find its VM ended, and its spans
        // counted lost.
        switched(&hop, &setup).await;
        traffic.more(25).await;
    }
    let sent = traffic.stop().await;

    hop.proxy.at_rest(i64::try_from(sent).unwrap()).await;
    let ids: BTreeSet<_> = hop.collector.spans_now().iter().map(Received::span_id).collect();
    assert_eq!(ids.len(), sent, "each span; what was in flight may have come twice");
    let stats = hop.proxy.stats().await;
    assert_eq!(stats.hopspan_sum("spans.dropped."), 0, "{stats}");
}

/// An older module meets the keys of a newer one's document as ones that it does not know: the
/// document goes first, then the module, and both the same way back.
#[tokio::test]
async fn an_older_module_does_its_work_with_a_newer_document() {
    let (_directory, older) = another_module();
    let mut trial = Trial::start(|it| {
        it.listener_from_file = true;
        it.drain_seconds = LONGER_THAN_TO_COMPILE;
        it.module = Some(older.clone());
    })
    .await;

    trial.update(|it| it.configure("of_a_later_version", json!({ "key": [1, 2] }))).await;
    trial.until("unknown keys", |it| it.hopspan("config.unknown_keys") > 0).await;
    trial.drained().await;
    for module in [None, Some(older)] {
        trial.update(|it| it.module = module).await;
        trial.drained().await;
    }
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
        // Envoy up to 1.37 tells a VM of its environment once, so there must be another VM.
        ("the SDK is disabled", |it| {
            it.environment = vec![("OTEL_SDK_DISABLED", "true")];
            it.vm_configuration = "off";
        }),
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

/// Requests one after the other, each on a connection of its own.
struct Traffic {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Traffic {
    fn start(address: SocketAddr) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let task = tokio::spawn({
            let (stop, sent) = (stop.clone(), sent.clone());
            async move {
                while !stop.load(Ordering::Relaxed) {
                    let mut client = Client::http1(address).await;
                    assert_eq!(client.ask(get("/")).await.status, 200);
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Self { stop, sent, task }
    }

    async fn more(&self, count: usize) {
        let until = self.sent.load(Ordering::Relaxed) + count;
        let enough = || self.sent.load(Ordering::Relaxed) >= until;
        poll("more requests", async || enough().then_some(())).await;
    }

    /// How many requests there were.
    ///
    /// # Panics
    ///
    /// When one failed.
    async fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("no request fails");
        self.sent.load(Ordering::Relaxed)
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
    hop.proxy.stats_within(Duration::from_secs(60), "the new listener alone", done).await;
}

fn from_file(hop: &Hop) -> Setup {
    let (upstream, collector) = (hop.upstream.address(), hop.collector.address());
    Setup { listener_from_file: true, ..Setup::new(Direction::Inbound, upstream, collector) }
}

fn ok(_: &Seen) -> Answer {
    Answer::status(200)
}

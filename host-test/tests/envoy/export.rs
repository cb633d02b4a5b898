//! Spans on their way to a collector. What becomes of them when it fails under traffic: `faults`.

use serde_json::json;

use crate::bootstrap::{COLLECTOR, Direction, Setup};
use crate::client::{Client, get};
use crate::collector::Mood;
use crate::hop::Hop;
use crate::proxy::Proxy;
use crate::stats::Stats;
use crate::upstream::{Answer, Upstream};

#[tokio::test]
async fn a_collector_that_never_answers_is_asked_again() {
    let hop = patient(|it| {
        it.configure("collector", json!({ "cluster": COLLECTOR, "timeout_ms": 100 }));
    })
    .await;

    hop.collector.set_mood(Mood::Silent);
    let mut client = hop.client().await;
    client.ask(get("/")).await;
    hop.collector.asked(2).await;
    hop.collector.set_mood(Mood::Accepting);

    all_different(&hop, 1).await;
}

#[tokio::test]
async fn a_collector_that_refuses_for_good_is_not_asked_again() {
    let hop = patient(|_| ()).await;

    hop.collector.set_mood(Mood::Failing(400));
    hop.client().await.ask(get("/")).await;
    let dropped = "spans.dropped.reason=.=non_retryable;.;";
    let stats = hop.proxy.stats_when("a dropped span", |it| it.hopspan(dropped) == 1).await;
    assert_eq!(stats.hopspan("export.requests.outcome=.=rejected;.;"), 1, "{stats}");
    assert_eq!(stats.hopspan("spans.exported"), 0, "{stats}");

    hop.collector.set_mood(Mood::Accepting);
    hop.client().await.ask(get("/")).await;
    hop.collector.spans(1).await;
    assert_eq!(hop.collector.requests(), 2, "one for each span");
}

#[tokio::test]
async fn all_workers_export() {
    let hop = Hop::start_with(Direction::Inbound, |_| Answer::status(200), |it| it.workers = 3);
    let hop = hop.await;

    for _ in 0..60 {
        // A connection each: the kernel spreads them over the workers.
        assert_eq!(hop.client().await.ask(get("/")).await.status, 200);
    }
    all_different(&hop, 60).await;
}

#[tokio::test]
async fn a_cluster_that_does_not_exist_is_named_in_the_log() {
    let hop = Hop::start_with(
        Direction::Inbound,
        |_| Answer::status(200),
        |it| it.configure("collector", json!({ "cluster": "no_such_cluster" })),
    );
    let hop = hop.await;

    assert_eq!(hop.client().await.ask(get("/")).await.status, 200);

    let line = hop.proxy.logged("the missing cluster", |line| {
        // The configuration, which is logged too, is no warning.
        let loud = line.starts_with("[warning]") || line.starts_with("[error]");
        loud && line.contains("no_such_cluster")
    });
    let line = line.await;
    assert!(line.contains("cluster"), "{line}");
    let stats = hop.proxy.stats_when("a span", |it| it.hopspan("spans.created") == 1).await;
    assert_eq!(stats.unaccounted_spans(), 0, "{stats}");
}

#[tokio::test]
async fn nothing_is_exported_without_a_collector() {
    let hop = Hop::start_with(
        Direction::Inbound,
        |_| Answer::status(200),
        |it| {
            it.hopspan = Some(json!({}));
        },
    );
    let hop = hop.await;

    assert_eq!(hop.client().await.ask(get("/")).await.status, 200);

    hop.upstream.seen(1).await[0].traceparent();
    let stats = hop.proxy.stats_when("a context", |it| it.hopspan("context.started") == 1).await;
    assert_eq!(stats.unaccounted_spans(), 0, "{stats}");
    assert_eq!(hop.collector.requests(), 0);
    let log = hop.proxy.log();
    let said = log.lines().filter(|it| it.contains("collector.cluster")).count();
    assert_eq!(said, 1, "one line a process says so:\n{log}");
}

#[tokio::test]
async fn the_callout_is_what_the_configuration_says() {
    // A second upstream plays the collector, because it remembers headers.
    let upstream = Upstream::start(|_| Answer::status(200)).await;
    let collector = Upstream::start(|_| Answer::status(200)).await;
    let mut setup = Setup::new(Direction::Inbound, upstream.address(), collector.address());
    setup.configure(
        "collector",
        json!({
            "cluster": COLLECTOR,
            "authority": "traces.example",
            "traces_path": "/otlp/v1/traces",
            "headers": { "authorization": "Bearer ${TOKEN}", "x-tenant": "shop" },
        }),
    );
    setup.environment = vec![("TOKEN", "s3cret"), ("OTEL_SERVICE_NAME", "cart")];
    let proxy = Proxy::start(&setup).await;

    Client::http1(proxy.address()).await.ask(get("/")).await;

    let callout = &collector.seen(1).await[0];
    assert_eq!(callout.path, "/otlp/v1/traces");
    assert_eq!(callout.header("host"), Some("traces.example"));
    assert_eq!(callout.header("authorization"), Some("Bearer s3cret"));
    assert_eq!(callout.header("x-tenant"), Some("shop"));
    assert_eq!(callout.header("content-type"), Some("application/x-protobuf"));
    let log = proxy.log();
    assert!(log.contains("traces.example"), "the effective configuration is logged:\n{log}");
    assert!(!log.contains("s3cret"), "secrets are not:\n{log}");
}

#[tokio::test]
async fn the_environment_names_the_service() {
    let hop = Hop::start_with(
        Direction::Inbound,
        |_| Answer::status(200),
        |it| {
            it.environment = vec![
                ("OTEL_SERVICE_NAME", "cart"),
                ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
            ];
            it.configure("service", json!({ "namespace": "shop" }));
        },
    );
    let hop = hop.await;

    hop.client().await.ask(get("/")).await;

    let span = hop.span().await;
    assert_eq!(span.resource_text("service.name"), Some("cart"));
    assert_eq!(span.resource_text("service.namespace"), Some("shop"));
    assert_eq!(span.resource_text("deployment.environment.name"), Some("test"));
}

/// A hop that tries failed exports again soon.
async fn patient(change: impl FnOnce(&mut Setup)) -> Hop {
    Hop::start_with(
        Direction::Inbound,
        |_| Answer::status(200),
        |it| {
            it.configure("retry", json!({ "initial_backoff_ms": 100, "max_backoff_ms": 200 }));
            change(it);
        },
    )
    .await
}

/// Waits for `count` spans, each of them once, and nothing left behind.
async fn all_different(hop: &Hop, count: usize) -> Stats {
    let spans = hop.spans(count).await;
    let mut ids: Vec<_> = spans.iter().map(|it| it.span_id()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "no span came twice");
    let stats = hop.proxy.stats().await;
    assert_eq!(stats.hopspan("spans.exported"), i64::try_from(count).unwrap(), "{stats}");
    stats
}

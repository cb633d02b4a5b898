//! What a real Collector answers when it cannot take something, and what becomes of the spans.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::json;

use super::otelcol::Otelcol;
use super::scene::speak;
use super::wire::Wire;
use crate::bootstrap::{COLLECTOR, Direction, Setup};
use crate::client::{Client, get};
use crate::collector::{Mood, RetryAfter};
use crate::proxy::Proxy;
use crate::stats::Stats;
use crate::upstream::{Answer, Upstream};

/// A proxy that sends to a Collector, and the service behind it.
struct Hop {
    proxy: Proxy,
    wire: Wire,
    _upstream: Upstream,
}

impl Hop {
    async fn start(otelcol: &Otelcol, change: impl FnOnce(&mut Setup)) -> Self {
        Self::start_at(otelcol.otlp(), change).await
    }

    async fn start_at(collector: SocketAddr, change: impl FnOnce(&mut Setup)) -> Self {
        let upstream = Upstream::start(|_| Answer::status(200)).await;
        let wire = Wire::to(collector).await;
        let mut setup = Setup::new(Direction::Inbound, upstream.address(), wire.address());
        setup.configure("retry", json!({ "initial_backoff_ms": 50, "max_backoff_ms": 200 }));
        change(&mut setup);
        Self { proxy: Proxy::start(&setup).await, wire, _upstream: upstream }
    }

    /// So many requests, each of which is one span.
    async fn requests(&self, count: usize) {
        let mut client = Client::http1(self.proxy.address()).await;
        for _ in 0..count {
            assert_eq!(client.ask(get("/cart")).await.status, 200);
        }
    }

    /// Waits until nothing is left to send of so many spans, all of which the backend has.
    async fn all_arrived(&self, otelcol: &Otelcol, count: usize) -> Stats {
        let stats = self.proxy.at_rest(i64::try_from(count).unwrap()).await;
        assert_eq!(stats.hopspan("spans.exported"), count as i64, "{stats}");
        let spans = otelcol.backend.spans(count).await;
        let ids: BTreeSet<_> = spans.iter().map(|it| it.span_id()).collect();
        assert_eq!(ids.len(), count, "each of the spans that were made");
        stats
    }

    fn was_answered(&self, status: u16) -> bool {
        let first = format!("HTTP/1.1 {status} ");
        self.wire.answers().iter().any(|it| it.starts_with(&first))
    }
}

#[tokio::test]
#[ignore = "needs real collectors: ./build.sh test-collectors"]
async fn what_a_collector_cannot_pass_on_for_now_is_sent_again() {
    for (answer, passed_on) in [
        (Mood::Failing(502), 503),
        (Mood::Failing(503), 503),
        (Mood::Failing(504), 503),
        // That of the backend's answer; `Retry-After` stays with the Collector.
        (Mood::Busy(429, RetryAfter::Seconds(1)), 429),
    ] {
        let otelcol = Otelcol::start().await;
        let hop = Hop::start(&otelcol, |_| ()).await;

        otelcol.backend.set_mood(answer);
        hop.requests(5).await;
        otelcol.backend.asked(2).await;
        otelcol.backend.set_mood(Mood::Accepting);

        let stats = hop.all_arrived(&otelcol, 5).await;
        assert!(stats.hopspan("export.requests.outcome=.=retryable;.;") >= 1, "{stats}");
        assert!(hop.was_answered(passed_on), "{answer:?}: {:?}", hop.wire.answers());
    }
}

#[tokio::test]
#[ignore = "needs real collectors: ./build.sh test-collectors"]
async fn what_a_collector_can_never_pass_on_is_dropped_and_counted() {
    for (answer, passed_on) in [
        (Mood::Failing(400), 400),
        (Mood::Failing(401), 401),
        (Mood::Failing(413), 500),
        (Mood::Failing(500), 500),
    ] {
        let otelcol = Otelcol::start().await;
        let hop = Hop::start(&otelcol, |_| ()).await;

        otelcol.backend.set_mood(answer);
        hop.requests(1).await;

        let stats = hop.proxy.at_rest(1).await;
        assert!(hop.was_answered(passed_on), "{answer:?}: {:?}", hop.wire.answers());
        assert_eq!(stats.hopspan("spans.dropped.reason=.=non_retryable;.;"), 1, "{stats}");
        assert_eq!(hop.wire.requests().len(), 1, "it is not asked again");
    }
}

#[tokio::test]
#[ignore = "needs real collectors: ./build.sh test-collectors"]
async fn to_a_collectors_zipkin_receiver_not_now_is_never() {
    let otelcol = Otelcol::start_with(|it| {
        it["service"]["pipelines"]["traces/zipkin"]["exporters"] = json!(["otlp_http"]);
    })
    .await;
    let hop = Hop::start_at(otelcol.zipkin(), |it| speak(it, "zipkin/json", "none")).await;

    otelcol.backend.set_mood(Mood::Failing(503));
    hop.requests(1).await;

    // The docs advise OTLP for this reason.
    let stats = hop.proxy.at_rest(1).await;
    assert!(hop.was_answered(500), "{:?}", hop.wire.answers());
    assert_eq!(stats.hopspan("spans.dropped.reason=.=non_retryable;.;"), 1, "{stats}");
}

#[tokio::test]
#[ignore = "needs real collectors: ./build.sh test-collectors"]
async fn a_collector_that_wants_a_token_gets_the_one_in_the_environment() {
    let otelcol = Otelcol::start_with(|it| {
        it["extensions"] = json!({ "bearertokenauth": { "token": "s3cret" } });
        it["service"]["extensions"] = json!(["bearertokenauth"]);
        it["receivers"]["otlp"]["protocols"]["http"]["auth"] =
            json!({ "authenticator": "bearertokenauth" });
    })
    .await;
    let with = async |token| {
        let headers = json!({ "authorization": "Bearer ${TOKEN}" });
        let hop = Hop::start(&otelcol, |it| {
            it.environment = vec![("TOKEN", token)];
            it.configure("collector", json!({ "cluster": COLLECTOR, "headers": headers }));
        });
        let hop = hop.await;
        hop.requests(1).await;
        hop
    };

    with("s3cret").await.all_arrived(&otelcol, 1).await;

    let refused = with("an old one").await;
    let stats = refused.proxy.at_rest(1).await;
    assert!(refused.was_answered(401), "{:?}", refused.wire.answers());
    assert_eq!(stats.hopspan("spans.dropped.reason=.=non_retryable;.;"), 1, "{stats}");
}

#[tokio::test]
#[ignore = "needs real collectors: ./build.sh test-collectors"]
async fn a_collector_that_was_away_gets_every_span() {
    let mut otelcol = Otelcol::start().await;
    let hop = Hop::start(&otelcol, |_| ()).await;
    hop.requests(5).await;
    otelcol.backend.spans(5).await;

    otelcol.stop();
    hop.requests(5).await;
    hop.proxy.stats_when("a try in vain", |it| it.hopspan("export.retries") >= 1).await;
    otelcol.start_again().await;

    hop.all_arrived(&otelcol, 10).await;
}

/// What the Collector takes in these two tests. A span is about 800 bytes.
const SMALL: usize = 4096;

#[tokio::test]
#[ignore = "needs real collectors: ./build.sh test-collectors"]
async fn batches_of_the_size_that_a_collector_takes_all_arrive() {
    for (protocol, compression) in
        [("http/protobuf", "none"), ("http/json", "none"), ("http/json", "gzip")]
    {
        let otelcol = small().await;
        let hop = Hop::start(&otelcol, |it| {
            speak(it, protocol, compression);
            it.configure(
                "batch",
                json!({ "schedule_delay_ms": 500, "max_export_batch_bytes": SMALL }),
            );
        })
        .await;
        hop.requests(40).await;
        hop.all_arrived(&otelcol, 40).await;
    }
}

#[tokio::test]
#[ignore = "needs real collectors: ./build.sh test-collectors"]
async fn batches_larger_than_a_collector_takes_are_dropped_and_counted() {
    let otelcol = small().await;
    let hop = Hop::start(&otelcol, |it| {
        it.configure("batch", json!({ "schedule_delay_ms": 500 }));
    })
    .await;
    hop.requests(40).await;

    let stats = hop.proxy.at_rest(40).await;
    // To the Collector that is a bad request like any other.
    assert!(hop.was_answered(400), "{:?}", hop.wire.answers());
    let dropped = stats.hopspan("spans.dropped.reason=.=non_retryable;.;");
    assert!(dropped > 0 && dropped + stats.hopspan("spans.exported") == 40, "{stats}");
    let warned = |line: &str| line.starts_with("[warning]") && line.contains("400");
    hop.proxy.logged("the refusal", warned).await;
}

/// A Collector that takes small requests only.
async fn small() -> Otelcol {
    Otelcol::start_with(|it| {
        it["receivers"]["otlp"]["protocols"]["http"]["max_request_body_size"] = json!(SMALL);
    })
    .await
}

//! Exports that meet a hopspan on their way: they are never traced, so no loop begins.

mod detour;

use serde_json::{Value, json};

use self::detour::Detour;
use crate::bootstrap::{COLLECTOR, Direction, Setup, cluster};
use crate::client::{Client, get, post, with};
use crate::collector::{Collector, Mood};
use crate::deadline::poll;
use crate::formats::readers::{ALL, Context, contexts};
use crate::hop::Hop;
use crate::proxy::Proxy;
use crate::received::Received;
use crate::stats::Stats;
use crate::tries::see_tries;
use crate::upstream::{Answer, Upstream};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// How often something is told, one after the other. A loop has as many rounds to show itself.
const ROUNDS: usize = 10;

/// A shop that exports through a proxy in front of the collector, which has hopspan as well and
/// exports through itself.
struct Chain {
    shop: Proxy,
    _service: Upstream,
    front: Proxy,
    _detour: Detour,
    collector: Collector,
}

impl Chain {
    async fn start(direction: Direction, change: impl FnOnce(&mut Setup)) -> Self {
        let service = Upstream::start(|_| Answer::status(200)).await;
        let collector = Collector::start().await;
        let detour = Detour::start().await;
        let mut setup = Setup::new(direction, collector.address(), detour.address());
        setup.routes =
            vec![json!({ "match": { "prefix": ALIVE }, "direct_response": { "status": 200 } })];
        change(&mut setup);
        let front = Proxy::start(&setup).await;
        detour.leads_to(front.address());
        let mut setup = Setup::new(Direction::Inbound, service.address(), front.address());
        setup.configure("retry", json!({ "initial_backoff_ms": 20, "max_backoff_ms": 20 }));
        let shop = Proxy::start(&setup).await;
        Self { shop, _service: service, front, _detour: detour, collector }
    }

    /// One request after the other to the shop, and as many that the proxy in front of the
    /// collector answers itself: each is told before the next begins. Returns all spans.
    async fn rounds(&self) -> Vec<Received> {
        let mut shop = Client::http1(self.shop.address()).await;
        let mut front = Client::http1(self.front.address()).await;
        for round in 0..ROUNDS {
            let path = format!("/cart/{round}");
            assert_eq!(shop.ask(get(&path)).await.status, 200);
            self.told(&path).await;
            let path = format!("{ALIVE}/{round}");
            assert_eq!(front.ask(get(&path)).await.status, 200);
            self.told(&path).await;
        }
        self.collector.spans(2 * ROUNDS).await
    }

    /// Waits for the span of a path.
    async fn told(&self, path: &str) {
        poll(&format!("a span of {path}"), async || {
            let spans = self.collector.spans(0).await;
            let url =
                |it: &Received| it.text("url.path").or(it.text("url.full")).map(str::to_owned);
            spans.iter().filter_map(url).any(|it| it.ends_with(path)).then_some(())
        })
        .await;
    }
}

/// What a proxy in front of the collector would record if it could.
fn record_all(setup: &mut Setup) {
    let keep = json!({ "errors": true, "slower_than_ms": 1 });
    setup.configure("sampling", json!({ "ratio": 1, "min_per_minute": 1000, "keep": keep }));
}

/// What hopspan counted of requests beside their spans.
fn counted(stats: &Stats) -> [i64; 4] {
    [
        stats.hopspan("context.started"),
        stats.hopspan_sum("context."),
        stats.hopspan("sampling.sampled"),
        stats.hopspan_sum("sampling."),
    ]
}

#[tokio::test]
async fn in_front_of_the_collector_no_export_is_traced() {
    let rounds = i64::try_from(ROUNDS).unwrap();
    for (why, direction, trust) in [
        ("a sidecar", Direction::Inbound, "auto"),
        ("a sidecar that trusts nobody", Direction::Inbound, "restart"),
        ("a gateway", Direction::Unspecified, "auto"),
        ("a gateway that begins traces anew", Direction::Unspecified, "restart"),
        ("a service's way out", Direction::Outbound, "auto"),
    ] {
        let chain = Chain::start(direction, |it| {
            record_all(it);
            it.configure("trust", json!({ "default": trust }));
        })
        .await;

        let spans = chain.rounds().await;

        let paths: Vec<_> = spans.iter().map(|it| it.text("url.path")).collect();
        assert_eq!(spans.len(), 2 * ROUNDS, "{why}: {paths:?}");
        assert_eq!(chain.collector.requests(), 2 * ROUNDS, "{why}: each span went alone");
        chain.shop.at_rest(rounds).await;
        let stats = chain.front.at_rest(rounds).await;
        // Those that it answered itself; a way out has a word for who brings no context, too.
        let missing = if direction == Direction::Outbound { rounds } else { 0 };
        assert_eq!(counted(&stats), [rounds, rounds + missing, rounds, rounds], "{why}: {stats}");
    }
}

#[tokio::test]
async fn an_export_that_fails_is_not_kept_as_an_error() {
    let chain = Chain::start(Direction::Unspecified, record_all).await;

    chain.collector.set_mood(Mood::Failing(503));
    let mut shop = Client::http1(chain.shop.address()).await;
    assert_eq!(shop.ask(get("/cart/failing")).await.status, 200);
    chain.collector.asked(5).await;
    chain.collector.set_mood(Mood::Accepting);
    chain.told("/cart/failing").await;

    let spans = chain.rounds().await;
    assert_eq!(spans.len(), 1 + 2 * ROUNDS, "{spans:#?}");
    let stats = chain.shop.at_rest(1 + i64::try_from(ROUNDS).unwrap()).await;
    let tries = stats.hopspan("export.requests.outcome=.=retryable;.;");
    let all = 1 + 2 * ROUNDS + usize::try_from(tries).unwrap();
    assert_eq!(chain.collector.requests(), all);
}

/// Where the collector has another name, an export is a request like any other: who trusts its
/// sender hears that it is not sampled.
#[tokio::test]
async fn by_another_name_an_export_is_not_sampled_by_who_trusts_its_sender() {
    for direction in [Direction::Inbound, Direction::Outbound] {
        let chain = Chain::start(direction, |it| {
            it.configure("collector", json!({ "cluster": COLLECTOR, "authority": "elsewhere" }));
        })
        .await;

        let spans = chain.rounds().await;

        assert_eq!(spans.len(), 2 * ROUNDS, "{direction:?}: {spans:#?}");
        assert_eq!(chain.collector.requests(), 2 * ROUNDS, "{direction:?}");
        let rounds = i64::try_from(ROUNDS).unwrap();
        let stats = chain.front.at_rest(rounds).await;
        let both = ["sampling.dropped", "context.continued"].map(|it| stats.hopspan(it));
        assert_eq!(both, [rounds, rounds], "{direction:?}: those of the shop: {stats}");
    }
}

/// And a gateway, which trusts nobody, tells of each once: its own exports it knows.
#[tokio::test]
async fn by_another_name_a_gateway_traces_an_export_once() {
    let chain = Chain::start(Direction::Unspecified, |it| {
        it.configure("collector", json!({ "cluster": COLLECTOR, "authority": "elsewhere" }));
    })
    .await;

    // Further rounds of requests would show a loop that the first ones began.
    chain.rounds().await;
    let rounds = i64::try_from(ROUNDS).unwrap();
    let stats = chain.front.at_rest(3 * rounds).await;

    let spans = chain.collector.spans(4 * ROUNDS).await;
    assert_eq!(spans.len(), 4 * ROUNDS, "{spans:#?}");
    let exports = spans.iter().filter(|it| it.text("server.address") == Some(COLLECTOR));
    assert_eq!(exports.count(), 2 * ROUNDS, "SERVER and CLIENT of each: {spans:#?}");
    assert_eq!(stats.hopspan("context.untrusted.what=.=context;.;"), rounds, "{stats}");
    assert_eq!(stats.hopspan("sampling.sampled"), 2 * rounds, "{stats}");
}

#[tokio::test]
async fn an_export_says_in_every_format_that_it_is_not_sampled() {
    let upstream = Upstream::start(|_| Answer::status(200)).await;
    // A second upstream plays the collector, because it remembers headers.
    let collector = Upstream::start(|_| Answer::status(200)).await;
    let setup = Setup::new(Direction::Inbound, upstream.address(), collector.address());
    let proxy = Proxy::start(&setup).await;

    let mut client = Client::http1(proxy.address()).await;
    for count in 1..=2 {
        assert_eq!(client.ask(get("/")).await.status, 200);
        collector.seen(count).await;
    }

    let exports = collector.seen(2).await;
    let ids = exports.iter().map(|seen| {
        let sent = seen.traceparent();
        let (trace_id, span_id) = (sent.trace_id, sent.parent_id);
        let context = Context { trace_id: trace_id.clone(), span_id, sampled: false };
        assert_eq!(contexts(seen), context.in_each(&ALL), "{seen:?}");
        trace_id
    });
    let ids: Vec<_> = ids.collect();
    assert_ne!(ids[0], ids[1], "each is of its own");
}

/// Anybody may call a request an export. What is gained by that is that it is not traced.
#[tokio::test]
async fn a_strangers_export_does_not_decide_behind_the_gateway() {
    for (why, direction, flags) in [
        ("a stranger's debug flag ends", Direction::Unspecified, "0"),
        ("what a trusted caller sent stays", Direction::Inbound, "d"),
    ] {
        let hop = Hop::start_with(
            direction,
            |_| Answer::status(200),
            |it| it.configure("explain", json!({ "header": "x-why" })),
        )
        .await;

        let request = with(post("/v1/traces?a=b", "spans"), "host", COLLECTOR);
        let request = with(request, "b3", format!("{TRACE}-{PARENT}-d"));
        let reply = hop.client().await.ask(with(request, "x-why", "1")).await;

        assert_eq!(reply.status, 200);
        let seen = &hop.upstream.seen(1).await[0];
        let b3: Vec<_> = seen.header("b3").unwrap().split('-').collect();
        assert_eq!((b3[0], b3[2]), (TRACE, flags), "{why}");
        let told = reply.headers.get("x-why").map(|it| it.to_str().unwrap());
        assert_eq!(told.is_some(), direction == Direction::Inbound, "{why}");
        assert!(told.is_none_or(|it| it.contains("; sampled=0; by=export; ")), "{told:?}");
        // Its end comes before that of the next.
        assert_eq!(hop.client().await.ask(get("/next")).await.status, 200);
        let count = if direction == Direction::Inbound { 1 } else { 2 };
        let spans = hop.spans(count).await;
        assert!(spans.iter().all(|it| it.trace_id() != TRACE), "{why}: {spans:#?}");
    }
}

/// On the collector's own cluster the host hands hopspan its own export, while hopspan makes it
/// in the same VM, and as a request like any other in another VM.
#[tokio::test]
async fn in_the_collectors_cluster_no_export_is_traced() {
    for (why, vm_id, format) in [
        ("in the VM that exports", "hopspan", "tracecontext"),
        ("in another", "tries", "tracecontext"),
        ("in another, whose only format has no word for no", "tries", "grpc-trace-bin"),
    ] {
        let hop = Hop::start_with(
            Direction::Inbound,
            |_| Answer::status(200),
            |it| {
                record_all(it);
                let mut upstream = cluster(COLLECTOR, it.collector.take(), false);
                let mut seeing = it.clone();
                seeing.configure("propagation", json!({ "extract": [format], "inject": [format] }));
                see_tries(&seeing, &mut upstream);
                *vm_id_of(&mut upstream) = json!(vm_id);
                it.clusters.push(upstream);
            },
        )
        .await;

        let mut client = hop.client().await;
        for round in 1..=ROUNDS {
            assert_eq!(client.ask(get("/")).await.status, 200);
            hop.collector.spans(round).await;
        }

        let spans = hop.spans(ROUNDS).await;
        assert!(spans.iter().all(|it| it.text("url.path") == Some("/")), "{why}: {spans:#?}");
        assert_eq!(hop.collector.requests(), ROUNDS, "{why}");
        let stats = hop.proxy.stats().await;
        assert_eq!(stats.hopspan("degraded"), 0, "{why}: {stats}");
        assert_eq!(stats.hopspan("sampling.dropped"), 0, "{why}: {stats}");
    }
}

/// The VM of a cluster's filter.
fn vm_id_of(cluster: &mut Value) -> &mut Value {
    let options = &mut cluster["typed_extension_protocol_options"];
    let options = &mut options["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"];
    &mut options["http_filters"][0]["typed_config"]["config"]["vm_config"]["vm_id"]
}

/// What the proxy in front of the collector answers itself.
const ALIVE: &str = "/alive";

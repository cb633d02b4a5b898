//! `role: upstream`: each try of a request is a span of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde_json::{Value, json};

use crate::bootstrap::{Direction, Setup, cluster};
use crate::client::{Client, get, post, with};
use crate::deadline::poll;
use crate::hop::Hop;
use crate::proxy::wasm;
use crate::received::Received;
use crate::upstream::{Answer, Refusing, Seen};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// The cluster whose tries are seen.
const TRIED: &str = "tried";

#[tokio::test]
async fn each_try_is_a_clients_span_under_the_servers() {
    for (direction, kinds) in [
        (Direction::Inbound, [SpanKind::Server, SpanKind::Client]),
        (Direction::Unspecified, [SpanKind::Server, SpanKind::Client]),
        (Direction::Outbound, [SpanKind::Client, SpanKind::Client]),
    ] {
        let hop = tried(direction, third_time_lucky, |it| retry(it, json!({}))).await;
        let request = with(get("/"), "traceparent", SAMPLED);
        assert_eq!(hop.client().await.ask(request).await.status, 200);

        let servers = usize::from(kinds[0] == SpanKind::Server);
        let spans = hop.spans(3 + servers).await;
        let tries = tries(&spans);
        assert_eq!(tries.len(), 3, "{direction:?}: {spans:#?}");
        let server = spans.iter().find(|it| it.kind() == SpanKind::Server);
        assert_eq!(server.is_some(), servers == 1);
        let parent = server.map_or(PARENT.to_owned(), Received::span_id);
        let sent = hop.upstream.seen(3).await;
        for (number, (span, seen)) in tries.iter().zip(&sent).enumerate() {
            let why = format!("{direction:?}, try {number}: {spans:#?}");
            let traceparent = seen.traceparent();
            assert_eq!(
                (span.trace_id(), span.parent_id()),
                (TRACE.into(), parent.clone()),
                "{why}"
            );
            assert_eq!(traceparent.parent_id, span.span_id(), "its own id: {why}");
            assert_eq!((traceparent.trace_id, traceparent.flags), (TRACE.into(), "01".into()));
            let number = i64::try_from(number).unwrap();
            let resends = span.int("http.request.resend_count");
            assert_eq!(resends, Some(number).filter(|it| *it > 0), "{why}");
            let status = if number < 2 { 503 } else { 200 };
            assert_eq!(span.int("http.response.status_code"), Some(status), "{why}");
            let error = (number < 2).then_some("503");
            assert_eq!(span.text("error.type"), error, "{why}");
            assert_eq!(span.text("network.peer.address"), Some("127.0.0.1"), "{why}");
        }
        // What the hop has to say of itself is said once.
        let whole = server.unwrap_or(tries[2]);
        let said = |it: &&Received| it.int("hopspan.proxy_time_ns").is_some();
        assert_eq!(spans.iter().filter(said).count(), 1, "{spans:#?}");
        assert_eq!(whole.int("hopspan.attempts"), Some(3));
        assert_eq!(whole.flag("hopspan.proxy_time_upper_bound"), None);
        assert_eq!(whole.text("error.type"), None);
        let stats = hop.proxy.stats().await;
        assert_eq!(stats.hopspan("native_tracing"), 0, "our own tries: {stats}");
    }
}

/// Each upstream that goes on with the trace makes one SERVER span, whose parent is one CLIENT
/// span: no edge is missing, and none is there twice.
#[tokio::test]
async fn each_edge_has_two_ends() {
    let service = Hop::answering(Direction::Inbound, third_time_lucky).await;
    let (address, collector) = (service.proxy.address(), service.collector.address());
    let hop = tried(Direction::Unspecified, third_time_lucky, |it| {
        (it.upstream, it.collector) = (address, Some(collector));
        retry(it, json!({}));
    });
    let hop = hop.await;

    for _ in 0..3 {
        assert_eq!(hop.client().await.ask(get("/")).await.status, 200);
    }

    // Three tries of the first request, one of the others, at both ends; and who asked for them.
    let spans = service.collector.spans(2 * 5 + 3).await;
    let ids = |kind| spans.iter().filter(move |it| it.kind() == kind);
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    ids(SpanKind::Client).for_each(|it| assert_eq!(ends.insert(it.span_id(), 0), None));
    for server in ids(SpanKind::Server) {
        if let Some(end) = ends.get_mut(&server.parent_id()) {
            *end += 1;
        }
    }
    assert_eq!(ends.into_values().collect::<Vec<_>>(), [1; 5], "{spans:#?}");
}

#[tokio::test]
async fn a_try_that_took_too_long_is_told_as_such() {
    let answer = |seen: &Seen| match seen.index {
        0 => Answer::after(Duration::from_secs(20)),
        _ => Answer::status(200),
    };
    let hop = tried(Direction::Unspecified, answer, |it| {
        retry(it, json!({ "per_try_timeout": "0.1s" }));
    });
    let hop = hop.await;
    assert_eq!(hop.client().await.ask(get("/")).await.status, 200);

    let spans = hop.spans(3).await;
    let [late, good] = tries(&spans)[..] else { panic!("two tries: {spans:#?}") };
    assert_eq!(late.int("http.response.status_code"), None);
    assert_eq!(late.text("error.type"), Some("no_response"));
    // Envoy's timers count from when their loop last looked at the clock.
    assert!(late.duration_ns() >= 80_000_000, "{} ns", late.duration_ns());
    assert_eq!((good.status(), good.text("error.type")), (StatusCode::Unset, None));
    assert_eq!(good.int("http.request.resend_count"), Some(1));
}

#[tokio::test]
async fn the_last_try_knows_why_the_request_failed() {
    for (why, direction) in [("inner", Direction::Unspecified), ("all", Direction::Outbound)] {
        let answer = |_: &Seen| Answer::after(Duration::from_secs(20));
        let hop = tried(direction, answer, |it| {
            retry(it, json!({ "per_try_timeout": "0.05s" }));
        });
        let hop = hop.await;
        assert_eq!(hop.client().await.ask(get("/")).await.status, 504);

        let spans = hop.spans(3 + usize::from(direction != Direction::Outbound)).await;
        let tries = tries(&spans);
        let errors: Vec<_> = tries.iter().map(|it| it.text("error.type").unwrap()).collect();
        assert_eq!(errors, ["no_response", "no_response", "timeout"], "{why}: {spans:#?}");
    }
}

#[tokio::test]
async fn a_refused_connection_is_told_from_silence() {
    let nowhere = Refusing::anywhere();
    let address = nowhere.address();
    let hop = tried(Direction::Unspecified, ok, |it| {
        it.upstream = address;
        retry(it, json!({}));
    });
    let hop = hop.await;
    assert_eq!(hop.client().await.ask(get("/")).await.status, 503);

    let spans = hop.spans(4).await;
    for span in tries(&spans) {
        assert_eq!(span.text("error.type"), Some("upstream_connection_failure"), "{spans:#?}");
        let failure = span.text("hopspan.upstream.transport_failure").expect("Envoy's words");
        assert!(failure.contains("refused"), "{failure}");
    }
}

#[tokio::test]
async fn of_hedged_tries_all_are_told_and_the_slow_ones_are_no_errors() {
    let answer =
        |seen: &Seen| Answer::after(Duration::from_millis([300, 20_000, 20_000][seen.index]));
    let hop = tried(Direction::Unspecified, answer, |it| {
        retry(it, json!({ "per_try_timeout": "0.1s" }));
        it.routes[0]["route"]["hedge_policy"] = json!({ "hedge_on_per_try_timeout": true });
    });
    let hop = hop.await;
    assert_eq!(hop.client().await.ask(get("/")).await.status, 200);

    let spans = hop.spans(4).await;
    let tries = tries(&spans);
    for (number, span) in tries.iter().enumerate() {
        let status = (number == 0).then_some(200);
        assert_eq!(span.int("http.response.status_code"), status, "try {number}: {spans:#?}");
        assert_eq!(span.text("error.type"), None, "try {number}: {spans:#?}");
    }
    let ids: Vec<_> = tries.iter().map(|it| it.span_id()).collect();
    let seen = hop.upstream.seen(3).await;
    assert_eq!(seen.iter().map(|it| it.traceparent().parent_id).collect::<Vec<_>>(), ids);
    let server = spans.iter().find(|it| it.kind() == SpanKind::Server).unwrap();
    let held = server.int("hopspan.proxy_time_ns").expect("it is known");
    // From 100 ms on, two were under way at a time: the proxy held nothing meanwhile.
    assert!(held < 50_000_000, "{held} ns of {}", server.duration_ns());
}

#[tokio::test]
async fn a_client_that_is_gone_ends_its_tries() {
    for direction in [Direction::Unspecified, Direction::Outbound] {
        let answer = |_: &Seen| Answer::after(Duration::from_secs(20));
        let hop = tried(direction, answer, |_| ()).await;
        let mut client = hop.client().await;
        let impatient = async {
            let _ = client.send(get("/")).await;
        };
        tokio::select! {
            () = impatient => panic!("nobody answers"),
            _ = hop.upstream.seen(1) => {}
        }
        drop(client);

        let spans = hop.spans(1 + usize::from(direction != Direction::Outbound)).await;
        let tries = tries(&spans);
        assert_eq!(tries.len(), 1, "{spans:#?}");
        assert_eq!(tries[0].text("error.type"), None, "{spans:#?}");
        let sent = hop.upstream.seen(1).await[0].traceparent();
        assert_eq!(tries[0].span_id(), sent.parent_id);
    }
}

/// Envoy's mirrored requests have tries as well, and no client: to ask for its address crashes
/// Envoy 1.40. They end when they like.
#[tokio::test]
async fn a_mirrored_request_is_a_call_of_its_own() {
    let answer = |seen: &Seen| match seen.header("host") {
        Some(host) if host.contains("-shadow") => Answer::after(Duration::from_millis(50)),
        _ => Answer::status(200),
    };
    let hop = tried(Direction::Unspecified, answer, |it| {
        it.routes[0]["route"]["request_mirror_policies"] = json!([{ "cluster": TRIED }]);
        it.configure(
            "trust",
            json!({ "default": "continue", "rules": [
                { "match": { "source": ["192.0.2.0/24"] }, "action": "restart" },
            ] }),
        );
    });
    let hop = hop.await;
    let request = with(post("/", "body"), "traceparent", SAMPLED);
    assert_eq!(hop.client().await.ask(request).await.status, 200);

    let spans = hop.spans(3).await;
    let server = spans.iter().find(|it| it.kind() == SpanKind::Server).unwrap();
    let calls = tries(&spans);
    assert_eq!(calls.len(), 2, "{spans:#?}");
    for call in &calls {
        assert_eq!(call.parent_id(), server.span_id(), "{spans:#?}");
        assert_eq!(call.int("http.response.status_code"), Some(200));
        assert_eq!(call.int("http.request.resend_count"), None);
    }
    let seen = hop.upstream.seen(2).await;
    let mut ids = [calls[0].span_id(), calls[1].span_id()];
    let mut sent = [&seen[0], &seen[1]].map(|it| it.traceparent().parent_id);
    ids.sort();
    sent.sort();
    assert_eq!(ids, sent);
    let mirrored = |it: &&&Received| it.text("server.address").unwrap().contains("-shadow");
    let mirrored = calls.iter().find(mirrored).expect("Envoy marks it by its host");
    assert!(mirrored.duration_ns() >= 40_000_000, "it ends when it ends: {spans:#?}");
}

/// The collector's own cluster is the one that must not have the filter: what comes of it all
/// the same is nothing.
#[tokio::test]
async fn on_the_collectors_cluster_nothing_traps_and_nothing_is_told() {
    let hop = tried(Direction::Inbound, ok, |it| {
        let collector = it.collector.take().unwrap();
        let mut cluster = cluster(crate::bootstrap::COLLECTOR, Some(collector), false);
        see_tries(it, &mut cluster);
        it.clusters.push(cluster);
    });
    let hop = hop.await;
    for _ in 0..20 {
        assert_eq!(hop.client().await.ask(get("/")).await.status, 200);
    }
    hop.spans(40).await;
}

#[tokio::test]
async fn what_is_not_sampled_passes_untouched() {
    let hop = tried(Direction::Unspecified, third_time_lucky, |it| {
        it.configure("sampling", json!({ "ratio": 0 }));
        retry(it, json!({}));
    });
    let hop = hop.await;
    assert_eq!(hop.client().await.ask(get("/")).await.status, 200);
    let seen = hop.upstream.seen(3).await;
    let sent: Vec<_> = seen.iter().map(Seen::traceparent).collect();
    assert!(sent.iter().all(|it| *it == sent[0] && it.flags == "02"), "{sent:?}");
    assert_eq!(hop.proxy.stats().await.hopspan("spans.created"), 0);
}

/// Without an instance downstream, tries are still siblings, and children of who called.
#[tokio::test]
async fn alone_the_upstream_instance_is_a_hop_of_the_clients_side() {
    let hop = tried(Direction::Inbound, third_time_lucky, |it| {
        retry(it, json!({}));
        it.hopspan = None;
    });
    let hop = hop.await;
    let request = with(get("/"), "traceparent", SAMPLED);
    assert_eq!(hop.client().await.ask(request).await.status, 200);

    let spans = hop.spans(3).await;
    let tries = tries(&spans);
    let seen = hop.upstream.seen(3).await;
    for (number, (span, seen)) in tries.iter().zip(&seen).enumerate() {
        assert_eq!(
            (span.trace_id(), span.parent_id()),
            (TRACE.into(), PARENT.into()),
            "{spans:#?}"
        );
        assert_eq!(seen.traceparent().parent_id, span.span_id());
        let number = i64::try_from(number).unwrap();
        assert_eq!(span.int("http.request.resend_count"), Some(number).filter(|it| *it > 0));
        let status = if number < 2 { 503 } else { 200 };
        assert_eq!(span.int("http.response.status_code"), Some(status), "{spans:#?}");
    }
}

/// The cluster of `docs/tries.md`, as it stands.
#[tokio::test]
async fn the_documented_cluster_works_as_it_stands() {
    let document = include_str!("../../../docs/tries.md");
    let (_, rest) = document.split_once("```yaml\n").expect("a block of YAML");
    let (yaml, _) = rest.split_once("```").expect("its end");
    let clusters: Vec<Value> = serde_yaml_ng::from_str(yaml).expect("a list of clusters");
    let [mut cluster] = <[Value; 1]>::try_from(clusters).expect("one cluster");
    let hop = Hop::start_with(Direction::Inbound, ok, |it| {
        // All but the places that are the reader's.
        let at = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
        cluster.pointer_mut(at).unwrap()["port_value"] = json!(it.upstream.port());
        cluster["name"] = json!(TRIED);
        let options = "/typed_extension_protocol_options/\
                       envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
        let filter = format!("{options}/http_filters/0/typed_config/config");
        let filter = cluster.pointer_mut(&filter).unwrap();
        let code = &mut filter["vm_config"]["code"]["local"]["filename"];
        assert_eq!(*code, json!("/etc/envoy/hopspan.wasm"));
        *code = json!(wasm());
        it.clusters.push(cluster);
        it.routes = vec![json!({ "match": { "prefix": "/" }, "route": { "cluster": TRIED } })];
    });
    let hop = hop.await;
    assert_eq!(hop.client().await.ask(get("/")).await.status, 200);

    let spans = hop.spans(2).await;
    let server = spans.iter().find(|it| it.kind() == SpanKind::Server).expect("the request");
    let tries = tries(&spans);
    assert_eq!(tries.len(), 1, "{spans:#?}");
    assert_eq!(tries[0].parent_id(), server.span_id(), "they know of each other");
}

/// The truth: how long Envoy's access log says the request took, less what its log of each try
/// says that the upstream had it.
#[tokio::test]
async fn the_proxys_time_is_exact_across_tries() {
    const REQUESTS: usize = 7;
    let answer = |seen: &Seen| Answer::Reply {
        after: Duration::from_millis(30),
        status: if seen.index % 3 < 2 { 503 } else { 200 },
        headers: Vec::new(),
        body: b"hello",
        trailers: Vec::new(),
    };
    let hop = tried(Direction::Inbound, answer, |it| {
        retry(it, json!({}));
        it.access_log = json!({ "all_us": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%" });
        it.router = json!({ "upstream_log": [{
            "name": "stdout",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
                "log_format": { "json_format": {
                    "answered_us": "%COMMON_DURATION(US_TX_BEG:US_RX_END:us)%",
                    "began_us": "%COMMON_DURATION(US_TX_BEG:US_RX_BEG:us)%",
                } },
            },
        }] });
    });
    let hop = hop.await;
    let mut client = Client::http1(hop.proxy.address()).await;
    for _ in 0..REQUESTS {
        assert_eq!(client.ask(get("/")).await.status, 200);
    }

    let mut spans = hop.spans(4 * REQUESTS).await;
    spans.retain(|it| it.kind() == SpanKind::Server);
    spans.sort_by_key(|it| it.span.start_time_unix_nano);
    let lines = hop.proxy.access_log(REQUESTS).await;
    let tries: Vec<Value> = poll("a line for each try", async || {
        let log = hop.proxy.log();
        let lines = log.lines().filter_map(|it| serde_json::from_str(it).ok());
        Some(lines.collect::<Vec<_>>()).filter(|it| it.len() >= 3 * REQUESTS)
    })
    .await;
    let mut missing = Vec::new();
    for ((span, line), tries) in spans.iter().zip(&lines).zip(tries.chunks(3)) {
        assert_eq!(span.flag("hopspan.proxy_time_upper_bound"), None, "it is exact");
        let held = span.int("hopspan.proxy_time_ns").expect("a proxy time") / 1000;
        // One that is tried again is given up when its response begins.
        let had = |it: &Value| number(it, "answered_us").or_else(|| number(it, "began_us"));
        let upstream: i64 = tries.iter().map(|it| had(it).unwrap_or_else(|| panic!("{it}"))).sum();
        assert!(upstream >= 80_000, "three tries of 30 ms: {tries:?}");
        let truth = number(line, "all_us").expect("the time of all") - upstream;
        missing.push(truth - held);
    }
    missing.sort_unstable();
    let median = missing[REQUESTS / 2];
    let near = -DOUBLE_US..=OUTSIDE_US;
    assert!(near.contains(&median), "{missing:?} us between Envoy's word and ours");
}

/// The most that Envoy spends outside of the filter's first and last callback, in the median.
const OUTSIDE_US: i64 = 2_000;
/// The most that is counted twice: Envoy begins to connect before it shows a try to filters, and
/// says at its end only how long that took. So much for two tries, in the median.
const DOUBLE_US: i64 = 1_500;

fn number(line: &Value, key: &str) -> Option<i64> {
    let value = &line[key];
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// A hop whose cluster has the filter as well.
async fn tried(
    direction: Direction,
    answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    change: impl FnOnce(&mut Setup),
) -> Hop {
    Hop::start_with(direction, answer, |it| {
        it.configure("trust", json!({ "default": "continue" }));
        it.routes = vec![json!({
            "match": { "prefix": "/" },
            "route": { "cluster": TRIED, "timeout": "30s" },
        })];
        let before = it.clone();
        change(it);
        let mut cluster = cluster(TRIED, Some(it.upstream), false);
        let seen_by = if it.hopspan.is_some() { &*it } else { &before };
        see_tries(seen_by, &mut cluster);
        it.clusters.push(cluster);
    })
    .await
}

/// Puts the filter into a cluster, with the listener's own configuration but its role.
fn see_tries(setup: &Setup, cluster: &mut Value) {
    let mut configuration = setup.hopspan.clone().expect("a configuration");
    configuration["role"] = json!("upstream");
    cluster["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": { "http_protocol_options": {} },
            "http_filters": [
                setup.wasm_filter(&configuration, &wasm()),
                {
                    "name": "envoy.filters.http.upstream_codec",
                    "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters\
                                                .http.upstream_codec.v3.UpstreamCodec" },
                },
            ],
        },
    });
}

/// Up to three tries.
fn retry(setup: &mut Setup, more: Value) {
    let mut policy = json!({
        "retry_on": "5xx,reset,connect-failure",
        "num_retries": 2,
        "retry_back_off": { "base_interval": "0.001s", "max_interval": "0.002s" },
    });
    for (key, value) in more.as_object().unwrap() {
        policy[key] = value.clone();
    }
    setup.routes[0]["route"]["retry_policy"] = policy;
}

/// The clients' spans in the order of their beginnings.
fn tries(spans: &[Received]) -> Vec<&Received> {
    let mut tries: Vec<_> = spans.iter().filter(|it| it.kind() == SpanKind::Client).collect();
    tries.sort_by_key(|it| it.span.start_time_unix_nano);
    tries
}

fn third_time_lucky(seen: &Seen) -> Answer {
    Answer::status(if seen.index < 2 { 503 } else { 200 })
}

fn ok(_: &Seen) -> Answer {
    Answer::status(200)
}

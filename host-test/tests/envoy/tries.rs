//! `role: upstream`: each try of a request is a span of its own.

mod aside;
mod time;

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
pub(crate) fn see_tries(setup: &Setup, cluster: &mut Value) {
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

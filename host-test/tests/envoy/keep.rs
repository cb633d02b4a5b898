//! What is kept although nobody sampled it, and who is told.

use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};

use crate::bootstrap::{Direction, Setup};
use crate::client::{Client, get, grpc, with};
use crate::hop::Hop;
use crate::mesh::{App, MET_STATUS, MET_TRACERESPONSE, Mesh};
use crate::received::Received;
use crate::upstream::{Answer, Seen};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// Nothing is sampled at its beginning.
fn keeping(what: Value) -> impl Fn(&mut Setup) {
    move |it| it.configure("sampling", json!({ "ratio": 0, "keep": what }))
}

/// The status that the path names.
fn as_asked(seen: &Seen) -> Answer {
    Answer::status(seen.path[1..].parse().unwrap())
}

/// Who made a span, which kind it is, and why its hop was kept.
fn story(span: &Received) -> (&str, SpanKind, Option<&str>) {
    let reason = span.text("hopspan.sampling.reason");
    (span.resource_text("service.name").unwrap(), span.kind(), reason)
}

/// The chain of spans from the one without a parent, each the child of the one before.
fn chain(mut spans: Vec<Received>) -> Vec<Received> {
    let mut chain: Vec<Received> = Vec::new();
    while !spans.is_empty() {
        let parent = chain.last().map_or(String::new(), Received::span_id);
        let next = spans.iter().position(|it| it.parent_id() == parent);
        let next = next.unwrap_or_else(|| panic!("a child of {parent:?}: {spans:#?}"));
        chain.push(spans.swap_remove(next));
    }
    chain
}

#[tokio::test]
async fn an_error_that_the_application_hides_is_kept_up_to_the_gateway() {
    let mesh = Mesh::start(App::PassesOn, as_asked, keeping(json!({ "errors": true }))).await;
    let mut client = Client::http1(mesh.gateway.address()).await;

    // The last one fails, so that the others are over when its spans come.
    for path in ["/200", "/404", "/200", "/503"] {
        let reply = client.ask(get(path)).await;
        assert_eq!((reply.status, reply.headers[MET_STATUS].to_str().unwrap()), (200, &path[1..]));
        // Neither has asked.
        assert!(!reply.headers.contains_key("traceresponse"), "{path}: {:?}", reply.headers);
        assert!(!reply.headers.contains_key(MET_TRACERESPONSE), "{path}: {:?}", reply.headers);
    }

    mesh.gateway.at_rest(2).await;
    mesh.sidecar.at_rest(2).await;
    let chain = chain(mesh.collector.spans(4).await);
    let told: Vec<_> = chain.iter().map(story).collect();
    let (server, client) = (SpanKind::Server, SpanKind::Client);
    assert_eq!(
        told,
        [
            ("gateway", server, Some("below")),
            ("gateway", client, Some("below")),
            ("shop", server, Some("below")),
            ("shop", client, Some("error")),
        ]
    );

    // It is the trace that all of them saw, not sampled, of the request that failed.
    let (at_app, at_service) = (&mesh.app.seen(4).await[3], &mesh.service.seen(4).await[3]);
    for (seen, span) in [(at_app, &chain[2]), (at_service, &chain[3])] {
        let sent = seen.traceparent();
        assert_eq!((sent.trace_id, sent.parent_id), (span.trace_id(), span.span_id()));
        assert_eq!(sent.flags, "02");
    }
    assert!(chain.iter().all(|it| it.trace_id() == chain[0].trace_id()));
    assert_eq!(chain[3].int("http.response.status_code"), Some(503));
    assert_eq!(chain[0].text("url.path"), Some("/503"), "read at the end");
    // The application is no hopspan; the service may be one.
    assert_eq!(at_app.header("tracestate"), None);
    let announced = format!("hopspan={};shop", chain[3].span_id());
    assert_eq!(at_service.header("tracestate"), Some(announced.as_str()));
    for proxy in [&mesh.gateway, &mesh.sidecar] {
        let stats = proxy.stats().await;
        assert_eq!(stats.hopspan("sampling.sampled"), 0, "{stats}");
    }
    assert_eq!(mesh.gateway.stats().await.hopspan("sampling.kept"), 1);
    assert_eq!(mesh.sidecar.stats().await.hopspan("sampling.kept"), 2);
}

/// The limit of what can be kept: when trailers come, the headers have left long since.
#[tokio::test]
async fn an_error_in_trailers_is_kept_by_the_hop_that_sees_it_and_no_other() {
    let answer = |seen: &Seen| Answer::grpc(if seen.path.ends_with("Fail") { 13 } else { 0 });
    let mesh = Mesh::start(App::PassesOn, answer, |it| {
        it.upstream_http2 = true;
        keeping(json!({ "errors": true }))(it);
    })
    .await;
    let mut client = Client::http2(mesh.gateway.address()).await;

    for method in ["shop.Stock/Count", "shop.Stock/Count", "shop.Stock/Fail"] {
        assert_eq!(client.ask(grpc(method)).await.status, 200, "{method}");
    }

    let spans = mesh.collector.spans(1).await;
    mesh.sidecar.at_rest(1).await;
    let decided =
        mesh.gateway.stats_when("three decisions", |it| it.hopspan("sampling.dropped") == 3);
    assert_eq!(decided.await.hopspan("spans.created"), 0);
    assert_eq!(
        spans.iter().map(story).collect::<Vec<_>>(),
        [("shop", SpanKind::Client, Some("error"))]
    );
    assert_eq!(spans[0].text("rpc.response.status_code"), Some("INTERNAL"));
    let failed = mesh.service.seen(3).await[2].traceparent();
    assert_eq!((spans[0].trace_id(), spans[0].span_id()), (failed.trace_id, failed.parent_id));
}

#[tokio::test]
async fn what_takes_too_long_is_kept_up_to_the_gateway() {
    let limit = Duration::from_millis(200);
    // An error alone is not asked for.
    let answer = move |seen: &Seen| match seen.path.as_str() {
        "/slow" => Answer::after(limit * 2),
        _ => Answer::status(500),
    };
    let keep = keeping(json!({ "slower_than_ms": limit.as_millis() as u64 }));
    let mesh = Mesh::start(App::PassesOn, answer, keep).await;
    let mut client = Client::http1(mesh.gateway.address()).await;

    // On a busy machine, even this may turn out to be slow.
    let mut fast = Vec::new();
    for index in 0..3 {
        let began = Instant::now();
        assert_eq!(client.ask(get("/fast")).await.status, 200);
        if began.elapsed() < limit {
            fast.push(mesh.service.seen(index + 1).await[index].traceparent().trace_id);
        }
    }
    assert_eq!(client.ask(get("/slow")).await.status, 200);
    let slow = mesh.service.seen(4).await[3].traceparent().trace_id;

    let mut all = Vec::new();
    let of_slow = |all: &[Received]| {
        all.iter().filter(|it| it.trace_id() == slow).cloned().collect::<Vec<_>>()
    };
    while of_slow(&all).len() < 4 {
        all = mesh.collector.spans(all.len() + 1).await;
    }
    assert!(all.iter().all(|it| !fast.contains(&it.trace_id())), "{all:#?}");
    let chain = chain(of_slow(&all));
    for span in &chain {
        assert!(span.duration_ns() >= (limit * 2).as_nanos() as i64, "{span:?}");
    }
    assert_eq!(story(&chain[3]), ("shop", SpanKind::Client, Some("slow")));
}

/// What a caller says that it is a hopspan gets, and who else gets it.
#[tokio::test]
async fn only_a_trusted_caller_that_says_who_it_is_is_told() {
    let named = format!("hopspan={PARENT};cart");
    let bound_to_another = "hopspan=b7ad6b7169203331;cart".to_owned();
    for (why, direction, path, list, is_told) in [
        ("a hopspan of the mesh", Direction::Inbound, "/503", &named, true),
        ("all went well", Direction::Inbound, "/200", &named, false),
        ("another hop's name, passed on", Direction::Inbound, "/503", &bound_to_another, false),
        ("no name", Direction::Inbound, "/503", &"vendor=1".to_owned(), false),
        ("a stranger", Direction::Unspecified, "/503", &named, false),
    ] {
        let keep = keeping(json!({ "errors": true }));
        let hop = Hop::start_with(direction, as_asked, keep).await;

        let request = with(get(path), "traceparent", format!("00-{TRACE}-{PARENT}-00"));
        let reply = hop.client().await.ask(with(request, "tracestate", list)).await;

        let told = reply.headers.get("traceresponse").map(|it| it.to_str().unwrap());
        if is_told {
            let span = hop.span().await;
            assert_eq!(told, Some(format!("00-{TRACE}-{}-01", span.span_id()).as_str()), "{why}");
            assert_eq!(span.parent_id(), PARENT, "{why}");
        } else {
            assert_eq!(told, None, "{why}");
        }
        let seen = &hop.upstream.seen(1).await[0];
        let passed = seen.header("tracestate").unwrap_or_default();
        assert!(!passed.contains(PARENT) && !passed.contains("cart"), "{why}: {passed}");
        assert_eq!(passed.contains("vendor=1"), list == "vendor=1", "{why}: {passed}");
    }
}

/// Only what a next hop says that knows whom it tells: others may send the header for reasons
/// of their own.
#[tokio::test]
async fn a_next_hops_word_counts_for_its_own_trace_alone() {
    let answer = |seen: &Seen| {
        let trace_id = match seen.path.as_str() {
            "/same" => seen.traceparent().trace_id,
            _ => TRACE.to_owned(),
        };
        let mut answer = Answer::status(200);
        if let Answer::Reply { headers, .. } = &mut answer {
            headers.push(("traceresponse", format!("00-{trace_id}-{PARENT}-01")));
        }
        answer
    };
    let keep = keeping(json!({ "errors": true }));
    let hop = Hop::start_with(Direction::Outbound, answer, keep).await;
    let mut client = hop.client().await;

    let other = client.ask(get("/other")).await;
    let same = client.ask(get("/same")).await;

    assert!(other.headers.contains_key("traceresponse"), "it is not ours to remove");
    assert!(!same.headers.contains_key("traceresponse"), "its reader is reached");
    let span = hop.span().await;
    assert_eq!(span.trace_id(), hop.upstream.seen(2).await[1].traceparent().trace_id);
    assert_eq!(span.text("hopspan.sampling.reason"), Some("below"));
}

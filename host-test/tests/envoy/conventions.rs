//! Every attribute of a request's spans, as the official types decode them: which are there, of
//! which type, and with which value.
//!
//! Spec: <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>

mod forwarded;

use std::collections::BTreeMap;

use hyper::Request;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};

use crate::bootstrap::{Direction, Setup, UPSTREAM};
use crate::client::{Body, post, with};
use crate::hop::Hop;
use crate::mutual_tls::Authority;
use crate::proxy::Proxy;
use crate::received::Received;
use crate::upstream::Answer;

/// Attributes by their keys. Times are not known before, but that they are whole numbers.
type Attributes = BTreeMap<String, Value>;

/// Two sidecars, each with the certificate of its service: the request leaves the one and enters
/// the other.
#[tokio::test]
async fn a_client_and_a_server_over_mutual_tls_say_all_they_know() {
    let mesh = Authority::new();
    let hop = Hop::start_with(
        Direction::Inbound,
        |_| Answer::status(200),
        |it| {
            it.filter_chains = vec![json!({ "transport_socket": mesh.downstream() })];
            it.routes = vec![named_route()];
        },
    )
    .await;
    let collector = hop.collector.address();
    let mut setup = Setup::new(Direction::Outbound, hop.proxy.address(), collector);
    let mut cluster = crate::bootstrap::cluster("shop", Some(hop.proxy.address()), false);
    cluster["transport_socket"] = mesh.upstream(Some("spiffe://mesh.test/cart"));
    setup.clusters = vec![cluster];
    setup.routes = vec![json!({ "match": { "prefix": "/" }, "route": { "cluster": "shop" } })];
    let caller = Proxy::start(&setup).await;

    let mut client = crate::client::Client::http1(caller.address()).await;
    assert_eq!(client.ask(request()).await.status, 200);

    let spans = hop.collector.spans(2).await;
    let of = |kind| spans.iter().find(|it| it.kind() == kind).expect("a span of each kind");
    let (client, server) = (of(SpanKind::Client), of(SpanKind::Server));
    assert_eq!(server.parent_id(), client.span_id());
    let mut expected = common();
    expected.extend(parts());
    expected.extend(attributes(json!({
        "http.request.header.x-request-id": request_id(server),
        "url.full": "http://shop.test:8080/cart?token=REDACTED",
        "network.peer.address": "127.0.0.1",
        "network.peer.port": hop.proxy.address().port(),
        "hopspan.upstream.cluster": "shop",
        "hopspan.upstream.address": hop.proxy.address().to_string(),
        "hopspan.upstream.tls_version": caller.access_log(1).await[0]["upstream_tls"],
        "hopspan.upstream.peer": "spiffe://mesh.test/server",
    })));
    check("CLIENT", client, expected);

    let mut expected = common();
    expected.extend(parts());
    expected.extend(server_side(server));
    expected.extend(upstream(&hop));
    expected.extend(attributes(json!({
        "http.request.header.x-request-id": request_id(client),
        "hopspan.route_name": "everything",
        "hopspan.downstream.tls_version": hop.proxy.access_log(1).await[0]["downstream_tls"],
        "hopspan.downstream.peer": "spiffe://mesh.test/cart",
    })));
    check("SERVER", server, expected);
    let logged = |line: &Value, key: &str| line[key].as_str().map(str::to_owned);
    let (sent, received) = (&caller.access_log(1).await[0], &hop.proxy.access_log(1).await[0]);
    assert_eq!(logged(sent, "upstream_peer").as_deref(), Some("spiffe://mesh.test/server"));
    assert_eq!(logged(received, "downstream_peer").as_deref(), Some("spiffe://mesh.test/cart"));
    assert!(logged(sent, "upstream_tls").is_some_and(|it| it.starts_with("TLSv1.")), "{sent}");
    // Whom the connection is with, not who listens.
    assert_ne!(server.int("client.port"), Some(hop.proxy.address().port().into()));
}

#[tokio::test]
async fn a_gateway_says_what_it_received_and_what_it_sent() {
    let hop = Hop::start_with(
        Direction::Unspecified,
        |_| Answer::status(200),
        |it| it.routes = vec![named_route()],
    )
    .await;

    assert_eq!(hop.client().await.ask(request()).await.status, 200);

    let spans = hop.spans(2).await;
    let of = |kind| spans.iter().find(|it| it.kind() == kind).expect("a span of each kind");
    let (outer, inner) = (of(SpanKind::Server), of(SpanKind::Client));
    assert_eq!((inner.parent_id(), inner.trace_id()), (outer.span_id(), outer.trace_id()));
    let seen = &hop.upstream.seen(1).await[0];
    assert_eq!(seen.traceparent().parent_id, inner.span_id());
    let id = seen.header("x-request-id").expect("an id of the request");

    let mut expected = common();
    expected.extend(parts());
    expected.extend(server_side(outer));
    expected.extend(upstream(&hop));
    expected.extend(attributes(json!({
        "http.request.header.x-request-id": [id],
        "hopspan.route_name": "everything",
    })));
    check("SERVER", outer, expected);

    let mut expected = common();
    for of_the_outermost in
        ["user_agent.original", "http.request.body.size", "http.response.body.size"]
    {
        expected.remove(of_the_outermost);
    }
    expected.extend(upstream(&hop));
    expected.extend(attributes(json!({
        "url.full": "http://shop.test:8080/cart?token=REDACTED",
        "network.peer.address": "127.0.0.1",
        "network.peer.port": hop.upstream.address().port(),
    })));
    check("CLIENT", inner, expected);
}

/// A request with something in each of its parts.
fn request() -> Request<Body> {
    let request = with(post("/cart?token=secret", "apples"), "user-agent", "tests/1 (caf\u{e9})");
    with(request, "host", "shop.test:8080")
}

fn named_route() -> Value {
    json!({ "match": { "prefix": "/" }, "name": "everything", "route": { "cluster": UPSTREAM } })
}

/// What each span says of that request, whatever side it is on.
fn common() -> Attributes {
    attributes(json!({
        "http.request.method": "POST",
        "http.request.body.size": 6,
        "http.response.status_code": 200,
        "http.response.body.size": 5,
        "server.address": "shop.test",
        "server.port": 8080,
        "user_agent.original": "tests/1 (caf\u{e9})",
    }))
}

/// What a SERVER span says of it.
fn server_side(span: &Received) -> Attributes {
    attributes(json!({
        "url.scheme": "http",
        "url.path": "/cart",
        "url.query": "token=REDACTED",
        "client.address": "127.0.0.1",
        "client.port": span.int("client.port"),
        "network.peer.address": "127.0.0.1",
        "network.peer.port": span.int("client.port"),
        "network.protocol.version": "1.1",
    }))
}

/// Where it went.
fn upstream(hop: &Hop) -> Attributes {
    attributes(json!({
        "hopspan.upstream.cluster": UPSTREAM,
        "hopspan.upstream.address": hop.upstream.address().to_string(),
    }))
}

/// Where its time went.
fn parts() -> Attributes {
    attributes(json!({
        "hopspan.proxy_time_ns": null,
        "hopspan.upstream_time_ns": null,
        "hopspan.pool_wait_ns": null,
        "hopspan.first_byte_ns": null,
        "hopspan.request_receive_ns": null,
        "hopspan.response_send_ns": null,
    }))
}

fn attributes(object: Value) -> Attributes {
    let Value::Object(all) = object else { panic!("an object: {object}") };
    all.into_iter().collect()
}

/// The id that both proxies log.
fn request_id(span: &Received) -> Value {
    let id = &found(span)["http.request.header.x-request-id"];
    assert!(id[0].as_str().is_some_and(|it| it.len() == 36), "a list of one UUID: {id}");
    id.clone()
}

/// Everything that a span has, and nothing else; times by their kind.
#[track_caller]
fn check(which: &str, span: &Received, mut expected: Attributes) {
    let mut found = found(span);
    for (key, value) in &mut expected {
        if value.is_null() {
            let time = found.get(key).cloned().unwrap_or_default();
            assert!(time.as_i64().is_some_and(|it| it >= 0), "{which}: {key}: {time}");
            *value = time;
        }
    }
    // What is learned of paths is for other tests to say.
    found.retain(|key, _| !["url.template", "hopspan.route"].contains(&key.as_str()));
    let (mut missing, mut odd) = (expected.clone(), found.clone());
    missing.retain(|key, value| found.get(key) != Some(value));
    odd.retain(|key, value| expected.get(key) != Some(value));
    assert!(missing.is_empty() && odd.is_empty(), "{which}: missing {missing:#?}, odd {odd:#?}");
    assert_eq!(span.span.dropped_attributes_count, 0, "{which}");
}

/// The attributes with their types as JSON has them.
fn found(span: &Received) -> Attributes {
    fn value(any: Option<&Any>) -> Value {
        match any {
            Some(Any::StringValue(it)) => json!(it),
            Some(Any::BoolValue(it)) => json!(it),
            Some(Any::IntValue(it)) => json!(it),
            Some(Any::ArrayValue(it)) => {
                it.values.iter().map(|it| value(it.value.as_ref())).collect()
            }
            other => panic!("no attribute has such a value: {other:?}"),
        }
    }
    let attributes = &span.span.attributes;
    let found: Attributes = attributes
        .iter()
        .map(|it| (it.key.clone(), value(it.value.as_ref().and_then(|it| it.value.as_ref()))))
        .collect();
    assert_eq!(found.len(), attributes.len(), "each key once: {attributes:?}");
    found
}

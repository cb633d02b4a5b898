//! The files of examples/envoy, as they stand but for their places: what each promises happens.

mod manifests;

use std::net::SocketAddr;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};

use crate::bootstrap::{Direction, Setup};
use crate::client::{Client, get};
use crate::collector::Collector;
use crate::mutual_tls::Authority;
use crate::proxy::{self, Proxy};
use crate::received::Received;
use crate::upstream::{Answer, Upstream};

const EDGE: &str = include_str!("../../../examples/envoy/edge.yaml");
const SIDECAR: &str = include_str!("../../../examples/envoy/sidecar.yaml");
const TRIES: &str = include_str!("../../../examples/envoy/tries.yaml");
const SAAS: &str = include_str!("../../../examples/envoy/saas.yaml");

/// It records a tenth, and whatever fails: so nothing but an error is sure to be seen.
#[tokio::test]
async fn the_edge_records_what_fails_as_two_spans() {
    let service = Upstream::start(|_| Answer::status(500)).await;
    let collector = Collector::start().await;
    let places = [("shop", service.address()), ("otel_collector", collector.address())];
    let proxy = Proxy::start_document(&placed(EDGE, &places), "edge", &[]).await;

    assert_eq!(Client::http1(proxy.address()).await.ask(get("/cart")).await.status, 500);

    let spans = collector.spans(2).await;
    let (server, client) = (one(&spans, SpanKind::Server), one(&spans, SpanKind::Client));
    assert_eq!(client.parent_id(), server.span_id());
    assert_eq!(server.resource_text("service.name"), Some("edge"));
    assert_eq!(server.int("http.response.status_code"), Some(500));
}

#[tokio::test]
async fn a_pair_of_sidecars_makes_one_trace() {
    let collector = Collector::start().await;
    let catalog = Upstream::start(|_| Answer::status(200)).await;
    let nowhere = catalog.address();
    let places = [
        ("shop", catalog.address()),
        ("catalog", nowhere),
        ("otel_collector", collector.address()),
    ];
    let mut callee = placed(SIDECAR, &places);
    rename(&mut callee, "shop", "catalog");
    let callee = Proxy::start_document(&callee, "inbound", &[]).await;
    let places =
        [("shop", nowhere), ("catalog", callee.address()), ("otel_collector", collector.address())];
    let caller = Proxy::start_document(&placed(SIDECAR, &places), "inbound", &[]).await;

    // The shop asks the catalog, by its own sidecar.
    let outbound = caller.outbound_address().await;
    assert_eq!(Client::http1(outbound).await.ask(get("/stock")).await.status, 200);

    let spans = collector.spans(2).await;
    let (client, server) = (one(&spans, SpanKind::Client), one(&spans, SpanKind::Server));
    assert_eq!(server.trace_id(), client.trace_id());
    assert_eq!(server.parent_id(), client.span_id());
    assert_eq!(client.resource_text("service.name"), Some("shop"));
    assert_eq!(server.resource_text("service.name"), Some("catalog"));
}

#[tokio::test]
async fn each_try_is_seen() {
    let service = Upstream::start(|_| Answer::status(503)).await;
    let collector = Collector::start().await;
    let places = [("shop", service.address()), ("otel_collector", collector.address())];
    let proxy = Proxy::start_document(&placed(TRIES, &places), "edge", &[]).await;

    assert_eq!(Client::http1(proxy.address()).await.ask(get("/cart")).await.status, 503);

    let spans = collector.spans(4).await;
    let server = one(&spans, SpanKind::Server);
    let tries = spans.iter().filter(|it| it.kind() == SpanKind::Client);
    assert!(tries.clone().all(|it| it.parent_id() == server.span_id()), "{spans:#?}");
    assert_eq!((tries.count(), server.int("hopspan.attempts")), (3, Some(3)));
}

#[tokio::test]
async fn the_vendor_gets_spans_over_tls_with_a_token_of_the_environment() {
    let vendor = Upstream::start(|_| Answer::status(200)).await;
    // In front of it is a proxy without hopspan, for TLS.
    let authority = Authority::new();
    let mut front = Setup::new(Direction::Unspecified, vendor.address(), vendor.address());
    front.hopspan = None;
    let chain = json!({ "transport_socket": authority.downstream_of("otlp.example.com") });
    front.filter_chains = vec![chain];
    let front = Proxy::start(&front).await;
    let service = Upstream::start(|_| Answer::status(500)).await;
    let places = [("shop", service.address()), ("vendor", front.address())];
    let mut document = placed(SAAS, &places);
    let trusted = "/transport_socket/typed_config/common_tls_context/validation_context/trusted_ca";
    let trusted = cluster(&mut document, "vendor").pointer_mut(trusted).expect("a CA");
    *trusted = json!({ "inline_string": authority.pem() });
    let token = [("VENDOR_TOKEN", "s3cret")];
    let proxy = Proxy::start_document(&document, "edge", &token).await;

    assert_eq!(Client::http1(proxy.address()).await.ask(get("/cart")).await.status, 500);

    let export = &vendor.seen(1).await[0];
    assert_eq!(export.path, "/v1/traces");
    for (name, value) in [
        ("host", "otlp.example.com"),
        ("authorization", "Bearer s3cret"),
        ("content-encoding", "gzip"),
    ] {
        assert_eq!(export.header(name), Some(value));
    }
    assert!(!proxy.log().contains("s3cret"), "{}", proxy.log());
}

/// An example with its module, on ports that the kernel chooses, and its clusters where they are
/// in this test.
fn placed(example: &str, places: &[(&str, SocketAddr)]) -> Value {
    let mut document: Value = serde_yaml_ng::from_str(example).expect("YAML");
    let module = document
        .to_string()
        .replace("/etc/envoy/hopspan.wasm", proxy::wasm().to_str().expect("a name"));
    document = serde_json::from_str(&module).expect("JSON");
    let anywhere = json!({ "socket_address": { "address": "127.0.0.1", "port_value": 0 } });
    document["admin"]["address"] = anywhere.clone();
    let listeners = document.pointer_mut("/static_resources/listeners").expect("listeners");
    for listener in listeners.as_array_mut().expect("a list") {
        listener["address"] = anywhere.clone();
    }
    for (name, address) in places {
        let host = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
        let host = cluster(&mut document, name).pointer_mut(host).expect("a host");
        *host = json!({ "address": "127.0.0.1", "port_value": address.port() });
    }
    document
}

fn cluster<'a>(document: &'a mut Value, name: &str) -> &'a mut Value {
    let clusters = document.pointer_mut("/static_resources/clusters").expect("clusters");
    let mut clusters = clusters.as_array_mut().expect("a list").iter_mut();
    clusters.find(|it| it["name"] == name).unwrap_or_else(|| panic!("no cluster {name}"))
}

/// Gives the service of a sidecar another name.
fn rename(document: &mut Value, from: &str, to: &str) {
    let name = |it: &str| format!("\\\"name\\\": \\\"{it}\\\"");
    let text = document.to_string();
    assert!(text.contains(&name(from)), "{text}");
    *document = serde_json::from_str(&text.replace(&name(from), &name(to))).expect("JSON");
}

#[track_caller]
fn one(spans: &[Received], kind: SpanKind) -> &Received {
    let mut all = spans.iter().filter(|it| it.kind() == kind);
    match (all.next(), all.next()) {
        (Some(it), None) => it,
        _ => panic!("one span of {kind:?}: {spans:#?}"),
    }
}

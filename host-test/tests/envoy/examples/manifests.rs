//! What of the manifests in examples/ reaches an Envoy, in a real one. What the control planes
//! themselves do with them is not run here.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde::Deserialize;
use serde_json::{Value, json};

use super::one;
use crate::bootstrap::{Direction, Setup, cluster};
use crate::client::{Client, get};
use crate::collector::Collector;
use crate::proxy::{self, Proxy};
use crate::received::Received;
use crate::upstream::{Answer, Upstream};

const ISTIO: &str = "sidecar~10.0.0.1~shop-1.default~default.svc.cluster.local";
const OTEL: &str = "outbound|4318||otel-collector.observability.svc.cluster.local";

#[tokio::test]
async fn istios_plugins_export_to_the_cluster_by_its_name_there() {
    for (manifest, config) in [
        (include_str!("../../../../examples/istio/wasmplugin.yaml"), "/spec/pluginConfig"),
        (
            include_str!("../../../../examples/istio/traffic-extension.yaml"),
            "/spec/wasm/pluginConfig",
        ),
    ] {
        let config = of_kind(manifest, "").pointer(config).expect("a configuration").clone();
        let spans = spans(Direction::Inbound, ISTIO, OTEL, |it| it.hopspan = Some(config)).await;
        let [span] = spans.as_slice() else { panic!("one span: {spans:#?}") };
        assert_eq!(span.kind(), SpanKind::Server);
    }
}

#[tokio::test]
async fn istios_filter_is_one_for_a_real_envoy() {
    let manifest = include_str!("../../../../examples/istio/envoyfilter.yaml");
    let mut filter =
        of_kind(manifest, "").pointer("/spec/configPatches/0/patch/value").unwrap().clone();
    let code = "/typed_config/config/vm_config/code/local/filename";
    *filter.pointer_mut(code).expect("the module") = json!(proxy::wasm());
    let spans = spans(Direction::Outbound, ISTIO, OTEL, |it| {
        it.hopspan = None;
        it.before = vec![filter];
    });
    let spans = spans.await;
    let [span] = spans.as_slice() else { panic!("one span: {spans:#?}") };
    assert_eq!(span.kind(), SpanKind::Client);
}

#[tokio::test]
async fn a_gateways_plugin_sends_its_token() {
    let manifest = include_str!("../../../../examples/istio/wasmplugin-gateway.yaml");
    let manifest = of_kind(manifest, "");
    // Any receiver that remembers headers; TLS is Istio's part.
    let vendor = Upstream::start(|_| Answer::status(200)).await;
    let service = Upstream::start(|_| Answer::status(500)).await;
    let mut setup = Setup::new(Direction::Outbound, service.address(), vendor.address());
    setup.node = json!({ "id": "router~10.0.0.1~edge-1.istio-ingress~x", "cluster": "edge" });
    setup.hopspan = Some(manifest["spec"]["pluginConfig"].clone());
    setup.environment = vec![("VENDOR_TOKEN", "s3cret")];
    setup.clusters.push(cluster("outbound|443||otlp.example.com", Some(vendor.address()), false));
    let proxy = Proxy::start(&setup).await;
    assert_eq!(Client::http1(proxy.address()).await.ask(get("/cart")).await.status, 500);
    let export = &vendor.seen(1).await[0];
    assert_eq!(export.header("authorization"), Some("Bearer s3cret"));
    assert_eq!(export.header("host"), Some("otlp.example.com"));
}

#[tokio::test]
async fn envoy_gateways_policy_and_the_cluster_of_its_patch_fit() {
    let manifests = include_str!("../../../../examples/envoy-gateway/hopspan.yaml");
    let policy = of_kind(manifests, "EnvoyExtensionPolicy");
    let patch = of_kind(manifests, "EnvoyPatchPolicy");
    let added = patch.pointer("/spec/jsonPatches/0/operation/value").expect("a cluster");
    let spans = spans(Direction::Unspecified, "eg", "", |it| {
        it.hopspan = Some(policy["spec"]["wasm"][0]["config"].clone());
        let mut added = added.clone();
        let host = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
        let port = it.collector.take().expect("a collector").port();
        *added.pointer_mut(host).expect("a host") =
            json!({ "address": "127.0.0.1", "port_value": port });
        it.clusters.push(added);
    });
    as_gateway(&spans.await);
}

#[tokio::test]
async fn higress_plugin_exports_to_the_registry_of_its_bridge() {
    let manifests = include_str!("../../../../examples/higress/hopspan.yaml");
    let plugin = of_kind(manifests, "WasmPlugin");
    let registry = of_kind(manifests, "McpBridge")["spec"]["registries"][0].clone();
    let text = |key: &str| registry[key].as_str().expect("a text").to_owned();
    let name = format!("outbound|{}||{}.{}", registry["port"], text("name"), text("type"));
    let config = plugin["spec"]["defaultConfig"].clone();
    let spans = spans(Direction::Outbound, ISTIO, &name, |it| it.hopspan = Some(config));
    as_gateway(&spans.await);
}

/// Starts a proxy whose collector has this name, and returns the spans of a request that fails:
/// those that are recorded for sure.
async fn spans(
    direction: Direction,
    node: &str,
    collector_name: &str,
    change: impl FnOnce(&mut Setup),
) -> Vec<Received> {
    let service = Upstream::start(|_| Answer::status(500)).await;
    let collector = Collector::start().await;
    let mut setup = Setup::new(direction, service.address(), collector.address());
    setup.node = json!({ "id": node, "cluster": "shop" });
    if !collector_name.is_empty() {
        setup.collector = None;
        setup.clusters.push(cluster(collector_name, Some(collector.address()), false));
    }
    change(&mut setup);
    let proxy = Proxy::start(&setup).await;
    assert_eq!(Client::http1(proxy.address()).await.ask(get("/cart")).await.status, 500);
    collector.spans(1).await
}

#[track_caller]
fn as_gateway(spans: &[Received]) {
    let (server, client) = (one(spans, SpanKind::Server), one(spans, SpanKind::Client));
    assert_eq!(client.parent_id(), server.span_id());
    assert_eq!(server.resource_text("service.name"), Some("gateway"));
}

/// The first manifest of this kind, or of any.
fn of_kind(manifests: &str, kind: &str) -> Value {
    let documents = serde_yaml_ng::Deserializer::from_str(manifests);
    let mut documents = documents.map(|it| Value::deserialize(it).expect("YAML"));
    documents.find(|it| kind.is_empty() || it["kind"] == kind).expect("a manifest")
}

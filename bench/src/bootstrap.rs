//! What Envoy is told: one listener, one route, one filter.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::variant::{Tracing, Variant};

/// The cluster that spans are sent to.
pub(crate) const COLLECTOR: &str = "collector";
/// The same, by HTTP/2.
pub(crate) const COLLECTOR_HTTP2: &str = "collector_http2";
/// One where nobody answers.
pub(crate) const COLLECTOR_DOWN: &str = "collector_down";

/// The addresses around a proxy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around {
    /// The service behind it.
    pub(crate) upstream: SocketAddr,
    /// Where spans go.
    pub(crate) collector: SocketAddr,
    /// Where connections are refused.
    pub(crate) refusing: SocketAddr,
}

/// The bootstrap document.
pub(crate) fn bootstrap(variant: &Variant, wasm: &Path, around: Around) -> Value {
    let mut filters = Vec::new();
    let mut manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network\
                  .http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "route_config": { "virtual_hosts": [{
            "name": "all",
            "domains": ["*"],
            "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "upstream" } }],
        }] },
    });
    let mut direction = "INBOUND";
    let mut runtime = json!({});
    match &variant.tracing {
        Tracing::None => {}
        Tracing::Native { provider, percent, batch } => {
            manager["tracing"] =
                json!({ "random_sampling": { "value": percent }, "provider": provider });
            if let Some(batch) = batch {
                runtime["tracing.opentelemetry.min_flush_spans"] = json!(batch);
            }
        }
        Tracing::Hopspan { direction: of, configuration } => {
            direction = of;
            filters.push(hopspan(configuration, wasm));
        }
    }
    filters.push(json!({ "name": "router", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
    } }));
    manager["http_filters"] = json!(filters);
    json!({
        "node": { "id": "bench", "cluster": "bench" },
        "admin": { "address": loopback(0) },
        "layered_runtime": { "layers": [{ "name": "bench", "static_layer": runtime }] },
        "static_resources": {
            "listeners": [{
                "name": LISTENER,
                "address": loopback(0),
                "traffic_direction": direction,
                "filter_chains": [{ "filters": [{ "name": "http", "typed_config": manager }] }],
            }],
            "clusters": [
                cluster("upstream", around.upstream, false),
                cluster(COLLECTOR, around.collector, false),
                cluster(COLLECTOR_HTTP2, around.collector, true),
                cluster(COLLECTOR_DOWN, around.refusing, false),
            ],
        },
    })
}

fn hopspan(configuration: &Value, wasm: &Path) -> Value {
    let configuration = json!({
        "@type": "type.googleapis.com/google.protobuf.StringValue",
        "value": configuration.to_string(),
    });
    json!({ "name": "hopspan", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": {
            "name": "hopspan",
            "root_id": "hopspan",
            "fail_open": true,
            "configuration": configuration,
            "vm_config": {
                "vm_id": "hopspan",
                "runtime": "envoy.wasm.runtime.v8",
                "code": { "local": { "filename": wasm } },
            },
        },
    } })
}

fn cluster(name: &str, address: SocketAddr, http2: bool) -> Value {
    let endpoint = json!({ "endpoint": { "address": loopback(address.port()) } });
    let mut cluster = json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": [endpoint] }] },
    });
    if http2 {
        cluster["typed_extension_protocol_options"] = json!({
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": { "http2_protocol_options": {} },
            },
        });
    }
    cluster
}

fn loopback(port: u16) -> Value {
    json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } })
}

/// The listener.
pub(crate) const LISTENER: &str = "bench";

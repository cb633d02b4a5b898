//! Envoy's own tracers.

use serde_json::{Value, json};

use super::{NATIVE, NATIVE_1, ONE, Spans, Tracing, Variant};
use crate::bootstrap::{COLLECTOR, COLLECTOR_HTTP2};
use crate::collector::ZIPKIN;

/// All that hopspan is compared with.
pub(super) fn all() -> Vec<Variant> {
    let http = json!({ "http_service": { "http_uri": {
        "uri": "http://collector.test/v1/traces", "cluster": COLLECTOR, "timeout": "1s",
    } } });
    let grpc = json!({ "grpc_service": {
        "envoy_grpc": { "cluster_name": COLLECTOR_HTTP2 }, "timeout": "1s",
    } });
    let otlp = |service: Value| provider("opentelemetry", "OpenTelemetryConfig", service);
    let zipkin = json!({
        "collector_cluster": COLLECTOR,
        "collector_endpoint": ZIPKIN,
        "collector_endpoint_version": "HTTP_JSON",
        "shared_span_context": false,
    });
    let zipkin = provider("zipkin", "ZipkinConfig", zipkin);
    let of = |name, about, provider: &Value, percent, batch| {
        let tracing = Tracing::Native { provider: provider.clone(), percent, batch };
        let spans = if percent < 100.0 { Spans::Share(percent / 100.0) } else { ONE };
        Variant { name, about, tracing, headers: String::new(), body: None, spans, learned: 0 }
    };
    let (http, grpc) = (otlp(http), otlp(grpc));
    vec![
        of(NATIVE, "native OpenTelemetry, OTLP/HTTP, 100 %", &http, 100.0, None),
        of(
            "native-512",
            "native OpenTelemetry, OTLP/HTTP, batches of 512",
            &http,
            100.0,
            Some(512),
        ),
        of(NATIVE_1, "native OpenTelemetry, OTLP/HTTP, 1 %", &http, 1.0, None),
        of("native-grpc", "native OpenTelemetry, OTLP/gRPC, 100 %", &grpc, 100.0, None),
        of("native-grpc-1", "native OpenTelemetry, OTLP/gRPC, 1 %", &grpc, 1.0, None),
        of("zipkin", "native Zipkin, 100 %", &zipkin, 100.0, None),
    ]
}

fn provider(name: &str, kind: &str, mut config: Value) -> Value {
    config["@type"] = json!(format!("type.googleapis.com/envoy.config.trace.v3.{kind}"));
    if name == "opentelemetry" {
        config["service_name"] = json!("bench");
    }
    json!({ "name": format!("envoy.tracers.{name}"), "typed_config": config })
}

//! What documents mean, by their text alone.

mod any_document;
mod environment;
mod secrets;

use super::*;
use crate::encode::Value as Attribute;
use crate::span::Kind as SpanKind;
use crate::trust::Action;
use serde_json::Map;
use std::time::Duration;

/// A proxy that reads documents; the default one has nothing to add.
#[derive(Clone, Copy, Default)]
struct Proxy<'a> {
    node_id: &'a str,
    node_cluster: &'a str,
    env: &'a [(&'a str, &'a str)],
}

impl Proxy<'_> {
    fn read(&self, document: impl AsRef<[u8]>) -> Result<Config, String> {
        let variable = |(_, value): &(&str, &str)| (*value).to_owned();
        let env = |name: &str| self.env.iter().find(|(it, _)| *it == name).map(variable);
        let around =
            Surroundings { node_id: self.node_id, node_cluster: self.node_cluster, env: &env };
        read(document.as_ref(), &around).map_err(|it| it.to_string())
    }

    /// What the effective configuration has at this JSON pointer.
    fn effective(&self, document: &str, pointer: &str) -> Value {
        let config = self.read(document).unwrap();
        assert!(!config.effective.contains('\n'), "{}", config.effective);
        let effective: Value = serde_json::from_str(&config.effective).unwrap();
        effective.pointer(pointer).cloned().unwrap_or_default()
    }
}

/// The attribute of this key, as text.
fn attribute(resource: &Resource, key: &str) -> Option<Attribute> {
    resource.attributes.iter().find(|(it, _)| it == key).map(|(_, value)| value.clone())
}

fn text(text: &str) -> Option<Attribute> {
    Some(Attribute::Text(text.to_owned()))
}

#[test]
fn nothing_written_is_every_default() {
    for document in ["", " \r\n\t", "{}", "\n{}\n", "\u{feff}{}", r#"{"batch":{},"retry":{}}"#] {
        let Config {
            enabled,
            direction,
            resource,
            collector,
            batch,
            retry,
            trust,
            ratio,
            kinds,
            warnings,
            unknown_keys,
            effective,
        } = Proxy::default().read(document).unwrap();
        assert!(enabled);
        assert_eq!((direction, collector, kinds), (None, None, None), "{document:?}");
        assert_eq!((batch, retry), (Limits::default(), Retry::default()), "{document:?}");
        assert_eq!((trust, ratio), (Policy::ByDirection, TraceIdRatio::ALL), "{document:?}");
        assert_eq!((warnings, unknown_keys), (vec![], 0), "{document:?}");
        assert_eq!(attribute(&resource, "service.name"), text("unknown_service:envoy"));
        assert_eq!(
            effective,
            concat!(
                r#"{"batch":{"max_export_batch_bytes":1048576,"max_export_batch_size":512,"#,
                r#""max_in_flight":2,"max_queue_bytes":4194304,"max_queue_size":4096,"#,
                r#""schedule_delay_ms":1000},"collector":{"headers":{},"#,
                r#""protocol":"http/protobuf","timeout_ms":10000,"traces_path":"/v1/traces"},"#,
                r#""direction":"auto","metrics":{"to":[]},"resource_attributes":{},"#,
                r#""retry":{"enabled":true,"initial_backoff_ms":1000,"max_backoff_ms":30000,"#,
                r#""max_elapsed_ms":120000},"sampling":{"ratio":1.0},"#,
                r#""service":{"name":"unknown_service:envoy"},"spans":{"kind":"auto"},"#,
                r#""strict":false,"trust":{"default":"auto"}}"#
            )
        );
    }
}

#[test]
fn every_key_reaches_its_setting() {
    let proxy = Proxy { env: &[("TOKEN", "s3cret")], ..Proxy::default() };
    let config = proxy
        .read(
            r#"{
            "strict": true,
            "direction": "outbound",
            "service": {"name": "shop", "namespace": "web", "version": "1.2", "instance_id": "7"},
            "resource_attributes": {"a": "text", "b": 3, "c": 3.0, "d": 0.5, "e": true, "f": 1e300},
            "collector": {
                "cluster": "otel", "protocol": "http/protobuf", "authority": "[::1]:4318",
                "traces_path": "/in?tenant=1", "timeout_ms": 60000,
                "headers": {"Authorization": "Bearer ${TOKEN}", "x-price": "$5"}
            },
            "batch": {
                "schedule_delay_ms": 10, "max_export_batch_size": 7,
                "max_export_batch_bytes": 4096, "max_queue_size": 8, "max_queue_bytes": 5000.0,
                "max_in_flight": 3
            },
            "retry": {
                "enabled": false, "initial_backoff_ms": 1, "max_backoff_ms": 2, "max_elapsed_ms": 0
            },
            "trust": {"default": "restart"},
            "sampling": {"ratio": 0.25},
            "spans": {"kind": "client"},
            "metrics": {"to": []}
        }"#,
        )
        .unwrap();
    assert_eq!(config.direction, Some(Direction::Outbound));
    let attributes = [
        ("service.name", Attribute::Text("shop".into())),
        ("service.namespace", Attribute::Text("web".into())),
        ("service.version", Attribute::Text("1.2".into())),
        ("service.instance.id", Attribute::Text("7".into())),
        ("a", Attribute::Text("text".into())),
        ("b", Attribute::Integer(3)),
        ("c", Attribute::Integer(3)),
        ("d", Attribute::Float(0.5)),
        ("e", Attribute::Flag(true)),
        ("f", Attribute::Float(1e300)),
        ("telemetry.sdk.name", Attribute::Text("hopspan".into())),
        ("telemetry.sdk.language", Attribute::Text("rust".into())),
        ("telemetry.sdk.version", Attribute::Text(env!("CARGO_PKG_VERSION").into())),
    ];
    assert_eq!(config.resource.attributes, attributes.map(|(key, it)| (key.to_owned(), it)));
    let collector = Collector {
        cluster: "otel".into(),
        naming: ClusterNaming::Envoy,
        authority: "[::1]:4318".into(),
        traces_path: "/in?tenant=1".into(),
        headers: vec![
            ("authorization".into(), "Bearer s3cret".into()),
            ("x-price".into(), "$5".into()),
        ],
        timeout: Duration::from_secs(60),
    };
    assert_eq!(config.collector, Some(collector));
    let limits = Limits {
        schedule_delay: Duration::from_millis(10),
        max_export_batch_size: 7,
        max_export_batch_bytes: 4096,
        max_queue_size: 8,
        max_queue_bytes: 5000,
        max_in_flight: 3,
    };
    assert_eq!(config.batch, limits);
    let retry = Retry {
        enabled: false,
        initial_backoff: Duration::from_millis(1),
        max_backoff: Duration::from_millis(2),
        max_elapsed: None,
    };
    assert_eq!(config.retry, retry);
    assert_eq!(config.trust, Policy::Always(Action::Restart));
    assert_eq!(config.ratio, TraceIdRatio::new(0.25).unwrap());
    assert_eq!(config.kinds, Some(Kinds::One(SpanKind::Client)));
    assert_eq!((config.warnings, config.unknown_keys), (vec![], 0));
}

#[test]
fn a_wrong_value_is_named_with_what_was_expected_and_found() {
    let many: Map<_, _> = (0..200).map(|it| (it.to_string(), json!(""))).collect();
    let long = "x".repeat(1025);
    for (document, want) in [
        (json!([]), "document: must be an object, not a list"),
        (json!({"strict": "yes"}), r#"strict: must be true or false, not "yes""#),
        (
            json!({"direction": "in"}),
            r#"direction: must be "auto", "inbound", "outbound" or "gateway", not "in""#,
        ),
        (json!({"service": "shop"}), r#"service: must be an object, not "shop""#),
        (
            json!({"service": {"name": ""}}),
            r#"service.name: must be a text of 1 to 1024 characters, not """#,
        ),
        (
            json!({"service": {"version": 2}}),
            "service.version: must be a text of 1 to 1024 characters, not 2",
        ),
        (
            json!({"service": {"namespace": &long}}),
            &format!(
                "service.namespace: must be a text of 1 to 1024 characters, not \"{}...\"",
                &long[..60]
            ),
        ),
        (
            json!({"resource_attributes": {"k8s.pod": null}}),
            r#"resource_attributes["k8s.pod"]: must be a text of at most 1024 characters, a number, true or false, not null"#,
        ),
        (
            json!({"resource_attributes": {"service.instance.id": "7"}}),
            r#"resource_attributes["service.instance.id"]: must be written as the key service.instance_id"#,
        ),
        (
            json!({"resource_attributes": {"telemetry.sdk.name": "x"}}),
            r#"resource_attributes["telemetry.sdk.name"]: is set by hopspan alone"#,
        ),
        (
            json!({"resource_attributes": {"": "x"}}),
            r#"resource_attributes[""]: must have a key of 1 to 1024 characters"#,
        ),
        (
            json!({"resource_attributes": &many}),
            "resource_attributes: must be an object of strings, numbers and booleans, 128 at most, not an object of 200",
        ),
        (
            json!({"collector": {"cluster": "a\nb"}}),
            r#"collector.cluster: must be the name of a cluster: 1 to 1024 characters, no control characters, not "a\nb""#,
        ),
        (
            json!({"collector": {"cluster": "my collector"}}),
            r#"collector.authority: must be written, because the cluster's name "my collector" cannot be one"#,
        ),
        (
            json!({"collector": {"protocol": "grpc"}}),
            r#"collector.protocol: must be "http/protobuf", not "grpc""#,
        ),
        (
            json!({"collector": {"authority": "http://otel"}}),
            r#"collector.authority: must be a host, and a port if need be, like otel.example:4318, not "http://otel""#,
        ),
        (
            json!({"collector": {"traces_path": "v1/traces"}}),
            r#"collector.traces_path: must be a path of visible ASCII characters that begins with / and has no #, not "v1/traces""#,
        ),
        (
            json!({"collector": {"timeout_ms": 0}}),
            "collector.timeout_ms: must be 1 to 60000, not 0",
        ),
        (
            json!({"collector": {"timeout_ms": 1000.5}}),
            "collector.timeout_ms: must be a whole number, 1 to 60000, not 1000.5",
        ),
        (
            json!({"collector": {"timeout_ms": "1s"}}),
            r#"collector.timeout_ms: must be 1 to 60000, not "1s""#,
        ),
        (
            json!({"collector": {"timeout_ms": 18446744073709551615_u64}}),
            "collector.timeout_ms: must be 1 to 60000, not 18446744073709551615",
        ),
        (
            json!({"batch": {"schedule_delay_ms": 9}}),
            "batch.schedule_delay_ms: must be 10 to 60000, not 9",
        ),
        (
            json!({"batch": {"max_export_batch_size": 0}}),
            "batch.max_export_batch_size: must be 1 to 100000, not 0",
        ),
        (
            json!({"batch": {"max_export_batch_bytes": 4095}}),
            "batch.max_export_batch_bytes: must be 4096 to 67108864, not 4095",
        ),
        (
            json!({"batch": {"max_queue_size": -1}}),
            "batch.max_queue_size: must be 1 to 1000000, not -1",
        ),
        (
            json!({"batch": {"max_queue_bytes": 1e12}}),
            "batch.max_queue_bytes: must be 4096 to 268435456, not 1000000000000",
        ),
        (
            json!({"batch": {"max_in_flight": 101}}),
            "batch.max_in_flight: must be 1 to 100, not 101",
        ),
        (json!({"retry": {"enabled": 1}}), "retry.enabled: must be true or false, not 1"),
        (
            json!({"retry": {"initial_backoff_ms": 0}}),
            "retry.initial_backoff_ms: must be 1 to 600000, not 0",
        ),
        (
            json!({"retry": {"max_backoff_ms": 600_001}}),
            "retry.max_backoff_ms: must be 1 to 600000, not 600001",
        ),
        (
            json!({"retry": {"max_elapsed_ms": true}}),
            "retry.max_elapsed_ms: must be 0 to 86400000, not true",
        ),
        (
            json!({"trust": {"default": "never"}}),
            r#"trust.default: must be "auto", "continue", "restart" or "ignore_sampling", not "never""#,
        ),
        (json!({"sampling": {"ratio": 50}}), "sampling.ratio: must be 0 to 1, not 50"),
        (json!({"sampling": {"ratio": -1e-9}}), "sampling.ratio: must be 0 to 1, not -1e-9"),
        (
            json!({"spans": {"kind": ["server"]}}),
            r#"spans.kind: must be "auto", "server", "client" or "both", not a list"#,
        ),
        (
            json!({"metrics": {"to": ["otlp"]}}),
            "metrics.to: must be []: this version has no metrics yet",
        ),
    ] {
        let got = Proxy::default().read(document.to_string()).map(|it| it.effective);
        assert_eq!(got, Err(want.to_owned()), "{document}");
    }
}

#[test]
fn all_problems_come_at_once() {
    let document = r#"{"sampling": {"ratio": 50}, "collector": {"timeout_ms": 0, "cluster": 1}}"#;
    assert_eq!(
        Proxy::default().read(document).unwrap_err(),
        "collector.cluster: must be the name of a cluster: 1 to 1024 characters, \
         no control characters, not 1; \
         collector.timeout_ms: must be 1 to 60000, not 0; \
         sampling.ratio: must be 0 to 1, not 50"
    );
}

#[test]
fn text_that_is_not_json_is_refused_with_its_place() {
    let deep = "[".repeat(1000);
    for (why, document, want) in [
        (
            "breaks off",
            "{\n  \"strict\":",
            "line 2 column 11: is not JSON: EOF while parsing a value",
        ),
        ("goes on", "{} {}", "line 1 column 4: is not JSON: trailing characters"),
        ("YAML", "strict: true", "line 1 column 1: is not JSON: expected value"),
        (
            "a key twice",
            "{\"batch\":{\"a\":1,\n\"a\":2}}",
            "line 2 column 3: is not JSON: the key \"a\" is there twice",
        ),
        (
            "a number too far",
            r#"{"a":1e999}"#,
            "line 1 column 10: is not JSON: number out of range",
        ),
        ("too deep", &deep, "line 1 column 128: is not JSON: recursion limit exceeded"),
    ] {
        let got = Proxy::default().read(document).map(|it| it.effective);
        assert_eq!(got, Err(want.to_owned()), "{why}");
    }
    let got = Proxy::default().read(b"{\"a\":\"\xff\"}").map(|it| it.effective);
    assert_eq!(got, Err("line 1 column 7: is not JSON: invalid unicode code point".to_owned()));
}

#[test]
fn an_unknown_key_warns_with_the_nearest_known_one() {
    let document = r#"{
        "collecter": {"cluster": "x"}, "collector": {"Timeout_ms": 1, "cluster": "x"},
        "ratio": 1, "sampling": {"rules": [], "ratios": 1}, "retry.enabled": false, "zzz": 0
    }"#;
    let config = Proxy::default().read(document).unwrap();
    let warnings = [
        "collector.Timeout_ms: is no key of hopspan; is it collector.timeout_ms?",
        "sampling.ratios: is no key of hopspan; is it sampling.ratio?",
        "sampling.rules: is no key of hopspan",
        "collecter: is no key of hopspan; is it collector?",
        "ratio: is no key of hopspan; is it sampling.ratio?",
        r#"["retry.enabled"]: is no key of hopspan; is it retry.enabled?"#,
        "zzz: is no key of hopspan",
    ];
    assert_eq!(config.warnings, warnings);
    assert_eq!(config.unknown_keys, warnings.len());
    assert_eq!(config.collector.unwrap().timeout, Duration::from_secs(10));
}

#[test]
fn strict_refuses_unknown_keys() {
    let got = Proxy::default().read(r#"{"strict": true, "role": "x", "sampling": {"ratio": 2}}"#);
    let want = "sampling.ratio: must be 0 to 1, not 2; role: is no key of hopspan";
    assert_eq!(got.map(|it| it.effective), Err(want.to_owned()));
}

#[test]
fn thousands_of_unknown_keys_are_twenty_lines_and_a_number() {
    let keys: Map<_, _> = (0..3000).map(|it| (format!("zzz{it}"), json!(0))).collect();
    let config = Proxy::default().read(Value::from(keys).to_string()).unwrap();
    assert_eq!((config.warnings.len(), config.unknown_keys), (21, 3000));
    assert_eq!(config.warnings[20], "2980 more keys are none of hopspan's");
}

#[test]
fn what_is_written_is_never_contradicted() {
    for (document, want) in [
        (
            json!({"batch": {"max_export_batch_size": 11, "max_queue_size": 10}}),
            "batch.max_export_batch_size: must be at most batch.max_queue_size, which is 10, not 11",
        ),
        (
            json!({"batch": {"max_export_batch_bytes": 9000, "max_queue_bytes": 8000}}),
            "batch.max_export_batch_bytes: must be at most batch.max_queue_bytes, which is 8000, not 9000",
        ),
        (
            json!({"retry": {"initial_backoff_ms": 3, "max_backoff_ms": 2}}),
            "retry.initial_backoff_ms: must be at most retry.max_backoff_ms, which is 2, not 3",
        ),
        (
            json!({"batch": {"max_export_batch_bytes": 4096}, "service": {"name": "x".repeat(1000), "version": "y".repeat(1000), "namespace": "z".repeat(1000)}}),
            "batch.max_export_batch_bytes: must be at least 6394, not 4096: the resource attributes take 3197",
        ),
    ] {
        let got = Proxy::default().read(document.to_string()).map(|it| it.effective);
        assert_eq!(got, Err(want.to_owned()), "{document}");
    }
}

#[test]
fn a_default_gives_way_to_what_is_written() {
    for (document, pointer, want) in [
        (r#"{"batch":{"max_queue_size":10}}"#, "/batch/max_export_batch_size", 10),
        (r#"{"batch":{"max_export_batch_size":9999}}"#, "/batch/max_queue_size", 9999),
        (r#"{"batch":{"max_queue_bytes":5000}}"#, "/batch/max_export_batch_bytes", 5000),
        (r#"{"retry":{"max_backoff_ms":5}}"#, "/retry/initial_backoff_ms", 5),
        (r#"{"retry":{"initial_backoff_ms":60000}}"#, "/retry/max_backoff_ms", 60_000),
    ] {
        assert_eq!(Proxy::default().effective(document, pointer), want, "{document}");
    }
}

#[test]
fn a_collector_without_cluster_is_said_to_do_nothing() {
    let config = Proxy::default().read(r#"{"collector": {"timeout_ms": 5}}"#).unwrap();
    assert_eq!(config.collector, None);
    assert_eq!(config.warnings, ["collector: has no cluster, so nothing is exported"]);
}

#[test]
fn the_authority_is_one_that_servers_accept() {
    for (cluster, want) in [
        ("otel_collector", "otel_collector"),
        ("otel.example:4318", "otel.example:4318"),
        ("outbound|4318||otel.obs.svc.cluster.local", "otel.obs.svc.cluster.local:4318"),
        ("outbound|4318|v2|otel.obs.svc.cluster.local", "otel.obs.svc.cluster.local:4318"),
    ] {
        let document = json!({"collector": {"cluster": cluster}}).to_string();
        let collector = Proxy::default().read(document).unwrap().collector.unwrap();
        assert_eq!((collector.cluster, collector.authority), (cluster.into(), want.into()));
    }
}

#[test]
fn the_node_says_what_is_not_written() {
    use ClusterNaming::{Envoy, Istio};
    use Direction::{Gateway, Inbound};
    let ignore = Policy::Always(Action::IgnoreSampling);
    let go_on = Policy::Always(Action::Continue);
    for (node_id, written, want) in [
        ("", "auto", (None, Policy::ByDirection, Envoy)),
        ("my~node", "auto", (None, Policy::ByDirection, Envoy)),
        ("sidecar~10.0.0.1~a.b~b.svc", "auto", (None, Policy::ByDirection, Istio)),
        ("router~10.0.0.1~a.b~b.svc", "auto", (Some(Gateway), ignore, Istio)),
        ("waypoint~10.0.0.1~a.b~b.svc", "auto", (Some(Gateway), go_on, Istio)),
        ("router~10.0.0.1~a.b~b.svc", "inbound", (Some(Inbound), go_on, Istio)),
        ("", "gateway", (Some(Gateway), ignore, Envoy)),
    ] {
        let proxy = Proxy { node_id, ..Proxy::default() };
        let document = json!({"direction": written, "collector": {"cluster": "c"}}).to_string();
        let config = proxy.read(document).unwrap();
        let got = (config.direction, config.trust, config.collector.unwrap().naming);
        assert_eq!(got, want, "{node_id} {written}");
    }
}

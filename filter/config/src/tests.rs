//! What documents mean, by their text alone.

mod any_document;
mod environment;
mod formats;
mod metrics;
mod node;
mod problems;
mod routes;
mod secrets;
mod spans;

use super::*;
use hopspan_core::batch::Limits;
use hopspan_core::config::Response;
use hopspan_core::config::Role;
use hopspan_core::encode::{Compression, Protocol, Resource, Value as Attribute};
use hopspan_core::export::{Collector, Retry};
use hopspan_core::keep::Policy as Keep;
use hopspan_core::peer::Services;
use hopspan_core::propagation::{Announce, Format, Propagation};
use hopspan_core::route;
use hopspan_core::sampling::TraceIdRatio;
use hopspan_core::sampling::head::Settings;
use hopspan_core::semconv::Kind as SpanKind;
use hopspan_core::span::Kinds;
use hopspan_core::span::custom::From;
use hopspan_core::trust::{Action, Egress, Policy};
use std::time::Duration;

/// A proxy that reads documents; the default one has nothing to add.
#[derive(Clone, Copy, Default)]
struct Proxy<'a> {
    node_id: &'a str,
    node_cluster: &'a str,
    /// By keys with a space between them.
    metadata: &'a [(&'a str, &'a str)],
    env: &'a [(&'a str, &'a str)],
}

impl Proxy<'_> {
    fn read(&self, document: impl AsRef<[u8]>) -> Result<Config, String> {
        self.read_asking(document, |_| ())
    }

    /// The same; `asked` is shown what is read of the node's metadata.
    fn read_asking(
        &self,
        document: impl AsRef<[u8]>,
        asked: impl Fn(&str),
    ) -> Result<Config, String> {
        let find = |list: &[(&str, &str)], name: &str| {
            list.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned())
        };
        let metadata = |keys: &str| {
            let keys = keys.replace('\0', " ");
            asked(&keys);
            find(self.metadata, &keys)
        };
        let around = Surroundings {
            node_id: self.node_id,
            node_cluster: self.node_cluster,
            metadata: &metadata,
            env: &|name| find(self.env, name),
        };
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
            role,
            direction,
            resource,
            collector,
            batch,
            retry,
            propagation,
            trust,
            egress,
            sampling,
            keep,
            is_istio,
            announce,
            response,
            access_log,
            explain,
            kinds,
            spans,
            warnings,
            unknown_keys,
            effective,
            routes,
            services,
            metrics,
        } = Proxy::default().read(document).unwrap();
        assert!(enabled);
        assert_eq!(role, Role::Downstream, "{document:?}");
        assert_eq!((direction, collector, kinds), (None, None, None), "{document:?}");
        assert_eq!((batch, retry), (Limits::default(), Retry::default()), "{document:?}");
        assert_eq!(propagation, Propagation::default(), "{document:?}");
        assert_eq!((trust, egress), (Policy::default(), Egress::default()), "{document:?}");
        assert_eq!((sampling, keep), (Settings::default(), Keep::default()), "{document:?}");
        assert_eq!((is_istio, announce, explain), (false, Announce::Auto, None), "{document:?}");
        assert_eq!(metrics, None, "{document:?}");
        assert_eq!((response, access_log), (Response::default(), false), "{document:?}");
        // Which say themselves what they are.
        let debug = |it: &hopspan_core::span::Settings| format!("{it:?}");
        assert_eq!(debug(&spans), debug(&Default::default()), "{document:?}");
        let learns = route::Settings { max_learned: 200, ..route::Settings::default() };
        assert_eq!((routes, services), (learns, Services::default()), "{document:?}");
        assert_eq!((warnings, unknown_keys), (vec![], 0), "{document:?}");
        assert_eq!(attribute(&resource, "service.name"), text("unknown_service:envoy"));
        assert_eq!(
            effective,
            concat!(
                r#"{"access_log":{"filter_state":false},"batch":{"max_export_batch_bytes":1048576,"max_export_batch_size":512,"#,
                r#""max_in_flight":2,"max_open_bytes":67108864,"max_queue_bytes":4194304,"max_queue_size":4096,"#,
                r#""schedule_delay_ms":1000},"collector":{"compression":"none","headers":{},"metrics_path":"/v1/metrics","#,
                r#""protocol":"http/protobuf","timeout_ms":10000,"traces_path":"/v1/traces"},"#,
                r#""direction":"auto","explain":{},"metrics":{"announce_caller":"auto","exemplars":true,"#,
                r#""histogram":"explicit","interval_ms":10000,"max_host_histograms":100,"max_series":500,"proxy_time":false,"to":[]},"#,
                r#""propagation":{"baggage_attributes":[],"clear":[],"#,
                r#""extract":["tracecontext","b3","b3multi","grpc-trace-bin"],"#,
                r#""inject":["tracecontext","preserve"]},"resource_attributes":{},"#,
                r#""response":{"server_timing":false,"traceresponse":false},"#,
                r#""retry":{"enabled":true,"initial_backoff_ms":1000,"max_backoff_ms":30000,"#,
                r#""max_elapsed_ms":120000},"role":"downstream","routes":{"learn":true,"max":200,"metadata":false,"#,
                r#""patterns":[]},"sampling":{"force":{},"#,
                r#""keep":{"errors":false},"ratio":1.0,"rules":[],"skip_health_checks":true},"#,
                r#""service":{"name":"unknown_service:envoy"},"services":[],"spans":{"attribute_count_limit":128,"#,
                r#""attribute_value_length_limit":1024,"attributes":[],"detail":"full","kind":"auto","#,
                r#""name":"{method} {route}","redact":{"mode":"mask","path":"raw","query":"all"}},"#,
                r#""strict":false,"trust":{"default":"auto","rules":[],"strip_on_egress":{}}}"#
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
                "cluster": "otel", "protocol": "http/json", "compression": "gzip", "authority": "[::1]:4318",
                "traces_path": "/in?tenant=1", "metrics_path": "/m", "timeout_ms": 60000,
                "headers": {"Authorization": "Bearer ${TOKEN}", "x-price": "$5"}
            },
            "batch": {
                "schedule_delay_ms": 10, "max_export_batch_size": 7,
                "max_export_batch_bytes": 4096, "max_queue_size": 8, "max_queue_bytes": 5000.0,
                "max_in_flight": 3, "max_open_bytes": 6000
            },
            "retry": {
                "enabled": false, "initial_backoff_ms": 1, "max_backoff_ms": 2, "max_elapsed_ms": 0
            },
            "propagation": {
                "extract": ["gcp", "xray"], "inject": ["datadog", "b3"], "clear": ["jaeger"],
                "baggage_attributes": ["user.id"]
            },
            "trust": {"default": "restart"},
            "sampling": {"ratio": 0.25},
            "spans": {"kind": "client", "detail": "minimal"},
            "access_log": {"filter_state": true},
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
        protocol: Protocol::HttpJson,
        compression: Compression::Gzip,
        authority: "[::1]:4318".into(),
        traces_path: "/in?tenant=1".into(),
        metrics_path: "/m".into(),
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
        max_open_bytes: 6000,
    };
    assert_eq!(config.batch, limits);
    let retry = Retry {
        enabled: false,
        initial_backoff: Duration::from_millis(1),
        max_backoff: Duration::from_millis(2),
        max_elapsed: None,
    };
    assert_eq!(config.retry, retry);
    let propagation = Propagation {
        extract: vec![Format::Gcp, Format::XRay],
        inject: [Format::B3, Format::Datadog].into_iter().collect(),
        preserve: false,
        clear: [Format::Jaeger].into_iter().collect(),
    };
    assert_eq!(config.propagation, propagation);
    assert_eq!(config.trust, Policy::always(Action::Restart));
    assert_eq!(config.sampling.ratio, TraceIdRatio::new(0.25).unwrap());
    assert_eq!(config.kinds, Some(Kinds::One(SpanKind::Client)));
    let [chosen] = &config.spans.custom[..] else { panic!("one attribute") };
    assert_eq!((&*chosen.key, &*chosen.name), ("user.id", "user.id"));
    assert!(matches!(chosen.from, From::Baggage), "a key of baggage is an attribute, too");
    assert!(config.access_log);
    assert_eq!((config.warnings, config.unknown_keys), (vec![], 0));
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
fn a_share_may_be_the_text_that_yaml_makes_of_it() {
    for (document, want) in [
        (r#"{"sampling": {"ratio": "0.01"}}"#, Ok(json!(0.01))),
        (r#"{"sampling": {"ratio": "1e-9"}}"#, Ok(json!(1e-9))),
        (r#"{"sampling": {"ratio": ".5"}}"#, Ok(json!(0.5))),
        (r#"{"sampling": {"ratio": "+0.5"}}"#, Ok(json!(0.5))),
        (r#"{"sampling": {"ratio": "1."}}"#, Ok(json!(1.0))),
        (r#"{"sampling": {"ratio": "."}}"#, Err(r#"not ".""#)),
        (r#"{"sampling": {"ratio": ""}}"#, Err(r#"not """#)),
        (r#"{"sampling": {"ratio": "50"}}"#, Err(r#"not "50""#)),
        (r#"{"sampling": {"ratio": "NaN"}}"#, Err(r#"not "NaN""#)),
        (r#"{"sampling": {"ratio": "1 %"}}"#, Err(r#"not "1 %""#)),
    ] {
        let got = Proxy::default().read(document);
        let got = got.map(|_| Proxy::default().effective(document, "/sampling/ratio"));
        let want = want.map_err(|not| format!("sampling.ratio: must be 0 to 1, {not}"));
        assert_eq!(got, want, "{document}");
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
fn spans_go_where_collectors_of_the_protocol_expect_them() {
    for (collector, env, want) in [
        (json!({}), "", "/v1/traces"),
        (json!({"protocol": "http/json"}), "", "/v1/traces"),
        (json!({"protocol": "zipkin/json"}), "", "/api/v2/spans"),
        (json!({"protocol": "zipkin/json"}), "http/json", "/api/v2/spans"),
        (json!({"protocol": "zipkin/json", "traces_path": "/in"}), "", "/in"),
        (json!({"traces_path": "/in"}), "http/json", "/in"),
    ] {
        let env = [("OTEL_EXPORTER_OTLP_PROTOCOL", env)];
        let proxy = Proxy { env: &env, ..Proxy::default() };
        let mut document = json!({"collector": &collector});
        let effective = proxy.effective(&document.to_string(), "/collector/traces_path");
        assert_eq!(effective, want, "{collector}");
        document["collector"]["cluster"] = json!("c");
        let settled = proxy.read(document.to_string()).unwrap().collector.unwrap();
        assert_eq!(settled.traces_path, want, "{collector}");
    }
}

#[test]
fn the_node_says_what_is_not_written() {
    use ClusterNaming::{Envoy, Istio};
    use Direction::{Gateway, Inbound};
    let ignore = Policy::always(Action::IgnoreSampling);
    let go_on = Policy::always(Action::Continue);
    let ask = Policy::default();
    for (node_id, written, want) in [
        ("", "auto", (None, &ask, Envoy)),
        ("my~node", "auto", (None, &ask, Envoy)),
        ("sidecar~10.0.0.1~a.b~b.svc", "auto", (None, &go_on, Istio)),
        ("sidecar~10.0.0.1~a.b~b.svc", "gateway", (Some(Gateway), &ignore, Istio)),
        ("router~10.0.0.1~a.b~b.svc", "auto", (Some(Gateway), &ignore, Istio)),
        ("waypoint~10.0.0.1~a.b~b.svc", "auto", (Some(Gateway), &go_on, Istio)),
        ("router~10.0.0.1~a.b~b.svc", "inbound", (Some(Inbound), &go_on, Istio)),
        ("", "gateway", (Some(Gateway), &ignore, Envoy)),
    ] {
        let proxy = Proxy { node_id, ..Proxy::default() };
        let document = json!({"direction": written, "collector": {"cluster": "c"}}).to_string();
        let config = proxy.read(document).unwrap();
        let got = (config.direction, &config.trust, config.collector.unwrap().naming);
        assert_eq!(got, want, "{node_id} {written}");
    }
}

//! Traffic that puts every kind of value into an export, and what is comparable of its spans.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use serde_json::{Value, json};

use crate::bootstrap::{COLLECTOR, Direction, EMPTY, Setup};
use crate::client::{Client, get, with};
use crate::proxy::Proxy;
use crate::received::Received;
use crate::upstream::{Answer, Seen, Upstream};

/// A gateway through which the traffic went.
pub(crate) struct Scene {
    pub(crate) proxy: Proxy,
    pub(crate) upstream: Upstream,
    began: SystemTime,
}

/// How many spans there are: a SERVER and a CLIENT span of each request.
pub(crate) const SPANS: usize = 8;

/// A caller's trace.
pub(crate) const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
pub(crate) const PARENT: &str = "00f067aa0ba902b7";
/// The trace of another, which does not go on.
pub(crate) const STRANGER: &str = "80f198ee56343ba864fe8b2a57d3eff7";
/// Everything that JSON has to write in another way, and text beyond ASCII.
pub(crate) const AGENT: &str = "say \"hi\"\\\tto a caf\u{e9} </script> \u{1f600}";

impl Scene {
    /// Plays it, before a collector that is spoken to in this way.
    pub(crate) async fn play(
        collector: SocketAddr,
        protocol: &str,
        compression: &str,
        service: &str,
    ) -> Self {
        let answer = |seen: &Seen| match seen.path.as_str() {
            "/fails" => Answer::status(500),
            _ => Answer::status(200),
        };
        let upstream = Upstream::start(answer).await;
        let mut setup = Setup::new(Direction::Unspecified, upstream.address(), collector);
        speak(&mut setup, protocol, compression);
        setup.configure("service", json!({ "name": service, "instance_id": "one" }));
        setup.configure(
            "resource_attributes",
            json!({ "build": 7, "share": 0.25, "canary": true, "team": "caf\u{e9}" }),
        );
        setup.configure(
            "trust",
            json!({
                "default": "continue",
                "rules": [{ "match": { "path": "/stranger" }, "action": "restart" }],
            }),
        );
        setup.configure(
            "spans",
            json!({ "attributes": [
                { "key": "shop.items", "from": "request_header", "name": "x-item" },
                { "key": "shop.share", "from": "literal", "value": 0.25 },
                { "key": "shop.open", "from": "literal", "value": true },
            ] }),
        );
        setup.routes =
            vec![json!({ "match": { "path": "/nobody" }, "route": { "cluster": EMPTY } })];
        let began = SystemTime::now();
        let proxy = Proxy::start(&setup).await;

        let traced = with(get("/cart?size=L"), "traceparent", format!("00-{TRACE}-{PARENT}-01"));
        let traced = with(with(traced, "tracestate", "vendor=a:b"), "user-agent", AGENT);
        let traced = with(with(traced, "x-item", "tea"), "x-item", "\"sugar\"");
        let stranger = with(get("/stranger"), "traceparent", format!("00-{STRANGER}-{PARENT}-01"));
        let mut client = Client::http1(proxy.address()).await;
        for (request, status) in
            [(traced, 200), (get("/fails"), 500), (get("/nobody"), 503), (stranger, 200)]
        {
            assert_eq!(client.ask(request).await.status, status);
        }
        Self { proxy, upstream, began }
    }

    /// Fails unless the spans, which came from somewhere else, are those that the proxy made.
    pub(crate) async fn check_ids_and_times(&self, spans: &[Received]) {
        let ids: BTreeSet<_> = spans.iter().map(|it| (it.trace_id(), it.span_id())).collect();
        assert_eq!(ids.len(), SPANS, "each span once");
        for seen in self.upstream.seen(3).await {
            let sent = seen.traceparent();
            let told = (sent.trace_id.clone(), sent.parent_id.clone());
            assert!(ids.contains(&told), "the service's parent is no span: {sent:?}");
        }
        let now = SystemTime::now();
        for it in spans {
            let at = |nanos| UNIX_EPOCH + Duration::from_nanos(nanos);
            let (start, end) = (at(it.span.start_time_unix_nano), at(it.span.end_time_unix_nano));
            assert!(self.began <= start && start <= end && end <= now, "{start:?} to {end:?}");
        }
    }
}

/// Sets how the collector is spoken to.
pub(crate) fn speak(setup: &mut Setup, protocol: &str, compression: &str) {
    setup.configure(
        "collector",
        json!({ "cluster": COLLECTOR, "protocol": protocol, "compression": compression }),
    );
}

/// What is the same of two plays, in an order that is the same, too.
pub(crate) fn comparable(spans: &[Received]) -> Vec<Value> {
    let mut all: Vec<_> = spans.iter().map(told).collect();
    all.sort_by_key(|it| it.to_string());
    all
}

fn told(it: &Received) -> Value {
    let links = it.span.links.iter().map(|link| {
        let id = |bytes: &[u8]| bytes.iter().map(|it| format!("{it:02x}")).collect::<String>();
        json!({
            "trace": id(&link.trace_id),
            "span": id(&link.span_id),
            "state": link.trace_state,
            "flags": link.flags,
            "attributes": values(&link.attributes),
        })
    });
    json!({
        // These two first: the order is that of the text.
        "": [it.text("url.path").or(it.text("url.full")), it.span.name],
        "kind": it.kind().as_str_name(),
        "status": [it.status().as_str_name(), it.span.status.clone().unwrap_or_default().message],
        "parent": match it.parent_id().as_str() {
            "" => "",
            PARENT => "the caller's",
            _ => "ours",
        },
        "in the caller's trace": it.trace_id() == TRACE,
        "state": it.span.trace_state,
        "flags": it.span.flags,
        "links": links.collect::<Vec<_>>(),
        "attributes": values(&it.span.attributes),
        "dropped": it.span.dropped_attributes_count,
        "scope": [it.scope.name, it.scope.version],
        "resource": values(&it.resource.attributes),
    })
}

/// Attributes with the types that they have; of those that differ from play to play, the type.
pub(crate) fn values(attributes: &[KeyValue]) -> BTreeMap<String, Value> {
    let value = |it: &KeyValue| {
        let value = it.value.as_ref().and_then(|it| it.value.as_ref());
        if differs(&it.key) { json!(kind(value)) } else { of(value) }
    };
    attributes.iter().map(|it| (it.key.clone(), value(it))).collect()
}

fn of(value: Option<&Any>) -> Value {
    match value {
        Some(Any::StringValue(it)) => json!(it),
        Some(Any::BoolValue(it)) => json!(it),
        Some(Any::IntValue(it)) => json!(it),
        Some(Any::DoubleValue(it)) => json!(it),
        Some(Any::ArrayValue(it)) => it.values.iter().map(|it| of(it.value.as_ref())).collect(),
        other => json!(format!("{other:?}")),
    }
}

fn kind(value: Option<&Any>) -> &'static str {
    match value {
        Some(Any::StringValue(_)) => "text",
        Some(Any::IntValue(_)) => "a number",
        Some(Any::ArrayValue(_)) => "a list",
        _ => "another type",
    }
}

/// Times, ports that the kernel chose, and the ids that Envoy gives to requests.
pub(crate) fn differs(key: &str) -> bool {
    key.ends_with("_ns")
        || key.ends_with(".port")
        || ["hopspan.upstream.address", "http.request.header.x-request-id"].contains(&key)
}

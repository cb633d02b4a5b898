use super::*;
use crate::encode::tests::{attribute, request, text};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Link;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use proptest::prelude::*;
use prost::Message as _;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

// === Zipkin's model ===
// <https://github.com/openzipkin/zipkin-api/blob/master/zipkin2-api.yaml>

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Zipkin {
    trace_id: String,
    id: String,
    parent_id: Option<String>,
    kind: Option<String>,
    name: Option<String>,
    timestamp: Option<i64>,
    duration: Option<i64>,
    local_endpoint: Endpoint,
    remote_endpoint: Option<Endpoint>,
    #[serde(deserialize_with = "tags")]
    tags: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Endpoint {
    service_name: Option<String>,
    ipv4: Option<std::net::Ipv4Addr>,
    ipv6: Option<std::net::Ipv6Addr>,
    port: Option<u16>,
}

/// Reads tags, of which none may be there twice.
fn tags<'de, D: serde::Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    struct Visitor;
    impl<'de> serde::de::Visitor<'de> for Visitor {
        type Value = BTreeMap<String, String>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("tags")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(
            self,
            mut map: A,
        ) -> Result<Self::Value, A::Error> {
            let mut tags = BTreeMap::new();
            while let Some((key, value)) = map.next_entry::<String, String>()? {
                if let Some(value) = tags.insert(key.clone(), value) {
                    return Err(serde::de::Error::custom(format!("{key} is there twice: {value}")));
                }
            }
            Ok(tags)
        }
    }
    from.deserialize_map(Visitor)
}

fn read(request: &ExportTraceServiceRequest) -> (String, Vec<Zipkin>) {
    let text = text(transcode, &request.encode_to_vec()).unwrap();
    let read = serde_json::from_str(&text).unwrap_or_else(|it| panic!("{it}: {text}"));
    (text, read)
}

// === The mapping once more, of the official types ===

fn expected(request: &ExportTraceServiceRequest) -> Vec<Zipkin> {
    let mut found = Vec::new();
    for of_resource in &request.resource_spans {
        let resource = of_resource.resource.clone().unwrap_or_default().attributes;
        for of_scope in &of_resource.scope_spans {
            let scope = of_scope.scope.clone().unwrap_or_default();
            found.extend(of_scope.spans.iter().map(|it| expected_span(it, &scope, &resource)));
        }
    }
    found
}

fn expected_span(span: &Span, scope: &InstrumentationScope, resource: &[KeyValue]) -> Zipkin {
    let hex = |id: &[u8]| id.iter().map(|it| format!("{it:02x}")).collect::<String>();
    let micros = |nanos: u64| i64::try_from(nanos / 1000).unwrap().max(1);
    let kind = usize::try_from(span.kind).unwrap_or_default();
    let kind = [None, None, Some("SERVER"), Some("CLIENT"), Some("PRODUCER"), Some("CONSUMER")]
        .get(kind)
        .copied()
        .flatten();
    let strings = |attributes: &[KeyValue]| -> BTreeMap<String, String> {
        let strings = attributes.iter().filter_map(|it| match any(it) {
            Some(Any::StringValue(text)) => Some((it.key.clone(), text.clone())),
            _ => None,
        });
        strings.collect()
    };
    let service = strings(resource).remove("service.name").filter(|it| !it.is_empty());

    let mut tags = BTreeMap::new();
    for it in resource.iter().chain(&scope.attributes).chain(&span.attributes) {
        tags.insert(it.key.clone(), tag(any(it)));
    }
    tags.retain(|key, _| !RESERVED.contains(&&key[..]));
    let count = |it: u32| if it == 0 { String::new() } else { it.to_string() };
    let mut say = |key: &str, value: String| {
        if !value.is_empty() {
            tags.insert(key.to_owned(), value);
        }
    };
    say("otel.scope.name", scope.name.clone());
    say("otel.scope.version", scope.version.clone());
    say("otel.library.name", scope.name.clone());
    say("otel.library.version", scope.version.clone());
    say("w3c.tracestate", span.trace_state.clone());
    say("otel.dropped_attributes_count", count(span.dropped_attributes_count));
    say("otel.dropped_events_count", count(span.dropped_events_count));
    say("otel.dropped_links_count", count(span.dropped_links_count));
    for (at, it) in span.links.iter().enumerate() {
        let attributes =
            tag(Some(&Any::KvlistValue(KeyValueList { values: it.attributes.clone() })));
        let (trace_id, span_id) = (hex(&it.trace_id), hex(&it.span_id));
        let (state, dropped) = (&it.trace_state, it.dropped_attributes_count);
        let link = format!("{trace_id}|{span_id}|{state}|{attributes}|{dropped}");
        tags.insert(format!("otlp.link.{at}"), link);
    }
    match span.status.as_ref() {
        Some(Status { code: 1, .. }) => drop(tags.insert("otel.status_code".into(), "OK".into())),
        Some(Status { code: 2, message }) => {
            tags.insert("otel.status_code".into(), "ERROR".into());
            tags.insert("error".into(), message.clone());
        }
        _ => {}
    }
    Zipkin {
        trace_id: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent_id: Some(hex(&span.parent_span_id)).filter(|it| it.bytes().any(|it| it != b'0')),
        kind: kind.map(str::to_owned),
        name: Some(span.name.clone()).filter(|it| !it.is_empty()),
        timestamp: (span.start_time_unix_nano > 0).then(|| micros(span.start_time_unix_nano)),
        duration: (span.end_time_unix_nano > 0)
            .then(|| micros(span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano))),
        local_endpoint: Endpoint {
            service_name: Some(service.unwrap_or("unknown_service".into())),
            ..Default::default()
        },
        remote_endpoint: matches!(kind, Some("CLIENT" | "PRODUCER"))
            .then(|| expected_remote(&strings(&span.attributes), &span.attributes))
            .flatten(),
        tags,
    }
}

/// Only of those names that arbitrary requests have.
fn expected_remote(texts: &BTreeMap<String, String>, all: &[KeyValue]) -> Option<Endpoint> {
    let name = |key| texts.get(key).filter(|it| !it.is_empty());
    let named = |it: &String| Endpoint { service_name: Some(it.clone()), ..Default::default() };
    let best = name("service.peer.name").or_else(|| name("peer.service"));
    let address = name("network.peer.address").and_then(|it| {
        let port = all.iter().find(|it| it.key == "network.peer.port").and_then(any);
        let port = match port {
            Some(Any::IntValue(port)) => u16::try_from(*port).ok().filter(|it| *it > 0),
            _ => None,
        };
        let (ipv4, ipv6) = (it.parse().ok(), it.parse().ok());
        let found = ipv4.is_some() || ipv6.is_some();
        found.then_some(Endpoint { ipv4, ipv6, port, service_name: None })
    });
    best.or_else(|| name("server.address"))
        .map(named)
        .or(address)
        .or_else(|| name("db.name").map(named))
}

fn any(attribute: &KeyValue) -> Option<&Any> {
    attribute.value.as_ref()?.value.as_ref()
}

fn tag(value: Option<&Any>) -> String {
    match value {
        None => String::new(),
        Some(Any::StringValue(text)) => text.clone(),
        Some(it) => match json(Some(it)) {
            serde_json::Value::String(text) => text,
            it => it.to_string(),
        },
    }
}

fn json(value: Option<&Any>) -> serde_json::Value {
    match value {
        None | Some(Any::StringValueStrindex(_)) => serde_json::Value::Null,
        Some(Any::StringValue(it)) => it.clone().into(),
        Some(Any::BoolValue(it)) => (*it).into(),
        Some(Any::IntValue(it)) => (*it).into(),
        Some(Any::DoubleValue(it)) => (*it).into(),
        Some(Any::BytesValue(it)) => {
            let mut text = crate::base64::encode(it);
            text.resize(text.len().next_multiple_of(4), b'=');
            String::from_utf8(text).unwrap().into()
        }
        Some(Any::ArrayValue(it)) => {
            it.values.iter().map(|it| json(it.value.as_ref())).collect::<Vec<_>>().into()
        }
        Some(Any::KvlistValue(it)) => {
            let members = it.values.iter().map(|it| (it.key.clone(), json(any(it))));
            serde_json::Value::Object(members.collect())
        }
    }
}

proptest! {
    #[test]
    fn zipkins_model_has_what_the_official_types_say(request in request()) {
        let want = expected(&request);
        let spans = want.len();
        prop_assume!(request.encoded_len() > 0 || spans == 0);
        let (text, read) = read(&request);
        for (read, want) in read.iter().zip(&want) {
            prop_assert_eq!(read, want, "{}", text);
        }
        prop_assert_eq!(read.len(), spans);
    }
}

// === By example ===

fn span(attributes: Vec<KeyValue>) -> Span {
    Span { trace_id: vec![1; 16], span_id: vec![2; 8], attributes, ..Default::default() }
}

fn request_of(span: Span) -> ExportTraceServiceRequest {
    let scope = InstrumentationScope {
        name: "hopspan".into(),
        version: "1.2".into(),
        ..Default::default()
    };
    let of_scope = ScopeSpans { scope: Some(scope), spans: vec![span], ..Default::default() };
    let of_service = |key, value: &str| attribute(key, Any::StringValue(value.into()));
    let resource = Resource {
        attributes: vec![
            of_service("service.name", "cart"),
            of_service("service.namespace", "shop"),
        ],
        ..Default::default()
    };
    let of_resource = ResourceSpans {
        resource: Some(resource),
        scope_spans: vec![of_scope],
        ..Default::default()
    };
    ExportTraceServiceRequest { resource_spans: vec![of_resource] }
}

#[test]
fn a_span_is_written_like_this() {
    let (text, _) = read(&request_of(Span {
        parent_span_id: vec![3; 8],
        trace_state: "a=1".into(),
        name: "GET".into(),
        kind: 3,
        start_time_unix_nano: 1_700_000_000_123_456_789,
        end_time_unix_nano: 1_700_000_000_125_456_788,
        dropped_attributes_count: 4,
        links: vec![Link { trace_id: vec![5; 16], span_id: vec![6; 8], ..Default::default() }],
        status: Some(Status { code: 2, message: String::new() }),
        ..span(vec![
            attribute("server.address", Any::StringValue("db".into())),
            attribute("http.response.status_code", Any::IntValue(503)),
        ])
    }));
    assert_eq!(
        text,
        concat!(
            r#"[{"traceId":"01010101010101010101010101010101","id":"0202020202020202","#,
            r#""parentId":"0303030303030303","kind":"CLIENT","name":"GET","#,
            r#""timestamp":1700000000123456,"duration":1999,"#,
            r#""localEndpoint":{"serviceName":"cart"},"remoteEndpoint":{"serviceName":"db"},"#,
            r#""tags":{"otel.status_code":"ERROR","error":"","otel.scope.name":"hopspan","#,
            r#""otel.scope.version":"1.2","otel.library.name":"hopspan","#,
            r#""otel.library.version":"1.2","w3c.tracestate":"a=1","#,
            r#""otel.dropped_attributes_count":"4","#,
            r#""otlp.link.0":"05050505050505050505050505050505|0606060606060606||{}|0","#,
            r#""server.address":"db","http.response.status_code":"503","#,
            r#""service.namespace":"shop"}}]"#
        )
    );
}

#[test]
fn the_other_end_is_known_by_the_best_that_there_is() {
    let text = |it: &str| Any::StringValue(it.into());
    let address = |it: &str| attribute("network.peer.address", text(it));
    let port = |it| attribute("network.peer.port", Any::IntValue(it));
    let domain = || attribute("server.address", text("db"));
    for (why, kind, attributes, want) in [
        ("nothing is known", 3, vec![], ""),
        ("a name", 3, vec![address("10.0.0.1"), domain()], r#"{"serviceName":"db"}"#),
        (
            "a service before a domain",
            3,
            vec![domain(), attribute("peer.service", text("orders"))],
            r#"{"serviceName":"orders"}"#,
        ),
        (
            "the present name before the old one",
            3,
            vec![
                attribute("peer.service", text("old")),
                attribute("service.peer.name", text("new")),
            ],
            r#"{"serviceName":"new"}"#,
        ),
        ("a producer's", 4, vec![domain()], r#"{"serviceName":"db"}"#),
        ("a server's is not its own address", 2, vec![domain()], ""),
        ("nor a consumer's", 5, vec![domain()], ""),
        ("an address", 3, vec![address("10.0.0.1")], r#"{"ipv4":"10.0.0.1"}"#),
        ("and its port", 3, vec![address("::1"), port(80)], r#"{"ipv6":"::1","port":80}"#),
        ("no port", 3, vec![address("::1"), port(0)], r#"{"ipv6":"::1"}"#),
        ("none either", 3, vec![address("::1"), port(65_536)], r#"{"ipv6":"::1"}"#),
        ("below zero", 3, vec![address("::1"), port(-1)], r#"{"ipv6":"::1"}"#),
        ("no address", 3, vec![address("/tmp/socket"), port(1)], ""),
        (
            "a worse one then",
            3,
            vec![address("/tmp/socket"), attribute("db.name", text("shop"))],
            r#"{"serviceName":"shop"}"#,
        ),
        (
            "the old names of a socket",
            3,
            vec![
                attribute("net.sock.peer.addr", text("10.0.0.1")),
                attribute("net.sock.peer.port", Any::IntValue(81)),
            ],
            r#"{"ipv4":"10.0.0.1","port":81}"#,
        ),
        ("no empty name", 3, vec![attribute("server.address", text(""))], ""),
        ("no number as a name", 3, vec![attribute("server.address", Any::IntValue(1))], ""),
    ] {
        let (text, _) = read(&request_of(Span { kind, ..span(attributes) }));
        let found = text.split_once(r#","remoteEndpoint":"#).map_or("", |(_, rest)| {
            let (endpoint, _) = rest.split_once(r#","tags""#).unwrap();
            endpoint
        });
        assert_eq!(found, want, "{why}: {text}");
    }
}

#[test]
fn an_attribute_is_text_as_the_specification_has_it() {
    let any = |value| AnyValue { value };
    let list = |values: Vec<Option<Any>>| {
        Any::ArrayValue(ArrayValue { values: values.into_iter().map(any).collect() })
    };
    let nested = Any::KvlistValue(KeyValueList {
        values: vec![attribute("nested", Any::BytesValue(b"hello world".to_vec()))],
    });
    for (why, value, want) in [
        ("text as it is", Any::StringValue("hello \"world\"".into()), "hello \"world\""),
        ("true", Any::BoolValue(true), "true"),
        ("a number", Any::IntValue(-123), "-123"),
        ("one with a point", Any::DoubleValue(2.71), "2.71"),
        ("not one", Any::DoubleValue(f64::NAN), "NaN"),
        ("no end", Any::DoubleValue(f64::NEG_INFINITY), "-Infinity"),
        ("bytes", Any::BytesValue(b"hello world".to_vec()), "aGVsbG8gd29ybGQ="),
        ("an empty list", list(vec![]), "[]"),
        (
            "all in a list",
            list(vec![
                Some(Any::IntValue(1)),
                Some(Any::DoubleValue(f64::NEG_INFINITY)),
                Some(Any::StringValue("a".into())),
                Some(Any::BoolValue(true)),
                Some(nested),
                None,
            ]),
            r#"[1,"-Infinity","a",true,{"nested":"aGVsbG8gd29ybGQ="},null]"#,
        ),
    ] {
        let (_, spans) = read(&request_of(span(vec![attribute("it", value)])));
        assert_eq!(spans[0].tags["it"], want, "{why}");
    }
    let empty = KeyValue { key: "it".into(), value: Some(any(None)), ..Default::default() };
    assert_eq!(read(&request_of(span(vec![empty]))).1[0].tags["it"], "", "an empty value");
}

#[test]
fn only_a_failure_has_the_tag_of_one() {
    let own = || attribute("error", Any::BoolValue(false));
    for (why, code, message, want) in [
        ("unset", 0, "", (None, None)),
        ("fine", 1, "ignored", (Some("OK"), None)),
        ("failed", 2, "why", (Some("ERROR"), Some("why"))),
        ("failed, and nobody says why", 2, "", (Some("ERROR"), Some(""))),
        ("a code of the future", 3, "why", (None, None)),
    ] {
        let status = Some(Status { code, message: message.into() });
        let (_, spans) = read(&request_of(Span { status, ..span(vec![own()]) }));
        let tag = |name: &str| spans[0].tags.get(name).map(|it| &it[..]);
        assert_eq!((tag("otel.status_code"), tag("error")), want, "{why}");
    }
}

#[test]
fn a_span_that_zipkin_would_refuse_is_refused() {
    let good = || span(vec![]);
    let many = |n: usize| (0..n).map(|it| attribute(&it.to_string(), Any::IntValue(1))).collect();
    for (why, span, want) in [
        ("good", good(), true),
        ("no trace-id", Span { trace_id: vec![], ..good() }, false),
        ("half of one", Span { trace_id: vec![1; 8], ..good() }, false),
        ("zeroes", Span { trace_id: vec![0; 16], ..good() }, false),
        ("no span-id", Span { span_id: vec![0; 8], ..good() }, false),
        ("no parent", Span { parent_span_id: vec![0; 8], ..good() }, true),
        ("half a parent", Span { parent_span_id: vec![1; 4], ..good() }, false),
        ("as many attributes as may be", span(many(1000)), true),
        ("more than that", span(many(1001)), false),
    ] {
        let text = text(transcode, &request_of(span).encode_to_vec());
        assert_eq!(text.is_some(), want, "{why}: {text:?}");
    }
}

#[test]
fn a_resource_that_would_fill_the_memory_is_refused() {
    let long = "x".repeat(20_000);
    let mut request = request_of(span(vec![]));
    let of_resource = &mut request.resource_spans[0];
    let resource = of_resource.resource.as_mut().unwrap();
    resource.attributes.push(attribute("long", Any::StringValue(long)));
    let spans = &mut of_resource.scope_spans[0].spans;
    let mut fits = |count| {
        spans.resize(count, span(vec![]));
        let mut bytes = Vec::new();
        let of_scope = ScopeSpans { spans: spans.clone(), ..Default::default() };
        let of_resource = ResourceSpans {
            resource: of_resource.resource.clone(),
            scope_spans: vec![of_scope],
            ..Default::default()
        };
        ExportTraceServiceRequest { resource_spans: vec![of_resource] }.encode(&mut bytes).unwrap();
        text(transcode, &bytes).is_some()
    };
    assert!(fits(30));
    assert!(!fits(300));
}

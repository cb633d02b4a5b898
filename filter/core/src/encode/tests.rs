//! What is true of every encoding that is made of a request in protobuf, and requests to try.

use super::{otlp_json, protobuf, zipkin};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message as _;

type Transcode = fn(&[u8], &mut Vec<u8>) -> Option<()>;

/// Each with how many times longer than the request its text may be.
const BOTH: [(&str, Transcode, usize); 2] = [
    ("otlp_json", otlp_json::transcode, otlp_json::TIMES),
    ("zipkin", zipkin::transcode, zipkin::TIMES),
];

/// The text of a request, behind what was there before.
pub(super) fn text(transcode: Transcode, request: &[u8]) -> Option<String> {
    let mut out = b"before".to_vec();
    transcode(request, &mut out)?;
    assert!(out.starts_with(b"before"), "{out:?}");
    Some(String::from_utf8_lossy(&out[6..]).into_owned())
}

// === Requests ===

pub(super) fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..Default::default()
    }
}

/// Names of attributes that mean something to Zipkin, and any others.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => any::<String>().prop_filter("the official reader wants a name", |it| !it.is_empty()),
        1 => "[ab]",
        1 => prop::sample::select(&[
            "error", "service.name", "otel.scope.name", "service.peer.name", "peer.service",
            "server.address", "network.peer.address", "network.peer.port", "db.name",
        ][..]).prop_map(str::to_owned),
    ]
}

/// Numbers that other readers of JSON are known to read to the last bit.
fn number() -> impl Strategy<Value = f64> {
    (any::<i32>(), 0..9).prop_map(|(digits, places)| f64::from(digits) / 10_f64.powi(places))
}

fn value() -> impl Strategy<Value = Value> {
    let any_text = prop_oneof![any::<String>(), Just("10.1.2.3".to_owned()), "[ -~\t\n]{0,9}"];
    let simple = prop_oneof![
        any_text.prop_map(Value::StringValue),
        any::<bool>().prop_map(Value::BoolValue),
        any::<i64>().prop_map(Value::IntValue),
        (0..70_000_i64).prop_map(Value::IntValue),
        number().prop_map(Value::DoubleValue),
        any::<Vec<u8>>().prop_map(Value::BytesValue),
    ];
    simple.prop_recursive(3, 8, 3, |inner| {
        let any_value = inner.prop_map(|it| AnyValue { value: Some(it) });
        let pair = (key(), any_value.clone()).prop_map(|(key, it)| KeyValue {
            key,
            value: Some(it),
            ..Default::default()
        });
        prop_oneof![
            // The official reader wants a list to have something in it.
            vec(any_value, 1..3).prop_map(|values| Value::ArrayValue(ArrayValue { values })),
            pair.prop_map(|it| Value::KvlistValue(KeyValueList { values: vec![it] })),
        ]
    })
}

/// No key twice, as OTLP demands.
fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    prop::collection::btree_map(key(), value(), 0..6)
        .prop_map(|it| it.into_iter().map(|(key, value)| attribute(&key, value)).collect())
}

fn link() -> impl Strategy<Value = Link> {
    (any::<[u8; 16]>(), any::<[u8; 8]>(), any::<String>(), attributes(), any::<u32>()).prop_map(
        |(trace_id, span_id, trace_state, attributes, number)| Link {
            trace_id: trace_id.to_vec(),
            span_id: span_id.to_vec(),
            trace_state,
            attributes,
            dropped_attributes_count: number,
            flags: number,
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    (any::<u64>(), any::<String>(), attributes(), any::<u32>()).prop_map(
        |(time_unix_nano, name, attributes, dropped_attributes_count)| Event {
            time_unix_nano,
            name,
            attributes,
            dropped_attributes_count,
        },
    )
}

fn span() -> impl Strategy<Value = Span> {
    let ids = (1..=u128::MAX, 1..=u64::MAX, prop::option::of(any::<u64>()));
    let time = prop_oneof![any::<u64>(), 0..3000_u64];
    let parts = (
        (ids, any::<String>(), any::<u32>(), any::<String>(), -1..8_i32),
        (time.clone(), time, attributes(), any::<[u32; 3]>()),
        (vec(event(), 0..2), vec(link(), 0..3)),
        prop::option::of((any::<String>(), 0..4_i32)),
    );
    parts.prop_map(|(own, (start, end, attributes, dropped), (events, links), status)| {
        let ((trace_id, span_id, parent), trace_state, flags, name, kind) = own;
        Span {
            trace_id: trace_id.to_be_bytes().to_vec(),
            span_id: span_id.to_be_bytes().to_vec(),
            trace_state,
            parent_span_id: parent.map(|it| it.to_be_bytes().to_vec()).unwrap_or_default(),
            flags,
            name,
            kind,
            start_time_unix_nano: start,
            end_time_unix_nano: end,
            attributes,
            dropped_attributes_count: dropped[0],
            events,
            dropped_events_count: dropped[1],
            links,
            dropped_links_count: dropped[2],
            status: status.map(|(message, code)| Status { message, code }),
        }
    })
}

/// Anything that an exporter may say.
pub(super) fn request() -> impl Strategy<Value = ExportTraceServiceRequest> {
    let scope = (any::<String>(), any::<String>(), attributes(), any::<u32>()).prop_map(
        |(name, version, attributes, dropped_attributes_count)| InstrumentationScope {
            name,
            version,
            attributes,
            dropped_attributes_count,
        },
    );
    let of_scope = (prop::option::of(scope), vec(span(), 0..3), any::<String>())
        .prop_map(|(scope, spans, schema_url)| ScopeSpans { scope, spans, schema_url });
    let resource = (attributes(), any::<u32>()).prop_map(|(attributes, dropped)| Resource {
        attributes,
        dropped_attributes_count: dropped,
        entity_refs: Vec::new(),
    });
    let of_resource = (prop::option::of(resource), vec(of_scope, 0..3), any::<String>()).prop_map(
        |(resource, scope_spans, schema_url)| ResourceSpans { resource, scope_spans, schema_url },
    );
    vec(of_resource, 0..3).prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans })
}

// === What is true of both ===

proptest! {
    /// What comes out is JSON and bounded, and all of it, or nothing.
    #[test]
    fn a_request_that_was_damaged_is_json_or_nothing(
        request in request(), at: prop::sample::Index, byte: u8, cut: bool
    ) {
        let mut bytes = request.encode_to_vec();
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes.truncate(if cut { at } else { bytes.len() });
        }
        for (name, transcode, times) in BOTH {
            let Some(text) = text(transcode, &bytes) else { continue };
            let read = serde_json::from_str::<serde::de::IgnoredAny>(&text);
            prop_assert!(read.is_ok(), "{name}: {read:?}: {text}");
            prop_assert!(text.len() <= 2 + times * bytes.len(), "{name}: {} bytes", text.len());
        }
    }

    #[test]
    fn a_request_that_does_not_end_where_it_should_is_nothing(
        request in request(), tail in 1_usize..20
    ) {
        let mut bytes = request.encode_to_vec();
        protobuf::length(1, tail, &mut bytes);
        for (name, transcode, _) in BOTH {
            prop_assert_eq!(text(transcode, &bytes), None, "{}", name);
        }
    }
}

use super::*;
use crate::encode::protobuf as pb;
use crate::encode::tests::{attribute, request, text};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use proptest::prelude::*;
use prost::Message as _;

proptest! {
    /// The official types, read from both encodings, are equal.
    #[test]
    fn the_official_decoder_reads_what_was_meant(request in request()) {
        let text = text(transcode, &request.encode_to_vec()).unwrap();
        let read: ExportTraceServiceRequest = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(read, request, "{}", text);
    }

    #[test]
    fn a_number_is_what_it_was(value: f64) {
        let text = attribute_text(Any::DoubleValue(value));
        let text = text.strip_prefix(r#"{"doubleValue":"#).unwrap().strip_suffix('}').unwrap();
        let text = text.trim_matches('"').replace("Infinity", "inf");
        let read: f64 = text.parse().unwrap();
        prop_assert_eq!(read.is_nan(), value.is_nan());
        prop_assert!(value.is_nan() || read.to_bits() == value.to_bits(), "{} {}", value, text);
        prop_assert!(text.len() <= 24, "{}", text);
    }
}

/// The text of an attribute's value.
#[track_caller]
fn attribute_text(value: Any) -> String {
    let resource = Resource { attributes: vec![attribute("k", value)], ..Default::default() };
    let of_resource = ResourceSpans { resource: Some(resource), ..Default::default() };
    let request = ExportTraceServiceRequest { resource_spans: vec![of_resource] };
    let text = text(transcode, &request.encode_to_vec()).unwrap();
    let start = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"k","value":"#;
    text.strip_prefix(start).unwrap().strip_suffix("}]}}]}").unwrap().to_owned()
}

#[test]
fn a_value_is_written_as_the_specification_has_it() {
    let list = |values: Vec<Any>| {
        let values = values.into_iter().map(|it| AnyValue { value: Some(it) }).collect();
        Any::ArrayValue(ArrayValue { values })
    };
    for (why, value, want) in [
        ("text", Any::StringValue("caf\u{e9}".into()), r#"{"stringValue":"café"}"#),
        (
            "what JSON wants escaped",
            Any::StringValue("\"\\/\0\n\r\t\u{8}\u{c}\u{1f}\u{7f}".into()),
            "{\"stringValue\":\"\\\"\\\\/\\u0000\\n\\r\\t\\b\\f\\u001f\u{7f}\"}",
        ),
        ("false is a value", Any::BoolValue(false), r#"{"boolValue":false}"#),
        ("64 bits are a string", Any::IntValue(i64::MIN), r#"{"intValue":"-9223372036854775808"}"#),
        ("zero is a value", Any::IntValue(0), r#"{"intValue":"0"}"#),
        ("a number", Any::DoubleValue(0.1), r#"{"doubleValue":0.1}"#),
        ("a large one", Any::DoubleValue(-1e300), r#"{"doubleValue":-1e+300}"#),
        ("none", Any::DoubleValue(f64::NAN), r#"{"doubleValue":"NaN"}"#),
        ("less than none", Any::DoubleValue(-f64::NAN), r#"{"doubleValue":"NaN"}"#),
        ("without end", Any::DoubleValue(f64::INFINITY), r#"{"doubleValue":"Infinity"}"#),
        ("and below", Any::DoubleValue(f64::NEG_INFINITY), r#"{"doubleValue":"-Infinity"}"#),
        ("bytes are base64", Any::BytesValue(vec![0xfb, 0xff]), r#"{"bytesValue":"+/8="}"#),
        (
            "a list",
            list(vec![Any::StringValue("a".into()), Any::IntValue(1)]),
            r#"{"arrayValue":{"values":[{"stringValue":"a"},{"intValue":"1"}]}}"#,
        ),
    ] {
        assert_eq!(attribute_text(value), want, "{why}");
    }
}

#[test]
fn names_ids_and_times_are_written_as_the_specification_has_them() {
    let mut span = Vec::new();
    pb::bytes(1, &[0xab; 16], &mut span);
    pb::bytes(2, &[0xcd; 8], &mut span);
    pb::bytes(4, &[], &mut span);
    pb::integer(6, 2, &mut span);
    pb::fixed64(7, 1_700_000_000_000_000_001, &mut span);
    pb::integer(10, u64::MAX, &mut span);
    pb::bytes(15, b"\x18\x02", &mut span);
    pb::fixed32(16, 0x301, &mut span);
    assert_eq!(
        span_text(&span).unwrap(),
        concat!(
            r#"{"traceId":"abababababababababababababababab","spanId":"cdcdcdcdcdcdcdcd","#,
            r#""parentSpanId":"","kind":2,"startTimeUnixNano":"1700000000000000001","#,
            r#""droppedAttributesCount":4294967295,"status":{"code":2},"flags":769}"#
        )
    );
}

/// The text of one span.
fn span_text(span: &[u8]) -> Option<String> {
    let wrap = |number, inner: &[u8]| {
        let mut out = Vec::new();
        pb::bytes(number, inner, &mut out);
        out
    };
    let text = text(transcode, &wrap(1, &wrap(2, &wrap(2, span))))?;
    let (start, end) = (r#"{"resourceSpans":[{"scopeSpans":[{"spans":["#, "]}]}]}");
    assert!(text.starts_with(start) && text.ends_with(end), "{text}");
    Some(text[start.len()..text.len() - end.len()].to_owned())
}

#[test]
fn what_is_in_no_table_is_left_out_and_what_is_broken_is_refused() {
    for (why, span, want) in [
        ("nothing", &b""[..], Some("{}")),
        ("an unknown field", b"\x9a\x06\x01a\x30\x02", Some(r#"{"kind":2}"#)),
        ("one between elements", b"\x6a\x00\x98\x06\x01\x6a\x00", Some(r#"{"links":[{},{}]}"#)),
        ("fields in any order", b"\x30\x02\x2a\x01a", Some(r#"{"kind":2,"name":"a"}"#)),
        (
            "an enum below zero",
            b"\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            Some(r#"{"kind":-1}"#),
        ),
        ("one of 33 bits", b"\x30\x82\x80\x80\x80\x10", Some(r#"{"kind":2}"#)),
        ("a field twice", b"\x30\x02\x30\x02", None),
        ("a list in pieces", b"\x6a\x00\x30\x02\x6a\x00", None),
        ("text that is not UTF-8", b"\x2a\x01\xff", Some("{\"name\":\"\u{fffd}\"}")),
        ("a number for a text", b"\x28\x01", None),
        ("a text for a number", b"\x32\x01a", None),
        ("a message that ends too early", b"\x7a\x02\x18", None),
        ("a value that is two", b"\x4a\x06\x12\x04\x10\x01\x18\x01", None),
    ] {
        assert_eq!(span_text(span).as_deref(), want, "{why}");
    }
}

#[test]
fn lists_in_lists_have_an_end() {
    let wrap = |number, inner: &[u8]| {
        let mut out = Vec::new();
        pb::bytes(number, inner, &mut out);
        out
    };
    let nested = |times: usize| {
        // AnyValue.bool_value = 2; ArrayValue.values = 1; AnyValue.array_value = 5
        let mut value = b"\x10\x01".to_vec();
        for _ in 0..times {
            value = wrap(5, &wrap(1, &value));
        }
        // Span.attributes = 9, KeyValue.value = 2
        wrap(9, &wrap(2, &value))
    };
    assert!(span_text(&nested(13)).is_some());
    assert!(span_text(&nested(14)).is_none());
    assert!(span_text(&nested(5000)).is_none());
}

/// No field's name is more than 16 times what its number and length take.
#[test]
fn the_text_is_never_more_than_16_times_the_request() {
    fn longest(message: &Message, depth: u8) -> usize {
        let Some(depth) = depth.checked_sub(1) else { return 0 };
        let inner = |it: &Field| match it.2 {
            One(inner) | List(inner) => longest(inner, depth),
            _ => 0,
        };
        message.fields.iter().map(|it| it.1.len().max(inner(it))).max().unwrap_or(0)
    }
    // Two bytes, tag and value, become this name in quotes, a colon, a digit and a comma.
    for request in [&schema::TRACES, &schema::METRICS] {
        assert!(longest(request, DEPTH) + 5 <= 2 * TIMES);
    }
}

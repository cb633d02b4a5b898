//! What a collector says of a request that it took: `ExportTraceServiceResponse.partial_success`.
//!
//! ```text
//! message ExportTraceServiceResponse { ExportTracePartialSuccess partial_success = 1; }
//! message ExportTracePartialSuccess { int64 rejected_spans = 1; string error_message = 2; }
//! ```
//! That of metrics has `rejected_data_points`, and is the same otherwise. In JSON, names are in
//! lowerCamelCase, and an `int64` is a string or a number.
//!
//! Sources: <https://github.com/open-telemetry/opentelemetry-proto/blob/v1.9.0/opentelemetry/proto/collector/trace/v1/trace_service.proto>,
//! <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>

use crate::encode::Protocol;
use crate::encode::protobuf::{Value, fields, utf8};
use crate::json;
use serde_json::Value as Json;

/// What was not taken, and why. All fields are empty if the body has no such word, or is
/// something else altogether: then the request was taken, and there is nothing to say of it.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct PartialSuccess {
    /// How many spans the collector did not want.
    pub(super) rejected: usize,
    /// Its reasons, or a warning if it took all.
    pub(super) message: String,
}

impl PartialSuccess {
    /// What the body of an answer says; of Zipkin, whose answers have none, it is not read.
    pub(super) fn read(body: &[u8], protocol: Protocol) -> Self {
        let read = match protocol {
            Protocol::HttpProtobuf => Self::of_protobuf(body),
            Protocol::HttpJson => Self::of_json(body),
            Protocol::ZipkinJson => None,
        };
        read.unwrap_or_default()
    }

    fn of_protobuf(body: &[u8]) -> Option<Self> {
        let mut read = Self::default();
        for field in fields(body) {
            let (1, Value::Bytes(partial_success)) = field? else { continue };
            for field in fields(partial_success) {
                match field? {
                    (1, Value::Number(it)) => read.rejected = count(it.cast_signed()),
                    (2, Value::Bytes(it)) => read.message = utf8(it).into_owned(),
                    _ => {}
                }
            }
        }
        Some(read)
    }

    fn of_json(body: &[u8]) -> Option<Self> {
        let mut body: Json = json::parse(body).ok()?;
        let partial_success = body.get_mut("partialSuccess")?;
        let rejected = ["rejectedSpans", "rejectedDataPoints"];
        let rejected = match rejected.iter().find_map(|it| partial_success.get(it)) {
            Some(Json::Number(it)) => it.as_i64(),
            Some(Json::String(it)) => it.parse().ok(),
            _ => None,
        };
        let message = match partial_success.get_mut("errorMessage") {
            Some(Json::String(it)) => std::mem::take(it),
            _ => String::new(),
        };
        Some(Self { rejected: rejected.map_or(0, count), message })
    }
}

/// Less than nothing was not rejected.
fn count(rejected: i64) -> usize {
    usize::try_from(rejected).unwrap_or(if rejected < 0 { 0 } else { usize::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Protocol::{HttpJson, HttpProtobuf, ZipkinJson};
    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceResponse,
    };
    use proptest::prelude::*;
    use prost::Message as _;

    fn protobuf(rejected_spans: i64, error_message: &str) -> Vec<u8> {
        let partial_success =
            Some(ExportTracePartialSuccess { rejected_spans, error_message: error_message.into() });
        ExportTraceServiceResponse { partial_success }.encode_to_vec()
    }

    fn said(rejected: usize, message: &str) -> PartialSuccess {
        PartialSuccess { rejected, message: message.into() }
    }

    #[test]
    fn json_is_read_as_the_mapping_of_protobuf_writes_it() {
        for (why, body, want) in [
            (
                "an int64 as a string",
                r#"{"partialSuccess":{"rejectedSpans":"2","errorMessage":"why"}}"#,
                said(2, "why"),
            ),
            ("as a number", r#"{"partialSuccess":{"rejectedSpans":2}}"#, said(2, "")),
            ("of metrics", r#"{"partialSuccess":{"rejectedDataPoints":"3"}}"#, said(3, "")),
            (
                "a warning",
                r#"{"partialSuccess":{"errorMessage":"\u006fh \"no\""}}"#,
                said(0, "oh \"no\""),
            ),
            ("spaces", " {\n\"partialSuccess\" : { \"rejectedSpans\" : 7 } } ", said(7, "")),
            ("less than nothing", r#"{"partialSuccess":{"rejectedSpans":-1}}"#, said(0, "")),
            ("nothing to say", r#"{"partialSuccess":{}}"#, said(0, "")),
            ("nothing at all", "{}", said(0, "")),
            ("null", r#"{"partialSuccess":null}"#, said(0, "")),
            (
                "unknown fields",
                r#"{"a":[{}],"partialSuccess":{"b":1,"rejectedSpans":1}}"#,
                said(1, ""),
            ),
            (
                "a count that is none",
                r#"{"partialSuccess":{"rejectedSpans":{},"errorMessage":"x"}}"#,
                said(0, "x"),
            ),
            (
                "a message that is none",
                r#"{"partialSuccess":{"rejectedSpans":1,"errorMessage":1}}"#,
                said(1, ""),
            ),
            ("names of protobuf", r#"{"partial_success":{"rejected_spans":1}}"#, said(0, "")),
            ("elsewhere", r#"{"a":{"partialSuccess":{"rejectedSpans":1}}}"#, said(0, "")),
            ("cut off", r#"{"partialSuccess":{"rejectedSpans":1}"#, said(0, "")),
            ("a list", r#"[{"partialSuccess":{"rejectedSpans":1}}]"#, said(0, "")),
            ("HTML", "<html>", said(0, "")),
            ("nothing", "", said(0, "")),
            ("a thousand lists", &"[".repeat(4096), said(0, "")),
        ] {
            assert_eq!(PartialSuccess::read(body.as_bytes(), HttpJson), want, "{why}: {body}");
        }
    }

    #[test]
    fn a_body_is_read_in_the_format_of_its_request() {
        let json = br#"{"partialSuccess":{"rejectedSpans":1}}"#;
        let message = protobuf(1, "");
        for (why, protocol, body, want) in [
            ("protobuf", HttpProtobuf, &message[..], 1),
            ("JSON", HttpJson, json, 1),
            ("JSON instead of protobuf", HttpProtobuf, json, 0),
            ("protobuf instead of JSON", HttpJson, &message, 0),
            ("Zipkin says nothing", ZipkinJson, json, 0),
            ("nor this", ZipkinJson, &message, 0),
        ] {
            assert_eq!(PartialSuccess::read(body, protocol), said(want, ""), "{why}");
        }
    }

    #[test]
    fn of_what_stands_twice_the_last_counts() {
        let body = [protobuf(1, "one"), protobuf(2, "")].concat();
        let official =
            ExportTraceServiceResponse::decode(&body[..]).unwrap().partial_success.unwrap();
        let read = PartialSuccess::read(&body, HttpProtobuf);
        assert_eq!(read, said(2, "one"));
        assert_eq!((official.rejected_spans, official.error_message.as_str()), (2, "one"));
    }

    proptest! {
        #[test]
        fn protobuf_is_read_as_the_official_encoder_writes_it(rejected: i64, message: String) {
            let read = PartialSuccess::read(&protobuf(rejected, &message), HttpProtobuf);
            prop_assert_eq!(read, said(usize::try_from(rejected).unwrap_or(0), &message));
        }

        #[test]
        fn json_is_read_as_others_write_it(rejected: i64, message: String, as_text: bool) {
            let rejected_spans =
                if as_text { rejected.to_string().into() } else { Json::from(rejected) };
            let body = serde_json::json!({
                "partialSuccess": { "rejectedSpans": rejected_spans, "errorMessage": message },
            });
            let read = PartialSuccess::read(body.to_string().as_bytes(), HttpJson);
            prop_assert_eq!(read, said(usize::try_from(rejected).unwrap_or(0), &message));
        }

        /// Where the official decoder makes something of it, so do we. It refuses more, such as
        /// text that is not UTF-8: then the answer still was a yes.
        #[test]
        fn any_body_can_be_read(
            body in prop::collection::vec(prop_oneof![any::<u8>(), 0_u8..32], 0..60)
        ) {
            for protocol in [HttpJson, ZipkinJson] {
                PartialSuccess::read(&body, protocol);
            }
            let read = PartialSuccess::read(&body, HttpProtobuf);
            if let Ok(official) = ExportTraceServiceResponse::decode(&body[..]) {
                let official = official.partial_success.unwrap_or_default();
                // Groups, which it skips and we do not read.
                prop_assume!(fields(&body).all(|it| it.is_some()));
                let rejected = usize::try_from(official.rejected_spans).unwrap_or(0);
                prop_assert_eq!(read, said(rejected, &official.error_message));
            }
        }
    }
}

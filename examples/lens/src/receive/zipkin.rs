//! Zipkin's spans, version 2 in JSON, read as spans of OTLP.
//!
//! What has a place of its own in OTLP gets it; the other tags become attributes. All tags are text:
//! those whose attributes are numbers are read as such.
//!
//! Spec: <https://github.com/openzipkin/zipkin-api/blob/master/zipkin2-api.yaml>

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use serde::Deserialize;

use super::refusal::Reason;
use super::{Sink, body, otlp};
use crate::span::key;

/// A span as Zipkin has it. What is not read here means nothing to us.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ZipkinSpan {
    trace_id: String,
    id: String,
    parent_id: Option<String>,
    kind: Option<String>,
    #[serde(default)]
    name: Option<String>,
    /// Microseconds since 1970.
    #[serde(default)]
    timestamp: Option<u64>,
    /// Microseconds.
    #[serde(default)]
    duration: Option<u64>,
    local_endpoint: Option<Endpoint>,
    remote_endpoint: Option<Endpoint>,
    #[serde(default)]
    annotations: Vec<Annotation>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    service_name: Option<String>,
    ipv4: Option<String>,
    ipv6: Option<String>,
    port: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Annotation {
    timestamp: u64,
    value: String,
}

pub(super) async fn spans(State(sink): State<Sink>, headers: HeaderMap, body: Body) -> Response {
    let taken = async {
        let media_type = body::media_type(&headers);
        if media_type != "application/json" {
            let text = format!("the Content-Type must be application/json, not {media_type:?}");
            return Err(Reason::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
        }
        let _turn = sink.turns.acquire().await;
        let bytes = body::read(&headers, body).await?;
        let bad = |text: String| Reason::new(StatusCode::BAD_REQUEST, text);
        let list: Vec<ZipkinSpan> = serde_json::from_slice(&bytes)
            .map_err(|error| bad(format!("not a list of Zipkin's spans: {error}")))?;
        let resource_spans: Result<_, String> = list.into_iter().map(resource_spans).collect();
        let resource_spans = resource_spans.map_err(bad)?;
        let (batch, partial) = otlp::spans(ExportTraceServiceRequest { resource_spans })?;
        // Zipkin has no word for a part of a request.
        if let Some(partial) = partial {
            return Err(bad(partial.error_message));
        }
        Ok(sink.store(batch).await?)
    };
    match taken.await {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(reason) => reason.plain(),
    }
}

fn resource_spans(from: ZipkinSpan) -> Result<ResourceSpans, String> {
    let local = from.local_endpoint.and_then(|it| it.service_name).unwrap_or_default();
    let mut tags = from.tags;
    let scope = tags.remove("otel.scope.name").map(|name| InstrumentationScope {
        name,
        version: tags.remove("otel.scope.version").unwrap_or_default(),
        ..Default::default()
    });
    let error = tags.remove("error");
    let code = match (tags.remove("otel.status_code").as_deref(), &error) {
        (Some("ERROR"), _) | (None, Some(_)) => SpanStatus::Error,
        (Some("OK"), _) => SpanStatus::Ok,
        _ => SpanStatus::Unset,
    };
    for renamed in ["otel.library.name", "otel.library.version"] {
        tags.remove(renamed);
    }
    let mut attributes: Vec<KeyValue> =
        tags.into_iter().map(|(key, value)| attribute(&key, value)).collect();
    if let Some(remote) = from.remote_endpoint {
        let Endpoint { service_name, ipv4, ipv6, port } = remote;
        let missing = |key: &str, all: &[KeyValue]| !all.iter().any(|it| it.key == key);
        for (key, text) in [
            (key::PEER_NAME, service_name),
            ("network.peer.address", ipv4.or(ipv6)),
            ("network.peer.port", port.map(|port| port.to_string())),
        ] {
            if let Some(text) = text.filter(|_| missing(key, &attributes)) {
                attributes.push(attribute(key, text));
            }
        }
    }
    let start = from.timestamp.unwrap_or_default().saturating_mul(1_000);
    let length = from.duration.unwrap_or_default().saturating_mul(1_000);
    let events = from.annotations.into_iter().map(|it| Event {
        time_unix_nano: it.timestamp.saturating_mul(1_000),
        name: it.value,
        ..Default::default()
    });
    let kind = match from.kind.as_deref() {
        Some("CLIENT") => SpanKind::Client,
        Some("SERVER") => SpanKind::Server,
        Some("PRODUCER") => SpanKind::Producer,
        Some("CONSUMER") => SpanKind::Consumer,
        Some(other) => return Err(format!("{other:?} is no kind of span")),
        None => SpanKind::Internal,
    };
    let span = Span {
        // Sixteen digits are the lower half of an id.
        trace_id: id(&from.trace_id, 16)?,
        span_id: id(&from.id, 8)?,
        parent_span_id: from.parent_id.map_or(Ok(Vec::new()), |text| id(&text, 8))?,
        name: from.name.unwrap_or_default(),
        kind: kind.into(),
        start_time_unix_nano: start,
        end_time_unix_nano: start.saturating_add(length),
        attributes,
        events: events.collect(),
        status: Some(Status { code: code.into(), message: error.unwrap_or_default() }),
        ..Default::default()
    };
    let resource =
        Resource { attributes: vec![attribute(key::SERVICE_NAME, local)], ..Default::default() };
    let scope_spans = vec![ScopeSpans { scope, spans: vec![span], ..Default::default() }];
    Ok(ResourceSpans { resource: Some(resource), scope_spans, ..Default::default() })
}

/// Hexadecimal digits, with zeros in front where there are fewer.
fn id(text: &str, bytes: usize) -> Result<Vec<u8>, String> {
    let is_id = (1..=2 * bytes).contains(&text.len());
    if !is_id || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!("{text:?} is no id"));
    }
    let number = u128::from_str_radix(text, 16).map_err(|error| error.to_string())?;
    Ok(number.to_be_bytes()[16 - bytes..].to_vec())
}

fn attribute(key: &str, text: String) -> KeyValue {
    let is_number = key.ends_with("_ns")
        || key.ends_with(".port")
        || [key::STATUS_CODE, key::ATTEMPTS, key::RESEND_COUNT].contains(&key);
    let value = match (text.parse(), &*text) {
        (Ok(number), _) if is_number => Value::IntValue(number),
        (_, "true") if key == key::PROXY_TIME_UPPER_BOUND => Value::BoolValue(true),
        _ => Value::StringValue(text),
    };
    let value = Some(AnyValue { value: Some(value) });
    KeyValue { key: key.to_owned(), value, ..Default::default() }
}

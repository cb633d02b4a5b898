//! OTLP over HTTP, in protobuf: what comes in goes into the store.
//!
//! Spec: <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;
use tower_http::decompression::RequestDecompressionLayer;

use crate::span::{Span, key, value};
use crate::store::SharedStore;

/// The largest request body, after decompression.
pub const BODY_LIMIT: usize = 4 << 20;

const PROTOBUF: &str = "application/x-protobuf";

/// Answers `POST /v1/traces`, plain or with `Content-Encoding: gzip`.
///
/// A request whose body is larger than `body_limit` bytes gets status 413.
pub fn router(store: SharedStore, body_limit: usize) -> Router {
    Router::new()
        .route("/v1/traces", post(traces))
        .layer(DefaultBodyLimit::max(body_limit))
        .layer(RequestDecompressionLayer::new())
        .with_state(store)
}

async fn traces(State(store): State<SharedStore>, request: Request) -> Result<Response, Refusal> {
    // Before the body: nobody should send megabytes to learn that they are in the wrong format.
    check_content_type(request.headers())?;
    let body = Bytes::from_request(request, &()).await.map_err(|rejection| Refusal {
        status: rejection.status(),
        reason: rejection.body_text(),
    })?;
    let request = ExportTraceServiceRequest::decode(body).map_err(|error| Refusal {
        status: StatusCode::BAD_REQUEST,
        reason: format!("not an ExportTraceServiceRequest: {error}"),
    })?;

    let mut rejected = ExportTracePartialSuccess::default();
    let mut spans = Vec::new();
    for span in read(request) {
        match span {
            Ok(span) => spans.push(span),
            Err(error) => {
                rejected.rejected_spans += 1;
                rejected.error_message = error.to_string();
            }
        }
    }
    store.insert(spans);
    // The field must be left unset where every span was taken.
    let partial_success = (rejected.rejected_spans > 0).then_some(rejected);
    Ok(protobuf(StatusCode::OK, &ExportTraceServiceResponse { partial_success }))
}

/// Every span of a request, with the name of its service.
fn read(
    request: ExportTraceServiceRequest,
) -> impl Iterator<Item = Result<Span, crate::span::SpanError>> {
    request.resource_spans.into_iter().flat_map(|from| {
        let attributes = from.resource.map(|it| it.attributes).unwrap_or_default();
        let service = match value(&attributes, key::SERVICE_NAME) {
            Some(Value::StringValue(name)) => name.clone(),
            _ => "unknown_service".to_owned(),
        };
        let spans = from.scope_spans.into_iter().flat_map(|scope| scope.spans);
        spans.map(move |span| Span::try_new(&service, span))
    })
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let given = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    let media_type = given.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case(PROTOBUF) {
        return Ok(());
    }
    let found = given.map_or("none".to_owned(), |given| format!("{given:?}"));
    let reason = format!("the Content-Type must be {PROTOBUF}, not {found}");
    Err(Refusal { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, reason })
}

fn protobuf(status: StatusCode, message: &impl Message) -> Response {
    (status, [(header::CONTENT_TYPE, PROTOBUF)], message.encode_to_vec()).into_response()
}

/// Why a whole request was not taken.
struct Refusal {
    status: StatusCode,
    reason: String,
}

/// `google.rpc.Status`: OTLP demands it as the body of every failure.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        const INVALID_ARGUMENT: i32 = 3;
        protobuf(self.status, &RpcStatus { code: INVALID_ARGUMENT, message: self.reason })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use axum::body::{Body, to_bytes};
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1 as otlp;
    use tower::ServiceExt;

    use super::*;
    use crate::store::Limits;

    const LIMIT: usize = 1_000;

    fn request(span_ids: &[&[u8]]) -> Vec<u8> {
        let name = AnyValue { value: Some(Value::StringValue("shop".to_owned())) };
        let resource = Resource {
            attributes: vec![KeyValue {
                key: key::SERVICE_NAME.to_owned(),
                value: Some(name),
                ..Default::default()
            }],
            ..Default::default()
        };
        let spans = span_ids
            .iter()
            .map(|id| otlp::Span {
                trace_id: vec![1; 16],
                span_id: id.to_vec(),
                name: "GET".to_owned(),
                ..Default::default()
            })
            .collect();
        let scope_spans = vec![otlp::ScopeSpans { spans, ..Default::default() }];
        let from =
            otlp::ResourceSpans { resource: Some(resource), scope_spans, ..Default::default() };
        ExportTraceServiceRequest { resource_spans: vec![from] }.encode_to_vec()
    }

    /// Sends one request; returns the answer and what the store holds then.
    async fn send(headers: &[(&str, &str)], body: Vec<u8>) -> (StatusCode, Bytes, Vec<Span>) {
        let store = SharedStore::new(Limits::default());
        let mut request = Request::post("/v1/traces");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body)).unwrap();
        let response = router(store.clone(), LIMIT).oneshot(request).await.unwrap();
        assert_eq!(response.headers()[header::CONTENT_TYPE], PROTOBUF);
        let status = response.status();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let spans = store.with(|store| store.traces().flat_map(|it| it.spans.clone()).collect());
        (status, body, spans)
    }

    const TYPE: (&str, &str) = ("content-type", PROTOBUF);

    #[tokio::test]
    async fn spans_reach_the_store_with_the_name_of_their_service() {
        let gzip = {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&request(&[&[2; 8], &[3; 8]])).unwrap();
            encoder.finish().unwrap()
        };
        let plain = request(&[&[2; 8], &[3; 8]]);
        for (why, headers, body) in [
            ("plain", &[TYPE][..], plain.clone()),
            ("with a parameter", &[("content-type", "Application/X-Protobuf; v=1")], plain),
            ("compressed", &[TYPE, ("content-encoding", "gzip")], gzip),
        ] {
            let (status, answer, spans) = send(headers, body).await;
            assert_eq!(status, StatusCode::OK, "{why}");
            let answer = ExportTraceServiceResponse::decode(answer).unwrap();
            assert_eq!(answer.partial_success, None, "{why}");
            let names: Vec<_> = spans.iter().map(|it| (&*it.service, &*it.name)).collect();
            assert_eq!(names, [("shop", "GET"); 2], "{why}");
        }
    }

    #[tokio::test]
    async fn says_how_many_spans_it_did_not_take_and_why() {
        let (status, answer, spans) = send(&[TYPE], request(&[&[2; 8], &[3; 7], &[0; 8]])).await;
        assert_eq!(status, StatusCode::OK);
        let partial = ExportTraceServiceResponse::decode(answer).unwrap().partial_success.unwrap();
        assert_eq!(partial.rejected_spans, 2);
        assert_eq!(partial.error_message, "the span_id is not 8 bytes with one that is not zero");
        assert_eq!(spans.len(), 1);
    }

    #[tokio::test]
    async fn refuses_a_whole_request_with_a_reason() {
        let gzip = ("content-encoding", "gzip");
        let good = request(&[&[2; 8]]);
        for (why, headers, body, want, reason) in [
            (
                "another format",
                &[("content-type", "application/json")][..],
                b"{}".to_vec(),
                415,
                "the Content-Type must be application/x-protobuf, not \"application/json\"",
            ),
            (
                "no format",
                &[],
                good.clone(),
                415,
                "the Content-Type must be application/x-protobuf, not none",
            ),
            (
                "the format is judged before the size",
                &[("content-type", "text/plain")],
                vec![0; LIMIT + 1],
                415,
                "the Content-Type must be application/x-protobuf, not \"text/plain\"",
            ),
            (
                "cut short",
                &[TYPE],
                good[..good.len() - 1].to_vec(),
                400,
                "not an ExportTraceServiceRequest: failed to decode Protobuf message",
            ),
            ("not gzip although it says so", &[TYPE, gzip], good, 400, "Invalid gzip header"),
            ("too large", &[TYPE], vec![0; LIMIT + 1], 413, "length limit exceeded"),
        ] {
            let (status, answer, spans) = send(headers, body).await;
            let said = RpcStatus::decode(answer).unwrap().message;
            assert_eq!(status.as_u16(), want, "{why}: {said}");
            assert!(said.contains(reason), "{why}: {said:?} lacks {reason:?}");
            assert!(spans.is_empty(), "{why}");
        }
    }

    #[tokio::test]
    async fn a_small_body_that_grows_too_large_is_refused_too() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![0; LIMIT * 10]).unwrap();
        let body = encoder.finish().unwrap();
        assert!(body.len() < LIMIT);
        let (status, ..) = send(&[TYPE, ("content-encoding", "gzip")], body).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    }
}

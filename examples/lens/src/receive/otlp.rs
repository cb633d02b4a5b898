//! OTLP: traces and metrics, in protobuf and in JSON.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Sink;
use super::body;
use super::refusal::Reason;
use crate::archive::{Batch, NewSpan};
use crate::metrics::{self, Refused};
use crate::span::{Span, SpanError, key, value};

/// Spans or data points of one request, at most: they are stored as one.
const MOST: usize = 10_000;

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// How a request is written, and then its answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    Protobuf,
    Json,
}

pub(super) async fn traces(State(sink): State<Sink>, headers: HeaderMap, body: Body) -> Response {
    let take = async |format: Format| {
        let (batch, partial_success) = spans(format.read(&headers, body).await?)?;
        let message = ExportTraceServiceResponse { partial_success };
        Ok((batch, message.partial_success.is_some().then_some(message)))
    };
    answer(&sink, &headers, take).await
}

pub(super) async fn metrics(State(sink): State<Sink>, headers: HeaderMap, body: Body) -> Response {
    let take = async |format: Format| {
        let (batch, partial_success) = samples(format.read(&headers, body).await?)?;
        let message = ExportMetricsServiceResponse { partial_success };
        Ok((batch, message.partial_success.is_some().then_some(message)))
    };
    answer(&sink, &headers, take).await
}

/// Stores what `take` makes of a request, and says what there is to say of it.
async fn answer<M: Message + Serialize>(
    sink: &Sink,
    headers: &HeaderMap,
    take: impl AsyncFnOnce(Format) -> Result<(Batch, Option<M>), Reason>,
) -> Response {
    let format = match Format::of(headers) {
        Ok(format) => format,
        Err(reason) => return reason.otlp(Format::Protobuf),
    };
    let taken: Result<_, Reason> = async {
        let _turn = sink.turns.acquire().await;
        let (batch, message) = take(format).await?;
        sink.store(batch).await?;
        Ok(message)
    }
    .await;
    match taken {
        Ok(Some(message)) => (StatusCode::OK, format.encode(&message)).into_response(),
        Ok(None) => (StatusCode::OK, format.nothing()).into_response(),
        Err(reason) => reason.otlp(format),
    }
}

/// Every span of a request that follows OTLP's rules, and how many do not.
pub(super) fn spans(
    request: ExportTraceServiceRequest,
) -> Result<(Batch, Option<ExportTracePartialSuccess>), Reason> {
    let all = request.resource_spans.iter().flat_map(|it| &it.scope_spans);
    not_too_many("spans", all.map(|it| it.spans.len()).sum())?;
    let (mut batch, mut rejected) = (Batch::default(), ExportTracePartialSuccess::default());
    for from in request.resource_spans {
        let ResourceSpans { resource, scope_spans, schema_url } = from;
        let service = service(resource.as_ref());
        for ScopeSpans { scope, spans, schema_url: scope_url } in scope_spans {
            let by_proxy = scope.as_ref().is_some_and(|scope| scope.name == "hopspan");
            let scope = ScopeSpans { scope, spans: Vec::new(), schema_url: scope_url };
            let source = Arc::new(
                ResourceSpans {
                    resource: resource.clone(),
                    scope_spans: vec![scope],
                    schema_url: schema_url.clone(),
                }
                .encode_to_vec(),
            );
            for span in spans {
                let body = span.encode_to_vec();
                match Span::try_new(&service, span) {
                    Ok(span) => {
                        let source = Arc::clone(&source);
                        batch.spans.push(NewSpan { span, body, source, by_proxy });
                    }
                    Err(error) => reject(&mut rejected, error),
                }
            }
        }
    }
    // The field must be left unset where every span was taken.
    Ok((batch, (rejected.rejected_spans > 0).then_some(rejected)))
}

fn reject(rejected: &mut ExportTracePartialSuccess, error: SpanError) {
    rejected.rejected_spans += 1;
    rejected.error_message = error.to_string();
}

/// Every data point that means something to us, and how many do not.
fn samples(
    request: ExportMetricsServiceRequest,
) -> Result<(Batch, Option<ExportMetricsPartialSuccess>), Reason> {
    let (mut batch, mut refused) = (Batch::default(), Refused::default());
    for from in request.resource_metrics {
        let service = service(from.resource.as_ref());
        let source = ResourceSpans { resource: from.resource, ..Default::default() };
        let source = Arc::new(source.encode_to_vec());
        let mut samples = Vec::new();
        for metric in from.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
            metrics::read(&service, metric, &mut samples, &mut refused);
        }
        batch.samples.extend(samples.into_iter().map(|it| (Arc::clone(&source), it)));
    }
    not_too_many("data points", batch.samples.len())?;
    let Refused { count, reason } = refused;
    let partial_success = (count > 0).then_some(ExportMetricsPartialSuccess {
        rejected_data_points: count,
        error_message: reason,
    });
    Ok((batch, partial_success))
}

fn not_too_many(what: &str, count: usize) -> Result<(), Reason> {
    if count <= MOST {
        return Ok(());
    }
    let text = format!("{count} {what} are more than {MOST}, which one request may have");
    Err(Reason::new(StatusCode::PAYLOAD_TOO_LARGE, text))
}

fn service(resource: Option<&Resource>) -> String {
    match resource.and_then(|it| value(&it.attributes, key::SERVICE_NAME)) {
        Some(Value::StringValue(name)) if !name.is_empty() => name.clone(),
        _ => "unknown_service".to_owned(),
    }
}

/// A message and its type.
type Encoded = ([(header::HeaderName, &'static str); 1], Vec<u8>);

// === impl Format ===

impl Format {
    /// What a request says it is. Judged before the body: nobody should send megabytes to learn
    /// that they are in the wrong format.
    fn of(headers: &HeaderMap) -> Result<Self, Reason> {
        match &*body::media_type(headers) {
            PROTOBUF => Ok(Self::Protobuf),
            JSON => Ok(Self::Json),
            other => {
                let found = if other.is_empty() { "none".into() } else { format!("{other:?}") };
                let text = format!("the Content-Type must be {PROTOBUF} or {JSON}, not {found}");
                Err(Reason::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text))
            }
        }
    }

    async fn read<T: Message + Default + DeserializeOwned>(
        self,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<T, Reason> {
        let bytes = body::read(headers, body).await?;
        let bad = |error: String| {
            Reason::new(StatusCode::BAD_REQUEST, format!("not an OTLP request: {error}"))
        };
        match self {
            Self::Protobuf => T::decode(&*bytes).map_err(|error| bad(error.to_string())),
            Self::Json => serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string())),
        }
    }

    /// The empty message: success, and nothing to say.
    fn nothing(self) -> Encoded {
        match self {
            Self::Protobuf => ([(header::CONTENT_TYPE, PROTOBUF)], Vec::new()),
            Self::Json => ([(header::CONTENT_TYPE, JSON)], b"{}".to_vec()),
        }
    }

    pub(super) fn encode(self, message: &(impl Message + Serialize)) -> Encoded {
        match self {
            Self::Protobuf => ([(header::CONTENT_TYPE, PROTOBUF)], message.encode_to_vec()),
            Self::Json => {
                let bytes = serde_json::to_vec(message).unwrap_or_else(|_| b"{}".to_vec());
                ([(header::CONTENT_TYPE, JSON)], bytes)
            }
        }
    }
}

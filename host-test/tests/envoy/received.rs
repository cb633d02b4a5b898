//! An exported span, as the official types decode it.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use crate::reference;

/// A span with what it came under.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Who sent it.
    pub(crate) resource: Resource,
    /// Which part of them made it.
    pub(crate) scope: InstrumentationScope,
    /// The span.
    pub(crate) span: Span,
}

impl Received {
    /// The spans of a request, in its order. The docs know all that is on them.
    pub(crate) fn all_of(request: ExportTraceServiceRequest) -> Vec<Self> {
        let mut all = Vec::new();
        for group in request.resource_spans {
            let resource = group.resource.unwrap_or_default();
            for group in group.scope_spans {
                let scope = group.scope.unwrap_or_default();
                group.spans.iter().for_each(reference::check);
                all.extend(group.spans.into_iter().map(|span| Self {
                    resource: resource.clone(),
                    scope: scope.clone(),
                    span,
                }));
            }
        }
        all
    }

    /// The trace-id, in hex.
    pub(crate) fn trace_id(&self) -> String {
        hex(&self.span.trace_id)
    }

    /// The span's own id, in hex.
    pub(crate) fn span_id(&self) -> String {
        hex(&self.span.span_id)
    }

    /// The id of the parent, in hex; empty for a root span.
    pub(crate) fn parent_id(&self) -> String {
        hex(&self.span.parent_span_id)
    }

    /// What kind it says it is.
    pub(crate) fn kind(&self) -> SpanKind {
        self.span.kind()
    }

    /// Its status code.
    pub(crate) fn status(&self) -> StatusCode {
        self.span.status.as_ref().map_or(StatusCode::Unset, |it| it.code())
    }

    /// An attribute that is text.
    #[track_caller]
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        attribute(&self.span.attributes, key).map(|value| match value {
            Value::StringValue(text) => text.as_str(),
            other => panic!("{key} is text, not {other:?}"),
        })
    }

    /// An attribute that is a whole number.
    #[track_caller]
    pub(crate) fn int(&self, key: &str) -> Option<i64> {
        attribute(&self.span.attributes, key).map(|value| match value {
            Value::IntValue(number) => *number,
            other => panic!("{key} is a whole number, not {other:?}"),
        })
    }

    /// An attribute that is true or false.
    #[track_caller]
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        attribute(&self.span.attributes, key).map(|value| match value {
            Value::BoolValue(flag) => *flag,
            other => panic!("{key} is true or false, not {other:?}"),
        })
    }

    /// An attribute of the resource that is text.
    #[track_caller]
    pub(crate) fn resource_text(&self, key: &str) -> Option<&str> {
        attribute(&self.resource.attributes, key).map(|value| match value {
            Value::StringValue(text) => text.as_str(),
            other => panic!("{key} is text, not {other:?}"),
        })
    }

    /// From start to end, in nanoseconds.
    pub(crate) fn duration_ns(&self) -> i64 {
        let (start, end) = (self.span.start_time_unix_nano, self.span.end_time_unix_nano);
        i64::try_from(end.checked_sub(start).expect("a span ends after it starts")).unwrap()
    }
}

#[track_caller]
fn attribute<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    let mut found = attributes.iter().filter(|it| it.key == key);
    let first = found.next()?;
    // OTLP: "The keys [...] MUST be unique".
    assert!(found.next().is_none(), "{key} is there more than once: {attributes:?}");
    first.value.as_ref()?.value.as_ref()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

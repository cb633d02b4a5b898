//! What the messages of OTLP's requests consist of.
//!
//! Sources: <https://github.com/open-telemetry/opentelemetry-proto/blob/v1.9.0/opentelemetry/proto/trace/v1/trace.proto>,
//! <https://github.com/open-telemetry/opentelemetry-proto/blob/v1.9.0/opentelemetry/proto/metrics/v1/metrics.proto>,
//! <https://github.com/open-telemetry/opentelemetry-proto/blob/v1.9.0/opentelemetry/proto/common/v1/common.proto>

/// What a message consists of.
pub(super) struct Message {
    pub(super) fields: &'static [Field],
    /// Whether it has only one of its fields.
    pub(super) is_oneof: bool,
}

/// Number, name in lowerCamelCase, what its value is.
pub(super) struct Field(pub(super) u32, pub(super) &'static str, pub(super) Is);

pub(super) enum Is {
    /// `string`
    Text,
    /// `bytes` that are an id
    Id,
    /// `bytes`
    Bytes,
    /// `bool`
    Flag,
    /// `uint32` or `fixed32`
    Count,
    /// an enum
    Enum,
    /// `int64` or `sfixed64`
    Integer,
    /// `fixed64` or `uint64`
    Time,
    /// `double`
    Float,
    /// a message
    One(&'static Message),
    /// `sint32`
    Zigzag,
    /// `repeated`, messages
    List(&'static Message),
    /// `repeated`, packed, of 64 bits each
    Fixed(&'static Is),
    /// `repeated`, packed
    Varints(&'static Is),
}

use Is::*;

pub(super) static TRACES: Message = all(&[Field(1, "resourceSpans", List(&RESOURCE_SPANS))]);

/// Of metrics what hopspan has, and no more.
pub(super) static METRICS: Message = all(&[Field(1, "resourceMetrics", List(&RESOURCE_METRICS))]);

static RESOURCE_SPANS: Message = all(&[
    Field(1, "resource", One(&RESOURCE)),
    Field(2, "scopeSpans", List(&SCOPE_SPANS)),
    Field(3, "schemaUrl", Text),
]);

static RESOURCE: Message = all(&[
    Field(1, "attributes", List(&KEY_VALUE)), //
    Field(2, "droppedAttributesCount", Count),
]);

static SCOPE_SPANS: Message = all(&[
    Field(1, "scope", One(&SCOPE)),
    Field(2, "spans", List(&SPAN)),
    Field(3, "schemaUrl", Text),
]);

static SCOPE: Message = all(&[
    Field(1, "name", Text),
    Field(2, "version", Text),
    Field(3, "attributes", List(&KEY_VALUE)),
    Field(4, "droppedAttributesCount", Count),
]);

static SPAN: Message = all(&[
    Field(1, "traceId", Id),
    Field(2, "spanId", Id),
    Field(3, "traceState", Text),
    Field(4, "parentSpanId", Id),
    Field(16, "flags", Count),
    Field(5, "name", Text),
    Field(6, "kind", Enum),
    Field(7, "startTimeUnixNano", Time),
    Field(8, "endTimeUnixNano", Time),
    Field(9, "attributes", List(&KEY_VALUE)),
    Field(10, "droppedAttributesCount", Count),
    Field(11, "events", List(&EVENT)),
    Field(12, "droppedEventsCount", Count),
    Field(13, "links", List(&LINK)),
    Field(14, "droppedLinksCount", Count),
    Field(15, "status", One(&STATUS)),
]);

static EVENT: Message = all(&[
    Field(1, "timeUnixNano", Time),
    Field(2, "name", Text),
    Field(3, "attributes", List(&KEY_VALUE)),
    Field(4, "droppedAttributesCount", Count),
]);

static LINK: Message = all(&[
    Field(1, "traceId", Id),
    Field(2, "spanId", Id),
    Field(3, "traceState", Text),
    Field(4, "attributes", List(&KEY_VALUE)),
    Field(5, "droppedAttributesCount", Count),
    Field(6, "flags", Count),
]);

static STATUS: Message = all(&[
    Field(2, "message", Text), //
    Field(3, "code", Enum),
]);

static RESOURCE_METRICS: Message = all(&[
    Field(1, "resource", One(&RESOURCE)),
    Field(2, "scopeMetrics", List(&SCOPE_METRICS)),
    Field(3, "schemaUrl", Text),
]);

static SCOPE_METRICS: Message = all(&[
    Field(1, "scope", One(&SCOPE)),
    Field(2, "metrics", List(&METRIC)),
    Field(3, "schemaUrl", Text),
]);

static METRIC: Message = all(&[
    Field(1, "name", Text),
    Field(2, "description", Text),
    Field(3, "unit", Text),
    Field(5, "gauge", One(&NUMBERS)),
    Field(7, "sum", One(&NUMBERS)),
    Field(9, "histogram", One(&HISTOGRAM)),
    Field(10, "exponentialHistogram", One(&EXPONENTIAL)),
]);

/// A gauge, or a sum.
static NUMBERS: Message = all(&[
    Field(1, "dataPoints", List(&NUMBER)),
    Field(2, "aggregationTemporality", Enum),
    Field(3, "isMonotonic", Flag),
]);

static NUMBER: Message = all(&[
    Field(7, "attributes", List(&KEY_VALUE)),
    Field(2, "startTimeUnixNano", Time),
    Field(3, "timeUnixNano", Time),
    Field(6, "asInt", Integer),
]);

static HISTOGRAM: Message = all(&[
    Field(1, "dataPoints", List(&BUCKETS)), //
    Field(2, "aggregationTemporality", Enum),
]);

static BUCKETS: Message = all(&[
    Field(9, "attributes", List(&KEY_VALUE)),
    Field(2, "startTimeUnixNano", Time),
    Field(3, "timeUnixNano", Time),
    Field(4, "count", Time),
    Field(5, "sum", Float),
    Field(6, "bucketCounts", Fixed(&Time)),
    Field(7, "explicitBounds", Fixed(&Float)),
    Field(8, "exemplars", List(&EXEMPLAR)),
]);

static EXPONENTIAL: Message = all(&[
    Field(1, "dataPoints", List(&EXPONENTIAL_BUCKETS)),
    Field(2, "aggregationTemporality", Enum),
]);

static EXPONENTIAL_BUCKETS: Message = all(&[
    Field(1, "attributes", List(&KEY_VALUE)),
    Field(2, "startTimeUnixNano", Time),
    Field(3, "timeUnixNano", Time),
    Field(4, "count", Time),
    Field(5, "sum", Float),
    Field(6, "scale", Zigzag),
    Field(7, "zeroCount", Time),
    Field(8, "positive", One(&POSITIVE)),
    Field(11, "exemplars", List(&EXEMPLAR)),
]);

static POSITIVE: Message = all(&[
    Field(1, "offset", Zigzag), //
    Field(2, "bucketCounts", Varints(&Time)),
]);

static EXEMPLAR: Message = all(&[
    Field(2, "timeUnixNano", Time),
    Field(3, "asDouble", Float),
    Field(4, "spanId", Id),
    Field(5, "traceId", Id),
]);

static KEY_VALUE: Message = all(&[
    Field(1, "key", Text), //
    Field(2, "value", One(&ANY_VALUE)),
]);

static ANY_VALUE: Message = Message {
    fields: &[
        Field(1, "stringValue", Text),
        Field(2, "boolValue", Flag),
        Field(3, "intValue", Integer),
        Field(4, "doubleValue", Float),
        Field(5, "arrayValue", One(&ARRAY_VALUE)),
        Field(6, "kvlistValue", One(&KEY_VALUE_LIST)),
        Field(7, "bytesValue", Bytes),
    ],
    is_oneof: true,
};

static ARRAY_VALUE: Message = all(&[Field(1, "values", List(&ANY_VALUE))]);

static KEY_VALUE_LIST: Message = all(&[Field(1, "values", List(&KEY_VALUE))]);

const fn all(fields: &'static [Field]) -> Message {
    Message { fields, is_oneof: false }
}

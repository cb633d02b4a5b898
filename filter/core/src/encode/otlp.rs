//! OTLP in protobuf: `ExportTraceServiceRequest`, written in place.
//!
//! Field numbers: <https://github.com/open-telemetry/opentelemetry-proto/blob/v1.9.0/opentelemetry/proto/trace/v1/trace.proto>

use super::protobuf::{self as pb, PADDED};
use super::{Resource, Value};
use crate::semconv::{Attributes, Kind, Outcome};
use crate::span::{Describe, Limits, Parent, Span};

/// The beginning of every request: resource and scope, encoded once, with room for the
/// lengths of what follows.
#[derive(Clone, Debug)]
pub struct Envelope {
    bytes: Vec<u8>,
    head: Head,
}

/// What must be known of a request's beginning to change what follows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// How many bytes it has: there the first span begins.
    pub len: usize,
    /// Where the lengths of `ResourceSpans` and `ScopeSpans` stand.
    pub lengths: [usize; 2],
}

/// Flags of `Span.flags` beyond the trace flags.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

// === impl Envelope ===

impl Envelope {
    /// Encodes what all requests have in common.
    pub fn new(resource: &Resource, scope_name: &str, scope_version: &str) -> Self {
        let mut out = Vec::new();
        // ExportTraceServiceRequest.resource_spans = 1
        let resource_spans = pb::open(1, &mut out);
        // ResourceSpans.resource = 1, .scope_spans = 2
        let mut message = Vec::new();
        let mut attributes = KeyValues::new(1, Limits::NONE, &mut message);
        for (key, value) in &resource.attributes {
            match value {
                Value::Text(text) => attributes.text(key, text.as_bytes()),
                Value::Integer(number) => attributes.integer(key, *number),
                Value::Float(number) => attributes.float(key, *number),
                Value::Flag(flag) => attributes.flag(key, *flag),
            }
        }
        pb::bytes(1, &message, &mut out);
        let scope_spans = pb::open(2, &mut out);
        // ScopeSpans.scope = 1: name = 1, version = 2
        message.clear();
        pb::bytes(1, scope_name.as_bytes(), &mut message);
        pb::bytes(2, scope_version.as_bytes(), &mut message);
        pb::bytes(1, &message, &mut out);
        let head = Head { len: out.len(), lengths: [resource_spans, scope_spans] };
        Self { bytes: out, head }
    }

    /// A request without spans; append them, then [`Head::seal`] it.
    pub fn open(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    /// What its requests begin with.
    pub fn head(&self) -> Head {
        self.head
    }
}

// === impl Head ===

impl Head {
    /// Fills in the lengths. Returns `false` if the request is longer than they can say.
    pub fn seal(&self, request: &mut [u8]) -> bool {
        self.lengths.iter().all(|&at| pb::close(at, request))
    }
}

/// Appends one span of `ScopeSpans`. Returns `false` if it is longer than a length can say.
pub fn write_span(
    span: &Span<'_>,
    attributes: &impl Describe,
    limits: Limits,
    out: &mut Vec<u8>,
) -> bool {
    let Span {
        trace_id,
        span_id,
        parent,
        flags,
        tracestate,
        name,
        kind,
        start,
        end,
        outcome,
        links,
    } = span;

    // ScopeSpans.spans = 2
    let at = pb::open(2, out);
    pb::bytes(1, trace_id.as_bytes(), out);
    pb::bytes(2, span_id.as_bytes(), out);
    if !tracestate.is_empty() {
        pb::bytes(3, pb::utf8(tracestate).as_bytes(), out);
    }
    let mut bits = u32::from(flags.bits()) | HAS_IS_REMOTE;
    if let Some(Parent { span_id, is_remote }) = parent {
        pb::bytes(4, span_id.as_bytes(), out);
        bits |= if *is_remote { IS_REMOTE } else { 0 };
    }
    pb::bytes(5, pb::utf8(name).as_bytes(), out);
    let kind = match kind {
        Kind::Server => 2,
        Kind::Client => 3,
    };
    pb::integer(6, kind, out);
    pb::fixed64(7, start.0, out);
    pb::fixed64(8, end.0, out);
    let mut pairs = KeyValues::new(9, limits, out);
    attributes.describe(&mut pairs);
    if pairs.dropped > 0 {
        pb::integer(10, pairs.dropped, out);
    }
    for link in *links {
        write_link(link, out);
    }
    if let Outcome::Failed(_) = outcome {
        // status = 15: code = 3, STATUS_CODE_ERROR = 2
        pb::bytes(15, &[3 << 3, 2], out);
    }
    pb::fixed32(16, bits, out);
    pb::close(at, out)
}

fn write_link(link: &crate::context::SpanContext<'_>, out: &mut Vec<u8>) {
    let crate::context::SpanContext { trace_id, span_id, flags, tracestate } = link;
    let mut message = Vec::with_capacity(64);
    pb::bytes(1, trace_id.as_bytes(), &mut message);
    pb::bytes(2, span_id.as_bytes(), &mut message);
    if !tracestate.is_empty() {
        pb::bytes(3, pb::utf8(tracestate).as_bytes(), &mut message);
    }
    let flags = u32::from(flags.bits()) | HAS_IS_REMOTE | IS_REMOTE;
    pb::fixed32(6, flags, &mut message);
    pb::bytes(13, &message, out);
}

/// Writes attributes as repeated `KeyValue`s of one field, as many as the limits allow.
pub(super) struct KeyValues<'a> {
    field: u32,
    limits: Limits,
    /// How many were not written.
    dropped: u64,
    out: &'a mut Vec<u8>,
}

impl<'a> KeyValues<'a> {
    pub(super) fn new(field: u32, limits: Limits, out: &'a mut Vec<u8>) -> Self {
        Self { field, limits, dropped: 0, out }
    }

    /// A `KeyValue` whose `AnyValue` has `len` bytes, which the caller writes. Returns `false`
    /// if there is no room for it.
    fn begin(&mut self, key: &str, len: usize) -> bool {
        let Some(left) = self.limits.attribute_count.checked_sub(1) else {
            self.dropped = self.dropped.saturating_add(1);
            return false;
        };
        self.limits.attribute_count = left;
        // key = 1, value = 2
        let both = pb::size_of_bytes(key.len()).saturating_add(pb::size_of_bytes(len));
        pb::length(self.field, both, self.out);
        pb::bytes(1, key.as_bytes(), self.out);
        pb::length(2, len, self.out);
        true
    }
}

impl Attributes for KeyValues<'_> {
    fn text(&mut self, key: &str, value: &[u8]) {
        let value = pb::utf8(self.limits.cut(value));
        if self.begin(key, pb::size_of_bytes(value.len())) {
            pb::bytes(1, value.as_bytes(), self.out);
        }
    }

    fn integer(&mut self, key: &str, value: i64) {
        let value = value.cast_unsigned();
        if self.begin(key, pb::size_of_varint(value).saturating_add(1)) {
            pb::integer(3, value, self.out);
        }
    }

    fn float(&mut self, key: &str, value: f64) {
        if self.begin(key, 9) {
            pb::fixed64(4, value.to_bits(), self.out);
        }
    }

    fn flag(&mut self, key: &str, value: bool) {
        if self.begin(key, 2) {
            pb::integer(2, value.into(), self.out);
        }
    }

    fn list_of_one(&mut self, key: &str, value: &[u8]) {
        // AnyValue.array_value = 5, ArrayValue.values = 1, AnyValue.string_value = 1
        let value = pb::utf8(self.limits.cut(value));
        let any = pb::size_of_bytes(value.len());
        let array = pb::size_of_bytes(any);
        if self.begin(key, pb::size_of_bytes(array)) {
            pb::length(5, array, self.out);
            pb::length(1, any, self.out);
            pb::bytes(1, value.as_bytes(), self.out);
        }
    }
}

const _: () = assert!(PADDED == 4, "the limits of batches are below what a padded length can say");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{SpanContext, TraceFlags};
    use crate::id::{SpanId, TraceId};
    use crate::time::UnixNanos;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
    use proptest::prelude::*;
    use prost::Message as _;

    struct Sample(Vec<(String, Value)>);

    impl Describe for Sample {
        fn describe(&self, out: &mut impl Attributes) {
            for (key, value) in &self.0 {
                match value {
                    Value::Text(it) => out.text(key, it.as_bytes()),
                    Value::Integer(it) => out.integer(key, *it),
                    Value::Flag(it) => out.flag(key, *it),
                    Value::Float(it) => out.float(key, *it),
                }
            }
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<String>().prop_map(Value::Text),
            any::<i64>().prop_map(Value::Integer),
            any::<bool>().prop_map(Value::Flag),
            prop::num::f64::NORMAL.prop_map(Value::Float),
        ]
    }

    fn any_of(value: &Value) -> Any {
        match value.clone() {
            Value::Text(it) => Any::StringValue(it),
            Value::Integer(it) => Any::IntValue(it),
            Value::Float(it) => Any::DoubleValue(it),
            Value::Flag(it) => Any::BoolValue(it),
        }
    }

    #[test]
    fn a_list_of_one_string_is_a_list() {
        let mut message = Vec::new();
        KeyValues::new(1, Limits::NONE, &mut message).list_of_one("key", b"caf\xe9");
        // Resource.attributes is field 1, too.
        let read =
            opentelemetry_proto::tonic::resource::v1::Resource::decode(&message[..]).unwrap();
        let [it] = &read.attributes[..] else { panic!("one attribute") };
        let Some(Any::ArrayValue(list)) = it.value.clone().unwrap().value else { panic!("a list") };
        let texts: Vec<_> = list.values.into_iter().map(|it| it.value.unwrap()).collect();
        assert_eq!((&it.key[..], texts), ("key", vec![Any::StringValue("caf\u{fffd}".to_owned())]));
    }

    proptest! {
        /// The official decoder reads back every field.
        #[test]
        fn the_official_decoder_reads_what_was_written(
            trace in any::<[u8; 16]>(), span in 1_u64.., parent in any::<u64>(), remote: bool,
            flags in 0_u8..4, tracestate in "[a-z]{0,9}", name: String, server: bool,
            start: u64, end: u64, failed: bool, linked in 0_usize..3,
            attributes in prop::collection::vec((any::<String>(), value()), 0..20),
            resource in prop::collection::vec((any::<String>(), value()), 0..5),
        ) {
            let trace_id = TraceId::from_bytes(trace).unwrap_or_else(|| TraceId::from_bytes([1; 16]).unwrap());
            let id = |n: u64| SpanId::from_bytes(n.to_be_bytes());
            let links = vec![SpanContext {
                trace_id, span_id: id(span).unwrap(), flags: TraceFlags::SAMPLED,
                tracestate: b"l=1"[..].into(),
            }; linked];
            let written = Span {
                trace_id,
                span_id: id(span).unwrap(),
                parent: id(parent).map(|span_id| Parent { span_id, is_remote: remote }),
                flags: TraceFlags::from_bits(flags),
                tracestate: tracestate.as_bytes(),
                name: name.as_bytes(),
                kind: if server { Kind::Server } else { Kind::Client },
                start: UnixNanos(start),
                end: UnixNanos(end),
                outcome: if failed { Outcome::Failed("500".into()) } else { Outcome::Fine },
                links: &links,
            };
            let resource = Resource { attributes: resource };
            let envelope = Envelope::new(&resource, "hopspan", "1.2.3");
            let mut request = envelope.open();
            let sample = Sample(attributes);
            for _ in 0..2 {
                prop_assert!(write_span(&written, &sample, Limits::NONE, &mut request));
            }
            prop_assert!(envelope.head().seal(&mut request));

            let read = ExportTraceServiceRequest::decode(&request[..]).unwrap();
            let [group] = &read.resource_spans[..] else { panic!("one resource") };
            let got: Vec<_> = group.resource.as_ref().unwrap().attributes.iter()
                .map(|it| (it.key.clone(), it.value.clone().unwrap().value.unwrap())).collect();
            let want: Vec<_> = resource.attributes.iter().map(|(k, v)| (k.clone(), any_of(v))).collect();
            prop_assert_eq!(got, want);
            let [scope] = &group.scope_spans[..] else { panic!("one scope") };
            let about = scope.scope.as_ref().unwrap();
            prop_assert_eq!((&about.name[..], &about.version[..]), ("hopspan", "1.2.3"));
            prop_assert_eq!(scope.spans.len(), 2);
            for it in &scope.spans {
                prop_assert_eq!(&it.trace_id, trace_id.as_bytes());
                prop_assert_eq!(&it.span_id, &span.to_be_bytes());
                prop_assert_eq!(&it.trace_state, &tracestate);
                let want = if parent == 0 { vec![] } else { parent.to_be_bytes().to_vec() };
                prop_assert_eq!(&it.parent_span_id, &want);
                prop_assert_eq!(&it.name, &name);
                prop_assert_eq!(it.kind, if server { 2 } else { 3 });
                prop_assert_eq!((it.start_time_unix_nano, it.end_time_unix_nano), (start, end));
                let is_remote = if remote && parent != 0 { 0x200 } else { 0 };
                prop_assert_eq!(it.flags, u32::from(flags) | 0x100 | is_remote);
                prop_assert_eq!(it.status.as_ref().map(|it| it.code), failed.then_some(2));
                prop_assert_eq!(it.links.len(), linked);
                for link in &it.links {
                    prop_assert_eq!((&link.trace_id[..], &link.trace_state[..]), (&trace_id.as_bytes()[..], "l=1"));
                }
                let got: Vec<_> = it.attributes.iter()
                    .map(|it| (it.key.clone(), it.value.clone().unwrap().value.unwrap())).collect();
                let want: Vec<_> = sample.0.iter().map(|(k, v)| (k.clone(), any_of(v))).collect();
                prop_assert_eq!(got, want);
            }
        }
    }
}

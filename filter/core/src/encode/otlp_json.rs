//! OTLP in JSON, made of the same request in protobuf.
//!
//! What is written is protobuf's own JSON, but for ids, which are in hex, and enums, which are
//! numbers. A message is read once, field by field, by a table of what its fields are called.
//!
//! Spec: <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>,
//! <https://protobuf.dev/programming-guides/json/>.
//! Fields: <https://github.com/open-telemetry/opentelemetry-proto/blob/v1.9.0/opentelemetry/proto/trace/v1/trace.proto>,
//! <https://github.com/open-telemetry/opentelemetry-proto/blob/v1.9.0/opentelemetry/proto/common/v1/common.proto>

use super::json;
use super::protobuf::{Value, fields};

/// Writes an `ExportTraceServiceRequest` in JSON. Fields that are not in the tables below are
/// left out.
///
/// `None` if the request is broken, and what was written is then to be thrown away. As broken
/// counts what no encoder writes, though a decoder would have to make sense of it: a field that
/// is there twice, a list in pieces, messages in messages without end.
///
/// What is written is never longer than [`TIMES`] the request, but for two brackets.
pub fn transcode(request: &[u8], out: &mut Vec<u8>) -> Option<()> {
    message(request, &REQUEST, DEPTH, out)
}

/// How many times longer than the request its JSON may be: names of fields are longer than numbers.
pub const TIMES: usize = 16;

/// How deep messages may lie in each other: with an attribute's text in the sixth, there is room
/// for lists of lists.
const DEPTH: u8 = 32;

/// What a message consists of.
struct Message {
    fields: &'static [Field],
    /// Whether it has only one of its fields.
    is_oneof: bool,
}

/// Number, name in lowerCamelCase, what its value is.
struct Field(u32, &'static str, Is);

enum Is {
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
    /// `int64`
    Integer,
    /// `fixed64`
    Time,
    /// `double`
    Float,
    /// a message
    One(&'static Message),
    /// `repeated`, messages
    List(&'static Message),
}

use Is::{Bytes, Count, Enum, Flag, Float, Id, Integer, List, One, Text, Time};

static REQUEST: Message = all(&[Field(1, "resourceSpans", List(&RESOURCE_SPANS))]);

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

fn message(bytes: &[u8], schema: &Message, depth: u8, out: &mut Vec<u8>) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    // The fields that were there, a bit for each, and the list whose end was not seen yet.
    let (mut seen, mut open) = (0_u32, None);
    json::byte(b'{', out);
    for field in fields(bytes) {
        let (number, value) = field?;
        let Some(Field(_, name, is)) = schema.fields.iter().find(|it| it.0 == number) else {
            continue;
        };
        if open != Some(number) {
            if open.take().is_some() {
                json::close("]", out);
                json::byte(b',', out);
            }
            let before = if schema.is_oneof { seen } else { seen & 1 << number };
            if before != 0 {
                return None;
            }
            seen |= 1 << number;
            json::name(name, out);
            if let List(_) = is {
                json::byte(b'[', out);
                open = Some(number);
            }
        }
        write(is, value, depth, out)?;
        json::byte(b',', out);
    }
    if open.is_some() {
        json::close("]", out);
    }
    json::close("}", out);
    Some(())
}

fn write(is: &Is, value: Value<'_>, depth: u8, out: &mut Vec<u8>) -> Option<()> {
    match (is, value) {
        (Text, Value::Bytes(text)) => json::string(text, out),
        (Id, Value::Bytes(id)) => json::hex(id, out),
        (Bytes, Value::Bytes(bytes)) => json::bytes(bytes, "\"", out),
        (Flag, Value::Number(flag)) => json::flag(flag != 0, out),
        // Of what is wider than its type, protobuf takes the lower half.
        (Count, Value::Number(count)) => json::unsigned(count & u64::from(u32::MAX), out),
        (Count, Value::Fixed32(count)) => json::unsigned(count.into(), out),
        (Enum, Value::Number(number)) => json::signed(number.cast_signed() << 32 >> 32, out),
        // 64 bits are more than many readers' numbers can hold: they are strings.
        (Integer, Value::Number(number)) => {
            json::byte(b'"', out);
            json::signed(number.cast_signed(), out);
            json::byte(b'"', out);
        }
        (Time, Value::Fixed64(time)) => {
            json::byte(b'"', out);
            json::unsigned(time, out);
            json::byte(b'"', out);
        }
        (Float, Value::Fixed64(bits)) => json::float(f64::from_bits(bits), "\"", out),
        (One(inner) | List(inner), Value::Bytes(bytes)) => message(bytes, inner, depth, out)?,
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests;

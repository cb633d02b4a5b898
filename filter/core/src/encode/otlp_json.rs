//! OTLP in JSON, made of the same request in protobuf.
//!
//! What is written is protobuf's own JSON, but for ids, which are in hex, and enums, which are
//! numbers. A message is read once, field by field, by a table of what its fields are called.
//!
//! Spec: <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>,
//! <https://protobuf.dev/programming-guides/json/>

mod schema;

use super::json;
use super::protobuf::{Value, fields, values};
use schema::Is::{self, *};
use schema::{Field, Message};

/// Writes an `ExportTraceServiceRequest` in JSON. Fields that are not in the tables of [`schema`]
/// are left out.
///
/// `None` if the request is broken, and what was written is then to be thrown away. As broken
/// counts what no encoder writes, though a decoder would have to make sense of it: a field that
/// is there twice, a list in pieces, messages in messages without end.
///
/// What is written is never longer than [`TIMES`] the request, but for two brackets.
pub fn transcode(request: &[u8], out: &mut Vec<u8>) -> Option<()> {
    message(request, &schema::TRACES, DEPTH, out)
}

/// The same of an `ExportMetricsServiceRequest`.
pub fn transcode_metrics(request: &[u8], out: &mut Vec<u8>) -> Option<()> {
    message(request, &schema::METRICS, DEPTH, out)
}

/// How many times longer than the request its JSON may be: names of fields are longer than numbers.
pub const TIMES: usize = 16;

/// How deep messages may lie in each other: with an attribute's text in the sixth, there is room
/// for lists of lists.
const DEPTH: u8 = 32;

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
        (Integer, Value::Number(number) | Value::Fixed64(number)) => {
            json::byte(b'"', out);
            json::signed(number.cast_signed(), out);
            json::byte(b'"', out);
        }
        (Time, Value::Number(time) | Value::Fixed64(time)) => {
            json::byte(b'"', out);
            json::unsigned(time, out);
            json::byte(b'"', out);
        }
        (Float, Value::Fixed64(bits)) => json::float(f64::from_bits(bits), "\"", out),
        (Zigzag, Value::Number(number)) => {
            // The lowest bit is the sign.
            let sign = (number & 1).cast_signed().wrapping_neg();
            json::signed((number >> 1).cast_signed() ^ sign, out);
        }
        (One(inner) | List(inner), Value::Bytes(bytes)) => message(bytes, inner, depth, out)?,
        (Fixed(inner) | Varints(inner), Value::Bytes(bytes)) => {
            json::byte(b'[', out);
            for value in values(bytes, matches!(is, Fixed(_))) {
                write(inner, value?, depth, out)?;
                json::byte(b',', out);
            }
            json::close("]", out);
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests;

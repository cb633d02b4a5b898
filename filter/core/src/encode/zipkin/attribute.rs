//! Attributes as text, for those who know nothing else.
//!
//! Spec: <https://opentelemetry.io/docs/specs/otel/common/#anyvalue-representation-for-non-otlp-protocols>

use super::record::Record;
use crate::encode::json;
use crate::encode::protobuf::{Value, fields};

/// A `KeyValue`.
#[derive(Clone, Copy)]
pub(super) struct Attribute<'a> {
    pub(super) key: &'a [u8],
    value: Any<'a>,
}

/// An `AnyValue`: the one of its fields that is there, if any is.
type Any<'a> = Option<(u32, Value<'a>)>;

// Fields of AnyValue.
const STRING: u32 = 1;
const BOOL: u32 = 2;
const INT: u32 = 3;
const DOUBLE: u32 = 4;
const ARRAY: u32 = 5;
const KVLIST: u32 = 6;
const BYTES: u32 = 7;

/// How deep values may lie in each other.
const DEPTH: u8 = 16;

/// As many attributes as a span may have by its configuration. There must be an end to it, because
/// names are looked for from the first to the last.
const MOST: usize = 1000;

/// The attributes in one field of a message.
#[inline(never)]
pub(super) fn read<'a>(of: &Record<'a>, field: u32) -> Option<Vec<Attribute<'a>>> {
    let mut found = Vec::new();
    for message in of.messages(field) {
        if found.len() == MOST {
            return None;
        }
        let mut attribute = Attribute { key: &[], value: None };
        for field in fields(message) {
            match field? {
                (1, Value::Bytes(key)) => attribute.key = key,
                (2, Value::Bytes(value)) => attribute.value = read_any(value)?,
                _ => {}
            }
        }
        found.push(attribute);
    }
    Some(found)
}

/// The attribute of this name.
#[inline(never)]
pub(super) fn find<'a>(key: &[u8], attributes: &'a [Attribute<'a>]) -> Option<&'a Attribute<'a>> {
    attributes.iter().find(|it| it.key == key)
}

/// Attributes as an object.
pub(super) fn write_object(attributes: &[Attribute<'_>], out: &mut Vec<u8>) -> Option<()> {
    write_members(attributes, DEPTH, out)
}

// === impl Attribute ===

impl<'a> Attribute<'a> {
    /// The value if it is a string.
    pub(super) fn text(&self) -> Option<&'a [u8]> {
        match self.value {
            Some((STRING, Value::Bytes(text))) => Some(text),
            _ => None,
        }
    }

    /// The value if it is a number that is not negative.
    pub(super) fn integer(&self) -> Option<u64> {
        match self.value {
            Some((INT, Value::Number(number))) => Some(number),
            _ => None,
        }
    }

    /// The value as a string of JSON, whatever it is.
    pub(super) fn write_text(&self, out: &mut Vec<u8>) -> Option<()> {
        json::byte(b'"', out);
        match self.value {
            None => {}
            Some((STRING, Value::Bytes(text))) => json::escape(text, out),
            Some((BYTES, Value::Bytes(bytes))) => json::bytes(bytes, "", out),
            Some((DOUBLE, Value::Fixed64(bits))) => json::float(f64::from_bits(bits), "", out),
            it @ Some((ARRAY | KVLIST, _)) => {
                let mut text = Vec::new();
                write_element(it, DEPTH, &mut text)?;
                json::escape(&text, out);
            }
            it => write_element(it, DEPTH, out)?,
        }
        json::byte(b'"', out);
        Some(())
    }
}

#[inline(never)]
fn read_any(message: &[u8]) -> Option<Any<'_>> {
    let mut found = None;
    for field in fields(message) {
        found = Some(field?).filter(|(number, _)| (STRING..=BYTES).contains(number)).or(found);
    }
    Some(found)
}

/// A value inside another.
fn write_element(value: Any<'_>, depth: u8, out: &mut Vec<u8>) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    match value {
        Some((STRING, Value::Bytes(text))) => json::string(text, out),
        Some((BOOL, Value::Number(flag))) => json::flag(flag != 0, out),
        Some((INT, Value::Number(number))) => json::signed(number.cast_signed(), out),
        Some((DOUBLE, Value::Fixed64(bits))) => json::float(f64::from_bits(bits), "\"", out),
        Some((ARRAY, Value::Bytes(list))) => {
            json::byte(b'[', out);
            for element in Record::read(list)?.messages(1) {
                write_element(read_any(element)?, depth, out)?;
                json::byte(b',', out);
            }
            json::close("]", out);
        }
        Some((KVLIST, Value::Bytes(list))) => {
            write_members(&read(&Record::read(list)?, 1)?, depth, out)?;
        }
        Some((BYTES, Value::Bytes(bytes))) => json::bytes(bytes, "\"", out),
        _ => json::raw("null", out),
    }
    Some(())
}

fn write_members(attributes: &[Attribute<'_>], depth: u8, out: &mut Vec<u8>) -> Option<()> {
    json::byte(b'{', out);
    for Attribute { key, value } in attributes {
        json::string(key, out);
        json::byte(b':', out);
        write_element(*value, depth, out)?;
        json::byte(b',', out);
    }
    json::close("}", out);
    Some(())
}

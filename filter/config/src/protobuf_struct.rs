//! `google.protobuf.Struct` in protobuf's binary encoding.
//!
//! ```text
//! message Struct    { map<string, Value> fields = 1; }   // an entry: key = 1, value = 2
//! message Value     { oneof kind { NullValue null_value = 1; double number_value = 2;
//!                     string string_value = 3; bool bool_value = 4;
//!                     Struct struct_value = 5; ListValue list_value = 6; } }
//! message ListValue { repeated Value values = 1; }
//! ```
//! Source: <https://github.com/protocolbuffers/protobuf/blob/v33.0/src/google/protobuf/struct.proto>,
//! <https://protobuf.dev/programming-guides/encoding/>

use serde_json::{Map, Number, Value};
use std::fmt;

/// What is wrong with the bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum StructError {
    /// They end too early, or are not those of a Struct.
    Encoding,
    /// A text is not UTF-8.
    Text,
    /// A number is infinite, or none.
    Number,
    /// A key is there twice.
    Twice,
    /// There is no end of objects in objects.
    Depth,
}

/// As deep as `serde_json` follows JSON text.
const DEPTH: u8 = 127;

/// Decodes a Struct; its fields are an object's keys.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, StructError> {
    object(bytes, DEPTH)
}

/// One field of a message.
enum Wire<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
}

fn object(mut bytes: &[u8], depth: u8) -> Result<Value, StructError> {
    let depth = depth.checked_sub(1).ok_or(StructError::Depth)?;
    let mut keys = Map::new();
    while let Some(field) = next(&mut bytes)? {
        let (1, Wire::Bytes(mut entry)) = field else { return Err(StructError::Encoding) };
        let (mut key, mut inner) = (String::new(), None);
        while let Some(field) = next(&mut entry)? {
            match field {
                (1, Wire::Bytes(bytes)) => key = text(bytes)?,
                (2, Wire::Bytes(bytes)) => inner = Some(value(bytes, depth)?),
                _ => return Err(StructError::Encoding),
            }
        }
        if keys.insert(key, inner.ok_or(StructError::Encoding)?).is_some() {
            return Err(StructError::Twice);
        }
    }
    Ok(Value::Object(keys))
}

fn value(mut bytes: &[u8], depth: u8) -> Result<Value, StructError> {
    let mut kind = None;
    while let Some(field) = next(&mut bytes)? {
        kind = Some(match field {
            (1, Wire::Varint(_)) => Value::Null,
            (2, Wire::Fixed64(bits)) => Number::from_f64(f64::from_le_bytes(bits))
                .map(Value::Number)
                .ok_or(StructError::Number)?,
            (3, Wire::Bytes(bytes)) => Value::String(text(bytes)?),
            (4, Wire::Varint(flag)) => Value::Bool(flag != 0),
            (5, Wire::Bytes(bytes)) => object(bytes, depth)?,
            (6, Wire::Bytes(bytes)) => list(bytes, depth)?,
            _ => return Err(StructError::Encoding),
        });
    }
    kind.ok_or(StructError::Encoding)
}

fn list(mut bytes: &[u8], depth: u8) -> Result<Value, StructError> {
    let depth = depth.checked_sub(1).ok_or(StructError::Depth)?;
    let mut values = Vec::new();
    while let Some(field) = next(&mut bytes)? {
        let (1, Wire::Bytes(bytes)) = field else { return Err(StructError::Encoding) };
        values.push(value(bytes, depth)?);
    }
    Ok(Value::Array(values))
}

/// Takes one field, number and content, off `bytes`; `None` at their end.
fn next<'a>(bytes: &mut &'a [u8]) -> Result<Option<(u64, Wire<'a>)>, StructError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut field = || {
        let tag = varint(bytes)?;
        let wire = match tag & 7 {
            0 => Wire::Varint(varint(bytes)?),
            1 => {
                let (bits, rest) = bytes.split_first_chunk()?;
                *bytes = rest;
                Wire::Fixed64(*bits)
            }
            2 => {
                let length = usize::try_from(varint(bytes)?).ok()?;
                let (inner, rest) = bytes.split_at_checked(length)?;
                *bytes = rest;
                Wire::Bytes(inner)
            }
            _ => return None,
        };
        Some((tag >> 3, wire))
    };
    field().map(Some).ok_or(StructError::Encoding)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn text(bytes: &[u8]) -> Result<String, StructError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| StructError::Text)
}

impl fmt::Display for StructError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Encoding => "is neither JSON text nor a google.protobuf.Struct",
            Self::Text => "is a google.protobuf.Struct with a text that is not UTF-8",
            Self::Number => "is a google.protobuf.Struct with a number that is not finite",
            Self::Twice => "is a google.protobuf.Struct with a key that is there twice",
            Self::Depth => "is a google.protobuf.Struct that is nested too deeply",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;
    use prost_types::{Struct, value::Kind};
    use serde_json::json;

    #[test]
    fn refuses_what_no_encoder_writes() {
        use StructError as E;
        let entry = |value: &[u8]| {
            let mut entry = vec![0x0a, 1, b'a', 0x12, value.len().try_into().unwrap()];
            entry.extend(value);
            let mut bytes = vec![0x0a, entry.len().try_into().unwrap()];
            bytes.extend(entry);
            bytes
        };
        let infinite = [&[0x11][..], &f64::INFINITY.to_le_bytes()].concat();
        let mut deep = Struct::default();
        for _ in 0..200 {
            let inner = prost_types::Value { kind: Some(Kind::StructValue(deep)) };
            deep = Struct { fields: [("a".to_owned(), inner)].into() };
        }
        for (why, bytes, want) in [
            ("true", entry(&[0x20, 1]), Ok(json!({"a": true}))),
            ("the last kind counts", entry(&[0x20, 1, 0x20, 0]), Ok(json!({"a": false}))),
            ("no kind", entry(&[]), Err(E::Encoding)),
            ("a field that Value does not have", entry(&[0x38, 1]), Err(E::Encoding)),
            ("a flag as text", entry(&[0x22, 1]), Err(E::Encoding)),
            ("a wire type that is none", entry(&[0x23, 1]), Err(E::Encoding)),
            ("a text that is not UTF-8", entry(&[0x1a, 1, 0xff]), Err(E::Text)),
            ("infinite", entry(&infinite), Err(E::Number)),
            ("a varint without end", entry(&[0xff; 11]), Err(E::Encoding)),
            ("a length beyond the end", vec![0x0a, 5, 0x0a], Err(E::Encoding)),
            ("a key twice", [entry(&[0x20, 1]), entry(&[0x20, 1])].concat(), Err(E::Twice)),
            ("an entry without value", vec![0x0a, 3, 0x0a, 1, b'a'], Err(E::Encoding)),
            ("too deep", deep.encode_to_vec(), Err(E::Depth)),
        ] {
            assert_eq!(parse(&bytes), want, "{why}");
        }
    }
}

//! The bytes of a document as a tree, whichever of the two forms they have.

use super::Problem;
use super::protobuf_struct;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// The tag of `Struct.fields`, with which a binary Struct begins. It is a line feed, too,
/// with which JSON text may begin.
const STRUCT_BEGINS: u8 = 0x0a;
/// The tag of the value of an entry, without which there is no Struct but the empty one.
/// JSON text has this control character nowhere: not between tokens, not in strings.
const STRUCT_VALUE: u8 = 0x12;

/// Reads JSON text or a binary `google.protobuf.Struct`; nothing, or white space, is `{}`.
///
/// Envoy hands a `StringValue` over as its text, but a `Struct` in protobuf's encoding.
pub(super) fn parse(document: &[u8]) -> Result<Value, Problem> {
    if document.first() == Some(&STRUCT_BEGINS) && document.contains(&STRUCT_VALUE) {
        return protobuf_struct::parse(document).map_err(|it| problem("document", it.to_string()));
    }
    // RFC 8259, section 8.1: a reader may ignore a byte order mark.
    let text = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document);
    if text.iter().all(|it| matches!(it, b' ' | b'\t' | b'\n' | b'\r')) {
        return Ok(Value::Object(Map::new()));
    }
    serde_json::from_slice(text).map(|Unambiguous(it)| it).map_err(|it| {
        let whole = it.to_string();
        let what = whole.rsplit_once(" at line ").map_or(whole.as_str(), |(what, _)| what);
        let place = format!("line {} column {}", it.line(), it.column().max(1));
        problem(&place, format!("is not JSON: {what}"))
    })
}

fn problem(path: &str, message: String) -> Problem {
    Problem { path: path.to_owned(), message }
}

/// A tree in which no object has a key twice: which of the two would count is nothing that
/// a reader can see.
struct Unambiguous(Value);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Tree).map(Self)
    }
}

struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Unambiguous(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut keys = Map::new();
        while let Some(key) = object.next_key::<String>()? {
            if keys.contains_key(&key) {
                return Err(de::Error::custom(format_args!("the key {key:?} is there twice")));
            }
            let Unambiguous(value) = object.next_value()?;
            keys.insert(key, value);
        }
        Ok(Value::Object(keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;
    use prost_types::value::Kind;
    use serde_json::json;

    /// Both begin with a line feed, and an entry of 123 bytes makes `{` the second byte.
    #[test]
    fn a_struct_and_json_text_are_told_apart_by_any_length_of_the_first_entry() {
        for length in 0..300 {
            let text = "x".repeat(length);
            let value = prost_types::Value { kind: Some(Kind::StringValue(text.clone())) };
            let fields = [("a".to_owned(), value)].into();
            let bytes = prost_types::Struct { fields }.encode_to_vec();
            assert_eq!(parse(&bytes).unwrap(), json!({"a": text}), "{length}");
            let json = format!("\n{{\n\"a\":\"{text}\"}}");
            assert_eq!(parse(json.as_bytes()).unwrap(), json!({"a": text}), "{length}");
        }
    }

    #[test]
    fn what_is_neither_is_said_to_be() {
        let Problem { path, message } = parse(b"\n\x03\x12\x01a").unwrap_err();
        assert_eq!(path, "document");
        assert_eq!(message, "is neither JSON text nor a google.protobuf.Struct");
    }
}

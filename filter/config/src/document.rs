//! The bytes of a document as a tree, whichever of the two forms they have.

use super::Problem;
use super::protobuf_struct;
use super::reader::quoted;
use hopspan_core::json::{self, JsonError};
use serde_json::{Map, Value};

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
    json::parse(text).map_err(|error| {
        let (place, what) = match error {
            JsonError::Syntax { line, column, what } => (Some((line, column)), what),
            JsonError::Twice { place, key } => {
                (place, format!("the key {} is there twice", quoted(&key)))
            }
        };
        let line = |(line, column): (usize, usize)| format!("line {line} column {}", column.max(1));
        let place = place.map_or_else(|| "document".to_owned(), line);
        problem(&place, format!("is not JSON: {what}"))
    })
}

fn problem(path: &str, message: String) -> Problem {
    Problem { path: path.to_owned(), message }
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

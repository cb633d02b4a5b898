//! JSON as a tree. There is one reader of it, and not one for each who reads.

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Deserializer, Map, Number, Value};
use std::cell::RefCell;
use std::fmt;

/// Why a text is no tree.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum JsonError {
    /// It breaks the grammar.
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column, from 1 but in an empty line, in bytes.
        column: usize,
        /// What is wrong there.
        what: String,
    },
    /// An object has a key twice: which of the two would count is nothing that a reader can see.
    Twice {
        /// Where the key ends, if it is followed by anything but the end of its object.
        place: Option<(usize, usize)>,
        /// The key.
        key: String,
    },
}

/// Reads a text.
///
/// # Errors
///
/// A text that breaks the grammar, is nested deeper than 127, or has an object with a key twice.
///
/// Spec: <https://www.rfc-editor.org/rfc/rfc8259>
pub fn parse(text: &[u8]) -> Result<Value, JsonError> {
    let twice = RefCell::new(None);
    let mut reader = Deserializer::from_slice(text);
    let tree = Tree { twice: &twice }.deserialize(&mut reader);
    let tree = tree.and_then(|tree| reader.end().map(|()| tree));
    match (tree, twice.take()) {
        (Ok(tree), None) => Ok(tree),
        (Ok(_), Some(key)) => Err(JsonError::Twice { place: None, key }),
        // What the parser stops at is what follows the key.
        (Err(error), Some(key)) => {
            let place = Some((error.line(), error.column().saturating_sub(1)));
            Err(JsonError::Twice { place, key })
        }
        (Err(error), None) => {
            let (line, column) = (error.line(), error.column());
            let whole = error.to_string();
            let what = whole.strip_suffix(&format!(" at line {line} column {column}"));
            Err(JsonError::Syntax { line, column, what: what.unwrap_or(&whole).to_owned() })
        }
    }
}

/// Makes a tree in which no object has a key twice.
///
/// Such an object is left behind its key, at which the parser stops by itself. To give it an
/// error of our own is 8 KB of code that nothing else needs: it looks for a place in the message.
#[derive(Clone, Copy)]
struct Tree<'a> {
    twice: &'a RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
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
        while let Some(value) = list.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut keys = Map::new();
        while let Some(key) = object.next_key::<String>()? {
            if keys.contains_key(&key) {
                self.twice.replace(Some(key));
                break;
            }
            keys.insert(key, object.next_value_seed(self)?);
        }
        Ok(Value::Object(keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_that_is_there_twice_is_found_where_it_stands() {
        for (why, text, place) in [
            ("at once", r#"{"a":1,"a":2}"#, Some((1, 10))),
            ("deep", "[{},{\"b\":\n{\"a\":[1],\"a\":2}}]", Some((2, 12))),
            ("broken behind it", r#"{"a":1,"a":"#, Some((1, 10))),
            ("without a value", r#"{"a":1,"a"}"#, None),
            ("and another object", r#"{"a":1,"a",{}}"#, Some((1, 10))),
        ] {
            let want = Err(JsonError::Twice { place, key: "a".into() });
            assert_eq!(parse(text.as_bytes()), want, "{why}");
        }
    }

    #[test]
    fn a_text_that_looks_like_a_place_is_none() {
        let key = "x at line 7 column 9";
        let twice = parse(format!("{{\"{key}\":1,\"{key}\":1}}").as_bytes());
        let place = Some((1, 48));
        assert_eq!(twice, Err(JsonError::Twice { place, key: key.to_owned() }));
    }

    proptest! {
        /// The library's own reader, which takes the last of what is there twice.
        #[test]
        fn what_is_read_is_what_the_library_reads(text in "[{}\\[\\],:\"ab0-9. ]{0,24}") {
            match (parse(text.as_bytes()), serde_json::from_str::<Value>(&text)) {
                (Ok(tree), Ok(want)) => prop_assert_eq!(tree, want),
                (Err(JsonError::Syntax { line, column, .. }), Err(error)) => {
                    prop_assert_eq!((line, column), (error.line(), error.column()));
                }
                (Err(JsonError::Twice { .. }), _) => {}
                (got, want) => prop_assert!(false, "{:?} {:?}", got, want),
            }
        }
    }
}

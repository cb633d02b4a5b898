//! Kinds of lists.

use super::kind::{Kind, OneOf, Words, word};
use super::reader::{Reader, quoted};
use super::text::TOKEN;
use hopspan_core::propagation::baggage;
use hopspan_core::semconv;
use serde_json::{Value, json};
use std::marker::PhantomData;
use std::rc::Rc;

/// Some of a few words, none of them twice.
pub(super) struct ListOf<T>(PhantomData<T>);

/// A list, or the word that leaves it to others what is in it.
pub(super) struct AutoOr<L>(PhantomData<L>);

/// `LEAST` to `MOST` of one kind.
pub(super) struct Each<K, const LEAST: usize, const MOST: usize>(PhantomData<K>);

/// Keys of baggage that become attributes of spans.
pub(super) struct BaggageKeys;

/// Most keys of baggage, and the longest.
const KEYS: usize = 64;
const LONGEST: usize = 256;

/// A list of these values. To `collect` them would be four times the code.
pub(super) fn list(values: impl Iterator<Item = Value>) -> Value {
    let mut list = Vec::new();
    for value in values {
        list.push(value);
    }
    Value::Array(list)
}

/// See [`AutoOr`].
const AUTO: &str = "auto";

impl<L: Kind> Kind for AutoOr<L> {
    type Value = Option<L::Value>;

    fn read(found: &Value, reader: &mut Reader<'_>) -> Option<Self::Value> {
        match found {
            Value::Array(_) => L::read(found, reader).map(Some),
            Value::String(word) if word == AUTO => Some(None),
            _ => {
                reader.wrong("\"auto\" or a list", found);
                None
            }
        }
    }

    fn write(value: &mut Self::Value) -> Option<Value> {
        match value {
            Some(list) => L::write(list),
            None => Some(Value::from(AUTO)),
        }
    }

    fn schema() -> Value {
        json!({ "oneOf": [{ "const": AUTO }, L::schema()] })
    }
}

impl<T: Words> Kind for ListOf<T> {
    type Value = Vec<T>;

    fn read(found: &Value, reader: &mut Reader<'_>) -> Option<Vec<T>> {
        let Some(list) = found.as_array().filter(|it| it.len() <= T::ALL.len()) else {
            reader.wrong(&format!("a list of {} at most", T::ALL.len()), found);
            return None;
        };
        let mut values = Vec::new();
        for (word, number) in list.iter().zip(0..) {
            reader.at_number(number, |reader| match OneOf::<T>::read(word, reader) {
                Some(it) if values.contains(&it) => reader.problem("is there twice".to_owned()),
                it => values.extend(it),
            });
        }
        Some(values)
    }

    fn write(value: &mut Vec<T>) -> Option<Value> {
        Some(list(value.iter().filter_map(word)))
    }

    fn schema() -> Value {
        let (items, most) = (OneOf::<T>::schema(), T::ALL.len());
        json!({ "type": "array", "maxItems": most, "uniqueItems": true, "items": items })
    }
}

impl<K: Kind, const LEAST: usize, const MOST: usize> Kind for Each<K, LEAST, MOST> {
    type Value = Vec<K::Value>;

    fn read(found: &Value, reader: &mut Reader<'_>) -> Option<Self::Value> {
        let Some(list) = found.as_array().filter(|it| (LEAST..=MOST).contains(&it.len())) else {
            reader.wrong(&format!("a list of {LEAST} to {MOST}"), found);
            return None;
        };
        let mut values = Vec::new();
        for (member, number) in list.iter().zip(0..) {
            values.extend(reader.at_number(number, |reader| K::read(member, reader)));
        }
        Some(values)
    }

    fn write(value: &mut Self::Value) -> Option<Value> {
        (value.len() >= LEAST).then(|| list(value.iter_mut().filter_map(K::write)))
    }

    fn schema() -> Value {
        json!({ "type": "array", "minItems": LEAST, "maxItems": MOST, "items": K::schema() })
    }

    fn paths(path: &str, out: &mut Vec<String>) {
        K::paths(&format!("{path}[]"), out);
    }
}

/// Whether spans or resources have an attribute of themselves.
#[inline(never)]
pub(super) fn is_taken(key: &str) -> bool {
    semconv::taken().any(|it| it == key)
}

impl Kind for BaggageKeys {
    type Value = Vec<Rc<str>>;

    fn read(found: &Value, reader: &mut Reader<'_>) -> Option<Self::Value> {
        let Some(list) = found.as_array().filter(|it| it.len() <= KEYS) else {
            reader.wrong("a list of 64 keys at most", found);
            return None;
        };
        let mut keys: Self::Value = Vec::new();
        for (key, number) in list.iter().zip(0..) {
            reader.at_number(number, |reader| match key.as_str() {
                Some(key) if keys.iter().any(|it| **it == *key) => {
                    reader.problem("is there twice".to_owned());
                }
                Some(key) if is_taken(key) => {
                    let key = quoted(key);
                    reader.problem(format!("must not be {key}, an attribute that spans have"));
                }
                Some(key) if baggage::is_key(key.as_bytes()) && key.len() <= LONGEST => {
                    keys.push(key.into());
                }
                _ => reader.wrong("a key of baggage: letters, digits and !#$%&'*+-.^_`|~", key),
            });
        }
        Some(keys)
    }

    fn write(value: &mut Self::Value) -> Option<Value> {
        Some(list(value.iter().map(|it| Value::from(&**it))))
    }

    fn schema() -> Value {
        json!({
            "type": "array",
            "maxItems": KEYS,
            "uniqueItems": true,
            "items": {
                "type": "string",
                "maxLength": LONGEST,
                "pattern": TOKEN,
                "not": { "enum": semconv::taken().collect::<Vec<_>>() },
            },
        })
    }
}

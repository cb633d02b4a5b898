//! Kinds of values: how each is read, checked, written and described.

use super::document;
use super::reader::Reader;
use serde_json::{Map, Value, json};
use std::marker::PhantomData;
use std::time::Duration;

/// What kind of value a key has.
pub(super) trait Kind {
    /// The checked value.
    type Value;

    /// Checks what was found; `None` after noting what is wrong with it.
    fn read(found: &Value, reader: &mut Reader<'_>) -> Option<Self::Value>;

    /// Puts it in the place of `value`, if nothing is wrong with it. A group is read where it
    /// stands: to move one is much code.
    fn read_into(value: &mut Self::Value, found: &Value, reader: &mut Reader<'_>) -> bool {
        let read = Self::read(found, reader);
        read.map(|it| *value = it).is_some()
    }

    /// The value as a document would have it, without secrets; `None` if there is none. It stays
    /// what it is: a group has one way to its keys, for readers and writers. Made by
    /// `Value::from`: `json!` of a variable serialises it and unwraps the result, which is 15 KB
    /// of code.
    fn write(value: &mut Self::Value) -> Option<Value>;

    /// The JSON Schema that allows what [`Kind::read`] takes.
    fn schema() -> Value;

    /// Adds the paths of all keys from here on.
    fn paths(path: &str, out: &mut Vec<String>) {
        out.push(path.to_owned());
    }
}

/// A key's value, with its origin.
pub(super) struct Setting<K: Kind> {
    /// The value.
    pub(super) value: K::Value,
    /// Whether somebody wrote it; a default otherwise.
    pub(super) written: bool,
}

impl<K: Kind> Setting<K> {
    pub(super) fn default(value: K::Value) -> Self {
        Self { value, written: false }
    }
}

/// A setting of whatever kind, for code that is there once and not once for each of them.
pub(super) trait AnySetting {
    /// Takes what was found, if nothing is wrong with it.
    fn read(&mut self, found: &Value, reader: &mut Reader<'_>);

    /// As [`Kind::write`].
    fn write(&mut self) -> Option<Value>;

    /// As [`Kind::paths`].
    fn paths(&self, path: &str, out: &mut Vec<String>);
}

impl<K: Kind> AnySetting for Setting<K> {
    fn read(&mut self, found: &Value, reader: &mut Reader<'_>) {
        self.written = K::read_into(&mut self.value, found, reader);
    }

    fn write(&mut self) -> Option<Value> {
        K::write(&mut self.value)
    }

    fn paths(&self, path: &str, out: &mut Vec<String>) {
        K::paths(path, out);
    }
}

/// `true` or `false`.
pub(super) struct Flag;

/// A whole number of things or bytes.
pub(super) struct Count<const MIN: i64, const MAX: i64>;

/// A whole number of milliseconds.
pub(super) struct Millis<const MIN: i64, const MAX: i64>;

/// A whole number of milliseconds, of which 0 means no limit.
pub(super) struct MillisOrNone<const MAX: i64>;

/// Something that may be left out.
pub(super) struct Maybe<K>(PhantomData<K>);

/// A share of 1.
pub(super) struct Share;

/// One of a few words.
pub(super) struct OneOf<T>(PhantomData<T>);

/// A type whose values have words.
pub(super) trait Words: Copy + PartialEq + 'static {
    /// Each value and its word.
    const ALL: &'static [(&'static str, Self)];
}

// === impl Kind ===

impl Kind for Flag {
    type Value = bool;

    fn read(found: &Value, reader: &mut Reader<'_>) -> Option<bool> {
        let flag = found.as_bool();
        if flag.is_none() {
            reader.wrong("true or false", found);
        }
        flag
    }

    fn write(value: &mut bool) -> Option<Value> {
        Some(Value::Bool(*value))
    }

    fn schema() -> Value {
        json!({ "type": "boolean" })
    }
}

impl<const MIN: i64, const MAX: i64> Kind for Count<MIN, MAX> {
    type Value = usize;

    fn read(found: &Value, reader: &mut Reader<'_>) -> Option<usize> {
        within(found, MIN, MAX, reader).and_then(|it| usize::try_from(it).ok())
    }

    fn write(value: &mut usize) -> Option<Value> {
        Some(Value::from(*value))
    }

    fn schema() -> Value {
        json!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

impl<const MIN: i64, const MAX: i64> Kind for Millis<MIN, MAX> {
    type Value = Duration;

    fn read(found: &Value, reader: &mut Reader<'_>) -> Option<Duration> {
        within(found, MIN, MAX, reader).map(Duration::from_millis)
    }

    fn write(value: &mut Duration) -> Option<Value> {
        u64::try_from(value.as_millis()).ok().map(Value::from)
    }

    fn schema() -> Value {
        Count::<MIN, MAX>::schema()
    }
}

impl<const MAX: i64> Kind for MillisOrNone<MAX> {
    type Value = Option<Duration>;

    fn read(found: &Value, reader: &mut Reader<'_>) -> Option<Option<Duration>> {
        let duration = Millis::<0, MAX>::read(found, reader)?;
        Some((!duration.is_zero()).then_some(duration))
    }

    fn write(value: &mut Option<Duration>) -> Option<Value> {
        Millis::<0, MAX>::write(&mut value.unwrap_or_default())
    }

    fn schema() -> Value {
        Count::<0, MAX>::schema()
    }
}

impl<K: Kind> Kind for Maybe<K> {
    type Value = Option<K::Value>;

    fn read(found: &Value, reader: &mut Reader<'_>) -> Option<Self::Value> {
        K::read(found, reader).map(Some)
    }

    fn write(value: &mut Self::Value) -> Option<Value> {
        value.as_mut().and_then(K::write)
    }

    fn schema() -> Value {
        K::schema()
    }

    fn paths(path: &str, out: &mut Vec<String>) {
        K::paths(path, out);
    }
}

impl Kind for Share {
    type Value = f64;

    fn read(found: &Value, reader: &mut Reader<'_>) -> Option<f64> {
        // Envoy's YAML makes a text of every fraction in a Struct:
        // <https://github.com/envoyproxy/envoy/issues/24410>
        let number = found.as_f64().or_else(|| number(found.as_str()?));
        let share = number.filter(|it| (0.0..=1.0).contains(it));
        if share.is_none() {
            reader.wrong("0 to 1", found);
        }
        share
    }

    fn write(value: &mut f64) -> Option<Value> {
        Some(Value::from(*value))
    }

    fn schema() -> Value {
        json!({ "type": "number", "minimum": 0, "maximum": 1 })
    }
}

impl<T: Words> Kind for OneOf<T> {
    type Value = T;

    fn read(found: &Value, reader: &mut Reader<'_>) -> Option<T> {
        let word = |number| T::ALL.get(number).map(|(word, _): &(&str, T)| *word);
        T::ALL.get(which(found, &word, reader)?).map(|(_, value)| *value)
    }

    fn write(value: &mut T) -> Option<Value> {
        word(value)
    }

    fn schema() -> Value {
        let words: Vec<_> = T::ALL.iter().map(|(word, _)| word).collect();
        json!({ "enum": words })
    }
}

/// The word of a value.
pub(super) fn word<T: Words>(value: &T) -> Option<Value> {
    T::ALL.iter().find(|(_, it)| it == value).map(|(word, _)| Value::from(*word))
}

/// An object of these keys. To `collect` them would sort them first, and sorting is much code.
pub(super) fn object<'a>(keys: impl Iterator<Item = (&'a String, Value)>) -> Value {
    let mut object = Map::new();
    for (key, value) in keys {
        object.insert(key.clone(), value);
    }
    Value::Object(object)
}

/// A number without fraction. `1000.0` is one, because a Struct has no others.
pub(super) fn integer(found: &Value) -> Option<i64> {
    /// Beyond, a floating-point number has no ones.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "whole, and not beyond 2^53")]
    let whole = |it: f64| (it.fract() == 0.0 && it.abs() <= EXACT).then_some(it as i64);
    found.as_i64().or_else(|| found.as_f64().and_then(whole))
}

/// A number in a text, as JSON has them, or with a sign or a point that only YAML allows. The
/// standard library's reader is exact to the last bit, but brings a table of 10 KB.
///
/// Spec: <https://yaml.org/spec/1.2.2/#10214-floating-point>
pub(super) fn number(text: &str) -> Option<f64> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let text = text.strip_suffix('.').unwrap_or(text);
    let zero = if text.starts_with('.') { "0" } else { "" };
    document::parse(format!("{zero}{text}").as_bytes()).ok()?.as_f64()
}

#[inline(never)]
fn within(found: &Value, least: i64, most: i64, reader: &mut Reader<'_>) -> Option<u64> {
    let number = integer(found).filter(|it| (least..=most).contains(it));
    if number.is_none() {
        let broken = found.is_f64() && integer(found).is_none();
        let whole = if broken { "a whole number, " } else { "" };
        reader.wrong(&format!("{whole}{least} to {most}"), found);
    }
    number.and_then(|it| u64::try_from(it).ok())
}

/// The number of the word that was found.
#[inline(never)]
fn which(
    found: &Value,
    word: &dyn Fn(usize) -> Option<&'static str>,
    reader: &mut Reader<'_>,
) -> Option<usize> {
    // "a", "a" or "b", "a", "b" or "c"
    let mut expected = String::new();
    for number in 0.. {
        let Some(known) = word(number) else { break };
        if found.as_str() == Some(known) {
            return Some(number);
        }
        let before = match (number, word(number.saturating_add(1))) {
            (0, _) => "",
            (_, Some(_)) => ", ",
            (_, None) => " or ",
        };
        expected.push_str(&format!("{before}\"{known}\""));
    }
    reader.wrong(&expected, found);
    None
}

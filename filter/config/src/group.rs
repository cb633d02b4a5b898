//! Keys that belong together: declared once, with everything that is to be said of them.

use super::kind::{AnySetting, Kind};
use super::reader::Reader;
use serde_json::{Map, Value, json};

/// Declares a group of keys: what each means, its kind and its default. A key that is a
/// group itself is described there. After `needs` stand the keys that must be written.
///
/// From this come the struct that holds the settings, their reader, the effective
/// configuration and the JSON Schema, so that none can forget a key.
macro_rules! group {
    (
        $(#[doc = $about:literal])+
        struct $name:ident $(needs [$($needed:literal),+])? {
            $( $(#[doc = $meaning:literal])* $key:ident: $kind:ty = $default:expr, )+
        }
    ) => {
        $(#[doc = $about])+
        pub(crate) struct $name {
            $( $(#[doc = $meaning])* pub(crate) $key: $crate::kind::Setting<$kind>, )+
        }

        impl Default for $name {
            #[inline(never)]
            fn default() -> Self {
                Self { $( $key: $crate::kind::Setting::default($default), )+ }
            }
        }

        impl $crate::group::Group for $name {
            const NEEDED: &'static [&'static str] = &[$( $($needed),+ )?];

            fn schema() -> serde_json::Value {
                $crate::group::schema(concat!($($about),+), Self::NEEDED, [$( (
                    const { $crate::group::plain(stringify!($key)) },
                    <$kind as $crate::kind::Kind>::schema(),
                    concat!($($meaning),*),
                    <$kind as $crate::kind::Kind>::write(&mut $default),
                ) ),+])
            }
        }

        impl $crate::group::Keys for $name {
            #[inline(never)]
            fn walk(&mut self, walk: &mut $crate::group::Walk<'_, '_>) {
                $( walk.key(const { $crate::group::plain(stringify!($key)) }, &mut self.$key); )+
            }
        }
    };
}
pub(super) use group;

/// A key that is a word of Rust's, too, has a mark in front there.
pub(super) const fn plain(key: &str) -> &str {
    match key.as_bytes() {
        [b'r', b'#', ..] => key.split_at(2).1,
        _ => key,
    }
}

/// A group of keys.
pub(super) trait Group: Keys + Default {
    /// Keys that must be written.
    const NEEDED: &'static [&'static str];

    /// As [`Kind::schema`].
    fn schema() -> Value;
}

/// Settings by their keys.
pub(super) trait Keys {
    /// Goes from key to key.
    fn walk(&mut self, walk: &mut Walk<'_, '_>);
}

/// What is done with each key of a group.
pub(super) enum Walk<'a, 'r> {
    /// It is read from a document. What keys there are is noted.
    Read(&'a Map<String, Value>, &'a mut Reader<'r>, &'a mut Vec<&'static str>),
    /// It is written into one.
    Write(&'a mut Map<String, Value>),
    /// Its path is added, which begins with that of the group.
    Paths(&'a str, &'a mut Vec<String>),
}

impl Walk<'_, '_> {
    /// The next key.
    #[inline(never)]
    pub(super) fn key(&mut self, key: &'static str, setting: &mut dyn AnySetting) {
        match self {
            Self::Read(object, reader, known) => {
                known.push(key);
                if let Some(found) = object.get(key) {
                    reader.at(key, |reader| setting.read(found, reader));
                }
            }
            Self::Write(object) => {
                if let Some(value) = setting.write() {
                    object.insert(key.to_owned(), value);
                }
            }
            Self::Paths(group, out) => {
                let separator = if group.is_empty() { "" } else { "." };
                setting.paths(&format!("{group}{separator}{key}"), out);
            }
        }
    }
}

impl<G: Group> Kind for G {
    type Value = Self;

    fn read(found: &Value, reader: &mut Reader<'_>) -> Option<Self> {
        let mut group = Self::default();
        read(&mut group, Self::NEEDED, found, reader).then_some(group)
    }

    fn read_into(group: &mut Self, found: &Value, reader: &mut Reader<'_>) -> bool {
        read(group, Self::NEEDED, found, reader)
    }

    fn write(group: &mut Self) -> Option<Value> {
        Some(write(group))
    }

    fn schema() -> Value {
        <Self as Group>::schema()
    }

    fn paths(path: &str, out: &mut Vec<String>) {
        paths(&mut Self::default(), path, out);
    }
}

/// Reads a group, noting all that is wrong in it; `false` if it is none.
#[inline(never)]
fn read(group: &mut dyn Keys, needed: &[&str], found: &Value, reader: &mut Reader<'_>) -> bool {
    let Some(object) = found.as_object() else {
        reader.wrong("an object", found);
        return false;
    };
    let mut known = Vec::new();
    group.walk(&mut Walk::Read(object, reader, &mut known));
    reader.keys(object, &known, needed);
    true
}

#[inline(never)]
fn write(group: &mut dyn Keys) -> Value {
    let mut object = Map::new();
    group.walk(&mut Walk::Write(&mut object));
    Value::Object(object)
}

/// Adds the path of a group, if it has one, and those of all its keys.
#[inline(never)]
fn paths(group: &mut dyn Keys, path: &str, out: &mut Vec<String>) {
    if !path.is_empty() {
        out.push(path.to_owned());
    }
    group.walk(&mut Walk::Paths(path, out));
}

/// The schema of a group: of each key its schema, its meaning and its default.
pub(super) fn schema<const N: usize>(
    about: &str,
    needed: &[&str],
    keys: [(&str, Value, &str, Option<Value>); N],
) -> Value {
    let mut properties = Map::new();
    for (key, mut schema, meaning, default) in keys {
        // A group is described where it is declared, and its default is that of its keys.
        if let (Value::Object(keywords), false) = (&mut schema, meaning.is_empty()) {
            keywords.insert("description".to_owned(), meaning.trim().into());
            keywords.extend(default.map(|it| ("default".to_owned(), it)));
        }
        properties.insert(key.to_owned(), schema);
    }
    let mut schema = json!({
        "type": "object",
        "description": about.trim(),
        "properties": properties,
        "additionalProperties": false,
    });
    if let (Value::Object(keywords), false) = (&mut schema, needed.is_empty()) {
        keywords.insert("required".to_owned(), json!(needed));
    }
    schema
}

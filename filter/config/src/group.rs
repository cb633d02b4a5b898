//! Keys that belong together: declared once, with everything that is to be said of them.

use serde_json::Value;

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
            $( $(#[doc = $meaning])* pub(crate) $key: Setting<$kind>, )+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $key: Setting::default($default), )+ }
            }
        }

        impl Kind for $name {
            type Value = Self;

            fn read(found: &Value, reader: &mut Reader<'_>) -> Option<Self> {
                let object = reader.object(found)?;
                let mut it = Self::default();
                $( it.$key.read(const { plain(stringify!($key)) }, object, reader); )+
                reader.keys(object, &[$( const { plain(stringify!($key)) } ),+], &[$( $($needed),+ )?]);
                Some(it)
            }

            fn write(it: &Self) -> Option<Value> {
                let mut object = Map::new();
                $( it.$key.write(const { plain(stringify!($key)) }, &mut object); )+
                Some(Value::Object(object))
            }

            fn schema() -> Value {
                let mut keys = Map::new();
                $( keys.insert(
                    const { plain(stringify!($key)) }.to_owned(),
                    described(
                        <$kind>::schema(),
                        concat!($($meaning),*),
                        <$kind>::write(&$default),
                    ),
                ); )+
                let needed: &[&str] = &[$( $($needed),+ )?];
                let mut schema = json!({
                    "type": "object",
                    "description": concat!($($about),+).trim(),
                    "properties": keys,
                    "additionalProperties": false,
                });
                if let (Value::Object(schema), false) = (&mut schema, needed.is_empty()) {
                    schema.insert("required".to_owned(), json!(needed));
                }
                schema
            }

            fn paths(path: &str, out: &mut Vec<String>) {
                group_paths(path, &[$( (const { plain(stringify!($key)) }, <$kind>::paths) ),+], out);
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

/// How the paths of a key of a kind are found.
pub(super) type Paths = fn(&str, &mut Vec<String>);

/// Adds the path of a group, if it has one, and those of all its keys.
pub(super) fn group_paths(path: &str, keys: &[(&str, Paths)], out: &mut Vec<String>) {
    let separator = if path.is_empty() { "" } else { "." };
    if !path.is_empty() {
        out.push(path.to_owned());
    }
    for (key, paths) in keys {
        paths(&format!("{path}{separator}{key}"), out);
    }
}

/// A key's schema, with its meaning and its default.
pub(super) fn described(mut schema: Value, meaning: &str, default: Option<Value>) -> Value {
    if let (Value::Object(keywords), false) = (&mut schema, meaning.is_empty()) {
        keywords.insert("description".to_owned(), meaning.trim().into());
        if let Some(default) = default {
            keywords.insert("default".to_owned(), default);
        }
    }
    schema
}

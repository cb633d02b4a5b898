//! `spans.attributes`: what people want spans to tell besides.

use super::unset;
use crate::attributes::Scalar;
use crate::group::group;
use crate::kind::{Kind, Maybe, OneOf, Words, word};
use crate::list::is_taken;
use crate::reader::{Reader, as_json, quoted};
use crate::text::{Anything, HeaderName, Rules, TOKEN, Text};
use hopspan_core::encode;
use hopspan_core::redact::{Counts, Place, Policy};
use hopspan_core::semconv;
use hopspan_core::span::custom;
use serde_json::{Map, Value, json};
use std::rc::Rc;

group! {
    /// An attribute and where its value comes from.
    struct Chosen needs ["key", "from"] {
        /// Its key: none that spans have of themselves.
        key: AttributeKey = Rc::default(),
        /// literal: the value; env: the VM's environment; request_header, response_header,
        /// baggage: what has that name there; property: the proxy's property at the path.
        from: Maybe<OneOf<From>> = None,
        /// What it is called where it comes from.
        name: Text<Anything> = None,
        /// The value itself.
        value: Maybe<Scalar> = None,
        /// Where the property is found: upstream.locality. A part that has dots itself stands in
        /// brackets: metadata.filter_metadata[envoy.lb].canary.
        path: Text<Anything> = None,
        /// What the property holds.
        r#type: Maybe<OneOf<custom::Type>> = None,
    }
}

/// An attribute that somebody has chosen: keys that fit each other.
pub(crate) struct ChosenAttribute;

/// The key of an attribute.
pub(crate) struct AttributeKey;

/// Where an attribute's value comes from.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum From {
    Literal,
    Env,
    RequestHeader,
    ResponseHeader,
    Property,
    Baggage,
}

impl Words for From {
    const ALL: &'static [(&'static str, Self)] = &[
        ("literal", Self::Literal),
        ("env", Self::Env),
        ("request_header", Self::RequestHeader),
        ("response_header", Self::ResponseHeader),
        ("property", Self::Property),
        ("baggage", Self::Baggage),
    ];
}

impl Words for custom::Type {
    const ALL: &'static [(&'static str, Self)] = &[
        ("text", Self::Text),
        ("integer", Self::Integer),
        ("float", Self::Float),
        ("boolean", Self::Boolean),
    ];
}

// === impl Kind ===

/// Attributes with this prefix are hopspan's, also those that it will have one day.
const OWN: &str = "hopspan.";

impl Kind for AttributeKey {
    type Value = Rc<str>;

    fn read(found: &Value, reader: &mut Reader<'_>) -> Option<Rc<str>> {
        let key = found.as_str().filter(|it| Text::<Anything>::allows(it));
        if key.is_some_and(|key| key.starts_with(OWN) || is_taken(key)) {
            let key = quoted(key.unwrap_or_default());
            reader.problem(format!("must not be {key}, an attribute that spans have"));
            return None;
        }
        if key.is_none() {
            reader.wrong(Anything::EXPECTED, found);
        }
        key.map(Into::into)
    }

    fn write(value: &mut Rc<str>) -> Option<Value> {
        Some(Value::from(&**value))
    }

    fn schema() -> Value {
        let taken: Vec<_> = semconv::taken().filter(|it| !it.starts_with(OWN)).collect();
        let mut schema = Text::<Anything>::schema();
        if let Value::Object(schema) = &mut schema {
            let own = json!({ "pattern": r"^hopspan\." });
            schema.insert("not".into(), json!({ "anyOf": [{ "enum": taken }, own] }));
        }
        schema
    }
}

/// Properties that are more than one value.
const WHOLE: [&str; 3] = ["request\0headers", "response\0headers", "response\0trailers"];

impl Kind for ChosenAttribute {
    type Value = Chosen;

    fn read(found: &Value, reader: &mut Reader<'_>) -> Option<Chosen> {
        let it = Chosen::read(found, reader)?;
        let from = it.from.value?;
        let (needed, also) = match from {
            From::Literal => ("value", ""),
            From::Property => ("path", "type"),
            _ => ("name", ""),
        };
        for (key, written) in [
            ("name", it.name.written),
            ("value", it.value.written),
            ("path", it.path.written),
            ("type", it.r#type.written),
        ] {
            if written && key != needed && key != also {
                let word = as_json(&word(&from).unwrap_or_default());
                reader.at(key, |reader| reader.problem(format!("has no meaning from {word}")));
            }
        }
        if found.get(needed).is_none() {
            reader.problem(format!("must have {needed}"));
        }
        let is_token = it.name.value.as_deref().is_none_or(HeaderName::allow);
        if needed == "name" && from != From::Env && !is_token {
            reader.at("name", |reader| {
                reader.problem("must be a name of letters, digits and !#$%&'*+-.^_`|~");
            });
        }
        if let (From::Property, Some(written)) = (from, it.path.value.as_deref()) {
            let path = parts(written);
            let mut ends = [path.bytes().next(), path.bytes().next_back()].into_iter();
            let is_empty = ends.any(|it| it.is_none_or(|it| it == 0));
            reader.at("path", |reader| {
                if is_empty || path.as_bytes().windows(2).any(|it| it == [0, 0]) {
                    let found = Value::from(written);
                    reader.wrong("parts with dots between, like upstream.locality", &found);
                } else if WHOLE.contains(&path.as_str()) {
                    reader.problem("must go on with the name of a header");
                }
            });
        }
        Some(it)
    }

    fn write(value: &mut Chosen) -> Option<Value> {
        Chosen::write(value)
    }

    fn schema() -> Value {
        let case = |words: &[&str], needed: &str, also: &str| {
            let others = ["name", "value", "path", "type"].into_iter();
            let others = others.filter(|it| *it != needed && *it != also);
            let mut keys: Map<_, _> = others.map(|it| (it.to_owned(), json!(false))).collect();
            keys.insert("from".into(), json!({ "enum": words }));
            if also == "token" {
                keys.insert("name".into(), json!({ "pattern": TOKEN }));
            }
            if also == "type" {
                let pattern = r"^[^.\[]+(\.[^.\[]+|\[[^\]]+\][^.\[]*)*$";
                let whole = WHOLE.map(|it| it.replace('\0', "."));
                keys.insert("path".into(), json!({ "pattern": pattern, "not": { "enum": whole } }));
            }
            json!({ "properties": keys, "required": [needed] })
        };
        let mut schema = Chosen::schema();
        if let Value::Object(schema) = &mut schema {
            let named = ["request_header", "response_header", "baggage"];
            let cases = [
                case(&["literal"], "value", ""),
                case(&["env"], "name", ""),
                case(&named, "name", "token"),
                case(&["property"], "path", "type"),
            ];
            schema.insert("oneOf".into(), json!(cases));
        }
        schema
    }

    fn paths(path: &str, out: &mut Vec<String>) {
        Chosen::paths(path, out);
    }
}

// === To core ===

impl Chosen {
    /// The attribute, unless it is a secret of the environment that is to be dropped.
    pub(super) fn settle(
        self,
        redact: &Policy,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<custom::Chosen>, String> {
        let key = self.key.value;
        let mut name = self.name.value.unwrap_or_default();
        let from = match self.from.value {
            Some(From::RequestHeader) => custom::From::RequestHeader,
            Some(From::ResponseHeader) => custom::From::ResponseHeader,
            Some(From::Baggage) => custom::From::Baggage,
            Some(From::Property) => {
                name = parts(self.path.value.as_deref().unwrap_or_default());
                custom::From::Property(self.r#type.value.unwrap_or(custom::Type::Text))
            }
            Some(From::Env) => {
                let value = env(&name).filter(|it| !it.is_empty());
                let Some(value) = value else { return Err(format!("needs {}", unset(&name))) };
                let by = if redact.is_secret(key.as_bytes()) { &*key } else { &name };
                let (by, value, mut counts) = (by.as_bytes(), value.as_bytes(), Counts::default());
                match redact.named(Place::Property, by, value, &mut counts) {
                    Some(value) => custom::From::Settings(custom::Value::Text(value)),
                    None => return Ok(None),
                }
            }
            Some(From::Literal) | None => custom::From::Settings(match self.value.value {
                Some(encode::Value::Integer(it)) => custom::Value::Integer(it),
                Some(encode::Value::Float(it)) => custom::Value::Float(it),
                Some(encode::Value::Flag(it)) => custom::Value::Flag(it),
                Some(encode::Value::Text(it)) => custom::Value::Text(it.into_bytes()),
                None => return Ok(None),
            }),
        };
        if let custom::From::RequestHeader | custom::From::ResponseHeader = from {
            name.make_ascii_lowercase();
        }
        Ok(Some(custom::Chosen { key, name: name.into(), from }))
    }
}

/// The parts of a path, joined by NUL; one that breaks the grammar has an empty part.
///
/// ```text
/// path = part *( "." part / "[" any characters but "]" "]" )
/// part = 1*( any character but "." and "[" )
/// ```
fn parts(path: &str) -> String {
    let mut parts = String::new();
    let mut is_inside = false;
    for it in path.chars() {
        match it {
            '[' if !is_inside => is_inside = true,
            ']' if is_inside => {
                is_inside = false;
                continue;
            }
            '.' if !is_inside => {}
            it => {
                parts.push(it);
                continue;
            }
        }
        parts.push('\0');
    }
    if is_inside {
        parts.push('\0');
    }
    parts
}

//! `spans`: what spans look like, and what they keep to themselves.

use super::attributes::Scalar;
use super::group::{described, group, group_paths, plain};
use super::kind::{Count, Kind, Maybe, OneOf, Setting, Words};
use super::list::{Each, is_taken};
use super::reader::{Reader, as_json, quoted};
use super::rules::Patterns;
use super::text::{Anything, HeaderName, LONGEST, Rules, TOKEN, Text};
use hopspan_core::encode;
use hopspan_core::redact::names::Names;
use hopspan_core::redact::token::Key;
use hopspan_core::redact::{self, Counts, Place, Policy};
use hopspan_core::semconv;
use hopspan_core::span::custom;
use hopspan_core::span::name::{Placeholder, Template};
use hopspan_core::span::{Kinds, Limits, Settings};
use serde_json::{Map, Value, json};
use std::rc::Rc;

/// Most attributes that somebody may choose.
const MOST: usize = 64;

/// The variable with the key of tokens.
const KEY: &str = "HOPSPAN_REDACT_KEY";

group! {
    /// What spans look like.
    struct Spans {
        /// server: the hop as the callee; client: as the caller; both: a client span below a
        /// server span. auto: server on inbound, client on outbound listeners, both on gateways.
        kind: OneOf<Option<Kinds>> = None,
        /// What spans are called: text, {method} (nothing for an RPC), {route} (of an RPC its
        /// method), {host}, {cluster} and {service}. What is not known leaves no blank.
        name: Name = Template::default(),
        /// Further attributes, which come last: a limit drops these first.
        attributes: Each<ChosenAttribute, 0, MOST> = Vec::new(),
        redact: Redact = Redact::default(),
        /// Most attributes of a span; how many were dropped stands beside them.
        attribute_count_limit: Count<1, 1_000> = Limits::default().attribute_count,
        /// Most characters of an attribute's text.
        attribute_value_length_limit: Count<1, 65_536> = Limits::default().attribute_value_length,
    }
}

group! {
    /// What spans do not tell. The user and password before a host never are, nor is the value of
    /// a header, a member of baggage, a property or a part of a URL with the name of a secret,
    /// such as authorization, cookie, token or password.
    struct Redact {
        /// Whose values in a query are not told. all: each key's. listed: those of names. off:
        /// those with the built-in names alone.
        query: OneOf<redact::Query> = redact::Query::All,
        /// Keys of a query whose values are told, unless they have the name of a secret.
        query_allow: Patterns = Vec::new(),
        /// Further names of secrets. Case does not count, nor do - and _.
        names: Patterns = Vec::new(),
        /// What stands where a secret was. mask: REDACTED. drop: nothing, not even its name.
        /// hash: the same token for the same value, by HMAC-SHA-256 with the key that
        /// HOPSPAN_REDACT_KEY has in the VM's environment.
        mode: OneOf<Mode> = Mode::Mask,
        /// What url.path and url.full tell of the path. template: its shape.
        path: OneOf<redact::Path> = redact::Path::Raw,
    }
}

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

/// How spans are called.
pub(super) struct Name;

/// An attribute that somebody has chosen: keys that fit each other.
pub(super) struct ChosenAttribute;

/// The key of an attribute.
pub(super) struct AttributeKey;

/// What stands where a secret was.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mode {
    Mask,
    Drop,
    Hash,
}

/// Where an attribute's value comes from.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum From {
    Literal,
    Env,
    RequestHeader,
    ResponseHeader,
    Property,
    Baggage,
}

impl Words for redact::Query {
    const ALL: &'static [(&'static str, Self)] =
        &[("all", Self::All), ("listed", Self::Listed), ("off", Self::Off)];
}

impl Words for redact::Path {
    const ALL: &'static [(&'static str, Self)] =
        &[("raw", Self::Raw), ("template", Self::Template)];
}

impl Words for Mode {
    const ALL: &'static [(&'static str, Self)] =
        &[("mask", Self::Mask), ("drop", Self::Drop), ("hash", Self::Hash)];
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

impl Kind for Name {
    type Value = Template;

    fn read(found: &Value, reader: &mut Reader<'_>) -> Option<Template> {
        let template = found.as_str().filter(|it| Text::<Anything>::allows(it));
        let template = template.and_then(|it| it.parse().ok());
        if template.is_none() {
            let mut words = String::new();
            for (word, _) in Placeholder::ALL {
                words.push_str(&format!(" {{{word}}}"));
            }
            reader.wrong(&format!("1 to 1024 characters with none in braces but{words}"), found);
        }
        template
    }

    fn write(value: &Template) -> Option<Value> {
        Some(Value::String(value.to_string()))
    }

    fn schema() -> Value {
        let words = Placeholder::ALL.map(|(word, _)| word).join("|");
        let pattern = format!(r"^([^{{]|\{{({words})\}})+$");
        json!({ "type": "string", "maxLength": LONGEST, "pattern": pattern })
    }
}

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

    fn write(value: &Rc<str>) -> Option<Value> {
        Some(json!(**value))
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
                let word = as_json(&OneOf::write(&from).unwrap_or_default());
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

    fn write(value: &Chosen) -> Option<Value> {
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

impl Spans {
    /// What spans look like; keys of baggage become attributes of the same names.
    pub(super) fn settle(
        self,
        baggage: Vec<Rc<str>>,
        reader: &mut Reader<'_>,
        warnings: &mut Vec<String>,
    ) -> Settings {
        let redact = self.redact.value.policy(reader);
        let mut custom = Vec::new();
        for key in baggage {
            let (key, name) = (Rc::clone(&key), key);
            custom.push(custom::Chosen { key, name, from: custom::From::Baggage });
        }
        for (chosen, number) in self.attributes.value.into_iter().zip(0..) {
            let path = format!("spans.attributes[{number}]");
            let key = Rc::clone(&chosen.key.value);
            if custom.iter().any(|it| it.key == key) {
                let message = format!("must not be {}, which is there already", quoted(&key));
                reader.problem_at(&format!("{path}.key"), message);
            }
            match chosen.settle(&redact, reader.env) {
                Ok(chosen) => custom.extend(chosen),
                Err(why) => warnings.push(format!("{path}: {why}, so spans have no {key}")),
            }
        }
        let limits = Limits {
            attribute_count: self.attribute_count_limit.value,
            attribute_value_length: self.attribute_value_length_limit.value,
        };
        Settings { name: self.name.value, redact, custom, limits }
    }
}

impl Redact {
    fn policy(&self, reader: &mut Reader<'_>) -> Policy {
        let Self { query, query_allow, names, mode, path } = self;
        let mode = match mode.value {
            Mode::Mask => redact::Mode::Mask,
            Mode::Drop => redact::Mode::Drop,
            Mode::Hash => {
                let key = (reader.env)(KEY).unwrap_or_default();
                if key.is_empty() {
                    reader.problem_at("spans.redact.mode", format!("needs {}", unset(KEY)));
                }
                redact::Mode::Hash(Key::new(key.as_bytes()))
            }
        };
        Policy {
            query: query.value,
            query_allow: Names::new(&query_allow.value),
            names: Names::new(&names.value),
            mode,
            path: path.value,
        }
    }
}

fn unset(variable: &str) -> String {
    format!("{variable} in the VM's environment_variables; it is not set")
}

impl Chosen {
    /// The attribute, unless it is a secret of the environment that is to be dropped.
    fn settle(
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

//! `spans`: what spans look like, and what they keep to themselves.

mod chosen;

use super::group::group;
use super::kind::{Count, Kind, OneOf, Words};
use super::list::Each;
use super::reader::{Reader, quoted};
use super::rules::Patterns;
use super::text::{Anything, LONGEST, Text};
use chosen::ChosenAttribute;
use hopspan_core::redact::names::Names;
use hopspan_core::redact::token::Key;
use hopspan_core::redact::{self, Policy};
use hopspan_core::span::custom;
use hopspan_core::span::name::{Placeholder, Template};
use hopspan_core::span::{Detail, Kinds, Limits, Settings};
use serde_json::{Value, json};
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
        /// How much the proxy is asked for. minimal: of a request that went well, its status alone.
        /// Its span then tells neither proxy time nor attempts, addresses, cluster, TLS and the
        /// proxy's route, and costs a third less.
        detail: OneOf<Detail> = Detail::Full,
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

/// How spans are called.
pub(super) struct Name;

/// What stands where a secret was.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mode {
    Mask,
    Drop,
    Hash,
}

impl Words for Detail {
    const ALL: &'static [(&'static str, Self)] =
        &[("full", Self::Full), ("minimal", Self::Minimal)];
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

    fn write(value: &mut Template) -> Option<Value> {
        Some(Value::String(value.to_string()))
    }

    fn schema() -> Value {
        let words = Placeholder::ALL.map(|(word, _)| word).join("|");
        let pattern = format!(r"^([^{{]|\{{({words})\}})+$");
        json!({ "type": "string", "maxLength": LONGEST, "pattern": pattern })
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
        Settings { detail: self.detail.value, name: self.name.value, redact, custom, limits }
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

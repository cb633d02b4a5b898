//! A document as a tree in which everything knows its line.

use serde_json::{Map, Number, Value};
use std::borrow::Cow;

/// A value, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The line on which it begins, from 1.
    pub(super) line: usize,
    pub(super) data: Data,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Data {
    Null,
    Bool(bool),
    Number(Number),
    Text(Text),
    List(Vec<Node>),
    /// In the order of the document; no key is there twice.
    Map(Vec<(String, Node)>),
}

/// A text, which may be a document itself.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) text: String,
    /// The line of its first line, where each line of it is one of the document.
    pub(super) first_line: Option<usize>,
}

/// A node, and the way to it.
#[derive(Clone, Debug)]
pub(super) struct At<'a> {
    pub(super) node: &'a Node,
    /// As `yq` writes it: `static_resources.listeners[0]`.
    pub(super) path: Cow<'a, str>,
}

// === impl Node ===

impl Node {
    /// Moves it down by so many lines, with all that it has.
    pub(super) fn shift(&mut self, lines: usize) {
        self.line += lines;
        match &mut self.data {
            Data::Text(Text { first_line: Some(line), .. }) => *line += lines,
            Data::List(members) => members.iter_mut().for_each(|it| it.shift(lines)),
            Data::Map(entries) => entries.iter_mut().for_each(|(_, it)| it.shift(lines)),
            _ => {}
        }
    }

    /// Puts it on one line, with all that it has: where lines of its text are none of the file.
    pub(super) fn flatten(&mut self, line: usize) {
        self.line = line;
        match &mut self.data {
            Data::Text(it) => it.first_line = None,
            Data::List(members) => members.iter_mut().for_each(|it| it.flatten(line)),
            Data::Map(entries) => entries.iter_mut().for_each(|(_, it)| it.flatten(line)),
            _ => {}
        }
    }

    /// The same as JSON; `lines` learns the line of each path, as problems name them.
    pub(super) fn json(&self, path: &str, lines: &mut Vec<(String, usize)>) -> Value {
        lines.push((path.to_owned(), self.line));
        match &self.data {
            Data::Null => Value::Null,
            Data::Bool(it) => Value::Bool(*it),
            Data::Number(it) => Value::Number(it.clone()),
            Data::Text(it) => Value::String(it.text.clone()),
            Data::List(members) => {
                let json = |(number, it): (usize, &Self)| it.json(&member(path, number), lines);
                Value::Array(members.iter().enumerate().map(json).collect())
            }
            Data::Map(entries) => {
                let json =
                    |(key, it): &(String, Self)| (key.clone(), it.json(&entry(path, key), lines));
                Value::Object(entries.iter().map(json).collect::<Map<_, _>>())
            }
        }
    }
}

// === impl At ===

impl<'a> At<'a> {
    pub(super) fn root(node: &'a Node) -> Self {
        Self { node, path: Cow::Borrowed("") }
    }

    /// What stands under a key. Where a document is one of protobuf's, `snake_case` finds
    /// `snakeCase` as well: its JSON may have either.
    pub(super) fn get(&self, key: &str) -> Option<At<'a>> {
        let (key, node) = self.entries().find(|(it, _)| *it == key || is_camel_of(it, key))?;
        Some(At { node, path: Cow::Owned(entry(&self.path, key)) })
    }

    /// What stands under keys in keys.
    pub(super) fn find(&self, keys: &[&str]) -> Option<At<'a>> {
        keys.iter().try_fold(self.clone(), |at, key| at.get(key))
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, &'a Node)> + use<'a> {
        let entries = match &self.node.data {
            Data::Map(entries) => entries.as_slice(),
            _ => &[],
        };
        entries.iter().map(|(key, node)| (key.as_str(), node))
    }

    /// The members of a list; none of anything else.
    pub(super) fn members(&self) -> impl Iterator<Item = At<'a>> + use<'a, '_> {
        let members = match &self.node.data {
            Data::List(members) => members.as_slice(),
            _ => &[],
        };
        let at = |(number, node)| At { node, path: Cow::Owned(member(&self.path, number)) };
        members.iter().enumerate().map(at)
    }

    /// All that it has, of a list or a map.
    pub(super) fn children(&self) -> Vec<At<'a>> {
        let at = |(key, node)| At { node, path: Cow::Owned(entry(&self.path, key)) };
        self.entries().map(at).chain(self.members()).collect()
    }

    /// The members of the list under a key.
    pub(super) fn list(&self, key: &str) -> Vec<At<'a>> {
        self.get(key).iter().flat_map(At::members).collect()
    }

    /// The text here.
    pub(super) fn text(&self) -> Option<&'a str> {
        match &self.node.data {
            Data::Text(it) => Some(&it.text),
            _ => None,
        }
    }

    /// The text under a key.
    pub(super) fn text_of(&self, key: &str) -> Option<&'a str> {
        self.get(key)?.text()
    }

    pub(super) fn is_true(&self) -> bool {
        matches!(&self.node.data, Data::Bool(true)) || self.text() == Some("true")
    }

    /// A number, also where it is written as text.
    pub(super) fn number(&self) -> Option<f64> {
        match &self.node.data {
            Data::Number(it) => it.as_f64(),
            Data::Text(it) => it.text.parse().ok(),
            _ => None,
        }
    }

    /// The name of the message that a protobuf `Any` holds, without its package.
    pub(super) fn kind(&self) -> Option<&'a str> {
        self.text_of("@type")?.rsplit('.').next()
    }

    /// A duration as protobuf and Kubernetes write it (`5s`, `0.25s`, `500ms`, `10m`), in seconds.
    pub(super) fn seconds(&self) -> Option<f64> {
        let text = self.text()?;
        let digits = text.find(|it: char| it != '.' && !it.is_ascii_digit())?;
        let (number, unit) = text.split_at_checked(digits)?;
        let unit = match unit {
            "s" => 1.0,
            "ms" => 0.001,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        Some(number.parse::<f64>().ok()? * unit)
    }
}

/// `sampling` in nothing, `sampling.ratio`, `[\"odd key\"]`: as hopspan's problems have it.
fn entry(path: &str, key: &str) -> String {
    let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-' | '@');
    match (key.chars().all(plain) && !key.is_empty(), path.is_empty()) {
        (false, _) => format!("{path}[{}]", Value::from(key)),
        (true, true) => key.to_owned(),
        (true, false) => format!("{path}.{key}"),
    }
}

fn member(path: &str, number: usize) -> String {
    format!("{path}[{number}]")
}

/// Whether `camel` is protobuf's JSON name of the field `snake`.
fn is_camel_of(camel: &str, snake: &str) -> bool {
    let mut words = snake.split('_');
    let mut rest = words.next().and_then(|first| camel.strip_prefix(first));
    for word in words {
        let mut letters = word.chars();
        let first = letters.next().map(|it| it.to_ascii_uppercase());
        rest = first.and_then(|it| rest?.strip_prefix(it)?.strip_prefix(letters.as_str()));
    }
    rest == Some("")
}

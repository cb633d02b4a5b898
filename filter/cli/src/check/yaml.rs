//! YAML and JSON, read into nodes.

use super::node::{Data, Node, Text};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};
use serde_json::Number;
use std::collections::HashMap;
use std::fmt;

/// Why a text is no YAML that one could judge.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct YamlError {
    /// From 1.
    pub(super) line: usize,
    pub(super) what: String,
}

/// Reads all documents of a text.
///
/// # Errors
///
/// The first place that is no YAML, has a key twice, or is built to fill memory.
pub(super) fn read(text: &str) -> Result<Vec<Node>, YamlError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader =
        Reader { parser: Parser::new_from_str(text), anchors: HashMap::new(), left: MOST };
    let mut documents = Vec::new();
    while let Some((event, span)) = reader.next()? {
        match event {
            Event::StreamStart | Event::StreamEnd | Event::Nothing => {}
            Event::DocumentStart(_) | Event::DocumentEnd => {}
            event => documents.push(reader.node(event, span, DEPTH)?),
        }
    }
    Ok(documents)
}

/// The most values in a text, those that its aliases repeat included.
const MOST: usize = 1_000_000;
/// As deep as `serde_json` follows JSON.
const DEPTH: usize = 127;

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    /// How many more values there may be.
    left: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, YamlError> {
        self.parser.next_event().transpose().map_err(|it| YamlError::of(&it))
    }

    /// The next event within a value.
    fn within(&mut self, begun: Span) -> Result<(Event<'a>, Span), YamlError> {
        self.next()?.ok_or_else(|| YamlError::new(begun, "does not end"))
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, YamlError> {
        let depth =
            depth.checked_sub(1).ok_or_else(|| YamlError::new(span, "is nested too deeply"))?;
        self.count(1, span)?;
        let (data, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = tag.is_some_and(|it| it.suffix == "str");
                (scalar(&text, style, is_text, span), anchor)
            }
            Event::SequenceStart(anchor, _) => {
                let mut members = Vec::new();
                loop {
                    match self.within(span)? {
                        (Event::SequenceEnd, _) => break (Data::List(members), anchor),
                        (event, span) => members.push(self.node(event, span, depth)?),
                    }
                }
            }
            Event::MappingStart(anchor, _) => (self.map(span, depth)?, anchor),
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node = node.ok_or_else(|| YamlError::new(span, "is an alias of itself"))?;
                self.count(size(&node), span)?;
                return Ok(node);
            }
            _ => return Err(YamlError::new(span, "is no value")),
        };
        let node = Node { line: span.start.line(), data };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn map(&mut self, begun: Span, depth: usize) -> Result<Data, YamlError> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        loop {
            let (key, at) = match self.within(begun)? {
                (Event::MappingEnd, _) => return Ok(Data::Map(entries)),
                (Event::Scalar(text, ..), span) => (text.into_owned(), span),
                (_, span) => return Err(YamlError::new(span, "is no key, but a list or a map")),
            };
            if entries.iter().any(|(it, _)| *it == key) {
                return Err(YamlError::new(at, &format!("the key {key:?} is there twice")));
            }
            let (event, span) = self.within(begun)?;
            let mut node = self.node(event, span, depth)?;
            // Where one looks for it; a block under a key begins on the next line.
            node.line = at.start.line();
            entries.push((key, node));
        }
    }

    fn count(&mut self, values: usize, span: Span) -> Result<(), YamlError> {
        let left = self.left.checked_sub(values);
        self.left =
            left.ok_or_else(|| YamlError::new(span, "has more values than can be judged"))?;
        Ok(())
    }
}

fn size(node: &Node) -> usize {
    match &node.data {
        Data::List(members) => members.iter().fold(1, |sum, it| sum + size(it)),
        Data::Map(entries) => entries.iter().fold(1, |sum, (_, it)| sum + size(it)),
        _ => 1,
    }
}

fn scalar(text: &str, style: ScalarStyle, is_text: bool, span: Span) -> Data {
    if style == ScalarStyle::Plain && !is_text {
        return plain(text);
    }
    // Line for line only in this style. Its span begins behind its empty lines.
    let empty = text.len() - text.trim_start_matches('\n').len();
    let first_line =
        (style == ScalarStyle::Literal).then(|| span.start.line().saturating_sub(empty).max(1));
    Data::Text(Text { text: text.to_owned(), first_line })
}

/// A scalar without quotes, as the proxies and Kubernetes read it.
///
/// Spec: <https://yaml.org/spec/1.2.2/#1032-tag-resolution>, and the words for truth of
/// <https://yaml.org/type/bool.html>, which both still know.
fn plain(text: &str) -> Data {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Data::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
            return Data::Bool(true);
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            return Data::Bool(false);
        }
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let looks_like_one = digits.starts_with(|it: char| it.is_ascii_digit() || it == '.')
        && digits.ends_with(|it: char| it.is_ascii_digit() || it == '.');
    let whole = || text.parse::<i64>().ok().map(Number::from);
    let hex = || i64::from_str_radix(text.strip_prefix("0x")?, 16).ok().map(Number::from);
    let real = || text.parse::<f64>().ok().and_then(Number::from_f64);
    let number = if text.starts_with("0x") { hex() } else { whole().or_else(real) };
    match number.filter(|_| looks_like_one || text.starts_with("0x")) {
        Some(number) => Data::Number(number),
        None => Data::Text(Text { text: text.to_owned(), first_line: None }),
    }
}

// === impl YamlError ===

impl YamlError {
    fn new(span: Span, what: &str) -> Self {
        Self { line: span.start.line(), what: what.to_owned() }
    }

    fn of(error: &ScanError) -> Self {
        Self { line: error.marker().line(), what: error.info().to_owned() }
    }
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::node::At;

    #[test]
    fn a_block_of_text_knows_its_first_line() {
        for (why, text) in [
            ("right below", "a: |\n  x\n  y\n"),
            ("after an empty line", "a: |\n\n  x\n"),
            ("with an indentation that is said", "a: |2\n    x\n"),
            ("without its last line break", "a: |-\n  x\n\n"),
            ("behind a comment", "a: | # as follows\n  x\n"),
            ("without a line break at the end", "a: |\n  x"),
            ("after empty lines", "b: 1\na: |\n\n\n  x\n"),
        ] {
            let documents = read(text).unwrap();
            let Some(At { node, .. }) = At::root(&documents[0]).get("a") else { panic!("{why}") };
            let Data::Text(it) = &node.data else { panic!("{why}") };
            let lines: Vec<_> = text.lines().skip(it.first_line.unwrap() - 1).collect();
            for (line, of_text) in it.text.lines().zip(&lines) {
                assert_eq!(line.trim(), of_text.trim(), "{why}");
            }
        }
    }
}

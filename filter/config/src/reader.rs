//! The place in a document where its reader is, and what it noticed on its way.

use super::Problem;
use super::keys::Document;
use super::kind::integer;
use super::nearest;
use serde_json::{Map, Value};

/// Goes through a document and keeps notes.
pub(super) struct Reader<'a> {
    /// A variable of the environment, for `${NAME}`.
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
    /// What is wrong, in the order of the keys.
    pub(super) problems: Vec<Problem>,
    /// Paths of keys that are none of hopspan's.
    pub(super) unknown: Vec<String>,
    path: String,
}

/// The most characters of a document's own text in a message.
const QUOTED: usize = 60;

/// As many keys as objects may always have.
const SOME: usize = 64;

impl<'a> Reader<'a> {
    pub(super) fn new(env: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { env, problems: Vec::new(), unknown: Vec::new(), path: String::new() }
    }

    /// Reads what stands under `key`.
    pub(super) fn at<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let parent = self.enter(key);
        let it = read(self);
        self.leave(parent);
        it
    }

    /// Takes the last key from the path.
    #[inline(never)]
    fn leave(&mut self, parent: usize) {
        self.path.truncate(parent);
    }

    /// Adds `key` to the path; returns the length that it had.
    #[inline(never)]
    fn enter(&mut self, key: &str) -> usize {
        let parent = self.path.len();
        let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-');
        if key.is_empty() || !key.chars().all(plain) {
            self.path.push('[');
            self.path.push_str(&quoted(key));
            self.path.push(']');
        } else {
            if parent > 0 {
                self.path.push('.');
            }
            self.path.push_str(&shortened(key));
        }
        parent
    }

    /// Notes the keys of an object that are none of `known`, and those of `needed` that it lacks.
    #[inline(never)]
    pub(super) fn keys(&mut self, object: &Map<String, Value>, known: &[&str], needed: &[&str]) {
        for key in object.keys().filter(|it| !known.contains(&it.as_str())) {
            self.at(key, Self::unknown);
        }
        for needed in needed.iter().filter(|it| !object.contains_key(**it)) {
            self.problem(format!("must have {needed}"));
        }
    }

    /// Reads a member of a list.
    pub(super) fn at_number<T>(&mut self, number: usize, read: impl FnOnce(&mut Self) -> T) -> T {
        let parent = self.enter_number(number);
        let it = read(self);
        self.leave(parent);
        it
    }

    #[inline(never)]
    fn enter_number(&mut self, number: usize) -> usize {
        let parent = self.path.len();
        self.path.push_str(&format!("[{number}]"));
        parent
    }

    /// Notes that the value here is not `expected`.
    #[inline(never)]
    pub(super) fn wrong(&mut self, expected: &str, found: &Value) {
        self.problem(format!("must be {expected}, not {}", named(found)));
    }

    /// The same for a value that must not be shown.
    pub(super) fn wrong_secret(&mut self, expected: &str, found: &Value) {
        let found = match found {
            Value::String(_) => "the hidden text that is there",
            Value::Number(_) => "a number",
            it => return self.wrong(expected, it),
        };
        self.problem(format!("must be {expected}, not {found}"));
    }

    /// Notes a problem here.
    pub(super) fn problem(&mut self, message: impl Into<String>) {
        let path = if self.path.is_empty() { "document" } else { &self.path }.to_owned();
        self.problem_at(&path, message.into());
    }

    /// Notes a problem at `path`, after reading.
    #[inline(never)]
    pub(super) fn problem_at(&mut self, path: &str, message: String) {
        self.problems.push(Problem { path: path.to_owned(), message });
    }

    /// Notes that the key here is none of hopspan's.
    pub(super) fn unknown(&mut self) {
        self.unknown.push(self.path.clone());
    }

    /// Makes a problem of every unknown key.
    pub(super) fn refuse_unknown_keys(&mut self) {
        let known = Document::all_paths();
        for path in std::mem::take(&mut self.unknown) {
            let hint = hint(&path, &known);
            self.problem_at(&path, format!("is no key of hopspan{hint}"));
        }
    }

    /// A line for each unknown key, but not for thousands of them.
    pub(super) fn unknown_keys(&self) -> Vec<String> {
        const LINES: usize = 20;
        let known = Document::all_paths();
        let line = |path: &String| format!("{path}: is no key of hopspan{}", hint(path, &known));
        let mut lines: Vec<_> = self.unknown.iter().take(LINES).map(line).collect();
        let more = self.unknown.len().saturating_sub(LINES);
        if more > 0 {
            lines.push(format!("{more} more keys are none of hopspan's"));
        }
        lines
    }
}

fn hint(path: &str, known: &[String]) -> String {
    nearest::key(path, known).map(|it| format!("; is it {it}?")).unwrap_or_default()
}

/// A value as messages show it. Objects and lists are not shown: there could be a secret in them.
fn named(value: &Value) -> String {
    match value {
        Value::Object(it) if it.len() > SOME => format!("an object of {}", it.len()),
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::String(text) => quoted(text),
        // 50.0 is 50: a Struct has no other numbers.
        Value::Number(_) => integer(value).map_or_else(|| as_json(value), |it| it.to_string()),
        Value::Null | Value::Bool(_) => as_json(value),
    }
}

/// Somebody's text on one line, in quotes.
pub(super) fn quoted(text: &str) -> String {
    as_json(&Value::from(shortened(text)))
}

/// A value as JSON text. Its `Display` could indent it, too, and is twice the code.
pub(super) fn as_json(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(QUOTED).and_then(|(end, _)| text.get(..end)) {
        Some(start) => format!("{start}..."),
        None => text.to_owned(),
    }
}

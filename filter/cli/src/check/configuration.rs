//! hopspan's configuration in its place: read as the filter reads it, each problem on its line.

use super::finding::{Finding, Findings, Rule, Weight};
use super::node::{At, Data, Text};
use super::scene::{Given, Instance, Platform};
use super::yaml;
use hopspan_config::{self as config, Surroundings, VARIABLES};
use hopspan_core::base64;
use hopspan_core::config::Config;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeSet;

/// The bytes that the filter gets, and on which lines they stand.
struct Source {
    bytes: Vec<u8>,
    /// The line of each path in the configuration.
    lines: Vec<(String, usize)>,
    /// The file's line before the first one of the configuration, where its lines are lines of the file.
    offset: Option<usize>,
}

/// Reads the configuration of an instance; `None` if the filter would refuse it.
pub(super) fn judge(instance: &Instance<'_>, findings: &mut Findings) -> Option<Config> {
    let Instance { file, at, given, .. } = instance;
    form(instance, findings);
    let source = Source::of(given)?;
    let mut note = |weight, path: &str, message: String| {
        let line = Some(source.line(path).unwrap_or(at.node.line));
        let (rule, path) = (Rule::Configuration, path.to_owned());
        findings.all.push(Finding { weight, rule, file: *file, line, path, message });
    };
    let asked = RefCell::new(BTreeSet::new());
    let env = |variable: &str| match &instance.environment {
        Some(known) => known.get(variable).map(|it| it.clone().unwrap_or_else(|| "set".to_owned())),
        // A configuration alone does not say what the VM is given: OpenTelemetry's variables count
        // as unset, those that it asks for as set. This machine's environment is not the proxy's.
        None => (!VARIABLES.contains(&variable)).then(|| {
            asked.borrow_mut().insert(variable.to_owned());
            "set".to_owned()
        }),
    };
    let node_id = &*instance.node_id;
    let around = Surroundings { node_id, node_cluster: "", metadata: &|_| None, env: &env };
    let config = match config::read_strictly(&source.bytes, &around) {
        Ok(config) => config,
        Err(problems) => {
            for config::Problem { path, message } in problems.0 {
                note(Weight::Problem, &path, message);
            }
            return None;
        }
    };
    for warning in &config.warnings {
        match warning.split_once(": ") {
            Some((path, message)) if !path.contains(' ') => {
                note(Weight::Warning, path, message.to_owned());
            }
            _ => note(Weight::Warning, "", warning.clone()),
        }
    }
    for variable in asked.into_inner() {
        note(Weight::Note, "", format!("needs {variable} in the VM's environment_variables"));
    }
    Some(config)
}

/// The text under these keys and the line of it, whether the filter would take the rest or not.
pub(super) fn text_at(instance: &Instance<'_>, keys: [&str; 2]) -> Option<(String, usize)> {
    let source = Source::of(&instance.given)?;
    let document: Value = serde_json::from_slice(&source.bytes).ok()?;
    let text = keys.iter().try_fold(&document, |it, key| it.get(key))?.as_str()?.to_owned();
    Some((text, source.line(&keys.join(".")).unwrap_or(instance.at.node.line)))
}

/// What is to be said of the form alone.
fn form(instance: &Instance<'_>, findings: &mut Findings) {
    let rule = Rule::ConfigurationForm;
    match &instance.given {
        Given::Unreadable(at, message) => {
            findings.add((Weight::Problem, rule), instance.file, at, message.clone());
        }
        Given::Struct(at) => findings.add(
            (Weight::Note, rule),
            instance.file,
            at,
            "is a Struct, which works; its numbers are doubles, so a whole number above \
             2^53 becomes another one, and the proxy passes it on in binary. A StringValue with \
             JSON arrives as it is written",
        ),
        Given::Nothing if instance.platform != Platform::Bare => findings.add(
            (Weight::Warning, rule),
            instance.file,
            &instance.at,
            "gives hopspan no configuration: it passes trace context on, and exports nothing",
        ),
        _ => {}
    }
}

// === impl Source ===

impl Source {
    fn of(given: &Given<'_>) -> Option<Self> {
        match given {
            Given::Nothing => Some(Self { bytes: b"{}".to_vec(), lines: Vec::new(), offset: None }),
            Given::Bytes(bytes) => Some(Self::text(bytes.to_vec(), 0)),
            Given::Text(at) => Some(Self::in_file(at, at.text()?.as_bytes().to_vec())),
            Given::Base64(at) => Some(Self::in_file(at, base64::decode(at.text()?.as_bytes())?)),
            Given::Tree(at) | Given::Struct(at) => {
                let mut lines = Vec::new();
                let bytes = at.node.json("", &mut lines).to_string().into_bytes();
                Some(Self { bytes, lines, offset: None })
            }
            Given::Unreadable(..) => None,
        }
    }

    /// Where its lines are none of the file's, all of it stands on one.
    fn in_file(at: &At<'_>, bytes: Vec<u8>) -> Self {
        match &at.node.data {
            Data::Text(Text { first_line: Some(line), .. }) => Self::text(bytes, line - 1),
            _ => Self { bytes, lines: vec![(String::new(), at.node.line)], offset: None },
        }
    }

    /// JSON, whose lines are found by reading it as the YAML that it is.
    fn text(bytes: Vec<u8>, offset: usize) -> Self {
        let mut lines = Vec::new();
        let text = String::from_utf8_lossy(&bytes);
        if let Some(mut node) = yaml::read(&text).ok().and_then(|it| it.into_iter().next()) {
            node.shift(offset);
            node.json("", &mut lines);
        }
        Self { bytes, lines, offset: Some(offset) }
    }

    /// The line of a path, or of what it is in, or the line that a problem of syntax names.
    fn line(&self, path: &str) -> Option<usize> {
        if let Some(place) = path.strip_prefix("line ") {
            let line: usize = place.split(' ').next()?.parse().ok()?;
            return Some(self.offset? + line);
        }
        let mut path = if path == "document" { "" } else { path };
        loop {
            if let Some((_, line)) = self.lines.iter().find(|(it, _)| it == path) {
                return Some(*line);
            }
            if path.is_empty() {
                return None;
            }
            path = path.rfind(['.', '[']).and_then(|end| path.get(..end)).unwrap_or_default();
        }
    }
}

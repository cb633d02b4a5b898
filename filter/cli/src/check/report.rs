//! What was found, for people and for programs.

use super::files::File;
use super::finding::{Finding, Findings, Weight};
use super::scene::Instance;
use crate::harmless;
use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The findings as lines, and a word on each file that is fine.
pub(super) fn text(files: &[File], found: &Findings, counts: &[usize], has_colour: bool) -> String {
    let mut out = String::new();
    for (number, file) in files.iter().enumerate() {
        let of_file: Vec<_> = found.all.iter().filter(|it| it.file == number).collect();
        for finding in &of_file {
            line(&mut out, &file.name, finding, has_colour);
        }
        if of_file.iter().all(|it| it.weight != Weight::Problem) {
            let counted = match (file.is_bare(), counts.get(number).copied().unwrap_or_default()) {
                (true, _) | (_, 0) => String::new(),
                (false, 1) => ", hopspan is there once".to_owned(),
                (false, count) => format!(", hopspan is there {count} times"),
            };
            let ok = paint("OK", AnsiColor::Green.on_default(), has_colour);
            let _ = writeln!(out, "{}: {ok}{counted}", harmless(&file.name));
        }
    }
    out
}

fn line(out: &mut String, file: &str, finding: &Finding, has_colour: bool) {
    let Finding { weight, rule: _, file: _, line, path, message } = finding;
    let line = line.map(|it| format!(":{it}")).unwrap_or_default();
    let weight = match weight {
        // As ever: what has no word for its weight is a problem.
        Weight::Problem => String::new(),
        Weight::Warning => paint("warning: ", AnsiColor::Yellow.on_default(), has_colour),
        Weight::Note => paint("note: ", AnsiColor::Cyan.on_default(), has_colour),
    };
    let place = paint(&format!("{file}{line}"), Style::new().bold(), has_colour);
    let path = if path.is_empty() { String::new() } else { format!("{path}: ") };
    let path = match finding.weight {
        Weight::Problem => paint(&path, AnsiColor::Red.on_default(), has_colour),
        _ => path,
    };
    let _ = writeln!(out, "{place}: {weight}{path}{}", harmless(message));
}

fn paint(text: &str, style: Style, has_colour: bool) -> String {
    let text = harmless(text);
    if has_colour && !text.is_empty() { format!("{style}{text}{style:#}") } else { text }
}

/// The same for programs: the findings, and each instance with what its configuration means.
pub(super) fn json(
    files: &[File],
    found: &Findings,
    instances: &[(&Instance<'_>, Option<Value>)],
    is_ok: bool,
) -> Value {
    let name = |number: usize| files.get(number).map_or("", |it| &it.name);
    let instances: Vec<_> = instances
        .iter()
        .map(|(it, effective)| {
            json!({
                "file": name(it.file), "line": it.at.node.line, "path": it.at.path,
                "platform": it.platform.name(), "effective": effective,
            })
        })
        .collect();
    let findings: Vec<_> = found.all.iter().map(|it| it.json(name(it.file))).collect();
    json!({ "ok": is_ok, "instances": instances, "findings": findings })
}

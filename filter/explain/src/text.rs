//! An explanation for people.

use crate::changes::{Change, Kind};
use crate::lacking::Lacking;
use crate::{Explanation, Item};
use anstyle::{AnsiColor, Style};
use std::fmt::Write as _;

const HEADING: Style = Style::new().bold();
const WORDS: Style = Style::new().dimmed();
const YES: Style = AnsiColor::Green.on_default().bold();
const NO: Style = AnsiColor::Yellow.on_default().bold();

/// Writes an explanation, in colours or without.
#[must_use]
pub fn write(explanation: &Explanation, has_colour: bool) -> String {
    let Explanation {
        summary,
        line: _,
        items,
        request,
        response,
        untold,
        stats,
        lacking,
        idle,
        warnings: _,
    } = explanation;
    let mut page = Page { text: String::new(), has_colour };
    let (verdict, reason) = summary.split_once(':').unwrap_or((summary, ""));
    let style = if verdict == "Sampled" { YES } else { NO };
    let verdict = page.painted(style, &format!("{verdict}:"));
    page.line(&format!("{verdict}{reason}"));

    page.heading("why", !items.is_empty());
    let keys = width(items.iter().map(|it| &*it.key));
    // Only a trace-id is longer, and words behind it need not move all others.
    let values = width(items.iter().map(|it| &*it.value).filter(|it| it.len() < 32));
    for Item { key, value, meaning } in items {
        let words = page.painted(WORDS, meaning);
        page.line(&format!("  {key:keys$}  {value:values$}  {words}"));
    }
    let none = "no trace header comes, and none goes on";
    page.changes("request headers", request, Some(none));
    page.changes("response headers", response, untold.as_deref());
    page.heading("counted, in the proxy's stats as wasmcustom.*", !stats.is_empty());
    for (name, by) in stats {
        page.line(&format!("  {by:+}  {name}"));
    }
    page.heading("not given, though the answer may depend on it", !lacking.is_empty());
    let options = width(lacking.iter().map(|it| it.option));
    for Lacking { option, assumed, by } in lacking {
        let by = by.join(", ");
        page.line(&format!("  {option:options$}  asked by {by}; assumed: {assumed}"));
    }
    page.heading("given, though nothing depended on it", !idle.is_empty());
    idle.iter().for_each(|it| page.line(&format!("  {it}")));
    page.text
}

struct Page {
    text: String,
    has_colour: bool,
}

// === impl Page ===

impl Page {
    fn line(&mut self, text: &str) {
        self.text += text.trim_end();
        self.text.push('\n');
    }

    fn heading(&mut self, title: &str, has_lines: bool) {
        if has_lines {
            let title = self.painted(HEADING, title);
            self.line("");
            self.line(&title);
        }
    }

    fn changes(&mut self, title: &str, changes: &[Change], none: Option<&str>) {
        self.heading(title, !changes.is_empty() || none.is_some());
        if let Some(none) = none.filter(|_| changes.is_empty()) {
            self.line(&format!("  none: {none}"));
        }
        for change in changes {
            let kind = change.kind();
            let present = if kind == Kind::Removed { &change.before } else { &change.after };
            for value in present {
                let (name, value) = (safe(change.name.as_bytes()), safe(value));
                self.line(&format!("  {:<7}  {name}: {value}", kind.name()));
            }
            for value in change.before.iter().filter(|_| kind == Kind::Changed) {
                let (name, value) = (safe(change.name.as_bytes()), safe(value));
                let was = self.painted(WORDS, &format!("{name}: {value}"));
                self.line(&format!("  {:>7}  {was}", "was"));
            }
        }
    }

    fn painted(&self, style: Style, text: &str) -> String {
        match self.has_colour && !text.is_empty() {
            true => format!("{style}{text}{style:#}"),
            false => text.to_owned(),
        }
    }
}

fn width<'a>(column: impl Iterator<Item = &'a str>) -> usize {
    column.map(str::len).max().unwrap_or_default()
}

/// Text that does nothing to a terminal: what is not visible ASCII is `\xNN`.
fn safe(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text {
        match byte {
            b'\\' => out += r"\\",
            b' '..=b'~' => out.push(char::from(*byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(out, r"\x{byte:02x}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        for (text, want) in [
            ("a=\"1\", b='2'", "a=\"1\", b='2'"),
            ("\u{1b}[2J\t", r"\x1b[2J\x09"),
            (r"a\x1b", r"a\\x1b"),
            ("caf\u{e9}\u{9b}", r"caf\xc3\xa9\xc2\x9b"),
        ] {
            assert_eq!(safe(text.as_bytes()), want);
        }
    }

    #[test]
    fn colours_are_for_terminals_alone() {
        let explanation = Explanation {
            summary: "Sampled: why.".to_owned(),
            line: None,
            items: Vec::new(),
            request: Vec::new(),
            response: Vec::new(),
            untold: None,
            stats: Vec::new(),
            lacking: Vec::new(),
            idle: Vec::new(),
            warnings: Vec::new(),
        };
        let plain =
            "Sampled: why.\n\nrequest headers\n  none: no trace header comes, and none goes on\n";
        assert_eq!(write(&explanation, false), plain);
        let painted = plain
            .replace("Sampled:", "\u{1b}[1m\u{1b}[32mSampled:\u{1b}[0m")
            .replace("request headers", "\u{1b}[1mrequest headers\u{1b}[0m");
        assert_eq!(write(&explanation, true), painted);
    }
}

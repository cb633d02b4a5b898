//! One trace as text: a tree on the left, aligned columns, a small time line.

use std::collections::HashSet;
use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::span::{Span, SpanKind, key};
use crate::store::Summary;
use crate::trace::{Branch, Trace};

/// Where the text goes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Medium {
    /// Columns of a line. The time line takes what is left; the table may need more.
    pub width: usize,
    /// Whether escape sequences for colours are understood.
    pub colour: bool,
}

impl Medium {
    /// A file or a pipe.
    pub const PLAIN: Self = Self { width: 120, colour: false };

    /// Standard output as it is: its width, and colour if it is a terminal and `NO_COLOR`
    /// is not set (<https://no-color.org>).
    #[must_use]
    pub fn of_stdout() -> Self {
        if !io::stdout().is_terminal() {
            return Self::PLAIN;
        }
        let width = terminal_size::terminal_size().map_or(Self::PLAIN.width, |it| it.0.0.into());
        let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { width, colour }
    }

    fn paint(self, style: Style, text: &str) -> String {
        let visible = self.colour && style != PLAIN && !text.is_empty();
        if visible { format!("{style}{text}{style:#}") } else { text.into() }
    }
}

/// Draws a trace: a heading, the names of the columns, one line for each span.
#[must_use]
pub fn tree(trace: &Trace, medium: Medium) -> String {
    let branches = trace.branches();
    let mut rows =
        vec![COLUMNS.map(|(title, align)| Cell { text: title.into(), style: DIM, align })];
    rows.extend(branches.iter().map(|branch| row(trace, branch)));

    let widths: [usize; COLUMNS.len()] =
        std::array::from_fn(|i| rows.iter().map(|row| row[i].width()).max().unwrap_or(0));
    let table: usize = widths.iter().map(|width| width + GAP.len()).sum();
    let line = TimeLine::new(trace, medium.width.saturating_sub(table));

    let mut text = heading(trace, medium);
    let bars = std::iter::once(None).chain(branches.iter().map(|branch| Some(branch.span)));
    for (row, span) in rows.iter().zip(bars) {
        let mut out = String::new();
        for (cell, width) in row.iter().zip(widths) {
            out += &cell.painted(width, medium);
            out += GAP;
        }
        if let (Some(line), Some(span)) = (&line, span) {
            out += &medium.paint(if span.failed { RED } else { DIM }, &line.bar(span));
        }
        text += out.trim_end();
        text.push('\n');
    }
    text
}

/// One line about everything that the store holds.
#[must_use]
pub fn summary(summary: &Summary) -> String {
    let Summary { whole, incomplete, arriving, counts } = summary;
    let mut text = format!(
        "{} kept: {whole} whole, {incomplete} incomplete",
        traces(whole + incomplete + arriving)
    );
    if *arriving > 0 {
        let _ = write!(text, ", {arriving} arriving");
    }
    let _ = write!(text, "; {} received", spans(counts.received));
    for (count, what) in [
        (counts.duplicates, "sent twice"),
        (counts.refused, "refused (trace too long)"),
        (counts.evicted, "gone with their old traces"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    text
}

/// `GET /products/1: 200 in 12.34 ms, ...` and the trace-id, which is what one searches for.
fn heading(trace: &Trace, medium: Medium) -> String {
    let tops = trace.tops();
    let Some(top) = tops.first().copied().or(trace.spans.first()) else {
        return format!("trace {}, no spans\n", trace.id);
    };
    let mut text = String::new();
    let _ = write!(text, "{}", medium.paint(BOLD, &clean(&request(top), 60)));
    let _ = write!(text, ": {} in {}", outcome(top), millis(top.duration()));
    let services: HashSet<&str> = trace.spans.iter().map(|span| &*span.service).collect();
    let _ = write!(
        text,
        ", {} of {}",
        spans(trace.spans.len() as u64),
        plural(services.len() as u64, "service")
    );
    if let Some(held) = held(trace, top) {
        let _ = write!(text, ", {}", medium.paint(PROXY, &held));
    }
    let _ = write!(text, "\n{}", medium.paint(DIM, &format!("trace {}", trace.id)));
    if let Some(reason) = sampling_reason(trace) {
        let _ = write!(text, ", sampling reason: {}", clean(reason, 24));
    }
    if !trace.is_whole() {
        let missing = tops.iter().filter(|top| top.parent.is_some()).count();
        let what = match missing {
            0 => "incomplete: more than one root".to_owned(),
            _ => format!("incomplete: the parent of {} is not here", spans(missing as u64)),
        };
        let _ = write!(text, ", {}", medium.paint(RED, &what));
    }
    text.push('\n');
    text
}

/// Why the trace is recorded, where no ratio says so. `below` only points to a hop further down.
fn sampling_reason(trace: &Trace) -> Option<&str> {
    let reasons = || trace.spans.iter().filter_map(|span| span.text(key::SAMPLING_REASON));
    reasons().find(|reason| *reason != "below").or_else(|| reasons().next())
}

/// How long all proxies together held the request, and which share of its time that is.
fn held(trace: &Trace, top: &Span) -> Option<String> {
    let times: Vec<(Duration, bool)> = trace
        .spans
        .iter()
        .filter_map(|span| Some((span.proxy_time()?, span.proxy_time_is_upper_bound())))
        .collect();
    let sum: Duration = times.iter().map(|(time, _)| *time).sum();
    let bound = if times.iter().any(|(_, upper)| *upper) { "at most " } else { "" };
    let share = 100.0 * sum.as_secs_f64() / top.duration().as_secs_f64();
    (!times.is_empty()).then(|| match share.is_finite() {
        true => format!("proxies held it {bound}{} ({share:.1} %)", millis(sum)),
        false => format!("proxies held it {bound}{}", millis(sum)),
    })
}

/// Text and alignment of one field of the table.
struct Cell {
    text: String,
    style: Style,
    align: Align,
}

#[derive(Clone, Copy)]
enum Align {
    Left,
    Right,
}

impl Cell {
    fn width(&self) -> usize {
        self.text.width()
    }

    fn painted(&self, width: usize, medium: Medium) -> String {
        let space = " ".repeat(width.saturating_sub(self.width()));
        let text = medium.paint(self.style, &self.text);
        match self.align {
            Align::Left => text + &space,
            Align::Right => space + &text,
        }
    }
}

fn row(trace: &Trace, branch: &Branch<'_>) -> [Cell; COLUMNS.len()] {
    let span = branch.span;
    let (outcome_style, proxy_time) = (if span.failed { RED } else { PLAIN }, proxy_time(span));
    let kind = match span.kind {
        SpanKind::Server => "SERVER",
        SpanKind::Client => "CLIENT",
        SpanKind::Internal => "INTERNAL",
        SpanKind::Producer => "PRODUCER",
        SpanKind::Consumer => "CONSUMER",
        SpanKind::Unspecified => "",
    };
    let texts = [
        (label(trace, branch), PLAIN),
        (kind.to_owned(), DIM),
        (clean(&outcome(span), 24), outcome_style),
        (millis(span.duration()), PLAIN),
        (proxy_time, PROXY),
        (span.upstream_time().map(millis).unwrap_or_default(), PLAIN),
    ];
    let mut aligns = COLUMNS.map(|(_, align)| align).into_iter();
    texts.map(|(text, style)| Cell { text, style, align: aligns.next().unwrap_or(Align::Left) })
}

/// The lines of the tree, the service and what it did.
fn label(trace: &Trace, branch: &Branch<'_>) -> String {
    let mut text = String::new();
    if let Some((own, ancestors)) = branch.last.split_last() {
        ancestors.iter().for_each(|last| text += if *last { "  " } else { "│ " });
        text += if *own { "└ " } else { "├ " };
    }
    let span = branch.span;
    text += &clean(&span.service, 24);
    text.push(' ');
    text += &clean(&span.name, 32);
    if let Some(cluster) = trace.destination(span) {
        let _ = write!(text, " → {}", clean(cluster, 24));
    }
    if let Some(attempts) = span.integer(key::ATTEMPTS).filter(|attempts| *attempts > 1) {
        let _ = write!(text, " ({attempts} tries)");
    }
    text
}

fn request(span: &Span) -> String {
    match (span.text(key::METHOD), span.path()) {
        (Some(method), Some(path)) => format!("{method} {path}"),
        _ => span.name.clone(),
    }
}

/// `200`, `503 error UF`, `NOT_FOUND error`.
fn outcome(span: &Span) -> String {
    let code = span.integer(key::STATUS_CODE).map(|code| code.to_string());
    let code = span.text(key::RPC_STATUS).map(str::to_owned).or(code);
    let error = span.failed.then(|| "error".to_owned());
    let flags = span.text(key::RESPONSE_FLAGS).filter(|it| !it.is_empty()).map(str::to_owned);
    let parts: Vec<String> = [code, error, flags].into_iter().flatten().collect();
    if parts.is_empty() { "no answer".to_owned() } else { parts.join(" ") }
}

fn proxy_time(span: &Span) -> String {
    let bound = if span.proxy_time_is_upper_bound() { "≤ " } else { "" };
    span.proxy_time().map(|time| format!("{bound}{}", millis(time))).unwrap_or_default()
}

/// Where each span lies within its trace.
struct TimeLine {
    begin: u64,
    length: u64,
    width: u64,
}

impl TimeLine {
    /// `None` where there is too little room to say anything.
    fn new(trace: &Trace, room: usize) -> Option<Self> {
        let begin = trace.spans.iter().map(|span| span.start_unix_nano).min()?;
        let end = trace.spans.iter().map(|span| span.end_unix_nano).max()?;
        let width = room.min(LONGEST_LINE) as u64;
        (room >= SHORTEST_LINE).then_some(Self { begin, length: (end - begin).max(1), width })
    }

    fn bar(&self, span: &Span) -> String {
        let scale = |nanos: u64, round_up: u64| {
            let cells = u128::from(nanos) * u128::from(self.width) + u128::from(round_up);
            usize::try_from(cells / u128::from(self.length)).unwrap_or(usize::MAX)
        };
        let from = scale(span.start_unix_nano - self.begin, 0).min(self.width as usize - 1);
        let to = scale(span.end_unix_nano - self.begin, self.length - 1).max(from + 1);
        " ".repeat(from) + &"━".repeat(to - from)
    }
}

/// Text of somebody else: nothing that moves a cursor, and not longer than `max` columns.
fn clean(text: &str, max: usize) -> String {
    let mut out = String::new();
    let mut width = 0;
    for c in text.chars() {
        let c = if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
        width += c.width().unwrap_or(0);
        if width > max {
            out.pop();
            out.push('…');
            break;
        }
        out.push(c);
    }
    out
}

/// Always in milliseconds: a column of one unit can be compared at a glance.
fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

fn spans(count: u64) -> String {
    plural(count, "span")
}

fn traces(count: usize) -> String {
    plural(count as u64, "trace")
}

fn plural(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

const COLUMNS: [(&str, Align); 6] = [
    ("service and span", Align::Left),
    ("kind", Align::Left),
    ("status", Align::Left),
    ("duration", Align::Right),
    ("in proxy", Align::Right),
    ("upstream", Align::Right),
];
const GAP: &str = "  ";
const SHORTEST_LINE: usize = 10;
const LONGEST_LINE: usize = 40;

const PLAIN: Style = Style::new();
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const RED: Style = AnsiColor::Red.on_default();
const PROXY: Style = AnsiColor::Cyan.on_default();

#[cfg(test)]
mod tests;

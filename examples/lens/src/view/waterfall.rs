//! One trace to be drawn: where its time went, the proxies' apart from the services'.

mod breakdown;
mod network;
mod segment;

use std::collections::{BTreeSet, HashMap};

use opentelemetry_proto::tonic::common::v1::KeyValue;
use serde::Serialize;

use super::critical::{self, Piece};
use super::millis;
use super::stored::{self, Stored};
use super::tree::Tree;
use crate::span::{Span, SpanKind, key};
pub use breakdown::Share;
pub use segment::Segment;

/// How far a child may lie outside of its parent before clocks are suspected: what two clocks
/// on one machine and rounding to microseconds can make.
const CLOCK_TOLERANCE_NANOS: u64 = 50_000;

/// A trace, ready to be drawn. Times are in milliseconds, from its begin on.
#[derive(Clone, Debug, Serialize)]
pub struct Waterfall {
    /// The trace.
    pub trace_id: String,
    /// Its begin, in milliseconds since 1970.
    pub start_ms: f64,
    /// From the first begin to the last end.
    pub duration_ms: f64,
    /// What it was about: the first span.
    pub title: String,
    /// Services that took part.
    pub services: Vec<String>,
    /// What is wrong with the trace itself.
    pub problems: Vec<String>,
    /// Where the time of the first span went, the largest share first.
    pub breakdown: Vec<Share>,
    /// Parents before children.
    pub spans: Vec<Line>,
}

/// A span on its line.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Its id.
    pub span_id: String,
    /// Its parent's, if it says so.
    pub parent_id: Option<String>,
    /// How many spans are above it.
    pub depth: usize,
    /// Whether its parent is not here although it should.
    pub is_orphan: bool,
    /// The service.
    pub service: String,
    /// What was done.
    pub name: String,
    /// What requests of this kind have in common.
    pub route: String,
    /// SERVER, CLIENT, ...
    pub kind: &'static str,
    /// The cluster that it went to.
    pub to: Option<String>,
    /// Status of the answer.
    pub status: String,
    /// Whether it failed.
    pub failed: bool,
    /// When it began.
    pub offset_ms: f64,
    /// How long it took.
    pub duration_ms: f64,
    /// Time in the proxy; none if it is not known.
    pub proxy_ms: Option<f64>,
    /// Whether that is more than the proxy's own time.
    pub proxy_is_upper_bound: bool,
    /// What the parts of its time are.
    pub segments: Vec<Segment>,
    /// When it was on the way between its service and the one that it called: begin and duration.
    pub network: Vec<(f64, f64)>,
    /// When everything waited for it: begin and duration.
    pub critical: Vec<(f64, f64)>,
    /// What one should know of it: tries, clocks, how it was sampled.
    pub notes: Vec<String>,
    /// Other traces that it points to: trace-id and span-id.
    pub links: Vec<(String, String)>,
    /// What happened meanwhile: time and name.
    pub events: Vec<(f64, String)>,
    /// The status' description.
    pub message: String,
    /// By key.
    pub attributes: Vec<(String, String)>,
    /// Those of the resource.
    pub resource: Vec<(String, String)>,
    /// Who made the span.
    pub scope: String,
}

/// Works a trace out; `None` without spans.
#[must_use]
pub fn waterfall(spans: &[Stored]) -> Option<Waterfall> {
    let begin = spans.iter().map(|it| it.span.start_unix_nano).min()?;
    let end = spans.iter().map(|it| it.span.end_unix_nano).max()?;
    let tree = Tree::new(spans);
    let top = *tree.tops.first()?;
    let pieces = critical::path(spans, &tree, top);
    let mut critical: HashMap<usize, Vec<(f64, f64)>> = HashMap::new();
    for Piece { span, from, to } in &pieces {
        critical.entry(*span).or_default().push((ms(from - begin), ms(to - from)));
    }
    let lines = tree.lines.iter().map(|(index, depth)| {
        let critical = critical.remove(index).unwrap_or_default();
        Line { depth: *depth, critical, ..line(spans, &tree, *index, begin) }
    });
    let services: BTreeSet<&str> = spans.iter().map(|it| &*it.span.service).collect();
    let first = &spans[top].span;
    Some(Waterfall {
        trace_id: first.trace_id.to_string(),
        start_ms: ms(begin),
        duration_ms: ms(end - begin),
        title: format!("{} {}", first.service, first.route()),
        services: services.into_iter().map(str::to_owned).collect(),
        problems: problems(spans, &tree),
        breakdown: breakdown::of(spans, &tree, &pieces),
        spans: lines.collect(),
    })
}

/// What is wrong with the trace as a whole.
fn problems(spans: &[Stored], tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    let orphans = tree.orphans(spans).len();
    if orphans > 0 {
        let what = if orphans == 1 { "1 span".to_owned() } else { format!("{orphans} spans") };
        problems.push(format!("The parent of {what} is not here: the trace is not whole."));
    }
    let roots = tree.tops.len() - orphans;
    if roots > 1 {
        problems.push(format!("There are {roots} spans without a parent: several beginnings."));
    }
    if spans.len() >= stored::MOST_SPANS {
        problems.push(format!("Only the first {} spans are shown.", stored::MOST_SPANS));
    }
    problems
}

fn line(spans: &[Stored], tree: &Tree, index: usize, begin: u64) -> Line {
    let Stored { span, rest, source } = &spans[index];
    let parent = tree.parents[index].map(|it| &spans[it].span);
    let attributes = |list: &[KeyValue]| -> Vec<(String, String)> {
        let mut all: Vec<_> =
            list.iter().map(|it| (it.key.clone(), stored::text(it.value.as_ref()))).collect();
        all.sort();
        all
    };
    let scope = source.scope_spans.first().and_then(|it| it.scope.as_ref());
    let outer = || parent.filter(|_| !span.parent_is_remote)?.text(key::CLUSTER);
    let is_client = span.kind == SpanKind::Client;
    let to = span.text(key::CLUSTER).or_else(outer).filter(|_| is_client);
    Line {
        span_id: span.span_id.to_string(),
        parent_id: span.parent.map(|it| it.to_string()),
        depth: 0,
        is_orphan: span.parent.is_some() && parent.is_none(),
        service: span.service.clone(),
        name: span.name.clone(),
        route: span.route(),
        kind: kind(span.kind),
        to: to.map(str::to_owned),
        status: span.status(),
        failed: span.failed,
        offset_ms: ms(span.start_unix_nano - begin),
        duration_ms: ms(span.end_unix_nano - span.start_unix_nano),
        proxy_ms: span.proxy_time().map(|it| it.as_secs_f64() * 1e3),
        proxy_is_upper_bound: span.proxy_time_is_upper_bound(),
        segments: segment::of(span, begin),
        network: network::of(spans, tree, index, begin),
        critical: Vec::new(),
        notes: notes(span, parent),
        links: rest.links.iter().map(|it| (hex(&it.trace_id), hex(&it.span_id))).collect(),
        events: rest
            .events
            .iter()
            .map(|it| (ms(it.time_unix_nano.saturating_sub(begin)), it.name.clone()))
            .collect(),
        message: rest.status.as_ref().map(|it| it.message.clone()).unwrap_or_default(),
        attributes: attributes(&span.attributes),
        resource: attributes(spans[index].resource()),
        scope: scope.map(|it| format!("{} {}", it.name, it.version)).unwrap_or_default(),
    }
}

/// What one should know of a span before one reads its attributes.
fn notes(span: &Span, parent: Option<&Span>) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(tries) = span.integer(key::ATTEMPTS).filter(|tries| *tries > 1) {
        notes.push(format!("{tries} tries"));
    }
    if let Some(resent) = span.integer(key::RESEND_COUNT).filter(|resent| *resent > 0) {
        notes.push(format!("try {}", resent + 1));
    }
    if let Some(error) = span.text(key::ERROR_TYPE) {
        notes.push(format!("error: {error}"));
    }
    if let Some(flags) = span.text(key::RESPONSE_FLAGS).filter(|it| !it.is_empty()) {
        notes.push(format!("flags: {flags}"));
    }
    if let Some(reason) = span.text(key::SAMPLING_REASON) {
        notes.push(format!("recorded because: {reason}"));
    }
    let is_call = |parent: &&Span| span.kind == SpanKind::Server && parent.kind == SpanKind::Client;
    if let Some(parent) = parent.filter(is_call) {
        let early = parent.start_unix_nano.saturating_sub(span.start_unix_nano);
        let late = span.end_unix_nano.saturating_sub(parent.end_unix_nano);
        for (by, what) in [(early, "begins before"), (late, "ends after")] {
            if by > CLOCK_TOLERANCE_NANOS {
                let by = ms(by);
                notes.push(format!("{what} its caller by {by:.2} ms: their clocks differ"));
            }
        }
    }
    notes
}

pub(super) const fn kind(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Server => "SERVER",
        SpanKind::Client => "CLIENT",
        SpanKind::Internal => "INTERNAL",
        SpanKind::Producer => "PRODUCER",
        SpanKind::Consumer => "CONSUMER",
        SpanKind::Unspecified => "",
    }
}

fn ms(nanos: u64) -> f64 {
    millis(i64::try_from(nanos).unwrap_or(i64::MAX))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;

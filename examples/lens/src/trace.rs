//! All known spans of one trace, and how they hang together.

use std::collections::{HashMap, HashSet};

use crate::span::{Span, SpanId, SpanKind, TraceId, key};

/// The spans of one trace that were received, each id once.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The id that all spans share.
    pub id: TraceId,
    /// In the order of their arrival.
    pub spans: Vec<Span>,
}

/// One line of a trace drawn as a tree.
#[derive(Clone, Debug)]
pub struct Branch<'a> {
    /// The span.
    pub span: &'a Span,
    /// From the top down: whether the ancestor on that level, and at last the span itself,
    /// is the last child of its parent. Empty for a span at the top.
    pub last: Vec<bool>,
}

impl Trace {
    /// Spans whose parent is not here, in the order of their begin.
    #[must_use]
    pub fn tops(&self) -> Vec<&Span> {
        let known: HashSet<SpanId> = self.spans.iter().map(|span| span.span_id).collect();
        let mut tops: Vec<&Span> = self
            .spans
            .iter()
            .filter(|span| span.parent.is_none_or(|parent| !known.contains(&parent)))
            .collect();
        tops.sort_by_key(|span| span.start_unix_nano);
        tops
    }

    /// The one span without a parent, if it is the only top.
    #[must_use]
    pub fn root(&self) -> Option<&Span> {
        match self.tops()[..] {
            [root] if root.parent.is_none() => Some(root),
            _ => None,
        }
    }

    /// Whether there is one root and every other span hangs below it.
    ///
    /// A trace that a client outside began has a parent that nobody sends: it is not whole.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.root().is_some_and(|root| self.below(root).len() == self.spans.len())
    }

    /// The direct children of a span, in the order of their begin.
    #[must_use]
    pub fn children(&self, of: SpanId) -> Vec<&Span> {
        let mut children: Vec<&Span> =
            self.spans.iter().filter(|span| span.parent == Some(of)).collect();
        children.sort_by_key(|span| span.start_unix_nano);
        children
    }

    /// The cluster that a CLIENT span's request went to.
    ///
    /// Where a proxy made two spans for a request, the outer one, SERVER, says it for both.
    #[must_use]
    pub fn destination<'a>(&'a self, span: &'a Span) -> Option<&'a str> {
        let outer = || {
            let parent = self.spans.iter().find(|it| Some(it.span_id) == span.parent)?;
            parent.text(key::CLUSTER).filter(|_| !span.parent_is_remote)
        };
        match span.kind {
            SpanKind::Client => span.text(key::CLUSTER).or_else(outer),
            _ => None,
        }
    }

    /// Every span once, parents before their children: the lines of a drawn tree.
    ///
    /// Spans that are their own ancestors hang below no top; they come last, at the top.
    #[must_use]
    pub fn branches(&self) -> Vec<Branch<'_>> {
        let mut lines: Vec<_> = self.tops().into_iter().flat_map(|top| self.below(top)).collect();
        let seen: HashSet<SpanId> = lines.iter().map(|line| line.span.span_id).collect();
        let circular = self.spans.iter().filter(|span| !seen.contains(&span.span_id));
        lines.extend(circular.map(|span| Branch { span, last: Vec::new() }));
        lines
    }

    /// A span and all its descendants. With a stack of its own: a trace may be deep.
    fn below<'a>(&'a self, top: &'a Span) -> Vec<Branch<'a>> {
        let mut children: HashMap<SpanId, Vec<&Span>> = HashMap::new();
        for span in &self.spans {
            children.entry(span.parent.unwrap_or(span.span_id)).or_default().push(span);
        }
        let mut lines = Vec::new();
        let mut open = vec![Branch { span: top, last: Vec::new() }];
        while let Some(line) = open.pop() {
            let mut below = children.remove(&line.span.span_id).unwrap_or_default();
            below.retain(|span| span.span_id != line.span.span_id);
            // The stack turns the order round: the latest child goes in first.
            below.sort_by_key(|span| std::cmp::Reverse(span.start_unix_nano));
            for (place, span) in below.into_iter().enumerate() {
                let last = line.last.iter().copied().chain([place == 0]).collect();
                open.push(Branch { span, last });
            }
            lines.push(line);
        }
        lines
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use opentelemetry_proto::tonic::trace::v1 as otlp;

    use super::*;

    /// A span of trace 1 with a one-byte id, parent 0 being none.
    pub(crate) fn span(id: u8, parent: u8, start: u64) -> Span {
        let id_of = |byte: u8| vec![0, 0, 0, 0, 0, 0, 0, byte];
        let span = otlp::Span {
            trace_id: vec![1; 16],
            span_id: id_of(id),
            parent_span_id: id_of(parent),
            start_time_unix_nano: start,
            end_time_unix_nano: start + 10,
            ..Default::default()
        };
        Span::try_new("shop", span).unwrap()
    }

    fn trace(spans: &[(u8, u8, u64)]) -> Trace {
        let spans: Vec<Span> =
            spans.iter().map(|&(id, parent, start)| span(id, parent, start)).collect();
        Trace { id: spans[0].trace_id, spans }
    }

    #[test]
    fn whole_means_one_root_above_everything() {
        for (why, spans, want) in [
            ("a lone root", &[(1, 0, 0)][..], true),
            ("in any order of arrival", &[(3, 2, 2), (1, 0, 0), (2, 1, 1)], true),
            ("the root is missing", &[(2, 1, 1), (3, 2, 2)], false),
            ("the middle is missing", &[(1, 0, 0), (3, 2, 2)], false),
            ("two roots", &[(1, 0, 0), (2, 0, 1)], false),
            ("a circle beside the root", &[(1, 0, 0), (2, 3, 1), (3, 2, 2)], false),
            ("its own parent", &[(1, 1, 0)], false),
        ] {
            let trace = trace(spans);
            assert_eq!(trace.is_whole(), want, "{why}");
            assert_eq!(trace.branches().len(), spans.len(), "every span is drawn once: {why}");
        }
    }

    #[test]
    fn branches_go_down_by_the_time_of_begin() {
        let trace = trace(&[(1, 0, 0), (4, 1, 9), (2, 1, 1), (3, 2, 2), (5, 9, 3)]);
        let lines: Vec<_> = trace
            .branches()
            .into_iter()
            .map(|line| (line.span.start_unix_nano, line.last))
            .collect();
        let want = [
            (0, vec![]),
            (1, vec![false]),
            (2, vec![false, true]),
            (9, vec![true]),
            (3, vec![]), // its parent is not here
        ];
        assert_eq!(lines, want);
        let top = trace.spans[0].span_id;
        let children: Vec<_> = trace.children(top).iter().map(|it| it.start_unix_nano).collect();
        assert_eq!(children, [1, 9]);
    }
}

//! How the spans of a trace hang together, by their places in a list.
//!
//! Unlike the terminal's tree, this one takes what Zipkin may send: a call whose two sides have one id.

use std::collections::HashMap;

use super::stored::Stored;
use crate::span::{Span, SpanId, SpanKind};

/// Parents and children, by index.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The parent of each span, if it is here.
    pub parents: Vec<Option<usize>>,
    /// The children of each span, by their begin.
    pub children: Vec<Vec<usize>>,
    /// Spans whose parent is not here, by their begin; and one of each circle.
    pub tops: Vec<usize>,
    /// Each span once, parents before children, with its depth.
    pub lines: Vec<(usize, usize)>,
}

impl Tree {
    /// Finds out who hangs below whom.
    #[must_use]
    pub fn new(spans: &[Stored]) -> Self {
        let mut by_id: HashMap<SpanId, Vec<usize>> = HashMap::new();
        for (index, stored) in spans.iter().enumerate() {
            by_id.entry(stored.span.span_id).or_default().push(index);
        }
        let of_kind = |id: &SpanId, kind: SpanKind, not: usize| {
            let all = by_id.get(id)?;
            all.iter().copied().find(|it| *it != not && spans[*it].span.kind == kind)
        };
        let parent = |index: usize, span: &Span| {
            // The server's side of a call whose client has the same id.
            if span.kind == SpanKind::Server
                && let Some(client) = of_kind(&span.span_id, SpanKind::Client, index)
            {
                return Some(client);
            }
            let id = span.parent?;
            // Of the two sides, what is below belongs to the server.
            of_kind(&id, SpanKind::Server, index)
                .or_else(|| by_id.get(&id)?.iter().copied().find(|it| *it != index))
        };
        let parents: Vec<Option<usize>> =
            spans.iter().enumerate().map(|(index, it)| parent(index, &it.span)).collect();
        let mut children = vec![Vec::new(); spans.len()];
        for (index, parent) in parents.iter().enumerate() {
            if let Some(parent) = parent {
                children[*parent].push(index);
            }
        }
        let start = |index: &usize| (spans[*index].span.start_unix_nano, *index);
        children.iter_mut().for_each(|list: &mut Vec<usize>| list.sort_by_key(start));
        let mut tops: Vec<usize> =
            (0..spans.len()).filter(|index| parents[*index].is_none()).collect();
        tops.sort_by_key(start);
        let mut tree = Self { parents, children, tops, lines: Vec::new() };
        tree.draw(spans.len());
        tree
    }

    /// Lines with a stack of their own: a trace may be deep.
    fn draw(&mut self, spans: usize) {
        let mut seen = vec![false; spans];
        let mut open: Vec<(usize, usize)> = self.tops.iter().rev().map(|it| (*it, 0)).collect();
        let mut next = 0;
        loop {
            while let Some((index, depth)) = open.pop() {
                if std::mem::replace(&mut seen[index], true) {
                    continue;
                }
                self.lines.push((index, depth));
                open.extend(self.children[index].iter().rev().map(|it| (*it, depth + 1)));
            }
            // Spans that are their own ancestors hang below no top.
            match (next..spans).find(|index| !seen[*index]) {
                Some(index) => {
                    self.tops.push(index);
                    open.push((index, 0));
                    next = index + 1;
                }
                None => return,
            }
        }
    }

    /// Spans whose parent should be here, and is not.
    #[must_use]
    pub fn orphans(&self, spans: &[Stored]) -> Vec<usize> {
        let is_orphan =
            |it: &usize| self.parents[*it].is_none() && spans[*it].span.parent.is_some();
        self.tops.iter().copied().filter(is_orphan).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use opentelemetry_proto::tonic::trace::v1 as otlp;

    use super::*;

    /// A span of trace 1 with a one-byte id, parent 0 being none; times in milliseconds.
    pub(crate) fn stored(
        service: &str,
        kind: SpanKind,
        (id, parent): (u8, u8),
        (start, end): (u64, u64),
    ) -> Stored {
        let id_of = |byte: u8| vec![0, 0, 0, 0, 0, 0, 0, byte];
        let rest = otlp::Span {
            trace_id: vec![1; 16],
            span_id: id_of(id),
            parent_span_id: id_of(parent),
            kind: kind.into(),
            start_time_unix_nano: start * 1_000_000,
            end_time_unix_nano: end * 1_000_000,
            ..Default::default()
        };
        let span = Span::try_new(service, rest.clone()).unwrap();
        Stored { span, rest, source: Arc::default() }
    }

    fn lines(spans: &[Stored]) -> Vec<(u8, usize)> {
        let tree = Tree::new(spans);
        tree.lines.iter().map(|(at, depth)| (spans[*at].span.span_id.bytes()[7], *depth)).collect()
    }

    #[test]
    fn every_span_is_drawn_once_below_its_parent() {
        use SpanKind::{Client, Server};
        for (why, spans, want) in [
            (
                "by the time of begin",
                vec![
                    stored("a", Server, (1, 0), (0, 9)),
                    stored("a", Client, (3, 1), (5, 6)),
                    stored("a", Client, (2, 1), (1, 2)),
                ],
                vec![(1, 0), (2, 1), (3, 1)],
            ),
            (
                "both sides of a call have one id",
                vec![
                    stored("b", Server, (2, 1), (2, 3)),
                    stored("b", Client, (3, 2), (2, 3)),
                    stored("a", Client, (2, 1), (1, 4)),
                    stored("a", Server, (1, 0), (0, 9)),
                ],
                vec![(1, 0), (2, 1), (2, 2), (3, 3)],
            ),
            (
                "a circle, and its own parent",
                vec![
                    stored("a", Server, (1, 2), (0, 9)),
                    stored("a", Client, (2, 1), (1, 2)),
                    stored("a", Client, (3, 3), (1, 2)),
                ],
                vec![(3, 0), (1, 0), (2, 1)],
            ),
        ] {
            assert_eq!(lines(&spans), want, "{why}");
        }
    }

    #[test]
    fn a_parent_that_is_not_here_is_missed() {
        let spans = [
            stored("a", SpanKind::Server, (1, 0), (0, 9)),
            stored("b", SpanKind::Server, (3, 2), (1, 2)),
        ];
        assert_eq!(Tree::new(&spans).orphans(&spans), [1]);
    }

    #[test]
    fn a_chain_as_deep_as_can_be_is_drawn() {
        let spans: Vec<Stored> = (1..=200)
            .map(|id| stored("a", SpanKind::Internal, (id, id - 1), (id.into(), 500)))
            .collect();
        assert_eq!(lines(&spans).last(), Some(&(200, 199)));
    }
}

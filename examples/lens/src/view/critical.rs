//! The critical path: which span the answer was waiting for, at each moment.

use super::stored::Stored;
use super::tree::Tree;

/// A time in which nothing but this span held the answer up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Piece {
    /// The span, by its place in the list.
    pub span: usize,
    /// Begin, in nanoseconds since 1970.
    pub from: u64,
    /// End.
    pub to: u64,
}

/// The critical path below one span, from its end to its begin.
///
/// From the end backwards: what a span waited for last is the child that ended last; before that
/// one began, the child that had ended last by then, and so on. What is outside of the parent's time,
/// because a child outlasts it or clocks differ, is left out, so that the pieces add up to
/// the time of `top`.
#[must_use]
pub fn path(spans: &[Stored], tree: &Tree, top: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let time = |index: usize| {
        let span = &spans[index].span;
        (span.start_unix_nano, span.end_unix_nano)
    };
    let (from, to) = time(top);
    let mut open = vec![(top, from, to)];
    let mut seen = vec![false; spans.len()];
    while let Some((index, from, to)) = open.pop() {
        if std::mem::replace(&mut seen[index], true) {
            continue;
        }
        let mut children = tree.children[index].clone();
        children.sort_by_key(|child| std::cmp::Reverse(time(*child).1));
        let mut until = to;
        for child in children {
            let (start, end) = time(child);
            let (start, end) = (start.max(from), if until == to { end.min(to) } else { end });
            if end > until || end <= start {
                continue;
            }
            if end < until {
                pieces.push(Piece { span: index, from: end, to: until });
            }
            open.push((child, start, end));
            until = start;
        }
        if until > from {
            pieces.push(Piece { span: index, from, to: until });
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::SpanKind::{Client, Internal, Server};
    use crate::view::tree::tests::stored;

    /// `2: 1-4` for each piece, by time.
    #[track_caller]
    fn check(why: &str, spans: &[Stored], want: &[&str]) {
        let tree = Tree::new(spans);
        let mut pieces = path(spans, &tree, tree.tops[0]);
        pieces.sort_by_key(|piece| piece.from);
        let ms = |nanos: u64| nanos / 1_000_000;
        let got: Vec<String> = pieces
            .iter()
            .map(|it| {
                let id = spans[it.span].span.span_id.bytes()[7];
                format!("{id}: {}-{}", ms(it.from), ms(it.to))
            })
            .collect();
        assert_eq!(got, want, "{why}");
        let top = &spans[tree.tops[0]].span;
        let sum: u64 = pieces.iter().map(|it| it.to - it.from).sum();
        assert_eq!(sum, top.end_unix_nano - top.start_unix_nano, "{why}: the whole time");
    }

    #[test]
    fn each_moment_has_one_span_that_everything_waits_for() {
        check("a lone span", &[stored("a", Server, (1, 0), (0, 9))], &["1: 0-9"]);
        check(
            "a child",
            &[stored("a", Server, (1, 0), (0, 9)), stored("a", Client, (2, 1), (2, 5))],
            &["1: 0-2", "2: 2-5", "1: 5-9"],
        );
        check(
            "one after the other",
            &[
                stored("a", Server, (1, 0), (0, 9)),
                stored("a", Client, (2, 1), (1, 4)),
                stored("a", Client, (3, 1), (4, 8)),
            ],
            &["1: 0-1", "2: 1-4", "3: 4-8", "1: 8-9"],
        );
        check(
            "of two at once, the one that ends last",
            &[
                stored("a", Server, (1, 0), (0, 9)),
                stored("a", Client, (2, 1), (1, 5)),
                stored("a", Client, (3, 1), (2, 8)),
            ],
            &["1: 0-2", "3: 2-8", "1: 8-9"],
        );
        check(
            "a child that outlasts its parent",
            &[stored("a", Server, (1, 0), (0, 9)), stored("a", Internal, (2, 1), (5, 20))],
            &["1: 0-5", "2: 5-9"],
        );
        check(
            "a child that began before its parent",
            &[stored("a", Client, (1, 0), (5, 9)), stored("b", Server, (2, 1), (3, 7))],
            &["2: 5-7", "1: 7-9"],
        );
    }
}

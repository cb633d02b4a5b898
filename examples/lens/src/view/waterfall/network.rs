//! The way between a caller and whom it called: time that was neither's.

use super::segment::Parts;
use super::{CLOCK_TOLERANCE_NANOS, ms};
use crate::span::SpanKind;
use crate::view::stored::Stored;
use crate::view::tree::Tree;

/// Begin and duration, in milliseconds from `begin` on: from where a call left its proxy to where
/// somebody received it, and back again; between several tries, too.
///
/// None where nobody says that he received it, nor where clocks contradict each other: that would be
/// the difference of two clocks, not a way.
pub(super) fn of(spans: &[Stored], tree: &Tree, index: usize, begin: u64) -> Vec<(f64, f64)> {
    let call = &spans[index].span;
    if call.kind != SpanKind::Client {
        return Vec::new();
    }
    let servers = tree.children[index].iter().map(|it| &spans[*it].span);
    let servers: Vec<_> = servers.filter(|it| it.kind == SpanKind::Server).collect();
    let (start, end) = (call.start_unix_nano, call.end_unix_nano);
    let is_outside = |from: u64, to: u64| {
        start.saturating_sub(from).max(to.saturating_sub(end)) > CLOCK_TOLERANCE_NANOS
    };
    if servers.iter().any(|it| is_outside(it.start_unix_nano, it.end_unix_nano)) {
        return Vec::new();
    }
    let mut ways = Vec::new();
    let mut at = Parts::of(call).map_or(start, |it| it.upstream);
    let ends = servers.iter().map(|it| (it.start_unix_nano, it.end_unix_nano));
    for (from, to) in ends.chain((!servers.is_empty()).then_some((end, end))) {
        if from > at {
            ways.push((ms(at.saturating_sub(begin)), ms(from - at)));
        }
        at = at.max(to);
    }
    ways
}

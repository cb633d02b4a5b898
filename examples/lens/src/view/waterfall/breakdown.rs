//! Where the time went that a caller waited, along the critical path: in which proxy, in which
//! service, on the way between them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::ms;
use super::segment::Parts;
use crate::span::SpanKind;
use crate::view::critical::Piece;
use crate::view::stored::Stored;
use crate::view::tree::Tree;

/// A share of the time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Share {
    /// Whose it is.
    pub what: Place,
    /// Which one: a service, or the cluster that was called.
    pub who: String,
    /// How long, in milliseconds.
    pub duration_ms: f64,
}

/// Where time can go.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// A proxy.
    Proxy,
    /// A service behind a proxy, or one that makes spans itself.
    Service,
    /// Between a caller and a service, both of which are here.
    Network,
    /// In somebody who says nothing, and on the way there.
    Elsewhere,
    /// A client that was slow to send.
    Client,
}

/// All shares, the largest first. They add up to the time of the first span.
pub(super) fn of(spans: &[Stored], tree: &Tree, pieces: &[Piece]) -> Vec<Share> {
    let mut sums: BTreeMap<(Place, String), u64> = BTreeMap::new();
    for piece in pieces {
        let span = &spans[piece.span].span;
        let rest = rest(spans, tree, piece.span);
        let parts = Parts::of(span)
            .unwrap_or(Parts { proxy: span.start_unix_nano, upstream: span.start_unix_nano });
        let service = || span.service.clone();
        for (place, who, from, to) in [
            (Place::Client, String::new(), span.start_unix_nano, parts.proxy),
            (Place::Proxy, service(), parts.proxy, parts.upstream),
            (rest.0, rest.1, parts.upstream, span.end_unix_nano),
        ] {
            let time = to.min(piece.to).saturating_sub(from.max(piece.from));
            if time > 0 {
                *sums.entry((place, who)).or_default() += time;
            }
        }
    }
    let share = |((what, who), time)| Share { what, who, duration_ms: ms(time) };
    let mut shares: Vec<Share> = sums.into_iter().map(share).collect();
    shares.sort_by(|a, b| b.duration_ms.total_cmp(&a.duration_ms));
    shares
}

/// Whose time it is where a span is neither in its proxy nor in a child.
fn rest(spans: &[Stored], tree: &Tree, index: usize) -> (Place, String) {
    let span = &spans[index].span;
    // Both sides of one proxy, as a gateway has them: between them is the proxy itself.
    let is_own_client = |child: &usize| {
        let child = &spans[*child].span;
        child.kind == SpanKind::Client && !child.parent_is_remote
    };
    if span.proxy_time().is_some() && tree.children[index].iter().any(is_own_client) {
        return (Place::Proxy, span.service.clone());
    }
    if span.kind != SpanKind::Client {
        return (Place::Service, span.service.clone());
    }
    let is_server = |child: &&usize| spans[**child].span.kind == SpanKind::Server;
    match tree.children[index].iter().find(is_server) {
        Some(server) => {
            let to = &spans[*server].span.service;
            (Place::Network, format!("{} to {to}", span.service))
        }
        None => {
            let cluster = span.text(crate::span::key::CLUSTER);
            let host = || span.text(crate::span::key::SERVER_ADDRESS);
            (Place::Elsewhere, cluster.or_else(host).unwrap_or_default().to_owned())
        }
    }
}

//! Many facts by one host call, where the host evaluates expressions.
//!
//! What a property costs is above all that bytes come back: the host enters the VM again to
//! allocate them. Envoy has the functions `expr_create` and `expr_evaluate`, by which the
//! bytes of a dozen facts come at once; other hosts are asked for one property after the other.
//!
//! Sources: <https://github.com/envoyproxy/envoy/blob/main/source/extensions/common/wasm/foreign.cc>,
//! <https://github.com/google/cel-spec/blob/master/doc/langdef.md>

use crate::facts::path;
use crate::host;
use hopspan_core::request::{Fact, Headers};
use std::ops::Range;

/// What nearly every recorded request is asked for at its end, in the order of the list.
const FACTS: [Fact; 10] = [
    Fact::ListenerDirection,
    Fact::ResponseCode,
    Fact::Protocol,
    Fact::ClientAddress,
    Fact::RouteName,
    Fact::Attempts,
    Fact::Cluster,
    Fact::UpstreamAddress,
    Fact::PoolReady,
    Fact::BackendLatency,
];

/// Only with TLS: two more items are lists of their own, or empty where there is none.
const PEERS: [[Fact; PEER]; 2] = [
    [Fact::DownstreamTls, Fact::PeerUriSan, Fact::PeerDnsSan],
    [Fact::UpstreamTls, Fact::UpstreamUriSan, Fact::UpstreamDnsSan],
];

const PEER: usize = 3;
const ALL: usize = FACTS.len() + PEERS.as_flattened().len();

/// An empty text.
const ABSENT: &str = "''";

/// After so many failures in a row the host is not asked again.
const MAX_FAILURES: u8 = 3;

/// The expression, as one root context has it: to Envoy it belongs to that, and ends with it.
#[derive(Debug)]
pub(crate) struct AtOnce {
    /// Whether the direction of the listener is one of the facts: most configurations know it.
    asks_direction: bool,
    /// What the host calls it; created when it is first used, so never on the main thread.
    token: Option<Vec<u8>>,
    failures: u8,
}

/// Facts that came at once.
#[derive(Debug)]
pub(crate) struct Gathered {
    list: Vec<u8>,
    /// Where each fact is in there, in the order of [`FACTS`] and [`PEERS`].
    places: [Range<usize>; ALL],
}

// === impl AtOnce ===

impl AtOnce {
    pub(crate) fn new(asks_direction: bool) -> Self {
        Self { asks_direction, token: None, failures: 0 }
    }

    /// Asks for all of them; `None` if they must be asked for one by one.
    pub(crate) fn gather(&mut self) -> Option<Gathered> {
        if self.failures >= MAX_FAILURES {
            return None;
        }
        let gathered = self.evaluate();
        self.failures = if gathered.is_some() { 0 } else { self.failures.saturating_add(1) };
        gathered
    }

    fn evaluate(&mut self) -> Option<Gathered> {
        if self.token.is_none() {
            let expression = expression(self.asks_direction);
            self.token = host::foreign("expr_create", expression.as_bytes());
        }
        Gathered::new(host::foreign("expr_evaluate", self.token.as_deref()?)?)
    }
}

/// The expression, of three lists in one form. A fact that is absent would fail its list unless
/// `has()` guards it, which takes as long as the fact itself; where an upstream has answered
/// they are all there. [`ABSENT`] stands for what is absent, or not asked for.
fn expression(asks_direction: bool) -> String {
    let is_asked = |it| asks_direction || it != Fact::ListenerDirection;
    let plain = FACTS.map(|it| if is_asked(it) { field(it) } else { ABSENT.into() });
    let guarded = FACTS.map(|it| match is_asked(it) {
        true => if_present(it, &field(it)),
        false => ABSENT.into(),
    });
    let peers = PEERS.map(|[tls, names @ ..]| {
        let [uri, dns] = names.map(|it| if_present(it, &field(it)));
        if_present(tls, &list(&[field(tls), uri, dns]))
    });
    let answered = list(&[plain.as_slice(), &peers].concat());
    let otherwise = list(&[guarded.as_slice(), &peers].concat());
    ["has(", &field(Fact::BackendLatency), ")?", &answered, ":", &otherwise].concat()
}

fn field(fact: Fact) -> String {
    path(fact).replace('\0', ".")
}

fn if_present(fact: Fact, value: &str) -> String {
    ["has(", &field(fact), ")?", value, ":", ABSENT].concat()
}

fn list(items: &[String]) -> String {
    ["[", &items.join(","), "]"].concat()
}

// === impl Gathered ===

impl Gathered {
    /// `None` if this is not what [`expression`] makes.
    fn new(list: Vec<u8>) -> Option<Self> {
        let mut items = [const { 0..0 }; FACTS.len() + PEERS.len()];
        find_items(&list, 0..list.len(), &mut items)?;
        let mut places = [const { 0..0 }; ALL];
        let (facts, peers) = items.split_at(FACTS.len());
        let (places_of_facts, places_of_peers) = places.split_at_mut(FACTS.len());
        places_of_facts.clone_from_slice(facts);
        for (peer, found) in peers.iter().zip(places_of_peers.chunks_exact_mut(PEER)) {
            if !peer.is_empty() {
                find_items(&list, peer.clone(), found)?;
            }
        }
        Some(Self { list, places })
    }

    /// One of them, empty if it is absent; `None` if it is not among them.
    pub(crate) fn get(&self, fact: Fact) -> Option<&[u8]> {
        let mut all = FACTS.iter().chain(PEERS.as_flattened());
        let place = self.places.get(all.position(|it| *it == fact)?)?;
        self.list.get(place.clone())
    }
}

/// Finds the items of the list that is at `list`; `None` unless it has as many as are to be
/// `found`, and nothing else is there. It has the form of a header map: names without values.
fn find_items(bytes: &[u8], list: Range<usize>, found: &mut [Range<usize>]) -> Option<()> {
    let lengths = found.len().checked_mul(size_of::<[u32; 2]>())?;
    let mut at = list.start.checked_add(size_of::<u32>())?.checked_add(lengths)?;
    let mut items = Headers::new(bytes.get(list.clone())?).into_iter();
    for place in found {
        let (item, _) = items.next().filter(|(_, value)| value.is_empty())?;
        *place = at..at.checked_add(item.len())?;
        at = place.end.checked_add(b"\0\0".len())?;
    }
    (at == list.end).then_some(())
}

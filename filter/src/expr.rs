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

/// What nearly every recorded request is asked for at its end, in the order of the list. The first
/// [`FEW`] are those of a request that is only counted.
const FACTS: [Fact; 10] = [
    Fact::ListenerDirection,
    Fact::ResponseCode,
    Fact::Attempts,
    Fact::Cluster,
    Fact::BackendLatency,
    Fact::Protocol,
    Fact::ClientAddress,
    Fact::RouteName,
    Fact::UpstreamAddress,
    Fact::PoolReady,
];

const FEW: usize = 5;

/// Only with TLS: two more items are lists of their own, or empty where there is none.
const PEERS: [[Fact; PEER]; 2] = [
    [Fact::DownstreamTls, Fact::PeerUriSan, Fact::PeerDnsSan],
    [Fact::UpstreamTls, Fact::UpstreamUriSan, Fact::UpstreamDnsSan],
];

const PEER: usize = 3;
const ALL: usize = FACTS.len() + PEERS.as_flattened().len();

/// An empty text: what is absent, or not asked for.
const ABSENT: &str = "''";

/// After so many failures in a row the host is not asked again.
const MAX_FAILURES: u8 = 3;

/// The expressions, as one root context has them: to Envoy they belong to that, and end with it.
#[derive(Debug)]
pub(crate) struct AtOnce {
    /// Which facts a request may be asked for, by their places in [`FACTS`] and [`PEERS`].
    asked: [bool; ALL],
    /// What the host calls them; each is created when it is first used, so never on the main thread.
    all: Option<Vec<u8>>,
    few: Option<Vec<u8>>,
    failures: u8,
}

/// Facts that came at once.
#[derive(Debug)]
pub(crate) struct Gathered {
    list: Vec<u8>,
    /// Where each fact is in there, in the order of [`FACTS`] and [`PEERS`].
    places: [Range<usize>; ALL],
    /// Which of them were asked for.
    asked: [bool; ALL],
}

// === impl AtOnce ===

impl AtOnce {
    /// For requests that may be asked for these `facts`. Each that is left out saves what it costs.
    pub(crate) fn new(facts: impl Fn(Fact) -> bool) -> Self {
        let mut asked = [false; ALL];
        asked.iter_mut().zip(facts_in_order()).for_each(|(asked, it)| *asked = facts(it));
        Self { asked, all: None, few: None, failures: 0 }
    }

    /// Asks for all of them; `None` if they must be asked for one by one.
    pub(crate) fn gather(&mut self) -> Option<Gathered> {
        self.evaluate(|it| &mut it.all, expression, Gathered::new)
    }

    /// Asks for those of a request that is only counted.
    pub(crate) fn gather_few(&mut self) -> Option<Gathered> {
        self.evaluate(|it| &mut it.few, expression_of_few, Gathered::of_few)
    }

    fn evaluate(
        &mut self,
        token: fn(&mut Self) -> &mut Option<Vec<u8>>,
        expression: fn(&[bool; ALL]) -> String,
        read: fn(Vec<u8>, [bool; ALL]) -> Option<Gathered>,
    ) -> Option<Gathered> {
        if self.failures >= MAX_FAILURES {
            return None;
        }
        let asked = self.asked;
        let token = token(self);
        if token.is_none() {
            *token = host::foreign("expr_create", expression(&asked).as_bytes());
        }
        let value = token.as_deref().and_then(|it| host::foreign("expr_evaluate", it));
        let gathered = value.and_then(|it| read(it, asked));
        self.failures = if gathered.is_some() { 0 } else { self.failures.saturating_add(1) };
        gathered
    }
}

/// The expression, of three lists in one form. A fact that is absent would fail its list unless
/// `has()` guards it, which takes as long as the fact itself; where an upstream has answered
/// they are all there.
fn expression(asked: &[bool; ALL]) -> String {
    let mut peers = PEERS.map(|[tls, names @ ..]| {
        let [uri, dns] = names.map(|it| if_present(it, &field(it)));
        if_present(tls, &list(&[field(tls), uri, dns]))
    });
    let (of_facts, of_peers) = asked.split_at(FACTS.len());
    for (peer, asked) in peers.iter_mut().zip(of_peers.chunks_exact(PEER)) {
        if asked.first() != Some(&true) {
            *peer = ABSENT.into();
        }
    }
    of_lists(&FACTS, of_facts, &peers)
}

/// The same for the first of them.
fn expression_of_few(asked: &[bool; ALL]) -> String {
    of_lists(FACTS.first_chunk::<FEW>().map_or(&[], |it| it), asked, &[])
}

fn of_lists(facts: &[Fact], asked: &[bool], more: &[String]) -> String {
    let (mut answered, mut otherwise) = (Vec::new(), Vec::new());
    for (it, is_asked) in facts.iter().zip(asked) {
        let (plain, guarded) = match is_asked {
            true => (field(*it), if_present(*it, &field(*it))),
            false => (ABSENT.into(), ABSENT.into()),
        };
        answered.push(plain);
        otherwise.push(guarded);
    }
    answered.extend_from_slice(more);
    otherwise.extend_from_slice(more);
    let has_answered = ["has(", &field(Fact::BackendLatency), ")?"].concat();
    [has_answered, list(&answered), ":".into(), list(&otherwise)].concat()
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
    fn new(list: Vec<u8>, asked: [bool; ALL]) -> Option<Self> {
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
        Some(Self { list, places, asked })
    }

    /// The same of [`expression_of_few`].
    fn of_few(list: Vec<u8>, mut asked: [bool; ALL]) -> Option<Self> {
        let mut places = [const { 0..0 }; ALL];
        find_items(&list, 0..list.len(), places.get_mut(..FEW)?)?;
        asked.iter_mut().skip(FEW).for_each(|it| *it = false);
        Some(Self { list, places, asked })
    }

    /// One of them, empty if it is absent; `None` if it is not among them.
    pub(crate) fn get(&self, fact: Fact) -> Option<&[u8]> {
        let place = facts_in_order().position(|it| it == fact)?;
        let place = self.places.get(place).filter(|_| self.asked.get(place) == Some(&true))?;
        self.list.get(place.clone())
    }
}

fn facts_in_order() -> impl Iterator<Item = Fact> {
    FACTS.iter().chain(PEERS.as_flattened()).copied()
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

//! The last traces, in memory, within limits.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::span::{Span, TraceId};
use crate::trace::Trace;

/// What the store keeps at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Traces; the one whose first span is oldest goes first.
    pub traces: usize,
    /// Spans of all traces together; again the oldest trace goes first.
    pub spans: usize,
    /// Spans of one trace; what comes after them is refused.
    pub spans_per_trace: usize,
}

/// Traces by id, in the order of their first span.
#[derive(Debug)]
pub struct Store {
    limits: Limits,
    traces: HashMap<TraceId, Kept>,
    order: VecDeque<TraceId>,
    spans: usize,
    counts: Counts,
}

#[derive(Debug)]
struct Kept {
    trace: Trace,
    /// When the last span arrived.
    changed: Instant,
}

/// What happened to the spans so far. `received` is the sum of kept ones and all others.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Spans that came in.
    pub received: u64,
    /// Spans whose id was there already: an exporter that tries again sends them twice.
    pub duplicates: u64,
    /// Spans over `spans_per_trace`.
    pub refused: u64,
    /// Spans that went with their trace, for want of room.
    pub evicted: u64,
}

/// The kept traces at one moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Summary {
    /// Traces with one root above every span.
    pub whole: usize,
    /// Traces that got no span for a while, and are not whole.
    pub incomplete: usize,
    /// Traces that are not whole yet.
    pub arriving: usize,
    /// What happened to the spans so far.
    pub counts: Counts,
}

/// A store that a receiver fills while others look at it.
#[derive(Clone, Debug)]
pub struct SharedStore {
    store: Arc<Mutex<Store>>,
    changes: watch::Sender<()>,
}

// === impl Limits ===

impl Default for Limits {
    /// Room for some minutes of a small mesh, within a few tens of megabytes.
    fn default() -> Self {
        Self { traces: 1_000, spans: 20_000, spans_per_trace: 1_000 }
    }
}

// === impl Store ===

impl Store {
    /// An empty store.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let (traces, order) = (HashMap::new(), VecDeque::new());
        Self { limits, traces, order, spans: 0, counts: Counts::default() }
    }

    /// Adds one span, and drops the oldest traces where there is no room.
    pub fn insert(&mut self, span: Span, now: Instant) {
        self.counts.received += 1;
        let id = span.trace_id;
        let kept = match self.traces.entry(id) {
            Entry::Occupied(kept) => kept.into_mut(),
            Entry::Vacant(place) => {
                self.order.push_back(id);
                place.insert(Kept { trace: Trace { id, spans: Vec::new() }, changed: now })
            }
        };
        if kept.trace.spans.iter().any(|known| known.span_id == span.span_id) {
            self.counts.duplicates += 1;
        } else if kept.trace.spans.len() >= self.limits.spans_per_trace {
            self.counts.refused += 1;
        } else {
            kept.trace.spans.push(span);
            kept.changed = now;
            self.spans += 1;
        }
        while self.order.len() > self.limits.traces || self.spans > self.limits.spans {
            self.evict();
        }
    }

    fn evict(&mut self) {
        let oldest = self.order.pop_front().and_then(|id| self.traces.remove(&id));
        let spans = oldest.map_or(0, |kept| kept.trace.spans.len());
        self.spans -= spans;
        self.counts.evicted += u64::try_from(spans).unwrap_or(u64::MAX);
    }

    /// All kept traces, oldest first.
    pub fn traces(&self) -> impl DoubleEndedIterator<Item = &Trace> {
        self.kept().map(|kept| &kept.trace)
    }

    /// Traces that got no span for the time `quiet`, oldest first.
    pub fn settled(
        &self,
        now: Instant,
        quiet: Duration,
    ) -> impl DoubleEndedIterator<Item = &Trace> {
        self.kept()
            .filter(move |kept| now.saturating_duration_since(kept.changed) >= quiet)
            .map(|kept| &kept.trace)
    }

    /// Counts the kept traces; one that is not whole counts as incomplete after `quiet`.
    #[must_use]
    pub fn summary(&self, now: Instant, quiet: Duration) -> Summary {
        let whole = self.traces().filter(|trace| trace.is_whole()).count();
        let incomplete = self.settled(now, quiet).filter(|trace| !trace.is_whole()).count();
        let arriving = self.order.len() - whole - incomplete;
        Summary { whole, incomplete, arriving, counts: self.counts }
    }

    fn kept(&self) -> impl DoubleEndedIterator<Item = &Kept> {
        self.order.iter().filter_map(|id| self.traces.get(id))
    }
}

// === impl SharedStore ===

impl SharedStore {
    /// An empty store.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let store = Arc::new(Mutex::new(Store::new(limits)));
        Self { store, changes: watch::Sender::new(()) }
    }

    /// Adds spans and tells everybody who waits for a change.
    pub fn insert(&self, spans: impl IntoIterator<Item = Span>) {
        let now = Instant::now();
        self.with(|store| spans.into_iter().for_each(|span| store.insert(span, now)));
        self.changes.send_replace(());
    }

    /// Looks into the store. Nothing is added meanwhile, so be brief.
    pub fn with<T>(&self, look: impl FnOnce(&mut Store) -> T) -> T {
        look(&mut self.store.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes when spans have come in.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::tests::span;

    const QUIET: Duration = Duration::from_secs(1);

    fn store(traces: usize, spans: usize, spans_per_trace: usize) -> Store {
        Store::new(Limits { traces, spans, spans_per_trace })
    }

    /// A span of trace `trace` with id `id`.
    fn of(trace: u8, id: u8, parent: u8) -> Span {
        Span { trace_id: TraceId::from_slice(&[trace; 16]).unwrap(), ..span(id, parent, 0) }
    }

    /// Number of spans of each kept trace, oldest first.
    fn kept(store: &Store) -> Vec<usize> {
        store.traces().map(|trace| trace.spans.len()).collect()
    }

    #[test]
    fn stays_within_every_limit_and_counts_what_it_lost() {
        type Ids = &'static [(u8, u8)];
        let cases: [(&str, Store, Ids, &[usize], Counts); 5] = [
            (
                "room for all",
                store(2, 9, 9),
                &[(1, 1), (2, 1), (1, 2)],
                &[2, 1],
                Counts { received: 3, ..Counts::default() },
            ),
            (
                "too many traces: the oldest goes",
                store(2, 9, 9),
                &[(1, 1), (1, 2), (2, 1), (3, 1)],
                &[1, 1],
                Counts { received: 4, evicted: 2, ..Counts::default() },
            ),
            (
                "too many spans: the oldest traces go, as many as needed",
                store(9, 3, 9),
                &[(1, 1), (2, 1), (3, 1), (3, 2), (3, 3)],
                &[3],
                Counts { received: 5, evicted: 2, ..Counts::default() },
            ),
            (
                "one trace may not grow for ever",
                store(9, 9, 2),
                &[(1, 1), (1, 2), (1, 3), (2, 1)],
                &[2, 1],
                Counts { received: 4, refused: 1, ..Counts::default() },
            ),
            (
                "an exporter that tries again sends spans twice",
                store(9, 9, 9),
                &[(1, 1), (1, 1), (2, 1)],
                &[1, 1],
                Counts { received: 3, duplicates: 1, ..Counts::default() },
            ),
        ];
        for (why, mut store, spans, want, counts) in cases {
            spans.iter().for_each(|&(trace, id)| store.insert(of(trace, id, 0), Instant::now()));
            assert_eq!(kept(&store), want, "{why}");
            assert_eq!(store.counts, counts, "{why}");
            assert_eq!(store.spans, want.iter().sum::<usize>(), "{why}");
            assert_eq!(store.traces.len(), store.order.len(), "{why}");
        }
    }

    #[test]
    fn a_limit_of_zero_keeps_nothing() {
        for mut store in [store(0, 9, 9), store(9, 0, 9), store(9, 9, 0)] {
            store.insert(of(1, 1, 0), Instant::now());
            store.insert(of(1, 2, 1), Instant::now());
            assert_eq!(kept(&store).iter().sum::<usize>(), 0);
        }
    }

    #[test]
    fn a_broken_trace_counts_as_incomplete_only_when_nothing_more_comes() {
        let mut store = store(9, 9, 9);
        let begin = Instant::now();
        store.insert(of(1, 1, 0), begin); // whole
        store.insert(of(2, 2, 1), begin); // its parent is missing
        store.insert(of(3, 3, 1), begin + QUIET); // and here, but that may change
        let summary = store.summary(begin + QUIET, QUIET);
        assert_eq!((summary.whole, summary.incomplete, summary.arriving), (1, 1, 1));
        assert_eq!(store.settled(begin + QUIET, QUIET).count(), 2);

        store.insert(of(2, 1, 0), begin + QUIET);
        let summary = store.summary(begin + QUIET, QUIET);
        assert_eq!((summary.whole, summary.incomplete, summary.arriving), (2, 0, 1));
    }

    #[tokio::test]
    async fn tells_those_who_wait_that_spans_came() {
        let store = SharedStore::new(Limits::default());
        let mut changes = store.changes();
        let wait = tokio::spawn(async move { changes.changed().await });
        store.insert([of(1, 1, 0)]);
        wait.await.unwrap().unwrap();
        assert_eq!(store.with(|store| store.traces().count()), 1);
    }
}

//! One trace every few seconds, for people.

use std::collections::HashSet;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use hopspan_lens::render::{self, Medium};
use hopspan_lens::span::TraceId;
use hopspan_lens::store::{SharedStore, Store};
use hopspan_lens::trace::Trace;

use crate::load::Load;
use crate::scenario::Scenario;

/// A trace that got no span for so long gets no more: five times the proxies' delay.
const QUIET: Duration = Duration::from_secs(1);

/// Prints traces as long as it is let, and as there is somebody who reads.
pub(crate) async fn show(store: &SharedStore, load: &Load, every: Duration) -> io::Result<()> {
    let mut order = Scenario::ALL.into_iter().cycle();
    let mut shown = HashSet::new();
    loop {
        tokio::time::sleep(every).await;
        let text = store.with(|store| page(store, load, &mut order, &mut shown));
        io::stdout().write_all(text.as_bytes())?;
    }
}

/// A trace and one line about all of them.
fn page(
    store: &Store,
    load: &Load,
    order: &mut impl Iterator<Item = Scenario>,
    shown: &mut HashSet<TraceId>,
) -> String {
    let now = Instant::now();
    let next = || Scenario::ALL.iter().zip(order).find_map(|(_, it)| of_kind(store, now, it));
    let medium = Medium::of_stdout();
    let text = match by_people(store, now, load, shown).or_else(next) {
        Some((title, trace)) => format!("\n── {title} ──\n{}", render::tree(trace, medium)),
        None => "\nno trace has arrived yet\n".to_owned(),
    };
    text + &render::summary(&store.summary(now, QUIET)) + "\n"
}

/// The newest trace that we did not cause, once: somebody waits for it.
fn by_people<'a>(
    store: &'a Store,
    now: Instant,
    load: &Load,
    shown: &mut HashSet<TraceId>,
) -> Option<(&'static str, &'a Trace)> {
    let ours = |trace: &Trace| {
        let scenario = trace.tops().into_iter().find_map(Scenario::of);
        scenario.is_some_and(|(_, number)| load.made(number))
    };
    let kept: HashSet<TraceId> = store.traces().map(|trace| trace.id).collect();
    shown.retain(|id| kept.contains(id));
    let found = store.settled(now, QUIET).rev().find(|it| !shown.contains(&it.id) && !ours(it))?;
    shown.insert(found.id);
    Some(("your request", found))
}

/// The newest trace of one kind.
fn of_kind(store: &Store, now: Instant, kind: Scenario) -> Option<(&'static str, &Trace)> {
    let is_of_kind =
        |trace: &&Trace| trace.root().and_then(Scenario::of).is_some_and(|(it, _)| it == kind);
    Some((kind.name(), store.settled(now, QUIET).rev().find(is_of_kind)?))
}

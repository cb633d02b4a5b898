//! One trace every few seconds, for people.

use std::collections::HashSet;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use hopspan_lens::render::{self, Medium};
use hopspan_lens::span::TraceId;
use hopspan_lens::store::{SharedStore, Store};
use hopspan_lens::trace::Trace;

use crate::calls;
use crate::load::Load;
use crate::mesh::Ports;
use crate::scenario::{Origin, Scenario};

/// A trace that got no span for so long gets no more: five times the proxies' delay.
const QUIET: Duration = Duration::from_secs(1);

/// Prints traces as long as it is let, and as there is somebody who reads.
pub(crate) async fn show(
    store: &SharedStore,
    load: &Load,
    ports: Ports,
    every: Duration,
) -> io::Result<()> {
    let mut order = Scenario::ALL.into_iter().cycle();
    let mut shown = HashSet::new();
    loop {
        tokio::time::sleep(every).await;
        let page = store.with(|store| page(store, load, &mut order, &mut shown));
        let mut text = page.text;
        if page.is_broken {
            for calls in calls::counted(ports).await.iter().filter(|it| it.bare > 0) {
                text += &format!("{calls}: it does not pass the headers on\n");
            }
        }
        text += &page.summary;
        io::stdout().write_all(text.as_bytes())?;
    }
}

/// A trace and one line about all of them.
struct Page {
    text: String,
    /// Whether the trace is one that a service broke.
    is_broken: bool,
    summary: String,
}

fn page(
    store: &Store,
    load: &Load,
    order: &mut impl Iterator<Item = Scenario>,
    shown: &mut HashSet<TraceId>,
) -> Page {
    let now = Instant::now();
    let next = || Scenario::ALL.iter().zip(order).find_map(|(_, it)| of_kind(store, now, it));
    let mut text = String::new();
    let mut is_broken = false;
    match by_people(store, now, load, shown).or_else(next) {
        Some((title, traces)) => {
            text += &format!("\n── {title} ──\n");
            traces.iter().for_each(|trace| text += &render::tree(trace, Medium::of_stdout()));
            is_broken = traces.iter().filter_map(|it| origin(it)).any(|it| it.is_torn());
        }
        None => text += "\nno trace has arrived yet\n",
    }
    let summary = render::summary(&store.summary(now, QUIET)) + "\n";
    Page { text, is_broken, summary }
}

/// The newest trace that we did not cause, once: somebody waits for it.
fn by_people<'a>(
    store: &'a Store,
    now: Instant,
    load: &Load,
    shown: &mut HashSet<TraceId>,
) -> Option<(&'static str, Vec<&'a Trace>)> {
    let ours = |trace: &Trace| origin(trace).is_some_and(|it| load.made(it.number));
    let kept: HashSet<TraceId> = store.traces().map(|trace| trace.id).collect();
    shown.retain(|id| kept.contains(id));
    let found = store.settled(now, QUIET).rev().find(|it| !shown.contains(&it.id) && !ours(it))?;
    let traces = pieces(store, now, found);
    shown.extend(traces.iter().map(|it| it.id));
    Some(("your request", traces))
}

/// The newest trace of one kind.
fn of_kind(store: &Store, now: Instant, kind: Scenario) -> Option<(&'static str, Vec<&Trace>)> {
    let is_of_kind =
        |trace: &&Trace| trace.root().and_then(Origin::of).is_some_and(|it| it.scenario == kind);
    let found = store.settled(now, QUIET).rev().find(is_of_kind)?;
    Some((kind.name(), pieces(store, now, found)))
}

/// A trace, and the other one of the same request if that left two.
fn pieces<'a>(store: &'a Store, now: Instant, of: &'a Trace) -> Vec<&'a Trace> {
    let mut all = vec![of];
    if let Some(own) = origin(of).filter(|it| it.is_torn()) {
        let is_other =
            |it: &Origin| it.piece != own.piece && Origin { piece: own.piece, ..*it } == own;
        let mut traces = store.settled(now, QUIET).rev();
        all.extend(traces.find(|it| origin(it).as_ref().is_some_and(is_other)));
        all.sort_by_key(|trace| origin(trace).map(|it| it.piece));
    }
    all
}

fn origin(trace: &Trace) -> Option<Origin> {
    trace.tops().into_iter().find_map(Origin::of)
}

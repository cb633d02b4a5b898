//! Makes requests of every kind and waits for what they leave behind.

use std::io::{self, Write};
use std::time::Duration;

use hopspan_lens::render::{self, Medium};
use hopspan_lens::store::SharedStore;

use super::{Verdict, judge, page};
use crate::calls::{self, Calls};
use crate::envoy;
use crate::load::Load;
use crate::mesh::{Ports, Proxy};
use crate::sampling::Sampling;
use crate::scenario::Scenario;
use crate::{Failure, because, step};

/// How often every kind of request is made if all traces are recorded.
const ROUNDS: usize = 10;
/// How often errors happen while few traces are recorded, and how many products are looked
/// at each time: so many that some of those are sampled.
const RARE_ROUNDS: usize = 50;
const PRODUCTS: usize = 29;
/// How long spans and counts may take to arrive.
const LAST_SPANS: Duration = Duration::from_secs(10);

/// Passes if all traces are right, and the one service that forgets the headers is named.
pub(crate) async fn run(
    ports: Ports,
    sampling: Sampling,
    store: &SharedStore,
    load: &Load,
) -> Result<(), Failure> {
    /// Longer than the proxies wait: what nobody expects would be here by then.
    const NOTHING_MORE: Duration = Duration::from_millis(500);

    let sent = if sampling.is_all() {
        load.rounds(ROUNDS, &Scenario::ALL).await
    } else {
        use Scenario::{Fail, Flaky, Forgetful, Hidden, Order};
        let products = [Scenario::Product; PRODUCTS];
        let round = [&[Hidden, Fail, Order, Flaky, Forgetful][..], &products].concat();
        load.rounds(RARE_ROUNDS, &round).await
    };
    step("traffic", format_args!("{} requests answered", sent.len()))?;
    let judge = || store.with(|store| judge(&sent, sampling, store.traces()));
    let mut changes = store.changes();
    let complete = async {
        while !judge().is_good() && changes.changed().await.is_ok() {}
        tokio::time::sleep(NOTHING_MORE).await;
    };
    let in_time = tokio::time::timeout(LAST_SPANS, complete).await.is_ok();
    let verdict = judge();
    if !verdict.is_good() {
        let late = if in_time { "" } else { " in time" };
        complain(&verdict, ports).await?;
        return Err(because(format!("check failed: not every trace was right{late}; {verdict}")));
    }
    step("check", format_args!("passed: {verdict}"))?;

    let want = calls::of_requests(sent.iter().map(|it| it.scenario));
    let counted = counted_in_time(ports, &want).await;
    if counted != want {
        let list =
            |calls: &[Calls]| calls.iter().map(Calls::to_string).collect::<Vec<_>>().join(", ");
        let (counted, want) = (list(&counted), list(&want));
        return Err(because(format!("check failed: {counted}; it must be: {want}")));
    }
    let ids: Vec<_> =
        store.with(|store| store.traces().map(|it| (it.id, it.spans.len())).collect());
    let shown = page::shown_in_time(ports.collector(), &sent, &ids, LAST_SPANS).await;
    let shown = shown.map_err(|problem| because(format!("check failed: the page: {problem}")))?;
    step("page", shown)?;
    for calls in counted.iter().filter(|it| it.bare > 0) {
        step("broken", format_args!("{calls}, as it is meant to"))?;
    }
    Ok(())
}

/// What the sidecars counted in the end: they tell their proxies a few times a second.
async fn counted_in_time(ports: Ports, want: &[Calls]) -> Vec<Calls> {
    let complete = async {
        while calls::counted(ports).await != want {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let _ = tokio::time::timeout(LAST_SPANS, complete).await;
    calls::counted(ports).await
}

/// Prints what is wrong: the first few requests with their traces, then the proxies' counts.
async fn complain(verdict: &Verdict, ports: Ports) -> io::Result<()> {
    const MOST: usize = 3;

    let mut out = String::new();
    for broken in verdict.broken.iter().take(MOST) {
        out += &format!("\n{}\n", broken.request);
        broken.problems.iter().for_each(|problem| out += &format!("  - {problem}\n"));
        broken.traces.iter().for_each(|trace| out += &render::tree(trace, Medium::of_stdout()));
    }
    for trace in verdict.strangers.iter().take(MOST) {
        out += "\na trace that nobody asked for\n";
        out += &render::tree(trace, Medium::of_stdout());
    }
    let more =
        verdict.broken.len().saturating_sub(MOST) + verdict.strangers.len().saturating_sub(MOST);
    if more > 0 {
        out += &format!("\nand {more} more\n");
    }
    out += "\nwhat hopspan counted in each proxy:\n";
    for proxy in Proxy::ALL {
        out += &format!("  {proxy}\n");
        for line in envoy::hopspan_stats(ports.admin(proxy)).await {
            out += &format!("    {line}\n");
        }
    }
    io::stdout().write_all(out.as_bytes())
}

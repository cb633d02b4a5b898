//! More workers: what a request takes from the processor, and what the proxy has in memory.
//!
//! All workers share one core, so that nothing is faster with more of them; a request is to cost
//! what it did.

use std::time::Duration;

use super::table::{Axis, Line, Table};
use super::variants;
use crate::contender::{Contender, Measured, turns};
use crate::cores::Cores;
use crate::doubts::Doubts;
use crate::envoy::Place;
use crate::statistics::{Estimate, mean};
use crate::variant::{NATIVE, NONE};
use crate::verdict::Verdict;

/// The tables: time, and memory.
pub(super) fn run(place: &Place) -> Result<Vec<Table>, String> {
    let cores = Cores::claim()?;
    let place = place.pinned(cores)?;
    let variants = variants(&[NONE, NATIVE, "server"])?;
    let mut contenders = Vec::new();
    for variant in &variants {
        for (workers, label) in WORKERS {
            println!("starting and warming up, {label} workers: {}", variant.about);
            contenders.push(Contender::start(&place, variant.clone(), workers, CONNECTIONS)?);
        }
    }
    for round in 0..ROUNDS {
        println!("round {} of {ROUNDS}", round + 1);
        turns(&mut contenders, round, |it| it.full(SLICE, cores.first))?;
    }
    let measured: Result<Vec<_>, _> = contenders.into_iter().map(Contender::end).collect();
    let measured = measured?;
    for it in &measured {
        let judged = it.variant.judge(it.requests, &it.received);
        judged.map_err(|what| format!("{}: {what}", it.variant.name))?;
    }
    let doubts = Doubts::of(&measured);
    let groups: Vec<_> = measured.chunks(WORKERS.len()).collect();
    Ok(vec![time(&groups, &doubts), memory(&groups)])
}

fn time(groups: &[&[Measured]], doubts: &Doubts) -> Table {
    let cost = |it: &Measured| Estimate::bootstrap(it.cpu_us.len(), |at| mean(&it.cpu_us, at));
    let finding = |group: &&[Measured]| {
        let (first, last) = (group.first()?, group.last()?);
        let times = Estimate::bootstrap(first.cpu_us.len(), |at| {
            mean(&last.cpu_us, at) / mean(&first.cpu_us, at)
        });
        let verdict = Verdict::of(&times, FLAT, doubts.concern(&[first.variant.name]));
        let is = match verdict {
            Verdict::Met => "flat",
            Verdict::Over(_) => "**not flat**",
            Verdict::Open => "whether it is flat cannot be concluded",
        };
        let (low, high) = ((times.low - 1.0) * 100.0, (times.high - 1.0) * 100.0);
        let about = first.variant.about;
        Some(format!("{about}: {is}, {low:+.1} to {high:+.1} % with the most workers"))
    };
    let doubts = doubts.of_all().iter().map(|it| format!("too noisy to conclude: {it}"));
    let findings = groups.iter().filter_map(finding).chain(doubts).collect();
    table("workers", "microseconds of CPU a request", groups, cost, findings)
}

fn memory(groups: &[&[Measured]]) -> Table {
    let mib = |it: &Measured| it.resident[0] as f64 / 1024.0;
    let more = |group: &[Measured]| {
        let (first, last) = (group.first()?, group.last()?);
        let workers = WORKERS.last()?.0 - WORKERS.first()?.0;
        Some((mib(last) - mib(first)) / f64::from(workers))
    };
    let without = groups.first().and_then(|it| more(it)).unwrap_or_default();
    let finding = |group: &&[Measured]| {
        let (variant, more) = (&group.first()?.variant, more(group)?);
        let mut said = format!("{}: {more:.1} MiB for each more worker", variant.about);
        if variant.name == "server" {
            let verdict = Verdict::of(&Estimate::exact(more - without), MIB_A_WORKER, false);
            let added = more - without;
            said += &format!(
                ", of which tracing adds {added:.1}; at most {MIB_A_WORKER}: {verdict:.1}"
            );
        }
        Some(said)
    };
    let findings = groups.iter().filter_map(finding).collect();
    table("memory", "MiB before the first request", groups, |it| Estimate::exact(mib(it)), findings)
}

fn table(
    name: &'static str,
    unit: &'static str,
    groups: &[&[Measured]],
    cost: impl Fn(&Measured) -> Estimate,
    findings: Vec<String>,
) -> Table {
    let line = |group: &&[Measured]| {
        let mut line = Line::of(&group.first()?.variant);
        line.costs.extend(group.iter().map(&cost));
        Some(line)
    };
    let lines = groups.iter().filter_map(line).collect();
    Table { name, unit, axis: Axis::linear("workers", &WORKERS), lines, findings }
}

const WORKERS: [(u32, &str); 4] = [(1, "1"), (2, "2"), (4, "4"), (8, "8")];
const CONNECTIONS: u16 = 32;
const ROUNDS: u32 = 10;
const SLICE: Duration = Duration::from_millis(500);
/// With more workers, a request may cost this multiple of what it does with one.
const FLAT: f64 = 1.05;
/// MiB that hopspan may add to an idle worker.
const MIB_A_WORKER: f64 = 2.0;

//! Instructions a request, counted under callgrind: they repeat, however busy the machine is.

use std::fmt::Write;
use std::fs;

use serde::Serialize;

use crate::budget;
use crate::callgrind::{self, Callgrind};
use crate::collector::Received;
use crate::envoy::Place;
use crate::load::{Load, Until, word};
use crate::statistics::Estimate;
use crate::variant::{self, NATIVE, NATIVE_1, NONE, Variant};
use crate::verdict::Verdict;

/// What was counted for a variant.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    variant: &'static str,
    about: &'static str,
    /// Instructions of user code for each request.
    pub(crate) instructions: f64,
    /// More than without tracing.
    added: f64,
    /// What was added, as a share of what the native tracer adds; absent where that was not
    /// measured.
    of_native: Option<f64>,
    /// Whether the last slices were alike.
    pub(crate) settled: bool,
    /// What the budget says to what was added, if there is one.
    budget: Option<Verdict>,
    /// Requests until then.
    requests: u64,
    /// Spans that arrived, and the most attributes of one.
    spans: u64,
    attributes: usize,
}

/// Measures variants by name, or those that matter most, and writes the reports.
///
/// # Errors
///
/// A name is not known, something did not start, or did not export what it should.
pub(crate) fn run(place: &Place, names: &[String]) -> Result<(), String> {
    let names = if names.is_empty() { MAIN.map(str::to_owned).to_vec() } else { names.to_vec() };
    let variants = variant::chosen(&names)?;
    let mut rows: Vec<Row> = Vec::new();
    let mut faults = Vec::new();
    println!("{}", heading());
    for variant in &variants {
        let (mut row, fault) = measure(place, variant)?;
        let added = |name| rows.iter().find(|it: &&Row| it.variant == name);
        row.added = row.instructions - added(NONE).map_or(row.instructions, |it| it.instructions);
        row.of_native = match added(NATIVE) {
            Some(native) => Some(row.added / native.added),
            None => (variant.name == NATIVE).then_some(1.0),
        };
        row.budget = budget::instructions(variant.name)
            .map(|most| Verdict::of(&Estimate::exact(row.added), most, !row.settled));
        println!("{}", line(&row));
        faults.extend(fault.err().map(|it| format!("{}: {it}", variant.name)));
        rows.push(row);
    }
    write(place, &rows)?;
    if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
}

/// The row, still without comparison, and whether what arrived is what should.
pub(crate) fn measure(
    place: &Place,
    variant: &Variant,
) -> Result<(Row, Result<(), String>), String> {
    let out = place.file(variant, "callgrind");
    let envoy = place.start(variant, 1, &callgrind::words(&out))?;
    let mut load = Load::connect(envoy.address, 1, variant)?;
    load.ask_for(Until::Requests(variant.learned), None, word)?;
    load.ask(Until::Requests(WARM), None)?;
    let mut requests = variant.learned + WARM;
    let mut callgrind = Callgrind::of(envoy.pid(), &out);
    callgrind.begin()?;
    let mut slices = Vec::new();
    // V8 compiles a module twice, the second time in the background while it is in use: that is
    // over when nothing changes any more.
    let (instructions, settled) = loop {
        load.ask(Until::Requests(SLICE), None)?;
        requests += SLICE;
        slices.push(callgrind.lap()? as f64 / SLICE as f64);
        let last = slices.rchunks(ALIKE).next().unwrap_or_default();
        let mean = last.iter().sum::<f64>() / last.len() as f64;
        let settled = last.len() == ALIKE && last.iter().all(|it| (it / mean - 1.0).abs() < EQUAL);
        if settled || slices.len() >= MOST {
            break (mean, settled);
        }
    };
    let mut received = Received::default();
    envoy.collector.wait_for(variant.spans.expected(requests), &mut received)?;
    let row = Row {
        variant: variant.name,
        about: variant.about,
        instructions,
        added: 0.0,
        of_native: None,
        settled,
        budget: None,
        requests,
        spans: received.spans,
        attributes: received.attributes.last().copied().unwrap_or_default(),
    };
    Ok((row, variant.spans.judge(requests, received.spans)))
}

fn write(place: &Place, rows: &[Row]) -> Result<(), String> {
    let mut table = String::from(
        "| variant | instructions a request | added | of native | budget | spans | attributes |\n\
         |---|---:|---:|---:|---|---:|---:|\n",
    );
    for it in rows {
        let _ = writeln!(
            table,
            "| {} | {:.0}{} | {:.0} | {} | {} | {} | {} |",
            it.about,
            it.instructions,
            unsettled(it),
            it.added,
            of_native(it),
            of_budget(it),
            it.spans,
            it.attributes,
        );
    }
    let json = serde_json::to_string_pretty(rows).map_err(|error| error.to_string())?;
    for (name, text) in [("instructions.json", json + "\n"), ("instructions.md", table)] {
        let file = place.out.join(name);
        fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    println!("\nwritten to {}: instructions.md, instructions.json", place.out.display());
    if rows.iter().any(|it| !it.settled) {
        println!("? is a figure that still changed after {MOST} slices of {SLICE} requests");
    }
    Ok(())
}

fn heading() -> String {
    format!(
        "{:<52}{:>12}{:>10}{:>11}{:>10}{:>8}{:>12}  {}",
        "instructions a request",
        "all",
        "added",
        "of native",
        "requests",
        "spans",
        "attributes",
        "budget",
    )
}

fn line(it: &Row) -> String {
    format!(
        "{:<52}{:>12}{:>10.0}{:>11}{:>10}{:>8}{:>12}  {}",
        it.about,
        format!("{:.0}{}", it.instructions, unsettled(it)),
        it.added,
        of_native(it),
        it.requests,
        it.spans,
        it.attributes,
        of_budget(it),
    )
}

fn unsettled(row: &Row) -> &'static str {
    if row.settled { "" } else { "?" }
}

fn of_native(row: &Row) -> String {
    row.of_native.map_or_else(|| "-".into(), |it| format!("{it:.2}"))
}

/// "over by 500 (90000)"
fn of_budget(row: &Row) -> String {
    let most = budget::instructions(row.variant);
    let (Some(verdict), Some(most)) = (row.budget, most) else { return "-".into() };
    format!("{verdict:.0} ({most:.0})")
}

/// Those that are measured unless others are named: each takes about a minute.
const MAIN: [&str; 7] = [NATIVE, NATIVE_1, "server", "minimal", "unsampled", "ratio-0", "keep"];
/// Requests before anything is counted.
const WARM: u64 = 1500;
/// Requests of a slice.
const SLICE: u64 = 500;
/// So many slices in a row must be alike.
const ALIKE: usize = 3;
/// By so much of their mean they may be off it.
const EQUAL: f64 = 0.003;
/// Slices after which it is given up.
const MOST: usize = 25;

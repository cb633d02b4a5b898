//! What a run found, as tables and as a plot, and whether it can be believed.

use std::fmt::Write;

use serde::Serialize;

use crate::budget::{self, Judged};
use crate::contender::Measured;
use crate::doubts::Doubts;
use crate::envoy::Place;
use crate::plot::{self, Bar, Colour};
use crate::statistics::{Estimate, interval, mean, median};
use crate::variant::{NATIVE, NONE};

/// All that was found.
#[derive(Debug, Serialize)]
struct Report {
    /// How many slices of each kind a variant had.
    rounds: usize,
    /// Requests a second while latencies were measured.
    rate: f64,
    /// Why nothing should be concluded; empty on a quiet machine.
    noise: Vec<String>,
    /// Spans that should have arrived and did not, or the other way round.
    faults: Vec<String>,
    rows: Vec<Row>,
    budgets: Vec<Judged>,
}

/// What was found of a variant.
#[derive(Clone, Debug, Serialize)]
struct Row {
    variant: &'static str,
    /// In words.
    about: &'static str,
    /// Whether it is what others are compared with.
    is_base: bool,
    /// Microseconds of the proxy's CPU for a request.
    cpu_us: Estimate,
    /// More than without tracing.
    added_us: Estimate,
    /// What is added, as a share of what the native tracer adds.
    of_native: Option<Estimate>,
    /// Requests a second.
    throughput: f64,
    /// Latencies at the fixed rate, in microseconds: of slices, the middle one.
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    /// The p99 as a multiple of that without tracing.
    p99_of_none: Estimate,
    /// Milliseconds until the proxy was ready.
    start_ms: f64,
    /// Memory before the first request and after the last one.
    resident_mib: [f64; 2],
    requests: u64,
    spans: u64,
    /// Requests to the collector, and bytes in them for each span.
    exports: u64,
    bytes_a_span: f64,
    /// The most attributes of a span.
    attributes: usize,
}

/// Writes the reports, prints them, and complains about spans that are missing.
///
/// # Errors
///
/// Spans are missing, or there are too many, or a report cannot be written.
pub(crate) fn write(place: &Place, measured: &[Measured], rate: f64) -> Result<(), String> {
    let report = Report::of(measured, rate);
    let text = report.markdown();
    println!("\n{text}");
    let svg = plot::bars(
        "microseconds of CPU a request",
        "What tracing adds to a request",
        &report.bars(),
    );
    place.reports.write("times", &text, &report, Some(svg))?;
    if report.faults.is_empty() { Ok(()) } else { Err(report.faults.join("; ")) }
}

impl Report {
    fn of(measured: &[Measured], rate: f64) -> Self {
        let rounds = measured.first().map_or(0, |it| it.cpu_us.len());
        let named = |name| measured.iter().find(|it| it.variant.name == name);
        let native = named(NATIVE).zip(named(NONE));
        let row = |it: &Measured| Row::of(it, named(it.variant.base()).unwrap_or(it), native);
        let rows: Vec<Row> = measured.iter().map(row).collect();
        let fault = |it: &Measured| {
            let judged = it.variant.judge(it.requests, &it.received);
            judged.err().map(|what| format!("{}: {what}", it.variant.name))
        };
        let faults = measured.iter().filter_map(fault).collect();
        let doubts = Doubts::of(measured);
        let budgets = Judged::all(measured, &doubts);
        Self { rounds, rate, noise: doubts.lines(), faults, rows, budgets }
    }

    /// What each adds, but for those without tracing.
    fn bars(&self) -> Vec<Bar<'_>> {
        let bar = |it: &'_ Row| Bar {
            label: it.about,
            value: it.added_us,
            colour: Colour::of(it.variant),
        };
        self.rows.iter().filter(|it| !it.is_base).map(bar).collect()
    }

    fn markdown(&self) -> String {
        let mut text = format!(
            "{} rounds; intervals are of 95 %; latencies at {:.0} requests a second.\n\n",
            self.rounds, self.rate
        );
        for (title, lines) in [
            ("Too noisy to conclude:", &self.noise),
            ("Not exported as it should be:", &self.faults),
        ] {
            if !lines.is_empty() {
                let _ = writeln!(text, "**{title}**\n");
                let list: Vec<_> = lines.iter().map(|it| format!("- {it}\n")).collect();
                let _ = writeln!(text, "{}", list.concat());
            }
        }
        text.push_str(
            "| variant | CPU us | added us | of native | requests/s | p50 us | p99 us | p99.9 us | p99 of none |\n\
             |---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
        );
        for it in &self.rows {
            let _ = writeln!(
                text,
                "| {} | {:.1} | {} | {} | {:.0} | {:.0} | {:.0} | {:.0} | {} |",
                it.about,
                it.cpu_us.value,
                interval(&it.added_us, 1),
                it.of_native.as_ref().map_or_else(|| "-".into(), |it| interval(it, 2)),
                it.throughput,
                it.p50_us,
                it.p99_us,
                it.p999_us,
                interval(&it.p99_of_none, 2),
            );
        }
        if !self.budgets.is_empty() {
            let lines: Vec<_> = self.budgets.iter().map(|it| it.line() + "\n").collect();
            let _ = write!(text, "\n{}\n{}", budget::HEAD, lines.concat());
        }
        text.push_str(
            "\n| variant | requests | spans | attributes | exports | bytes a span | start ms | MiB idle | MiB after |\n\
             |---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
        );
        for it in &self.rows {
            let [idle, after] = it.resident_mib;
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {:.0} | {:.0} | {idle:.1} | {after:.1} |",
                it.about,
                it.requests,
                it.spans,
                it.attributes,
                it.exports,
                it.bytes_a_span,
                it.start_ms,
            );
        }
        text
    }
}

impl Row {
    fn of(it: &Measured, none: &Measured, native: Option<(&Measured, &Measured)>) -> Self {
        let rounds = it.cpu_us.len();
        let all: Vec<usize> = (0..rounds).collect();
        let added = |it: &Measured, none: &Measured, places: &[usize]| {
            mean(&it.cpu_us, places) - mean(&none.cpu_us, places)
        };
        let percentile = |of_1000| median(&it.latencies_us(of_1000), &all);
        let (p99, p99_none) = (it.latencies_us(990), none.latencies_us(990));
        let p99_of_none = |places: &[usize]| median(&p99, places) / median(&p99_none, places);
        let received = &it.received;
        Self {
            variant: it.variant.name,
            about: it.variant.about,
            cpu_us: Estimate::bootstrap(rounds, |places| mean(&it.cpu_us, places)),
            is_base: it.variant.is_base(),
            added_us: Estimate::bootstrap(rounds, |places| added(it, none, places)),
            of_native: native.filter(|_| !it.variant.is_base()).map(|(native, its_none)| {
                Estimate::bootstrap(rounds, |places| {
                    added(it, none, places) / added(native, its_none, places)
                })
            }),
            throughput: mean(&it.throughput, &all),
            p50_us: percentile(500),
            p99_us: percentile(990),
            p999_us: percentile(999),
            p99_of_none: Estimate::bootstrap(rounds, p99_of_none),
            start_ms: it.started_in.as_secs_f64() * 1e3,
            resident_mib: it.resident.map(|it| it as f64 / 1024.0),
            requests: it.requests,
            spans: received.spans,
            exports: received.requests,
            bytes_a_span: received.bytes as f64 / received.spans.max(1) as f64,
            attributes: received.attributes.last().copied().unwrap_or_default(),
        }
    }
}

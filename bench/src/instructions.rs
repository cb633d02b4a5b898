//! Instructions a request, counted under callgrind: they repeat, however busy the machine is.

use serde::Serialize;

use crate::baseline::{Baseline, Change};
use crate::budget;
use crate::callgrind::{self, Callgrind};
use crate::collector::Received;
use crate::envoy::Place;
use crate::load::{Load, Until, word};
use crate::statistics::Estimate;
use crate::variant::{self, NATIVE, NATIVE_1, Variant};
use crate::verdict::Verdict;

mod table;

/// What was counted for a variant.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    variant: &'static str,
    about: &'static str,
    /// The one without tracing that it is compared with.
    base: &'static str,
    /// Instructions of user code for each request.
    pub(crate) instructions: f64,
    /// More than without tracing.
    added: f64,
    /// What was added, as a share of what the native tracer adds; absent where that was not
    /// measured.
    of_native: Option<f64>,
    /// Whether the last slices were alike, and those without tracing, too.
    pub(crate) settled: bool,
    /// What the budget says to what was added, if there is one.
    budget: Option<Verdict>,
    /// What the baseline says to it, if that has the variant.
    change: Option<Change>,
    /// Requests until then.
    requests: u64,
    /// Spans that arrived, and the most attributes of one.
    spans: u64,
    attributes: usize,
}

/// What to measure, and what for.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Which; those that matter most unless said. Those that others are compared with come by
    /// themselves.
    variants: Vec<String>,
    /// Write what was measured into bench/instructions.json, instead of comparing it with that.
    #[arg(long)]
    renew: bool,
}

/// Measures, and writes the reports.
///
/// # Errors
///
/// A name is not known, something did not start, or did not export what it should; or a variant
/// is dearer than in the baseline.
pub(crate) fn run(place: &Place, options: &Options) -> Result<(), String> {
    let main = || MAIN.map(str::to_owned).to_vec();
    let names = if options.variants.is_empty() { main() } else { options.variants.clone() };
    let variants = variant::chosen(&names)?;
    let baseline = known(place, options.renew)?;
    let mut rows: Vec<Row> = Vec::new();
    let mut faults = Vec::new();
    println!("{}", table::heading());
    for variant in &variants {
        let (mut row, fault) = measure(place, variant)?;
        row.compare(&rows, baseline.as_ref());
        println!("{}", table::line(&row));
        faults.extend(fault.err().map(|it| format!("{}: {it}", variant.name)));
        rows.push(row);
    }
    println!();
    place.reports.write("instructions", &table::markdown(&rows), &rows, None)?;
    if rows.iter().any(|it| !it.settled) {
        println!("? is a figure that still changed after {MOST} slices of {SLICE} requests");
    }
    if options.renew {
        faults.extend(renew(place, baseline, &rows)?);
    } else {
        faults.extend(rows.iter().filter_map(Row::dearer));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
}

/// The baseline, if it can be compared with. To renew it, there need not be one.
fn known(place: &Place, renew: bool) -> Result<Option<Baseline>, String> {
    let baseline = match Baseline::read() {
        Err(_) if renew => return Ok(None),
        read => read?,
    };
    if baseline.fits(&place.reports.machine) {
        return Ok(Some(baseline));
    }
    println!("bench/instructions.json is of {}: nothing is compared with it\n", baseline.whose());
    Ok(None)
}

/// Puts what was measured into the baseline. Returns what is not fit for it.
fn renew(
    place: &Place,
    baseline: Option<Baseline>,
    rows: &[Row],
) -> Result<Option<String>, String> {
    let mut baseline = baseline.unwrap_or_else(|| Baseline::of(&place.reports.machine));
    let (settled, others): (Vec<_>, Vec<_>) =
        rows.iter().filter(|it| !it.is_base()).partition(|it| it.settled);
    for row in settled {
        baseline.set(row.variant, row.added);
    }
    baseline.write()?;
    println!("renewed: bench/instructions.json");
    let names: Vec<_> = others.iter().map(|it| it.variant).collect();
    Ok((!names.is_empty()).then(|| format!("not renewed, still changing: {}", names.join(", "))))
}

impl Row {
    /// Fills in what follows from those before it and from the baseline.
    fn compare(&mut self, before: &[Self], baseline: Option<&Baseline>) {
        let named = |name| before.iter().find(|it| it.variant == name);
        let base = if self.is_base() { None } else { named(self.base) };
        self.added = base.map_or(0.0, |base| self.instructions - base.instructions);
        self.settled &= base.is_none_or(|base| base.settled);
        self.of_native = match named(NATIVE) {
            Some(native) => Some(self.added / native.added),
            None => (self.variant == NATIVE).then_some(1.0),
        };
        self.budget = budget::instructions(self.variant)
            .map(|most| Verdict::of(&Estimate::exact(self.added), most, !self.settled));
        self.change = baseline.and_then(|it| it.change(self.variant, self.added));
    }

    fn is_base(&self) -> bool {
        self.variant == self.base
    }

    /// What is to be said when the baseline has less.
    fn dearer(&self) -> Option<String> {
        let change = self.change.filter(|it| it.is_dearer())?;
        Some(format!(
            "{} adds {:.0} instructions, {:.1} % more than bench/instructions.json has",
            self.variant,
            self.added,
            change.percent()
        ))
    }
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
    envoy.collector.wait_until(|it| variant.is_all(requests, it), &mut received)?;
    let row = Row {
        variant: variant.name,
        about: variant.about,
        base: variant.base(),
        instructions,
        added: 0.0,
        of_native: None,
        settled,
        budget: None,
        change: None,
        requests,
        spans: received.spans,
        attributes: received.attributes.last().copied().unwrap_or_default(),
    };
    Ok((row, variant.judge(requests, &received)))
}

/// Those that are measured unless others are named: each takes about a minute.
const MAIN: [&str; 8] =
    [NATIVE, NATIVE_1, "server", "minimal", "unsampled", "ratio-0", "keep", "metrics"];
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

#[test]
fn what_still_changes_is_not_judged() {
    let row = |variant, instructions, settled| Row {
        variant,
        about: variant,
        base: "none",
        instructions,
        added: 0.0,
        of_native: None,
        settled,
        budget: None,
        change: None,
        requests: 3000,
        spans: 3000,
        attributes: 16,
    };
    for (why, instructions, settled, none_settled, want) in [
        ("within", 250_000.0, true, true, Verdict::Met),
        ("above", 260_500.0, true, true, Verdict::Over(500.0)),
        ("it changes", 250_000.0, false, true, Verdict::Open),
        ("what it is compared with changes", 250_000.0, true, false, Verdict::Open),
    ] {
        let before = [row("none", 170_000.0, none_settled), row(NATIVE, 320_000.0, true)];
        let mut server = row("server", instructions, settled);
        server.compare(&before, None);
        assert_eq!(server.budget, Some(want), "{why}");
    }
}

//! How the cost grows: with headers, with bodies, with routes, in a full queue, with workers.
//! Where it should not grow, the report says whether it does.

use serde_json::json;

use crate::envoy::Place;
use crate::instructions;
use crate::statistics::Estimate;
use crate::upstream::BYTES;
use crate::variant::{self, NATIVE, NONE, Tracing, Variant};

mod growth;
mod table;
mod workers;

use growth::Growth;
use table::{Axis, Kind, Line, Size, Table};

/// With what it grows.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Subject {
    /// Headers of a request.
    Headers,
    /// The body of an answer.
    Answers,
    /// The body of a request.
    Bodies,
    /// Routes that were learned.
    Routes,
    /// Spans that wait.
    Queue,
    /// Workers: time and memory.
    Workers,
}

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// With what it grows; all of them unless said.
    subjects: Vec<Subject>,
}

/// Measures, and writes the reports.
///
/// # Errors
///
/// Something did not start, or did not export what it should.
pub(crate) fn run(place: &Place, options: &Options) -> Result<(), String> {
    for subject in Subject::all(&options.subjects) {
        let tables = match subject {
            Subject::Headers => vec![headers(place)?],
            Subject::Answers => vec![answers(place)?],
            Subject::Bodies => vec![bodies(place)?],
            Subject::Routes => vec![routes(place)?],
            Subject::Queue => vec![queue(place)?],
            Subject::Workers => workers::run(place)?,
        };
        for table in tables {
            let (name, text) = (format!("scaling-{}", table.name), table.markdown());
            println!("\n{text}");
            place.reports.write(&name, &text, &table, Some(table.svg()))?;
        }
    }
    Ok(())
}

impl Subject {
    /// Those that were named, or all, workers last: those are measured on a core of their own,
    /// to which this process keeps from then on.
    fn all(named: &[Self]) -> Vec<Self> {
        use Subject::{Answers, Bodies, Headers, Queue, Routes, Workers};
        let all = [Headers, Answers, Bodies, Routes, Queue, Workers];
        let chosen = |it: &Self| named.is_empty() || named.contains(it);
        all.into_iter().filter(chosen).collect()
    }
}

fn headers(place: &Place) -> Result<Table, String> {
    let axis = Axis::linear("headers", &[(11, "11"), (40, "40"), (100, "100")]);
    by(place, "headers", axis, &ALL, Growth::Each("header"), |it, size| {
        it.headers += &(11..size).map(|it| format!("x-more-{it}: value\r\n")).collect::<String>();
    })
}

fn answers(place: &Place) -> Result<Table, String> {
    let axis = Axis::linear("size of an answer", &KIB);
    by(place, "answers", axis, &ALL, Growth::Each("KiB"), |it, size| {
        it.headers += &format!("{BYTES}: {}\r\n", size * 1024);
    })
}

fn bodies(place: &Place) -> Result<Table, String> {
    let axis = Axis::linear("size of a POST", &KIB);
    by(place, "bodies", axis, &ALL, Growth::Each("KiB"), |it, size| {
        it.body = Some(size as usize * 1024);
    })
}

fn routes(place: &Place) -> Result<Table, String> {
    let mut axis = Axis::linear("learned routes", &[(1, "1"), (100, "100"), (10_000, "10,000")]);
    axis.kind = Kind::Logarithmic;
    by(place, "routes", axis, &["server"], Growth::Flat, |it, size| {
        it.configure("routes", &json!({ "max": 10_000 }));
        // The last one is that of the request itself.
        it.learned = size - 1;
    })
}

/// A span that finds no room is to cost no more than one that waits with others.
fn queue(place: &Place) -> Result<Table, String> {
    let [server, down, full] = ["server", "down", "full"].map(|it| variants(&[it]));
    let (server, mut down, full) = (server?, down?, full?);
    for it in &mut down {
        let batch = json!({ "max_queue_size": 1_000_000, "max_queue_bytes": 256 << 20 });
        it.configure("batch", &batch);
    }
    let sizes =
        ["collector takes them", "collector down, room for them", "collector down, no room"];
    let (mut costs, mut findings) = (Vec::new(), Vec::new());
    for variant in [server, down, full].iter().flatten() {
        let (cost, doubt) = count(place, variant)?;
        costs.push(cost);
        findings.extend(doubt);
    }
    let sizes = sizes.map(|it| Size { label: it.into(), value: 0.0 }).to_vec();
    let [_, room, none] = *costs else { return Err("a variant is missing".into()) };
    let change = none.value / room.value - 1.0;
    let is = if change <= growth::EQUAL { "no dearer" } else { "**dearer**" };
    findings.insert(0, format!("no room is {is} than room, {:+.1} %", change * 100.0));
    let line = Line { variant: "server", about: "hopspan, SERVER span", costs };
    Ok(Table {
        name: "queue",
        unit: INSTRUCTIONS,
        axis: Axis { title: "what becomes of spans", kind: Kind::Named, sizes },
        lines: vec![line],
        findings,
    })
}

/// Counts instructions of these variants, after `change` has made each as large as the size says.
fn by(
    place: &Place,
    name: &'static str,
    axis: Axis,
    names: &[&str],
    growth: Growth,
    change: impl Fn(&mut Variant, u64),
) -> Result<Table, String> {
    let (mut lines, mut doubts) = (Vec::new(), Vec::new());
    for variant in variants(names)? {
        let mut line = Line::of(&variant);
        for size in &axis.sizes {
            let mut changed = variant.clone();
            change(&mut changed, size.value as u64);
            println!("counting, {} {}: {}", axis.title, size.label, variant.about);
            let (cost, doubt) = count(place, &changed)?;
            line.costs.push(cost);
            doubts.extend(doubt.map(|it| format!("{it}, {} {}", axis.title, size.label)));
        }
        lines.push(line);
    }
    let mut findings = growth.findings(&axis.sizes, &lines);
    findings.extend(doubts);
    Ok(Table { name, unit: INSTRUCTIONS, axis, lines, findings })
}

/// Instructions, and what speaks against the figure.
fn count(place: &Place, variant: &Variant) -> Result<(Estimate, Option<String>), String> {
    let (row, exported) = instructions::measure(place, variant)?;
    exported.map_err(|what| format!("{}: {what}", variant.name))?;
    let doubt = (!row.settled).then(|| format!("**still changing**: {}", variant.about));
    Ok((Estimate::exact(row.instructions), doubt))
}

fn variants(names: &[&str]) -> Result<Vec<Variant>, String> {
    let owned: Vec<_> = names.iter().map(|it| (*it).to_owned()).collect();
    let chosen = variant::chosen(&owned)?;
    Ok(chosen.into_iter().filter(|it| names.contains(&it.name)).collect())
}

impl Variant {
    /// Sets a key of hopspan's configuration, if it is hopspan.
    fn configure(&mut self, key: &str, value: &serde_json::Value) {
        if let Tracing::Hopspan { configuration, .. } = &mut self.tracing {
            configuration[key] = value.clone();
        }
    }
}

const ALL: [&str; 4] = [NONE, NATIVE, "server", "unsampled"];
/// None, some buffers, many.
const KIB: [(u32, &str); 3] = [(0, "0"), (64, "64 KiB"), (256, "256 KiB")];
const INSTRUCTIONS: &str = "instructions a request";

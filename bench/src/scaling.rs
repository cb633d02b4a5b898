//! How the cost grows: with headers, with bodies, with routes, with workers. Where it should not
//! grow, that is to be seen.

use std::fmt::Write;
use std::fs;

use serde::Serialize;
use serde_json::json;

use crate::envoy::Place;
use crate::instructions;
use crate::upstream::BYTES;
use crate::variant::{self, NATIVE, NONE, Tracing, Variant};

/// A line of a table: a variant, and its cost at each size.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    /// The variant, in words.
    pub(crate) about: &'static str,
    /// In the unit of its table.
    pub(crate) costs: Vec<f64>,
}

/// What grows with something.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    title: &'static str,
    /// How much there was of it.
    sizes: Vec<u64>,
    lines: Vec<Line>,
}

/// Measures, and writes the reports.
///
/// # Errors
///
/// Something did not start, or did not export what it should.
pub(crate) fn run(place: &Place) -> Result<(), String> {
    let tables = [
        by(place, "instructions a request, by headers", &[11, 30, 60, 100], &ALL, |it, size| {
            it.headers +=
                &(11..size).map(|it| format!("x-more-{it}: value\r\n")).collect::<String>();
        })?,
        by(place, "instructions a request, by bytes of the answer", BODIES, &ALL, |it, size| {
            it.headers += &format!("{BYTES}: {size}\r\n");
        })?,
        by(place, "instructions a request, by learned routes", ROUTES, &["server"], |it, size| {
            if let Tracing::Hopspan { configuration, .. } = &mut it.tracing {
                configuration["routes"] = json!({ "max": 10_000 });
            }
            // The last one is that of the request itself.
            it.learned = size - 1;
        })?,
        memory(place)?,
    ];
    let text: String = tables.iter().map(Table::markdown).collect();
    let json = serde_json::to_string_pretty(&tables).map_err(|error| error.to_string())?;
    for (name, text) in [("scaling.json", json + "\n"), ("scaling.md", text)] {
        let file = place.out.join(name);
        fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    println!("written to {}: scaling.md, scaling.json", place.out.display());
    Ok(())
}

fn by(
    place: &Place,
    title: &'static str,
    sizes: &[u64],
    names: &[&str],
    change: impl Fn(&mut Variant, u64),
) -> Result<Table, String> {
    println!("{title}: {sizes:?}");
    let mut lines = Vec::new();
    for variant in variants(names)? {
        let mut costs = Vec::new();
        for &size in sizes {
            let mut changed = variant.clone();
            change(&mut changed, size);
            let (row, exported) = instructions::measure(place, &changed)?;
            exported.map_err(|what| format!("{}: {what}", variant.name))?;
            if !row.settled {
                println!("{} at {size} did not settle", variant.about);
            }
            costs.push(row.instructions);
        }
        lines.push(told(Line { about: variant.about, costs }));
    }
    Ok(Table { title, sizes: sizes.to_vec(), lines })
}

/// Resident memory before the first request.
fn memory(place: &Place) -> Result<Table, String> {
    let title = "KiB of memory before the first request, by workers";
    println!("{title}: {WORKERS:?}");
    let mut lines = Vec::new();
    for variant in variants(&[NONE, NATIVE, "server"])? {
        let mut costs = Vec::new();
        for workers in WORKERS {
            costs.push(place.start(&variant, workers, &[])?.resident()? as f64);
        }
        lines.push(told(Line { about: variant.about, costs }));
    }
    Ok(Table { title, sizes: WORKERS.map(u64::from).to_vec(), lines })
}

fn variants(names: &[&str]) -> Result<Vec<Variant>, String> {
    let owned: Vec<_> = names.iter().map(|it| (*it).to_owned()).collect();
    let chosen = variant::chosen(&owned)?;
    Ok(chosen.into_iter().filter(|it| names.contains(&it.name)).collect())
}

fn told(line: Line) -> Line {
    let costs: String = line.costs.iter().map(|it| format!("{it:>10.0}")).collect();
    println!("{:<52}{costs}", line.about);
    line
}

impl Table {
    fn markdown(&self) -> String {
        let cells = |it: &[String]| it.iter().map(|it| format!(" {it} |")).collect::<String>();
        let sizes: Vec<_> = self.sizes.iter().map(ToString::to_string).collect();
        let mut text = format!("| {} |{}\n|---|", self.title, cells(&sizes));
        text += &"---:|".repeat(sizes.len());
        text.push('\n');
        for line in &self.lines {
            let costs: Vec<_> = line.costs.iter().map(|it| format!("{it:.0}")).collect();
            let _ = writeln!(text, "| {} |{}", line.about, cells(&costs));
        }
        text + "\n"
    }
}

const ALL: [&str; 4] = [NONE, NATIVE, "server", "unsampled"];
const BODIES: &[u64] = &[2, 16_384, 262_144];
const ROUTES: &[u64] = &[1, 100, 1_000, 10_000];
const WORKERS: [u32; 4] = [1, 2, 4, 8];

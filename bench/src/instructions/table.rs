//! What was counted, as lines of a terminal and as a table.

use std::fmt::Write;

use super::Row;
use crate::budget;

/// The table of a report.
pub(super) fn markdown(rows: &[Row]) -> String {
    let mut table = String::from(
        "| variant | instructions a request | added | of native | attributes | budget |\n\
         |---|---:|---:|---:|---:|---|\n",
    );
    for it in rows {
        let _ = writeln!(
            table,
            "| {} | {} | {:.0} | {} | {} | {} |",
            it.about,
            all(it),
            it.added,
            of_native(it),
            it.attributes,
            of_budget(it),
        );
    }
    table
}

/// What is above lines.
pub(super) fn heading() -> String {
    format!(
        "{:<52}{:>9}{:>8}{:>11}{:>9}{:>10}{:>7}{:>12}  budget",
        "instructions a request",
        "all",
        "added",
        "of native",
        "change",
        "requests",
        "spans",
        "attributes",
    )
}

/// One row.
pub(super) fn line(it: &Row) -> String {
    format!(
        "{:<52}{:>9}{:>8.0}{:>11}{:>9}{:>10}{:>7}{:>12}  {}",
        it.about,
        all(it),
        it.added,
        of_native(it),
        change(it),
        it.requests,
        it.spans,
        it.attributes,
        of_budget(it),
    )
}

/// With a mark where it still changed.
fn all(it: &Row) -> String {
    format!("{:.0}{}", it.instructions, if it.settled { "" } else { "?" })
}

fn of_native(it: &Row) -> String {
    it.of_native.map_or_else(|| "-".into(), |it| format!("{it:.2}"))
}

/// "+1.5 %"
fn change(it: &Row) -> String {
    it.change.map_or_else(|| "-".into(), |it| format!("{:+.1} %", it.percent()))
}

/// "over by 500 (90000)"
fn of_budget(it: &Row) -> String {
    let most = budget::instructions(it.variant);
    let (Some(verdict), Some(most)) = (it.budget, most) else { return "-".into() };
    format!("{verdict:.0} ({most:.0})")
}

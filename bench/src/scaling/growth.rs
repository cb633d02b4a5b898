//! How costs grow with a size, and whether they grow as they may.

use super::table::{Line, Size};
use crate::variant::NONE;

/// How they may grow.
#[derive(Clone, Copy, Debug)]
pub(super) enum Growth {
    /// Not at all.
    Flat,
    /// By as much for each of these as for any other.
    Each(&'static str),
}

impl Growth {
    /// A sentence for each line.
    pub(super) fn findings(self, sizes: &[Size], lines: &[Line]) -> Vec<String> {
        let without = lines.iter().find(|it| it.variant == NONE).and_then(|it| slope(sizes, it));
        let finding = |line: &Line| {
            let said = match self {
                Self::Flat => flat(sizes, line)?,
                Self::Each(what) => each(what, sizes, line, without)?,
            };
            Some(format!("{}: {said}", line.about))
        };
        lines.iter().filter_map(finding).collect()
    }
}

/// The size at which it is furthest from what it was at the first one.
fn flat(sizes: &[Size], line: &Line) -> Option<String> {
    let first = line.costs.first()?.value;
    let changes = line.costs.iter().map(|it| it.value / first - 1.0).zip(sizes).skip(1);
    let (change, size) = changes.max_by(|(a, _), (b, _)| a.abs().total_cmp(&b.abs()))?;
    let is = if change.abs() <= EQUAL { "flat" } else { "**not flat**" };
    Some(format!("{is}, {:+.1} % at {}", change * 100.0, size.label))
}

/// What one more costs, how much of that tracing adds, and whether it costs that everywhere.
fn each(what: &str, sizes: &[Size], line: &Line, without: Option<f64>) -> Option<String> {
    let slope = slope(sizes, line)?;
    let mut said = format!("{slope:.0} for each {what}");
    if let Some(without) = without.filter(|_| line.variant != NONE) {
        said += &format!(", of which tracing adds {:.0}", slope - without);
    }
    let (first, start) = (sizes.first()?.value, line.costs.first()?.value);
    let off = line.costs.iter().zip(sizes).map(|(cost, size)| {
        let straight = start + slope * (size.value - first);
        (cost.value / straight - 1.0, size)
    });
    let (off, size) = off.max_by(|(a, _), (b, _)| a.abs().total_cmp(&b.abs()))?;
    if off.abs() > EQUAL {
        said += &format!("; **not in proportion**, {:+.1} % off at {}", off * 100.0, size.label);
    }
    Some(said)
}

/// What one more costs, from the first size to the last one.
fn slope(sizes: &[Size], line: &Line) -> Option<f64> {
    let more = sizes.last()?.value - sizes.first()?.value;
    Some((line.costs.last()?.value - line.costs.first()?.value) / more)
}

/// By so much, as a share, costs may differ from what they should be.
pub(super) const EQUAL: f64 = 0.05;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Estimate;

    fn findings(growth: Growth, costs: &[(&'static str, [f64; 3])]) -> Vec<String> {
        let sizes = [10.0, 20.0, 100.0].map(|value| Size { label: value.to_string(), value });
        let line = |(variant, costs): &(&'static str, [f64; 3])| Line {
            variant,
            about: variant,
            costs: costs.map(Estimate::exact).to_vec(),
        };
        growth.findings(&sizes, &costs.iter().map(line).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_flat_stays_within_5_percent() {
        for (why, costs, want) in [
            ("flat", [100.0, 101.0, 99.5], "a: flat, +1.0 % at 20"),
            ("less is a change, too", [100.0, 101.0, 90.0], "a: **not flat**, -10.0 % at 100"),
            ("grown", [100.0, 101.0, 106.0], "a: **not flat**, +6.0 % at 100"),
        ] {
            assert_eq!(findings(Growth::Flat, &[("a", costs)]), [want], "{why}");
        }
    }

    #[test]
    fn what_is_in_proportion_costs_the_same_everywhere() {
        let each = Growth::Each("header");
        let none = (NONE, [1000.0, 1100.0, 1900.0]);
        let server = ("server", [2000.0, 2150.0, 3350.0]);
        assert_eq!(
            findings(each, &[none, server]),
            ["none: 10 for each header", "server: 15 for each header, of which tracing adds 5"]
        );
        let bent = ("server", [1000.0, 1100.0, 9000.0]);
        assert_eq!(
            findings(each, &[bent]),
            ["server: 89 for each header; **not in proportion**, -41.8 % off at 20"]
        );
    }
}

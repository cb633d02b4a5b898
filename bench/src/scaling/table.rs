//! Costs at some sizes of something: a table, and a plot of it.

use std::fmt::Write;

use serde::Serialize;

use crate::plot::{self, Bar, Colour, Curve};
use crate::statistics::{Estimate, interval};
use crate::variant::Variant;

/// What something costs, by how much there is of it.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    /// What its plot is called, behind "scaling-".
    pub(super) name: &'static str,
    /// What is counted.
    pub(super) unit: &'static str,
    pub(super) axis: Axis,
    pub(super) lines: Vec<Line>,
    /// What is to be said of it, in sentences.
    pub(super) findings: Vec<String>,
}

/// What there is more and more of.
#[derive(Debug, Serialize)]
pub(crate) struct Axis {
    pub(super) title: &'static str,
    pub(super) kind: Kind,
    pub(super) sizes: Vec<Size>,
}

impl Axis {
    /// Sizes that are where they are.
    pub(super) fn linear(title: &'static str, sizes: &[(u32, &str)]) -> Self {
        let size = |(value, label): &(u32, &str)| Size {
            label: (*label).to_owned(),
            value: f64::from(*value),
        };
        Self { title, kind: Kind::Linear, sizes: sizes.iter().map(size).collect() }
    }
}

/// How sizes are to be placed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// As they are.
    Linear,
    /// By their logarithm.
    Logarithmic,
    /// They are names, and no sizes.
    Named,
}

/// One of them.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Size {
    /// As it is written.
    pub(super) label: String,
    /// How much it is: in headers, in KiB, ...
    pub(super) value: f64,
}

/// A variant, and its cost at each size.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    pub(super) variant: &'static str,
    pub(super) about: &'static str,
    /// In the unit of its table.
    pub(super) costs: Vec<Estimate>,
}

impl Line {
    /// Still without costs.
    pub(super) fn of(variant: &Variant) -> Self {
        Self { variant: variant.name, about: variant.about, costs: Vec::new() }
    }
}

impl Table {
    /// The table, and what is to be said of it.
    pub(super) fn markdown(&self) -> String {
        let cells = |it: &[String]| it.iter().map(|it| format!(" {it} |")).collect::<String>();
        let labels: Vec<_> = self.axis.sizes.iter().map(|it| it.label.clone()).collect();
        let mut text =
            format!("| {}, by {} |{}\n|---|", self.unit, self.axis.title, cells(&labels));
        text += &"---:|".repeat(labels.len());
        text.push('\n');
        for line in &self.lines {
            let costs: Vec<_> = line.costs.iter().map(cost).collect();
            let _ = writeln!(text, "| {} |{}", line.about, cells(&costs));
        }
        text.push('\n');
        for finding in &self.findings {
            let _ = writeln!(text, "- {finding}");
        }
        text
    }

    /// The plot: curves, or bars where sizes are names.
    pub(super) fn svg(&self) -> String {
        let Axis { title, kind, sizes } = &self.axis;
        if *kind == Kind::Named {
            let costs =
                self.lines.iter().flat_map(|line| line.costs.iter().map(move |it| (line, it)));
            let bars = sizes.iter().zip(costs).map(|(size, (line, cost))| Bar {
                label: &size.label,
                value: *cost,
                colour: Colour::of(line.variant),
            });
            return plot::bars(self.unit, title, &bars.collect::<Vec<_>>());
        }
        let place = |it: &Size| match kind {
            Kind::Logarithmic => it.value.max(1.0).log10(),
            Kind::Linear | Kind::Named => it.value,
        };
        let sizes: Vec<_> = sizes.iter().map(|it| (place(it), it.label.as_str())).collect();
        let curves = self.lines.iter().map(|it| Curve {
            label: it.about,
            values: &it.costs,
            colour: Colour::of(it.variant),
        });
        plot::curves(self.unit, title, &sizes, &curves.collect::<Vec<_>>())
    }
}

/// Counts are whole; what is measured has a digit more, and an interval if that is known.
fn cost(it: &Estimate) -> String {
    if it.width() > 0.0 {
        return interval(it, 1);
    }
    let digits = if it.value < 1000.0 { 1 } else { 0 };
    format!("{:.digits$}", it.value)
}

#[test]
fn a_table_has_a_column_for_each_size_and_its_findings_below() {
    let line = |costs: [Estimate; 2]| Line {
        variant: "server",
        about: "hopspan, SERVER span",
        costs: costs.to_vec(),
    };
    let mut table = Table {
        name: "workers",
        unit: "us",
        axis: Axis::linear("workers", &[(1, "1"), (8, "8")]),
        lines: vec![line([
            Estimate::exact(135_000.4),
            Estimate { value: 57.0, low: 55.0, high: 59.0 },
        ])],
        findings: vec!["flat".into()],
    };
    assert_eq!(
        table.markdown(),
        "| us, by workers | 1 | 8 |\n|---|---:|---:|\n\
         | hopspan, SERVER span | 135000 | 57.0 (55.0 to 59.0) |\n\n- flat\n"
    );
    assert!(table.svg().contains("<polyline"), "sizes make a curve");
    table.axis.kind = Kind::Named;
    assert!(!table.svg().contains("<polyline"), "names make bars");
}

//! What hopspan may cost at most: as instructions, and as time beside Envoy's own tracer in the
//! same run.

use std::fmt;

use serde::Serialize;

use crate::contender::Measured;
use crate::doubts::Doubts;
use crate::statistics::{Estimate, interval, mean, median};
use crate::variant::{NATIVE, NATIVE_1, NONE};
use crate::verdict::Verdict;

/// The most instructions that a variant may add to a request, if there is a budget for it.
pub(crate) fn instructions(variant: &str) -> Option<f64> {
    INSTRUCTIONS.iter().find(|(name, _)| *name == variant).map(|(_, most)| *most)
}

/// A budget, and what was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Judged {
    variant: &'static str,
    quantity: Quantity,
    most: f64,
    found: Estimate,
    verdict: Verdict,
}

/// What a budget of time is for.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Quantity {
    /// The CPU time that is added, as a share of what this variant adds.
    ShareOf(&'static str),
    /// Microseconds of CPU more than with this variant, which adds so little that a share of it
    /// would say nothing.
    MicrosOver(&'static str),
    /// The p99 at the fixed rate, as a multiple of that without tracing.
    P99,
}

impl Judged {
    /// Those budgets of time for which all was measured that they need.
    pub(crate) fn all(measured: &[Measured], doubts: &Doubts) -> Vec<Self> {
        let judge = |(variant, quantity, most): &(&'static str, Quantity, f64)| {
            let (variant, quantity, most) = (*variant, *quantity, *most);
            let found = quantity.figure(variant, measured)?;
            let doubted = doubts.concern(&[variant, quantity.reference(), NONE]);
            let verdict = Verdict::of(&found, most, doubted);
            Some(Self { variant, quantity, most, found, verdict })
        };
        TIMES.iter().filter_map(judge).collect()
    }

    /// A line of a table: what, at most, found, verdict.
    pub(crate) fn line(&self) -> String {
        let Self { variant, quantity, most, found, verdict } = self;
        format!("| {variant}: {quantity} | {most:.2} | {} | {verdict:.2} |", interval(found, 2))
    }
}

impl Quantity {
    fn figure(self, variant: &str, measured: &[Measured]) -> Option<Estimate> {
        let named = |name: &str| measured.iter().find(|it| it.variant.name == name);
        let (it, reference, none) = (named(variant)?, named(self.reference())?, named(NONE)?);
        let rounds = it.cpu_us.len();
        let over = |it: &Measured, other: &Measured, places: &[usize]| {
            mean(&it.cpu_us, places) - mean(&other.cpu_us, places)
        };
        Some(match self {
            Self::ShareOf(_) => Estimate::bootstrap(rounds, |places| {
                over(it, none, places) / over(reference, none, places)
            }),
            Self::MicrosOver(_) => {
                Estimate::bootstrap(rounds, |places| over(it, reference, places))
            }
            Self::P99 => {
                let (p99, without) = (it.latencies_us(990), none.latencies_us(990));
                Estimate::bootstrap(rounds, |places| {
                    median(&p99, places) / median(&without, places)
                })
            }
        })
    }

    fn reference(self) -> &'static str {
        match self {
            Self::ShareOf(name) | Self::MicrosOver(name) => name,
            Self::P99 => NONE,
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShareOf(name) => write!(f, "CPU added, as a share of what {name} adds"),
            Self::MicrosOver(name) => write!(f, "us of CPU more than {name}"),
            Self::P99 => write!(f, "p99, as a multiple of that without tracing"),
        }
    }
}

/// The head of a table of [`Judged::line`]s.
pub(crate) const HEAD: &str = "| budget | at most | found | |\n|---|---:|---:|---|";

const INSTRUCTIONS: [(&str, f64); 4] =
    [("server", 90_000.0), ("minimal", 62_000.0), ("unsampled", 22_000.0), ("metrics", 60_000.0)];

const TIMES: [(&str, Quantity, f64); 9] = [
    ("server", Quantity::ShareOf(NATIVE), 0.75),
    ("minimal", Quantity::ShareOf(NATIVE), 0.50),
    ("both", Quantity::ShareOf(NATIVE), 1.00),
    ("everything", Quantity::ShareOf(NATIVE), 1.00),
    ("unsampled", Quantity::MicrosOver(NATIVE_1), 0.0),
    ("server", Quantity::P99, 1.10),
    ("minimal", Quantity::P99, 1.10),
    ("both", Quantity::P99, 1.10),
    ("unsampled", Quantity::P99, 1.10),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variant;

    #[test]
    fn budgets_are_of_variants_that_there_are() {
        let known: Vec<_> = variant::all().iter().map(|it| it.name).collect();
        let times = TIMES.iter().flat_map(|(name, quantity, _)| [*name, quantity.reference()]);
        for name in INSTRUCTIONS.iter().map(|(name, _)| *name).chain(times) {
            assert!(known.contains(&name), "{name}");
        }
    }

    #[test]
    fn times_are_judged_beside_the_native_tracer() {
        let of = |name, us: f64, latency| Measured::of_slices(name, &[us; 6], latency);
        let measured = [
            of(NONE, 35.0, 100),
            of(NATIVE, 55.0, 200),
            of(NATIVE_1, 38.0, 101),
            of("server", 45.0, 105),
            of("both", 60.0, 120),
            of("unsampled", 38.5, 100),
        ];
        let doubts = Doubts::default();
        let judged: Vec<_> = Judged::all(&measured, &doubts).iter().map(Judged::line).collect();
        let ends: Vec<_> =
            judged.iter().filter_map(|it| it.trim_end_matches(" |").rsplit("| ").next()).collect();
        // minimal was not measured.
        assert_eq!(
            ends,
            ["met", "over by 0.25", "over by 0.50", "met", "over by 0.10", "met"],
            "{judged:#?}"
        );
    }

    #[test]
    fn what_is_in_doubt_is_not_judged() {
        let of = |name, us: &[f64]| Measured::of_slices(name, us, 100);
        let measured = [
            of(NONE, &[35.0; 6]),
            of(NATIVE, &[55.0; 6]),
            of("server", &[40.0, 50.0, 40.0, 50.0, 40.0, 50.0]),
        ];
        let verdicts = |measured: &[Measured]| {
            let judged = Judged::all(measured, &Doubts::of(measured));
            judged.iter().map(|it| it.verdict).collect::<Vec<_>>()
        };
        assert_eq!(verdicts(&measured), [Verdict::Open; 2], "server is uncertain");
        let few = measured.map(|it| Measured::of_slices(it.variant.name, &[40.0; 2], 100));
        assert_eq!(verdicts(&few), [Verdict::Open; 2], "two rounds");
    }
}

//! What speaks against the figures of a run.

use crate::contender::Measured;
use crate::statistics::{Estimate, mean};

/// Reasons to conclude nothing; none on a quiet machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Doubts {
    /// From any figure.
    all: Vec<String>,
    /// From those of one variant.
    of: Vec<(&'static str, String)>,
}

impl Doubts {
    /// Those that the slices themselves give rise to.
    pub(crate) fn of(measured: &[Measured]) -> Self {
        let mut doubts = Self::default();
        let rounds = measured.first().map_or(0, |it| it.cpu_us.len());
        if rounds < ROUNDS {
            doubts.all.push(format!("{rounds} rounds are too few for intervals of 95 %"));
        }
        let slices = || measured.iter().flat_map(|it| &it.others);
        let others = slices().sum::<f64>() / slices().count().max(1) as f64;
        if others > OTHERS {
            doubts.all.push(format!("others took {:.0} % of the proxy's core", others * 100.0));
        }
        for it in measured {
            let cpu = Estimate::bootstrap(rounds, |places| mean(&it.cpu_us, places));
            let (width, cpu) = (cpu.width(), cpu.value);
            if width > SPREAD * cpu {
                let line = format!("{cpu:.1} us of CPU are uncertain by {width:.1} us");
                doubts.of.push((it.variant.name, line));
            }
        }
        doubts
    }

    /// Whether a figure that was made of these variants is in doubt.
    pub(crate) fn concern(&self, variants: &[&str]) -> bool {
        !self.all.is_empty() || self.of.iter().any(|(name, _)| variants.contains(name))
    }

    /// Those about any figure, in words.
    pub(crate) fn of_all(&self) -> &[String] {
        &self.all
    }

    /// All of them, in words.
    pub(crate) fn lines(&self) -> Vec<String> {
        let of = self.of.iter().map(|(name, line)| format!("{name}: {line}"));
        self.all.iter().cloned().chain(of).collect()
    }
}

/// So many rounds are all on one side of the truth in 3 of 100 runs; one less, in 6.
const ROUNDS: usize = 6;
/// The share of the core that others may take: what the kernel does for the network is in it.
const OTHERS: f64 = 0.1;
/// How wide the interval of a variant's CPU time may be, as a share of it.
const SPREAD: f64 = 0.05;

#[test]
fn a_doubt_concerns_what_it_is_about() {
    let of = |name, us: &[f64], others| {
        let mut measured = Measured::of_slices(name, us, 100);
        measured.others.fill(others);
        measured
    };
    let (quiet, wild) = ([10.0; 6], [10.0, 14.0, 10.0, 14.0, 10.0, 14.0]);
    for (why, none, server, others, lines, [all, client]) in [
        ("quiet", &quiet[..], &quiet[..], 0.0, 0, [false, false]),
        ("one is uncertain", &quiet, &wild, 0.0, 1, [true, false]),
        ("the machine is busy", &quiet, &quiet, 0.2, 1, [true, true]),
        ("too few", &quiet[..2], &quiet[..2], 0.0, 1, [true, true]),
        ("all of it", &wild[..4], &wild[..4], 0.2, 4, [true, true]),
    ] {
        let doubts = Doubts::of(&[of("none", none, others), of("server", server, others)]);
        assert_eq!(doubts.lines().len(), lines, "{why}: {doubts:?}");
        assert_eq!(doubts.concern(&["server", "none"]), all, "{why}");
        assert_eq!(doubts.concern(&["client"]), client, "{why}");
    }
}

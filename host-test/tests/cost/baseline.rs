//! What requests cost when somebody last looked at it, in a file that is committed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::case::Cost;

/// The costs of all cases.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Baseline {
    /// The compiler of the module that was measured: another one makes other instructions.
    pub(crate) compiler: String,
    /// By the case's name.
    pub(crate) cases: BTreeMap<String, Cost>,
}

impl Baseline {
    /// That of the repository.
    pub(crate) fn read() -> Self {
        let path = path();
        let text = fs::read_to_string(&path);
        let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Makes this the repository's.
    pub(crate) fn write(&self) {
        let text = serde_json::to_string_pretty(self).unwrap_or_else(|error| panic!("{error}"));
        fs::write(path(), text + "\n").unwrap_or_else(|error| panic!("{error}"));
    }

    /// How much fuel may differ from this one's, in per cent, for what `compiler` made.
    pub(crate) fn margin(&self, compiler: &str) -> f64 {
        if self.compiler == compiler { SAME_COMPILER } else { OTHER_COMPILER }
    }

    /// A line for each thing in which `now` costs more or less than this.
    pub(crate) fn differences(&self, now: &Self) -> Vec<String> {
        let margin = self.margin(&now.compiler);
        let mut lines = Vec::new();
        for name in union(&self.cases, &now.cases) {
            match (self.cases.get(name), now.cases.get(name)) {
                (Some(was), Some(is)) => {
                    lines.extend(compare(was, is, margin).iter().map(|it| format!("{name}: {it}")));
                }
                (None, _) => lines.push(format!("{name}: is new")),
                (_, None) => lines.push(format!("{name}: is gone")),
            }
        }
        lines
    }
}

/// How much `is` is above `was`, in per cent.
pub(crate) fn growth(was: u64, is: u64) -> f64 {
    (is as f64 / was.max(1) as f64 - 1.0) * 100.0
}

fn compare(was: &Cost, is: &Cost, margin: f64) -> Vec<String> {
    let grown = growth(was.fuel, is.fuel);
    let fuel = format!("fuel {}, was {} ({grown:+.1} %)", is.fuel, was.fuel);
    let fuel = (grown.abs() > margin).then_some(fuel);
    let calls = union(&was.hostcalls, &is.hostcalls).into_iter().filter_map(|name| {
        let [was, is] = [was, is].map(|it| it.hostcalls.get(name).copied().unwrap_or_default());
        (was != is).then(|| format!("{name}: {is} calls, was {was}"))
    });
    fuel.into_iter().chain(calls).collect()
}

fn union<'a, T>(a: &'a BTreeMap<String, T>, b: &'a BTreeMap<String, T>) -> Vec<&'a str> {
    let mut all: Vec<_> = a.keys().chain(b.keys()).map(String::as_str).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cost.json")
}

/// Per cent. The fuel of one module repeats exactly; this is what a change may add unnoticed.
const SAME_COMPILER: f64 = 3.0;
/// Per cent. Between two compilers it is their optimiser that differs; host calls do not.
const OTHER_COMPILER: f64 = 15.0;

#[test]
fn differences_are_named() {
    let cost = |fuel, calls: &[(&str, u64)]| Cost {
        fuel,
        hostcalls: calls.iter().map(|(name, count)| ((*name).into(), *count)).collect(),
    };
    let baseline = |compiler: &str, cost: Option<Cost>| Baseline {
        compiler: compiler.into(),
        cases: cost.into_iter().map(|it| ("case".to_owned(), it)).collect(),
    };
    let was = baseline("a", Some(cost(1000, &[("map", 2), ("clock", 1)])));
    let is = |fuel, calls| Some(cost(fuel, calls));
    for (why, compiler, cost, want) in [
        ("the same", "a", is(1000, &[("map", 2), ("clock", 1)]), &[][..]),
        ("not much above", "a", is(1029, &[("map", 2), ("clock", 1)]), &[]),
        (
            "above",
            "a",
            is(1031, &[("map", 2), ("clock", 1)]),
            &["case: fuel 1031, was 1000 (+3.1 %)"],
        ),
        (
            "below: what was gained is to be kept",
            "a",
            is(969, &[("map", 2), ("clock", 1)]),
            &["case: fuel 969, was 1000 (-3.1 %)"],
        ),
        ("of another compiler", "b", is(1149, &[("map", 2), ("clock", 1)]), &[]),
        (
            "much above, of another compiler",
            "b",
            is(1151, &[("map", 2), ("clock", 1)]),
            &["case: fuel 1151, was 1000 (+15.1 %)"],
        ),
        (
            "each call, with any compiler",
            "b",
            is(1000, &[("map", 3), ("property", 1)]),
            &[
                "case: clock: 0 calls, was 1",
                "case: map: 3 calls, was 2",
                "case: property: 1 calls, was 0",
            ],
        ),
        ("a case that nobody measures", "a", None, &["case: is gone"]),
    ] {
        assert_eq!(was.differences(&baseline(compiler, cost)), want, "{why}");
    }
    assert_eq!(baseline("a", None).differences(&was), ["case: is new"]);
}

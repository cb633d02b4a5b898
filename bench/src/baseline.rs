//! What requests added when somebody last looked at it, in a file that is committed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// Added instructions of all variants.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Baseline {
    /// The version of the Envoy that was measured: most of the instructions are its own.
    envoy: String,
    /// The architecture, as Rust calls it.
    architecture: String,
    /// Instructions that tracing adds to a request, by the variant's name.
    added: BTreeMap<String, i64>,
}

impl Baseline {
    /// Nothing yet, of this machine.
    pub(crate) fn of(machine: &Machine) -> Self {
        Self {
            envoy: machine.envoy.clone(),
            architecture: machine.architecture.to_owned(),
            added: BTreeMap::new(),
        }
    }

    /// That of the repository.
    ///
    /// # Errors
    ///
    /// There is none, or it is not as it should be.
    pub(crate) fn read() -> Result<Self, String> {
        let fault = |error: String| format!("{}: {error}", path().display());
        let text = fs::read_to_string(path()).map_err(|error| fault(error.to_string()))?;
        serde_json::from_str(&text).map_err(|error| fault(error.to_string()))
    }

    /// Makes this the repository's.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub(crate) fn write(&self) -> Result<(), String> {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        fs::write(path(), text + "\n").map_err(|error| format!("{}: {error}", path().display()))
    }

    /// Whether figures of this machine can be compared with these.
    pub(crate) fn fits(&self, machine: &Machine) -> bool {
        self.envoy == machine.envoy && self.architecture == machine.architecture
    }

    /// Whose figures these are.
    pub(crate) fn whose(&self) -> String {
        format!("Envoy {} on {}", self.envoy, self.architecture)
    }

    /// Has this figure from now on.
    pub(crate) fn set(&mut self, variant: &str, added: f64) {
        self.added.insert(variant.to_owned(), added.round() as i64);
    }

    /// How many instructions more a variant adds now, if it was known before.
    pub(crate) fn change(&self, variant: &str, added: f64) -> Option<Change> {
        let was = *self.added.get(variant)? as f64;
        Some(Change { was, by: added - was })
    }
}

/// How many instructions more than in the baseline.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Change {
    was: f64,
    by: f64,
}

impl Change {
    /// Whether that is so many more that it is not by chance.
    pub(crate) fn is_dearer(self) -> bool {
        self.by > (self.was * SHARE).max(LEAST)
    }

    /// In per cent of what it was.
    pub(crate) fn percent(self) -> f64 {
        100.0 * self.by / self.was
    }
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.json")
}

/// The share of what a variant added by which it may differ.
const SHARE: f64 = 0.03;
/// By so many instructions it may differ in any case: all that the proxy executes repeats within
/// less than 1 % of itself, however little of it is added.
const LEAST: f64 = 1000.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_one_is_read_and_written_alike() {
        let text = fs::read_to_string(path()).unwrap();
        let read = Baseline::read().unwrap();
        assert_eq!(serde_json::to_string_pretty(&read).unwrap() + "\n", text);
    }

    #[test]
    fn more_than_chance_is_dearer() {
        let machine = Machine::example();
        let mut baseline = Baseline::of(&machine);
        for (name, added) in [("server", 100_000.0), ("unsampled", 20_000.0)] {
            baseline.set(name, added);
        }
        for (why, variant, added, want) in [
            ("as it was", "server", 100_000.0, Some(false)),
            ("3 %", "server", 103_000.0, Some(false)),
            ("more", "server", 103_001.0, Some(true)),
            ("less", "server", 50_000.0, Some(false)),
            ("5 % of little", "unsampled", 21_000.0, Some(false)),
            ("more than 1000", "unsampled", 21_001.0, Some(true)),
            ("new", "keep", 1e9, None),
        ] {
            let change = baseline.change(variant, added);
            assert_eq!(change.map(Change::is_dearer), want, "{why}");
        }
    }

    #[test]
    fn figures_of_another_envoy_do_not_fit() {
        let machine = Machine::example();
        let baseline = Baseline::of(&machine);
        assert!(baseline.fits(&machine));
        let [mut newer, mut other] = [machine.clone(), machine];
        newer.envoy = "1.41.0".into();
        assert!(!baseline.fits(&newer));
        other.architecture = "s390x";
        assert!(!baseline.fits(&other));
    }
}

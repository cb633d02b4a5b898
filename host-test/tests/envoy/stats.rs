//! Envoy's stats, and those that hopspan adds.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use serde_json::Value;

/// Counters and gauges by name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Stats(BTreeMap<String, i64>);

impl Stats {
    /// Reads the answer of `/stats?format=json`.
    pub(crate) fn parse(json: &str) -> Self {
        let json: Value = serde_json::from_str(json).expect("stats are JSON");
        let stats = json["stats"].as_array().expect("stats are a list");
        let mut all = BTreeMap::new();
        for it in stats {
            // Histograms have no single value, and no name either.
            let (Some(name), Some(value)) = (it["name"].as_str(), it["value"].as_i64()) else {
                continue;
            };
            // Envoy 1.36 shows those of a VM that a cluster's filter began under that cluster.
            let name = name.find(PREFIX).and_then(|at| name.get(at..)).unwrap_or(name);
            *all.entry(name.to_owned()).or_default() += value;
        }
        Self(all)
    }

    /// A stat of Envoy's own; 0 before it was ever counted.
    pub(crate) fn envoy(&self, name: &str) -> i64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// A stat of hopspan, without the prefix that Envoy puts before it and its first word.
    pub(crate) fn hopspan(&self, name: &str) -> i64 {
        self.envoy(&format!("{PREFIX}{name}"))
    }

    /// The sum of a stat over all values of its tags.
    pub(crate) fn hopspan_sum(&self, name: &str) -> i64 {
        let prefix = format!("{PREFIX}{name}");
        self.0.iter().filter(|(key, _)| key.starts_with(&prefix)).map(|(_, value)| value).sum()
    }

    /// How many stats hopspan has.
    pub(crate) fn count_of_hopspan(&self) -> usize {
        self.0.keys().filter(|it| it.starts_with(PREFIX)).count()
    }

    /// How many spans were created here, or taken over from a predecessor, and are nowhere:
    /// neither exported, nor dropped for a reason, nor handed over, nor waiting. 0, always.
    pub(crate) fn unaccounted_spans(&self) -> i64 {
        self.hopspan("spans.created") + self.hopspan("spans.taken_over")
            - self.hopspan("spans.exported")
            - self.hopspan_sum("spans.dropped.")
            - self.hopspan("spans.handed_over")
            - self.hopspan("spans.queued")
            - self.hopspan("spans.in_flight")
    }

    /// How many spans were dropped for a reason.
    pub(crate) fn dropped(&self, reason: &str) -> i64 {
        self.hopspan(&format!("spans.dropped.reason=.={reason};.;"))
    }

    /// How many export requests had an outcome.
    pub(crate) fn exports(&self, outcome: &str) -> i64 {
        self.hopspan(&format!("export.requests.outcome=.={outcome};.;"))
    }
}

impl Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ours = self.0.iter().filter(|(key, _)| key.contains("wasm"));
        ours.into_iter().try_for_each(|(key, value)| writeln!(f, "{key}: {value}"))
    }
}

const PREFIX: &str = "wasmcustom.hopspan.";

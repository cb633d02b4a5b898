//! What is found in a file.

use super::node::At;
use serde_json::{Value, json};

/// One thing that somebody should know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Finding {
    pub(super) weight: Weight,
    pub(super) rule: Rule,
    /// The number of the file.
    pub(super) file: usize,
    /// From 1; `None` where a file is meant as a whole.
    pub(super) line: Option<usize>,
    /// In the file, or, of what is inside hopspan's configuration, in that.
    pub(super) path: String,
    pub(super) message: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Weight {
    /// It does not work, or does harm.
    Problem,
    /// It works, but hardly as somebody meant it.
    Warning,
    /// It is as it should be, and worth a word.
    Note,
}

/// What is judged. The names are for programs, and stay.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Rule {
    /// The file itself: no YAML, nothing of hopspan's in it.
    File,
    /// hopspan's configuration.
    Configuration,
    /// The form in which the configuration is given.
    ConfigurationForm,
    /// A key of a manifest that its kind does not have.
    ManifestKey,
    /// Whether spans can reach the collector.
    CollectorCluster,
    /// A timeout that is none.
    TimeoutZero,
    /// What becomes of requests should the module fail.
    FailPolicy,
    /// Another tracer in the same proxy.
    NativeTracing,
    /// Where among the filters hopspan is.
    FilterOrder,
    /// An instance whose role does not fit its place.
    Role,
    /// Routes that are chosen by what hopspan writes.
    RouteCache,
    /// What becomes of spans when a proxy ends.
    Drain,
}

/// All that is found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) all: Vec<Finding>,
}

// === impl Weight ===

impl Weight {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

// === impl Rule ===

impl Rule {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Configuration => "configuration",
            Self::ConfigurationForm => "configuration-form",
            Self::ManifestKey => "manifest-key",
            Self::CollectorCluster => "collector-cluster",
            Self::TimeoutZero => "timeout-zero",
            Self::FailPolicy => "fail-policy",
            Self::NativeTracing => "native-tracing",
            Self::FilterOrder => "filter-order",
            Self::Role => "role",
            Self::RouteCache => "route-cache",
            Self::Drain => "drain",
        }
    }
}

// === impl Findings ===

impl Findings {
    /// Notes something about a place in a file.
    pub(super) fn add(
        &mut self,
        (weight, rule): (Weight, Rule),
        file: usize,
        at: &At<'_>,
        message: impl Into<String>,
    ) {
        let (line, path) = (Some(at.node.line), at.path.clone().into_owned());
        self.all.push(Finding { weight, rule, file, line, path, message: message.into() });
    }

    /// Whether there is a problem, or a warning where those count.
    pub(super) fn are_bad(&self, warnings_count: bool) -> bool {
        let worst = if warnings_count { Weight::Warning } else { Weight::Problem };
        self.all.iter().any(|it| it.weight <= worst)
    }

    /// In the order of the files; two instances that share a place say a thing once.
    pub(super) fn settle(&mut self) {
        self.all.sort_by(|a, b| {
            (a.file, a.line, a.weight, a.rule).cmp(&(b.file, b.line, b.weight, b.rule))
        });
        self.all.dedup();
    }
}

// === impl Finding ===

impl Finding {
    pub(super) fn json(&self, file: &str) -> Value {
        let Self { weight, rule, file: _, line, path, message } = self;
        json!({
            "weight": weight.name(), "rule": rule.name(),
            "file": file, "line": line, "path": path, "message": message,
        })
    }
}

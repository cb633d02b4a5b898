//! What Envoy shows to Prometheus, what the docs say of it, and what the rules ask for.

use std::collections::{BTreeMap, BTreeSet};

/// A series: the name of a metric, and labels by name.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Series {
    /// The metric.
    pub(crate) name: String,
    /// Its labels.
    pub(crate) labels: BTreeMap<String, String>,
}

/// A part of an expression that takes series: `name{label="value", label=~"one|other"}`.
#[derive(Debug)]
pub(crate) struct Selector {
    /// The metric.
    pub(crate) name: String,
    /// Labels and the values of them that are named.
    pub(crate) labels: Vec<(String, Vec<String>)>,
}

/// The series of a scrape, with their values.
///
/// ```text
/// hopspan_spans_dropped{reason="queue_full"} 0
/// ```
/// Spec: <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
pub(crate) fn scraped(text: &str) -> BTreeMap<Series, f64> {
    let samples = text.lines().filter(|it| !it.starts_with('#') && !it.is_empty());
    let samples = samples.map(|line| {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let (name, labels) = series.split_once('{').expect("labels, if none");
        let labels = labels.strip_suffix('}').expect("the end of the labels");
        let labels = pairs(labels).into_iter().map(|(key, _, value)| (key, value)).collect();
        (Series { name: name.into(), labels }, value.parse().expect("a number"))
    });
    samples.collect()
}

/// Each stat of `docs/stats.md`, as it should be shown where its tags are labels; that of
/// `service` is called `service_label`, and is `service`.
pub(crate) fn documented(service_label: &str, service: &str) -> BTreeSet<Series> {
    let docs = include_str!("../../../../docs/stats.md");
    let rows = docs.lines().filter(|it| it.starts_with("| `"));
    let rows = rows.map(|row| {
        let cells: Vec<_> = row.split('|').collect();
        let words: Vec<_> = cells[1..3].join(" ").split('`').map(str::to_owned).collect();
        let name = words[1].replace('.', "_");
        let labels = match &words[3..] {
            [] => BTreeMap::new(),
            [_, _, value, ..] if value == "{service}" => {
                BTreeMap::from([(service_label.into(), service.into())])
            }
            [tag, _, value, ..] => BTreeMap::from([(tag.clone(), value.clone())]),
            [tag, ..] => panic!("{tag} has no value"),
        };
        Series { name, labels }
    });
    rows.collect()
}

/// All selectors of an expression that are not those of recorded series, whose names have
/// colons.
///
/// Spec: <https://prometheus.io/docs/prometheus/latest/querying/basics/#time-series-selectors>
pub(crate) fn selectors(expression: &str) -> Vec<Selector> {
    let is_name = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | ':');
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(is_name) {
        rest = &rest[start..];
        let (name, after) = rest.split_at(rest.find(|it| !is_name(it)).unwrap_or(rest.len()));
        rest = after;
        if name.contains(':') || !(name.starts_with("hopspan_") || name.starts_with("envoy_")) {
            continue;
        }
        let mut labels = Vec::new();
        if let Some((inside, after)) = after.strip_prefix('{').and_then(|it| it.split_once('}')) {
            rest = after;
            for (key, _, values) in pairs(inside) {
                labels.push((key, values.split('|').map(str::to_owned).collect()));
            }
        }
        found.push(Selector { name: name.into(), labels });
    }
    found
}

impl Selector {
    /// The labels and values that no series of the metric has. `!~` is told as `=~`: to leave out
    /// what is never there is as useless as to ask for it.
    pub(crate) fn unknown<'a>(
        &'a self,
        shown: impl Iterator<Item = &'a Series> + Clone,
    ) -> Vec<String> {
        let mut of_name = shown.filter(|it| it.name == self.name).peekable();
        if of_name.peek().is_none() {
            return vec![self.name.clone()];
        }
        let all =
            self.labels.iter().flat_map(|(key, values)| values.iter().map(move |it| (key, it)));
        all.filter(|(key, value)| !of_name.clone().any(|it| it.labels.get(*key) == Some(*value)))
            .map(|(key, value)| format!("{}{{{key}=\"{value}\"}}", self.name))
            .collect()
    }
}

/// The list of `key="value"`, with an operator of any kind.
fn pairs(list: &str) -> Vec<(String, String, String)> {
    let is_operator = |it: char| matches!(it, '=' | '!' | '~');
    let list = list.split_terminator("\",").map(str::trim);
    let pair = |it: &str| {
        let (left, value) = it.split_once('"')?;
        let key = left.trim().trim_end_matches(is_operator);
        let value = value.trim_end_matches('"');
        Some((key.to_owned(), left[key.len()..].to_owned(), value.to_owned()))
    };
    list.filter(|it| !it.is_empty()).map(|it| pair(it).expect("a label")).collect()
}

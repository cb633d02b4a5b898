//! What is said of a case in JSON, to be held against what should come of it.

use crate::cases::{Case, DECISION, Want};
use serde_json::Value;

/// What the command and the page say: `hopspan explain --json`, or the page's `explanation`.
pub(crate) fn said(case: &Case, explanation: &Value) -> Want {
    let why = explanation["why"].as_object().expect("items").iter();
    let decision = why.filter(|(key, _)| DECISION.contains(&key.as_str()));
    let changes = explanation["request_headers"].as_array().expect("headers").iter();
    let after = changes.flat_map(|it| {
        let values = it["after"].as_array().expect("values").iter();
        let text = |it: &Value| it.as_str().expect("text").to_owned();
        values.map(|value| (text(&it["name"]), text(value))).collect::<Vec<_>>()
    });
    Want::Passed {
        decision: decision.map(|(key, value)| (key.clone(), value.clone())).collect(),
        upstream: case.masked(after.filter(|(name, _)| case.compares(name))),
    }
}

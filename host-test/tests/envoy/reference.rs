//! The attribute reference of the docs, against which each span of every test is held.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{Span, SpanFlags};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Namespaces in which hopspan alone says something: users choose other keys.
const OURS: [&str; 9] = [
    "hopspan.",
    "http.",
    "url.",
    "network.",
    "server.",
    "client.",
    "rpc.",
    "error.",
    "user_agent.",
];

/// Type and place of each attribute by its key.
static ROWS: LazyLock<BTreeMap<&str, (&str, &str)>> = LazyLock::new(|| {
    let docs = include_str!("../../../docs/spans.md");
    let rows = docs.lines().filter_map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, key, kind, place, ..] = cells[..] else { return None };
        let is_type = ["string", "string[]", "int", "boolean"].contains(&kind);
        Some((key.strip_prefix('`')?.strip_suffix('`')?, (kind, place))).filter(|_| is_type)
    });
    rows.collect()
});

/// Fails if a span has what the reference does not know, or on another span, or as another type.
#[track_caller]
pub(crate) fn check(span: &Span) {
    for attribute in &span.attributes {
        let key = attribute.key.as_str();
        let Some((kind, place)) = ROWS.get(key) else {
            // The conventions' names for headers that somebody has chosen.
            let chosen = ["http.request.header.", "http.response.header."];
            let is_ours = OURS.iter().any(|it| key.starts_with(it));
            let is_chosen = chosen.iter().any(|it| key.starts_with(it));
            assert!(is_chosen || !is_ours, "docs/spans.md has no {key}");
            continue;
        };
        assert_eq!(type_of(attribute), *kind, "docs/spans.md has another type for {key}");
        let belongs = match *place {
            "each" | "innermost" => true,
            "SERVER" => span.kind() == SpanKind::Server,
            "CLIENT" => span.kind() == SpanKind::Client,
            "outermost" => !is_inside(span),
            other => panic!("{key} is on {other}"),
        };
        assert!(belongs, "docs/spans.md has {key} on {place}: {span:?}");
    }
}

/// Whether its parent is a span of the same hop.
fn is_inside(span: &Span) -> bool {
    let is = |flag: SpanFlags| span.flags & flag as u32 != 0;
    !span.parent_span_id.is_empty()
        && is(SpanFlags::ContextHasIsRemoteMask)
        && !is(SpanFlags::ContextIsRemoteMask)
}

fn type_of(attribute: &KeyValue) -> &str {
    match attribute.value.as_ref().and_then(|it| it.value.as_ref()) {
        Some(Value::StringValue(_)) => "string",
        Some(Value::IntValue(_)) => "int",
        Some(Value::BoolValue(_)) => "boolean",
        Some(Value::ArrayValue(list))
            if list.values.iter().all(|it| matches!(it.value, Some(Value::StringValue(_)))) =>
        {
            "string[]"
        }
        _ => "another type",
    }
}

//! The spans of one trace as they were stored.

use std::collections::HashMap;
use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1 as otlp;
use prost::Message;
use rusqlite::{Connection, OptionalExtension};

use crate::span::{Span, TraceId};

/// Spans of a trace that are shown; of a longer one the first that arrived.
pub const MOST_SPANS: usize = 5_000;

/// A span, all of it.
#[derive(Clone, Debug)]
pub struct Stored {
    /// As it is checked everywhere.
    pub span: Span,
    /// As it came, without attributes: those are in `span`.
    pub rest: otlp::Span,
    /// Who sent it: a resource and a scope, without spans.
    pub source: Arc<otlp::ResourceSpans>,
}

/// The spans of a trace, in the order of their arrival. None if the trace is not there.
///
/// # Errors
///
/// Those of SQLite.
pub fn spans(connection: &Connection, id: TraceId) -> rusqlite::Result<Vec<Stored>> {
    let sql = "SELECT body, service.text, resource FROM span
               JOIN name service ON service.id = service
               WHERE trace_id = ?1 ORDER BY span.id LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((id.bytes(), MOST_SPANS as i64))?;
    let mut sources: HashMap<i64, Arc<otlp::ResourceSpans>> = HashMap::new();
    let mut spans = Vec::new();
    while let Some(row) = rows.next()? {
        let service: String = row.get(1)?;
        // What is stored was checked before.
        let Ok(whole) = otlp::Span::decode(row.get_ref(0)?.as_blob()?) else { continue };
        let rest = otlp::Span { attributes: Vec::new(), ..whole.clone() };
        let Ok(span) = Span::try_new(&service, whole) else { continue };
        let id = row.get(2)?;
        let source = match sources.get(&id) {
            Some(source) => Arc::clone(source),
            None => {
                let source = Arc::new(source(connection, id)?);
                sources.insert(id, Arc::clone(&source));
                source
            }
        };
        spans.push(Stored { span, rest, source });
    }
    Ok(spans)
}

/// A resource; an empty one if it is gone.
pub(super) fn source(connection: &Connection, id: i64) -> rusqlite::Result<otlp::ResourceSpans> {
    let mut statement = connection.prepare_cached("SELECT body FROM resource WHERE id = ?1")?;
    let body: Option<Vec<u8>> = statement.query_row([id], |row| row.get(0)).optional()?;
    Ok(body.and_then(|it| otlp::ResourceSpans::decode(&*it).ok()).unwrap_or_default())
}

impl Stored {
    /// The resource's attributes.
    #[must_use]
    pub fn resource(&self) -> &[KeyValue] {
        self.source.resource.as_ref().map_or(&[], |it| &it.attributes)
    }

    /// The span with its resource and scope, as OTLP has it.
    #[must_use]
    pub fn otlp(&self) -> otlp::ResourceSpans {
        let mut whole = otlp::ResourceSpans::clone(&self.source);
        let span = otlp::Span { attributes: self.span.attributes.clone(), ..self.rest.clone() };
        match whole.scope_spans.first_mut() {
            Some(scope) => scope.spans = vec![span],
            None => {
                whole.scope_spans.push(otlp::ScopeSpans { spans: vec![span], ..Default::default() })
            }
        }
        whole
    }
}

/// A trace as OTLP's JSON: what another tool can read.
#[must_use]
pub fn otlp_json(spans: &[Stored]) -> String {
    let resource_spans = spans.iter().map(Stored::otlp).collect();
    // A message of plain fields cannot fail to be written.
    serde_json::to_string_pretty(&otlp::TracesData { resource_spans }).unwrap_or_default()
}

/// A value as text.
#[must_use]
pub fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|it| it.value.as_ref()) {
        None => String::new(),
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(it)) => it.to_string(),
        Some(Value::IntValue(it)) => it.to_string(),
        Some(Value::DoubleValue(it)) => it.to_string(),
        Some(Value::ArrayValue(list)) => {
            let list: Vec<String> = list.values.iter().map(|it| text(Some(it))).collect();
            format!("[{}]", list.join(", "))
        }
        Some(Value::KvlistValue(list)) => {
            let pair = |it: &KeyValue| format!("{}: {}", it.key, text(it.value.as_ref()));
            format!("{{{}}}", list.values.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        Some(Value::BytesValue(bytes)) => {
            bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        }
        Some(other) => format!("{other:?}"),
    }
}

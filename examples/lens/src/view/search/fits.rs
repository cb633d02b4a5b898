//! What a span must be to be found.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1 as otlp;
use prost::Message;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension};

use crate::span::TraceId;
use crate::view::stored;

/// Everything that a span must be; what is not asked for is of any kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// Its service.
    pub service: Option<String>,
    /// Its route, or a part of it.
    pub route: Option<String>,
    /// Its status: `503`, `5xx`, `NOT_FOUND`.
    pub status: Option<String>,
    /// Whether it must have failed.
    pub failed: bool,
    /// How long it took at least, in nanoseconds.
    pub min_nanos: Option<i64>,
    /// And at most.
    pub max_nanos: Option<i64>,
    /// An attribute of the span or its resource, and its value as text.
    pub attribute: Option<(String, String)>,
}

impl Wanted {
    /// What SQLite can judge by the index, and the values for it. No condition if nothing can
    /// fit, because a word in it is nowhere.
    pub(super) fn condition(
        &self,
        connection: &Connection,
    ) -> rusqlite::Result<(Option<String>, Vec<Sql>)> {
        let Self { service, route, status, failed, min_nanos, max_nanos, attribute: _ } = self;
        let mut condition = String::new();
        let mut values = Vec::new();
        if let Some(service) = service {
            let sql = "SELECT id FROM name WHERE text = ?1";
            let id: Option<i64> = connection
                .prepare_cached(sql)?
                .query_row([service], |row| row.get(0))
                .optional()?;
            let Some(id) = id else { return Ok((None, Vec::new())) };
            condition += " AND service = ?";
            values.push(Sql::Integer(id));
        }
        for (column, pattern) in [
            ("route", route.as_ref().map(|part| format!("*{}*", literal(part)))),
            ("status", status.as_ref().map(|it| class(it))),
        ] {
            let Some(pattern) = pattern else { continue };
            let sql = "SELECT id FROM name WHERE text GLOB ?1 LIMIT 1000";
            let mut statement = connection.prepare_cached(sql)?;
            let ids: rusqlite::Result<Vec<i64>> =
                statement.query_map([pattern], |row| row.get(0))?.collect();
            let ids = ids?;
            if ids.is_empty() {
                return Ok((None, Vec::new()));
            }
            let marks = vec!["?"; ids.len()].join(", ");
            condition += &format!(" AND {column} IN ({marks})");
            values.extend(ids.into_iter().map(Sql::Integer));
        }
        if *failed {
            condition += " AND failed = 1";
        }
        for (operator, nanos) in [(">=", min_nanos), ("<=", max_nanos)] {
            if let Some(nanos) = nanos {
                condition += &format!(" AND duration {operator} ?");
                values.push(Sql::Integer(*nanos));
            }
        }
        Ok((Some(condition), values))
    }

    /// The trace of a span, if its attributes fit.
    pub(super) fn trace_of(
        &self,
        connection: &Connection,
        id: i64,
    ) -> rusqlite::Result<Option<TraceId>> {
        let sql = "SELECT trace_id, resource, body FROM span WHERE id = ?1";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([id])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let trace = TraceId::from_slice(row.get_ref(0)?.as_blob()?);
        let Some((key, value)) = &self.attribute else { return Ok(trace) };
        let fits = |all: &[KeyValue]| {
            all.iter().any(|it| it.key == *key && stored::text(it.value.as_ref()) == *value)
        };
        // Whoever does not have the key need not be read.
        let body = row.get_ref(2)?.as_blob()?;
        let in_span = memchr::memmem::find(body, key.as_bytes()).is_some()
            && otlp::Span::decode(body).is_ok_and(|span| fits(&span.attributes));
        let in_resource = || -> rusqlite::Result<bool> {
            let source = stored::source(connection, row.get(1)?)?;
            Ok(source.resource.is_some_and(|it| fits(&it.attributes)))
        };
        Ok(if in_span || in_resource()? { trace } else { None })
    }
}

/// A pattern for SQLite's GLOB that means the text itself.
fn literal(text: &str) -> String {
    let mut pattern = String::new();
    for c in text.chars() {
        match c {
            '*' | '?' | '[' => pattern.extend(['[', c, ']']),
            c => pattern.push(c),
        }
    }
    pattern
}

/// `5xx` is a class of statuses; everything else is itself.
fn class(status: &str) -> String {
    match status.to_ascii_lowercase().strip_suffix("xx") {
        Some(class @ ("1" | "2" | "3" | "4" | "5")) => format!("{class}[0-9][0-9]"),
        _ => literal(status),
    }
}

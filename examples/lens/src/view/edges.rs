//! Who calls whom.
//!
//! Edges that senders count themselves need no traces, and are taken where there are any. Otherwise
//! clients count the clusters that they call; which services those are is learned from pairs of
//! spans, a client's and that of the server which it called.

use std::collections::{BTreeMap, HashMap, HashSet};

use rusqlite::Connection;
use serde::Serialize;

use super::counts::{Counts, Figures, Row, Source, Window};
use crate::metrics::Kind;
use crate::span::SpanKind;

/// Pairs that are looked at, the newest ones.
const PAIRS: i64 = 1_000;

/// Requests from one service to another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Edge {
    /// Who calls.
    pub client: String,
    /// Who is called.
    pub server: String,
    /// `virtual_node`, `messaging_system`, `database`, or nothing.
    pub connection_type: String,
    /// Who counted.
    pub source: Source,
    /// How it goes.
    #[serde(flatten)]
    pub figures: Figures,
}

/// The service behind each name that a client has for whom it calls: by the client and that name.
type Behind = HashMap<(String, String), String>;

/// All edges, in the order of their names.
///
/// # Errors
///
/// Those of SQLite.
pub fn edges(connection: &Connection, counts: &Counts) -> rusqlite::Result<Vec<Edge>> {
    let counted = of_counters(counts);
    if !counted.is_empty() {
        return Ok(counted);
    }
    Ok(of_clients(counts, &behind(connection, counts.window)?))
}

/// As senders count them. Durations are the client's, or the server's where it has none.
fn of_counters(counts: &Counts) -> Vec<Edge> {
    type Rows<'a> = (Vec<&'a Row>, Vec<&'a Row>);
    let mut found: BTreeMap<(&str, &str, &str), Rows<'_>> = BTreeMap::new();
    for row in &counts.rows {
        let series = &*row.series;
        let key = (&*series.service, &*series.peer, &*series.route);
        match series.kind {
            Kind::Edge => found.entry(key).or_default().0.push(row),
            Kind::EdgeServer => found.entry(key).or_default().1.push(row),
            Kind::Server | Kind::Client => {}
        }
    }
    let edge = |((client, server, connection_type), rows): ((&str, &str, &str), Rows<'_>)| {
        let (own, of_server) = rows;
        let has_durations = own.iter().any(|row| row.step.durations.is_some());
        let of_server = of_server.into_iter().filter(|_| !has_durations);
        Edge {
            client: client.to_owned(),
            server: server.to_owned(),
            connection_type: connection_type.to_owned(),
            source: Source::Metrics,
            figures: counts.figures(own.into_iter().chain(of_server)),
        }
    };
    found.into_iter().map(edge).collect()
}

/// By whom clients call, as they count it.
fn of_clients(counts: &Counts, behind: &Behind) -> Vec<Edge> {
    let is_client = |row: &&Row| row.series.kind == Kind::Client && !row.series.peer.is_empty();
    let rows: Vec<&Row> = counts.rows.iter().filter(is_client).collect();
    // Where a sender counts, it counts every request.
    let counting: HashSet<&str> = rows
        .iter()
        .filter(|row| row.series.source == Source::Metrics)
        .map(|row| &*row.series.service)
        .collect();
    let mut found: BTreeMap<(&str, &str, Source), Vec<&Row>> = BTreeMap::new();
    for row in rows {
        let series = &*row.series;
        if series.source == Source::Spans && counting.contains(&*series.service) {
            continue;
        }
        let known = behind.get(&(series.service.clone(), series.peer.clone()));
        let server = known.unwrap_or(&series.peer);
        found.entry((&series.service, server, series.source)).or_default().push(row);
    }
    found
        .into_iter()
        .map(|((client, server, source), rows)| Edge {
            client: client.to_owned(),
            server: server.to_owned(),
            connection_type: String::new(),
            source,
            figures: counts.figures(rows),
        })
        .collect()
}

/// Who answered, by the newest pairs of spans.
fn behind(connection: &Connection, window: Window) -> rusqlite::Result<Behind> {
    let sql = "SELECT client_name.text, peer_name.text, server_name.text
               FROM (SELECT trace_id, parent_id, service FROM span
                     WHERE start >= ?1 AND kind = ?2 AND parent_id IS NOT NULL
                     ORDER BY start DESC LIMIT ?4) server
               JOIN span client ON client.trace_id = server.trace_id
                    AND client.span_id = server.parent_id AND client.kind = ?3
               JOIN name client_name ON client_name.id = client.service
               JOIN name peer_name ON peer_name.id = client.peer
               JOIN name server_name ON server_name.id = server.service
               WHERE client.service <> server.service GROUP BY 1, 2, 3";
    let (server, client) = (SpanKind::Server as i32, SpanKind::Client as i32);
    let mut statement = connection.prepare_cached(sql)?;
    let from = window.from.saturating_mul(1_000_000_000);
    let mut rows = statement.query((from, server, client, PAIRS))?;
    let mut behind = Behind::new();
    let mut ambiguous = HashSet::new();
    while let Some(row) = rows.next()? {
        let key = (row.get(0)?, row.get(1)?);
        if behind.insert(key.clone(), row.get(2)?).is_some() {
            ambiguous.insert(key);
        }
    }
    // A name behind which there are several services says more than any one of them.
    behind.retain(|key, _| !ambiguous.contains(key));
    Ok(behind)
}

//! Services and their routes with the golden figures, as `linkerd viz` has them.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::counts::{Counts, Figures, Row, Source};
use super::edges::Edge;
use crate::metrics::Kind;

/// A service and how it goes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Whether it is a gateway.
    pub is_gateway: bool,
    /// `server` where requests to it are counted, `client` where only those that it makes are.
    pub side: &'static str,
    /// Who counted.
    pub source: Source,
    /// Requests that are open; none if nobody says.
    pub open: Option<i64>,
    /// Requests that it made, as far as they are recorded as spans.
    pub calls: u64,
    /// Those of them without trace context: each begins a trace of its own. A service that only
    /// passes requests on breaks the trace there.
    pub bare_calls: u64,
    /// How it goes.
    #[serde(flatten)]
    pub figures: Figures,
}

/// A route of a service, or of requests that it makes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Route {
    /// The service.
    pub service: String,
    /// Whom it calls; empty for requests to it.
    pub peer: String,
    /// What the requests have in common.
    pub route: String,
    /// How many ended with each status.
    pub statuses: BTreeMap<String, u64>,
    /// Who counted.
    pub source: Source,
    /// How it goes.
    #[serde(flatten)]
    pub figures: Figures,
}

/// Everything about one service.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Page {
    /// The service itself.
    pub service: Service,
    /// Requests to it, by route.
    pub routes: Vec<Route>,
    /// Requests that it makes, by whom it calls and route.
    pub outbound: Vec<Route>,
    /// Who calls it.
    pub callers: Vec<Edge>,
    /// Whom it calls.
    pub callees: Vec<Edge>,
}

/// All services, in the order of their names.
#[must_use]
pub fn services(counts: &Counts, open: &HashMap<String, i64>) -> Vec<Service> {
    let mut found: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in counts.rows.iter().filter(|row| is_request(row)) {
        found.entry(&row.series.service).or_default().push(row);
    }
    let service = |(name, rows): (&str, Vec<&Row>)| {
        let sides = [(Kind::Server, "server"), (Kind::Client, "client")];
        let (side, source, best) = sides.into_iter().find_map(|(kind, side)| {
            let (source, rows) = best(&rows, kind)?;
            Some((side, source, rows))
        })?;
        let made =
            |row: &&&Row| row.series.kind == Kind::Client && row.series.source == Source::Spans;
        let bare = rows.iter().filter(made).filter(|row| row.series.is_bare);
        Some(Service {
            name: name.to_owned(),
            is_gateway: rows.iter().any(|row| row.series.is_gateway),
            side,
            source,
            open: open.get(name).copied(),
            calls: rows.iter().filter(made).map(|row| row.step.requests).sum(),
            bare_calls: bare.map(|row| row.step.requests).sum(),
            figures: counts.figures(best),
        })
    };
    found.into_iter().filter_map(service).collect()
}

/// Routes of all services, or of one; those of requests to them.
#[must_use]
pub fn routes(counts: &Counts, of: Option<&str>) -> Vec<Route> {
    by_route(counts, of, Kind::Server)
}

/// A service's own page; `None` if nothing is known of it in this window.
#[must_use]
pub fn page(
    counts: &Counts,
    open: &HashMap<String, i64>,
    edges: &[Edge],
    name: &str,
) -> Option<Page> {
    let service = services(counts, open).into_iter().find(|it| it.name == name)?;
    Some(Page {
        service,
        routes: by_route(counts, Some(name), Kind::Server),
        outbound: by_route(counts, Some(name), Kind::Client),
        callers: edges.iter().filter(|edge| edge.server == name).cloned().collect(),
        callees: edges.iter().filter(|edge| edge.client == name).cloned().collect(),
    })
}

fn by_route(counts: &Counts, of: Option<&str>, kind: Kind) -> Vec<Route> {
    let mut services: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    let is_wanted = |row: &&Row| of.is_none_or(|name| row.series.service == name);
    for row in counts.rows.iter().filter(|row| is_request(row)).filter(is_wanted) {
        services.entry(&row.series.service).or_default().push(row);
    }
    let mut routes = Vec::new();
    for (service, rows) in services {
        let Some((source, rows)) = best(&rows, kind) else { continue };
        let mut found: BTreeMap<(&str, &str), Vec<&Row>> = BTreeMap::new();
        for row in rows {
            found.entry((&row.series.peer, &row.series.route)).or_default().push(row);
        }
        for ((peer, route), rows) in found {
            let mut statuses = BTreeMap::new();
            for row in &rows {
                *statuses.entry(row.series.status.clone()).or_default() += row.step.requests;
            }
            let (service, peer, route) = (service.to_owned(), peer.to_owned(), route.to_owned());
            let figures = counts.figures(rows);
            routes.push(Route { service, peer, route, statuses, source, figures });
        }
    }
    routes
}

/// What a sender counted; what was counted from its spans only where it does not count.
fn best<'a>(rows: &[&'a Row], kind: Kind) -> Option<(Source, Vec<&'a Row>)> {
    [Source::Metrics, Source::Spans].into_iter().find_map(|source| {
        let is_of = |row: &&&Row| row.series.kind == kind && row.series.source == source;
        let rows: Vec<&Row> = rows.iter().filter(is_of).copied().collect();
        (!rows.is_empty()).then_some((source, rows))
    })
}

fn is_request(row: &Row) -> bool {
    matches!(row.series.kind, Kind::Server | Kind::Client)
}

#[cfg(test)]
mod tests;

//! What the page asks, and anybody else may: JSON, described in `docs/lens.md`.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use crate::archive::{Archive, now_seconds};
use crate::span::TraceId;
use crate::view::counts::{Counts, Window};
use crate::view::edges::{self, Edge};
use crate::view::search::{Found, Search, Wanted};
use crate::view::services::{self, Page, Route, Service};
use crate::view::stored;
use crate::view::topology::{self, Topology};
use crate::view::waterfall::{self, Waterfall};

type Answer<T> = Result<Json<T>, ApiError>;
type Asked<T> = Result<Query<T>, QueryRejection>;

/// Levels are said with each report; one that is older says nothing of now.
const OPEN_WITHIN: Duration = Duration::from_secs(60);

/// Seconds of the longest window.
const LONGEST: i64 = 24 * 3_600;

/// The window that a question is about.
#[derive(Debug, Deserialize)]
pub(super) struct Range {
    /// Seconds before now.
    #[serde(default = "five_minutes")]
    seconds: i64,
}

const fn five_minutes() -> i64 {
    300
}

impl Range {
    fn window(asked: Asked<Self>) -> Result<Window, ApiError> {
        let Query(Self { seconds }) = asked.map_err(|error| ApiError::bad(error.body_text()))?;
        match seconds {
            10..=LONGEST => Ok(Window::last(seconds, now_seconds())),
            _ => Err(ApiError::bad(format!("seconds: must be 10 to {LONGEST}, not {seconds}"))),
        }
    }
}

/// How much there is.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    version: &'static str,
    spans: i64,
    disk_bytes: u64,
    limit_bytes: u64,
    keep_seconds: u64,
    /// When the oldest span that is kept arrived, in seconds since 1970.
    oldest: Option<i64>,
}

pub(super) async fn status(State(archive): State<Archive>) -> Answer<Status> {
    let (first, last, oldest) = read(&archive, |connection| {
        // Spans have rising ids and go in the order in which they came: no need to count them.
        // One by one: SQLite looks both up only if each is asked for alone.
        let sql = "SELECT (SELECT min(id) FROM span), (SELECT max(id) FROM span),
                   (SELECT arrived FROM span ORDER BY id LIMIT 1)";
        connection.query_row(sql, [], |row| {
            Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?, row.get(2)?))
        })
    })
    .await?;
    let limits = archive.limits();
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        spans: first.zip(last).map_or(0, |(first, last)| last - first + 1),
        disk_bytes: archive.disk_bytes(),
        limit_bytes: limits.bytes,
        keep_seconds: limits.age.as_secs(),
        oldest,
    }))
}

/// What can be searched for: services, and routes by service.
pub(super) async fn names(State(archive): State<Archive>) -> Answer<BTreeMap<String, Vec<String>>> {
    let names = read(&archive, |connection| {
        let sql = "SELECT DISTINCT service.text, route.text FROM series
                   JOIN name service ON service.id = service JOIN name route ON route.id = route
                   WHERE kind <= 1 ORDER BY 1, 2 LIMIT 5000";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            names.entry(row.get(0)?).or_default().push(row.get(1)?);
        }
        Ok(names)
    });
    Ok(Json(names.await?))
}

pub(super) async fn services(
    State(archive): State<Archive>,
    asked: Asked<Range>,
) -> Answer<Vec<Service>> {
    let window = Range::window(asked)?;
    let open = archive.open_requests(OPEN_WITHIN);
    let services = read(&archive, move |connection| {
        Ok(services::services(&Counts::load(connection, window)?, &open))
    });
    Ok(Json(services.await?))
}

pub(super) async fn service(
    State(archive): State<Archive>,
    Path(name): Path<String>,
    asked: Asked<Range>,
) -> Answer<Page> {
    let window = Range::window(asked)?;
    let open = archive.open_requests(OPEN_WITHIN);
    let missing = format!("nothing was counted of {name} in this time");
    let page = read(&archive, move |connection| {
        let counts = Counts::load(connection, window)?;
        let edges = edges::edges(connection, &counts)?;
        Ok(services::page(&counts, &open, &edges, &name))
    });
    page.await?.map(Json).ok_or_else(|| ApiError::missing(missing))
}

pub(super) async fn routes(
    State(archive): State<Archive>,
    asked: Asked<Range>,
) -> Answer<Vec<Route>> {
    let window = Range::window(asked)?;
    let routes = read(&archive, move |connection| {
        Ok(services::routes(&Counts::load(connection, window)?, None))
    });
    Ok(Json(routes.await?))
}

pub(super) async fn edges(
    State(archive): State<Archive>,
    asked: Asked<Range>,
) -> Answer<Vec<Edge>> {
    let window = Range::window(asked)?;
    let edges = read(&archive, move |connection| {
        edges::edges(connection, &Counts::load(connection, window)?)
    });
    Ok(Json(edges.await?))
}

pub(super) async fn topology(
    State(archive): State<Archive>,
    asked: Asked<Range>,
) -> Answer<Topology> {
    let window = Range::window(asked)?;
    let open = archive.open_requests(OPEN_WITHIN);
    let topology = read(&archive, move |connection| {
        let counts = Counts::load(connection, window)?;
        let edges = edges::edges(connection, &counts)?;
        Ok(topology::topology(services::services(&counts, &open), edges))
    });
    Ok(Json(topology.await?))
}

/// A search as it is written in an address.
#[derive(Debug, Deserialize)]
pub(super) struct Asking {
    service: Option<String>,
    route: Option<String>,
    status: Option<String>,
    #[serde(default)]
    failed: bool,
    min_ms: Option<f64>,
    max_ms: Option<f64>,
    /// `key=value`.
    attribute: Option<String>,
    #[serde(default = "one_hour")]
    seconds: i64,
    /// In nanoseconds since 1970: only what began before. For going on with a search.
    before: Option<i64>,
    limit: Option<usize>,
}

const fn one_hour() -> i64 {
    3_600
}

impl Asking {
    fn search(self) -> Result<Search, ApiError> {
        const MOST: usize = 200;

        let nanos = |ms: f64| (ms * 1e6) as i64;
        let attribute = match self.attribute.filter(|it| !it.is_empty()) {
            None => None,
            Some(text) => match text.split_once('=') {
                Some((key, value)) => Some((key.trim().to_owned(), value.trim().to_owned())),
                None => return Err(ApiError::bad("attribute: must be key=value")),
            },
        };
        // Now, and a little more: clocks of senders may be ahead of ours.
        let now = (now_seconds() + 60).saturating_mul(1_000_000_000);
        let to = self.before.unwrap_or(now);
        let window = self.seconds.clamp(10, 366 * LONGEST).saturating_mul(1_000_000_000);
        let some = |text: Option<String>| text.filter(|it| !it.is_empty());
        Ok(Search {
            wanted: Wanted {
                service: some(self.service),
                route: some(self.route),
                status: some(self.status),
                failed: self.failed,
                min_nanos: self.min_ms.map(nanos),
                max_nanos: self.max_ms.map(nanos),
                attribute,
            },
            from: now.saturating_sub(window),
            to: to.min(now),
            limit: self.limit.unwrap_or(100).clamp(1, MOST),
        })
    }
}

pub(super) async fn traces(State(archive): State<Archive>, asked: Asked<Asking>) -> Answer<Found> {
    let Query(asking) = asked.map_err(|error| ApiError::bad(error.body_text()))?;
    let search = asking.search()?;
    Ok(Json(read(&archive, move |connection| search.run(connection)).await?))
}

pub(super) async fn trace(
    State(archive): State<Archive>,
    Path(id): Path<String>,
) -> Answer<Waterfall> {
    let spans = spans(&archive, &id).await?;
    waterfall::waterfall(&spans).map(Json).ok_or_else(|| not_here(&id))
}

/// The trace as a file that other tools read.
pub(super) async fn trace_otlp(
    State(archive): State<Archive>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let spans = spans(&archive, &id).await?;
    if spans.is_empty() {
        return Err(not_here(&id));
    }
    let name = format!("attachment; filename=\"trace-{}.json\"", spans[0].span.trace_id);
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, stored::otlp_json(&spans)).into_response())
}

/// What a configuration can have: the file that is published, which a test holds to the code.
pub(super) async fn schema() -> impl IntoResponse {
    const SCHEMA: &str = include_str!("../../../../filter/schema.json");
    ([(header::CONTENT_TYPE, "application/json")], SCHEMA)
}

async fn spans(archive: &Archive, id: &str) -> Result<Vec<stored::Stored>, ApiError> {
    let not_an_id = || ApiError::bad("a trace-id has 32 hexadecimal digits, not all zero");
    let id = TraceId::from_hex(id).ok_or_else(not_an_id)?;
    read(archive, move |connection| stored::spans(connection, id)).await
}

fn not_here(id: &str) -> ApiError {
    ApiError::missing(format!("there is no trace {id}, or no more"))
}

/// Looks into the store on a thread that may wait.
async fn read<T: Send + 'static>(
    archive: &Archive,
    look: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, ApiError> {
    let archive = archive.clone();
    Ok(tokio::task::spawn_blocking(move || archive.read(look)).await??)
}

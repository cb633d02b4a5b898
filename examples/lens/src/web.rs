//! The page and what it asks: everything that a person sees.

mod api;
mod error;
mod events;
mod guard;
mod page;

use axum::Router;
use axum::middleware;
use axum::routing::get;

use crate::archive::Archive;

/// Answers browsers: the page, its parts, and the API.
///
/// Where `is_local`, only requests for this machine's own names are answered: a page of somebody else
/// whose name was made to lead here cannot read what is stored.
pub fn router(archive: Archive, is_local: bool) -> Router {
    let api = Router::new()
        .route("/status", get(api::status))
        .route("/names", get(api::names))
        .route("/services", get(api::services))
        .route("/services/{name}", get(api::service))
        .route("/routes", get(api::routes))
        .route("/edges", get(api::edges))
        .route("/topology", get(api::topology))
        .route("/traces", get(api::traces))
        .route("/traces/{id}", get(api::trace))
        .route("/traces/{id}/otlp", get(api::trace_otlp))
        .route("/schema", get(api::schema))
        .route("/events", get(events::events))
        .fallback(error::unknown)
        .with_state(archive);
    let all = Router::new().nest("/api", api).merge(page::router());
    let all = all.layer(middleware::map_response(guard::protect));
    if is_local { all.layer(middleware::from_fn(guard::local_names_only)) } else { all }
}

#[cfg(test)]
mod tests;

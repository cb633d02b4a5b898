//! What comes in: traces and metrics of OTLP over HTTP, and Zipkin's spans.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `POST /v1/traces` | OTLP in protobuf or JSON | 200, with what was not taken |
//! | `POST /v1/metrics` | the same | the same |
//! | `POST /api/v2/spans` | a list of Zipkin's JSON, version 2 | 202 |
//!
//! Each plain or with `Content-Encoding: gzip`. A request that is refused leaves nothing behind, and
//! one that is answered with success is stored.
//!
//! Spec: <https://opentelemetry.io/docs/specs/otlp/#otlphttp>,
//! <https://github.com/openzipkin/zipkin-api/blob/master/zipkin2-api.yaml>

mod body;
mod otlp;
mod refusal;
mod zipkin;

pub use body::{BODY_LIMIT, EXPANDED_LIMIT};

use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use tokio::sync::Semaphore;

use crate::archive::{Archive, Batch, WriteError};
use crate::store::SharedStore;

/// Requests that are read at once: each may be expanded in memory.
const AT_ONCE: usize = 16;

/// Where it goes: what the terminal shows of it, and what is kept.
#[derive(Clone, Debug)]
pub struct Sink {
    recent: SharedStore,
    archive: Archive,
    turns: Arc<Semaphore>,
}

/// Answers senders.
pub fn router(recent: SharedStore, archive: Archive) -> Router {
    let sink = Sink { recent, archive, turns: Arc::new(Semaphore::new(AT_ONCE)) };
    Router::new()
        .route("/v1/traces", post(otlp::traces))
        .route("/v1/metrics", post(otlp::metrics))
        .route("/api/v2/spans", post(zipkin::spans))
        .with_state(sink)
}

impl Sink {
    /// Stores a batch; then others see it.
    async fn store(&self, batch: Batch) -> Result<(), WriteError> {
        let spans: Vec<_> = batch.spans.iter().map(|new| new.span.clone()).collect();
        self.archive.write(batch).await?;
        self.recent.insert(spans);
        Ok(())
    }
}

#[cfg(test)]
mod tests;

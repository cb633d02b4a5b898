//! Receives traces and metrics, keeps them, and shows them: on a page, and traces on a terminal, too.
//!
//! [`receive`] turns HTTP requests into checked [`Span`](span::Span)s and
//! [`Sample`](metrics::Sample)s; [`archive`] keeps them on disk; [`view`] works out what is to be
//! seen, and [`web`] serves it. The terminal has a small memory of its own: [`store`] holds the last
//! [`Trace`](trace::Trace)s, [`render`] turns one into text.

pub mod span;
pub mod trace;
pub mod store;
pub mod render;
pub mod metrics;
pub mod archive;
pub mod receive;
pub mod view;
pub mod web;

use axum::Router;

/// Everything on one port: what senders send, and what people look at.
///
/// `is_local` says whether only this machine can reach it; see [`web::router`].
pub fn router(recent: store::SharedStore, archive: archive::Archive, is_local: bool) -> Router {
    receive::router(recent, archive.clone()).merge(web::router(archive, is_local))
}

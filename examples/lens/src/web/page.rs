//! The files of the page, which are in the program.

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// Path, type, and content.
const FILES: [(&str, &str, &str); 15] = [
    ("/style.css", "text/css; charset=utf-8", include_str!("../../page/style.css")),
    ("/icon.svg", "image/svg+xml", include_str!("../../page/icon.svg")),
    ("/theme.js", JS, include_str!("../../page/theme.js")),
    ("/app.js", JS, include_str!("../../page/app.js")),
    ("/dom.js", JS, include_str!("../../page/dom.js")),
    ("/format.js", JS, include_str!("../../page/format.js")),
    ("/table.js", JS, include_str!("../../page/table.js")),
    ("/topology.js", JS, include_str!("../../page/topology.js")),
    ("/services.js", JS, include_str!("../../page/services.js")),
    ("/traces.js", JS, include_str!("../../page/traces.js")),
    ("/trace.js", JS, include_str!("../../page/trace.js")),
    ("/playground.js", JS, include_str!("../../page/playground.js")),
    ("/explain.js", JS, include_str!("../../page/explain.js")),
    ("/places.js", JS, include_str!("../../page/places.js")),
    ("/schema.js", JS, include_str!("../../page/schema.js")),
];

const JS: &str = "text/javascript; charset=utf-8";
/// The filter's core for the browser, which `build.sh` builds before it builds this; see `build.rs`.
#[cfg(has_playground)]
const EXPLAIN: Option<&[u8]> = Some(include_bytes!("../../page/explain.wasm"));
#[cfg(not(has_playground))]
const EXPLAIN: Option<&[u8]> = None;

const PAGE: &str = include_str!("../../page/index.html");

/// Each view has an address of its own; all of them are one document.
const VIEWS: [&str; 6] =
    ["/", "/services", "/services/{name}", "/traces", "/traces/{id}", "/playground"];

pub(super) fn router() -> Router {
    let mut router = Router::new();
    for (path, media_type, content) in FILES {
        let answer = move || async move { ([(header::CONTENT_TYPE, media_type)], content) };
        router = router.route(path, get(answer));
    }
    router = router.route("/explain.wasm", get(explain));
    for path in VIEWS {
        router = router.route(path, get(document));
    }
    router.fallback(missing)
}

async fn document() -> Response {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], PAGE).into_response()
}

/// Without it everything but the playground works, and that says why it does not.
async fn explain() -> Response {
    let text = "This Lens was built without the filter's core for the browser. \
                ./build.sh lens builds both, and so does ./build.sh demo.\n";
    match EXPLAIN {
        Some(module) => ([(header::CONTENT_TYPE, "application/wasm")], module).into_response(),
        None => (StatusCode::NOT_FOUND, text).into_response(),
    }
}

async fn missing() -> Response {
    (StatusCode::NOT_FOUND, "there is nothing here; the page is at /\n").into_response()
}

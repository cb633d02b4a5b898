//! A Lens as senders meet it: its router, with a store behind it.

use std::sync::LazyLock;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use hopspan_lens::archive::{Archive, Limits};
use hopspan_lens::store::{self, SharedStore};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// One for all inputs, as it is with a Lens that runs. It keeps little, so that old spans go, too.
static LENS: LazyLock<Lens> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a directory");
    let limits = Limits { bytes: 8 << 20, ..Limits::default() };
    let archive = Archive::open(directory.path(), limits).expect("a store");
    let recent = SharedStore::new(store::Limits::default());
    Lens {
        router: hopspan_lens::router(recent, archive, false),
        runtime: tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime"),
        _directory: directory,
    }
});

struct Lens {
    router: Router,
    runtime: Runtime,
    _directory: TempDir,
}

/// Sends a body. Whatever it is, it is taken, or refused with a reason; what is taken can be looked at.
pub fn send(path: &str, headers: &[(&str, &str)], body: &[u8]) {
    let mut request = Request::post(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (status, said) = ask(request.body(Body::from(body.to_vec())).expect("a request"));
    match status {
        StatusCode::OK | StatusCode::ACCEPTED => look(),
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => assert!(!said.is_empty()),
        other => panic!("{path}: {other}: {}", String::from_utf8_lossy(&said)),
    }
}

/// Everything that the page shows of what was just stored.
fn look() {
    let found = get("/api/traces?limit=1&seconds=31622400");
    for trace in found["traces"].as_array().expect("traces") {
        let id = trace["trace_id"].as_str().expect("an id");
        get(&format!("/api/traces/{id}"));
        get(&format!("/api/traces/{id}/otlp"));
    }
    for path in ["/api/services", "/api/routes", "/api/topology"] {
        get(path);
    }
}

fn get(path: &str) -> Value {
    let (status, said) = ask(Request::get(path).body(Body::empty()).expect("a request"));
    assert!(status.is_success(), "{path}: {status}: {}", String::from_utf8_lossy(&said));
    serde_json::from_slice(&said).expect("JSON")
}

fn ask(request: Request<Body>) -> (StatusCode, Vec<u8>) {
    LENS.runtime.block_on(async {
        let Ok(response) = LENS.router.clone().oneshot(request).await;
        let status = response.status();
        (status, to_bytes(response.into_body(), usize::MAX).await.expect("a body").into())
    })
}

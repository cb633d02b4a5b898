use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use super::*;
use crate::archive::Limits;
use crate::store::{self, SharedStore};

struct Lens {
    router: Router,
    _directory: TempDir,
}

impl Lens {
    /// With a trace of two services: a shop, whose proxy calls the cart, which failed.
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let archive = Archive::open(directory.path(), Limits::default()).unwrap();
        let recent = SharedStore::new(store::Limits::default());
        let lens = Self { router: crate::router(recent, archive, true), _directory: directory };
        let sent = lens.post("/v1/traces", &trace()).await;
        assert_eq!(sent, StatusCode::OK);
        lens
    }

    async fn post(&self, path: &str, body: &Value) -> StatusCode {
        let request = Request::post(path)
            // A collector is known by any name.
            .header("host", "otel_collector")
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        self.router.clone().oneshot(request).await.unwrap().status()
    }

    async fn get(&self, path: &str, host: &str) -> axum::http::Response<Body> {
        let request = Request::get(path).header("host", host).body(Body::empty()).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn ask(&self, path: &str) -> (u16, Value) {
        let response = self.get(&format!("/api{path}"), "localhost").await;
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{path}: {body:?}")))
    }
}

const TRACE: &str = "5b8efff798038103d269b633813fc60c";

fn trace() -> Value {
    let now = crate::archive::now_seconds() as u64 * 1_000_000_000;
    let text = |key: &str, text: &str| json!({ "key": key, "value": { "stringValue": text } });
    let span = |id: &str, parent: &str, kind: u8, from: u64, status: u16| {
        json!({
            "traceId": TRACE, "spanId": id, "parentSpanId": parent, "kind": kind, "name": "GET",
            "startTimeUnixNano": (now + from).to_string(),
            "endTimeUnixNano": (now + 10_000_000 - from).to_string(),
            "status": { "code": if status >= 500 { 2 } else { 0 } },
            "attributes": [
                text("http.request.method", "GET"), text("hopspan.route", "/a"),
                text("hopspan.upstream.cluster", "carts"), text("user", "jo"),
                { "key": "http.response.status_code", "value": { "intValue": status } },
            ],
        })
    };
    let of = |service: &str, spans: Vec<Value>| {
        json!({
            "resource": { "attributes": [text("service.name", service)] },
            "scopeSpans": [{ "scope": { "name": "hopspan" }, "spans": spans }],
        })
    };
    let (a, b, c) = ("00000000000000aa", "00000000000000bb", "00000000000000cc");
    json!({ "resourceSpans": [
        of("shop", vec![span(a, "", 2, 0, 200), span(b, a, 3, 1_000_000, 200)]),
        of("cart", vec![span(c, b, 2, 2_000_000, 503)]),
    ] })
}

#[tokio::test]
async fn every_question_of_the_api_has_an_answer() {
    let lens = Lens::new().await;
    let one = |path: &'static str| lens.ask(path);

    let (_, status) = one("/status").await;
    assert_eq!(status["spans"], 3);
    assert!(status["disk_bytes"].as_u64() > Some(0), "{status}");

    let (_, names) = one("/names").await;
    assert_eq!(names, json!({ "cart": ["GET /a"], "shop": ["GET /a"] }));

    let (_, services) = one("/services").await;
    let names: Vec<&Value> = services.as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["cart", "shop"]);
    assert_eq!((&services[0]["success"], &services[1]["success"]), (&json!(0.0), &json!(1.0)));

    // The cluster is called by another name than the service behind it.
    let (_, edges) = one("/edges?seconds=3600").await;
    assert_eq!(edges.as_array().unwrap().len(), 1);
    assert_eq!((&edges[0]["client"], &edges[0]["server"]), (&json!("shop"), &json!("cart")));

    let (_, routes) = one("/routes").await;
    assert_eq!(routes[0]["statuses"], json!({ "503": 1 }));

    let (_, page) = one("/services/shop").await;
    assert_eq!(page["callees"][0]["server"], "cart");
    assert_eq!(page["outbound"][0]["peer"], "carts");

    let (_, topology) = one("/topology").await;
    assert_eq!(topology["nodes"].as_array().unwrap().len(), 2);

    let (_, found) = one("/traces?status=5xx&service=cart&attribute=user%3Djo").await;
    assert_eq!(found["traces"][0]["trace_id"], TRACE);
    assert_eq!(found["traces"][0]["is_whole"], true);
    let (_, found) = one("/traces?attribute=user%3Dme").await;
    assert_eq!((found["traces"].as_array().unwrap().len(), &found["has_more"]), (0, &json!(false)));

    let (_, trace) = lens.ask(&format!("/traces/{TRACE}")).await;
    assert_eq!(trace["spans"].as_array().unwrap().len(), 3);
    let (_, saved) = lens.ask(&format!("/traces/{TRACE}/otlp")).await;
    // What was saved can be sent again.
    assert_eq!(lens.post("/v1/traces", &saved).await, StatusCode::OK);
    assert_eq!(lens.ask("/status").await.1["spans"], 3);
}

#[tokio::test]
async fn the_schema_is_the_one_that_is_published() {
    let lens = Lens::new().await;
    let committed = include_str!("../../../../filter/schema.json");
    let committed: Value = serde_json::from_str(committed).unwrap();
    assert_eq!(lens.ask("/schema").await, (200, committed));
}

/// A module of WebAssembly, or the sentence that says how to get it.
#[tokio::test]
async fn the_playground_has_its_module_or_says_what_is_missing() {
    let lens = Lens::new().await;
    let response = lens.get("/explain.wasm", "localhost").await;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    if cfg!(has_playground) {
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers["content-type"], "application/wasm");
        assert!(body.starts_with(b"\0asm"), "{:?}", &body[..8.min(body.len())]);
    } else {
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(body.ends_with(b"./build.sh demo.\n"), "{body:?}");
    }
}

#[tokio::test]
async fn questions_that_make_no_sense_are_answered_with_a_reason() {
    let lens = Lens::new().await;
    for (path, status, reason) in [
        ("/services?seconds=5", 400, "seconds: must be 10 to 86400, not 5"),
        ("/services?seconds=x", 400, "invalid digit"),
        ("/services/nobody", 404, "nothing was counted of nobody"),
        ("/traces?attribute=x", 400, "attribute: must be key=value"),
        ("/traces/xyz", 400, "a trace-id has 32 hexadecimal digits"),
        ("/traces/00000000000000000000000000000000", 400, "not all zero"),
        ("/traces/5b8efff798038103d269b633813fc60d", 404, "there is no trace"),
        ("/nothing", 404, "nothing under this path"),
    ] {
        let (got, answer) = lens.ask(path).await;
        let said = answer["error"].as_str().unwrap_or_default();
        assert_eq!(got, status, "{path}: {answer}");
        assert!(said.contains(reason), "{path}: {said}");
    }
}

#[tokio::test]
async fn the_page_and_its_parts_are_served_with_a_strict_policy() {
    let lens = Lens::new().await;
    for (path, media_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/services/a%2Fb", "text/html; charset=utf-8"),
        ("/traces?service=x", "text/html; charset=utf-8"),
        ("/traces/5b8efff798038103d269b633813fc60c", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
    ] {
        let response = lens.get(path, "127.0.0.1:4318").await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.headers()["content-type"], media_type, "{path}");
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe-inline") && !policy.contains("http"), "{policy}");
    }
    assert_eq!(lens.get("/nothing", "localhost").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_stranger_who_leads_a_name_here_reads_nothing() {
    let lens = Lens::new().await;
    for path in ["/", "/api/traces", "/api/events"] {
        let response = lens.get(path, "evil.example.com").await;
        assert_eq!(response.status(), StatusCode::MISDIRECTED_REQUEST, "{path}");
    }
}

#[tokio::test]
async fn an_open_page_is_told_when_something_was_stored() {
    use tokio_stream::StreamExt;

    let lens = Lens::new().await;
    let mut events = lens.get("/api/events", "localhost").await.into_body().into_data_stream();
    let first = events.next().await.unwrap().unwrap();
    assert_eq!(first, "event: stored\ndata: 1\n\n");
    assert_eq!(lens.post("/v1/traces", &trace()).await, StatusCode::OK);
    let next = events.next().await.unwrap().unwrap();
    assert_eq!(next, "event: stored\ndata: 2\n\n");
}

//! Zipkin's JSON, as a Zipkin server and a Collector read it.
//!
//! Spec: <https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/zipkin/>

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::otelcol::Otelcol;
use super::scene::{SPANS, Scene, comparable, speak};
use super::told::{Told, sorted};
use super::wire::Wire;
use super::zipkin::Zipkin;
use crate::bootstrap::Setup;
use crate::client::{AUTHORITY, Client, get};
use crate::collector::Collector;
use crate::mesh::{App, Mesh};
use crate::upstream::{Answer, Seen};

#[tokio::test]
#[ignore = "needs real collectors: ./build.sh test-collectors"]
async fn a_zipkin_server_shows_whole_traces_and_who_calls_whom() {
    let zipkin = Zipkin::start().await;
    let calls = |called: u64, failed: u64| {
        // The service behind the shop has no proxy: what is known of it is how it was called.
        let link = |from: &str, to: &str, failed| (from.to_owned(), to.to_owned(), called, failed);
        vec![link("gateway", "shop", 0), link("shop", AUTHORITY, failed)]
    };

    whole_trace(&zipkin, "none", "/cart").await;
    assert_eq!(zipkin.dependencies().await, calls(1, 0));
    whole_trace(&zipkin, "gzip", "/fails").await;
    assert_eq!(zipkin.dependencies().await, calls(2, 1));
}

/// One request through a mesh whose proxies send to Zipkin.
async fn whole_trace(zipkin: &Zipkin, compression: &str, path: &str) {
    let mut before = now();
    let wire = Wire::to(zipkin.address()).await;
    let change = |setup: &mut Setup| {
        setup.collector = Some(wire.address());
        speak(setup, "zipkin/json", compression);
    };
    let answer = |seen: &Seen| Answer::status(if seen.path == "/fails" { 500 } else { 200 });
    let mesh = Mesh::start(App::PassesOn, answer, change).await;
    let mut client = Client::http1(mesh.gateway.address()).await;
    assert_eq!(client.ask(get(path)).await.status, 200, "the application hides what it met");

    let trace_id = mesh.service.seen(1).await[0].traceparent().trace_id;
    let spans = zipkin.trace(&trace_id, 4).await;
    for proxy in [&mesh.gateway, &mesh.sidecar] {
        let stats = proxy.at_rest(2).await;
        assert_eq!(stats.hopspan("spans.exported"), 2, "{stats}");
    }
    for request in wire.requests() {
        let is_gzip = request.contains("\r\ncontent-encoding: gzip\r\n");
        assert!(request.starts_with("POST /api/v2/spans HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("\r\ncontent-type: application/json\r\n"), "{request}");
        assert_eq!(is_gzip, compression == "gzip", "{request}");
    }
    for answer in wire.answers() {
        assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    }

    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    let mut parent = String::new();
    for (service, kind) in
        [("gateway", "SERVER"), ("gateway", "CLIENT"), ("shop", "SERVER"), ("shop", "CLIENT")]
    {
        let is = |it: &&Value| it["localEndpoint"]["serviceName"] == service && it["kind"] == kind;
        let found: Vec<_> = spans.iter().filter(is).collect();
        let [span] = found[..] else { panic!("one {kind} span of {service}: {spans:#?}") };
        assert_eq!(text(&span["parentId"]), parent, "from hop to hop: {span:#}");
        parent = text(&span["id"]);
        let failed = path == "/fails" && service == "shop" && kind == "CLIENT";
        // What failed is no route yet.
        let name = if failed { "get".to_owned() } else { format!("get {path}") };
        assert_eq!(span["name"], name, "{span:#}");
        let status = if failed { "500" } else { "200" };
        assert_eq!(span["tags"]["http.response.status_code"], status, "{span:#}");
        assert_eq!(span["tags"].get("error").is_some(), failed, "{span:#}");
        // In microseconds.
        let start = span["timestamp"].as_u64().unwrap();
        assert!(before <= start && start <= now(), "{before}: {span:#}");
        assert!(span["duration"].as_u64().is_some_and(|it| (1..5_000_000).contains(&it)));
        before = start;
    }
}

/// Microseconds since 1970.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_micros()).unwrap()
}

#[tokio::test]
#[ignore = "needs real collectors: ./build.sh test-collectors"]
async fn a_collector_reads_from_zipkins_json_what_it_reads_from_otlp() {
    let direct = Collector::start().await;
    let _proxy = Scene::play(direct.address(), "http/protobuf", "none", "shop").await;
    let spans = comparable(&direct.spans(SPANS).await);
    let expected = sorted(spans.iter().map(Told::of_otlp).collect());

    for compression in ["none", "gzip"] {
        let otelcol = Otelcol::start().await;
        let scene = Scene::play(otelcol.zipkin(), "zipkin/json", compression, "shop").await;

        let written = otelcol.written(SPANS).await;
        let stats = scene.proxy.at_rest(SPANS as i64).await;
        assert_eq!(stats.hopspan("spans.exported"), SPANS as i64, "{stats}");
        let found = sorted(written.iter().map(Told::of_file).collect());
        for (mut found, expected) in found.into_iter().zip(&expected) {
            // The remote endpoint, which CLIENT spans alone have.
            let remote = found.tags.remove("service.peer.name");
            let server = found.tags.get("server.address").cloned();
            assert_eq!(remote, server.filter(|_| found.kind == "CLIENT"), "{found:#?}");
            assert_eq!(found, *expected, "{compression}");
        }
        assert_eq!(written.len(), SPANS);
    }
}

#[tokio::test]
#[ignore = "needs real collectors: ./build.sh test-collectors"]
async fn a_zipkin_server_gets_what_a_collector_makes_of_otlp() {
    let zipkin = Zipkin::start().await;
    let ours = Scene::play(zipkin.address(), "zipkin/json", "gzip", "ours").await;
    let otelcol = Otelcol::start_with(|it| {
        it["exporters"]["zipkin"] = json!({
            "endpoint": format!("http://{}/api/v2/spans", zipkin.address()),
            "sending_queue": { "enabled": false },
        });
        it["service"]["pipelines"]["traces/otlp"]["exporters"] = json!(["zipkin"]);
    })
    .await;
    let theirs = Scene::play(otelcol.otlp(), "http/protobuf", "none", "theirs").await;

    for scene in [&ours, &theirs] {
        let stats = scene.proxy.at_rest(SPANS as i64).await;
        assert_eq!(stats.hopspan("spans.exported"), SPANS as i64, "{stats}");
    }
    let (ours, theirs) = (of(&zipkin, "ours").await, of(&zipkin, "theirs").await);
    assert_eq!((ours.len(), theirs.len()), (SPANS, SPANS));
    for (mut ours, mut theirs) in ours.into_iter().zip(theirs) {
        as_specified(&mut theirs.tags);
        ours.tags.insert("service.name".to_owned(), "theirs".to_owned());
        // The Collector has it in the remote endpoint, where the specification prefers a name.
        ours.tags.remove("network.peer.address");
        assert_eq!(ours, theirs);
    }
}

/// The spans of a service.
async fn of(zipkin: &Zipkin, service: &str) -> Vec<Told> {
    let spans = zipkin.traces(service).await.into_iter().flatten();
    // A trace may have spans of others.
    let spans = spans.filter(|it| it["localEndpoint"]["serviceName"] == service);
    sorted(spans.map(|it| Told::of_zipkin(&it)).collect())
}

/// Changes what the Collector does in another way than the specification of the mapping.
fn as_specified(tags: &mut BTreeMap<String, String>) {
    // A copy, under the old name.
    tags.remove("http.status_code");
    // By both names, that of before and that of now.
    for key in ["name", "version"] {
        let library = tags[&format!("otel.library.{key}")].clone();
        tags.insert(format!("otel.scope.{key}"), library);
    }
    // "otel.status_code: Name of the code, either OK or ERROR", and the description in `error`.
    if let Some(code) = tags.get_mut("otel.status_code") {
        *code = code.trim_start_matches("STATUS_CODE_").to_owned();
        tags.insert("error".to_owned(), String::new());
    }
}

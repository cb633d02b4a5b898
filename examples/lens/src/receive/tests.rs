use std::collections::HashMap;
use std::io::Write;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, StatusCode, header};
use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use super::refusal::RpcStatus;
use super::*;
use crate::archive::Limits as Keep;
use crate::store::Limits;

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json");
const GZIP: (&str, &str) = ("content-encoding", "gzip");

/// A request of spans with these ids, as OTLP's JSON.
fn spans(ids: &[&str]) -> Value {
    let spans: Vec<Value> = ids
        .iter()
        .map(|id| {
            json!({
                "traceId": "5b8efff798038103d269b633813fc60c", "spanId": id, "name": "GET",
                "kind": 2, "startTimeUnixNano": "1544712660000000000",
                "endTimeUnixNano": "1544712661000000000",
            })
        })
        .collect();
    let name = json!([{ "key": "service.name", "value": { "stringValue": "shop" } }]);
    json!({ "resourceSpans": [{
        "resource": { "attributes": name }, "scopeSpans": [{ "spans": spans }],
    }] })
}

const GOOD: &str = "eee19b7ec3c1b174";

fn protobuf(request: &Value) -> Vec<u8> {
    let request: ExportTraceServiceRequest = serde_json::from_value(request.clone()).unwrap();
    request.encode_to_vec()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A receiver with an empty store, which goes with it.
struct Receiver {
    router: Router,
    archive: Archive,
    recent: SharedStore,
    _directory: TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HashMap<String, String>,
    body: Bytes,
}

impl Receiver {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let archive = Archive::open(directory.path(), Keep::default()).unwrap();
        let recent = SharedStore::new(Limits::default());
        let router = router(recent.clone(), archive.clone());
        Self { router, archive, recent, _directory: directory }
    }

    async fn send(&self, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let mut request = Request::post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body)).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let text = |value: &header::HeaderValue| value.to_str().unwrap().to_owned();
        Answer {
            status: response.status(),
            headers: response.headers().iter().map(|it| (it.0.to_string(), text(it.1))).collect(),
            body: to_bytes(response.into_body(), usize::MAX).await.unwrap(),
        }
    }

    /// Service, name and status of each stored span, and how many the terminal knows.
    fn stored(&self) -> (Vec<(String, String)>, usize) {
        let stored = self.archive.read(|connection| {
            let sql = "SELECT service.text, route.text FROM span
                       JOIN name service ON service.id = service
                       JOIN name route ON route.id = route ORDER BY span.id";
            let mut statement = connection.prepare(sql)?;
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        });
        let recent = self.recent.with(|it| it.traces().map(|trace| trace.spans.len()).sum());
        (stored.unwrap(), recent)
    }

    fn rows(&self, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        self.archive.read(|it| it.query_row(&sql, [], |row| row.get(0))).unwrap()
    }
}

#[tokio::test]
async fn spans_are_stored_when_the_answer_comes_in_each_format() {
    let request = spans(&[GOOD, "eee19b7ec3c1b175"]);
    let text = request.to_string().into_bytes();
    for (why, headers, body) in [
        ("protobuf", &[PROTOBUF][..], protobuf(&request)),
        (
            "with a parameter",
            &[("content-type", "Application/X-Protobuf; v=1")],
            protobuf(&request),
        ),
        ("protobuf, compressed", &[PROTOBUF, GZIP], gzip(&protobuf(&request))),
        ("JSON", &[JSON], text.clone()),
        ("JSON, compressed", &[JSON, GZIP], gzip(&text)),
        ("JSON with a charset", &[("content-type", "application/json; charset=utf-8")], text),
    ] {
        let receiver = Receiver::new();
        let answer = receiver.send("/v1/traces", headers, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{why}: {:?}", answer.body);
        // Nothing to say: an empty message, in the format of the request.
        let is_json = headers[0].1.contains("json");
        assert_eq!(answer.body, if is_json { &b"{}"[..] } else { b"" }, "{why}");
        let one = ("shop".to_owned(), "GET".to_owned());
        assert_eq!(receiver.stored(), (vec![one.clone(), one], 2), "{why}");
    }
}

#[tokio::test]
async fn says_how_many_spans_it_did_not_take_and_why() {
    let receiver = Receiver::new();
    let request = spans(&[GOOD, "eee19b7ec3c1b1", "0000000000000000"]);
    let answer = receiver.send("/v1/traces", &[PROTOBUF], protobuf(&request)).await;
    assert_eq!(answer.status, StatusCode::OK);
    let partial = ExportTraceServiceResponse::decode(answer.body).unwrap().partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 2);
    assert_eq!(partial.error_message, "the span_id is not 8 bytes with one that is not zero");
    assert_eq!(receiver.stored().0.len(), 1);
}

#[tokio::test]
async fn a_span_that_is_sent_twice_is_stored_and_counted_once() {
    let receiver = Receiver::new();
    for _ in 0..2 {
        let body = protobuf(&spans(&[GOOD]));
        assert_eq!(receiver.send("/v1/traces", &[PROTOBUF], body).await.status, StatusCode::OK);
    }
    assert_eq!(receiver.stored().0.len(), 1);
}

#[tokio::test]
async fn refuses_a_whole_request_with_a_reason_and_stores_nothing() {
    let good = protobuf(&spans(&[GOOD]));
    let half = |text: &str| text.as_bytes()[..text.len() / 2].to_vec();
    let many = spans(&["eee19b7ec3c1b174"; 10_001]);
    let zipkin = json!([{ "traceId": "1", "id": "2" }, { "traceId": "x", "id": "3" }]).to_string();
    for (why, path, headers, body, want, reason) in [
        (
            "another format",
            "/v1/traces",
            &[("content-type", "text/plain")][..],
            good.clone(),
            415,
            "the Content-Type must be application/x-protobuf or application/json, not \"text/plain\"",
        ),
        ("no format", "/v1/metrics", &[], good.clone(), 415, "or application/json, not none"),
        (
            "the format is judged before the size",
            "/v1/traces",
            &[("content-type", "text/plain")],
            vec![0; BODY_LIMIT + 1],
            415,
            "the Content-Type",
        ),
        (
            "cut short",
            "/v1/traces",
            &[PROTOBUF],
            good[..good.len() - 1].to_vec(),
            400,
            "not an OTLP request: failed to decode Protobuf message",
        ),
        ("half a JSON", "/v1/traces", &[JSON], half(&spans(&[GOOD]).to_string()), 400, "EOF"),
        ("JSON of something else", "/v1/traces", &[JSON], b"[1]".to_vec(), 400, "OTLP"),
        (
            "an id of no digits",
            "/v1/traces",
            &[JSON],
            spans(&["xyz"]).to_string().into(),
            400,
            "OTLP",
        ),
        ("not gzip", "/v1/traces", &[PROTOBUF, GZIP], good.clone(), 400, "the body is not gzip"),
        (
            "half of gzip",
            "/v1/traces",
            &[PROTOBUF, GZIP],
            gzip(&good)[..20].to_vec(),
            400,
            "the body is not gzip",
        ),
        (
            "another compression",
            "/v1/traces",
            &[PROTOBUF, ("content-encoding", "zstd")],
            good,
            415,
            "the Content-Encoding must be gzip or none, not \"zstd\"",
        ),
        (
            "too large",
            "/v1/traces",
            &[PROTOBUF],
            vec![0; BODY_LIMIT + 1],
            413,
            "the body as it comes is larger than 4194304 bytes",
        ),
        (
            "small, but grows too large",
            "/v1/metrics",
            &[JSON, GZIP],
            gzip(&vec![b' '; EXPANDED_LIMIT + 1]),
            413,
            "the body after decompression is larger than 16777216 bytes",
        ),
        (
            "too many spans",
            "/v1/traces",
            &[JSON],
            many.to_string().into_bytes(),
            413,
            "10001 spans are more than 10000",
        ),
        ("no list", "/api/v2/spans", &[JSON], b"{}".to_vec(), 400, "not a list of Zipkin's spans"),
        ("one bad id of two", "/api/v2/spans", &[JSON], zipkin.into(), 400, "\"x\" is no id"),
        ("Zipkin as text", "/api/v2/spans", &[], b"[]".to_vec(), 415, "application/json, not \"\""),
    ] {
        let receiver = Receiver::new();
        let answer = receiver.send(path, headers, body).await;
        let said = match answer.headers.get("content-type").map(String::as_str) {
            Some("application/x-protobuf") => RpcStatus::decode(answer.body).unwrap().message,
            _ => String::from_utf8(answer.body.into()).unwrap(),
        };
        assert_eq!(answer.status.as_u16(), want, "{why}: {said}");
        assert!(said.contains(reason), "{why}: {said:?} lacks {reason:?}");
        assert_eq!(receiver.stored(), (vec![], 0), "{why}");
    }
}

#[tokio::test]
async fn zipkins_spans_become_those_of_otlp() {
    let receiver = Receiver::new();
    let list = json!([{
        "traceId": "463ac35c9f6413ad", "id": "d2f9288a2904503d", "parentId": "a2fb4a1d1a96d312",
        "kind": "CLIENT", "name": "get", "timestamp": 1_472_470_996_199_000_u64, "duration": 207_000,
        "localEndpoint": { "serviceName": "frontend" },
        "remoteEndpoint": { "serviceName": "backend", "ipv4": "192.168.99.101", "port": 9000 },
        "annotations": [{ "timestamp": 1_472_470_996_200_000_u64, "value": "Foo" }],
        "tags": {
            "http.request.method": "GET", "hopspan.route": "/api", "error": "it broke",
            "http.response.status_code": "503", "hopspan.proxy_time_ns": "1500000",
            "otel.scope.name": "hopspan", "otel.status_code": "ERROR",
        },
    }])
    .to_string();
    let answer = receiver.send("/api/v2/spans", &[JSON], list.into()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{:?}", answer.body);
    assert_eq!(receiver.stored().0, [("frontend".to_owned(), "GET /api".to_owned())]);
    let span = receiver.recent.with(|it| it.traces().next().unwrap().spans[0].clone());
    assert_eq!(span.trace_id.to_string(), "0000000000000000463ac35c9f6413ad");
    assert_eq!(span.parent.unwrap().to_string(), "a2fb4a1d1a96d312");
    assert_eq!(span.start_unix_nano, 1_472_470_996_199_000_000);
    assert_eq!(span.duration().as_millis(), 207);
    assert_eq!((&*span.status(), span.failed), ("503", true));
    assert_eq!(span.proxy_time().unwrap().as_micros(), 1_500);
    assert_eq!(span.text("network.peer.address"), Some("192.168.99.101"));
    assert_eq!(span.text("service.peer.name"), Some("backend"));
    assert_eq!(span.text("error"), None);
}

/// One report of a worker: so many requests in all since its beginning.
fn report(name: &str, count: u64, time: u64) -> Vec<u8> {
    // Far ahead: it began after the receiver did.
    let nanos = |second: u64| ((4_000_000_000 + second) * 1_000_000_000).to_string();
    let request = json!({ "resourceMetrics": [{
        "resource": { "attributes": [
            { "key": "service.name", "value": { "stringValue": "shop" } },
        ] },
        "scopeMetrics": [{ "metrics": [{ "name": name, "unit": "s", "histogram": {
            "aggregationTemporality": 2,
            "dataPoints": [{
                "attributes": [
                    { "key": "http.request.method", "value": { "stringValue": "GET" } },
                    { "key": "hopspan.route", "value": { "stringValue": "/a" } },
                    { "key": "hopspan.worker", "value": { "intValue": "1" } },
                ],
                "startTimeUnixNano": nanos(1), "timeUnixNano": nanos(time),
                "count": count.to_string(), "sum": 0.5,
                "bucketCounts": [count.to_string(), "0"], "explicitBounds": [1.0],
            }],
        } }] }],
    }] });
    let request: ExportMetricsServiceRequest = serde_json::from_value(request).unwrap();
    request.encode_to_vec()
}

#[tokio::test]
async fn reports_that_come_again_or_late_add_nothing() {
    let receiver = Receiver::new();
    for (count, time) in [(5, 2), (7, 4), (7, 4), (5, 2), (9, 6)] {
        let body = report("http.server.request.duration", count, time);
        let answer = receiver.send("/v1/metrics", &[PROTOBUF], body).await;
        assert_eq!(answer.status, StatusCode::OK);
        let answer = ExportMetricsServiceResponse::decode(answer.body).unwrap();
        assert_eq!(answer.partial_success, None);
    }
    for step in [10, 60, 600] {
        let sql = format!("SELECT sum(requests) FROM point WHERE step = {step}");
        let sum: i64 =
            receiver.archive.read(|it| it.query_row(&sql, [], |row| row.get(0))).unwrap();
        assert_eq!(sum, 9, "in steps of {step} s");
    }
}

#[tokio::test]
async fn metrics_that_mean_nothing_here_are_refused_by_name() {
    let receiver = Receiver::new();
    let answer = receiver.send("/v1/metrics", &[PROTOBUF], report("jvm.gc.duration", 1, 2)).await;
    let answer = ExportMetricsServiceResponse::decode(answer.body).unwrap();
    let partial = answer.partial_success.unwrap();
    assert_eq!(partial.rejected_data_points, 1);
    assert_eq!(partial.error_message, "jvm.gc.duration: it is not among the metrics that are kept");
    for told in ["hopspan.proxy_time", "http.server.request.body.size"] {
        let answer = receiver.send("/v1/metrics", &[PROTOBUF], report(told, 1, 2)).await;
        let answer = ExportMetricsServiceResponse::decode(answer.body).unwrap();
        assert_eq!(answer.partial_success, None, "hopspan tells {told} in vain");
    }
    assert_eq!(receiver.rows("point"), 0);
}

#[tokio::test]
async fn a_sender_that_comes_too_fast_is_told_to_wait() {
    let receiver = Receiver::new();
    // A reader's lock would not do: the writer must be held by a write.
    let path = receiver._directory.path().join("lens.db");
    let blocker = rusqlite::Connection::open(path).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = receiver.send("/v1/traces", &[PROTOBUF], protobuf(&spans(&[GOOD]))).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(RpcStatus::decode(answer.body).unwrap().code, 14);
    blocker.execute_batch("ROLLBACK").unwrap();
    assert_eq!(receiver.stored(), (vec![], 0));
    // And then it works.
    let answer = receiver.send("/v1/traces", &[PROTOBUF], protobuf(&spans(&[GOOD]))).await;
    assert_eq!(answer.status, StatusCode::OK);
}

mod any_bytes {
    use proptest::prelude::*;

    use super::*;

    /// A valid request with some bytes changed, cut or repeated: most of it still is a message.
    fn bent(good: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
        let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
        (changes, any::<prop::sample::Index>(), any::<bool>()).prop_map(
            move |(changes, end, cut)| {
                let mut bytes = good.clone();
                for (at, byte) in changes {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
                if cut {
                    bytes.truncate(end.index(bytes.len()));
                }
                bytes
            },
        )
    }

    fn zipkin() -> Vec<u8> {
        json!([{
            "traceId": "463ac35c9f6413ad", "id": "d2f9288a2904503d", "kind": "SERVER",
            "timestamp": 1, "duration": 2, "tags": { "error": "" },
        }])
        .to_string()
        .into_bytes()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Nothing that comes in ends the receiver: it is stored or refused, and can be shown.
        #[test]
        fn are_stored_or_refused(
            (path, kind, body) in prop_oneof![
                bent(protobuf(&spans(&[GOOD]))).prop_map(|it| ("/v1/traces", PROTOBUF, it)),
                bent(spans(&[GOOD]).to_string().into()).prop_map(|it| ("/v1/traces", JSON, it)),
                bent(report("http.server.request.duration", 3, 5))
                    .prop_map(|it| ("/v1/metrics", PROTOBUF, it)),
                bent(zipkin()).prop_map(|it| ("/api/v2/spans", JSON, it)),
            ],
        ) {
            thread_local! {
                static RUN: (tokio::runtime::Runtime, Receiver) =
                    (tokio::runtime::Runtime::new().unwrap(), Receiver::new());
            }
            RUN.with(|(runtime, receiver)| {
                let answer = runtime.block_on(receiver.send(path, &[kind], body));
                let status = answer.status.as_u16();
                assert!([200, 202, 400].contains(&status), "{status}: {:?}", answer.body);
                receiver.archive.read(|connection| {
                    use crate::view::{counts, edges, search, stored, topology, services, waterfall};
                    let window = counts::Window::last(300, crate::archive::now_seconds());
                    let counts = counts::Counts::load(connection, window)?;
                    let edges = edges::edges(connection, &counts)?;
                    let services = services::services(&counts, &HashMap::new());
                    assert!(topology::topology(services, edges).width.is_finite());
                    let search = search::Search { to: i64::MAX, limit: 200, ..Default::default() };
                    for trace in search.run(connection)?.traces {
                        let id = crate::span::TraceId::from_hex(&trace.trace_id).unwrap();
                        let spans = stored::spans(connection, id)?;
                        assert!(waterfall::waterfall(&spans).is_some());
                        assert!(stored::otlp_json(&spans).contains("resourceSpans"));
                    }
                    Ok(())
                }).unwrap();
            });
        }
    }
}

/// What fuzzing begins with, and what it has found.
#[tokio::test]
async fn every_seed_of_the_fuzz_targets_is_answered() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds");
    let receiver = Receiver::new();
    let mut taken = 0;
    for target in std::fs::read_dir(directory).unwrap() {
        let target = target.unwrap().path();
        let (path, headers) = match target.file_name().unwrap().to_str().unwrap() {
            "lens_traces" => ("/v1/traces", vec![PROTOBUF]),
            "lens_traces_json" => ("/v1/traces", vec![JSON]),
            "lens_metrics" => ("/v1/metrics", vec![PROTOBUF]),
            "lens_metrics_json" => ("/v1/metrics", vec![JSON]),
            "lens_zipkin" => ("/api/v2/spans", vec![JSON]),
            "lens_gzip" => ("/v1/traces", vec![JSON, GZIP]),
            other => panic!("{other}"),
        };
        for seed in std::fs::read_dir(&target).unwrap() {
            let seed = seed.unwrap().path();
            let answer = receiver.send(path, &headers, std::fs::read(&seed).unwrap()).await;
            assert!(!answer.status.is_server_error(), "{}: {}", seed.display(), answer.status);
            taken += usize::from(answer.status.is_success());
        }
    }
    assert!(taken >= 8, "{taken}");
    // And what was taken can be looked at.
    let page = crate::web::router(receiver.archive.clone(), false);
    for path in ["/api/services", "/api/routes", "/api/topology"] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        assert_eq!(page.clone().oneshot(request).await.unwrap().status(), StatusCode::OK, "{path}");
    }
}

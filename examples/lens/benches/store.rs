//! How many spans a second are stored, and how long the page waits for its answers, on a store of
//! so many spans: `cargo bench -p hopspan-lens --profile measure --bench store -- 5000000`.
//!
//! The spans are those of a mesh: seven of a trace, with the attributes that hopspan writes. They go in
//! as requests of OTLP in protobuf, through the whole of the receiver but for the socket.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use hopspan_lens::archive::{Archive, Limits};
use hopspan_lens::store::{self, SharedStore};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as otlp;
use prost::Message;
use tower::ServiceExt;

const SERVICES: [&str; 4] = ["gateway", "shop", "catalog", "stock"];
/// Spans of a trace: the gateway has two, the others two and the last one.
const SPANS_OF_TRACE: u64 = 7;
/// Spans of a request, as hopspan sends them when it is busy.
const BATCH: u64 = 512;
/// Requests on their way at once.
const SENDERS: usize = 8;

fn main() {
    let wanted = std::env::args().skip(1).find_map(|it| it.parse().ok()).unwrap_or(200_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(wanted));
}

async fn run(wanted: u64) {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { bytes: 64 << 30, ..Limits::default() };
    let archive = Archive::open(directory.path(), limits).unwrap();
    let recent = SharedStore::new(store::Limits::default());
    let router = hopspan_lens::router(recent, archive.clone(), true);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    // Over the last hour, so that a window is as full as it would be.
    let (begin, apart) = (now - 3_600_000_000_000, 3_600_000_000_000 / wanted.max(1));

    let begun = Instant::now();
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..SENDERS as u64 {
        let router = router.clone();
        senders.spawn(async move {
            let mut busy = Duration::ZERO;
            let mut number = sender * BATCH;
            while number < wanted {
                let making = Instant::now();
                let body = request(number, begin, apart);
                busy += making.elapsed();
                send(&router, body).await;
                number += BATCH * SENDERS as u64;
            }
            busy
        });
    }
    let busy: Duration = senders.join_all().await.into_iter().sum();
    let took = begun.elapsed();
    let spans = wanted.div_ceil(BATCH) * BATCH;
    println!("spans stored            {spans}");
    println!("spans a second          {:.0}", spans as f64 / took.as_secs_f64());
    println!("of the time, the load   {:.1} s of {:.1} s", busy.as_secs_f64(), took.as_secs_f64());
    println!("bytes a span on disk    {}", archive.disk_bytes() / spans);
    drop(archive);

    println!("\n{:<56} {:>8} {:>8}", "question", "median", "slowest");
    for path in [
        "/api/status",
        "/api/services?seconds=300",
        "/api/services?seconds=3600",
        "/api/routes?seconds=3600",
        "/api/topology?seconds=3600",
        "/api/services/shop?seconds=86400",
        "/api/traces",
        "/api/traces?service=stock&limit=50",
        "/api/traces?failed=true",
        "/api/traces?service=stock&status=503",
        "/api/traces?min_ms=99",
        "/api/traces?route=nothing-has-this",
        "/api/traces?attribute=user.id%3Dnobody",
        &format!("/api/traces/{:032x}", trace_id(wanted / SPANS_OF_TRACE / 2)),
    ] {
        let mut times: Vec<Duration> = Vec::new();
        for _ in 0..9 {
            let begun = Instant::now();
            ask(&router, path).await;
            times.push(begun.elapsed());
        }
        times.sort();
        let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
        println!("{path:<56} {:>8} {:>8}", ms(times[times.len() / 2]), ms(times[times.len() - 1]));
    }
}

async fn send(router: &Router, body: Vec<u8>) {
    let request = Request::post("/v1/traces").header("content-type", "application/x-protobuf");
    let request = request.body(Body::from(body)).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    assert!(response.status().is_success(), "{response:?}");
}

async fn ask(router: &Router, path: &str) {
    let request = Request::get(path).header("host", "localhost").body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    assert!(response.status().is_success(), "{path}: {response:?}");
    to_bytes(response.into_body(), usize::MAX).await.unwrap();
}

/// A request with [`BATCH`] spans, by service.
fn request(first: u64, begin: u64, apart: u64) -> Vec<u8> {
    let mut of_service: [Vec<otlp::Span>; 4] = Default::default();
    for number in first..first + BATCH {
        let place = number % SPANS_OF_TRACE;
        of_service[(place / 2) as usize].push(span(number, begin + number * apart));
    }
    let resource_spans = of_service.into_iter().zip(SERVICES).map(|(spans, service)| {
        let attributes = vec![
            text("service.name", service),
            text("service.instance.id", "default.pod-1234.istio-proxy"),
            text("telemetry.sdk.language", "rust"),
            text("telemetry.sdk.name", "hopspan"),
        ];
        let scope = InstrumentationScope { name: "hopspan".into(), ..Default::default() };
        let scope_spans = otlp::ScopeSpans { scope: Some(scope), spans, ..Default::default() };
        otlp::ResourceSpans {
            resource: Some(Resource { attributes, ..Default::default() }),
            scope_spans: vec![scope_spans],
            ..Default::default()
        }
    });
    ExportTraceServiceRequest { resource_spans: resource_spans.collect() }.encode_to_vec()
}

fn span(number: u64, start: u64) -> otlp::Span {
    let (trace, place) = (number / SPANS_OF_TRACE, number % SPANS_OF_TRACE);
    let trace_id = trace_id(trace);
    let failed = number.is_multiple_of(1_009);
    let millis = 1 + id(number) % 50 + if number.is_multiple_of(10_007) { 60 } else { 0 };
    let route =
        ["/products/{number}", "/orders/{number}", "/carts/{number}", "/"][trace as usize % 4];
    let mut attributes = vec![
        text("http.request.method", "GET"),
        integer("http.response.status_code", if failed { 503 } else { 200 }),
        text("url.path", &format!("/products/{number}")),
        text("url.scheme", "http"),
        text("server.address", "shop.example.com"),
        integer("server.port", 8080),
        text("network.peer.address", "10.0.0.17"),
        integer("network.peer.port", 40_000 + (number % 20_000) as i64),
        text("network.protocol.version", "1.1"),
        text("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"),
        text("hopspan.route", route),
        text("url.template", route),
        text("hopspan.upstream.cluster", SERVICES[(place as usize / 2 + 1) % 4]),
        text("hopspan.upstream.address", "10.0.0.18:15001"),
        integer("hopspan.proxy_time_ns", 150_000 + (number % 100_000) as i64),
        integer("hopspan.upstream_time_ns", millis as i64 * 900_000),
        integer("hopspan.pool_wait_ns", 20_000),
        integer("hopspan.first_byte_ns", millis as i64 * 950_000),
    ];
    if failed {
        attributes.push(text("error.type", "503"));
    }
    otlp::Span {
        trace_id: trace_id.to_be_bytes().to_vec(),
        span_id: id(number).to_be_bytes().to_vec(),
        parent_span_id: if place == 0 { vec![] } else { id(number - 1).to_be_bytes().to_vec() },
        kind: if place % 2 == 0 { 2 } else { 3 },
        name: format!("GET {route}"),
        start_time_unix_nano: start,
        end_time_unix_nano: start + millis * 1_000_000,
        attributes,
        status: Some(otlp::Status { code: if failed { 2 } else { 0 }, ..Default::default() }),
        ..Default::default()
    }
}

/// As it is with real ids: they come in no order.
fn id(number: u64) -> u64 {
    (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn trace_id(number: u64) -> u128 {
    u128::from(id(number)) << 64 | u128::from(number)
}

fn text(key: &str, text: &str) -> KeyValue {
    pair(key, Value::StringValue(text.to_owned()))
}

fn integer(key: &str, number: i64) -> KeyValue {
    pair(key, Value::IntValue(number))
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..Default::default()
    }
}

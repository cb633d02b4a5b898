//! Golden metrics: every request is counted once, recorded or not.

use crate::collector::plain;
use crate::hopspan::{DELAY, Hopspan, SAMPLED, UNSAMPLED, builder};
use host_test::{Answer, Headers, Stream};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::HistogramDataPoint;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message as _;
use std::collections::BTreeMap;
use std::time::Duration;

const SERVER: &str = "http.server.request.duration";
const CLIENT: &str = "http.client.request.duration";
const INTERVAL: Duration = Duration::from_secs(10);
const PATH: &str = "/v1/metrics";

fn config(direction: &str, more: &str) -> String {
    format!(
        r#"{{"direction":"{direction}","trust":{{"default":"continue"}},
            "collector":{{"cluster":"otel"}},"metrics":{{"to":["otlp"]{more}}}}}"#
    )
}

/// How many reports came.
fn reports(hopspan: &Hopspan) -> usize {
    hopspan.collector.requests().iter().filter(|it| it.headers.text(":path") == Some(PATH)).count()
}

fn text(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let value = |it: &KeyValue| match it.value.as_ref().and_then(|it| it.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("text or a number: {other:?}"),
    };
    attributes.iter().map(|it| (it.key.clone(), value(it))).collect()
}

/// The last points of all series that ever came, by what tells them apart.
fn points(hopspan: &Hopspan) -> BTreeMap<(String, BTreeMap<String, String>), HistogramDataPoint> {
    let mut last = BTreeMap::<_, HistogramDataPoint>::new();
    for request in hopspan.collector.requests() {
        if request.headers.text(":path") != Some(PATH) {
            continue;
        }
        assert_eq!(request.headers.text("content-type"), Some("application/x-protobuf"));
        let report = ExportMetricsServiceRequest::decode(plain(&request)).expect("metrics");
        let scopes = report.resource_metrics.into_iter().flat_map(|it| it.scope_metrics);
        for metric in scopes.flat_map(|it| it.metrics) {
            let Some(Data::Histogram(histogram)) = metric.data else { panic!("a histogram") };
            for point in histogram.data_points {
                assert_eq!(point.count, point.bucket_counts.iter().sum::<u64>());
                let key = (metric.name.clone(), text(&point.attributes));
                if let Some(before) = last.get(&key) {
                    assert!(before.count <= point.count, "{key:?} went down");
                    assert!(before.time_unix_nano <= point.time_unix_nano, "{key:?}");
                    assert_eq!(before.start_time_unix_nano, point.start_time_unix_nano);
                }
                last.insert(key, point);
            }
        }
    }
    last
}

/// How many requests were counted, by the name of the metric and these attributes.
fn counts(hopspan: &Hopspan, by: &[&str]) -> Vec<(String, u64)> {
    let mut counts = BTreeMap::<String, u64>::new();
    for ((name, attributes), point) in points(hopspan) {
        assert!(attributes.contains_key("hopspan.worker"), "{attributes:?}");
        let values = by.iter().map(|it| attributes.get(*it).map_or("-", String::as_str));
        let key = [name.as_str()].into_iter().chain(values).collect::<Vec<_>>().join(" ");
        *counts.entry(key).or_default() += point.count;
    }
    counts.into_iter().collect()
}

fn owned<const N: usize>(list: [(&str, u64); N]) -> Vec<(String, u64)> {
    list.into_iter().map(|(key, count)| (key.to_owned(), count)).collect()
}

fn get(stream: &Stream, path: &str, traceparent: &str, status: u16) {
    stream.request_headers(Headers::plain_get(path).with("traceparent", traceparent), true);
    stream.respond(status);
    stream.finish();
}

const BY: [&str; 4] =
    ["http.request.method", "http.response.status_code", "error.type", "hopspan.route"];

#[test]
fn every_request_is_counted_sampled_or_not() {
    let hopspan = Hopspan::of(builder(config("inbound", "")).workers(4)).watched();
    for worker in 0..4 {
        for (count, path, traceparent, status) in [
            (3, "/cart", SAMPLED, 200),
            (5, "/cart", UNSAMPLED, 200),
            (1, "/gone", SAMPLED, 404),
            (2, "/gone", UNSAMPLED, 404),
            (1, "/cart", SAMPLED, 503),
            (1, "/cart", UNSAMPLED, 503),
        ] {
            for _ in 0..count {
                get(&hopspan.worker(worker).stream(), path, traceparent, status);
            }
        }
    }
    hopspan.run_for(INTERVAL + DELAY);
    assert_eq!(hopspan.stat("metrics.series"), 4 * 3);
    let want = owned([
        ("http.server.request.duration GET 200 - /cart", 32),
        ("http.server.request.duration GET 404 - -", 12),
        ("http.server.request.duration GET 503 503 /cart", 8),
    ]);
    assert_eq!(counts(&hopspan, &BY), want);
    assert_eq!(counts(&hopspan, &["hopspan.worker"]).len(), 4);
    assert_eq!(reports(&hopspan), 4);
    // Nothing more, and all of it again.
    hopspan.run_for(INTERVAL * 3);
    assert_eq!((counts(&hopspan, &BY), reports(&hopspan)), (want, 16));
    assert_eq!(hopspan.accounts()[..2], [20, 20], "spans are counted as ever");
}

#[test]
fn nothing_is_counted_by_default() {
    let hopspan = Hopspan::start(r#"{"direction":"inbound","collector":{"cluster":"otel"}}"#);
    get(&hopspan.stream(), "/cart", UNSAMPLED, 200);
    hopspan.run_for(INTERVAL * 2);
    assert_eq!(hopspan.collector.requests().len(), 0);
}

#[test]
fn counts_go_on_through_an_update() {
    let hopspan = Hopspan::of(builder(config("inbound", "")).workers(2));
    let open: Vec<_> = (0..2).map(|it| hopspan.worker(it).stream()).collect();
    for (worker, stream) in open.iter().enumerate() {
        get(&hopspan.worker(worker).stream(), "/cart", UNSAMPLED, 200);
        stream.request_headers(Headers::plain_get("/cart").with("traceparent", UNSAMPLED), true);
    }
    let outbound = config("outbound", "");
    hopspan.reconfigure(&outbound).unwrap();
    for worker in 0..2 {
        get(&hopspan.worker(worker).stream(), "/cart", SAMPLED, 200);
    }
    hopspan.run_for(INTERVAL + DELAY);
    for stream in open {
        stream.respond(200);
        stream.finish();
    }
    hopspan.drained();
    hopspan.run_for(DELAY);
    let by = ["hopspan.upstream.cluster"];
    let want = owned([
        ("http.client.request.duration upstream", 2),
        ("http.server.request.duration -", 4),
    ]);
    assert_eq!(counts(&hopspan, &by), want, "the old configuration has told what was left");
    assert_eq!(counts(&hopspan, &["hopspan.worker"]).len(), 4, "two workers, two metrics");
    get(&hopspan.stream(), "/cart", SAMPLED, 200);
    hopspan.reconfigure(r#"{"direction":"inbound"}"#).unwrap();
    hopspan.drained();
    hopspan.run_for(DELAY);
    assert_eq!(counts(&hopspan, &[])[0], (CLIENT.to_owned(), 3));
    assert_eq!(hopspan.stat("metrics.series"), 0, "and nobody counts any more");
}

#[test]
fn what_never_reached_the_filter_is_counted_too() {
    let hopspan = Hopspan::start(&config("inbound", ""));
    for traceparent in [SAMPLED, UNSAMPLED] {
        let request = Headers::plain_get("/cart").with("traceparent", traceparent);
        hopspan.stream().refused(request, [(":status", "403")]);
    }
    // No response at all, and a reset.
    let stream = hopspan.stream();
    stream.request_headers(Headers::plain_get("/").with("traceparent", UNSAMPLED), true);
    hopspan.pass(1_500_000);
    stream.finish();
    hopspan.run_for(INTERVAL + DELAY);
    let counted = counts(&hopspan, &["http.response.status_code", "hopspan.route"]);
    assert_eq!(
        counted,
        owned([("http.server.request.duration - -", 1), ("http.server.request.duration 403 -", 2)])
    );
    let reset = points(&hopspan).into_iter().find(|((_, it), _)| !it.contains_key(BY[1]));
    let ((_, attributes), point) = reset.expect("a series without a status");
    assert!(attributes.contains_key("error.type"), "{attributes:?}");
    assert_eq!(point.sum, Some(1.5));
}

#[test]
fn a_report_is_not_counted_by_the_proxy_that_it_passes() {
    let hopspan = Hopspan::start(&config("gateway", ""));
    for (path, authority) in [(PATH, "otel"), ("/v1/traces", "otel"), (PATH, "shop")] {
        let request = Headers::plain_get(path).with(":method", "POST");
        get_with(&hopspan, request.with(":authority", authority));
    }
    hopspan.run_for(INTERVAL + DELAY);
    assert_eq!(
        counts(&hopspan, &["http.request.method"]),
        owned([("http.server.request.duration POST", 1)])
    );
}

fn get_with(hopspan: &Hopspan, request: Headers) {
    let stream = hopspan.stream();
    stream.request_headers(request.with("traceparent", UNSAMPLED), true);
    stream.respond(200);
    stream.finish();
}

#[test]
fn calls_and_health_checks_have_series_of_their_own() {
    let hopspan = Hopspan::start(&config("inbound", ""));
    for traceparent in [SAMPLED, UNSAMPLED] {
        for (path, status) in [("/shop.Cart/Add", "0"), ("/shop.Cart/Add", "13"), ("/a.B/C", "12")]
        {
            let stream = hopspan.stream();
            stream.request_headers(Headers::grpc(path).with("traceparent", traceparent), false);
            stream.request_body([0; 5], true);
            stream.response_headers(
                [(":status", "200"), ("content-type", "application/grpc")],
                false,
            );
            stream.response_body([0; 5], false);
            stream.response_trailers([("grpc-status", status)]);
            stream.finish();
        }
    }
    get_with(&hopspan, Headers::plain_get("/live").with("user-agent", "kube-probe/1.31"));
    hopspan.run_for(INTERVAL + DELAY);
    let by = [
        "rpc.system.name",
        "rpc.method",
        "rpc.response.status_code",
        "error.type",
        "hopspan.route",
    ];
    assert_eq!(
        counts(&hopspan, &by),
        owned([
            ("http.server.request.duration - - - - _health", 1),
            ("rpc.server.call.duration grpc - UNIMPLEMENTED UNIMPLEMENTED -", 2),
            ("rpc.server.call.duration grpc shop.Cart/Add INTERNAL INTERNAL -", 2),
            ("rpc.server.call.duration grpc shop.Cart/Add OK - -", 2),
        ])
    );
}

#[test]
fn random_requests_fill_no_more_than_the_bound() {
    let hopspan = Hopspan::start(&config("inbound", r#","max_series":20"#));
    for number in 0..300_u16 {
        let path: String =
            [number / 26, number].map(|it| char::from(b'a' + (it % 26) as u8)).iter().collect();
        let request = Headers::plain_get(&format!("/{path}")).with(":method", format!("M{number}"));
        get_with(&hopspan, request);
        get(&hopspan.stream(), &format!("/{path}"), UNSAMPLED, 200 + number % 300);
    }
    hopspan.run_for(INTERVAL + DELAY);
    assert!(hopspan.stat("metrics.series") <= 20);
    assert!(points(&hopspan).len() <= 20);
    let all: u64 = counts(&hopspan, &[]).into_iter().map(|(_, count)| count).sum();
    assert_eq!(all, 600, "and each is counted");
    let other =
        counts(&hopspan, &BY).into_iter().find(|(key, _)| key.ends_with("_OTHER - - _other"));
    assert_eq!(other.map(|(_, count)| count as i64), Some(hopspan.stat("metrics.overflow")));
}

#[test]
fn a_collector_without_metrics_is_left_alone() {
    for status in [404, 405, 501] {
        let hopspan = Hopspan::start(&config("inbound", ""));
        get(&hopspan.stream(), "/cart", UNSAMPLED, 200);
        hopspan.collector.next([Answer::status(status)]);
        hopspan.run_for(INTERVAL + DELAY);
        assert_eq!(reports(&hopspan), 1);
        get(&hopspan.stream(), "/cart", UNSAMPLED, 200);
        get(&hopspan.stream(), "/cart", SAMPLED, 200);
        hopspan.run_for(INTERVAL * 3);
        assert_eq!((reports(&hopspan), hopspan.stat("metrics.series")), (1, 0), "{status}");
        assert_eq!(hopspan.said("to metrics, so it gets no more").len(), 1, "{status}");
        assert_eq!(hopspan.collector.taken().len(), 1, "spans go on");
    }
}

#[test]
fn a_collector_that_fails_loses_no_count() {
    for answer in [Answer::status(503), Answer::status(400), Answer::silence()] {
        let hopspan = Hopspan::start(&config("inbound", ""));
        hopspan.collector.fail(answer);
        for _ in 0..5 {
            get(&hopspan.stream(), "/cart", UNSAMPLED, 200);
            hopspan.run_for(INTERVAL);
        }
        hopspan.collector.recover();
        hopspan.run_for(INTERVAL * 3);
        assert_eq!(counts(&hopspan, &[]), owned([(SERVER, 5)]));
        assert_eq!(hopspan.accounts(), [0; 5]);
    }
}

#[test]
fn reports_are_compressed_like_spans() {
    let config = config("inbound", "")
        .replace(r#""cluster":"otel""#, r#""cluster":"otel","compression":"gzip""#);
    let hopspan = Hopspan::start(&config);
    get(&hopspan.stream(), "/cart", UNSAMPLED, 200);
    hopspan.run_for(INTERVAL + DELAY);
    let request = hopspan.collector.requests().pop().expect("a report");
    assert_eq!(request.headers.text("content-encoding"), Some("gzip"));
    assert_eq!(counts(&hopspan, &[]), owned([(SERVER, 1)]));
}

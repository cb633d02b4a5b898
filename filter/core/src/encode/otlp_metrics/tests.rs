use super::*;
use crate::encode::{Resource, Value, otlp_json};
use crate::id::{SpanId, TraceId};
use crate::metrics::edges::{Edges, Passed};
use crate::metrics::histogram::{Bounds, PROXY, REQUESTS};
use crate::metrics::{Example, Measured, Store};
use crate::peer::Node;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    HistogramDataPoint, NumberDataPoint, exemplar, number_data_point,
};
use prost::Message as _;
use std::time::Duration;

const GET: Labels<'static> = Labels {
    kind: Kind::Server,
    method: "GET",
    status: Some(503),
    error: "no_healthy_upstream",
    route: b"/users/{id}",
    is_configured: true,
    cluster: b"",
    call: None,
};

fn told(attributes: &[KeyValue]) -> Vec<String> {
    let value = |it: &KeyValue| match it.value.clone().unwrap().value.unwrap() {
        Any::StringValue(text) => text,
        Any::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    attributes.iter().map(|it| format!("{}={}", it.key, value(it))).collect()
}

/// Requests with the metric of their durations, and its attributes.
fn cases() -> [(&'static str, Labels<'static>, &'static str); 5] {
    let learned = Labels { is_configured: false, ..GET };
    let fine = Labels { status: Some(200), error: "", ..learned };
    let call = CallLabels { system: "grpc", method: b"shop.Cart/Add", status: "OK" };
    let call = Labels { method: "", status: None, error: "", route: b"", call: Some(call), ..fine };
    let client = |it| Labels { kind: Kind::Client, cluster: b"cart", ..it };
    [
        (
            "http.server.request.duration",
            GET,
            "http.request.method=GET error.type=no_healthy_upstream http.route=/users/{id} \
             hopspan.route=/users/{id} http.response.status_code=503",
        ),
        (
            "http.server.request.duration",
            fine,
            "http.request.method=GET hopspan.route=/users/{id} http.response.status_code=200",
        ),
        (
            "http.client.request.duration",
            client(Labels { error: "", status: None, ..GET }),
            "http.request.method=GET hopspan.route=/users/{id} hopspan.upstream.cluster=cart",
        ),
        (
            "rpc.server.call.duration",
            call,
            "rpc.system.name=grpc rpc.method=shop.Cart/Add rpc.response.status_code=OK",
        ),
        (
            "rpc.client.call.duration",
            client(Labels { error: "INTERNAL", ..call }),
            "rpc.system.name=grpc rpc.method=shop.Cart/Add rpc.response.status_code=OK \
             error.type=INTERNAL hopspan.upstream.cluster=cart",
        ),
    ]
}

/// A report with something of each metric.
fn written(shape: Shape) -> Vec<u8> {
    let (mut store, mut edges) = (Store::new(100, shape), Edges::new(10, shape));
    let example = Example {
        trace_id: TraceId::from_bytes([1; 16]).unwrap(),
        span_id: SpanId::from_bytes([2; 8]).unwrap(),
        time: UnixNanos(16),
        took: Duration::from_secs(60),
    };
    for (_, labels, _) in &cases() {
        let took = Duration::from_millis(7);
        let measured = Measured { took, bodies: [3, 0], attempts: 2, example: None };
        store.record(labels, &measured);
        let measured = Measured { took: example.took, example: Some(example), ..measured };
        store.record(labels, &measured);
    }
    let open = OpenSeries { kind: Kind::Server, method: "GET", scheme: "https", count: 4 };
    let called = Passed {
        kind: Kind::Client,
        own: b"shop",
        other: Node::service(b"cart"),
        is_told: false,
        failed: true,
        took: Duration::from_secs(1),
    };
    edges.record(&called, 0, &mut || true);
    let told_by_caller = Passed { kind: Kind::Server, is_told: true, ..called };
    edges.record(&Passed { other: Node::EXTERNAL, ..told_by_caller }, 0, &mut || false);
    let mut proxy_time = Histogram::new(shape, &PROXY);
    proxy_time.record(Duration::from_micros(250));
    let attributes = vec![("service.name".to_owned(), Value::Text("shop".into()))];
    let envelope = Envelope::new(&Resource { attributes }, "hopspan", "1.2.3");
    let snapshot = Snapshot {
        series: store.series(),
        open: &[open],
        edges: edges.all(),
        proxy_time: Some(&proxy_time),
        missing: 5,
        worker: 3,
        start: UnixNanos(17),
        time: UnixNanos(18),
        shape,
    };
    write_request(&envelope, &snapshot).unwrap()
}

#[test]
fn the_official_decoder_reads_every_metric() {
    let cases = cases();
    let read = ExportMetricsServiceRequest::decode(&written(Shape::Explicit)[..]).unwrap();
    let [group] = &read.resource_metrics[..] else { panic!("one resource") };
    assert_eq!(told(&group.resource.as_ref().unwrap().attributes), ["service.name=shop"]);
    let [scope] = &group.scope_metrics[..] else { panic!("one scope") };
    let about = scope.scope.as_ref().unwrap();
    assert_eq!((&about.name[..], &about.version[..]), ("hopspan", "1.2.3"));
    let found: Vec<_> = scope.metrics.iter().flat_map(points).collect();
    let durations = "s: 2 of 60.007 in [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 0x01";
    let mut want: Vec<_> =
        cases.iter().map(|(name, _, it)| format!("{name} {it} {durations}")).collect();
    let of = |at: usize| cases[at].2;
    let second = "s: 1 of 1 in [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]";
    want.extend([
        format!("http.server.request.body.size {} By: 2 of 6 in []", of(0)),
        format!("http.server.request.body.size {} By: 2 of 6 in []", of(1)),
        format!("http.client.request.body.size {} By: 2 of 6 in []", of(2)),
        format!("hopspan.upstream.attempts {} {{attempt}}: 4, growing", of(2)),
        format!("hopspan.upstream.attempts {} {{attempt}}: 4, growing", of(4)),
        "http.server.active_requests http.request.method=GET url.scheme=https {request}: 4".into(),
        "traces_service_graph_request_total client=shop server=cart connection_type= : 1, growing"
            .into(),
        "traces_service_graph_request_failed_total client=shop server=cart connection_type= : 1, \
         growing"
            .into(),
        format!(
            "traces_service_graph_request_client client=shop server=cart connection_type= {second}"
        ),
        format!(
            "traces_service_graph_request_server client=external server=shop \
             connection_type=virtual_node {second}"
        ),
        "hopspan.service_graph.secured client=shop server=cart connection_type= {connection}: 1, \
         now"
        .into(),
        "hopspan.service_graph.secured client=external server=shop connection_type=virtual_node \
         {connection}: 0, now"
            .into(),
        "hopspan.proxy_time s: 1 of 0.00025 in [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]"
            .into(),
        "hopspan.context.missing {request}: 5, growing".into(),
    ]);
    assert_eq!(found, want);
}

/// Each point of a metric in one line.
fn points(metric: &opentelemetry_proto::tonic::metrics::v1::Metric) -> Vec<String> {
    assert!(metric.description.ends_with(['.', 't']), "{}", metric.description);
    let attributes = |attributes: &[KeyValue]| {
        let mut all = told(attributes);
        assert_eq!(all.pop().as_deref(), Some("hopspan.worker=3"));
        all.insert(0, metric.name.clone());
        all.push(format!("{}:", metric.unit));
        all.join(" ")
    };
    let number = |it: &NumberDataPoint, how: &str| {
        assert_eq!((it.start_time_unix_nano, it.time_unix_nano), (17, 18));
        let Some(number_data_point::Value::AsInt(value)) = it.value else { panic!("{it:?}") };
        format!("{} {value}{how}", attributes(&it.attributes))
    };
    match metric.data.as_ref().unwrap() {
        Data::Gauge(it) => it.data_points.iter().map(|it| number(it, ", now")).collect(),
        Data::Sum(it) => {
            assert_eq!(it.aggregation_temporality, 2, "cumulative");
            let how = if it.is_monotonic { ", growing" } else { "" };
            it.data_points.iter().map(|it| number(it, how)).collect()
        }
        Data::Histogram(it) => {
            assert_eq!(it.aggregation_temporality, 2, "cumulative");
            let point = |it: &HistogramDataPoint| {
                assert_eq!((it.start_time_unix_nano, it.time_unix_nano), (17, 18));
                let seconds = |it: &Bounds| it.map(|it| it as f64 / 1e9).to_vec();
                let bounds = match metric.name.as_str() {
                    "hopspan.proxy_time" => seconds(&PROXY),
                    _ if it.bucket_counts.is_empty() => Vec::new(),
                    _ => seconds(&REQUESTS),
                };
                assert_eq!(it.explicit_bounds, bounds);
                let sum = it.sum.unwrap();
                let shown = it.exemplars.iter().map(|it| {
                    assert_eq!((it.time_unix_nano, &it.span_id[..]), (16, &[2; 8][..]));
                    assert_eq!(it.value, Some(exemplar::Value::AsDouble(60.0)));
                    format!(", {:#04x}", it.trace_id[0])
                });
                let shown: String = shown.collect();
                let counts = &it.bucket_counts;
                format!("{} {} of {sum} in {counts:?}{shown}", attributes(&it.attributes), it.count)
            };
            it.data_points.iter().map(point).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn histograms_may_be_exponential() {
    let read = ExportMetricsServiceRequest::decode(&written(Shape::Exponential)[..]).unwrap();
    let metrics = &read.resource_metrics[0].scope_metrics[0].metrics;
    let mut found = Vec::new();
    for metric in metrics.iter().filter(|it| it.unit == "s") {
        let Some(Data::ExponentialHistogram(it)) = &metric.data else { panic!("{metric:?}") };
        assert_eq!(it.aggregation_temporality, 2, "cumulative");
        for it in &it.data_points {
            assert_eq!((it.start_time_unix_nano, it.time_unix_nano), (17, 18));
            assert_eq!(told(&it.attributes).last().unwrap(), "hopspan.worker=3");
            let positive = it.positive.as_ref().unwrap();
            let last = positive.offset + positive.bucket_counts.len() as i32 - 1;
            let counts: u64 = positive.bucket_counts.iter().sum();
            assert_eq!((counts, it.zero_count), (it.count, 0));
            let example = it.exemplars.first().map(|it| it.span_id[0]);
            found.push((it.count, it.sum.unwrap(), it.scale, positive.offset, last, example));
        }
    }
    let request = (2, 60.007, 3, -58, 47, Some(2));
    let second = (1, 1.0, 4, -1, -1, None);
    let want = [&[request; 5][..], &[second; 2], &[(1, 0.00025, 4, -192, -192, None)]].concat();
    assert_eq!(found, want);
    let sizes = metrics.iter().filter(|it| it.unit == "By");
    assert!(sizes.clone().all(|it| matches!(it.data, Some(Data::Histogram(_)))));
    assert_eq!(sizes.count(), 2);
}

#[test]
fn json_says_the_same() {
    for shape in [Shape::Explicit, Shape::Exponential] {
        let bytes = written(shape);
        let mut text = Vec::new();
        otlp_json::transcode_metrics(&bytes, &mut text).unwrap();
        let read: ExportMetricsServiceRequest = serde_json::from_slice(&text).unwrap();
        let want = ExportMetricsServiceRequest::decode(&bytes[..]).unwrap();
        assert_eq!(read, want, "{}", String::from_utf8_lossy(&text));
        assert!(text.len() < otlp_json::TIMES * bytes.len());
    }
}

#[test]
fn the_names_are_those_of_the_conventions() {
    use opentelemetry_semantic_conventions::metric;
    let durations = DURATIONS.map(|(_, _, it)| it.name);
    assert_eq!(
        durations,
        [
            metric::HTTP_SERVER_REQUEST_DURATION,
            metric::HTTP_CLIENT_REQUEST_DURATION,
            metric::RPC_SERVER_CALL_DURATION,
            metric::RPC_CLIENT_CALL_DURATION,
        ]
    );
    let bodies = BODIES.map(|(_, both)| both.map(|it| it.name));
    assert_eq!(
        bodies.as_flattened(),
        [
            metric::HTTP_SERVER_REQUEST_BODY_SIZE,
            metric::HTTP_SERVER_RESPONSE_BODY_SIZE,
            metric::HTTP_CLIENT_REQUEST_BODY_SIZE,
            metric::HTTP_CLIENT_RESPONSE_BODY_SIZE,
        ]
    );
    assert_eq!(
        OPEN.map(|(_, it)| it.name),
        [metric::HTTP_SERVER_ACTIVE_REQUESTS, metric::HTTP_CLIENT_ACTIVE_REQUESTS]
    );
}

use super::*;
use crate::encode::{Resource, Value};
use crate::metrics::Store;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
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

#[test]
fn the_official_decoder_reads_every_metric() {
    let learned = Labels { is_configured: false, ..GET };
    let fine = Labels { status: Some(200), error: "", ..learned };
    let call = CallLabels { system: "grpc", method: b"shop.Cart/Add", status: "OK" };
    let call = Labels { method: "", status: None, error: "", route: b"", call: Some(call), ..fine };
    let client = |it| Labels { kind: Kind::Client, cluster: b"cart", ..it };
    let mut store = Store::new(100);
    let cases = [
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
    ];
    for (_, labels, _) in &cases {
        store.record(labels, Duration::from_millis(7));
        store.record(labels, Duration::from_secs(60));
    }
    let attributes = vec![("service.name".to_owned(), Value::Text("shop".into()))];
    let envelope = Envelope::new(&Resource { attributes }, "hopspan", "1.2.3");
    let (start, time) = (UnixNanos(17), UnixNanos(18));
    let snapshot = Snapshot { series: store.series(), worker: 3, start, time };
    let bytes = write_request(&envelope, &snapshot).unwrap();

    let read = ExportMetricsServiceRequest::decode(&bytes[..]).unwrap();
    let [group] = &read.resource_metrics[..] else { panic!("one resource") };
    assert_eq!(told(&group.resource.as_ref().unwrap().attributes), ["service.name=shop"]);
    let [scope] = &group.scope_metrics[..] else { panic!("one scope") };
    let about = scope.scope.as_ref().unwrap();
    assert_eq!((&about.name[..], &about.version[..]), ("hopspan", "1.2.3"));
    let mut points = Vec::new();
    for metric in &scope.metrics {
        assert_eq!(metric.unit, "s");
        assert!(metric.description.ends_with('.'), "{}", metric.description);
        let Some(Data::Histogram(it)) = &metric.data else { panic!("{metric:?}") };
        assert_eq!(it.aggregation_temporality, 2, "cumulative");
        for point in &it.data_points {
            assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (17, 18));
            assert_eq!((point.count, point.sum), (2, Some(60.007)));
            assert_eq!(point.explicit_bounds, BOUNDS);
            let mut counts = [0; 15];
            (counts[1], counts[14]) = (1, 1);
            assert_eq!(point.bucket_counts, counts);
            points.push((metric.name.clone(), told(&point.attributes).join(" ")));
        }
    }
    let want = cases.map(|(name, _, it)| (name.to_owned(), format!("{it} hopspan.worker=3")));
    assert_eq!(points, want);
}

#[test]
fn the_names_are_those_of_the_conventions() {
    use opentelemetry_semantic_conventions::metric;
    let names = METRICS.map(|it| it.name);
    assert!(names.contains(&metric::HTTP_SERVER_REQUEST_DURATION));
    assert!(names.contains(&metric::HTTP_CLIENT_REQUEST_DURATION));
    assert!(names.contains(&metric::RPC_SERVER_CALL_DURATION));
    assert!(names.contains(&metric::RPC_CLIENT_CALL_DURATION));
}

//! What reports of metrics say: the last point of each series, by the official types.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::exemplar::Value as Shown;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint,
};

/// The last point of a series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    /// How many there were: of a histogram all of them.
    pub(crate) count: u64,
    /// Of a histogram, in its unit.
    pub(crate) sum: f64,
    /// Whether there can only be more.
    pub(crate) grows: bool,
    /// The trace that it shows, and how long that took.
    pub(crate) example: Option<(Vec<u8>, f64)>,
    /// When the series began, and was as it is.
    pub(crate) times: [u64; 2],
}

/// A metric's name and the attributes of one of its series, with those of the resource.
pub(crate) type Key = (String, BTreeMap<String, String>);

/// The last points of all series that ever came.
pub(crate) fn last_points(
    reports: impl IntoIterator<Item = ExportMetricsServiceRequest>,
) -> BTreeMap<Key, Point> {
    let mut last = BTreeMap::<Key, Point>::new();
    let metrics = reports.into_iter().flat_map(|it| it.resource_metrics).flat_map(|it| {
        let resource = text(&it.resource.expect("a resource").attributes);
        let metrics = it.scope_metrics.into_iter().flat_map(|it| it.metrics);
        metrics.map(move |it| (resource.clone(), it))
    });
    for (resource, metric) in metrics {
        for (attributes, point) in of_metric(metric.data.expect("data")) {
            let mut key = (metric.name.clone(), text(&attributes));
            key.1.extend(resource.clone());
            assert!(key.1.contains_key("hopspan.worker"), "{key:?}");
            if let Some(before) = last.get(&key) {
                assert!(before.count <= point.count || !point.grows, "{key:?} went down");
                let ([began, was], [begins, is]) = (before.times, point.times);
                assert!(began == begins && was <= is, "{key:?}");
            }
            last.insert(key, point);
        }
    }
    last
}

/// The counts of some metrics, by name and these attributes.
pub(crate) fn sums(
    points: BTreeMap<Key, Point>,
    by: &[&str],
    is_one: impl Fn(&str) -> bool,
) -> Vec<(String, u64)> {
    let mut sums = BTreeMap::<String, u64>::new();
    for ((name, attributes), point) in points {
        if is_one(&name) {
            let values = by.iter().map(|it| attributes.get(*it).map_or("-", String::as_str));
            let key = [name.as_str()].into_iter().chain(values).collect::<Vec<_>>().join(" ");
            *sums.entry(key).or_default() += point.count;
        }
    }
    sums.into_iter().collect()
}

/// How many requests each edge of the service graph has in which of its metrics.
pub(crate) fn edges(points: BTreeMap<Key, Point>) -> Vec<String> {
    let prefix = "traces_service_graph_request_";
    let all = sums(points, &["client", "server", "connection_type"], |it| it.starts_with(prefix));
    let line = |(key, count): (String, u64)| {
        format!("{}: {count}", key.strip_prefix(prefix).unwrap_or(&key).trim_end())
    };
    all.into_iter().map(line).collect()
}

fn of_metric(data: Data) -> Vec<(Vec<KeyValue>, Point)> {
    let numbers = |points: Vec<_>, grows| {
        let point = |it: NumberDataPoint| {
            let Some(Number::AsInt(value)) = it.value else { panic!("an integer: {it:?}") };
            let times = [it.start_time_unix_nano, it.time_unix_nano];
            let count = value.try_into().expect("not below none");
            (it.attributes, Point { count, sum: 0.0, grows, example: None, times })
        };
        points.into_iter().map(point).collect()
    };
    match data {
        Data::Gauge(it) => numbers(it.data_points, false),
        Data::Sum(it) => numbers(it.data_points, it.is_monotonic),
        Data::Histogram(histogram) => {
            let point = |it: HistogramDataPoint| {
                // Sums of bytes have no buckets.
                let is_total = it.bucket_counts.is_empty() && it.explicit_bounds.is_empty();
                assert!(is_total || it.count == it.bucket_counts.iter().sum::<u64>());
                let example = example(&it.exemplars);
                let times = [it.start_time_unix_nano, it.time_unix_nano];
                let sum = it.sum.expect("a sum");
                (it.attributes, Point { count: it.count, sum, grows: true, example, times })
            };
            histogram.data_points.into_iter().map(point).collect()
        }
        Data::ExponentialHistogram(histogram) => {
            let point = |it: ExponentialHistogramDataPoint| {
                let counts = it.positive.iter().flat_map(|it| &it.bucket_counts);
                assert_eq!(it.count, it.zero_count + counts.sum::<u64>());
                let example = example(&it.exemplars);
                let times = [it.start_time_unix_nano, it.time_unix_nano];
                let sum = it.sum.expect("a sum");
                (it.attributes, Point { count: it.count, sum, grows: true, example, times })
            };
            histogram.data_points.into_iter().map(point).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn example(exemplars: &[Exemplar]) -> Option<(Vec<u8>, f64)> {
    exemplars.first().map(|it| {
        let Some(Shown::AsDouble(took)) = it.value else { panic!("{it:?}") };
        (it.trace_id.clone(), took)
    })
}

fn text(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let value = |it: &KeyValue| match it.value.as_ref().and_then(|it| it.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("text or a number: {other:?}"),
    };
    attributes.iter().map(|it| (it.key.clone(), value(it))).collect()
}

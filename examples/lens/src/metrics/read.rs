//! Data points out of a request of OTLP.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, HistogramDataPoint, Metric, NumberDataPoint,
};
use prost::Message;

use super::counter::Total;
use super::{Kind, Measure, Sample, Subject};
use crate::span::{key, value};

/// More than this nobody has counted, in any time: some 17 million million. What is less can be added up
/// over all series and steps of a window without an overflow.
const MOST_COUNTED: u64 = 1 << 44;

/// Data points that were not taken, and why the last one was not.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Refused {
    /// How many.
    pub count: i64,
    /// Why.
    pub reason: String,
}

/// What a metric is, by its name.
#[derive(Clone, Copy)]
enum Role {
    /// Durations of requests.
    Requests(Kind),
    /// A counter of an edge: all requests, or the failed ones.
    Edge { failed: bool },
    /// Durations on an edge.
    EdgeDurations(Kind),
    /// Requests that are open.
    Open,
}

/// Reads a metric of a service; says what of it was not taken.
pub fn read(service: &str, metric: Metric, samples: &mut Vec<Sample>, refused: &mut Refused) {
    let Metric { name, data, .. } = metric;
    let points = match &data {
        Some(Data::Histogram(it)) => it.data_points.len(),
        Some(Data::Sum(it)) => it.data_points.len(),
        Some(Data::Gauge(it)) => it.data_points.len(),
        Some(Data::ExponentialHistogram(it)) => it.data_points.len(),
        Some(Data::Summary(it)) => it.data_points.len(),
        None => 0,
    };
    let before = samples.len();
    let reason = match (role(&name), data) {
        (Some(role @ (Role::Requests(_) | Role::EdgeDurations(_))), Some(Data::Histogram(it))) => {
            let is_delta = is_delta(it.aggregation_temporality);
            let points = it.data_points.into_iter();
            samples.extend(points.filter_map(|it| durations(&name, role, service, is_delta, it)));
            "a histogram's bounds must rise, and have one bucket more than bounds"
        }
        (Some(Role::Edge { failed }), Some(Data::Sum(it))) => {
            let is_delta = is_delta(it.aggregation_temporality);
            let points = it.data_points.into_iter();
            samples.extend(points.filter_map(|it| requests(&name, failed, is_delta, it)));
            "a counter must not be negative"
        }
        (Some(Role::Open), Some(Data::Sum(it))) => {
            samples.extend(it.data_points.into_iter().map(|it| open(&name, service, &it)));
            ""
        }
        (Some(_), _) => "its type is not the one that is kept under this name",
        (None, _) if is_told_in_vain(&name) => return,
        (None, _) => "it is not among the metrics that are kept",
    };
    let missing = points - (samples.len() - before);
    if missing > 0 {
        refused.count += i64::try_from(missing).unwrap_or(i64::MAX);
        refused.reason = format!("{name}: {reason}");
    }
}

fn role(name: &str) -> Option<Role> {
    Some(match name {
        "http.server.request.duration" | "rpc.server.call.duration" => Role::Requests(Kind::Server),
        "http.client.request.duration" | "rpc.client.call.duration" => Role::Requests(Kind::Client),
        "traces_service_graph_request_total" => Role::Edge { failed: false },
        "traces_service_graph_request_failed_total" => Role::Edge { failed: true },
        "traces_service_graph_request_client" => Role::EdgeDurations(Kind::Edge),
        "traces_service_graph_request_server" => Role::EdgeDurations(Kind::EdgeServer),
        "http.server.active_requests" => Role::Open,
        _ => return None,
    })
}

/// What hopspan tells besides, and no page shows. A refusal would be a warning in each proxy's log.
fn is_told_in_vain(name: &str) -> bool {
    name.starts_with("hopspan.")
        || name == "http.client.active_requests"
        || name.starts_with("http.") && name.ends_with(".body.size")
}

fn durations(
    name: &str,
    role: Role,
    service: &str,
    is_delta: bool,
    point: HistogramDataPoint,
) -> Option<Sample> {
    let bounds = point.explicit_bounds;
    let rises = bounds.is_sorted_by(|a, b| a < b) && bounds.iter().all(|it| it.is_finite());
    if !rises || point.bucket_counts.len() != bounds.len() + 1 {
        return None;
    }
    let counted = point.bucket_counts.iter().try_fold(0_u64, |sum, it| sum.checked_add(*it));
    if counted?.max(point.count) > MOST_COUNTED {
        return None;
    }
    let total = Total {
        start: point.start_time_unix_nano,
        time: point.time_unix_nano,
        count: point.count,
        sum: point.sum.unwrap_or_default(),
        buckets: point.bucket_counts,
    };
    let attributes = point.attributes;
    let (subject, failed, counts) = match role {
        Role::EdgeDurations(kind) => (edge(kind, &attributes), false, false),
        Role::Requests(kind) => {
            let failed = value(&attributes, key::ERROR_TYPE).is_some();
            (request(kind, service, &attributes), failed, true)
        }
        Role::Edge { .. } | Role::Open => return None,
    };
    let measure = Measure::Durations { bounds: bounds.into(), is_delta, total, failed, counts };
    Some(sample(name, subject, attributes, measure))
}

fn requests(name: &str, failed: bool, is_delta: bool, point: NumberDataPoint) -> Option<Sample> {
    let count = match point.value {
        Some(Number::AsInt(count)) => u64::try_from(count).ok()?,
        // The Collector's connectors count in integers; others may not.
        Some(Number::AsDouble(count)) if count >= 0.0 => count as u64,
        _ => return None,
    };
    if count > MOST_COUNTED {
        return None;
    }
    let (start, time) = (point.start_time_unix_nano, point.time_unix_nano);
    let total = Total { start, time, count, sum: 0.0, buckets: Vec::new() };
    let subject = edge(Kind::Edge, &point.attributes);
    let measure = Measure::Requests { is_delta, total, failed };
    Some(sample(name, subject, point.attributes, measure))
}

fn open(name: &str, service: &str, point: &NumberDataPoint) -> Sample {
    let open = match point.value {
        Some(Number::AsInt(open)) => open,
        Some(Number::AsDouble(open)) => open as i64,
        None => 0,
    };
    let open = open.clamp(-(MOST_COUNTED as i64), MOST_COUNTED as i64);
    let subject = request(Kind::Server, service, &point.attributes);
    sample(name, subject, point.attributes.clone(), Measure::Open(open))
}

fn request(kind: Kind, service: &str, attributes: &[KeyValue]) -> Subject {
    let method = text(attributes, key::METHOD);
    let route = [key::ROUTE, key::HTTP_ROUTE, key::URL_TEMPLATE].map(|key| text(attributes, key));
    let route = route.into_iter().find(|it| !it.is_empty()).unwrap_or_default();
    let call = text(attributes, key::RPC_METHOD);
    Subject {
        kind,
        service: service.to_owned(),
        peer: match kind {
            Kind::Client => [key::CLUSTER, key::PEER_NAME, key::SERVER_ADDRESS]
                .map(|key| text(attributes, key))
                .into_iter()
                .find(|it| !it.is_empty())
                .unwrap_or_default(),
            _ => String::new(),
        },
        route: if call.is_empty() { format!("{method} {route}").trim().to_owned() } else { call },
        status: match text(attributes, key::RPC_STATUS) {
            status if status.is_empty() => text(attributes, key::STATUS_CODE),
            status => status,
        },
    }
}

/// Source: <https://github.com/open-telemetry/opentelemetry-collector-contrib>
/// `connector/servicegraphconnector`
fn edge(kind: Kind, attributes: &[KeyValue]) -> Subject {
    Subject {
        kind,
        service: text(attributes, "client"),
        peer: text(attributes, "server"),
        route: text(attributes, "connection_type"),
        status: String::new(),
    }
}

fn sample(name: &str, subject: Subject, attributes: Vec<KeyValue>, measure: Measure) -> Sample {
    let worker = match value(&attributes, "hopspan.worker") {
        Some(Value::IntValue(worker)) => *worker,
        _ => 0,
    };
    // By key, because a sender may write its attributes in any order.
    let mut parts: Vec<Vec<u8>> = attributes.iter().map(Message::encode_to_vec).collect();
    parts.sort();
    let mut identity = format!("{name}\0").into_bytes();
    for part in parts {
        identity.extend(part.len().to_le_bytes());
        identity.extend(part);
    }
    Sample { subject, worker, identity, measure }
}

/// A string or number as text; empty if there is none.
fn text(attributes: &[KeyValue], key: &str) -> String {
    match value(attributes, key) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn is_delta(temporality: i32) -> bool {
    temporality == AggregationTemporality::Delta as i32
}

//! OTLP's metrics in protobuf: `ExportMetricsServiceRequest`.
//!
//! Its outer messages have the numbers of those for spans: resource_metrics = 1, of it resource = 1
//! and scope_metrics = 2, of that scope = 1 and metrics = 2. So the same [`Envelope`] is around them.
//!
//! Field numbers: <https://github.com/open-telemetry/opentelemetry-proto/blob/v1.9.0/opentelemetry/proto/metrics/v1/metrics.proto>

use super::otlp::{Envelope, KeyValues};
use super::protobuf as pb;
use crate::metrics::histogram::BOUNDS;
use crate::metrics::{CallLabels, Labels, Series};
use crate::semconv::{self as names, Attributes as _, Kind};
use crate::span::Limits;
use crate::time::UnixNanos;

/// Cumulative series at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<'a> {
    /// The series.
    pub series: &'a [Series],
    /// What tells them from the same ones of another worker.
    pub worker: u64,
    /// When they began.
    pub start: UnixNanos,
    /// When they were as they are.
    pub time: UnixNanos,
}

/// Tells the series of workers apart.
pub const WORKER: &str = "hopspan.worker";

/// One of the metrics.
struct Metric {
    name: &'static str,
    description: &'static str,
    kind: Kind,
    is_of_calls: bool,
}

/// Spec: <https://opentelemetry.io/docs/specs/semconv/http/http-metrics/>,
/// <https://opentelemetry.io/docs/specs/semconv/rpc/rpc-metrics/>
const METRICS: [Metric; 4] = [
    Metric {
        name: "http.server.request.duration",
        description: "Duration of HTTP server requests.",
        kind: Kind::Server,
        is_of_calls: false,
    },
    Metric {
        name: "http.client.request.duration",
        description: "Duration of HTTP client requests.",
        kind: Kind::Client,
        is_of_calls: false,
    },
    Metric {
        name: "rpc.server.call.duration",
        description: "Duration of inbound RPC calls.",
        kind: Kind::Server,
        is_of_calls: true,
    },
    Metric {
        name: "rpc.client.call.duration",
        description: "Duration of outbound RPC calls.",
        kind: Kind::Client,
        is_of_calls: true,
    },
];

/// AGGREGATION_TEMPORALITY_CUMULATIVE
const CUMULATIVE: u64 = 2;

/// A whole request. `None` if it is longer than lengths can say.
pub fn write_request(envelope: &Envelope, snapshot: &Snapshot<'_>) -> Option<Vec<u8>> {
    let mut out = envelope.open();
    let mut is_whole = true;
    for metric in METRICS {
        let is_of = |it: &&Series| {
            let labels = it.labels();
            (labels.kind, labels.call.is_some()) == (metric.kind, metric.is_of_calls)
        };
        let mut series = snapshot.series.iter().filter(is_of).peekable();
        if series.peek().is_none() {
            continue;
        }
        // ScopeMetrics.metrics = 2: name = 1, description = 2, unit = 3, histogram = 9
        let at = pb::open(2, &mut out);
        pb::bytes(1, metric.name.as_bytes(), &mut out);
        pb::bytes(2, metric.description.as_bytes(), &mut out);
        pb::bytes(3, b"s", &mut out);
        let histogram = pb::open(9, &mut out);
        for it in series {
            is_whole &= write_point(it, snapshot, &mut out);
        }
        // Histogram.aggregation_temporality = 2
        pb::integer(2, CUMULATIVE, &mut out);
        is_whole &= pb::close(histogram, &mut out) && pb::close(at, &mut out);
    }
    (is_whole && envelope.head().seal(&mut out)).then_some(out)
}

fn write_point(series: &Series, snapshot: &Snapshot<'_>, out: &mut Vec<u8>) -> bool {
    let histogram = &series.histogram;
    // Histogram.data_points = 1
    let at = pb::open(1, out);
    pb::fixed64(2, snapshot.start.0, out);
    pb::fixed64(3, snapshot.time.0, out);
    pb::fixed64(4, histogram.count(), out);
    pb::fixed64(5, histogram.sum().as_secs_f64().to_bits(), out);
    write_packed(6, histogram.counts().iter().copied(), out);
    write_packed(7, BOUNDS.iter().map(|it| it.to_bits()), out);
    let mut pairs = KeyValues::new(9, Limits::NONE, out);
    describe(&series.labels(), &mut pairs);
    pairs.integer(WORKER, i64::try_from(snapshot.worker).unwrap_or(i64::MAX));
    pb::close(at, out)
}

fn write_packed(field: u32, values: impl ExactSizeIterator<Item = u64>, out: &mut Vec<u8>) {
    pb::length(field, values.len().saturating_mul(size_of::<u64>()), out);
    values.for_each(|it| out.extend_from_slice(&it.to_le_bytes()));
}

fn describe(labels: &Labels<'_>, out: &mut KeyValues<'_>) {
    let Labels { kind, method, status, error, route, is_configured, cluster, call } = *labels;
    let mut present = |key, value: &[u8]| {
        if !value.is_empty() {
            out.text(key, value);
        }
    };
    present(names::HTTP_REQUEST_METHOD, method.as_bytes());
    if let Some(CallLabels { system, method, status }) = call {
        present(names::RPC_SYSTEM_NAME, system.as_bytes());
        present(names::RPC_METHOD, method);
        present(names::RPC_RESPONSE_STATUS_CODE, status.as_bytes());
    }
    present(names::ERROR_TYPE, error.as_bytes());
    if is_configured && kind == Kind::Server && call.is_none() {
        present(names::HTTP_ROUTE, route);
    }
    present(names::ROUTE, route);
    present(names::UPSTREAM_CLUSTER, cluster);
    if let Some(status) = status {
        out.integer(names::HTTP_RESPONSE_STATUS_CODE, status.into());
    }
}

#[cfg(test)]
mod tests;

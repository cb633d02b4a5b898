//! OTLP's metrics in protobuf: `ExportMetricsServiceRequest`.
//!
//! Its outer messages have the numbers of those for spans: resource_metrics = 1, of it resource = 1
//! and scope_metrics = 2, of that scope = 1 and metrics = 2. So the same [`Envelope`] is around them.

mod point;

use super::otlp::{Envelope, KeyValues};
use crate::metrics::edges::Edge;
use crate::metrics::histogram::{Histogram, Shape};
use crate::metrics::open::OpenSeries;
use crate::metrics::{CallLabels, Labels, Series};
use crate::semconv::{self as names, Attributes as _, Kind};
use crate::time::UnixNanos;
use point::{Form, Metric, Value, Writer};

/// Cumulative series at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<'a> {
    /// Requests that have ended.
    pub series: &'a [Series],
    /// Those that have not.
    pub open: &'a [OpenSeries],
    /// Who called whom.
    pub edges: &'a [Edge],
    /// The proxy's own time, where somebody wants it.
    pub proxy_time: Option<&'a Histogram>,
    /// Requests of the service beside the proxy that carried no trace context.
    pub missing: u64,
    /// What tells them from the same ones of another worker.
    pub worker: u64,
    /// When they began.
    pub start: UnixNanos,
    /// When they were as they are.
    pub time: UnixNanos,
    /// What all histograms of durations are.
    pub shape: Shape,
}

/// Spec: <https://opentelemetry.io/docs/specs/semconv/http/http-metrics/>,
/// <https://opentelemetry.io/docs/specs/semconv/rpc/rpc-metrics/>
const DURATIONS: [(Kind, bool, Metric); 4] = [
    (
        Kind::Server,
        false,
        durations("http.server.request.duration", "Duration of HTTP server requests."),
    ),
    (
        Kind::Client,
        false,
        durations("http.client.request.duration", "Duration of HTTP client requests."),
    ),
    (Kind::Server, true, durations("rpc.server.call.duration", "Duration of inbound RPC calls.")),
    (Kind::Client, true, durations("rpc.client.call.duration", "Duration of outbound RPC calls.")),
];

/// By side, and for requests and responses. Source: as for the former.
const BODIES: [(Kind, [Metric; 2]); 2] = [
    (
        Kind::Server,
        [
            bytes("http.server.request.body.size", "Size of HTTP server request bodies."),
            bytes("http.server.response.body.size", "Size of HTTP server response bodies."),
        ],
    ),
    (
        Kind::Client,
        [
            bytes("http.client.request.body.size", "Size of HTTP client request bodies."),
            bytes("http.client.response.body.size", "Size of HTTP client response bodies."),
        ],
    ),
];

/// Source: as for the former.
const OPEN: [(Kind, Metric); 2] = [
    (
        Kind::Server,
        Metric {
            name: "http.server.active_requests",
            description: "Number of active HTTP server requests.",
            unit: "{request}",
            form: Form::Sum { grows: false },
        },
    ),
    (
        Kind::Client,
        Metric {
            name: "http.client.active_requests",
            description: "Number of active HTTP requests.",
            unit: "{request}",
            form: Form::Sum { grows: false },
        },
    ),
];

const ATTEMPTS: Metric = Metric {
    name: "hopspan.upstream.attempts",
    description: "Attempts to reach an upstream: more than requests where some were retried.",
    unit: "{attempt}",
    form: Form::Sum { grows: true },
};

/// Source: <https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/connector/servicegraphconnector>
const EDGE_TOTAL: Metric = Metric {
    name: "traces_service_graph_request_total",
    description: "Requests of a client to a server.",
    unit: "",
    form: Form::Sum { grows: true },
};
const EDGE_FAILED: Metric = Metric {
    name: "traces_service_graph_request_failed_total",
    description: "Requests of a client to a server that failed.",
    ..EDGE_TOTAL
};
const EDGE_CLIENT: Metric = durations(
    "traces_service_graph_request_client",
    "Duration of requests between two services as the client sees it.",
);
const EDGE_SERVER: Metric = durations(
    "traces_service_graph_request_server",
    "Duration of requests between two services as the server sees it.",
);
const EDGE_SECURED: Metric = Metric {
    name: "hopspan.service_graph.secured",
    description: "1 where the last connection that was looked at has TLS, 0 where not.",
    unit: "{connection}",
    form: Form::Gauge,
};

const PROXY_TIME: Metric =
    durations("hopspan.proxy_time", "Time that requests spent in the proxy and nowhere else.");

const MISSING: Metric = Metric {
    name: "hopspan.context.missing",
    description: "Requests of this service to others without any trace context.",
    unit: "{request}",
    form: Form::Sum { grows: true },
};

const fn durations(name: &'static str, description: &'static str) -> Metric {
    Metric { name, description, unit: "s", form: Form::Durations }
}

const fn bytes(name: &'static str, description: &'static str) -> Metric {
    Metric { name, description, unit: "By", form: Form::Histogram }
}

/// A whole request. `None` if it is longer than lengths can say.
pub fn write_request(envelope: &Envelope, snapshot: &Snapshot<'_>) -> Option<Vec<u8>> {
    let mut report = Writer { snapshot, out: envelope.open(), is_whole: true };
    for (kind, is_of_calls, metric) in &DURATIONS {
        report.requests(metric, *kind, *is_of_calls, &|it| {
            Some(Value::Durations(&it.histogram, it.example))
        });
    }
    for (kind, [request, response]) in &BODIES {
        let total = |it: &Series, sum| {
            (sum > 0).then_some(Value::Total { count: it.histogram.count(), sum })
        };
        report.requests(request, *kind, false, &|it| total(it, it.bodies[0]));
        report.requests(response, *kind, false, &|it| total(it, it.bodies[1]));
    }
    report.metric(&ATTEMPTS, &mut |out| {
        for is_of_calls in [false, true] {
            out.points_of_requests(Kind::Client, is_of_calls, &|it| {
                Some(Value::Number(it.attempts)).filter(|_| it.attempts > 0)
            });
        }
    });
    for (kind, metric) in &OPEN {
        report.metric(metric, &mut |out| {
            for it in out.snapshot.open.iter().filter(|it| it.kind == *kind) {
                out.point(Value::Number(it.count), &|pairs| {
                    pairs.text(names::HTTP_REQUEST_METHOD, it.method.as_bytes());
                    pairs.text(names::URL_SCHEME, it.scheme.as_bytes());
                });
            }
        });
    }
    report.edges(&EDGE_TOTAL, &|it| (it.requests > 0).then_some(Value::Number(it.requests)));
    // None that failed is a figure as well: what is divided by the total.
    report.edges(&EDGE_FAILED, &|it| (it.requests > 0).then_some(Value::Number(it.failed)));
    report.edges(&EDGE_CLIENT, &|it| seen(&it.by_client));
    report.edges(&EDGE_SERVER, &|it| seen(&it.by_server));
    report.edges(&EDGE_SECURED, &|it| Some(Value::Number(it.secured?.1.into())));
    if let Some(value) = snapshot.proxy_time.and_then(seen) {
        report.metric(&PROXY_TIME, &mut |out| out.point(value, &|_| ()));
    }
    if snapshot.missing > 0 {
        report.metric(&MISSING, &mut |out| {
            out.point(Value::Number(snapshot.missing), &|_| ());
        });
    }
    let Writer { mut out, is_whole, .. } = report;
    (is_whole && envelope.head().seal(&mut out)).then_some(out)
}

fn seen(histogram: &Histogram) -> Option<Value<'_>> {
    (histogram.count() > 0).then_some(Value::Durations(histogram, None))
}

/// What a metric says of one of many.
type Of<'a, T> = &'a dyn Fn(&T) -> Option<Value<'_>>;

impl Writer<'_> {
    fn requests(&mut self, metric: &Metric, kind: Kind, is_of_calls: bool, value: Of<'_, Series>) {
        self.metric(metric, &mut |out| out.points_of_requests(kind, is_of_calls, value));
    }

    fn points_of_requests(&mut self, kind: Kind, is_of_calls: bool, value: Of<'_, Series>) {
        for it in self.snapshot.series {
            let labels = it.labels();
            if (labels.kind, labels.call.is_some()) == (kind, is_of_calls)
                && let Some(value) = value(it)
            {
                self.point(value, &|pairs| describe(&labels, pairs));
            }
        }
    }

    fn edges(&mut self, metric: &Metric, value: Of<'_, Edge>) {
        self.metric(metric, &mut |out| {
            for it in out.snapshot.edges {
                let Some(value) = value(it) else { continue };
                out.point(value, &|pairs| {
                    pairs.text("client", it.client());
                    pairs.text("server", it.server());
                    let kind = if it.is_virtual { "virtual_node" } else { "" };
                    pairs.text("connection_type", kind.as_bytes());
                });
            }
        });
    }
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

//! What is compared: ways to trace, or not to.

use serde_json::{Value, json};

use crate::bootstrap::{COLLECTOR, COLLECTOR_DOWN, COLLECTOR_HTTP2};
use crate::collector::ZIPKIN;

/// A way to trace.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    /// What it is called on the command line and in reports.
    pub(crate) name: &'static str,
    /// In a few words.
    pub(crate) about: &'static str,
    /// Who traces.
    pub(crate) tracing: Tracing,
    /// Lines that each request has besides the usual ones.
    pub(crate) headers: String,
    /// Spans that arrive for each request.
    pub(crate) spans: Spans,
    /// How many paths it has seen before anything is measured.
    pub(crate) learned: u64,
}

/// Who traces.
#[derive(Clone, Debug)]
pub(crate) enum Tracing {
    /// Nobody.
    None,
    /// Envoy itself.
    Native {
        /// The tracer: `provider` in the connection manager's `tracing`.
        provider: Value,
        /// Of new traces.
        percent: f64,
        /// How many spans it collects before it sends them, if not as it does by itself.
        batch: Option<u64>,
    },
    /// hopspan.
    Hopspan {
        /// `traffic_direction` of the listener.
        direction: &'static str,
        /// Its configuration.
        configuration: Value,
    },
}

/// How many spans arrive for a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Spans {
    /// So many, of each.
    Each(u64),
    /// One, of this share of them.
    Share(f64),
}

impl Spans {
    /// How many spans of so many requests there will be, if chance is as it should be.
    pub(crate) fn expected(self, requests: u64) -> u64 {
        match self {
            Self::Each(count) => count * requests,
            Self::Share(share) => (share * requests as f64) as u64,
        }
    }

    /// What is wrong with so many spans of so many requests, if something is.
    pub(crate) fn judge(self, requests: u64, spans: u64) -> Result<(), String> {
        let (least, most) = match self {
            Self::Each(count) => (count * requests, count * requests),
            Self::Share(share) => {
                // Five standard deviations of a binomial distribution: once in a million runs.
                let expected = share * requests as f64;
                let room = 5.0 * (expected * (1.0 - share)).sqrt();
                ((expected - room).max(0.0) as u64, (expected + room).ceil() as u64)
            }
        };
        if (least..=most).contains(&spans) {
            return Ok(());
        }
        let range = if least == most { least.to_string() } else { format!("{least} to {most}") };
        Err(format!("{spans} spans of {requests} requests, not {range}"))
    }
}

/// All of them, the first one without tracing.
pub(crate) fn all() -> Vec<Variant> {
    let none = Tracing::None;
    let none = Variant {
        name: NONE,
        about: "no tracing",
        tracing: none,
        headers: String::new(),
        spans: NO,
        learned: 0,
    };
    let mut all = vec![none];
    all.extend(native());
    all.extend(hopspan());
    all
}

/// Those with these names, or all if none is named, in the order of the list: what others are
/// compared with comes first, and always.
pub(crate) fn chosen(names: &[String]) -> Result<Vec<Variant>, String> {
    let mut all = all();
    if let Some(name) = names.iter().find(|name| !all.iter().any(|it| it.name == **name)) {
        let known: Vec<_> = all.iter().map(|it| it.name).collect();
        return Err(format!("there is no variant {name:?}, but: {}", known.join(", ")));
    }
    if !names.is_empty() {
        all.retain(|it| it.name == NONE || names.iter().any(|name| name == it.name));
    }
    Ok(all)
}

/// Envoy's own tracers.
fn native() -> Vec<Variant> {
    let http = json!({ "http_service": { "http_uri": {
        "uri": "http://collector.test/v1/traces", "cluster": COLLECTOR, "timeout": "1s",
    } } });
    let grpc = json!({ "grpc_service": {
        "envoy_grpc": { "cluster_name": COLLECTOR_HTTP2 }, "timeout": "1s",
    } });
    let otlp = |service: Value| provider("opentelemetry", "OpenTelemetryConfig", service);
    let zipkin = json!({
        "collector_cluster": COLLECTOR,
        "collector_endpoint": ZIPKIN,
        "collector_endpoint_version": "HTTP_JSON",
        "shared_span_context": false,
    });
    let zipkin = provider("zipkin", "ZipkinConfig", zipkin);
    let of = |name, about, provider: &Value, percent, batch| {
        let tracing = Tracing::Native { provider: provider.clone(), percent, batch };
        let spans = if percent < 100.0 { Spans::Share(percent / 100.0) } else { ONE };
        Variant { name, about, tracing, headers: String::new(), spans, learned: 0 }
    };
    let (http, grpc) = (otlp(http), otlp(grpc));
    vec![
        of(NATIVE, "native OpenTelemetry, OTLP/HTTP, 100 %", &http, 100.0, None),
        of("native-512", "the same in batches of 512", &http, 100.0, Some(512)),
        of("native-1", "the same, 1 %", &http, 1.0, None),
        of("native-grpc", "native OpenTelemetry, OTLP/gRPC, 100 %", &grpc, 100.0, None),
        of("native-grpc-1", "the same, 1 %", &grpc, 1.0, None),
        of("zipkin", "native Zipkin, 100 %", &zipkin, 100.0, None),
    ]
}

/// hopspan, in all ways that cost something else.
fn hopspan() -> Vec<Variant> {
    let of = |name, about, direction, more: Value, headers: &str, spans| {
        let mut configuration = json!({ "collector": { "cluster": COLLECTOR } });
        for (key, value) in more.as_object().into_iter().flatten() {
            configuration[key] = value.clone();
        }
        let tracing = Tracing::Hopspan { direction, configuration };
        Variant { name, about, tracing, headers: headers.to_owned(), spans, learned: 0 }
    };
    let ratio = |ratio: f64| json!({ "sampling": { "ratio": ratio } });
    let keep = json!({ "sampling": { "keep": { "errors": true } } });
    let down = json!({ "collector": { "cluster": COLLECTOR_DOWN } });
    let routes = json!({ "routes": { "max": ROUTES } });
    let full = json!({
        "collector": { "cluster": COLLECTOR_DOWN },
        "batch": { "max_queue_size": 512 },
    });
    let off = json!({});
    let [inbound, outbound, gateway] = ["INBOUND", "OUTBOUND", "UNSPECIFIED"];
    vec![
        of("server", "hopspan, SERVER span", inbound, off.clone(), "", ONE),
        of("client", "hopspan, CLIENT span", outbound, off.clone(), "", ONE),
        of("both", "hopspan, SERVER and CLIENT span", gateway, gateway_settings(), "", TWO),
        of("b3", "hopspan, a caller with B3", inbound, off.clone(), B3, ONE),
        Variant {
            // The last one is that of the request itself.
            learned: ROUTES - 1,
            ..of("routes", "hopspan, 10,000 learned routes", inbound, routes, "", ONE)
        },
        of("unsampled", "hopspan, not sampled by the caller", inbound, off, UNSAMPLED, NO),
        of("ratio-0", "hopspan, new traces, 0 %", inbound, ratio(0.0), "", NO),
        of("ratio-1", "hopspan, new traces, 1 %", inbound, ratio(0.01), "", Spans::Share(0.01)),
        of("keep", "hopspan, 0 %, errors kept", inbound, keep, UNSAMPLED, NO),
        of("down", "hopspan, collector down", inbound, down, "", NO),
        of("full", "hopspan, queue full", inbound, full, "", NO),
    ]
}

/// A gateway would sample by itself what others have begun; here nobody has.
fn gateway_settings() -> Value {
    json!({ "direction": "gateway" })
}

fn provider(name: &str, kind: &str, mut config: Value) -> Value {
    config["@type"] = json!(format!("type.googleapis.com/envoy.config.trace.v3.{kind}"));
    if name == "opentelemetry" {
        config["service_name"] = json!("bench");
    }
    json!({ "name": format!("envoy.tracers.{name}"), "typed_config": config })
}

/// What all others are compared with.
pub(crate) const NONE: &str = "none";
/// What hopspan is compared with.
pub(crate) const NATIVE: &str = "native";

const ROUTES: u64 = 10_000;
const NO: Spans = Spans::Each(0);
const ONE: Spans = Spans::Each(1);
const TWO: Spans = Spans::Each(2);
const B3: &str = "b3: 0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1\r\n";
const UNSAMPLED: &str = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrived_is_judged() {
        for (why, spans, requests, arrived, want) in [
            ("all", ONE, 10, 10, true),
            ("one is missing", ONE, 10, 9, false),
            ("one too many", ONE, 10, 11, false),
            ("two of each", TWO, 10, 20, true),
            ("none", NO, 10, 0, true),
            ("one that should not be", NO, 10, 1, false),
            ("a share, exactly", Spans::Share(0.01), 100_000, 1000, true),
            ("a share, as chance has it", Spans::Share(0.01), 100_000, 900, true),
            ("not that share", Spans::Share(0.01), 100_000, 800, false),
            ("a share of few", Spans::Share(0.01), 10, 0, true),
        ] {
            assert_eq!(spans.judge(requests, arrived).is_ok(), want, "{why}");
        }
    }

    #[test]
    fn names_are_of_one_each() {
        let mut names: Vec<_> = all().iter().map(|it| it.name).collect();
        assert_eq!(names.first(), Some(&NONE));
        assert!(names.contains(&NATIVE));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}

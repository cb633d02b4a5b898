//! Any requests, counted: each of them once, and within the bounds whatever they are called.
#![no_main]

use hopspan_config::{self as config, Surroundings};
use hopspan_core::id::Generator;
use hopspan_core::metrics::host::{Form, Registry};
use hopspan_core::request::{Headers, RequestHead, encode_headers};
use hopspan_core::stats::Stat;
use hopspan_core::time::{Monotonic, Now, UnixNanos};
use hopspan_core::tracer::Tracer;
use host::Host;
use serde_json::Value;

#[path = "../host.rs"]
mod host;

/// Method, path, authority, content type and `tracestate`; what the host answers; how long it took.
type Request<'a> = ([&'a str; 5], Vec<&'a [u8]>, u32);

const SERIES: usize = 20;
const HISTOGRAMS: usize = 10;
const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

libfuzzer_sys::fuzz_target!(|input: (u8, Vec<Request<'_>>)| {
    let (which, requests) = input;
    let direction = ["inbound", "outbound", "gateway"][usize::from(which % 3)];
    let document = format!(
        r#"{{"collector":{{"cluster":"otel","protocol":"http/json"}},"direction":"{direction}","routes":{{"max":2}},
            "metrics":{{"to":["otlp","host"],"max_series":{SERIES},"max_host_histograms":{HISTOGRAMS}}}}}"#
    );
    let around =
        Surroundings { node_id: "", node_cluster: "", metadata: &|_| None, env: &|_| None };
    let config = config::read(document.as_bytes(), &around).expect("a good configuration");
    let mut tracer = Tracer::new(config);
    let mut ids = Generator::new([5; 32]);
    let mut proxy = Proxy::default();
    let (mut counted, mut now) = (0, Now { wall: UnixNanos(1 << 60), mono: Monotonic(1) });
    for ([method, path, authority, content_type, tracestate], answers, took) in requests {
        // Those are spans and metrics on their way, which nobody counts.
        if path.starts_with("/v1/") {
            continue;
        }
        counted += 1;
        let headers = encode_headers(&[
            (":method", method),
            (":path", path),
            (":authority", authority),
            ("content-type", content_type),
            ("traceparent", TRACEPARENT),
            ("tracestate", tracestate),
        ]);
        let mut stream = Host::new(&answers);
        let headers = Headers::new(&headers);
        let head = RequestHead { headers, end_of_stream: true, now: now.mono };
        let mut span = tracer.start(&head, &mut stream, &mut ids).span.expect("hopspan is on");
        now.mono = Monotonic(now.mono.0 + u64::from(took));
        span.response_ended(|| now.mono);
        tracer.finish(span, &mut stream, || now);
        tracer.tell_metrics(false, &mut proxy);
    }
    // Of the collector's series, of its edges and of the proxy's own.
    let bound = 3 * SERIES + HISTOGRAMS;
    let series = tracer.stats.get(Stat::MetricsSeries);
    assert!(usize::try_from(series).is_ok_and(|it| it <= bound), "{series} series");
    assert!(proxy.histograms <= HISTOGRAMS, "{} histograms", proxy.histograms);

    tracer.number_metrics(|| 1);
    let due = Now { mono: Monotonic(u64::MAX / 2), ..now };
    let report = tracer.next_report(due, |_| None);
    assert_eq!(report.is_some(), counted > 0);
    let Some(report) = report else { return };
    let report: Value = serde_json::from_slice(&report.body).expect("JSON");
    let of = |side: &str| {
        ["http", "rpc"].map(|it| count(&report, &format!("{it}.{side}."))).iter().sum()
    };
    let (server, client): (u64, u64) = (of("server"), of("client"));
    match direction {
        "inbound" => assert_eq!((server, client), (counted, 0)),
        "outbound" => assert_eq!((server, client), (0, counted)),
        // What was sent nowhere has no client's side.
        _ => assert!(server == counted && client <= counted, "{server}, {client} of {counted}"),
    }
});

/// The requests in the durations of one side.
fn count(report: &Value, side: &str) -> u64 {
    let metrics = report.pointer("/resourceMetrics/0/scopeMetrics/0/metrics");
    let metrics = metrics.and_then(Value::as_array).into_iter().flatten();
    let durations = metrics.filter(|it| {
        let name = it["name"].as_str().unwrap_or_default();
        name.starts_with(side) && name.ends_with(".duration")
    });
    let points =
        durations.flat_map(|it| it["histogram"]["dataPoints"].as_array().into_iter().flatten());
    points
        .map(|it| it["count"].as_str().and_then(|it| it.parse::<u64>().ok()).expect("a count"))
        .sum()
}

/// A proxy that takes all stats.
#[derive(Default)]
struct Proxy {
    stats: u32,
    histograms: usize,
}

impl Registry for Proxy {
    fn define(&mut self, form: Form, name: String) -> Option<u32> {
        assert!(!name.contains(char::is_control), "{name:?}");
        self.histograms += usize::from(form == Form::Histogram);
        self.stats += 1;
        Some(self.stats)
    }

    fn add(&mut self, _: u32, _: i64) -> bool {
        true
    }

    fn record(&mut self, _: u32, _: u64) {}
}

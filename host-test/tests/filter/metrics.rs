//! Golden metrics: every request is counted once, recorded or not.

use crate::hopspan::{DELAY, Hopspan, PARENT, SAMPLED, UNSAMPLED, builder};
use crate::reports::{PATH, counts, points, reports, sums};
use host_test::{Answer, Headers, Stream};
use std::collections::BTreeMap;
use std::time::Duration;

const SERVER: &str = "http.server.request.duration";
const CLIENT: &str = "http.client.request.duration";
const INTERVAL: Duration = Duration::from_secs(10);

fn config(direction: &str, more: &str) -> String {
    format!(
        r#"{{"direction":"{direction}","trust":{{"default":"continue"}},
            "collector":{{"cluster":"otel"}},"metrics":{{"to":["otlp"]{more}}}}}"#
    )
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
    assert_eq!(hopspan.stat("metrics.series"), 4 * (3 + 1), "with an edge");
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
fn requests_are_counted_where_the_collector_may_take_metrics() {
    for (more, protocol, is_counted) in [
        ("", "http/protobuf", true),
        (r#","metrics":{"to":"auto"}"#, "http/protobuf", true),
        (r#","metrics":{"to":[]}"#, "http/protobuf", false),
        ("", "http/json", true),
        ("", "zipkin/json", false),
    ] {
        let hopspan = Hopspan::start(&format!(
            r#"{{"direction":"inbound",
                "collector":{{"cluster":"otel","protocol":"{protocol}"}}{more}}}"#
        ));
        get(&hopspan.stream(), "/cart", UNSAMPLED, 200);
        hopspan.run_for(INTERVAL + DELAY);
        assert_eq!(hopspan.collector.requests().len(), usize::from(is_counted), "{protocol}{more}");
    }
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
    let is_reset = |name: &str, it: &BTreeMap<_, _>| name == SERVER && !it.contains_key(BY[1]);
    let reset = points(&hopspan).into_iter().find(|((name, it), _)| is_reset(name, it));
    let ((_, attributes), point) = reset.expect("a series without a status");
    assert!(attributes.contains_key("error.type"), "{attributes:?}");
    assert!((point.sum - 1.5).abs() < 1e-9, "{point:?}");
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
        owned([("http.client.request.duration POST", 1), ("http.server.request.duration POST", 1)])
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
    assert!(hopspan.stat("metrics.series") <= 20 + 1, "series, and one edge");
    assert!(points(&hopspan).keys().filter(|(name, _)| name == SERVER).count() <= 20);
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

#[test]
fn bodies_attempts_and_open_requests_are_summed() {
    let hopspan = Hopspan::start(&config("outbound", ""));
    for traceparent in [SAMPLED, UNSAMPLED] {
        let stream = hopspan.stream();
        let request = Headers::plain_get("/cart").with(":method", "POST");
        stream.request_headers(request.with("traceparent", traceparent), false);
        stream.request_body([0; 30], false);
        stream.request_body([0; 10], true);
        stream.set_property("upstream.request_attempt_count", 3);
        stream.response_headers([(":status", "200")], false);
        stream.response_body([0; 500], true);
        stream.finish();
    }
    let open = hopspan.stream();
    open.request_headers(Headers::plain_get("/").with("traceparent", UNSAMPLED), true);
    hopspan.run_for(INTERVAL + DELAY);
    let is_sum = |name: &str| !name.ends_with(".duration") && !name.starts_with("traces_");
    let method = "http.request.method";
    let want = owned([
        ("hopspan.service_graph.secured -", 0),
        ("hopspan.upstream.attempts POST", 6),
        ("http.client.active_requests GET", 1),
        ("http.client.active_requests POST", 0),
        ("http.client.request.body.size POST", 2),
        ("http.client.response.body.size POST", 2),
    ]);
    assert_eq!(sums(&hopspan, &[method], is_sum), want);
    let sum = |name: &str| -> f64 {
        points(&hopspan).into_iter().filter(|((it, _), _)| it == name).map(|(_, it)| it.sum).sum()
    };
    assert!((sum("http.client.request.body.size") - 80.0).abs() < 1e-9);
    assert!((sum("http.client.response.body.size") - 1000.0).abs() < 1e-9);
    open.respond(200);
    open.finish();
    hopspan.run_for(INTERVAL);
    let open = |name: &str| name.ends_with("active_requests");
    assert_eq!(sums(&hopspan, &[], open), owned([("http.client.active_requests", 0)]));
}

#[test]
fn a_sampled_request_is_shown_once() {
    for (more, is_shown) in [("", true), (r#","exemplars":false"#, false)] {
        let hopspan = Hopspan::start(&config("inbound", more));
        let example = |hopspan: &Hopspan| {
            let mut points = points(hopspan).into_iter();
            points.find(|((name, _), _)| name == SERVER).and_then(|(_, it)| it.example)
        };
        let stream = hopspan.stream();
        stream.request_headers(Headers::plain_get("/cart").with("traceparent", SAMPLED), true);
        hopspan.pass(20_000);
        stream.respond(200);
        stream.finish();
        get(&hopspan.stream(), "/cart", UNSAMPLED, 200);
        hopspan.run_for(INTERVAL + DELAY);
        let trace = u128::from_str_radix(&SAMPLED[3..35], 16).unwrap().to_be_bytes();
        assert_eq!(example(&hopspan), is_shown.then(|| (trace.to_vec(), 0.02)));
        hopspan.run_for(INTERVAL);
        assert_eq!(example(&hopspan), None, "not a second time");
    }
}

#[test]
fn a_service_that_passes_no_context_on_is_counted() {
    for auto in ["", r#","announce_caller":"never""#] {
        let config = config("outbound", auto).replace(r#""direction":"outbound","#, "");
        let hopspan = Hopspan::of(builder(config).property("xds.listener_direction", 2));
        for ratio in [true, false] {
            let stream = hopspan.stream();
            let request = Headers::plain_get("/");
            let request = if ratio { request.with("b3", "0") } else { request };
            stream.request_headers(request, true);
            stream.respond(200);
            stream.finish();
        }
        hopspan.run_for(INTERVAL + DELAY);
        let missing = |name: &str| name == "hopspan.context.missing";
        assert_eq!(sums(&hopspan, &[], missing), owned([("hopspan.context.missing", 1)]));
    }
}

#[test]
fn the_proxys_own_time_is_measured_of_every_request() {
    let is_one = |name: &str| name == "hopspan.proxy_time";
    for (more, count, sum) in [(r#","proxy_time":true"#, 2, 0.0006), ("", 0, 0.0)] {
        let hopspan = Hopspan::start(&config("inbound", more));
        for traceparent in [SAMPLED, UNSAMPLED] {
            let stream = hopspan.stream();
            let request = Headers::plain_get("/cart").with(":method", "POST");
            stream.request_headers(request.with("traceparent", traceparent), false);
            // The client is slow: that is not the proxy's.
            hopspan.pass(5_000);
            stream.request_body([0; 8], true);
            hopspan.pass(1_000);
            stream.set_property("response.backend_latency", Duration::from_micros(700));
            stream.respond(200);
            stream.finish();
        }
        hopspan.run_for(INTERVAL + DELAY);
        let counted: u64 = sums(&hopspan, &[], is_one).into_iter().map(|(_, count)| count).sum();
        let points = points(&hopspan).into_iter().filter(|((name, _), _)| is_one(name));
        let summed: f64 = points.map(|(_, it)| it.sum).sum();
        assert_eq!(counted, count);
        assert!((summed - sum).abs() < 1e-9, "{summed} s");
    }
}

/// What docs/metrics.md says of a worker whose series and edges are all taken.
#[test]
fn a_full_table_takes_as_much_memory_as_is_documented() {
    let grown = |max: usize| {
        let hopspan = Hopspan::start(&config("inbound", &format!(r#","max_series":{max}"#)));
        let worker = hopspan.worker(0);
        get(&worker.stream(), "/cart", UNSAMPLED, 200);
        hopspan.run_for(INTERVAL + DELAY);
        let before = worker.memory_bytes();
        for number in 0..max + 50 {
            let stream = worker.stream();
            let state = format!("hopspan={PARENT}:service-{number}");
            let path = format!("/shop/department-{}", "x".repeat(number % 40));
            let request = Headers::plain_get(&path).with("traceparent", UNSAMPLED);
            stream.request_headers(request.with("tracestate", state), true);
            stream.respond(u16::try_from(200 + number % 300).unwrap());
            stream.finish();
        }
        let filled = worker.memory_bytes();
        hopspan.run_for(INTERVAL);
        (filled - before, worker.memory_bytes() - before)
    };
    let (filled, told) = grown(500);
    println!("{filled} bytes for 500 series and 500 edges, {told} with a report of them");
    assert!(filled < 700_000, "{filled} bytes");
    assert!(told < 2_000_000, "{told} bytes");
}

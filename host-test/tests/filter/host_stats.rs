//! Golden metrics in the proxy's own stats: the same counts, without a collector.

use crate::hopspan::{DELAY, Hopspan, SAMPLED, UNSAMPLED, builder};
use crate::reports::counts;
use host_test::{Answer, Headers, Stream};
use std::collections::BTreeMap;
use std::time::Duration;

const REQUESTS: &str = "hopspan.requests.reporter=.=destination;.;service=.=shop;.;";
const OPEN: &str = "hopspan.active_requests.reporter=.=destination;.;request_method=.=GET;.;";
const DURATIONS: &str =
    "hopspan.request_duration_us.reporter=.=destination;.;service=.=shop;.;route=.=/cart;.;";

/// Without a collector, but for those that `more` has.
fn config(metrics: &str, more: &str) -> String {
    format!(
        r#"{{"direction":"inbound","service":{{"name":"shop"}},"trust":{{"default":"continue"}},
            "metrics":{{"to":["host"]{metrics}}}{more}}}"#
    )
}

fn get(stream: &Stream, path: &str, traceparent: &str, status: u16) {
    stream.request_headers(Headers::plain_get(path).with("traceparent", traceparent), true);
    stream.respond(status);
    stream.finish();
}

/// Requests by route and status, and whether they failed.
fn requests(hopspan: &Hopspan) -> BTreeMap<String, i64> {
    let all = hopspan.metrics().into_iter();
    let named = all.filter_map(|(name, count)| {
        let rest = name.strip_prefix(REQUESTS)?.replace("=.=", "=").replace(";.;", " ");
        let rest = rest.replace("request_protocol=http request_method=GET ", "");
        Some((rest.trim_end().to_owned(), count))
    });
    named.collect()
}

fn owned<const N: usize>(list: [(&str, i64); N]) -> BTreeMap<String, i64> {
    list.into_iter().map(|(key, count)| (key.to_owned(), count)).collect()
}

#[test]
fn all_workers_count_in_one_place_to_the_last_request() {
    let hopspan = Hopspan::of(builder(config("", "")).workers(4)).watched();
    for worker in 0..4 {
        for (count, path, traceparent, status) in [
            (3, "/cart", SAMPLED, 200),
            (5, "/cart", UNSAMPLED, 200),
            (2, "/gone", UNSAMPLED, 404),
            (1, "/cart", UNSAMPLED, 503),
        ] {
            for _ in 0..count {
                get(&hopspan.worker(worker).stream(), path, traceparent, status);
            }
        }
    }
    hopspan.run_for(DELAY);
    let want = owned([
        ("route=/cart response_code=200", 32),
        ("response_code=404", 8),
        ("route=/cart response_code=503 error_type=503", 4),
    ]);
    assert_eq!(requests(&hopspan), want);
    assert_eq!(hopspan.histogram(DURATIONS).len(), 36);
    let edge = "traces_service_graph_request_total.client=.=unknown;.;server=.=shop;.;\
                connection_type=.=virtual_node;.;";
    let failed = edge.replace("total", "failed_total");
    assert_eq!([edge, &failed].map(|it| hopspan.metric(it)), [Some(44), Some(4)]);
    assert_eq!(hopspan.metric(OPEN), None, "what never moved is not there");
    // Nothing more happens: nothing is told twice.
    hopspan.run_for(DELAY * 3);
    assert_eq!(requests(&hopspan), want);
    assert!(hopspan.collector.requests().is_empty());

    // What a stat has been made for is told without waiting, and takes one call.
    let before = hopspan.hostcalls();
    get(&hopspan.worker(0).stream(), "/cart", UNSAMPLED, 200);
    let calls = hopspan.hostcalls();
    let made = |name: &str| calls.of(name) - before.of(name);
    assert_eq!((made("proxy_define_metric"), made("proxy_record_metric")), (0, 2));
    assert_eq!(hopspan.histogram(DURATIONS).len(), 37);
}

#[test]
fn counts_go_on_through_updates_and_what_is_open_ends() {
    let hopspan = Hopspan::of(builder(config("", "")).workers(2)).watched();
    let open: Vec<_> = (0..2).map(|it| hopspan.worker(it).stream()).collect();
    for (worker, stream) in open.iter().enumerate() {
        get(&hopspan.worker(worker).stream(), "/cart", UNSAMPLED, 200);
        stream.request_headers(Headers::plain_get("/cart").with("traceparent", UNSAMPLED), true);
    }
    hopspan.run_for(DELAY);
    assert_eq!(hopspan.metric(OPEN), Some(2));
    // The first goes on counting where the other stopped, the second begins anew.
    for metrics in ["", r#","max_series":100"#] {
        let ratio = if metrics.is_empty() { 0.5 } else { 1.0 };
        let more = format!(r#","sampling":{{"ratio":{ratio}}}"#);
        hopspan.reconfigure(config(metrics, &more)).unwrap();
        for worker in 0..2 {
            get(&hopspan.worker(worker).stream(), "/cart", UNSAMPLED, 200);
        }
        hopspan.run_for(DELAY);
    }
    for stream in open {
        stream.respond(200);
        stream.finish();
    }
    hopspan.drained();
    hopspan.run_for(DELAY);
    assert_eq!(requests(&hopspan)["route=/cart response_code=200"], 8, "the open ones, too");
    assert_eq!(hopspan.metric(OPEN), Some(0), "nothing is open for ever");
}

#[test]
fn both_ways_say_the_same_and_a_collector_without_metrics_ends_one() {
    let more = r#","collector":{"cluster":"otel"}"#;
    let config = config("", more).replace(r#"["host"]"#, r#"["otlp","host"]"#);
    let hopspan = Hopspan::of(builder(config).workers(1));
    for (traceparent, status) in [(SAMPLED, 200), (UNSAMPLED, 200), (UNSAMPLED, 503)] {
        get(&hopspan.stream(), "/cart", traceparent, status);
    }
    hopspan.run_for(Duration::from_secs(10) + DELAY);
    let by_status = counts(&hopspan, &["http.response.status_code"]);
    let by_status: Vec<_> = by_status.into_iter().map(|(_, count)| count).collect();
    assert_eq!(by_status, [2, 1]);
    let told: Vec<_> = requests(&hopspan).into_values().collect();
    assert_eq!(told, [2, 1]);
    // They are the client's, though the proxy was asked for those of what is sampled.
    assert!(hopspan.metrics().keys().all(|it| !it.starts_with("hopspan.attempts")));

    hopspan.serve(|_| Answer::status(404));
    hopspan.run_for(Duration::from_secs(20));
    let answered = hopspan.callouts_made().len();
    get(&hopspan.stream(), "/cart", UNSAMPLED, 200);
    hopspan.run_for(Duration::from_secs(20));
    assert_eq!(hopspan.callouts_made().len(), answered, "the collector is told no more");
    let told: Vec<_> = requests(&hopspan).into_values().collect();
    assert_eq!(told, [3, 1], "the proxy is");
}

#[test]
fn a_flood_fills_no_more_than_its_bounds() {
    let bounds = r#","max_series":20,"max_host_histograms":10"#;
    let routes = r#","routes":{"learn":true,"max":1000}"#;
    let hopspan = Hopspan::of(builder(config(bounds, routes)).workers(1));
    for at in 0..300 {
        let letters = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let path: String = [at / 100, at / 10 % 10, at % 10].map(|it| letters[it]).concat();
        get(&hopspan.stream(), &format!("/{path}"), UNSAMPLED, 200);
    }
    hopspan.run_for(DELAY);
    let all = requests(&hopspan);
    assert_eq!((all.len(), all.values().sum::<i64>()), (15, 300), "{all:#?}");
    assert!(all["route=_other request_protocol=http request_method=_OTHER"] > 200, "{all:#?}");
    let names = hopspan.metrics();
    let bytes = names.iter().filter(|(it, _)| it.starts_with("hopspan.response_bytes"));
    assert!(bytes.count() <= 10);
    assert!(hopspan.stat("metrics.overflow") > 200);
}

#[test]
fn what_the_proxy_answers_itself_says_nothing_of_a_path() {
    let hopspan = Hopspan::of(builder(config("", "")).workers(1));
    let ask = |answer: fn(&Stream)| {
        let stream = hopspan.stream();
        stream.request_headers(Headers::plain_get("/cart").with("traceparent", UNSAMPLED), true);
        answer(&stream);
        stream.finish();
        hopspan.run_for(DELAY);
        requests(&hopspan)
    };
    let local = |stream: &Stream| _ = stream.local_reply(200, 0, "direct_response");
    assert_eq!(ask(local), owned([("response_code=200", 1)]));
    let both = owned([("response_code=200", 1), ("route=/cart response_code=200", 1)]);
    assert_eq!(ask(|stream| _ = stream.respond(200)), both);
}

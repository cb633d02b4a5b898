//! Hosts that refuse, forget or contradict: nothing traps, and every request goes through.
//!
//! A trap would answer users with 503 and cut every stream of that worker.

use crate::hopspan::{DELAY, Hopspan, SAMPLED, UNSAMPLED, builder, module, sampled_get, sent};
use host_test::{
    Action, Answer, Builder, Headers, HostcallCounts, Injection, Proxy, Status, Stream,
};
use std::time::Duration;

/// Asks the listener, tells the log, sends early, and speaks of an unknown key.
const CONFIG: &str = r#"{"collector":{"cluster":"otel"},"access_log":{"filter_state":true},
    "batch":{"max_export_batch_size":2},"x":1}"#;
const UPDATED: &str = r#"{"direction":"gateway","collector":{"cluster":"otel"}}"#;

fn proxy() -> Builder {
    builder(CONFIG).env("OTEL_SERVICE_NAME", "cart").property("xds.listener_direction", 1)
}

/// What a request must look like behind hopspan, whatever the host does.
#[track_caller]
fn assert_passed(stream: &Stream, request: &Headers, actions: &[Action]) {
    assert!(actions.iter().all(|it| *it == Action::Continue), "{actions:?}");
    let ours = |it: Headers| it.without("traceparent").without("tracestate");
    assert_eq!(ours(stream.upstream_headers()), ours(request.clone()));
    assert!(stream.local_response().is_none() && !stream.reset_by_filter());
}

/// Requests of every kind, with everything that hopspan does about them.
fn requests(proxy: &Proxy) {
    let worker = proxy.worker(0);
    let get = worker.stream();
    let request = sampled_get().and("tracestate", "a=1").and("tracestate", "b=2");
    let actions = [get.request_headers(&request, true), get.respond(200)];
    get.finish();
    assert_passed(&get, &request, &actions);

    let call = worker.stream();
    let request =
        Headers::grpc("/shop.Cart/Add").with("traceparent", SAMPLED).with("tracestate", "A");
    let actions = [
        call.request_headers(&request, false),
        call.request_body(b"\0", false),
        call.request_trailers([("x-end", "1")]),
        call.response_headers([(":status", "200")], false),
        call.response_body(b"\0", false),
        call.response_trailers([("grpc-status", "5")]),
    ];
    call.finish_done_first();
    assert_passed(&call, &request, &actions);

    let web = worker.stream();
    let request = Headers::grpc("/shop.Cart/Add").with("content-type", "application/grpc-web");
    let actions = [
        web.request_headers(&request, true),
        web.response_headers([(":status", "200")], false),
        web.response_body(b"\x80\0\0\0\x0fgrpc-status:5", false),
        web.response_body(b"\r\n", true),
    ];
    web.finish();
    assert_passed(&web, &request, &actions);

    let unsampled = worker.stream();
    let request = sampled_get().with("traceparent", UNSAMPLED);
    let actions = [unsampled.request_headers(&request, true), unsampled.respond(200)];
    unsampled.finish_without_log();
    assert_passed(&unsampled, &request, &actions);

    let gone = worker.stream();
    let request = Headers::plain_get("/");
    let actions = [gone.request_headers(&request, true)];
    gone.finish();
    assert_passed(&gone, &request, &actions);

    worker.stream().refused(sampled_get(), [(":status", "403")]);
}

/// A proxy's whole life, with a collector that first fails and then takes a part.
fn live(builder: Builder) -> HostcallCounts {
    let proxy = builder.start().unwrap_or_else(|refused| panic!("it starts: {refused}"));
    let mut answers = vec![
        Answer::new(200, [("x", "y")], b"\x0a\x02\x08\x01"),
        Answer::new(503, [("retry-after", "1")], b""),
    ];
    proxy.serve(move |_| answers.pop().unwrap_or_else(|| Answer::status(200)));
    requests(&proxy);
    proxy.run_for(DELAY * 3);
    requests(&proxy);
    proxy.reconfigure(UPDATED).unwrap_or_else(|refused| panic!("it goes on: {refused}"));
    requests(&proxy);
    let vms = proxy.vms();
    proxy.drained();
    proxy.run_for(DELAY * 7);
    let counts = proxy.hostcalls();
    proxy.replace(module(), CONFIG).unwrap_or_else(|refused| panic!("it goes on: {refused}"));
    proxy.drained();
    requests(&proxy);
    proxy.shut_down();
    proxy.run_for(DELAY);
    for vm in vms.iter().chain(&proxy.vms()) {
        assert!(vm.trap().is_none(), "{}", vm.trap().unwrap());
    }
    counts
}

#[test]
fn no_status_of_any_hostcall_traps_or_holds_a_request() {
    let calls = live(proxy());
    let names: Vec<_> = calls.names().into_iter().filter(|it| it.starts_with("proxy_")).collect();
    for expected in
        ["proxy_http_call", "proxy_get_property", "proxy_set_property", "proxy_done", "proxy_log"]
    {
        assert!(names.contains(&expected), "the life is whole: {names:?}");
    }
    for name in names {
        for status in 1..=12 {
            live(proxy().inject(Injection::always(name, Status(status))));
        }
    }
}

#[test]
fn no_errno_of_any_wasi_call_traps_or_holds_a_request() {
    let calls = live(proxy());
    let names: Vec<_> = calls.names().into_iter().filter(|it| !it.starts_with("proxy_")).collect();
    assert_eq!(names, ["clock_time_get", "environ_get", "environ_sizes_get", "random_get"]);
    for name in names {
        for errno in [1, 2, 6, 8, 28, 48, 52, 58, 63, 76] {
            live(proxy().inject(Injection::always(name, Status(errno))));
        }
    }
}

/// Each single call, in turn: what worked before and works after is the harder case.
#[test]
fn no_single_failure_traps_or_holds_a_request() {
    let calls = live(proxy());
    for name in calls.names() {
        for nth in 1..=calls.of(name) {
            // Which failure it is makes a difference where these are told apart.
            let statuses = match name {
                "proxy_http_call" => &[2, 10][..],
                "proxy_set_shared_data" => &[8, 10],
                _ => &[1],
            };
            for status in statuses {
                live(proxy().inject(Injection::nth(name, nth, Status(*status))));
            }
        }
    }
}

#[test]
fn a_host_that_refuses_everything_at_once_is_survived() {
    let names = live(proxy()).names();
    let refuse =
        |it: Builder, name: &&str| it.inject(Injection::always(name, Status::UNIMPLEMENTED));
    live(names.iter().fold(proxy(), refuse));
}

/// Tracing goes on as soon as the host does.
#[test]
fn what_failed_for_a_while_works_again() {
    for name in live(proxy()).names() {
        let hopspan = Hopspan::of(proxy());
        hopspan.inject(Injection::always(name, Status::INTERNAL_FAILURE));
        requests(&hopspan);
        hopspan.run_for(DELAY * 3);
        hopspan.heal();
        hopspan.run_for(Duration::from_secs(60));
        hopspan.collector.taken();
        hopspan.requests(2);
        hopspan.run_for(DELAY * 3);
        let spans = hopspan.collector.taken();
        assert_eq!(spans.len(), 2, "{name}");
        for span in spans {
            assert_eq!(span.trace_id(), crate::hopspan::TRACE, "{name}");
        }
    }
}

/// Lost counts are worse than late ones: what could not be told is told later.
#[test]
fn counters_that_could_not_be_told_are_told_later() {
    let hopspan = Hopspan::start(crate::hopspan::INBOUND);
    hopspan.inject(Injection::always("proxy_increment_metric", Status::INTERNAL_FAILURE));
    hopspan.requests(3);
    hopspan.run_for(DELAY);
    hopspan.heal();
    hopspan.requests(2);
    hopspan.run_for(DELAY);
    assert_eq!(hopspan.accounts(), [5, 5, 0, 0, 0]);
}

#[test]
fn a_header_map_that_cannot_be_read_or_written_is_counted() {
    for name in ["proxy_get_header_map_pairs", "proxy_replace_header_map_value"] {
        let hopspan = Hopspan::start(crate::hopspan::INBOUND);
        hopspan.inject(Injection::always(name, Status::BAD_ARGUMENT).about("request_headers"));
        hopspan.requests(3);
        hopspan.run_for(DELAY);
        assert_eq!(hopspan.stat("degraded"), 3, "{name}");
    }
}

#[test]
fn without_randomness_ids_are_still_valid_and_differ_between_workers() {
    let missing = Injection::always("random_get", Status(52));
    let hopspan = Hopspan::of(proxy().workers(4).inject(missing));
    let mut ids = std::collections::BTreeSet::new();
    for worker in 0..4 {
        for _ in 0..10 {
            let stream = hopspan.worker(worker).stream();
            stream.request_headers(Headers::plain_get("/"), true);
            // `sent` refuses zeros.
            let out = sent(&stream);
            ids.extend([out.trace_id, out.parent_id]);
            stream.finish();
        }
    }
    assert_eq!(ids.len(), 4 * 10 * 2, "although all began at the same time");
}

/// Some hosts answer before the call returns.
#[test]
fn answers_within_the_call_are_survived() {
    for answer in [Answer::status(200), Answer::status(503), Answer::status(400)] {
        let hopspan = Hopspan::of(proxy().workers(2).reentrant_callouts());
        hopspan.collector.fail(answer);
        for _ in 0..5 {
            requests(&hopspan);
            hopspan.run_for(DELAY);
        }
        hopspan.reconfigure(UPDATED).unwrap();
        requests(&hopspan);
        hopspan.drained();
        hopspan.run_for(DELAY * 30);
        requests(&hopspan);
        hopspan.shut_down();
    }
}

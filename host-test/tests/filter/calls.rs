//! What hopspan asks of the host: each call costs every request.

use crate::hopspan::{
    GATEWAY, Hopspan, INBOUND, LOOKS, OUTBOUND, UNSAMPLED, builder, life, sampled_get,
};
use host_test::{Headers, HostcallCounts, Stream};

/// Calls that bring bytes back, which is the dear kind, as `name about`, sorted.
fn bytes_asked(counts: &HostcallCounts) -> Vec<String> {
    let asked = counts
        .iter()
        .filter(|(name, ..)| name.starts_with("proxy_get_") && !name.ends_with("nanoseconds"));
    asked
        .flat_map(|(name, about, count)| {
            let name = name.trim_start_matches("proxy_get_");
            std::iter::repeat_n(format!("{name} {about}"), usize::try_from(count).unwrap())
        })
        .collect()
}

fn ok(stream: &Stream) {
    stream.respond(200);
}

const MAPS: [&str; 2] = ["header_map_pairs request_headers", "header_map_pairs response_headers"];

/// Two maps, and each property has its attribute.
#[test]
fn a_sampled_request_asks_for_what_its_span_says_and_no_more() {
    let always = [
        "property request.protocol",
        "property response.backend_latency",
        "property upstream.address",
        "property upstream.request_attempt_count",
        "property xds.cluster_name",
    ];
    let client = ["property source.address"];
    let why = ["property response.code_details", "property response.flags"];
    let direction = ["property xds.listener_direction"];
    let auto = r#"{"collector":{"cluster":"otel"}}"#;
    let failing = |it: &Stream| {
        it.respond(503);
    };
    let gone = |_: &Stream| ();
    for (what, config, respond, more) in [
        ("inbound", INBOUND, &ok as &dyn Fn(&Stream), vec![&client[..]]),
        ("outbound", OUTBOUND, &ok, vec![]),
        ("gateway", GATEWAY, &ok, vec![&client]),
        ("direction not set", auto, &ok, vec![&client, &direction]),
        ("inbound, failed", INBOUND, &failing, vec![&client, &why]),
        ("client gone", INBOUND, &gone, vec![&client, &why, &["property response.code"]]),
    ] {
        let calls = life(config, &sampled_get(), respond);
        let mut want: Vec<_> = MAPS.into_iter().chain(always).chain(more.concat()).collect();
        want.sort_unstable();
        assert_eq!(bytes_asked(&calls), want, "{what}");
        assert_eq!(calls.of("proxy_replace_header_map_value"), 1, "{what}");
        for costly in [
            "proxy_log",
            "proxy_http_call",
            "proxy_define_metric",
            "proxy_increment_metric",
            "random_get",
        ] {
            assert_eq!(calls.of(costly), 0, "{what}: {costly}");
        }
    }
}

#[test]
fn a_local_reply_without_an_attempt_asks_for_no_upstream() {
    let calls = life(INBOUND, &sampled_get(), |it| {
        it.local_reply(200, 0, "direct_response");
    });
    let mut want = MAPS.to_vec();
    want.extend([
        "property request.protocol",
        "property source.address",
        "property upstream.request_attempt_count",
    ]);
    want.sort_unstable();
    assert_eq!(bytes_asked(&calls), want);
}

#[test]
fn an_unsampled_request_reads_one_map_and_nothing_else() {
    let never = r#"{"direction":"inbound","sampling":{"ratio":0},"collector":{"cluster":"otel"}}"#;
    let untraced = Headers::plain_get("/cart");
    let unsampled = sampled_get().with("traceparent", UNSAMPLED);
    for (why, config, request) in [
        ("the caller said no, inbound", INBOUND, &unsampled),
        ("the caller said no, outbound", OUTBOUND, &unsampled),
        ("the caller said no, gateway", GATEWAY, &unsampled),
        ("the ratio said no", never, &untraced),
        ("nothing is exported", r#"{"direction":"inbound"}"#, &untraced),
    ] {
        let calls = life(config, request, ok);
        assert_eq!(bytes_asked(&calls), ["header_map_pairs request_headers"], "{why}");
        // And beyond: the clock once, one write.
        let rest: Vec<_> =
            calls.iter().filter(|(name, ..)| *name != "proxy_get_header_map_pairs").collect();
        let want = [
            ("clock_time_get", "monotonic", 1),
            ("proxy_replace_header_map_value", "request_headers", 1),
        ];
        assert_eq!(rest, want, "{why}");
    }
    // Requests of outbound listeners without context are counted.
    for request in [&unsampled, &untraced] {
        let never = r#"{"sampling":{"ratio":0},"collector":{"cluster":"otel"}}"#;
        let auto = life(never, request, ok);
        let want = ["header_map_pairs request_headers", "property xds.listener_direction"];
        assert_eq!(bytes_asked(&auto), want, "an unset direction costs one call");
    }
}

#[test]
fn native_tracing_is_looked_for_in_the_first_requests_of_each_worker_only() {
    let hopspan = Hopspan::of(builder(INBOUND).workers(2));
    let looks = || hopspan.hostcalls().about("proxy_get_header_map_value", "request_headers");
    hopspan.requests_on(0, 3);
    assert_eq!(looks(), 3);
    hopspan.requests_on(0, 100);
    assert_eq!(looks(), LOOKS as u64);
    hopspan.requests_on(1, 100);
    assert_eq!(looks(), 2 * LOOKS as u64);
}

#[test]
fn the_main_thread_and_the_canary_do_no_work() {
    let hopspan = Hopspan::start(INBOUND);
    assert_eq!(hopspan.hostcalls().of("proxy_http_call"), 0);
    // The first tick seeds the ids.
    hopspan.main().tick();
    let before = hopspan.hostcalls();
    for _ in 0..100 {
        hopspan.main().tick();
    }
    let calls = hopspan.hostcalls().since(&before);
    let others: Vec<_> = calls.iter().filter(|(name, ..)| *name != "clock_time_get").collect();
    assert_eq!(others, [], "a tick looks at the clock and that is all");
    assert!(calls.total() <= 200, "{calls}");
}

#[test]
fn nothing_queued_is_no_callout() {
    let hopspan = Hopspan::of(builder(INBOUND).workers(3));
    hopspan.run_for(crate::hopspan::DELAY * 120);
    assert_eq!(hopspan.callouts_made().len(), 0);
    hopspan.requests_on(1, 1);
    hopspan.run_for(crate::hopspan::DELAY * 120);
    assert_eq!(hopspan.callouts_made().len(), 1);
}

#[test]
fn metrics_are_defined_once_a_vm() {
    let hopspan = Hopspan::start(INBOUND);
    let defined = |hopspan: &Hopspan| hopspan.hostcalls().of("proxy_define_metric");
    let of_start = defined(&hopspan);
    hopspan.requests(5);
    hopspan.run_for(crate::hopspan::DELAY * 3);
    assert_eq!(defined(&hopspan), of_start);
    hopspan.reconfigure(OUTBOUND).unwrap();
    hopspan.requests(5);
    hopspan.run_for(crate::hopspan::DELAY * 3);
    hopspan.drained();
    // The canary's VM is new; main and worker know their ids.
    assert_eq!(defined(&hopspan), of_start + of_start / 3);
}

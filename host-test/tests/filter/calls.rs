//! What hopspan asks of the host: each call costs every request.

use crate::hopspan::{
    DELAY, GATEWAY, Hopspan, INBOUND, LOOKS, OUTBOUND, UNCOUNTED_GATEWAY, UNCOUNTED_INBOUND,
    UNCOUNTED_OUTBOUND, UNSAMPLED, attributes, builder, life, life_on, sampled_get,
};
use host_test::{Builder, Headers, HostcallCounts, Injection, Status, Stream};

/// Calls that bring bytes back, which is the dear kind, as `name about`, sorted.
fn bytes_asked(counts: &HostcallCounts) -> Vec<String> {
    let asked = counts.iter().filter_map(|(name, about, count)| {
        let name = match name {
            "proxy_call_foreign_function" => "function",
            "proxy_get_current_time_nanoseconds" => return None,
            _ => name.strip_prefix("proxy_get_")?,
        };
        Some((format!("{name} {about}"), usize::try_from(count).unwrap()))
    });
    let mut asked: Vec<_> = asked.flat_map(|(it, n)| std::iter::repeat_n(it, n)).collect();
    asked.sort_unstable();
    asked
}

fn ok(stream: &Stream) {
    stream.respond(200);
}

const REQUEST: &str = "header_map_pairs request_headers";
const RESPONSE: &str = "header_map_pairs response_headers";
const STATUS: &str = "header_map_value response_headers";
const AUTO: &str = r#"{"collector":{"cluster":"otel"}}"#;

fn failing(stream: &Stream) {
    stream.respond(503);
}

fn redirected(stream: &Stream) {
    stream.local_reply(301, 0, "direct_response");
}

fn gone(_: &Stream) {}

#[test]
fn a_sampled_request_asks_for_all_that_its_span_says_at_once() {
    let at_once = "function expr_evaluate";
    let why = ["property response.code_details", "property response.flags"];
    for (what, config, respond, more) in [
        ("inbound", UNCOUNTED_INBOUND, &ok as &dyn Fn(&Stream), vec![]),
        ("outbound", UNCOUNTED_OUTBOUND, &ok, vec![]),
        ("gateway", UNCOUNTED_GATEWAY, &ok, vec![]),
        ("direction not set", AUTO, &ok, vec!["property xds.listener_direction"]),
        ("inbound, failed", UNCOUNTED_INBOUND, &failing, why.to_vec()),
        ("without an upstream", UNCOUNTED_INBOUND, &redirected, vec![]),
        ("client gone", UNCOUNTED_INBOUND, &gone, [&why[..], &[RESPONSE]].concat()),
    ] {
        let calls = life(config, &sampled_get(), respond);
        let mut want = [&[REQUEST, at_once], &more[..]].concat();
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

/// Two maps at most, and each property has its attribute.
#[test]
fn a_host_without_expressions_is_asked_for_one_after_the_other_and_no_more() {
    let hop =
        [REQUEST, STATUS, "property upstream.request_attempt_count", "property xds.route_name"];
    let upstream = [
        "property response.backend_latency",
        "property upstream.address",
        "property upstream.cx_pool_ready_duration",
        "property xds.cluster_name",
    ];
    // Not of the service beside the proxy.
    let elsewhere = [&upstream[..], &["property upstream.tls_version"]].concat();
    let client =
        ["property connection.tls_version", "property request.protocol", "property source.address"];
    let why = ["property response.code_details", "property response.flags"];
    let direction = ["property xds.listener_direction"];
    // What has no header may have a status all the same.
    let none = ["property response.code", RESPONSE];
    for (what, config, respond, more) in [
        ("inbound", INBOUND, &ok as &dyn Fn(&Stream), vec![&upstream[..], &client]),
        ("outbound", OUTBOUND, &ok, vec![&elsewhere[..]]),
        ("gateway", GATEWAY, &ok, vec![&elsewhere[..], &client]),
        ("direction not set", AUTO, &ok, vec![&upstream[..], &client, &direction]),
        ("inbound, failed", INBOUND, &failing, vec![&upstream[..], &client, &why]),
        ("without an upstream", INBOUND, &redirected, vec![&client[..]]),
        ("client gone", INBOUND, &gone, vec![&upstream[..], &client, &why, &none]),
    ] {
        let calls = life_on(builder(config).without_expressions(), &sampled_get(), respond);
        let mut want = [&hop[..], &more.concat()].concat();
        want.sort_unstable();
        assert_eq!(bytes_asked(&calls), want, "{what}");
    }
}

/// A host that has none, whose functions do something else, or that knows properties by their
/// old names alone is not asked again and again.
#[test]
fn a_host_that_does_not_answer_with_all_facts_is_asked_three_times() {
    let functions = |host: Builder, requests: usize| {
        let hopspan = Hopspan::of(host);
        hopspan.requests(requests);
        let calls = hopspan.hostcalls();
        hopspan.run_for(DELAY * 3);
        for span in hopspan.collector.taken() {
            let cluster = attributes(&span).into_iter().find(|it| it.contains("cluster"));
            assert_eq!(cluster.unwrap(), "hopspan.upstream.cluster=\"upstream\"");
        }
        ["expr_create", "expr_evaluate"].map(|it| calls.about("proxy_call_foreign_function", it))
    };
    let host = || builder(INBOUND);
    let answers = |bytes: &[u8]| {
        let bytes = bytes.to_vec();
        host().foreign_function("expr_evaluate", move |_| Ok(bytes.clone()))
    };
    assert_eq!(functions(host(), 20), [1, 20], "the expression is created once");
    assert_eq!(functions(host().without_expressions(), 20), [3, 0]);
    // 12 items, empty as if nothing were known.
    let empty = |items: u32, value: &[u8]| {
        let count = items.to_le_bytes();
        let length = u32::try_from(value.len()).unwrap().to_le_bytes();
        let lengths = [[0; 4], length].concat().repeat(items as usize);
        let strings = [b"\0", value, b"\0"].concat().repeat(items as usize);
        [&count[..], &lengths, &strings].concat()
    };
    let whole = empty(12, b"");
    let with_peer = |peer: &[u8]| {
        let mut list = whole.clone();
        list[4 + 11 * 8..][..4].copy_from_slice(&u32::try_from(peer.len()).unwrap().to_le_bytes());
        let at = list.len() - 2;
        list.splice(at..at, peer.iter().copied());
        list
    };
    for (why, list) in [
        ("nothing", vec![]),
        ("no list", b"HTTP/1.1".to_vec()),
        ("too short", empty(11, b"")),
        ("too long", empty(13, b"")),
        ("values besides the items", empty(11, b"x")),
        ("more behind it", [&whole[..], b"\0"].concat()),
        ("cut", whole[..whole.len() - 1].to_vec()),
        ("a peer that is no list", with_peer(b"TLSv1.3")),
        ("a peer with too little", with_peer(&empty(2, b""))),
        ("a peer with too much", with_peer(&empty(4, b""))),
    ] {
        assert_eq!(functions(answers(&list), 20), [1, 3], "{why}: {list:?}");
    }
}

/// What is no answer to `expr_evaluate` today may be one tomorrow.
#[test]
fn facts_come_at_once_again_after_a_failure() {
    let hopspan = Hopspan::of(builder(INBOUND));
    let fail = |times| {
        for _ in 0..times {
            let failure = Injection::nth("proxy_call_foreign_function", 1, Status(10));
            hopspan.inject(failure.about("expr_evaluate"));
            hopspan.requests(1);
        }
    };
    let properties = || hopspan.hostcalls().about("proxy_get_property", "xds.cluster_name");
    hopspan.requests(1);
    for _ in 0..3 {
        let before = properties();
        fail(2);
        assert_eq!(properties(), before + 2, "two in a row");
        hopspan.requests(2);
        assert_eq!(properties(), before + 2, "the next is as ever");
    }
    fail(3);
    let before = properties();
    hopspan.requests(2);
    assert_eq!(properties(), before + 2, "three in a row");
    // Another configuration begins anew.
    hopspan.reconfigure(OUTBOUND).unwrap();
    hopspan.requests(2);
    assert_eq!(properties(), before + 2);
}

#[test]
fn an_unsampled_request_reads_one_map_and_nothing_else() {
    let never = r#"{"direction":"inbound","sampling":{"ratio":0},"collector":{"cluster":"otel"},
        "metrics":{"to":[]}}"#;
    let untraced = Headers::plain_get("/cart");
    let unsampled = sampled_get().with("traceparent", UNSAMPLED);
    for (why, config, request, writes) in [
        ("the caller said no, inbound", UNCOUNTED_INBOUND, &unsampled, false),
        ("the caller said no, outbound", UNCOUNTED_OUTBOUND, &unsampled, false),
        ("the caller said no, gateway", UNCOUNTED_GATEWAY, &unsampled, false),
        ("the ratio said no", never, &untraced, true),
        ("nothing is exported", r#"{"direction":"inbound"}"#, &untraced, true),
    ] {
        let calls = life(config, request, ok);
        assert_eq!(bytes_asked(&calls), ["header_map_pairs request_headers"], "{why}");
        // And beyond: the clock once, one write where a trace begins.
        let rest: Vec<_> =
            calls.iter().filter(|(name, ..)| *name != "proxy_get_header_map_pairs").collect();
        let write = ("proxy_replace_header_map_value", "request_headers", 1);
        let mut want = vec![("clock_time_get", "monotonic", 1)];
        want.extend(writes.then_some(write));
        assert_eq!(rest, want, "{why}");
    }
    // Requests of outbound listeners without context are counted.
    for request in [&unsampled, &untraced] {
        let never =
            r#"{"sampling":{"ratio":0},"collector":{"cluster":"otel"},"metrics":{"to":[]}}"#;
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
    let clocks = ["clock_time_get", "proxy_get_current_time_nanoseconds"];
    let others: Vec<_> = calls.iter().filter(|(name, ..)| !clocks.contains(name)).collect();
    assert_eq!(others, [], "a tick looks at the clocks and that is all");
    assert!(calls.total() <= 400, "{calls}");
}

#[test]
fn nothing_queued_is_no_callout() {
    let hopspan = Hopspan::of(builder(UNCOUNTED_INBOUND).workers(3));
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

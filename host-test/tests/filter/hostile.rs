//! Hostile requests: the work they can cause is bounded, and grows no faster than they do.

use crate::hopspan::{
    Hopspan, INBOUND, SAMPLED, UNCOUNTED_GATEWAY, UNCOUNTED_INBOUND, UNCOUNTED_OUTBOUND,
    sampled_get, sent,
};
use host_test::{Action, Headers};

/// The work of one whole request, roughly in wasm instructions.
fn work(hopspan: &Hopspan, request: &Headers) -> u64 {
    let worker = hopspan.worker(0);
    let before = worker.callbacks().len();
    let stream = worker.stream();
    assert_eq!(stream.request_headers(request, true), Action::Continue);
    sent(&stream);
    stream.respond(200);
    stream.finish();
    worker.callbacks()[before..].iter().map(|it| it.fuel).sum()
}

/// A request of these headers, after one that has warmed everything up.
fn work_of(request: &Headers) -> u64 {
    [UNCOUNTED_INBOUND, UNCOUNTED_GATEWAY]
        .map(|config| {
            let hopspan = Hopspan::start(config);
            work(&hopspan, &sampled_get());
            work(&hopspan, request)
        })
        .into_iter()
        .max()
        .unwrap()
}

/// `bytes` of what `member` makes.
fn list(bytes: usize, member: impl Fn(usize) -> String) -> String {
    let mut list = String::with_capacity(bytes + 300);
    let mut number = 0;
    while list.len() < bytes {
        list.push_str(&member(number));
        list.push(',');
        number += 1;
    }
    list
}

/// Envoy's own limits: 100 headers, 60 KiB.
#[test]
fn the_largest_request_that_envoy_lets_in_is_cheap() {
    let usual = work_of(&sampled_get());
    let value = "v".repeat(600);
    let large = (0..88).fold(sampled_get(), |it, n| it.and(format!("x-header-{n}"), &value));
    let large = work_of(&large);
    assert!(usual < 70_000, "two spans of some forty attributes: {usual}");
    assert!(large < 3 * usual, "{large} after {usual}");
}

#[test]
fn work_grows_no_faster_than_the_request() {
    let tiny = |bytes| list(bytes, |n| format!("a{n}=1"));
    let empty = |bytes| list(bytes, |_| String::new());
    let same = |bytes| list(bytes, |_| "a=1".to_owned());
    let large = |bytes| list(bytes, |n| format!("k{n}={}", "x".repeat(200)));
    let spaces = |bytes: usize| format!("a=1{}", " ".repeat(bytes));
    let bad_at_the_end = |bytes| list(bytes, |n| format!("a{n}=1")) + "B=1";
    let lists: [(&str, &dyn Fn(usize) -> String); 6] = [
        ("tiny members", &tiny),
        ("empty members", &empty),
        ("the same key again", &same),
        ("large members", &large),
        ("white space", &spaces),
        ("bad at the very end", &bad_at_the_end),
    ];
    for (why, list) in lists {
        let work = |bytes| work_of(&sampled_get().with("tracestate", list(bytes)));
        let [half, whole] = [work(30_000), work(60_000)];
        assert!(whole * 2 < half * 5, "{why}: {whole} for twice of what took {half}");
        assert!(whole < 10_000_000, "{why}: {whole}");
    }
    let headers = |count: usize| {
        (0..count).fold(sampled_get(), |it, n| it.and("tracestate", format!("a{n}=1")))
    };
    let [half, whole] = [work_of(&headers(2000)), work_of(&headers(4000))];
    assert!(whole * 2 < half * 5, "many tracestate headers: {whole} after {half}");
    let query =
        |bytes: usize| sampled_get().with(":path", format!("/?{}", "a=b&".repeat(bytes / 4)));
    let [half, whole] = [work_of(&query(30_000)), work_of(&query(60_000))];
    assert!(whole * 2 < half * 5, "a long query: {whole} after {half}");
}

#[test]
fn bytes_of_any_kind_in_any_header_go_through_unchanged() {
    let all: Vec<u8> = (1..=255).filter(|it| !b"\r\n".contains(it)).collect();
    for name in [
        "user-agent",
        ":path",
        ":authority",
        ":method",
        ":scheme",
        "content-type",
        "x-any",
        "cookie",
    ] {
        let hopspan = Hopspan::start(UNCOUNTED_GATEWAY);
        let request = sampled_get().with(name, &all);
        let stream = hopspan.stream();
        assert_eq!(stream.request_headers(&request, true), Action::Continue);
        assert_eq!(
            stream.upstream_headers().without("traceparent"),
            request.without("traceparent")
        );
        stream.response_headers([(&b":status"[..], &b"200"[..]), (b"server", &all)], true);
        stream.finish();
        assert_eq!(hopspan.spans().len(), 2, "{name}: decoded by the official types, as UTF-8");
    }
}

/// A status that nobody defined, a request without most of its headers: a span all the same.
#[test]
fn what_is_missing_or_odd_is_left_out() {
    for (why, request, status, name) in [
        ("no authority", sampled_get().without(":authority"), "200", "GET /cart"),
        ("no path", sampled_get().without(":path"), "200", "GET"),
        (
            "nothing but a traceparent",
            Headers::from([("traceparent", crate::hopspan::SAMPLED)]),
            "200",
            "HTTP",
        ),
        ("an unknown method", sampled_get().with(":method", "BREW"), "200", "HTTP"),
        ("a status of four digits", sampled_get(), "2000", "GET"),
        ("a status that is a word", sampled_get(), "fine", "GET"),
        (
            "bytes that are not UTF-8",
            sampled_get().with("user-agent", b"\xff\xfe"),
            "200",
            "GET /cart",
        ),
    ] {
        for config in [UNCOUNTED_INBOUND, UNCOUNTED_OUTBOUND, UNCOUNTED_GATEWAY] {
            let hopspan = Hopspan::start(config);
            let stream = hopspan.stream();
            stream.request_headers(&request, true);
            stream.response_headers([(":status", status)], true);
            stream.finish();
            let untouched = request.clone().without("traceparent");
            assert_eq!(stream.upstream_headers().without("traceparent"), untouched, "{why}");
            for span in hopspan.spans() {
                assert_eq!(span.span.name, name, "{why}");
                assert!(span.span.attributes.iter().all(|it| it.value.is_some()), "{why}");
            }
        }
    }
}

/// A worker lives for months: what is finished must be given back.
#[test]
fn memory_stops_growing() {
    let hopspan = Hopspan::start(INBOUND);
    let worker = hopspan.worker(0);
    let large = sampled_get().with("x-large", "v".repeat(50_000));
    let round = || {
        for _ in 0..300 {
            let stream = hopspan.stream();
            stream.request_headers(&large, true);
            stream.respond(200);
            stream.finish();
        }
        hopspan.run_for(crate::hopspan::DELAY);
    };
    (0..3).for_each(|_| round());
    let settled = worker.memory_bytes();
    (0..10).for_each(|_| round());
    assert_eq!(worker.memory_bytes(), settled, "after 3000 more requests");
    assert!(settled < 8 << 20, "{settled} bytes");
}

/// Only what the caller may say is in what goes out.
#[test]
fn nothing_of_a_bad_context_is_sent_on() {
    let evil = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nx-evil: 1";
    for request in [
        sampled_get().with("traceparent", evil),
        sampled_get().with("tracestate", "a=1\r\nx-evil: 1"),
        sampled_get().with("traceparent", SAMPLED).with("tracestate", b"a=\x00"),
    ] {
        let hopspan = Hopspan::start(INBOUND);
        let stream = hopspan.stream();
        stream.request_headers(request, true);
        sent(&stream);
        assert_eq!(stream.upstream_headers().value("tracestate"), None);
        stream.finish();
    }
}

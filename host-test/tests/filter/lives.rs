//! Requests that go well, from their first callback to their span.

use crate::hopspan::{
    GATEWAY, Hopspan, INBOUND, OUTBOUND, PARENT, TRACE, attributes, sampled_get, sent,
};
use host_test::Action;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use std::time::Duration;

/// `GET /cart?id=7`, which takes the proxy 130 µs and the upstream 50 ms.
fn get(hopspan: &Hopspan) {
    let stream = hopspan.stream();
    let request = sampled_get().with(":path", "/cart?id=7");
    assert_eq!(stream.request_headers(request, true), Action::Continue);
    hopspan.pass(50_130);
    stream.set_property("response.backend_latency", Duration::from_millis(50));
    assert_eq!(stream.respond(200), Action::Continue);
    hopspan.pass(20);
    stream.finish();
}

#[test]
fn an_inbound_get_is_a_server_span() {
    let hopspan = Hopspan::start(INBOUND);
    let began = hopspan.clock().wall_nanos();
    get(&hopspan);
    let span = hopspan.span();
    assert_eq!((span.trace_id().as_str(), span.parent_id().as_str()), (TRACE, PARENT));
    assert_eq!((span.kind(), span.status()), (SpanKind::Server, StatusCode::Unset));
    assert_eq!((span.span.name.as_str(), span.scope.name.as_str()), ("GET /cart", "hopspan"));
    assert_eq!(span.resource_text("service.name"), Some("test-cluster"));
    assert_eq!((span.span.start_time_unix_nano, span.duration_ns()), (began, 50_150_000));
    // SAMPLED, HAS_IS_REMOTE, IS_REMOTE
    assert_eq!(span.span.flags, 0x301);
    assert_eq!(
        attributes(&span),
        [
            r#"client.address="192.0.2.7""#,
            "client.port=51234",
            "hopspan.first_byte_ns=50130000",
            "hopspan.pool_wait_ns=30000",
            "hopspan.proxy_time_ns=130000",
            "hopspan.response_send_ns=20000",
            r#"hopspan.route="/cart""#,
            r#"hopspan.route_name="default""#,
            r#"hopspan.upstream.address="192.0.2.9:8080""#,
            r#"hopspan.upstream.cluster="upstream""#,
            "hopspan.upstream_time_ns=50000000",
            "http.request.header.x-request-id=1 in a list",
            r#"http.request.method="GET""#,
            "http.response.body.size=5",
            "http.response.status_code=200",
            r#"network.peer.address="192.0.2.7""#,
            "network.peer.port=51234",
            r#"network.protocol.version="1.1""#,
            r#"server.address="shop.example.com""#,
            "server.port=80",
            r#"url.path="/cart""#,
            r#"url.query="id=REDACTED""#,
            r#"url.scheme="http""#,
            r#"url.template="/cart""#,
            r#"user_agent.original="curl/8.5.0""#,
        ]
    );
}

#[test]
fn an_outbound_get_is_a_client_span() {
    let hopspan = Hopspan::start(OUTBOUND);
    get(&hopspan);
    let span = hopspan.span();
    assert_eq!((span.kind(), span.parent_id().as_str()), (SpanKind::Client, PARENT));
    assert_eq!(
        attributes(&span),
        [
            "hopspan.first_byte_ns=50130000",
            "hopspan.pool_wait_ns=30000",
            "hopspan.proxy_time_ns=130000",
            "hopspan.response_send_ns=20000",
            r#"hopspan.route="/cart""#,
            r#"hopspan.route_name="default""#,
            r#"hopspan.upstream.address="192.0.2.9:8080""#,
            r#"hopspan.upstream.cluster="upstream""#,
            "hopspan.upstream_time_ns=50000000",
            "http.request.header.x-request-id=1 in a list",
            r#"http.request.method="GET""#,
            "http.response.body.size=5",
            "http.response.status_code=200",
            r#"network.peer.address="192.0.2.9""#,
            "network.peer.port=8080",
            r#"server.address="shop.example.com""#,
            "server.port=80",
            r#"url.full="http://shop.example.com/cart?id=REDACTED""#,
            r#"url.template="/cart""#,
            r#"user_agent.original="curl/8.5.0""#,
        ]
    );
}

#[test]
fn a_gateway_is_a_server_span_and_a_client_span_below_it() {
    let hopspan = Hopspan::start(GATEWAY);
    let began = hopspan.clock().wall_nanos();
    let stream = hopspan.stream();
    stream.request_headers(sampled_get(), true);
    let upstream = sent(&stream);
    hopspan.pass(50_130);
    stream.set_property("response.backend_latency", Duration::from_millis(50));
    stream.respond(200);
    hopspan.pass(20);
    stream.finish();

    let spans = hopspan.spans();
    let [server, client] = spans.as_slice() else { panic!("two spans: {spans:#?}") };
    assert_eq!((server.kind(), client.kind()), (SpanKind::Server, SpanKind::Client));
    assert_eq!((server.parent_id(), client.parent_id()), (PARENT.into(), server.span_id()));
    assert_eq!(upstream.parent_id, client.span_id(), "the upstream knows the inner one");
    assert_eq!((server.trace_id().as_str(), client.trace_id().as_str()), (TRACE, TRACE));
    let times =
        |it: &crate::received::Received| (it.span.start_time_unix_nano - began, it.duration_ns());
    assert_eq!(times(server), (0, 50_150_000));
    assert_eq!(times(client), (130_000, 50_000_000), "from the upstream's first byte to its last");
    assert_eq!((server.span.flags, client.span.flags), (0x301, 0x101), "one parent is remote");
    assert_eq!(server.int("hopspan.proxy_time_ns"), Some(130_000));
    assert_eq!(client.int("hopspan.proxy_time_ns"), None, "the hop's times stand on one span");
    assert_eq!(server.text("client.address"), Some("192.0.2.7"));
    assert_eq!(client.text("network.peer.address"), Some("192.0.2.9"));
}

#[test]
fn every_way_in_which_a_response_can_end_is_an_end() {
    type Respond = fn(&host_test::Stream);
    let head: Respond = |it| {
        it.response_headers([(":status", "302"), ("location", "/")], true);
    };
    let body: Respond = |it| {
        it.response_headers([(":status", "302")], false);
        it.response_body(b"moved", true);
    };
    let empty_body: Respond = |it| {
        it.response_headers([(":status", "302")], false);
        it.response_body(b"moved", false);
        it.response_body(b"", true);
    };
    let trailers: Respond = |it| {
        it.response_headers([(":status", "302")], false);
        it.response_body(b"moved", false);
        it.response_trailers([("x-checksum", "1")]);
    };
    for (why, respond) in [
        ("with the headers", head),
        ("with the body", body),
        ("with an empty last part", empty_body),
        ("with trailers", trailers),
    ] {
        for method in ["HEAD", "GET"] {
            let hopspan = Hopspan::start(INBOUND);
            let stream = hopspan.stream();
            stream.request_headers(sampled_get().with(":method", method), true);
            hopspan.pass(300);
            respond(&stream);
            stream.finish();
            let span = hopspan.span();
            assert_eq!(span.span.name, method, "{why}");
            assert_eq!(span.int("http.response.status_code"), Some(302), "{why}");
            assert_eq!(span.status(), StatusCode::Unset, "{why}");
            assert!(span.int("hopspan.proxy_time_ns").is_some(), "{why}: the end was seen");
        }
    }
}

#[test]
fn a_post_with_a_body_and_request_trailers_goes_through_untouched() {
    let hopspan = Hopspan::start(INBOUND);
    let stream = hopspan.stream();
    let request = sampled_get().with(":method", "POST").with("content-length", "9");
    let untouched = request.clone().without("traceparent");
    let actions = [
        stream.request_headers(request, false),
        stream.request_body(b"abc", false),
        stream.request_body(b"def", false),
        stream.request_body(b"ghi", false),
        stream.request_trailers([("x-end", "1")]),
        stream.respond(201),
    ];
    stream.finish();
    assert_eq!(actions, [Action::Continue; 6]);
    assert_eq!(stream.upstream_body(), b"abcdefghi");
    assert_eq!(stream.upstream_headers().without("traceparent"), untouched);
    assert_eq!(stream.downstream_body(), b"hello");
    let span = hopspan.span();
    assert_eq!(
        (span.span.name.as_str(), span.int("http.response.status_code")),
        ("POST /cart", Some(201))
    );
}

#[test]
fn an_upgraded_connection_is_one_span_to_its_end() {
    let hopspan = Hopspan::start(INBOUND);
    let stream = hopspan.stream();
    let request = sampled_get().with("connection", "upgrade").with("upgrade", "websocket");
    stream.request_headers(request, false);
    stream.request_body(b"", false);
    hopspan.pass(2_000);
    stream.response_headers([(":status", "101"), ("upgrade", "websocket")], false);
    for _ in 0..3 {
        stream.request_body(b"ping", false);
        hopspan.pass(1_000_000);
        stream.response_body(b"pong", false);
    }
    // The upstream closes, which is normal.
    stream.set_property("response.flags", 1_i64 << 6);
    stream.finish();
    let span = hopspan.span();
    assert_eq!(span.int("http.response.status_code"), Some(101));
    assert_eq!((span.status(), span.text("error.type")), (StatusCode::Unset, None));
    assert_eq!(span.duration_ns(), 3_002_000_000);
    assert_eq!(span.int("hopspan.proxy_time_ns"), None, "unknown, so not said");
}

#[test]
fn an_internal_redirect_is_two_passes_of_one_trace() {
    let hopspan = Hopspan::start(INBOUND);
    let first = hopspan.stream();
    first.request_headers(sampled_get(), true);
    hopspan.pass(5_000);
    // No response callback: the answer goes back into the proxy.
    first.set_property("response.code", 302);
    first.set_property("response.code_details", "internal_redirect");
    first.set_property("upstream.request_attempt_count", 1_u64);
    let second = hopspan.stream();
    let between = first.upstream_headers().with(":path", "/elsewhere");
    first.finish();
    second.request_headers(between, true);
    hopspan.pass(5_000);
    second.respond(200);
    second.finish();

    let spans = hopspan.spans();
    let [outer, inner] = spans.as_slice() else { panic!("two spans: {spans:#?}") };
    assert_eq!((outer.parent_id(), inner.parent_id()), (PARENT.into(), outer.span_id()));
    assert_eq!(outer.int("http.response.status_code"), Some(302));
    assert_eq!(inner.text("url.path"), Some("/elsewhere"));
    assert_eq!(
        outer.status(),
        StatusCode::Unset,
        "a redirect is no failure: {:#?}",
        attributes(outer)
    );
}

//! What spans say of a hop.

use super::*;

#[test]
fn a_span_says_what_the_proxy_knows() {
    let mut tracer = inbound();
    exchange(&mut tracer, &[], Scripted::answered("200"));
    let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
    assert_eq!((&span.name[..], span.kind), ("GET /cart", 2));
    assert_eq!(span.start_time_unix_nano, 1_700_000_000_000_000_000);
    assert_eq!(span.end_time_unix_nano, 1_700_000_000_052_000_000);
    assert_eq!(
        attributes(span),
        [
            "http.request.method=GET",
            "server.address=shop.example",
            "server.port=8080",
            "url.scheme=http",
            "url.path=/cart",
            "url.query=token=REDACTED",
            "url.template=/cart",
            "hopspan.route=/cart",
            "http.response.status_code=200",
            "client.address=10.0.0.7",
            "client.port=5555",
            "network.peer.address=10.0.0.7",
            "network.peer.port=5555",
            "network.protocol.version=1.1",
            "user_agent.original=curl/8",
            "hopspan.proxy_time_ns=1000000",
            "hopspan.upstream_time_ns=50000000",
            "hopspan.upstream.cluster=shop",
            "hopspan.upstream.address=10.0.0.9:8080",
        ]
    );
    assert_eq!(span.status, None);
}

/// The value of an attribute, where the span has it.
fn value<'a>(attributes: &'a [String], key: &str) -> Option<&'a str> {
    attributes.iter().find_map(|it| it.strip_prefix(key)?.strip_prefix('='))
}

#[test]
fn each_part_of_a_request_is_on_the_span_that_is_nearest_to_it() {
    let mut tracer = tracer(r#"{"direction":"gateway","collector":{"cluster":"c"}}"#);
    let mut stream = Scripted::answered("200")
        .with(Fact::RouteName, b"shop-route")
        .with(Fact::DownstreamTls, b"TLSv1.3")
        .with(Fact::PeerUriSan, b"spiffe://a/caller")
        .with(Fact::UpstreamTls, b"TLSv1.2")
        .with(Fact::UpstreamDnsSan, b"shop.internal")
        .number(Fact::PoolReady, 300_000);
    let bytes = encode_headers(&[&GET[..], &[("x-request-id", "r-1")]].concat());
    let head = RequestHead { headers: Headers::new(&bytes), end_of_stream: false, now: ms(0) };
    let mut span = tracer.start(&head, &mut stream, &mut ids()).span.unwrap();
    span.request_body(7);
    span.request_body(5);
    span.request_ended(|| ms(2));
    span.response_began(|| ms(50));
    span.response_body(100);
    span.response_ended(|| ms(51));
    tracer.finish(span, &mut stream, || at(52));

    let [server, client] = &exported(&mut tracer)[..] else { panic!("two spans") };
    let (server, client) = (attributes(server), attributes(client));
    for (key, of_server, of_client) in [
        ("user_agent.original", Some("curl/8"), None),
        ("http.request.body.size", Some("12"), None),
        ("http.response.body.size", Some("100"), None),
        ("hopspan.route_name", Some("shop-route"), None),
        ("hopspan.pool_wait_ns", Some("300000"), None),
        ("hopspan.request_receive_ns", Some("2000000"), None),
        ("hopspan.first_byte_ns", Some("50000000"), None),
        ("hopspan.response_send_ns", Some("2000000"), None),
        ("hopspan.downstream.tls_version", Some("TLSv1.3"), None),
        ("hopspan.downstream.peer", Some("spiffe://a/caller"), None),
        ("hopspan.upstream.cluster", Some("shop"), Some("shop")),
        ("hopspan.upstream.tls_version", None, Some("TLSv1.2")),
        ("hopspan.upstream.peer", None, Some("shop.internal")),
        ("network.peer.address", Some("10.0.0.7"), Some("10.0.0.9")),
        ("network.peer.port", Some("5555"), Some("8080")),
        ("url.full", None, Some("http://shop.example:8080/cart?token=REDACTED")),
    ] {
        assert_eq!((value(&server, key), value(&client, key)), (of_server, of_client), "{key}");
    }
    let request_id = value(&server, "http.request.header.x-request-id");
    assert!(request_id.is_some_and(|it| it.contains("r-1")), "a list: {server:?}");
}

#[test]
fn an_address_that_another_proxy_told_is_not_who_the_connection_is_with() {
    let mut tracer = inbound();
    let told = Scripted::answered("200").with(Fact::ClientAddress, b"203.0.113.9:0");
    exchange(&mut tracer, &[("x-forwarded-for", "203.0.113.9")], told);
    let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
    let attributes = attributes(span);
    assert_eq!(value(&attributes, "client.address"), Some("203.0.113.9"));
    for key in ["client.port", "network.peer.address", "network.peer.port"] {
        assert_eq!(value(&attributes, key), None, "{key}");
    }
}

#[test]
fn a_trusted_caller_may_say_what_was_asked_for() {
    let forwarded =
        [("x-forwarded-proto", "https"), ("x-forwarded-host", "www.example, shop.example")];
    for (why, trust, want) in [
        ("trusted", "continue", ("https", "www.example", "443")),
        ("not trusted", "ignore_sampling", ("http", "shop.example", "8080")),
    ] {
        let mut tracer = tracer(&format!(
            r#"{{"direction":"inbound","trust":{{"default":"{trust}"}},"collector":{{"cluster":"c"}}}}"#
        ));
        exchange(&mut tracer, &forwarded, Scripted::answered("200"));
        let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
        let attributes = attributes(span);
        let got = ["url.scheme", "server.address", "server.port"].map(|it| value(&attributes, it));
        assert_eq!(got, [Some(want.0), Some(want.1), Some(want.2)], "{why}");
    }
}

#[test]
fn what_the_proxy_answers_itself_is_nothing_that_it_received() {
    let made = |status, flag: u32, details: &str| {
        Scripted::answered(status)
            .number(Fact::ResponseFlags, 1 << flag)
            .with(Fact::CodeDetails, details.as_bytes())
    };
    let refused = "upstream_reset_before_response_started{connection_refused}";
    for (why, stream, status, server, client) in [
        (
            "refused",
            made("503", 5, refused),
            None,
            Some("upstream_connection_failure"),
            Some("upstream_connection_failure"),
        ),
        (
            "no answer in time",
            made("504", 2, "response_timeout"),
            None,
            Some("timeout"),
            Some("timeout"),
        ),
        (
            "idle, which was the client's affair",
            made("408", 16, "stream_idle_timeout"),
            None,
            None,
            Some("stream_idle_timeout"),
        ),
        (
            "the last of several tries",
            made("503", 15, "via_upstream"),
            Some("503"),
            Some("503"),
            Some("503"),
        ),
        ("a flag beside a good answer", made("200", 15, "via_upstream"), Some("200"), None, None),
    ] {
        let mut tracer = tracer(r#"{"direction":"gateway","collector":{"cluster":"c"}}"#);
        exchange(&mut tracer, &[], stream);
        let spans = exported(&mut tracer);
        let [of_server, of_client] = &spans[..] else { panic!("two spans") };
        let (of_server, of_client) = (attributes(of_server), attributes(of_client));
        assert_eq!(value(&of_client, "http.response.status_code"), status, "{why}");
        assert!(value(&of_server, "http.response.status_code").is_some(), "{why}");
        let errors = [&of_server, &of_client].map(|it| value(it, "error.type"));
        assert_eq!(errors, [server, client], "{why}");
    }
}

#[test]
fn the_direction_decides_the_spans_of_a_hop() {
    for (why, document, listener, want) in [
        ("inbound", r#""direction":"inbound""#, None, &[2][..]),
        ("outbound", r#""direction":"outbound""#, None, &[3]),
        ("gateway", r#""direction":"gateway""#, None, &[2, 3]),
        ("inbound listener", r#""strict":true"#, Some(1), &[2]),
        ("outbound listener", r#""strict":true"#, Some(2), &[3]),
        ("listener without direction", r#""strict":true"#, Some(0), &[2, 3]),
        ("listener that does not tell", r#""strict":true"#, None, &[2, 3]),
        ("configured", r#""direction":"inbound","spans":{"kind":"client"}"#, None, &[3]),
    ] {
        let mut tracer = tracer(&format!(r#"{{{document},"collector":{{"cluster":"c"}}}}"#));
        let mut stream = Scripted::answered("200");
        if let Some(direction) = listener {
            stream = stream.number(Fact::ListenerDirection, direction);
        }
        let started = exchange(&mut tracer, &[], stream);
        let spans = exported(&mut tracer);
        assert_eq!(spans.iter().map(|it| it.kind).collect::<Vec<_>>(), want, "{why}");
        let innermost = spans.last().unwrap();
        let (_, parent_id, _) = sent(&started);
        assert_eq!(
            hopspan_core::id::hex::<8>(parent_id.as_bytes()).unwrap(),
            &innermost.span_id[..],
            "{why}"
        );
        if let [server, client] = &spans[..] {
            assert_eq!(client.parent_span_id, server.span_id, "{why}");
            assert_eq!(client.start_time_unix_nano - server.start_time_unix_nano, 1_000_000);
            assert_eq!(client.end_time_unix_nano - client.start_time_unix_nano, 50_000_000);
            let own =
                |it: &otlp_types::Span| attributes(it).iter().any(|it| it.contains("proxy_time"));
            assert!(own(server) && !own(client), "{why}: the outermost span has the proxy's view");
        }
    }
}

#[test]
fn without_an_attempt_there_is_no_client_span() {
    let mut tracer = tracer(r#"{"direction":"gateway","collector":{"cluster":"c"}}"#);
    exchange(&mut tracer, &[], Scripted::answered("404").number(Fact::Attempts, 0));
    let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
    let attributes = attributes(span);
    assert_eq!(span.kind, 2);
    assert!(attributes.contains(&"hopspan.proxy_time_ns=51000000".to_owned()), "{attributes:?}");
}

#[test]
fn an_outcome_is_judged_by_the_side_that_saw_it() {
    let reset = |it: Scripted| {
        it.number(Fact::ResponseFlags, 1 << 23)
            .with(Fact::CodeDetails, b"upstream_reset_after_response_started{protocol_error}")
    };
    let gone = |it: Scripted| it.number(Fact::ResponseFlags, 1 << 14);
    for (why, stream, complete, server, client) in [
        ("200", Scripted::answered("200"), true, None, None),
        ("404", Scripted::answered("404"), true, None, Some("404")),
        ("500", Scripted::answered("500"), true, Some("500"), Some("500")),
        (
            "reset in the middle",
            reset(Scripted::answered("200")),
            false,
            Some("upstream_protocol_error"),
            Some("upstream_protocol_error"),
        ),
        (
            "cut off without a flag",
            Scripted::answered("200").with(Fact::CodeDetails, b"some_reason{with particulars}"),
            false,
            Some("some_reason"),
            Some("some_reason"),
        ),
        (
            "client gone after a bad answer began",
            gone(Scripted::answered("500")),
            false,
            Some("500"),
            Some("500"),
        ),
        ("client gone in the middle", gone(Scripted::answered("200")), false, None, None),
        (
            "client gone before",
            Scripted { response: None, ..gone(Scripted::answered("")) },
            false,
            None,
            None,
        ),
        (
            "upgrade",
            Scripted::answered("101").number(Fact::ResponseFlags, 1 << 6),
            false,
            None,
            None,
        ),
        (
            "redirect by the proxy itself",
            Scripted::answered("302").with(Fact::CodeDetails, b"internal_redirect"),
            false,
            None,
            None,
        ),
        (
            "cut off, nobody knows why",
            Scripted::answered("200").with(Fact::CodeDetails, b""),
            false,
            Some("incomplete"),
            Some("incomplete"),
        ),
    ] {
        let mut tracer = tracer(r#"{"direction":"gateway","collector":{"cluster":"c"}}"#);
        let mut stream = stream;
        let mut span = start(&mut tracer, &[], &mut stream).span.unwrap();
        if complete {
            span.response_ended(|| ms(51));
        }
        tracer.finish(span, &mut stream, || at(52));
        let spans = exported(&mut tracer);
        let got: Vec<_> = spans
            .iter()
            .map(|span| {
                let class = attributes(span)
                    .into_iter()
                    .find_map(|it| it.strip_prefix("error.type=").map(str::to_owned));
                assert_eq!(
                    span.status.as_ref().map(|it| it.code),
                    class.as_ref().map(|_| 2),
                    "{why}"
                );
                class
            })
            .collect();
        assert_eq!(got, [server.map(str::to_owned), client.map(str::to_owned)], "{why}");
    }
}

#[test]
fn a_grpc_call_is_judged_by_its_own_status() {
    let grpc = [("content-type", "application/grpc"), (":path", "/shop.Cart/Get")];
    let trailers_only = |status| Scripted {
        response: Some(vec![(":status", "200"), ("grpc-status", status)]),
        ..Scripted::answered("200")
    };
    let trailers = |status| Scripted {
        trailers: [("grpc-status", status)].into(),
        ..Scripted::answered("200")
    };
    for (why, stream, want_status, want_error) in [
        ("ok", trailers("0"), "OK", None),
        ("not found is the client's affair", trailers("5"), "NOT_FOUND", None),
        ("unavailable", trailers("14"), "UNAVAILABLE", Some("UNAVAILABLE")),
        ("trailers only", trailers_only("13"), "INTERNAL", Some("INTERNAL")),
        (
            "cancelled",
            Scripted::answered("200").number(Fact::ResponseFlags, 1 << 28),
            "CANCELLED",
            None,
        ),
    ] {
        let mut tracer = inbound();
        exchange(&mut tracer, &grpc, stream);
        let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
        let attributes = attributes(span);
        let value =
            |key: &str| attributes.iter().find_map(|it| it.strip_prefix(&format!("{key}=")));
        assert_eq!(span.name, "shop.Cart/Get", "{why}");
        assert_eq!(value("rpc.system.name"), Some("grpc"), "{why}");
        assert_eq!(value("rpc.method"), Some("shop.Cart/Get"), "{why}");
        assert_eq!(value("rpc.response.status_code"), Some(want_status), "{why}");
        assert_eq!(value("error.type"), want_error, "{why}");
    }
}

#[test]
fn a_request_that_an_earlier_filter_answered_has_a_span_of_the_hosts_times() {
    let mut tracer = inbound();
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let bytes = encode_headers(&[&GET[..], &[("traceparent", &traceparent)]].concat());
    let mut stream = Scripted::answered("403")
        .number(Fact::Attempts, 0)
        .number(Fact::RequestTime, 1_700_000_000_000_000_000)
        .number(Fact::RequestDuration, 3_000_000);
    tracer.refused(Headers::new(&bytes), &mut stream, &mut ids(), at(9));
    let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
    assert_eq!(hopspan_core::id::hex::<8>(PARENT.as_bytes()).unwrap(), &span.parent_span_id[..]);
    assert_eq!(span.start_time_unix_nano, 1_700_000_000_000_000_000);
    assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 3_000_000);
    let attributes = attributes(span);
    assert!(attributes.contains(&"hopspan.proxy_time_ns=3000000".to_owned()), "{attributes:?}");
    assert!(attributes.contains(&"hopspan.proxy_time_upper_bound=true".to_owned()));
}

//! What spans say of a hop.

use super::*;

#[test]
fn a_span_says_what_the_proxy_knows() {
    let mut tracer = inbound();
    exchange(&mut tracer, &[], Scripted::answered("200"));
    let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
    assert_eq!((&span.name[..], span.kind), ("GET", 2));
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
            "client.address=10.0.0.7",
            "client.port=5555",
            "user_agent.original=curl/8",
            "http.response.status_code=200",
            "network.protocol.version=1.1",
            "hopspan.upstream.cluster=shop",
            "hopspan.upstream.address=10.0.0.9:8080",
            "hopspan.proxy_time_ns=1000000",
            "hopspan.upstream_time_ns=50000000",
        ]
    );
    assert_eq!(span.status, None);
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
            Some("upstream_reset_after_response_started"),
            Some("upstream_reset_after_response_started"),
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

#[test]
fn nothing_is_asked_that_no_attribute_needs() {
    let asked = |document: &str, mut stream: Scripted| {
        let mut tracer = tracer(document);
        let mut span = start(&mut tracer, &[], &mut stream).span.unwrap();
        span.response_ended(|| ms(51));
        tracer.finish(span, &mut stream, || at(52));
        stream.asked
    };
    use Fact::*;
    let inbound = r#"{"direction":"inbound","collector":{"cluster":"c"}}"#;
    let fine = [Attempts, Cluster, UpstreamAddress, BackendLatency, ClientAddress, Protocol];
    assert_eq!(asked(inbound, Scripted::answered("200")), fine);
    let failed = [ResponseFlags, CodeDetails].iter().chain(&fine).copied().collect::<Vec<_>>();
    assert_eq!(asked(inbound, Scripted::answered("503")), failed);
    let local = Scripted::answered("200").number(Attempts, 0);
    assert_eq!(asked(inbound, local), [Attempts, ClientAddress, Protocol]);
    let unsampled = r#"{"direction":"inbound","collector":{"cluster":"c"},"sampling":{"ratio":0}}"#;
    assert_eq!(asked(unsampled, Scripted::answered("200")), []);
    let nothing = Scripted::answered("200");
    assert_eq!(asked(r#"{"direction":"inbound"}"#, nothing), [], "nothing is exported");
    let nothing = Scripted::answered("200");
    assert_eq!(asked("{}", nothing), [ListenerDirection], "is it outbound without context?");
}

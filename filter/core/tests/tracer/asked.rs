//! What the host is asked at the end of a request.

use super::*;

#[test]
fn nothing_is_asked_that_no_attribute_needs() {
    let asked = |document: &str, mut stream: Scripted| {
        let mut tracer = tracer(document);
        let mut span = start(&mut tracer, &[], &mut stream).span.unwrap();
        span.response_ended(|| ms(51));
        tracer.finish(span, &mut stream, || at(52));
        // What comes at once is what is asked at most.
        assert!(stream.asked.iter().all(|it| tracer.config().asks_at_end(*it)), "{document}");
        stream.asked
    };
    use Fact::*;
    let inbound = r#"{"direction":"inbound","collector":{"cluster":"c"}}"#;
    let upstream = [Cluster, UpstreamAddress, BackendLatency, PoolReady];
    let client = [Protocol, DownstreamTls, ClientAddress];
    let hop = [ResponseCode, RouteName, Attempts];
    let all = |parts: &[&[Fact]]| parts.concat();
    let beside = Scripted::answered("200").with(UpstreamTls, b"TLSv1.3");
    assert_eq!(asked(inbound, beside), all(&[&hop, &upstream, &client]));
    let why = [ResponseFlags, CodeDetails];
    let failed = asked(inbound, Scripted::answered("503"));
    assert_eq!(failed, all(&[&hop, &why, &upstream, &client]));
    let flagged = asked(inbound, Scripted::answered("503").number(ResponseFlags, 1 << 5));
    assert_eq!(flagged, all(&[&hop, &why, &upstream, &[TransportFailure], &client]));
    let local = Scripted::answered("200").number(Attempts, 0);
    assert_eq!(asked(inbound, local), all(&[&hop, &client]));
    let outbound = r#"{"direction":"outbound","collector":{"cluster":"c"}}"#;
    let elsewhere = [Cluster, UpstreamTls, UpstreamAddress, BackendLatency, PoolReady];
    assert_eq!(asked(outbound, Scripted::answered("200")), all(&[&hop, &elsewhere]));
    let secured = Scripted::answered("200").with(UpstreamTls, b"TLSv1.3");
    let names = [UpstreamTls, UpstreamUriSan, UpstreamDnsSan];
    assert!(asked(outbound, secured).windows(3).any(|it| it == names), "TLS has names");
    let unsampled = r#"{"direction":"inbound","collector":{"cluster":"c"},"sampling":{"ratio":0}}"#;
    assert_eq!(asked(unsampled, Scripted::answered("200")), []);
    let nothing = Scripted::answered("200");
    assert_eq!(asked(r#"{"direction":"inbound"}"#, nothing), [], "nothing is exported");
    let nothing = Scripted::answered("200");
    assert_eq!(asked("{}", nothing), [ListenerDirection], "is it outbound without context?");
}

#[test]
fn a_minimal_span_asks_for_the_status_of_what_went_well() {
    let document =
        r#"{"direction":"inbound","collector":{"cluster":"c"},"spans":{"detail":"minimal"}}"#;
    // The first at a path may be answered by the proxy, which says nothing of the path.
    let (status, attempts) = (Fact::ResponseCode, Fact::Attempts);
    for (why, code, before, asked) in [
        ("the first good answer", "200", 0, Some(&[status, attempts][..])),
        ("a good answer", "200", 1, Some(&[status])),
        ("an error", "503", 0, None),
    ] {
        let (mut tracer, asked_all) = (tracer(document), asked.is_none());
        let mut request = || {
            let mut stream = Scripted::answered(code).number(status, code.parse().unwrap());
            let mut span = start(&mut tracer, &[], &mut stream).span.unwrap();
            span.response_ended(|| ms(51));
            tracer.finish(span, &mut stream, || at(52));
            stream.asked
        };
        for _ in 0..before {
            request();
        }
        let found = request();
        assert!(asked.is_none_or(|it| it == found), "{why}: {found:?}");
        let spans = exported(&mut tracer);
        let span = spans.last().expect("a span");
        let told = attributes(span);
        let has = |key: &str| told.iter().any(|it| it.starts_with(key));
        assert!(has("http.response.status_code=") && has("url.path="), "{why}: {told:?}");
        assert_eq!(has("hopspan.upstream.cluster="), asked_all, "{why}: {told:?}");
        assert_eq!(has("hopspan.proxy_time_ns="), asked_all, "{why}: {told:?}");
    }
}

#[test]
fn what_no_attribute_of_a_direction_needs_does_not_come_with_the_rest() {
    use Fact::*;
    let client = [Protocol, ClientAddress, DownstreamTls, PeerUriSan, PeerDnsSan];
    let upstream = [UpstreamTls, UpstreamUriSan, UpstreamDnsSan];
    let both = r#"{"direction":"inbound","spans":{"kind":"client"}}"#;
    for (document, left_out) in [
        ("{}", vec![]),
        (r#"{"direction":"gateway"}"#, vec![ListenerDirection]),
        (r#"{"direction":"inbound"}"#, [&[ListenerDirection][..], &upstream].concat()),
        (r#"{"direction":"outbound"}"#, [&[ListenerDirection][..], &client].concat()),
        (both, [&[ListenerDirection][..], &client, &upstream].concat()),
    ] {
        let tracer = tracer(document);
        let all = [&[ListenerDirection, Cluster, ResponseCode][..], &client, &upstream].concat();
        let found: Vec<_> =
            all.into_iter().filter(|it| !tracer.config().asks_at_end(*it)).collect();
        assert_eq!(found, left_out, "{document}");
    }
}

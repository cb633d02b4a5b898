//! `sampling.keep` along a path: who was not sampled tells the hops above what it met.

use crate::hopspan::{Hopspan, PARENT, SAMPLED, TRACE, UNSAMPLED, builder};
use crate::mesh::{Pod, assert_one_trace, forwarded, keeping, reason, respond_through};
use crate::received::Received;
use host_test::{Headers, Stream};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

/// The span of which the caller is told that it is kept, if it is told.
#[track_caller]
fn kept_span(stream: &Stream) -> Option<String> {
    let headers = stream.downstream_headers();
    match headers.values("traceresponse").as_slice() {
        [] => None,
        [value] => {
            // The same form as traceparent, with the callee's span.
            let told = crate::traceparent::Traceparent::parse(value);
            assert_eq!(told.trace_id, crate::hopspan::sent(stream).trace_id);
            assert_eq!(told.flags, "01");
            Some(told.parent_id)
        }
        several => panic!("one at most: {several:?}"),
    }
}

/// Whether the caller is told, by a hop of one span.
#[track_caller]
fn told(stream: &Stream) -> bool {
    kept_span(stream).is_some_and(|it| {
        assert_eq!(it, crate::hopspan::sent(stream).parent_id);
        true
    })
}

/// client → gateway → cart (in, out) → pay (in), whose application fails: 500. Cart's own
/// hides that. Returns the spans of gateway, cart and pay.
fn hidden_error(workers: [usize; 2]) -> [Vec<Received>; 3] {
    let gateway = Hopspan::of(builder(keeping("gateway", "edge", "")).random_seed(99));
    let (cart, pay) = (Pod::of("cart"), Pod::of("pay"));
    let edge = gateway.stream();
    edge.request_headers(Headers::plain_get("/cart"), true);
    let cart_in = cart.inbound(workers[0]);
    cart_in.request_headers(edge.upstream_headers(), true);
    let cart_out = cart.outbound(workers[1]);
    cart_out.request_headers(forwarded(&cart_in), true);
    let pay_in = pay.inbound(0);
    pay_in.request_headers(cart_out.upstream_headers(), true);

    pay_in.respond(500);
    assert!(told(&pay_in), "who asked is told");
    respond_through(&pay_in, &cart_out);
    assert!(!told(&cart_out), "the application is not");
    cart_in.respond(200);
    assert!(told(&cart_in), "the proxy remembers");
    respond_through(&cart_in, &edge);
    assert!(!told(&edge), "the client is not told");
    [&pay_in, &cart_out, &cart_in, &edge].into_iter().for_each(Stream::finish);
    [gateway.spans(), cart.hopspan.spans(), pay.hopspan.spans()]
}

#[test]
fn an_error_that_an_application_hides_is_kept_on_every_hop_above_it() {
    for workers in [[0, 0], [0, 1], [1, 0]] {
        let [edge, cart, pay] = hidden_error(workers);
        let reasons: Vec<_> = [&pay, &cart, &edge].map(|it| reason(&it[0])).into();
        assert_eq!(reasons, [Some("error"), Some("below"), Some("below")], "{workers:?}");
        let spans = [edge, cart, pay].concat();
        assert_eq!(spans.len(), 5, "{workers:?}: {spans:#?}");
        assert_one_trace(&spans, 1);
        for span in &spans {
            assert_eq!(span.span.trace_state, "", "who calls is not exported: {span:#?}");
            assert!(span.int("http.response.status_code").is_some());
        }
    }
}

#[test]
fn what_goes_well_is_kept_nowhere_and_nobody_is_told() {
    let (cart, pay) = (Pod::of("cart"), Pod::of("pay"));
    for status in [200, 204, 302, 404, 429] {
        let above = cart.outbound(0);
        above.request_headers(Headers::plain_get("/").with("traceparent", UNSAMPLED), true);
        let announced = above.upstream_headers().text("tracestate").map(str::to_owned);
        let parent = crate::hopspan::sent(&above).parent_id;
        assert_eq!(announced, Some(format!("hopspan={parent};cart")));
        let below = pay.inbound(0);
        below.request_headers(above.upstream_headers(), true);
        assert_eq!(below.upstream_headers().value("tracestate"), None, "not for applications");
        below.respond(status);
        assert!(!told(&below), "{status}");
        respond_through(&below, &above);
        [&below, &above].into_iter().for_each(Stream::finish);
    }
    assert_eq!((cart.hopspan.spans().len(), pay.hopspan.spans().len()), (0, 0));
}

/// Only hopspan asks by its own member, beside the parent-id that it wrote it for, and only
/// trusted callers count.
#[test]
fn only_who_asked_is_told() {
    let trust = |action: &str| format!(r#""trust":{{"default":"{action}"}},"#);
    let bound = format!("hopspan={PARENT};shop,a=1");
    let spaced = format!("a=1 ,\thopspan={PARENT};");
    let (stale, upper) = ("hopspan=00f067aa0ba902b7;shop", format!("hopspan={PARENT}:shop"));
    for (why, action, state, want) in [
        ("it asked", "continue", bound.as_str(), true),
        ("without a name", "continue", &spaced, true),
        ("no member", "continue", "a=1", false),
        ("the member of another hop", "continue", stale, false),
        ("of another form", "continue", &upper, false),
        ("a stranger", "ignore_sampling", &bound, false),
        ("a stranger to restart", "restart", &bound, false),
    ] {
        let hopspan = Hopspan::start(&keeping("gateway", "edge", &trust(action)));
        let stream = hopspan.stream();
        let request = Headers::plain_get("/").with("traceparent", UNSAMPLED);
        stream.request_headers(request.with("tracestate", state), true);
        stream.respond(503);
        let told = kept_span(&stream);
        stream.finish();
        let spans = hopspan.spans();
        assert_eq!(spans.len(), 2, "{why}: kept in any case");
        let callee = spans.iter().find(|it| it.kind() == SpanKind::Server).expect("a SERVER span");
        let callee = callee.span_id();
        assert_eq!(told, want.then_some(callee), "{why}: of the span that was called");
        let is_member = state.contains("hopspan") && action != "continue";
        assert_eq!(hopspan.untrusted("member"), i64::from(is_member), "{why}");
    }
}

/// What others put there is theirs.
#[test]
fn a_response_is_believed_and_cleared_only_where_it_is_an_answer_to_us() {
    let answer = |trace: &str, flags: &str| format!("00-{trace}-00f067aa0ba902b7-{flags}");
    let other = "1af7651916cd43dd8448eb211c80319c";
    for (why, value, is_kept, passes) in [
        ("kept below", answer(TRACE, "01"), true, false),
        ("and random", answer(TRACE, "03"), true, false),
        ("not kept", answer(TRACE, "00"), false, false),
        ("of another trace", answer(other, "01"), false, true),
        ("broken", answer(TRACE, "1"), false, true),
        ("nothing in it", String::new(), false, true),
    ] {
        let cart = Pod::of("cart");
        let stream = cart.outbound(0);
        stream.request_headers(Headers::plain_get("/").with("traceparent", UNSAMPLED), true);
        let response = Headers::from([(":status", "200"), ("traceresponse", &value)]);
        stream.response_headers(&response, true);
        stream.finish();
        let headers = stream.downstream_headers();
        assert_eq!(headers.value("traceresponse").is_some(), passes, "{why}");
        assert_eq!(headers.value(":status"), Some(&b"200"[..]), "{why}");
        assert_eq!(cart.hopspan.spans().len(), usize::from(is_kept), "{why}");
        // Inbound hops ask nobody.
        let stream = cart.inbound(0);
        let elsewhere = format!("00-{other}-{PARENT}-00");
        stream.request_headers(Headers::plain_get("/").with("traceparent", elsewhere), true);
        let response = Headers::from([(":status", "200"), ("traceresponse", &answer(other, "01"))]);
        stream.response_headers(&response, true);
        stream.finish();
        assert_eq!(stream.downstream_headers(), response, "{why}");
        assert_eq!(cart.hopspan.spans().len(), 0, "{why}");
    }
}

/// A hop that says who calls asks for an answer only if it needs one, which it keeps from its client.
#[test]
fn whoever_asks_clears_the_answer_away() {
    let (keep, plain) = (r#""keep":{"errors":true}"#, r#""keep":{}"#);
    for (why, keep, collector, traceparent, asks) in [
        ("it keeps", keep, r#""cluster":"otel""#, UNSAMPLED, true),
        ("it keeps nothing", plain, r#""cluster":"otel""#, UNSAMPLED, false),
        ("it exports nothing", keep, "", UNSAMPLED, false),
        ("it was sampled", keep, r#""cluster":"otel""#, SAMPLED, false),
    ] {
        let hopspan = Hopspan::start(&format!(
            r#"{{"direction":"outbound","collector":{{{collector}}},
            "metrics":{{"announce_caller":"always"}},"sampling":{{"ratio":0,{keep}}}}}"#
        ));
        let stream = hopspan.stream();
        stream.request_headers(Headers::plain_get("/").with("traceparent", traceparent), true);
        let member = stream.upstream_headers().text("tracestate").unwrap_or_default().to_owned();
        assert!(member.starts_with("hopspan="), "{why}: {member}");
        assert_eq!(member.contains(';'), asks, "{why}: {member}");
        let answer = format!("00-{TRACE}-00f067aa0ba902b7-01");
        stream.response_headers([(":status", "200"), ("traceresponse", &answer)], true);
        let passes = stream.downstream_headers().value("traceresponse").is_some();
        assert_eq!(passes, !asks, "{why}");
        stream.finish();
    }
}

/// Others in the mesh are asked, nobody outside of it: which Istio alone tells.
#[test]
fn only_hops_within_the_mesh_hear_who_calls() {
    const ISTIO: &str = "sidecar~10.0.0.1~cart-7d.shop~shop.svc.cluster.local";
    let never = r#""metrics":{"announce_caller":"never"},"#;
    let uncounted = r#""metrics":{"to":[]},"#;
    for (why, node, more, cluster, traceparent, want) in [
        ("a service", ISTIO, "", "outbound|80||pay.shop.svc.cluster.local", UNSAMPLED, true),
        ("what Istio does not know", ISTIO, "", "PassthroughCluster", UNSAMPLED, false),
        ("a host outside", ISTIO, "", "outbound|443||api.example.com", UNSAMPLED, false),
        ("a cluster by its name", "cart-1", "", "pay", UNSAMPLED, true),
        ("whatever its name", "cart-1", "", "PassthroughCluster", UNSAMPLED, true),
        ("it is switched off", "cart-1", never, "pay", UNSAMPLED, false),
        ("the trace is recorded anyway", "cart-1", uncounted, "pay", SAMPLED, false),
        ("and requests are counted", "cart-1", "", "pay", SAMPLED, true),
    ] {
        let builder = builder(keeping("outbound", "cart", more)).node_id(node);
        let hopspan = Hopspan::of(builder.property("xds.cluster_name", cluster));
        let stream = hopspan.stream();
        stream.request_headers(Headers::plain_get("/").with("traceparent", traceparent), true);
        let asks = stream.upstream_headers().value("tracestate").is_some();
        assert_eq!(asks, want, "{why}");
        stream.respond(200);
        stream.finish();
    }
}

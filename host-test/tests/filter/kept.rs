//! What `sampling.keep` keeps of one hop, and what a span that was kept afterwards says.

use crate::hopspan::{Hopspan, TRACE, UNSAMPLED, attributes, sent};
use crate::mesh::{Pod, keeping, reason};
use host_test::{Headers, Stream};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind::{Client, Server};

fn unsampled() -> Headers {
    Headers::plain_get("/cart?token=secret").with("traceparent", UNSAMPLED)
}

fn status(stream: &Stream, status: &str) {
    stream.response_headers([(":status", status)], true);
}

#[test]
fn errors_and_slow_requests_are_kept_and_nothing_else() {
    let (errors, slow) = (r#""errors":true"#, r#""slower_than_ms":1000"#);
    type Life = fn(&Hopspan, &Stream);
    for (why, keep, is_call, life, want) in [
        ("a failure", errors, false, (|_, it| status(it, "500")) as Life, Some("error")),
        ("a gateway's", errors, false, |_, it| status(it, "503"), Some("error")),
        (
            "a local one",
            errors,
            false,
            |_, it| {
                it.local_reply(503, 2, "no_healthy");
            },
            Some("error"),
        ),
        ("a client's mistake", errors, false, |_, it| status(it, "404"), None),
        ("a redirect", errors, false, |_, it| status(it, "302"), None),
        ("success", errors, false, |_, it| status(it, "200"), None),
        (
            "cut off",
            errors,
            false,
            |_, it| {
                it.response_headers([(":status", "200")], false);
            },
            Some("error"),
        ),
        (
            "never answered",
            errors,
            false,
            |_, it| it.set_property("response.flags", 1_i64 << 5),
            Some("error"),
        ),
        (
            "the client went away",
            errors,
            false,
            |_, it| it.set_property("response.flags", 1_i64 << 14),
            None,
        ),
        (
            "a call that failed",
            errors,
            true,
            |_, it| {
                it.response_headers([(":status", "200")], false);
                it.response_trailers([("grpc-status", "14")]);
            },
            Some("error"),
        ),
        (
            "at its head",
            errors,
            true,
            |_, it| {
                it.response_headers([(":status", "200"), ("grpc-status", "2")], true);
            },
            Some("error"),
        ),
        (
            "a call that went well",
            errors,
            true,
            |_, it| {
                it.response_headers([(":status", "200")], false);
                it.response_trailers([("grpc-status", "0")]);
            },
            None,
        ),
        (
            "a call for what is not there",
            errors,
            true,
            |_, it| {
                it.response_headers([(":status", "200")], false);
                it.response_trailers([("grpc-status", "5")]);
            },
            None,
        ),
        (
            "slow, at its head",
            slow,
            false,
            |hopspan, it| {
                hopspan.pass(1_000_001);
                status(it, "200");
            },
            Some("slow"),
        ),
        (
            "no slower than that",
            slow,
            false,
            |hopspan, it| {
                hopspan.pass(1_000_000);
                status(it, "200");
            },
            None,
        ),
        (
            "slow at its end",
            slow,
            false,
            |hopspan, it| {
                it.response_headers([(":status", "200")], false);
                hopspan.pass(1_000_001);
                it.response_body(b"", true);
            },
            Some("slow"),
        ),
        ("failed, and not asked for", slow, false, |_, it| status(it, "500"), None),
        (
            "slow, and not asked for",
            errors,
            false,
            |hopspan, it| {
                hopspan.pass(9_000_000);
                status(it, "200");
            },
            None,
        ),
        (
            "a WebSocket",
            errors,
            false,
            |_, it| {
                it.response_headers([(":status", "101")], false);
            },
            None,
        ),
        ("nothing is asked for", "", false, |_, it| status(it, "500"), None),
    ] {
        for direction in ["inbound", "outbound"] {
            let hopspan = Hopspan::start(&format!(
                r#"{{"direction":"{direction}","collector":{{"cluster":"otel"}},
                "sampling":{{"ratio":0,"keep":{{{keep}}}}}}}"#
            ));
            let stream = hopspan.stream();
            let request = if is_call { Headers::grpc("/shop.Cart/Add") } else { unsampled() };
            stream.request_headers(request.with("traceparent", UNSAMPLED), true);
            life(&hopspan, &stream);
            stream.finish();
            let spans = hopspan.spans();
            let reasons: Vec<_> = spans.iter().map(reason).collect();
            let want: Vec<_> = want.into_iter().map(Some).collect();
            assert_eq!(reasons, want, "{why}, {direction}");
            assert_eq!(hopspan.stat("sampling.kept"), want.len() as i64, "{why}, {direction}");
            assert_eq!(hopspan.stat("sampling.sampled"), 0, "{why}, {direction}");
        }
    }
}

/// It is read when the request is over, and says the same as one that was sampled.
#[test]
fn a_kept_span_says_what_a_sampled_one_does() {
    let spans_of = |traceparent: &str, route: fn(Headers) -> Headers| {
        let hopspan =
            Hopspan::start(&keeping("gateway", "edge", r#""trust":{"default":"continue"},"#));
        let stream = hopspan.stream();
        let request = unsampled().with("traceparent", traceparent).with("tracestate", "a=1");
        stream.request_headers(request, true);
        hopspan.pass(150);
        stream.rewrite_upstream_headers(route);
        stream.set_property("response.backend_latency", std::time::Duration::from_micros(90));
        stream.respond(500);
        stream.finish();
        (sent(&stream).parent_id, hopspan.spans())
    };
    let (_, sampled) = spans_of(crate::hopspan::SAMPLED, |it| it);
    // A route that rewrites leaves the original beside it.
    let rewrite =
        |it: Headers| it.with(":path", "/v2").with("x-envoy-original-path", "/cart?token=secret");
    for route in [|it| it, rewrite] {
        let (parent, kept) = spans_of(UNSAMPLED, route);
        assert_eq!(kept.iter().map(|it| it.kind()).collect::<Vec<_>>(), [Server, Client]);
        for (kept, sampled) in kept.iter().zip(&sampled) {
            let but_why =
                |it| attributes(it).into_iter().filter(|it| !it.contains("sampling.reason"));
            let both = [kept, sampled].map(|it| but_why(it).collect::<Vec<_>>());
            assert_eq!(both[0], both[1]);
            assert_eq!((kept.span.name.as_str(), kept.status()), ("GET", sampled.status()));
            assert_eq!(kept.duration_ns(), sampled.duration_ns());
            assert_eq!(kept.trace_id(), TRACE);
            assert!(!kept.span.trace_state.contains("hopspan"), "{kept:#?}");
        }
        assert_eq!(kept[1].span_id(), parent, "the ids are those that went on");
        assert_eq!(kept[1].parent_id(), kept[0].span_id());
        assert_eq!((reason(&kept[0]), reason(&kept[1])), (Some("error"), Some("error")));
    }
}

/// What shows only after the response's head has left is kept where it was seen; nobody above
/// can be told any more.
#[test]
fn what_fails_after_its_head_is_kept_by_its_hop_alone() {
    for (why, fails) in [
        ("cut off", (|_| ()) as fn(&Stream)),
        ("a call's status in trailers", |it| {
            it.response_trailers([("grpc-status", "13")]);
        }),
    ] {
        let (cart, pay) = (Pod::of("cart"), Pod::of("pay"));
        let above = cart.outbound(0);
        let request = Headers::grpc("/shop.Pay/Pay").with("traceparent", UNSAMPLED);
        above.request_headers(request, true);
        let below = pay.inbound(0);
        below.request_headers(above.upstream_headers(), true);
        below.response_headers([(":status", "200")], false);
        assert_eq!(below.downstream_headers().value("traceresponse"), None, "{why}");
        fails(&below);
        below.finish();
        assert_eq!(pay.hopspan.spans().len(), 1, "{why}");
        above.response_headers(below.downstream_headers(), false);
        above.response_trailers([("grpc-status", "0")]);
        above.finish();
        assert_eq!(cart.hopspan.spans().len(), 0, "{why}");
    }
}

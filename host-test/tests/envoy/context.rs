//! Trace context: continued, started, refused.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::json;

use crate::bootstrap::Direction;
use crate::client::{get, with};
use crate::hop::Hop;
use crate::upstream::Answer;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

#[tokio::test]
async fn continues_the_trace_of_a_caller_that_samples() {
    let hop = Hop::start(Direction::Inbound).await;

    let request = with(get("/"), "traceparent", format!("00-{TRACE}-{PARENT}-01"));
    let request = with(request, "tracestate", "vendor=value,other=1");
    assert_eq!(hop.client().await.ask(request).await.status, 200);

    let span = hop.span().await;
    assert_eq!(span.trace_id(), TRACE);
    assert_eq!(span.parent_id(), PARENT);
    assert_eq!(span.kind(), SpanKind::Server);
    assert_eq!(span.span.trace_state, "vendor=value,other=1");
    // OTLP: bits 0 to 7 are the W3C flags, bits 8 and 9 say that the parent is remote.
    assert_eq!(span.span.flags, 0x301);

    let seen = &hop.upstream.seen(1).await[0];
    let sent = seen.traceparent();
    assert_eq!((sent.trace_id.as_str(), sent.flags.as_str()), (TRACE, "01"));
    assert_eq!(sent.parent_id, span.span_id());
    assert_eq!(seen.header("tracestate"), Some("vendor=value,other=1"));
    assert_eq!(hop.proxy.stats().await.hopspan("context.continued"), 1);
}

#[tokio::test]
async fn starts_a_trace_where_none_came() {
    let hop = Hop::start(Direction::Inbound).await;

    assert_eq!(hop.client().await.ask(get("/")).await.status, 200);

    let span = hop.span().await;
    assert_eq!(span.parent_id(), "");
    assert_eq!(span.span.trace_state, "");

    let seen = &hop.upstream.seen(1).await[0];
    let sent = seen.traceparent();
    assert_eq!(sent.trace_id, span.trace_id());
    assert_eq!(sent.parent_id, span.span_id());
    assert_eq!(sent.flags, "03", "sampled, and the trace-id is random");
    assert_eq!(seen.header("tracestate"), None);
    assert_eq!(hop.proxy.stats().await.hopspan("context.started"), 1);
}

#[tokio::test]
async fn an_invalid_context_starts_a_new_trace() {
    let hop = Hop::start(Direction::Inbound).await;
    let mut client = hop.client().await;

    let upper = TRACE.to_uppercase();
    let none = "0".repeat(32);
    let text = |it: String| vec![it.into_bytes()];
    let valid = format!("00-{TRACE}-{PARENT}-01").into_bytes();
    let invalid = [
        ("upper case", text(format!("00-{upper}-{PARENT}-01"))),
        ("no trace-id", text(format!("00-{none}-{PARENT}-01"))),
        ("no parent-id", text(format!("00-{TRACE}-0000000000000000-01"))),
        ("the forbidden version", text(format!("ff-{TRACE}-{PARENT}-01"))),
        ("cut off", text(format!("00-{TRACE}-{PARENT}"))),
        ("more than version 00 has", text(format!("00-{TRACE}-{PARENT}-01-x"))),
        ("empty", text(String::new())),
        ("not even text", vec![b"00-\xff\xfe-01".to_vec()]),
        ("two headers, though equal", vec![valid.clone(), valid.clone()]),
        ("two headers, one of them wrong", vec![valid, b"wrong".to_vec()]),
    ];
    for (why, values) in &invalid {
        let request = values.iter().fold(get("/"), |it, value| with(it, "traceparent", value));
        let request = with(request, "tracestate", "vendor=value");
        assert_eq!(client.ask(request).await.status, 200, "{why}");
    }

    let spans = hop.spans(invalid.len()).await;
    let seen = hop.upstream.seen(invalid.len()).await;
    for ((why, _), seen) in invalid.iter().zip(&seen) {
        let sent = seen.traceparent();
        assert_ne!(sent.trace_id, TRACE, "{why}");
        assert_eq!(sent.flags, "03", "{why}");
        // The list belongs to the context that was refused.
        assert_eq!(seen.header("tracestate"), None, "{why}");
        let span = spans.iter().find(|it| it.span_id() == sent.parent_id).expect(why);
        assert_eq!((span.trace_id(), span.parent_id()), (sent.trace_id, String::new()), "{why}");
        assert_eq!(span.span.trace_state, "", "{why}");
    }
    let stats = hop.proxy.stats().await;
    for (reason, count) in
        [("syntax", 4), ("zero_id", 2), ("repeated", 2), ("version", 1), ("too_long", 1)]
    {
        let name = format!("context.invalid.reason=.={reason};.;");
        assert_eq!(stats.hopspan(&name), count, "{reason}: {stats}");
    }
}

#[tokio::test]
async fn a_context_of_a_later_version_is_continued() {
    let hop = Hop::start(Direction::Inbound).await;

    let request = with(get("/"), "traceparent", format!("cc-{TRACE}-{PARENT}-ff-what-ever"));
    hop.client().await.ask(request).await;

    let span = hop.span().await;
    assert_eq!((span.trace_id().as_str(), span.parent_id().as_str()), (TRACE, PARENT));
    let sent = hop.upstream.seen(1).await[0].traceparent();
    assert_eq!((sent.trace_id.as_str(), sent.flags.as_str()), (TRACE, "03"), "known flags only");
    assert_eq!(sent.parent_id, span.span_id());
}

#[tokio::test]
async fn several_tracestate_headers_are_one_list() {
    let hop = Hop::start(Direction::Inbound).await;

    let request = with(get("/"), "traceparent", format!("00-{TRACE}-{PARENT}-01"));
    let request = with(with(request, "tracestate", "a=1"), "tracestate", "b=2 , c=3");
    hop.client().await.ask(request).await;

    let seen = &hop.upstream.seen(1).await[0];
    let values: Vec<_> = seen.headers.get_all("tracestate").iter().collect();
    let text: Vec<_> = values.iter().map(|it| it.to_str().unwrap()).collect();
    let members: Vec<_> = text.iter().flat_map(|it| it.split(',')).map(str::trim).collect();
    assert_eq!(members, ["a=1", "b=2", "c=3"]);
    let state = hop.span().await.span.trace_state;
    assert_eq!(state.split(',').map(str::trim).collect::<Vec<_>>(), ["a=1", "b=2", "c=3"]);
}

#[tokio::test]
async fn honours_a_caller_that_did_not_sample() {
    let hop = Hop::start(Direction::Inbound).await;
    let mut client = hop.client().await;

    client.ask(with(get("/quiet"), "traceparent", format!("00-{TRACE}-{PARENT}-00"))).await;
    // A span that must come shows that the other does not.
    client.ask(get("/loud")).await;

    let span = hop.span().await;
    assert_eq!(span.text("url.path"), Some("/loud"));
    let sent = hop.upstream.seen(2).await[0].traceparent();
    assert_eq!((sent.trace_id.as_str(), sent.flags.as_str()), (TRACE, "00"));
    assert_eq!(sent.parent_id, PARENT, "there is no span of this hop");
    let stats = hop.proxy.stats().await;
    assert_eq!(stats.hopspan("sampling.dropped"), 1, "{stats}");
    assert_eq!(stats.hopspan("sampling.sampled"), 1, "{stats}");
}

#[tokio::test]
async fn a_gateway_decides_for_callers_that_did_not_sample() {
    let hop = Hop::start(Direction::Unspecified).await;

    let request = with(get("/"), "traceparent", format!("00-{TRACE}-{PARENT}-00"));
    hop.client().await.ask(request).await;

    let spans = hop.spans(2).await;
    let server = spans.iter().find(|it| it.kind() == SpanKind::Server).expect("a SERVER span");
    let client = spans.iter().find(|it| it.kind() == SpanKind::Client).expect("a CLIENT span");
    assert_eq!((server.trace_id().as_str(), server.parent_id().as_str()), (TRACE, PARENT));
    assert_eq!((client.trace_id(), client.parent_id()), (server.trace_id(), server.span_id()));
    assert!(client.span.start_time_unix_nano >= server.span.start_time_unix_nano);
    assert!(client.span.end_time_unix_nano <= server.span.end_time_unix_nano);
    assert!(server.int("hopspan.proxy_time_ns").is_some(), "on the outermost span of the hop");

    let sent = hop.upstream.seen(1).await[0].traceparent();
    assert_eq!(sent.trace_id, TRACE);
    assert_eq!(sent.parent_id, client.span_id(), "the innermost span");
    assert_eq!(sent.flags, "01");
}

#[tokio::test]
async fn a_gateway_decides_for_callers_that_sampled() {
    let sampled = |hop: Hop| async move {
        let request = with(get("/"), "traceparent", format!("00-{TRACE}-{PARENT}-01"));
        hop.client().await.ask(request).await;
        let sent = hop.upstream.seen(1).await[0].traceparent();
        let stats = hop.proxy.stats_when("a decision", |it| it.hopspan("sampling.dropped") == 1);
        assert_eq!(stats.await.hopspan("spans.created"), 0);
        assert_eq!((sent.trace_id.as_str(), sent.flags.as_str()), (TRACE, "00"));
    };
    for direction in [Direction::Unspecified, Direction::Inbound] {
        let hop = Hop::start_with(
            direction,
            |_| Answer::status(200),
            |it| {
                // The key says more than the listener does.
                it.configure("direction", json!("gateway"));
                it.configure("sampling", json!({ "ratio": 0.0 }));
            },
        );
        sampled(hop.await).await;
    }
}

#[tokio::test]
async fn an_outbound_hop_is_a_client() {
    let hop = Hop::start(Direction::Outbound).await;

    let request = with(get("/"), "traceparent", format!("00-{TRACE}-{PARENT}-01"));
    hop.client().await.ask(request).await;

    let span = hop.span().await;
    assert_eq!(span.kind(), SpanKind::Client);
    assert_eq!((span.trace_id().as_str(), span.parent_id().as_str()), (TRACE, PARENT));
    assert_eq!(hop.upstream.seen(1).await[0].traceparent().parent_id, span.span_id());
}

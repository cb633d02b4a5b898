//! OpenCensus' context in binary metadata of gRPC, which hopspan reads without being told.
//!
//! Spec: <https://github.com/census-instrumentation/opencensus-specs/blob/master/encodings/BinaryEncoding.md>

use serde_json::json;

use super::readers::{Context, contexts, to_base64};
use crate::bootstrap::{Direction, Setup};
use crate::client::{Client, grpc, with};
use crate::hop::Hop;
use crate::received::Received;
use crate::stats::Stats;
use crate::upstream::Answer;

/// The ids of the specification's example.
const TRACE: &str = "404142434445464748494a4b4c4d4e4f";
const PARENT: &str = "6162636465666768";
/// The example in base64, with padding.
const EXAMPLE: &str = "AABAQUJDREVGR0hJSktMTU5PAWFiY2RlZmdoAgE=";

/// The example in bytes, with these options.
fn example(options: u8) -> Vec<u8> {
    let trace_id = (0x40..0x50).collect::<Vec<u8>>();
    let span_id = (0x61..0x69).collect::<Vec<u8>>();
    [&[0, 0], &trace_id[..], &[1], &span_id, &[2, options]].concat()
}

async fn calling(change: impl FnOnce(&mut Setup)) -> Hop {
    let answer = |_: &_| Answer::grpc(0);
    Hop::start_with(Direction::Inbound, answer, |setup| {
        setup.upstream_http2 = true;
        change(setup);
    })
    .await
}

/// Makes a call that ends well.
async fn call(hop: &Hop, method: &str, values: &[String]) {
    let mut client = Client::http2(hop.proxy.address()).await;
    let request = grpc(&format!("shop.Cart/{method}"));
    let request = values.iter().fold(request, |it, value| with(it, "grpc-trace-bin", value));
    let reply = client.ask(request).await;
    assert_eq!((reply.status, reply.trailers["grpc-status"].as_bytes()), (200, b"0".as_slice()));
}

/// The span of a call.
fn named<'a>(spans: &'a [Received], method: &str) -> &'a Received {
    let name = format!("shop.Cart/{method}");
    spans.iter().find(|it| it.span.name == name).unwrap_or_else(|| panic!("{name}"))
}

#[tokio::test]
async fn a_call_with_binary_context_is_in_the_trace() {
    let of_the_future = [example(1), vec![3, 1, 2, 3]].concat();
    let cases = [
        ("WithPadding", EXAMPLE.to_owned()),
        ("WithoutPadding", to_base64(&example(1))),
        ("WithAFieldOfTheFuture", to_base64(&of_the_future)),
    ];
    assert_eq!(cases[1].1, EXAMPLE.trim_end_matches('='));
    // What the caller decided counts.
    let hop = calling(|it| it.configure("sampling", json!({ "ratio": 0 }))).await;

    for (why, value) in &cases {
        call(&hop, why, std::slice::from_ref(value)).await;
    }

    let spans = hop.spans(cases.len()).await;
    for ((why, _), seen) in cases.iter().zip(hop.upstream.seen(cases.len()).await) {
        let span = named(&spans, why);
        let ids = (span.trace_id(), span.parent_id());
        assert_eq!(ids, (TRACE.to_owned(), PARENT.to_owned()), "{why}");
        let sent = Context { trace_id: TRACE.to_owned(), span_id: span.span_id(), sampled: true };
        assert_eq!(contexts(&seen), sent.in_each(&["tracecontext", "grpc-trace-bin"]), "{why}");
    }
    assert_eq!(hop.proxy.stats().await.hopspan("context.continued"), 3);
}

#[tokio::test]
async fn a_call_that_was_not_sampled_is_for_us_to_decide() {
    for ratio in [0, 1] {
        let hop = calling(|it| it.configure("sampling", json!({ "ratio": ratio }))).await;

        call(&hop, "Get", &[to_base64(&example(0))]).await;

        let seen = &hop.upstream.seen(1).await[0];
        let span_id = seen.traceparent().parent_id;
        let sent = Context { trace_id: TRACE.to_owned(), span_id, sampled: ratio == 1 };
        assert_eq!(contexts(seen), sent.in_each(&["tracecontext", "grpc-trace-bin"]), "{ratio}");
        let dropped = |it: &Stats| it.hopspan("sampling.dropped") == 1 - ratio;
        hop.proxy.stats_when("the decision", dropped).await;
        hop.proxy.at_rest(ratio).await;
    }
}

#[tokio::test]
async fn a_call_with_broken_binary_context_starts_a_trace() {
    let zero = [&[0; 18][..], &example(1)[18..]].concat();
    let cases = [
        ("Cut", vec![to_base64(&example(1)[..20])]),
        ("Version", vec![to_base64(&[&[1], &example(1)[1..]].concat())]),
        ("Zero", vec![to_base64(&zero)]),
        ("NoBase64", vec![EXAMPLE.replace('Q', "*")]),
        ("Twice", vec![EXAMPLE.to_owned(), EXAMPLE.to_owned()]),
    ];
    let hop = calling(|_| ()).await;

    for (why, values) in &cases {
        call(&hop, why, values).await;
    }

    let spans = hop.spans(cases.len()).await;
    for ((why, _), seen) in cases.iter().zip(hop.upstream.seen(cases.len()).await) {
        let span = named(&spans, why);
        assert_ne!(span.trace_id(), TRACE, "{why}");
        assert_eq!(span.parent_id(), "", "{why}");
        let (trace_id, span_id) = (span.trace_id(), span.span_id());
        let sent = Context { trace_id, span_id, sampled: true };
        assert_eq!(contexts(&seen), sent.in_each(&["tracecontext", "grpc-trace-bin"]), "{why}");
    }
    assert_eq!(hop.proxy.stats().await.hopspan_sum("context.invalid."), 5);
}

//! Trace formats: who speaks but one of them is in the trace all the same.

pub(crate) mod readers;
mod vendors;
mod grpc_trace_bin;
mod several_hops;
mod baggage;

use opentelemetry_proto::tonic::trace::v1::span::Link;
use serde_json::json;

use self::readers::{ALL, Context, contexts};
use crate::bootstrap::{Direction, Setup};
use crate::client::{get, with};
use crate::hop::Hop;
use crate::received::Received;
use crate::stats::Stats;
use crate::upstream::{Answer, Seen};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
/// Another trace.
const OTHER: &str = "80f198ee56343ba864fe8b2a57d3eff7";

async fn hop(change: impl FnOnce(&mut Setup)) -> Hop {
    Hop::start_with(Direction::Inbound, |_| Answer::status(200), change).await
}

/// One request with these headers: what the service saw, and the span.
async fn ask(hop: &Hop, headers: &[(&'static str, &str)]) -> (Seen, Received) {
    let request = headers.iter().fold(get("/"), |it, (name, value)| with(it, name, value));
    assert_eq!(hop.client().await.ask(request).await.status, 200);
    let span = hop.span().await;
    let mut seen = hop.upstream.seen(1).await;
    (seen.remove(0), span)
}

fn traceparent(trace: &str, span: &str) -> String {
    format!("00-{trace}-{span}-01")
}

#[tokio::test]
async fn a_b3_caller_and_a_w3c_service_are_of_one_trace() {
    let hop = hop(|_| ()).await;

    let headers = [
        ("x-b3-traceid", TRACE),
        ("x-b3-spanid", PARENT),
        ("x-b3-sampled", "1"),
        ("x-b3-parentspanid", PARENT),
    ];
    let (seen, span) = ask(&hop, &headers).await;

    assert_eq!((span.trace_id(), span.parent_id()), (TRACE.to_owned(), PARENT.to_owned()));
    let sent = seen.traceparent();
    assert_eq!((sent.trace_id.as_str(), sent.parent_id), (TRACE, span.span_id()));
    // Who behind it speaks B3 sees the same, in the form in which it came.
    assert_eq!(seen.header("x-b3-traceid"), Some(TRACE));
    assert_eq!(seen.header("x-b3-spanid"), Some(span.span_id().as_str()));
    assert_eq!(seen.header("x-b3-sampled"), Some("1"));
    assert_eq!(seen.header("x-b3-parentspanid"), None);
    assert_eq!(seen.header("b3"), None, "a form that did not come in is not sent");
}

#[tokio::test]
async fn a_b3_service_behind_a_w3c_gateway_is_in_the_trace() {
    let hop = hop(|setup| {
        setup.configure("propagation", json!({ "inject": ["tracecontext", "b3", "preserve"] }));
    })
    .await;

    let (seen, span) = ask(&hop, &[("traceparent", &traceparent(TRACE, PARENT))]).await;

    assert_eq!(seen.header("b3"), Some(format!("{TRACE}-{}-1", span.span_id()).as_str()));
    assert_eq!(seen.header("traceparent"), Some(traceparent(TRACE, &span.span_id()).as_str()));
}

#[tokio::test]
async fn a_short_trace_id_keeps_its_length() {
    let hop = hop(|_| ()).await;

    let short = "a3ce929d0e0e4736";
    let (seen, span) = ask(&hop, &[("b3", &format!("{short}-{PARENT}-1"))]).await;

    let wide = format!("0000000000000000{short}");
    assert_eq!(span.trace_id(), wide);
    assert_eq!(seen.header("b3"), Some(format!("{short}-{}-1", span.span_id()).as_str()));
    assert_eq!(seen.header("traceparent"), Some(traceparent(&wide, &span.span_id()).as_str()));
}

#[tokio::test]
async fn of_two_traces_one_goes_on_and_the_other_is_linked() {
    let hop = hop(|_| ()).await;

    let old = traceparent(TRACE, PARENT);
    let (seen, span) =
        ask(&hop, &[("b3", &format!("{OTHER}-{PARENT}-1")), ("traceparent", &old)]).await;

    assert_eq!((span.trace_id(), span.parent_id()), (TRACE.to_owned(), PARENT.to_owned()));
    let [Link { trace_id, span_id, .. }] = &span.span.links[..] else {
        panic!("{:?}", span.span.links)
    };
    let hex = |bytes: &[u8]| bytes.iter().map(|it| format!("{it:02x}")).collect::<String>();
    assert_eq!((hex(trace_id), hex(span_id)), (OTHER.to_owned(), PARENT.to_owned()));
    assert_eq!(seen.header("b3"), Some(format!("{TRACE}-{}-1", span.span_id()).as_str()));
    assert_eq!(seen.header("traceparent"), Some(traceparent(TRACE, &span.span_id()).as_str()));
    let stats = hop.proxy.stats().await;
    assert_eq!(stats.hopspan("context.conflicts"), 1);
    assert_eq!(stats.hopspan("context.continued"), 1);
}

#[tokio::test]
async fn a_broken_format_gives_way_to_the_next() {
    let hop = hop(|_| ()).await;

    let (seen, span) =
        ask(&hop, &[("traceparent", "00-broken"), ("b3", &format!("{TRACE}-{PARENT}-1"))]).await;

    assert_eq!((span.trace_id(), span.parent_id()), (TRACE.to_owned(), PARENT.to_owned()));
    assert_eq!(seen.header("traceparent"), Some(traceparent(TRACE, &span.span_id()).as_str()));
    let stats = hop.proxy.stats().await;
    assert_eq!(stats.hopspan("context.invalid.reason=.=syntax;.;"), 1);
    assert_eq!(stats.hopspan("context.continued"), 1);
}

#[tokio::test]
async fn all_formats_that_are_written_say_the_same() {
    let hop = hop(|setup| setup.configure("propagation", json!({ "inject": ALL }))).await;

    let w3c = traceparent(TRACE, PARENT);
    let short = format!("a3ce929d0e0e4736-{PARENT}-1");
    let dropped = format!("{TRACE}-{PARENT}-0");
    let cases = [
        // Why, headers, trace-id, whether it is recorded.
        ("nothing came", None, None, true),
        ("W3C came", Some(("traceparent", &w3c)), Some(TRACE), true),
        ("64 bits came", Some(("b3", &short)), Some("0000000000000000a3ce929d0e0e4736"), true),
        ("a decision came", Some(("b3", &dropped)), Some(TRACE), false),
    ];
    let mut client = hop.client().await;
    for (why, header, ..) in &cases {
        let request = header.iter().fold(get("/"), |it, (name, value)| with(it, name, value));
        assert_eq!(client.ask(request).await.status, 200, "{why}");
    }

    hop.spans(3).await;
    for ((why, _, trace_id, sampled), seen) in cases.into_iter().zip(hop.upstream.seen(4).await) {
        let sent = seen.traceparent();
        if let Some(trace_id) = trace_id {
            assert_eq!(sent.trace_id, trace_id, "{why}");
        }
        let context = Context { trace_id: sent.trace_id, span_id: sent.parent_id, sampled };
        assert_eq!(contexts(&seen), context.in_each(&ALL), "{why}");
    }
}

#[tokio::test]
async fn a_trusted_callers_debug_flag_records_whatever_the_ratio_is() {
    let hop = hop(|setup| setup.configure("sampling", json!({ "ratio": 0 }))).await;

    let (seen, span) = ask(&hop, &[("b3", &format!("{TRACE}-{PARENT}-d"))]).await;

    assert_eq!(span.text("hopspan.sampling.reason"), Some("debug"));
    assert_eq!(seen.header("b3"), Some(format!("{TRACE}-{}-d", span.span_id()).as_str()));
}

#[tokio::test]
async fn a_strangers_debug_flag_ends_at_the_gateway() {
    let hop = Hop::start_with(
        Direction::Unspecified,
        |_| Answer::status(200),
        |setup| {
            setup.configure("sampling", json!({ "ratio": 0 }));
        },
    )
    .await;

    let request = with(get("/"), "b3", format!("{TRACE}-{PARENT}-d"));
    assert_eq!(hop.client().await.ask(request).await.status, 200);

    let seen = &hop.upstream.seen(1).await[0];
    let b3: Vec<_> = seen.header("b3").unwrap().split('-').collect();
    assert_eq!((b3[0], b3[2]), (TRACE, "0"));
    assert_eq!(seen.traceparent().flags, "00");
    let counted = |it: &Stats| it.hopspan("context.untrusted.what=.=debug;.;") == 1;
    hop.proxy.stats_when("an untrusted caller", counted).await;
}

#[tokio::test]
async fn cleared_formats_do_not_go_on() {
    let hop = hop(|setup| {
        setup.configure("propagation", json!({ "clear": ["b3", "b3multi", "xray"] }));
    })
    .await;

    let b3 = format!("{TRACE}-{PARENT}-1");
    let headers = [
        ("b3", &b3[..]),
        ("x-b3-sampled", "1"),
        ("x-b3-parentspanid", PARENT),
        ("x-amzn-trace-id", "x"),
    ];
    let (seen, span) = ask(&hop, &headers).await;

    assert_eq!(span.trace_id(), TRACE, "it was read before it was removed");
    for name in ["b3", "x-b3-sampled", "x-b3-parentspanid", "x-amzn-trace-id"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    assert_eq!(seen.traceparent().parent_id, span.span_id());
}

#[tokio::test]
async fn a_load_balancers_header_is_left_alone_unless_it_is_listed() {
    let amazon = "Root=1-67891233-abcdef012345678912345678";
    let google = "105445aa7843bc8bf206b12000100000/1;o=1";
    let headers = [("x-amzn-trace-id", amazon), ("x-cloud-trace-context", google)];

    let by_default = hop(|_| ()).await;
    let (seen, span) = ask(&by_default, &headers).await;
    assert_eq!(seen.header("x-amzn-trace-id"), Some(amazon));
    assert_eq!(seen.header("x-cloud-trace-context"), Some(google));
    assert_eq!(span.parent_id(), "");
    assert_eq!(by_default.proxy.stats().await.hopspan("context.started"), 1);

    let listed = hop(|setup| setup.configure("propagation", json!({ "extract": ["xray"] }))).await;
    let (seen, span) = ask(&listed, &headers).await;
    assert_eq!(span.trace_id(), "67891233abcdef012345678912345678");
    let want = format!("{amazon};Parent={};Sampled=1", span.span_id());
    assert_eq!(seen.header("x-amzn-trace-id"), Some(want.as_str()));
    assert_eq!(seen.header("x-cloud-trace-context"), Some(google));
}

#[tokio::test]
async fn opentelemetrys_environment_chooses_the_formats() {
    let hop = hop(|setup| setup.environment = vec![("OTEL_PROPAGATORS", "jaeger,baggage")]).await;

    let headers =
        [("uber-trace-id", &format!("{TRACE}%3A{PARENT}%3A0%3A1")[..]), ("baggage", "a=b")];
    let (seen, span) = ask(&hop, &headers).await;

    assert_eq!((span.trace_id(), span.parent_id()), (TRACE.to_owned(), PARENT.to_owned()));
    assert_eq!(
        seen.header("uber-trace-id"),
        Some(format!("{TRACE}:{}:0:01", span.span_id()).as_str())
    );
    assert_eq!(seen.header("traceparent"), None);
    assert_eq!(seen.header("baggage"), Some("a=b"));
}

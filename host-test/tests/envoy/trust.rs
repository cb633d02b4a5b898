//! Trust: what strangers cannot do, and what becomes of their traces.

mod callers;
mod egress;

use serde_json::json;

use crate::bootstrap::Direction;
use crate::client::{get, with};
use crate::hop::Hop;
use crate::upstream::Answer;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// What a stranger may try: why, with which headers, and what that is counted as.
type Attempt = (&'static str, Vec<(&'static str, String)>, &'static [&'static str]);

fn attempts() -> Vec<Attempt> {
    let traceparent = || ("traceparent", format!("00-{TRACE}-{PARENT}-01"));
    let b3 = |state| ("b3", format!("{TRACE}-{PARENT}-{state}"));
    let text = |name, value: &str| (name, value.to_owned());
    let member = || ("tracestate", format!("hopspan={PARENT};admin,vendor=1"));
    vec![
        ("a sampled flag", vec![traceparent()], &["context"]),
        ("B3's", vec![b3("1")], &["context"]),
        ("one without a trace", vec![text("b3", "1")], &["context"]),
        ("a debug flag", vec![b3("d")], &["context", "debug"]),
        ("one without a trace", vec![text("x-b3-flags", "1")], &["context", "debug"]),
        ("the header that forces", vec![text("x-trace-me", "1")], &["force"]),
        ("the header that explains", vec![text("x-why", "1")], &["explain"]),
        ("a name", vec![traceparent(), member()], &["context", "member"]),
        (
            "dice that always win",
            vec![traceparent(), text("tracestate", "vendor=1,ot=th:0;rv:ffffffffffffff")],
            &["context"],
        ),
        (
            "all at once",
            vec![traceparent(), member(), b3("d"), text("x-trace-me", ""), text("x-why", "")],
            &["context", "debug", "force", "explain", "member"],
        ),
    ]
}

#[tokio::test]
async fn nothing_that_a_stranger_tries_has_an_effect() {
    let hop = Hop::start_with(
        Direction::Unspecified,
        |_| Answer::status(200),
        |it| {
            let force = json!({ "header": "x-trace-me" });
            it.configure("sampling", json!({ "ratio": 0, "force": force }));
            it.configure("explain", json!({ "header": "x-why" }));
            it.configure("metrics", json!({ "announce_caller": "never" }));
        },
    )
    .await;
    let mut client = hop.client().await;

    for (index, (why, headers, _)) in attempts().iter().enumerate() {
        let request = headers.iter().fold(get("/"), |it, (name, value)| with(it, name, value));
        let request = with(request, "x-other", "1");
        let reply = client.ask(request).await;

        assert_eq!(reply.status, 200, "{why}");
        for name in ["x-why", "traceresponse"] {
            assert!(!reply.headers.contains_key(name), "{why}: {name}: {:?}", reply.headers);
        }
        let seen = &hop.upstream.seen(index + 1).await[index];
        let (sent, came) = (seen.traceparent(), |name| headers.iter().any(|it| it.0 == name));
        assert!(matches!(sent.flags.as_str(), "00" | "02"), "{why}: {sent:?}");
        assert_eq!(
            sent.trace_id == TRACE,
            headers[0].1.contains(TRACE),
            "{why}: the trace goes on"
        );
        for name in ["x-trace-me", "x-why", "x-b3-flags"] {
            assert_eq!(seen.header(name), None, "{why}: {name} is removed");
        }
        let list = came("tracestate").then_some("vendor=1");
        assert_eq!(seen.header("tracestate"), list, "{why}: others' members go on");
        assert!(seen.header("b3").is_none_or(|it| it.ends_with("-0")), "{why}: {seen:?}");
        assert_eq!(seen.header("x-other"), Some("1"), "{why}");
    }

    let count = i64::try_from(attempts().len()).unwrap();
    let decided = |it: &crate::stats::Stats| it.hopspan("sampling.dropped") == count;
    let stats = hop.proxy.stats_when("all decisions", decided).await;
    assert_eq!(stats.hopspan("spans.created"), 0, "{stats}");
    for what in ["context", "debug", "force", "explain", "member"] {
        let attempts = attempts();
        let want = attempts.iter().filter(|(_, _, tried)| tried.contains(&what)).count();
        let name = format!("context.untrusted.what=.={what};.;");
        assert_eq!(stats.hopspan(&name), i64::try_from(want).unwrap(), "{what}: {stats}");
    }
}

#[tokio::test]
async fn a_trace_that_restarts_links_the_old_one_and_has_nothing_else_of_it() {
    let hop = Hop::start_with(
        Direction::Inbound,
        |_| Answer::status(200),
        |it| it.configure("trust", json!({ "default": "restart" })),
    )
    .await;

    let request = with(get("/"), "traceparent", format!("00-{TRACE}-{PARENT}-00"));
    let request = with(with(request, "tracestate", "vendor=1"), "baggage", "user=alice");
    assert_eq!(hop.client().await.ask(request).await.status, 200);

    let span = hop.span().await;
    assert_ne!(span.trace_id(), TRACE);
    assert_eq!((span.parent_id(), span.span.trace_state.as_str()), (String::new(), ""));
    let [link] = &span.span.links[..] else { panic!("one link: {:?}", span.span.links) };
    let hex = |bytes: &[u8]| bytes.iter().map(|it| format!("{it:02x}")).collect::<String>();
    assert_eq!((hex(&link.trace_id), hex(&link.span_id)), (TRACE.into(), PARENT.into()));
    let seen = &hop.upstream.seen(1).await[0];
    let sent = seen.traceparent();
    assert_eq!((sent.trace_id, sent.parent_id), (span.trace_id(), span.span_id()));
    assert_eq!(sent.flags, "03");
    assert_eq!(seen.header("tracestate"), None);
    assert_eq!(seen.header("baggage"), Some("user=alice"));
}

//! What Envoy's access log can tell of the trace.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};

use crate::bootstrap::{Direction, Setup, filter};
use crate::client::{get, with};
use crate::hop::Hop;
use crate::upstream::Answer;

/// The format that the docs give to copy; the README has no other.
fn documented() -> Value {
    let [docs, readme] =
        [include_str!("../../../docs/configuration.md"), include_str!("../../../README.md")]
            .map(format_of);
    let docs = docs.expect("a log format in the docs");
    assert_eq!(readme.unwrap_or(docs.clone()), docs);
    docs
}

fn format_of(document: &str) -> Option<Value> {
    let (_, rest) = document.split_once("```yaml\nlog_format:\n")?;
    let (yaml, _) = rest.split_once("```").expect("its end");
    let format: Value = serde_yaml_ng::from_str(yaml).expect("a log format");
    Some(format["json_format"].clone())
}

fn logging(setup: &mut Setup) {
    setup.configure("access_log", json!({ "filter_state": true }));
    setup.access_log = documented();
}

#[tokio::test]
async fn the_log_has_the_ids_of_the_span() {
    for (direction, spans) in [(Direction::Inbound, 1), (Direction::Unspecified, 2)] {
        let hop = Hop::start_with(direction, |_| Answer::status(200), logging).await;
        hop.client().await.ask(get("/logged")).await;
        let line = hop.proxy.access_log_of("/logged").await;
        let spans = hop.spans(spans).await;
        let server = spans.iter().find(|it| it.kind() == SpanKind::Server).expect("a SERVER span");
        assert_eq!(line["trace_id"], server.trace_id(), "{line}");
        assert_eq!(line["span_id"], server.span_id(), "{line}");
        assert_eq!(line["trace_flags"], "03", "{line}");
    }
}

#[tokio::test]
async fn a_trace_that_is_not_recorded_is_in_the_log_too() {
    let hop = Hop::start_with(Direction::Inbound, |_| Answer::status(200), logging).await;
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
    hop.client().await.ask(with(get("/unsampled"), "traceparent", traceparent)).await;
    let line = hop.proxy.access_log_of("/unsampled").await;
    let sent = hop.upstream.seen(1).await[0].traceparent();
    assert_eq!(line["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!((&line["span_id"], &line["trace_flags"]), (&json!(sent.parent_id), &json!("00")));
}

#[tokio::test]
async fn a_request_that_an_earlier_filter_refuses_is_in_the_log() {
    let refuse = json!({
        "rules": { "action": "DENY", "policies": { "all": {
            "permissions": [{ "any": true }], "principals": [{ "any": true }],
        } } },
    });
    let hop = Hop::start_with(
        Direction::Inbound,
        |_| Answer::status(200),
        |it| {
            logging(it);
            it.before = vec![filter("rbac", "rbac.v3.RBAC", refuse)];
        },
    )
    .await;
    assert_eq!(hop.client().await.ask(get("/refused")).await.status, 403);
    let line = hop.proxy.access_log_of("/refused").await;
    let span = hop.span().await;
    assert_eq!(line["trace_id"], span.trace_id(), "{line}");
    assert_eq!(line["span_id"], span.span_id(), "{line}");
}

#[tokio::test]
async fn nothing_is_in_the_log_unless_it_is_wanted() {
    let format = |it: &mut Setup| it.access_log = documented();
    let hop = Hop::start_with(Direction::Inbound, |_| Answer::status(200), format).await;
    hop.client().await.ask(get("/")).await;
    let line = hop.proxy.access_log_of("/").await;
    assert_eq!(line["trace_id"], Value::Null, "{line}");
}

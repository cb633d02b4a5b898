//! What a client is told of its trace.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::json;

use crate::bootstrap::Direction;
use crate::client::{Client, get};
use crate::hop::Hop;
use crate::upstream::Answer;

#[tokio::test]
async fn a_client_learns_its_trace_by_the_headers_that_are_wanted() {
    let hop = Hop::start_with(
        Direction::Unspecified,
        |_| Answer::header("server-timing", "db;dur=3"),
        |it| {
            it.configure(
                "response",
                json!({ "trace_id_header": "X-Trace-Id", "traceresponse": true, "server_timing": true }),
            );
        },
    )
    .await;
    let mut client = Client::http1(hop.proxy.address()).await;
    let reply = client.ask(get("/")).await;
    let spans = hop.spans(2).await;
    let server = spans.iter().find(|it| it.kind() == SpanKind::Server).expect("a SERVER span");
    let told = |name: &str| -> Vec<String> {
        let values = reply.headers.get_all(name).iter();
        values.map(|it| it.to_str().unwrap().to_owned()).collect()
    };
    let value = format!("00-{}-{}-03", server.trace_id(), server.span_id());
    assert_eq!(told("x-trace-id"), [server.trace_id()]);
    assert_eq!(told("traceresponse"), std::slice::from_ref(&value));
    assert_eq!(
        told("server-timing"),
        ["db;dur=3".to_owned(), format!("traceparent;desc=\"{value}\"")],
        "the application's own stays"
    );
}

#[tokio::test]
async fn a_client_learns_nothing_unless_it_is_wanted() {
    let hop = Hop::start_with(Direction::Unspecified, |_| Answer::status(200), |_| {}).await;
    let reply = Client::http1(hop.proxy.address()).await.ask(get("/")).await;
    for name in ["traceresponse", "server-timing", "traceparent"] {
        assert!(!reply.headers.contains_key(name), "{name}: {:?}", reply.headers);
    }
}

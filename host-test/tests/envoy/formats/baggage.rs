//! Baggage passes as it is, and spans tell what they are allowed to.

use serde_json::json;

use super::{PARENT, TRACE, hop, traceparent};
use crate::bootstrap::Setup;
use crate::client::{get, with};
use crate::received::Received;

/// Two headers, with all that makes them hard to read: white space, properties, percent signs,
/// members that break the grammar, bytes that are no text.
const BAGGAGE: [&[u8]; 2] = [
    b"userId=alice ,  serverNode = DF%2028;secret=yes;p , isProduction=false,,broken",
    b"userId=bob,card=4111\xff,tenant=%E5%8C%97",
];

/// The span of a request with [`BAGGAGE`], which passes as it came.
async fn span_with_baggage(change: impl FnOnce(&mut Setup)) -> Received {
    let hop = hop(change).await;

    let request = with(get("/"), "traceparent", traceparent(TRACE, PARENT));
    let request = BAGGAGE.iter().fold(request, |it, value| with(it, "baggage", value));
    assert_eq!(hop.client().await.ask(request).await.status, 200);

    let seen = hop.upstream.seen(1).await.remove(0);
    let passed: Vec<_> = seen.headers.get_all("baggage").iter().map(|it| it.as_bytes()).collect();
    assert_eq!(passed, BAGGAGE);
    hop.span().await
}

/// The attributes of a span whose keys are those of [`BAGGAGE`].
fn told(span: &Received) -> Vec<(&str, &str)> {
    let keys = ["userId", "serverNode", "isProduction", "broken", "card", "tenant", "secret"];
    keys.into_iter().filter_map(|key| Some((key, span.text(key)?))).collect()
}

#[tokio::test]
async fn spans_tell_the_allowed_keys_and_no_other() {
    let span = span_with_baggage(|setup| {
        let keys = ["userId", "serverNode", "tenant", "card", "absent"];
        setup.configure("propagation", json!({ "baggage_attributes": keys }));
    })
    .await;

    // Of two members the first; of a value that breaks the grammar nothing.
    let want = [("userId", "alice"), ("serverNode", "DF 28"), ("tenant", "\u{5317}")];
    assert_eq!(told(&span), want);
    assert_eq!(span.text("absent"), None);
}

#[tokio::test]
async fn spans_tell_no_baggage_unless_they_are_told_to() {
    let span = span_with_baggage(|_| ()).await;

    assert_eq!(told(&span), []);
}

#[tokio::test]
async fn the_baggage_of_a_trace_that_ends_here_is_not_read() {
    let span = span_with_baggage(|setup| {
        setup.configure("propagation", json!({ "baggage_attributes": ["userId"] }));
        setup.configure("trust", json!({ "default": "restart" }));
    })
    .await;

    assert_ne!(span.trace_id(), TRACE);
    assert_eq!(told(&span), []);
}

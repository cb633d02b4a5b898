//! Several tries, one request.

use serde_json::json;

use crate::bootstrap::{Direction, UPSTREAM};
use crate::client::get;
use crate::hop::Hop;
use crate::upstream::{Answer, Seen};

#[tokio::test]
async fn tries_are_counted_and_the_time_is_an_upper_bound() {
    let third_time_lucky = |seen: &Seen| Answer::status(if seen.index < 2 { 503 } else { 200 });
    let hop = retrying(third_time_lucky).await;

    assert_eq!(hop.client().await.ask(get("/")).await.status, 200);

    let span = hop.span().await;
    assert_eq!(span.int("http.response.status_code"), Some(200));
    assert_eq!(span.int("hopspan.attempts"), Some(3));
    assert_eq!(span.flag("hopspan.proxy_time_upper_bound"), Some(true));
    let held = span.int("hopspan.proxy_time_ns").expect("a bound is known");
    assert!(0 < held && held <= span.duration_ns(), "{held} of {} ns", span.duration_ns());

    for seen in hop.upstream.seen(3).await {
        let sent = seen.traceparent();
        assert_eq!((sent.trace_id, sent.parent_id), (span.trace_id(), span.span_id()));
    }
}

#[tokio::test]
async fn a_request_that_failed_after_all_tries_says_so() {
    let hop = retrying(|_| Answer::status(503)).await;

    assert_eq!(hop.client().await.ask(get("/")).await.status, 503);

    let span = hop.span().await;
    assert_eq!(span.int("hopspan.attempts"), Some(3));
    assert_eq!(span.text("hopspan.response_flags"), Some("URX"));
    assert_eq!(span.text("error.type"), Some("503"));
    assert_eq!(hop.upstream.seen(3).await.len(), 3);
}

async fn retrying(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Hop {
    Hop::start_with(Direction::Inbound, answer, |it| {
        it.routes = vec![json!({
            "match": { "prefix": "/" },
            "route": { "cluster": UPSTREAM, "retry_policy": {
                "retry_on": "5xx",
                "num_retries": 2,
                "retry_back_off": { "base_interval": "0.001s", "max_interval": "0.002s" },
            } },
        })];
    })
    .await
}

//! What responses are, and requests that no filter saw. How requests fail is in the table of
//! `outcomes`.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde_json::json;

use crate::bootstrap::{Direction, UPSTREAM, filter};
use crate::client::{get, post, raw, read_until, with};
use crate::hop::Hop;
use crate::received::Received;
use crate::upstream::{Answer, Seen};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

#[tokio::test]
async fn carries_the_http_conventions() {
    let hop = Hop::start(Direction::Inbound).await;

    let request = with(post("/cart/7?token=secret", "apples"), "user-agent", "tests/1");
    hop.client().await.ask(request).await;

    let span = hop.span().await;
    assert_eq!(span.span.name, "POST /cart/{number}", "learned: it was found");
    assert_eq!(span.text("http.request.method"), Some("POST"));
    assert_eq!(span.int("http.response.status_code"), Some(200));
    assert_eq!(span.text("url.path"), Some("/cart/7"));
    assert_eq!(span.text("url.scheme"), Some("http"));
    assert_eq!(span.text("server.address"), Some("shop.test"));
    assert_eq!(span.text("network.protocol.version"), Some("1.1"));
    assert_eq!(span.text("user_agent.original"), Some("tests/1"));
    assert_eq!(span.text("hopspan.upstream.cluster"), Some(UPSTREAM));
    let upstream = hop.upstream.address().to_string();
    assert_eq!(span.text("hopspan.upstream.address"), Some(upstream.as_str()));
    assert_eq!(span.int("hopspan.attempts"), None, "only where there was more than one");
    assert_eq!(span.text("hopspan.response_flags"), None, "nothing to flag");
    assert_eq!(span.status(), StatusCode::Unset);
    assert_eq!(span.text("error.type"), None);
    assert!(!format!("{span:?}").contains("secret"), "a query may hold secrets: {span:?}");

    assert_eq!(span.scope.name, "hopspan");
    assert_eq!(span.scope.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(span.resource_text("service.name"), Some("tests"), "the node's cluster");
}

#[tokio::test]
async fn a_server_blames_itself_for_5xx_only() {
    check_statuses(Direction::Inbound, &[200, 204, 304, 404, 429, 500, 503, 599], 500).await;
}

#[tokio::test]
async fn a_client_blames_the_other_side_for_4xx_too() {
    check_statuses(Direction::Outbound, &[200, 204, 304, 404, 429, 500, 503, 599], 400).await;
}

/// Spec: <https://opentelemetry.io/docs/specs/semconv/http/http-spans/#status>
async fn check_statuses(direction: Direction, statuses: &[u16], errors_from: u16) {
    let status = |seen: &Seen| Answer::status(seen.path[1..].parse().unwrap());
    let hop = Hop::answering(direction, status).await;
    let mut client = hop.client().await;
    for status in statuses {
        assert_eq!(client.ask(get(&format!("/{status}"))).await.status, *status);
    }

    let spans = hop.spans(statuses.len()).await;
    for status in statuses {
        let path = format!("/{status}");
        let span = spans.iter().find(|it| it.text("url.path") == Some(&path) || full(it, &path));
        let span = span.unwrap_or_else(|| panic!("a span of {path}: {spans:#?}"));
        assert_eq!(span.int("http.response.status_code"), Some(i64::from(*status)));
        let (code, error) = if *status >= errors_from {
            (StatusCode::Error, Some(status.to_string()))
        } else {
            (StatusCode::Unset, None)
        };
        assert_eq!(span.status(), code, "{status}");
        assert_eq!(span.text("error.type"), error.as_deref(), "{status}");
    }
}

/// A CLIENT span has the whole URL instead of its parts.
fn full(span: &Received, path: &str) -> bool {
    span.text("url.full").is_some_and(|it| it.ends_with(path))
}

#[tokio::test]
async fn requests_refused_before_the_filter_have_spans() {
    let hop = Hop::start_with(Direction::Inbound, ok, |it| {
        let header = |name: &str| json!([{ "name": name, "present_match": true }]);
        it.before = vec![
            filter(
                "rbac",
                "rbac.v3.RBAC",
                json!({ "rules": { "action": "DENY", "policies": { "forbidden": {
                    "permissions": [{ "header": { "name": "x-forbidden", "present_match": true } }],
                    "principals": [{ "any": true }],
                } } } }),
            ),
            filter(
                "fault",
                "fault.v3.HTTPFault",
                json!({
                    "abort": { "http_status": 503, "percentage": { "numerator": 100 } },
                    "headers": header("x-fault"),
                }),
            ),
        ];
    });
    let hop = hop.await;
    let mut client = hop.client().await;
    let traced = |path| with(get(path), "traceparent", format!("00-{TRACE}-{PARENT}-01"));

    assert_eq!(client.ask(with(traced("/denied"), "x-forbidden", "1")).await.status, 403);
    assert_eq!(client.ask(with(traced("/broken"), "x-fault", "1")).await.status, 503);
    let unsampled = with(get("/quiet"), "traceparent", format!("00-{TRACE}-{PARENT}-00"));
    assert_eq!(client.ask(with(unsampled, "x-fault", "1")).await.status, 503);
    assert_eq!(client.ask(traced("/fine")).await.status, 200);

    let spans = hop.spans(3).await;
    for (path, code, status) in [
        ("/denied", 403, StatusCode::Unset),
        ("/broken", 503, StatusCode::Error),
        ("/fine", 200, StatusCode::Unset),
    ] {
        let span = of(&spans, path);
        agrees_with_access_log(&hop, span, path).await;
        assert_eq!((span.trace_id().as_str(), span.parent_id().as_str()), (TRACE, PARENT));
        assert_eq!(span.kind(), SpanKind::Server, "{path}");
        assert_eq!(span.int("http.response.status_code"), Some(code), "{path}");
        assert_eq!(span.status(), status, "{path}");
    }
    assert_eq!(hop.upstream.seen(1).await.len(), 1);
}

#[tokio::test]
async fn requests_that_are_not_http_do_no_harm() {
    let hop = Hop::start(Direction::Inbound).await;

    // Refused by the codec or the connection manager: no filter sees more than the end.
    let long = "x".repeat(70_000);
    for (request, status) in [
        ("what is this\r\n\r\n".to_owned(), "400"),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), "400"),
        (format!("GET / HTTP/1.1\r\nhost: shop.test\r\nlong: {long}\r\n\r\n"), "431"),
    ] {
        let mut connection = raw(hop.proxy.address(), request.as_bytes()).await;
        let answer = read_until(&mut connection, "\r\n\r\n").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{status}: {answer}");
    }

    assert_eq!(hop.client().await.ask(get("/fine")).await.status, 200);
    let spans = hop.collector.spans(1).await;
    let fine = poll_for(&hop, spans, "/fine").await;
    assert_eq!(fine.int("http.response.status_code"), Some(200));
}

/// Some of the requests before have spans, as far as Envoy says what they were.
async fn poll_for(hop: &Hop, mut spans: Vec<Received>, path: &str) -> Received {
    loop {
        if let Some(found) = spans.iter().find(|it| it.text("url.path") == Some(path)) {
            return found.clone();
        }
        spans = hop.collector.spans(spans.len() + 1).await;
    }
}

/// Status, flags and details are what Envoy itself says of the request.
async fn agrees_with_access_log(hop: &Hop, span: &Received, path: &str) {
    let line = hop.proxy.access_log_of(path).await;
    let code = line["code"].as_i64().filter(|it| *it != 0);
    assert_eq!(span.int("http.response.status_code"), code, "{path}: {line}");
    if let Some(flags) = span.text("hopspan.response_flags") {
        assert_eq!(line["flags"], flags, "{path}: {line}");
    } else if code.is_none_or(|it| it >= 400) {
        // Only an end that went wrong is worth looking at the flags.
        assert!(line["flags"].is_null() || line["flags"] == "-", "{path}: {line}");
    }
    if let Some(details) = span.text("hopspan.response_code_details") {
        // The access log has no spaces in details.
        let details = details.replace(char::is_whitespace, "_");
        assert_eq!(line["details"], details, "{path}: {line}");
    }
}

fn of<'a>(spans: &'a [Received], path: &str) -> &'a Received {
    spans
        .iter()
        .find(|it| it.text("url.path") == Some(path))
        .unwrap_or_else(|| panic!("a span of {path}: {spans:#?}"))
}

fn ok(_: &Seen) -> Answer {
    Answer::status(200)
}

//! Requests that no library sends: the answer is the service's, and the worker lives on.

use crate::bootstrap::Direction;
use crate::client::{get, raw, read_until, with};
use crate::hop::Hop;

#[tokio::test]
async fn bytes_that_are_not_utf8_go_through() {
    let hop = Hop::start(Direction::Inbound).await;

    let mut request = b"GET /caf%E9 HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\n".to_vec();
    request.extend(b"user-agent: \xff\xfe\r\ntracestate: \xc0=\x80\r\nx-any: \xe9\r\n");
    request.extend(b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n");
    let mut connection = raw(hop.proxy.address(), &request).await;
    let answer = read_until(&mut connection, "hello").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let seen = &hop.upstream.seen(1).await[0];
    assert_eq!(seen.headers["x-any"].as_bytes(), b"\xe9", "other headers are not touched");
    assert_eq!(seen.headers["user-agent"].as_bytes(), b"\xff\xfe");
    assert_eq!(seen.header("tracestate"), None, "a bad list is dropped whole");
    let span = hop.span().await;
    assert_eq!(span.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(seen.traceparent().parent_id, span.span_id());

    assert_eq!(hop.client().await.ask(get("/")).await.status, 200, "the worker lives on");
    hop.spans(2).await;
}

#[tokio::test]
async fn as_many_and_as_long_headers_as_envoy_takes() {
    let hop = Hop::start(Direction::Inbound).await;

    // Envoy's limits are 100 headers, pseudo headers included, and 60 KiB.
    let mut request = "GET / HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\n".to_owned();
    let value = "v".repeat(620);
    for number in 0..92 {
        request += &format!("x-many-{number}: {value}\r\n");
    }
    request += "\r\n";
    let mut connection = raw(hop.proxy.address(), request.as_bytes()).await;
    let answer = read_until(&mut connection, "hello").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let seen = &hop.upstream.seen(1).await[0];
    let many = seen.headers.keys().filter(|it| it.as_str().starts_with("x-many-")).count();
    assert_eq!(many, 92);
    assert_eq!(seen.traceparent().parent_id, hop.span().await.span_id());
}

#[tokio::test]
async fn a_tracestate_as_long_as_envoy_takes() {
    let hop = Hop::start(Direction::Inbound).await;

    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let members: Vec<_> = (0..33).map(|it| format!("key{it}=value")).collect();
    for (why, list) in [
        ("33 members, one more than is allowed", members.join(",")),
        ("a value of 50 KB", format!("key={}", "v".repeat(50_000))),
        ("commas only", ",".repeat(5_000)),
    ] {
        let request = with(with(get("/"), "traceparent", traceparent), "tracestate", &list);
        assert_eq!(hop.client().await.ask(request).await.status, 200, "{why}");
    }

    let spans = hop.spans(3).await;
    for (seen, span) in hop.upstream.seen(3).await.iter().zip(&spans) {
        assert_eq!(span.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(seen.traceparent().trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
        let list = seen.header("tracestate").unwrap_or("none=0");
        assert!(list.split(',').count() <= 32, "{list}");
        assert!(!list.is_empty(), "an empty header is never sent");
    }
}

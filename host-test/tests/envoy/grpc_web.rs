//! gRPC-Web, with Envoy's filter that makes gRPC of it behind hopspan, and without.
//!
//! hopspan comes first, so it sees what browsers see in both cases.

use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde_json::json;
use std::time::Duration;

use crate::bootstrap::{Direction, Setup, filter};
use crate::client::{Body, GRPC_MESSAGE, post, with};
use crate::hop::Hop;
use crate::upstream::{Answer, Field, Refusing, Seen};
use hyper::Request;

const BINARY: &str = "application/grpc-web+proto";
const TEXT: &str = "application/grpc-web-text+proto";

/// What browsers send. An answer comes as text where it is asked for by `accept`.
fn call(method: &str, content_type: &str) -> Request<Body> {
    let body = if content_type == TEXT { &b"AAAAAAA="[..] } else { GRPC_MESSAGE };
    let request = post(&format!("/{method}"), body);
    with(with(request, "content-type", content_type), "accept", content_type)
}

/// A proxy that speaks gRPC to its upstream for callers of gRPC-Web.
async fn translating(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Hop {
    Hop::start_with(Direction::Outbound, answer, translate).await
}

fn translate(setup: &mut Setup) {
    setup.upstream_http2 = true;
    setup.after.push(filter("grpc_web", "grpc_web.v3.GrpcWeb", json!({})));
}

/// An upstream that speaks gRPC-Web itself.
fn web(content_type: &str, body: &'static [u8]) -> Answer {
    reply(200, vec![("content-type", content_type.to_owned())], body)
}

fn reply(status: u16, headers: Vec<Field>, body: &'static [u8]) -> Answer {
    Answer::Reply { after: Duration::ZERO, status, headers, body, trailers: Vec::new() }
}

#[tokio::test]
async fn behind_hopspan_envoy_makes_grpc_of_it() {
    // The method says which code it wants.
    let wanted = |seen: &Seen| {
        assert_eq!(seen.header("content-type"), Some("application/grpc"));
        let (_, code) = seen.path.rsplit_once('/').unwrap();
        match code.strip_prefix("only-") {
            Some(code) => Answer::grpc_trailers_only(code.parse().unwrap()),
            None => Answer::grpc(code.parse().unwrap()),
        }
    };
    let hop = translating(wanted).await;
    let mut client = hop.client().await;
    let calls = [
        ("web.Binary/0", BINARY, "OK"),
        ("web.Binary/5", BINARY, "NOT_FOUND"),
        ("web.Binary/only-9", BINARY, "FAILED_PRECONDITION"),
        ("web.Text/0", TEXT, "OK"),
        ("web.Text/14", TEXT, "UNAVAILABLE"),
    ];
    for (method, content_type, _) in calls {
        let reply = client.ask(call(method, content_type)).await;
        assert_eq!(
            (reply.status, reply.headers["content-type"].as_bytes()),
            (200, content_type.as_bytes())
        );
        assert!(reply.trailers.is_empty(), "they are in the body, or in the headers");
    }

    let spans = hop.spans(calls.len()).await;
    for (method, _, status) in calls {
        let span = spans.iter().find(|it| it.span.name == method).expect(method);
        assert_eq!(span.text("rpc.system.name"), Some("grpc"), "{method}");
        assert_eq!(span.text("rpc.method"), Some(method));
        assert_eq!(span.text("rpc.response.status_code"), Some(status), "{method}");
        let failed = status != "OK";
        let want = if failed { StatusCode::Error } else { StatusCode::Unset };
        assert_eq!(span.status(), want, "{method}");
        assert_eq!(span.text("error.type"), failed.then_some(status), "{method}");
    }
}

#[tokio::test]
async fn without_that_filter_the_upstream_speaks_it() {
    let answer = |seen: &Seen| match seen.path.as_str() {
        "/web.Own/Binary" => web(BINARY, b"\0\0\0\0\0\x80\0\0\0\x0fgrpc-status:3\r\n"),
        "/web.Own/Text" => web(TEXT, b"AAAAAAA=gAAAAA9ncnBjLXN0YXR1czo1DQo="),
        "/web.Own/Page" => reply(502, vec![("content-type", "text/html".to_owned())], b"<html>"),
        _ => reply(404, Vec::new(), b""),
    };
    let hop = Hop::answering(Direction::Inbound, answer).await;
    let mut client = hop.client().await;
    let calls = [
        ("web.Own/Binary", BINARY, "web.Own/Binary", "INVALID_ARGUMENT"),
        ("web.Own/Text", TEXT, "web.Own/Text", "NOT_FOUND"),
        ("web.Own/Page", BINARY, "web.Own/Page", "UNAVAILABLE"),
        ("web.Own/Nobody", BINARY, "grpc", "UNIMPLEMENTED"),
    ];
    for (method, content_type, ..) in calls {
        client.ask(call(method, content_type)).await;
    }

    let spans = hop.spans(calls.len()).await;
    for (method, _, name, status) in calls {
        let span = spans.iter().find(|it| it.span.name == name).expect(method);
        assert_eq!(span.text("rpc.response.status_code"), Some(status), "{method}");
        let unknown = status == "UNIMPLEMENTED";
        assert_eq!(span.text("rpc.method"), Some(if unknown { "_OTHER" } else { method }));
        assert_eq!(span.text("rpc.method_original"), unknown.then_some(method));
    }
}

#[tokio::test]
async fn an_upstream_that_refuses() {
    // With its filter Envoy adds gRPC's status to the one of HTTP.
    for translates in [true, false] {
        let refusing = Refusing::anywhere();
        let hop = Hop::start_with(
            Direction::Inbound,
            |_| Answer::Close,
            |it| {
                it.upstream = refusing.address();
                if translates {
                    translate(it);
                }
            },
        )
        .await;
        let mut client = hop.client().await;
        let reply = client.ask(call("web.Own/Call", BINARY)).await;
        let told = reply.headers.get("grpc-status").map(|it| it.as_bytes());
        assert_eq!((reply.status, told), (503, translates.then_some(&b"14"[..])));

        let span = hop.span().await;
        assert_eq!(span.text("rpc.response.status_code"), Some("UNAVAILABLE"), "{translates}");
        assert_eq!(span.status(), StatusCode::Error);
        assert_eq!(span.text("error.type"), Some("upstream_connection_failure"));
    }
}

#[tokio::test]
async fn a_browser_that_leaves() {
    let hop = translating(|_| Answer::after(Duration::from_secs(30))).await;
    let mut client = hop.client().await;
    let call = tokio::spawn(async move { client.send(call("web.Own/Watch", BINARY)).await });
    hop.upstream.seen(1).await;
    call.abort();

    let span = hop.span().await;
    assert_eq!(span.span.name, "web.Own/Watch");
    assert_eq!(span.text("rpc.response.status_code"), Some("CANCELLED"));
}

//! Connect: errors in JSON, streams with their status in the last envelope, and Envoy's filter
//! that makes gRPC of it behind hopspan.
//!
//! Spec: <https://connectrpc.com/docs/protocol>

use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

use crate::bootstrap::{Direction, filter};
use crate::client::{Body, Client, get, post, with};
use crate::hop::Hop;
use crate::received::Received;
use crate::upstream::{Answer, Refusing, Seen};
use hyper::Request;

const UNARY: &str = "application/json";
const STREAM: &str = "application/connect+json";

fn call(method: &str) -> Request<Body> {
    let request = with(post(&format!("/{method}"), "{}"), "content-type", UNARY);
    with(request, "connect-protocol-version", "1")
}

fn stream(method: &str) -> Request<Body> {
    with(post(&format!("/{method}"), &b"\0\0\0\0\x02{}"[..]), "content-type", STREAM)
}

fn answer(status: u16, content_type: &str, body: &'static [u8]) -> Answer {
    let headers = vec![("content-type", content_type.to_owned())];
    Answer::Reply { after: Duration::ZERO, status, headers, body, trailers: Vec::new() }
}

/// What a span says of its call's end.
fn end(span: &Received) -> (Option<&str>, StatusCode, Option<&str>) {
    (span.text("rpc.response.status_code"), span.status(), span.text("error.type"))
}

#[tokio::test]
async fn an_error_is_told_by_its_code() {
    let answers = |seen: &Seen| match seen.path.split('?').next().unwrap() {
        "/cart.Cart/Fine" => answer(200, UNARY, br#"{"code":"aborted"}"#),
        "/cart.Cart/Gone" => answer(404, UNARY, br#"{"message":"gone","code":"not_found"}"#),
        "/cart.Cart/Lost" => answer(500, UNARY, br#"{"code":"data_loss"}"#),
        "/cart.Cart/Page" => answer(503, "text/html", b"<html>"),
        "/cart.Cart/Same" => answer(304, UNARY, b""),
        "/cart.Cart/Many" => answer(200, STREAM, b"\0\0\0\0\x02{}\x02\0\0\0\x02{}"),
        "/cart.Cart/Stop" => {
            let end = b"\0\0\0\0\x02{}\x02\0\0\0\x1e{\"error\":{\"code\":\"internal\"}} ";
            answer(200, STREAM, end)
        }
        _ => answer(404, "text/plain", b"nothing here"),
    };
    let (fine, failed) = (StatusCode::Unset, StatusCode::Error);
    for (direction, is_server) in [(Direction::Inbound, true), (Direction::Outbound, false)] {
        let hop = Hop::answering(direction, answers).await;
        let mut client = hop.client().await;
        let calls = [
            ("cart.Cart/Fine", call("cart.Cart/Fine"), None, false),
            ("cart.Cart/Gone", call("cart.Cart/Gone"), Some("not_found"), false),
            ("cart.Cart/Lost", call("cart.Cart/Lost"), Some("data_loss"), true),
            ("cart.Cart/Page", call("cart.Cart/Page"), Some("unavailable"), true),
            ("cart.Cart/Same", get("/cart.Cart/Same?message=x&connect=v1"), None, false),
            ("cart.Cart/Many", stream("cart.Cart/Many"), None, false),
            ("cart.Cart/Stop", stream("cart.Cart/Stop"), Some("internal"), true),
            ("connectrpc", call("cart.Cart/Nobody"), Some("unimplemented"), true),
        ];
        let mut expected = Vec::new();
        for (name, request, code, server_fails) in calls {
            client.ask(request).await;
            expected.push((name, code, if is_server { server_fails } else { code.is_some() }));
        }
        let spans = hop.spans(expected.len()).await;
        for (name, code, fails) in expected {
            let span = spans.iter().find(|it| it.span.name == name).expect(name);
            assert_eq!(span.text("rpc.system.name"), Some("connectrpc"), "{name}");
            let status = if fails { failed } else { fine };
            assert_eq!(end(span), (code, status, code.filter(|_| fails)), "{name} {direction:?}");
        }
    }
}

#[tokio::test]
async fn behind_hopspan_envoy_makes_grpc_of_it() {
    let wanted = |seen: &Seen| {
        assert_eq!(seen.header("content-type").unwrap(), "application/grpc+json");
        Answer::grpc(seen.path.rsplit_once('/').unwrap().1.parse().unwrap())
    };
    let hop = Hop::start_with(Direction::Outbound, wanted, |it| {
        it.upstream_http2 = true;
        let bridge = "connect_grpc_bridge";
        let kind = "connect_grpc_bridge.v3.FilterConfig";
        it.after.push(filter(bridge, kind, json!({})));
    })
    .await;
    let mut client = hop.client().await;
    let calls = [
        ("cart.Unary/0", call("cart.Unary/0"), None),
        ("cart.Unary/5", call("cart.Unary/5"), Some("not_found")),
        ("cart.Stream/0", stream("cart.Stream/0"), None),
        ("cart.Stream/13", stream("cart.Stream/13"), Some("internal")),
    ];
    let mut expected = Vec::new();
    for (method, request, code) in calls {
        let reply = client.ask(request).await;
        expected.push((method, code, reply));
    }
    let spans = hop.spans(expected.len()).await;
    for (method, code, reply) in expected {
        let span = spans.iter().find(|it| it.span.name == method).expect(method);
        let why = format!("{method} {reply:?}");
        assert_eq!(span.text("rpc.system.name"), Some("connectrpc"), "{why}");
        assert_eq!(span.text("rpc.response.status_code"), code, "{why}");
        let failed = code.is_some();
        let want = if failed { StatusCode::Error } else { StatusCode::Unset };
        assert_eq!(span.status(), want, "{why}");
    }
}

#[tokio::test]
async fn a_client_that_has_waited_long_enough_is_told_from_one_that_left() {
    let patience = Duration::from_millis(300);
    for (waits, want) in [(true, "deadline_exceeded"), (false, "canceled")] {
        let answer = |_: &Seen| Answer::after(Duration::from_secs(30));
        let hop = Hop::answering(Direction::Inbound, answer).await;
        let address = hop.proxy.address();
        let request = with(call("cart.Cart/Wait"), "connect-timeout-ms", "300");
        let call = tokio::spawn(async move {
            let mut client = Client::http1(address).await;
            client.send(request).await
        });
        hop.upstream.seen(1).await;
        if waits {
            sleep(patience).await;
        }
        call.abort();
        let span = hop.span().await;
        assert_eq!(span.text("rpc.response.status_code"), Some(want));
    }
}

#[tokio::test]
async fn a_call_that_is_lost_or_refused() {
    for content_type in [UNARY, STREAM] {
        let request =
            || if content_type == UNARY { call("cart.Cart/Add") } else { stream("cart.Cart/Add") };
        let hop = Hop::answering(Direction::Inbound, |_| Answer::Cut).await;
        let cut = hop.client().await.send(request()).await;
        assert!(cut.is_err(), "cut in the middle");
        let span = hop.span().await;
        let lost = Some("upstream_protocol_error");
        assert_eq!(end(&span), (None, StatusCode::Error, lost), "{content_type}");

        let refusing = Refusing::anywhere();
        let refused = |_: &Seen| Answer::Close;
        let change = |it: &mut crate::bootstrap::Setup| it.upstream = refusing.address();
        let hop = Hop::start_with(Direction::Inbound, refused, change).await;
        assert_eq!(hop.client().await.ask(request()).await.status, 503);
        let span = hop.span().await;
        let refused = Some("upstream_connection_failure");
        assert_eq!(end(&span), (Some("unavailable"), StatusCode::Error, refused), "{content_type}");
    }
}

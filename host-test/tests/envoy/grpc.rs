//! gRPC over HTTP/2, where the status is in the trailers, or in headers that are all there is.
//!
//! Spec: <https://opentelemetry.io/docs/specs/semconv/rpc/grpc/>

use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use serde_json::json;
use tokio::time::sleep;

use crate::bootstrap::{Direction, UPSTREAM};
use crate::client::{Client, grpc, with};
use crate::hop::Hop;
use crate::upstream::{Answer, Seen};

#[tokio::test]
async fn a_call_that_ends_well() {
    let hop = calling(Direction::Inbound, |_| Answer::grpc(0)).await;

    let mut client = Client::http2(hop.proxy.address()).await;
    let reply = client.ask(grpc("shop.Cart/Get")).await;
    assert_eq!((reply.status, reply.trailers["grpc-status"].as_bytes()), (200, b"0".as_slice()));

    let span = hop.span().await;
    assert_eq!(span.span.name, "shop.Cart/Get");
    assert_eq!(span.kind(), SpanKind::Server);
    assert_eq!(span.text("rpc.system.name"), Some("grpc"));
    assert_eq!(span.text("rpc.method"), Some("shop.Cart/Get"));
    assert_eq!(span.text("rpc.response.status_code"), Some("OK"));
    assert_eq!(span.status(), StatusCode::Unset);
    assert_eq!(span.text("error.type"), None);
    assert!(span.int("hopspan.proxy_time_ns").is_some_and(|it| it > 0), "trailers are the end");
    assert_eq!(hop.upstream.seen(1).await[0].traceparent().parent_id, span.span_id());
}

/// What a code means, by the side that sees it.
const CODES: [(u32, &str, bool, bool); 4] = [
    // Code, name, an error for a server, an error for a client.
    (0, "OK", false, false),
    (5, "NOT_FOUND", false, true),
    (13, "INTERNAL", true, true),
    (14, "UNAVAILABLE", true, true),
];

#[tokio::test]
async fn status_codes_in_trailers() {
    check_codes(Direction::Inbound, Answer::grpc).await;
    check_codes(Direction::Outbound, Answer::grpc).await;
}

#[tokio::test]
async fn status_codes_in_headers_that_are_all() {
    check_codes(Direction::Inbound, Answer::grpc_trailers_only).await;
    check_codes(Direction::Outbound, Answer::grpc_trailers_only).await;
}

async fn check_codes(direction: Direction, answer: fn(u32) -> Answer) {
    // The method says which code it wants.
    let wanted = move |seen: &Seen| answer(seen.path.rsplit_once('/').unwrap().1.parse().unwrap());
    let hop = calling(direction, wanted).await;
    let mut client = Client::http2(hop.proxy.address()).await;
    for (code, ..) in CODES {
        assert_eq!(client.ask(grpc(&format!("codes.Service/{code}"))).await.status, 200);
    }

    let spans = hop.spans(CODES.len()).await;
    for (code, name, server, client) in CODES {
        let method = format!("codes.Service/{code}");
        let span = spans.iter().find(|it| it.span.name == method).expect(&method);
        assert_eq!(span.text("rpc.response.status_code"), Some(name), "{direction:?}");
        let error = if direction == Direction::Inbound { server } else { client };
        let (status, kind) =
            if error { (StatusCode::Error, Some(name)) } else { (StatusCode::Unset, None) };
        assert_eq!(span.status(), status, "{name}, {direction:?}");
        assert_eq!(span.text("error.type"), kind, "{name}, {direction:?}");
    }
}

#[tokio::test]
async fn a_call_that_the_proxy_ended_has_the_proxys_status() {
    // Envoy answers gRPC callers in their own terms when the upstream is gone: 503 is UNAVAILABLE.
    let hop = calling(Direction::Inbound, |_| Answer::Close).await;

    let mut client = Client::http2(hop.proxy.address()).await;
    let reply = client.ask(grpc("shop.Cart/Get")).await;
    assert_eq!((reply.status, reply.headers["grpc-status"].as_bytes()), (200, b"14".as_slice()));

    let span = hop.span().await;
    assert_eq!(span.text("rpc.response.status_code"), Some("UNAVAILABLE"));
    assert_eq!(span.status(), StatusCode::Error);
    assert_eq!(span.text("error.type"), Some("upstream_remote_reset"));
    let flags = hop.proxy.access_log(1).await[0]["flags"].clone();
    assert_eq!(span.text("hopspan.response_flags"), flags.as_str());
}

#[tokio::test]
async fn a_caller_that_cancels() {
    let hop = calling(Direction::Inbound, |_| Answer::after(Duration::from_secs(30))).await;

    let mut client = Client::http2(hop.proxy.address()).await;
    let call = tokio::spawn(async move { client.send(grpc("shop.Cart/Watch")).await });
    hop.upstream.seen(1).await;
    call.abort();

    let span = hop.span().await;
    assert_eq!(span.span.name, "shop.Cart/Watch");
    assert_eq!(span.text("rpc.response.status_code"), Some("CANCELLED"));
    let flags = hop.proxy.access_log(1).await[0]["flags"].clone();
    assert_eq!(span.text("hopspan.response_flags"), flags.as_str());
}

#[tokio::test]
async fn a_caller_whose_deadline_passes() {
    let hop = calling(Direction::Inbound, |_| Answer::after(Duration::from_secs(30))).await;

    let mut client = Client::http2(hop.proxy.address()).await;
    let request = with(grpc("shop.Cart/Watch"), "grpc-timeout", "300m");
    let call = tokio::spawn(async move { client.send(request).await });
    hop.upstream.seen(1).await;
    // The client's own watch runs out: it resets the stream, and tells nobody why.
    sleep(Duration::from_millis(300)).await;
    call.abort();

    let span = hop.span().await;
    assert_eq!(span.text("rpc.response.status_code"), Some("DEADLINE_EXCEEDED"));
    assert_eq!(
        (span.status(), span.text("error.type")),
        (StatusCode::Error, Some("DEADLINE_EXCEEDED"))
    );
    assert_eq!(span.text("hopspan.response_flags"), Some("DR"));
}

/// Where its route takes the caller's word for it, Envoy watches the deadline itself.
#[tokio::test]
async fn a_deadline_that_the_proxy_watches() {
    let answer = |_: &Seen| Answer::after(Duration::from_secs(30));
    let hop = Hop::start_with(Direction::Inbound, answer, |it| {
        it.upstream_http2 = true;
        it.routes.push(json!({
            "match": { "prefix": "/" },
            "route": {
                "cluster": UPSTREAM,
                "max_stream_duration": { "grpc_timeout_header_max": "10s" },
            },
        }));
    })
    .await;

    let mut client = Client::http2(hop.proxy.address()).await;
    let request = with(grpc("shop.Cart/Watch"), "grpc-timeout", "300m");
    let reply = client.ask(request).await;

    let span = hop.span().await;
    let told = reply.headers["grpc-status"].to_str().unwrap();
    assert_eq!((told, span.text("rpc.response.status_code")), ("4", Some("DEADLINE_EXCEEDED")));
    let error = Some("max_duration_timeout");
    assert_eq!((span.status(), span.text("error.type")), (StatusCode::Error, error));
    // Envoy has no flag for it.
    assert_eq!(span.text("hopspan.response_flags"), None);
    assert_eq!(span.text("hopspan.response_code_details"), Some("max_duration_timeout"));
}

#[tokio::test]
async fn a_call_that_is_cut_is_lost() {
    let hop = calling(Direction::Outbound, |_| Answer::Cut).await;

    let mut client = Client::http2(hop.proxy.address()).await;
    // How the client hears of it differs from version to version.
    let _ = client.send(grpc("shop.Cart/Add")).await;

    let span = hop.span().await;
    assert_eq!(span.span.name, "shop.Cart/Add");
    assert_eq!(span.int("http.response.status_code"), Some(200));
    assert_eq!(span.text("rpc.response.status_code"), None, "there was none");
    assert_eq!(span.status(), StatusCode::Error);
    let flags = hop.proxy.access_log(1).await[0]["flags"].clone();
    assert_eq!(
        (flags.as_str(), span.text("error.type")),
        (Some("UR"), Some("upstream_remote_reset"))
    );
}

#[tokio::test]
async fn an_answer_of_somebody_who_does_not_speak_grpc() {
    let hop = calling(Direction::Outbound, |seen| match seen.path.as_str() {
        "/shop.Cart/Limited" => Answer::status(429),
        "/shop.Cart/Nobody" => Answer::status(404),
        _ => Answer::status(200),
    })
    .await;

    let mut client = Client::http2(hop.proxy.address()).await;
    for method in ["shop.Cart/Limited", "shop.Cart/Nobody", "shop.Cart/Silent"] {
        client.ask(grpc(method)).await;
    }

    let spans = hop.spans(3).await;
    for (name, method, original, status) in [
        ("shop.Cart/Limited", "shop.Cart/Limited", None, Some("UNAVAILABLE")),
        ("grpc", "_OTHER", Some("shop.Cart/Nobody"), Some("UNIMPLEMENTED")),
        ("shop.Cart/Silent", "shop.Cart/Silent", None, None),
    ] {
        let span = spans.iter().find(|it| it.span.name == name).expect(name);
        assert_eq!(span.text("rpc.method"), Some(method));
        assert_eq!(span.text("rpc.method_original"), original);
        assert_eq!(span.text("rpc.response.status_code"), status, "{name}");
    }
}

async fn calling(
    direction: Direction,
    answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
) -> Hop {
    Hop::start_with(direction, answer, |it| it.upstream_http2 = true).await
}

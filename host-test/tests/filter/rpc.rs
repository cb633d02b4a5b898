//! Calls of gRPC-Web and Connect: their status is in the body, which is read in part.
//!
//! Spec: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>,
//! <https://connectrpc.com/docs/protocol>

use crate::hopspan::{Hopspan, INBOUND, OUTBOUND, SAMPLED, UNCOUNTED_INBOUND, UNSAMPLED};
use crate::received::Received;
use host_test::{Headers, Injection, Status, Stream};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

const METHOD: &str = "shop.Cart/Add";
const WEB: &str = "application/grpc-web+proto";
const WEB_TEXT: &str = "application/grpc-web-text+proto";
const STREAM: &str = "application/connect+proto";
const UNARY: &str = "application/proto";

/// A call by the content type of its request.
fn request(content_type: &str) -> Headers {
    let request = Headers::plain_get("/shop.Cart/Add").with(":method", "POST");
    let request = request.with("content-type", content_type).with("traceparent", SAMPLED);
    if content_type == UNARY { request.with("connect-protocol-version", "1") } else { request }
}

/// Begins a call, and goes on until its answer.
fn begin(hopspan: &Hopspan, request: Headers) -> Stream {
    let stream = hopspan.stream();
    stream.request_headers(request, false);
    stream.request_body(b"\0\0\0\0\0", true);
    hopspan.pass(700);
    stream
}

/// Answers a call: headers, and a body in chunks.
fn answer(stream: &Stream, status: &str, content_type: &str, chunks: &[&[u8]]) {
    stream.response_headers([(":status", status), ("content-type", content_type)], false);
    for chunk in chunks {
        stream.response_body(chunk, false);
    }
    stream.response_body(b"", true);
}

/// The span of a call that was answered so.
fn called(
    config: &str,
    content_type: &str,
    status: &str,
    answered: &str,
    chunks: &[&[u8]],
) -> Received {
    let hopspan = Hopspan::start(config);
    let stream = begin(&hopspan, request(content_type));
    answer(&stream, status, answered, chunks);
    stream.finish();
    assert_eq!(stream.downstream_body(), chunks.concat(), "the body is not touched");
    hopspan.span()
}

/// A frame or an envelope.
fn frame(flags: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&[flags][..], &length, content].concat()
}

fn trailers(status: u8) -> Vec<u8> {
    frame(0x80, format!("grpc-status:{status}\r\ngrpc-message:so%20it%20goes\r\n").as_bytes())
}

/// What a span says of its call.
fn said(span: &Received) -> (&str, Option<&str>, Option<&str>, StatusCode, Option<&str>) {
    let text = |key| span.text(key);
    let status = text("rpc.response.status_code");
    (&span.span.name, text("rpc.system.name"), status, span.status(), text("error.type"))
}

const FAILED: StatusCode = StatusCode::Error;
const FINE: StatusCode = StatusCode::Unset;

#[test]
fn the_trailers_of_grpc_web_are_found_however_they_come() {
    let message = frame(0, &[7; 300]);
    let ends = trailers(5);
    let whole = [message.clone(), ends.clone()].concat();
    let long = frame(0, &vec![0x80; 1 << 20]);
    let in_one = [&long[..], &ends].concat();
    for (why, chunks) in [
        ("with the message", vec![&whole[..]]),
        ("apart", vec![&message, &ends]),
        ("alone", vec![&ends]),
        ("cut in the flags", vec![&message, &ends[..1], &ends[1..]]),
        ("cut in the length", vec![&whole[..308], &whole[308..]]),
        ("cut in the status", vec![&message, &ends[..12], &ends[12..]]),
        ("byte by byte", whole.chunks(1).collect()),
        ("behind a long message", long.chunks(16384).chain([&ends[..]]).collect()),
        ("at the end of a long chunk", vec![&in_one]),
    ] {
        for (config, want) in [(INBOUND, (FINE, None)), (OUTBOUND, (FAILED, Some("NOT_FOUND")))] {
            let span = called(config, WEB, "200", WEB, &chunks);
            let want = (METHOD, Some("grpc"), Some("NOT_FOUND"), want.0, want.1);
            assert_eq!(said(&span), want, "{why}");
            assert_eq!(span.text("rpc.method"), Some(METHOD), "{why}");
        }
    }
}

#[test]
fn the_answer_says_whether_grpc_web_is_text() {
    let text: &[&[u8]] = &[b"AAAAAAVoZWxsbw==gAAA", b"AA9ncnBjLXN0YXR1czo1DQo="];
    let span = called(INBOUND, WEB_TEXT, "200", WEB_TEXT, text);
    assert_eq!(span.text("rpc.response.status_code"), Some("NOT_FOUND"));
    // Asked in text, answered in binary: the client accepts that.
    let span = called(INBOUND, WEB_TEXT, "200", WEB, &[&trailers(0)]);
    assert_eq!(said(&span), (METHOD, Some("grpc"), Some("OK"), FINE, None));
}

#[test]
fn grpc_web_may_have_its_status_in_headers_or_in_http() {
    let hopspan = Hopspan::start(INBOUND);
    let stream = begin(&hopspan, request(WEB));
    let headers = [(":status", "200"), ("content-type", WEB), ("grpc-status", "14")];
    stream.response_headers(headers, true);
    stream.finish();
    let want = (METHOD, Some("grpc"), Some("UNAVAILABLE"), FAILED, Some("UNAVAILABLE"));
    assert_eq!(said(&hopspan.span()), want);

    let span = called(INBOUND, WEB, "503", "text/plain", &[b"no healthy upstream"]);
    assert_eq!(said(&span), want);
}

#[test]
fn a_connect_call_has_its_error_in_the_body_or_by_its_status() {
    for (why, status, body, code, server_fails) in [
        ("a success", "200", "\u{a}\u{3}abc", None, false),
        ("an error", "404", r#"{"code":"not_found","message":"gone"}"#, Some("not_found"), false),
        ("the server's", "500", r#"{"code":"data_loss"}"#, Some("data_loss"), true),
        ("not the HTTP status' own", "409", r#"{"code":"aborted"}"#, Some("aborted"), false),
        ("no code", "503", "no healthy upstream", Some("unavailable"), true),
    ] {
        for (config, fails) in [(INBOUND, server_fails), (OUTBOUND, code.is_some())] {
            let answered = if code.is_some() { "application/json" } else { UNARY };
            let span = called(config, UNARY, status, answered, &[body.as_bytes()]);
            let status = if fails { FAILED } else { FINE };
            let error = code.filter(|_| fails);
            assert_eq!(said(&span), (METHOD, Some("connectrpc"), code, status, error), "{why}");
        }
    }
}

#[test]
fn a_connect_call_may_be_a_get() {
    let hopspan = Hopspan::start(INBOUND);
    let stream = hopspan.stream();
    let path = "/shop.Cart/List?encoding=json&message=%7B%22card%22%3A%224111%22%7D&connect=v1";
    let request = Headers::plain_get(path).with("traceparent", SAMPLED);
    stream.request_headers(request, true);
    answer(&stream, "429", "application/json", &[br#"{"code":"resource_exhausted"}"#]);
    stream.finish();
    let span = hopspan.span();
    let code = Some("resource_exhausted");
    assert_eq!(said(&span), ("shop.Cart/List", Some("connectrpc"), code, FINE, None));
    assert_eq!(span.text("http.request.method"), Some("GET"));
    assert!(!format!("{span:?}").contains("4111"), "the message is in the query: masked");
}

#[test]
fn a_connect_stream_tells_of_its_end_in_its_last_envelope() {
    let message = frame(0, &[2; 50]);
    for (why, end, code, fails) in [
        ("a success", frame(2, b"{}"), None, false),
        ("an error", frame(2, br#"{"error":{"code":"internal"}}"#), Some("internal"), true),
        ("compressed: not read", frame(3, b"\x1f\x8b\x08"), None, false),
    ] {
        for chunks in [&[&message[..], &end][..], &[&message, &end[..3], &end[3..]]] {
            let span = called(INBOUND, STREAM, "200", STREAM, chunks);
            let status = if fails { FAILED } else { FINE };
            let want = (METHOD, Some("connectrpc"), code, status, code.filter(|_| fails));
            assert_eq!(said(&span), want, "{why}");
        }
    }
}

#[test]
fn a_method_that_the_server_does_not_know_names_no_span() {
    for (content_type, status, body, system) in
        [(WEB, "200", trailers(12), "grpc"), (UNARY, "404", b"nothing here".to_vec(), "connectrpc")]
    {
        let span = called(INBOUND, content_type, status, content_type, &[&body]);
        assert_eq!(span.span.name, system);
        assert_eq!(span.text("rpc.method"), Some("_OTHER"));
        assert_eq!(span.text("rpc.method_original"), Some(METHOD));
    }
}

#[test]
fn a_client_that_gives_up_says_why_by_the_time_it_waited() {
    const DC: i64 = 1 << 14;
    for (content_type, timeout, cancelled, late) in [
        ("application/grpc", ("grpc-timeout", "100m"), "CANCELLED", "DEADLINE_EXCEEDED"),
        (WEB, ("grpc-timeout", "100000u"), "CANCELLED", "DEADLINE_EXCEEDED"),
        (UNARY, ("connect-timeout-ms", "100"), "canceled", "deadline_exceeded"),
        (STREAM, ("connect-timeout-ms", "100"), "canceled", "deadline_exceeded"),
    ] {
        for (timeout, waited, want) in [
            (None, 200_000, cancelled),
            (Some(timeout), 50_000, cancelled),
            (Some(timeout), 100_000, late),
        ] {
            for is_begun in [false, true] {
                let hopspan = Hopspan::start(OUTBOUND);
                let mut request = request(content_type);
                if let Some((name, value)) = timeout {
                    request = request.with(name, value);
                }
                let stream = begin(&hopspan, request);
                if is_begun {
                    let head = [(":status", "200"), ("content-type", content_type)];
                    stream.response_headers(head, false);
                    stream.response_body(frame(0, b"one of many"), false);
                }
                hopspan.pass(waited - 700);
                stream.set_property("response.flags", DC);
                stream.set_property("response.code_details", "downstream_remote_disconnect");
                stream.unset_property("response.backend_latency");
                stream.finish();
                let span = hopspan.span();
                let code = span.text("rpc.response.status_code");
                assert_eq!(code, Some(want), "{content_type} {timeout:?} {waited} {is_begun}");
            }
        }
    }
}

#[test]
fn a_call_that_is_cut_is_lost_and_has_no_status() {
    const UPE: i64 = 1 << 23;
    for content_type in ["application/grpc", WEB, UNARY, STREAM] {
        let hopspan = Hopspan::start(OUTBOUND);
        let stream = begin(&hopspan, request(content_type).with("grpc-timeout", "1m"));
        stream.response_headers([(":status", "200"), ("content-type", content_type)], false);
        stream.response_body(frame(0, b"one of many"), false);
        stream.set_property("response.flags", UPE);
        let details = "upstream_reset_after_response_started{protocol_error}";
        stream.set_property("response.code_details", details);
        stream.unset_property("response.backend_latency");
        stream.finish();
        let span = hopspan.span();
        assert_eq!(span.text("rpc.response.status_code"), None, "{content_type}");
        assert_eq!(span.status(), FAILED, "{content_type}");
        assert_eq!(span.text("error.type"), Some("upstream_protocol_error"), "{content_type}");
    }
}

/// Reads of bodies by calls, each with a body of three chunks.
#[test]
fn only_bodies_with_a_status_are_read() {
    let reads = |request: Headers, body: &[u8]| {
        let hopspan = Hopspan::start(UNCOUNTED_INBOUND);
        let stream = begin(&hopspan, request);
        answer(&stream, "200", "x/y", &[body, body, body]);
        stream.finish();
        hopspan.hostcalls().about("proxy_get_buffer_bytes", "response_body")
    };
    for (why, request, want) in [
        ("no call", request("application/json"), 0),
        ("gRPC has trailers", Headers::grpc("/a.B/C").with("traceparent", SAMPLED), 0),
        ("not recorded", request(WEB).with("traceparent", UNSAMPLED), 0),
        ("gRPC-Web: each chunk, once", request(WEB), 3),
        ("a stream: each chunk, once", request(STREAM), 3),
        ("one message: the first KiB", request(UNARY), 1),
    ] {
        assert_eq!(reads(request, &[b'x'; 2000]), want, "{why}");
    }
}

#[test]
fn a_body_that_the_host_does_not_show_leaves_the_status_open() {
    let nth = |it| Injection::nth("proxy_get_buffer_bytes", it, Status(2));
    let always = Injection::always("proxy_get_buffer_bytes", Status(2));
    for (why, injection, want) in [
        ("never", always, None),
        ("the message", nth(1), Some("NOT_FOUND")),
        ("the trailers", nth(2), None),
    ] {
        let hopspan = Hopspan::start(INBOUND);
        hopspan.inject(injection);
        let stream = begin(&hopspan, request(WEB));
        answer(&stream, "200", WEB, &[&frame(0, b"hello"), &trailers(5)]);
        stream.finish();
        let span = hopspan.span();
        assert_eq!(said(&span), (METHOD, Some("grpc"), want, FINE, None), "{why}");
    }
}

/// Filters behind hopspan turn a call into one of gRPC, and on_log shows what they made of it.
#[test]
fn a_call_that_is_kept_after_all_stays_what_it_was() {
    let config = r#"{"direction":"inbound","collector":{"cluster":"otel"},"metrics":{"to":[]},
        "sampling":{"keep":{"errors":true}}}"#;
    let hopspan = Hopspan::start(config);
    let stream = begin(&hopspan, request(UNARY).with("traceparent", UNSAMPLED));
    answer(&stream, "503", "application/json", &[br#"{"code":"internal"}"#]);
    stream.rewrite_upstream_headers(|it| it.with("content-type", "application/grpc"));
    stream.finish();
    // What was not sampled has not been read: the HTTP status has to do.
    let code = Some("unavailable");
    assert_eq!(said(&hopspan.span()), (METHOD, Some("connectrpc"), code, FAILED, code));
}

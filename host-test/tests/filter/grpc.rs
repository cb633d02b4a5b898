//! gRPC calls: their status is in trailers, in headers, or must be concluded.

use crate::hopspan::{Hopspan, INBOUND, OUTBOUND, SAMPLED};
use crate::received::Received;
use host_test::{Headers, Stream};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

const METHOD: &str = "shop.Cart/Add";

fn call(config: &str, end: impl FnOnce(&Hopspan, &Stream)) -> Received {
    let hopspan = Hopspan::start(config);
    let stream = hopspan.stream();
    let request = Headers::grpc("/shop.Cart/Add").with("traceparent", SAMPLED);
    stream.request_headers(request, false);
    stream.request_body(b"\0\0\0\0\0", true);
    hopspan.pass(700);
    end(&hopspan, &stream);
    stream.finish();
    hopspan.span()
}

fn in_trailers(status: &'static str) -> impl FnOnce(&Hopspan, &Stream) {
    move |_, stream| {
        stream.response_headers([(":status", "200"), ("content-type", "application/grpc")], false);
        stream.response_body(b"\0\0\0\0\0", false);
        stream.response_trailers([("grpc-status", status)]);
    }
}

fn trailers_only(status: &'static str) -> impl FnOnce(&Hopspan, &Stream) {
    move |_, stream| {
        let headers =
            [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", status)];
        stream.response_headers(headers, true);
    }
}

#[test]
fn the_status_comes_from_trailers_or_from_headers() {
    for (status, name, server_fails, client_fails) in [
        ("0", "OK", false, false),
        ("1", "CANCELLED", false, true),
        ("4", "DEADLINE_EXCEEDED", true, true),
        ("5", "NOT_FOUND", false, true),
        ("14", "UNAVAILABLE", true, true),
    ] {
        for (config, fails) in [(INBOUND, server_fails), (OUTBOUND, client_fails)] {
            for span in [call(config, in_trailers(status)), call(config, trailers_only(status))] {
                assert_eq!(
                    (span.span.name.as_str(), span.text("rpc.method")),
                    (METHOD, Some(METHOD))
                );
                assert_eq!(span.text("rpc.system.name"), Some("grpc"));
                assert_eq!(span.text("rpc.response.status_code"), Some(name));
                let want = if fails { StatusCode::Error } else { StatusCode::Unset };
                assert_eq!(span.status(), want, "{name}");
                assert_eq!(span.text("error.type"), fails.then_some(name));
                assert!(span.int("hopspan.proxy_time_ns").is_some(), "its end was seen");
            }
        }
    }
}

#[test]
fn a_call_that_its_client_ended_was_cancelled() {
    const DR: i64 = 1 << 28;
    for before in [false, true] {
        let span = call(OUTBOUND, |_, stream| {
            if before {
                let headers = [(":status", "200"), ("content-type", "application/grpc")];
                stream.response_headers(headers, false);
            }
            stream.set_property("response.flags", DR);
            stream.set_property("response.code_details", "http2.remote_reset");
            stream.unset_property("response.backend_latency");
        });
        assert_eq!(span.text("rpc.response.status_code"), Some("CANCELLED"));
        assert_eq!(span.text("hopspan.response_flags"), Some("DR"));
        assert_eq!(span.int("hopspan.proxy_time_ns"), None);
    }
}

#[test]
fn a_status_that_grpc_does_not_know_is_not_invented() {
    for status in ["17", "-1", "x", ""] {
        let span = call(INBOUND, in_trailers(status));
        assert_eq!(span.text("rpc.response.status_code"), None, "{status:?}");
    }
}

/// The proxy guesses `response.grpc_status` from any HTTP status, so it must not be asked.
#[test]
fn what_is_no_call_has_no_grpc_status() {
    for content_type in ["application/json", "application/grpcs", ""] {
        let hopspan = Hopspan::start(INBOUND);
        let stream = hopspan.stream();
        let request = Headers::grpc("/shop.Cart/Add").with("traceparent", SAMPLED);
        stream.request_headers(request.with("content-type", content_type), true);
        stream.respond(503);
        stream.finish();
        let span = hopspan.span();
        assert_eq!((span.span.name.as_str(), span.text("rpc.system.name")), ("POST", None));
        assert_eq!(span.text("rpc.response.status_code"), None);
        assert_eq!(hopspan.hostcalls().about("proxy_get_property", "response.grpc_status"), 0);
    }
}

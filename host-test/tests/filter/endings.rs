//! The end of a stream: whichever callbacks a host has for it, in whichever order, it is
//! one span.

use crate::hopspan::{Hopspan, INBOUND, PARENT, SAMPLED, TRACE, sampled_get, sent};
use host_test::{Headers, Stream};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use std::time::Duration;

#[test]
fn every_order_of_the_last_callbacks_gives_one_span() {
    type End = fn(&Stream);
    for (why, end) in [
        ("log, done, delete: Envoy", Stream::finish as End),
        ("done, log, delete: the specification", Stream::finish_done_first),
        ("done, delete: an upstream filter", Stream::finish_without_log),
        ("twice", |it| {
            it.finish();
            it.finish();
        }),
    ] {
        let hopspan = Hopspan::start(INBOUND);
        let stream = hopspan.stream();
        stream.request_headers(sampled_get(), true);
        hopspan.pass(300);
        stream.respond(200);
        end(&stream);
        let span = hopspan.span();
        assert_eq!((span.trace_id().as_str(), span.parent_id().as_str()), (TRACE, PARENT), "{why}");
        assert_eq!(span.duration_ns(), 300_000, "{why}");
        assert_eq!(span.int("http.response.status_code"), Some(200), "{why}");
        assert_eq!(span.status(), StatusCode::Unset, "{why}");
    }
}

#[test]
fn an_upstream_filter_gets_a_span_too() {
    let hopspan = Hopspan::start(INBOUND);
    let stream = hopspan.stream().as_upstream();
    stream.request_headers(sampled_get(), true);
    // A per-try timeout: no response callbacks.
    stream.finish_without_log();
    assert_eq!(hopspan.spans().len(), 1);
}

/// An earlier filter rejected it, or the proxy did: there is a log, and nothing else.
#[test]
fn a_request_refused_before_the_filter_is_a_span_of_the_callers_trace() {
    let hopspan = Hopspan::start(INBOUND);
    let began = hopspan.clock().wall_nanos();
    let stream = hopspan.stream();
    stream.set_property("response.code_details", "rbac_access_denied_matched_policy[none]");
    stream.set_property("upstream.request_attempt_count", 0_u64);
    hopspan.pass(2_500);
    stream.refused(sampled_get(), [(":status", "403")]);
    let span = hopspan.span();
    assert_eq!((span.trace_id().as_str(), span.parent_id().as_str()), (TRACE, PARENT));
    assert_eq!(span.int("http.response.status_code"), Some(403));
    assert_eq!((span.span.start_time_unix_nano, span.duration_ns()), (began, 2_500_000));
    assert_eq!(span.int("hopspan.proxy_time_ns"), Some(2_500_000));
    assert_eq!(span.flag("hopspan.proxy_time_upper_bound"), Some(true));
    assert_eq!(
        span.text("hopspan.response_code_details"),
        Some("rbac_access_denied_matched_policy[none]")
    );
}

#[test]
fn a_refused_request_without_headers_is_no_span_and_no_harm() {
    let hopspan = Hopspan::start(INBOUND);
    hopspan.stream().refused(Headers::new(), [(":status", "400")]);
    hopspan.stream().refused(Headers::new(), Headers::new());
    hopspan.stream().refused(Headers::from([(":path", "/")]), [(":status", "431")]);
    assert!(hopspan.spans().len() <= 1);
    hopspan.requests(1);
    assert_eq!(hopspan.spans().len(), 1, "the next one is traced");
}

#[test]
fn a_refused_request_that_nobody_sampled_is_no_span() {
    let hopspan = Hopspan::start(INBOUND);
    let unsampled = sampled_get().with("traceparent", crate::hopspan::UNSAMPLED);
    hopspan.stream().refused(unsampled, [(":status", "403")]);
    assert_eq!(hopspan.spans().len(), 0);
}

#[test]
fn a_stream_that_never_ends_is_no_span_and_holds_nothing_up() {
    let hopspan = Hopspan::start(INBOUND);
    let open = hopspan.stream();
    open.request_headers(sampled_get(), false);
    hopspan.requests(3);
    assert_eq!(hopspan.spans().len(), 3);
    hopspan.run_for(Duration::from_secs(3600));
    open.respond(200);
    open.finish();
    let span = hopspan.span();
    assert_eq!(span.text("user_agent.original"), Some("curl/8.5.0"));
    assert!(span.duration_ns() >= 3_600_000_000_000);
}

#[test]
fn callbacks_about_contexts_that_are_not_there_do_nothing() {
    let hopspan = Hopspan::start(INBOUND);
    let stream = hopspan.stream();
    stream.response_headers([(":status", "200")], false);
    stream.request_body(b"x", true);
    stream.response_body(b"x", true);
    stream.request_trailers([("a", "b")]);
    stream.finish();
    let late = hopspan.stream();
    late.request_headers(Headers::plain_get("/").with("traceparent", SAMPLED), true);
    late.finish();
    late.response_headers([(":status", "200")], true);
    late.request_headers(sampled_get(), true);
    late.finish();
    let spans = hopspan.spans();
    assert_eq!(spans.iter().filter(|it| it.text("url.path") == Some("/")).count(), 1);
}

#[test]
fn several_streams_of_one_worker_are_kept_apart() {
    let hopspan = Hopspan::start(INBOUND);
    let streams: Vec<_> = (0..50).map(|_| hopspan.stream()).collect();
    for (number, stream) in streams.iter().enumerate() {
        let path = format!("/{number}");
        stream.request_headers(Headers::plain_get(&path).with("traceparent", SAMPLED), true);
        hopspan.pass(1_000);
    }
    let sent: Vec<_> = streams.iter().map(|it| sent(it).parent_id).collect();
    for stream in streams.iter().rev() {
        stream.respond(200);
        stream.finish();
        hopspan.pass(1_000);
    }
    let spans = hopspan.spans();
    assert_eq!(spans.len(), 50);
    for span in &spans {
        let number: usize = span.text("url.path").unwrap()[1..].parse().unwrap();
        assert_eq!(span.span_id(), sent[number]);
        // Open from its own request to its own response, with all that came later between.
        assert_eq!(span.duration_ns(), (2 * (49 - i64::try_from(number).unwrap()) + 1) * 1_000_000);
    }
}

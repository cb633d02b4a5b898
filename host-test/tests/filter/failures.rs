//! Requests that go wrong, as Envoy shows them, told apart.

use crate::hopspan::{GATEWAY, Hopspan, INBOUND, OUTBOUND, sampled_get, sent};
use crate::received::Received;
use host_test::{Answer, Stream};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use std::time::Duration;

/// Response flags by Envoy's `StreamInfo::CoreResponseFlag`.
const UH: i64 = 1 << 1;
const UT: i64 = 1 << 2;
const UF: i64 = 1 << 5;
const UC: i64 = 1 << 6;
const FI: i64 = 1 << 10;
const DC: i64 = 1 << 14;
const URX: i64 = 1 << 15;
const UPE: i64 = 1 << 23;
const NC: i64 = 1 << 24;

/// What is expected of a span.
#[derive(Debug, PartialEq)]
struct Want<'a> {
    code: Option<i64>,
    /// `error.type`, with which goes status Error.
    error: Option<&'a str>,
    flags: Option<&'a str>,
    details: Option<&'a str>,
    attempts: Option<i64>,
    /// Whether the proxy time is known, and whether it is an upper bound.
    proxy_time: Option<bool>,
}

impl<'a> Want<'a> {
    #[track_caller]
    fn found(span: &'a Received) -> Self {
        let error = span.text("error.type");
        let status = if error.is_some() { StatusCode::Error } else { StatusCode::Unset };
        assert_eq!(span.status(), status, "status and error.type say the same: {span:#?}");
        let bound = span.flag("hopspan.proxy_time_upper_bound");
        Self {
            code: span.int("http.response.status_code"),
            error,
            flags: span.text("hopspan.response_flags"),
            details: span.text("hopspan.response_code_details"),
            attempts: span.int("hopspan.attempts"),
            proxy_time: span.int("hopspan.proxy_time_ns").map(|_| bound.unwrap_or(false)),
        }
    }
}

/// The rows of HOST.md's table that end with a response which the proxy makes itself.
#[test]
fn what_the_proxy_answers_itself_says_why() {
    type Row =
        (&'static str, u16, i64, &'static str, u64, &'static str, &'static str, Option<bool>);
    let reset = "upstream_reset_before_response_started{connection_termination}";
    for (why, status, bits, details, attempts, flags, error, proxy_time) in [
        ("unknown cluster", 503, NC, "cluster_not_found", 0, "NC", "no_cluster", Some(false)),
        (
            "rejected by a later filter",
            500,
            FI,
            "fault_filter_abort",
            0,
            "FI",
            "fault_injected",
            Some(false),
        ),
        ("no hosts", 503, UH, "no_healthy_upstream", 1, "UH", "no_healthy_upstream", None),
        (
            "refused",
            503,
            UF,
            "upstream_reset_before_response_started{x}",
            1,
            "UF",
            "upstream_connection_failure",
            None,
        ),
        (
            "upstream reset before headers",
            503,
            UC,
            reset,
            1,
            "UC",
            "upstream_connection_termination",
            None,
        ),
        ("route timeout", 504, UT, "response_timeout", 1, "UT", "timeout", None),
        (
            "per-try timeouts",
            504,
            UT | URX,
            "upstream_per_try_timeout",
            3,
            "UT,URX",
            "timeout",
            None,
        ),
    ] as [Row; 7]
    {
        let hopspan = Hopspan::start(INBOUND);
        let stream = hopspan.stream();
        stream.request_headers(sampled_get(), true);
        hopspan.pass(400);
        stream.local_reply(status, bits, details);
        // Envoy counts the choice of a host as an attempt. (The reply has said 0.)
        stream.set_property("upstream.request_attempt_count", attempts);
        stream.finish();
        let want = Want {
            code: Some(i64::from(status)),
            error: Some(error),
            flags: Some(flags),
            details: Some(details),
            attempts: Some(3).filter(|_| attempts == 3),
            proxy_time,
        };
        assert_eq!(Want::found(&hopspan.span()), want, "{why}");
    }
}

#[test]
fn a_direct_response_is_all_the_proxys_time_and_no_upstream() {
    for config in [INBOUND, GATEWAY] {
        let hopspan = Hopspan::start(config);
        let stream = hopspan.stream();
        stream.request_headers(sampled_get(), true);
        hopspan.pass(400);
        stream.unset_property("xds.cluster_name");
        stream.local_reply(200, 0, "direct_response");
        hopspan.pass(100);
        stream.finish();
        let span = hopspan.span();
        assert_eq!(span.kind(), SpanKind::Server, "no CLIENT span where nothing was asked");
        assert_eq!(span.int("hopspan.proxy_time_ns"), Some(400_000), "{config}");
        for key in ["upstream_time_ns", "upstream.cluster", "upstream.address", "attempts"] {
            let key = format!("hopspan.{key}");
            assert!(!span.span.attributes.iter().any(|it| it.key == key), "{key}");
        }
    }
}

/// Rows without a response of the proxy's own.
#[test]
fn a_stream_that_breaks_says_who_broke_it() {
    type Break = fn(&Stream);
    let nothing: Break = |_| ();
    let half: Break = |it| {
        it.response_headers([(":status", "200")], false);
        it.response_body(b"half", false);
    };
    let reset = "upstream_reset_after_response_started{protocol_error}";
    let gone = "downstream_remote_disconnect";
    for (why, before, bits, details, code, error, flags) in [
        (
            "upstream reset mid body",
            half,
            UPE,
            reset,
            Some(200),
            Some("upstream_protocol_error"),
            "UPE",
        ),
        ("client gone before the response", nothing, DC, gone, None, None, "DC"),
        ("client gone during the response", half, DC, gone, Some(200), None, "DC"),
    ] {
        for config in [INBOUND, OUTBOUND] {
            let hopspan = Hopspan::start(config);
            let stream = hopspan.stream();
            stream.request_headers(sampled_get(), true);
            hopspan.pass(400);
            before(&stream);
            stream.set_property("response.flags", bits);
            stream.set_property("response.code_details", details);
            stream.unset_property("response.backend_latency");
            stream.finish();
            let (details, flags) = (Some(details), Some(flags));
            let want = Want { code, error, flags, details, attempts: None, proxy_time: None };
            assert_eq!(Want::found(&hopspan.span()), want, "{why}");
        }
    }
}

#[test]
fn a_status_is_an_error_by_the_rules_of_its_kind() {
    for (status, server, client) in [
        (200, None, None),
        (304, None, None),
        (399, None, None),
        (404, None, Some("404")),
        (429, None, Some("429")),
        (500, Some("500"), Some("500")),
        (503, Some("503"), Some("503")),
        (599, Some("599"), Some("599")),
        (999, Some("999"), Some("999")),
    ] {
        let hopspan = Hopspan::start(GATEWAY);
        let stream = hopspan.stream();
        stream.request_headers(sampled_get(), true);
        stream.respond(status);
        stream.finish();
        let spans = hopspan.spans();
        let found: Vec<_> = spans.iter().map(|it| it.text("error.type")).collect();
        assert_eq!(found, [server, client], "{status}");
        let want = [server, client]
            .map(|it| if it.is_some() { StatusCode::Error } else { StatusCode::Unset });
        assert_eq!([spans[0].status(), spans[1].status()], want, "{status}");
        // The upstream's own answer needs no reason from the proxy.
        assert_eq!(spans[0].text("hopspan.response_code_details"), None, "{status}");
    }
}

#[test]
fn retries_are_one_span_with_an_upper_bound() {
    let hopspan = Hopspan::start(INBOUND);
    let stream = hopspan.stream();
    stream.request_headers(sampled_get(), true);
    let before = sent(&stream);
    hopspan.pass(56_883);
    stream.set_property("upstream.request_attempt_count", 3_u64);
    stream.set_property("response.backend_latency", Duration::from_millis(20));
    stream.respond(200);
    stream.finish();
    let span = hopspan.span();
    let proxy_time = Some(true);
    let want = Want {
        code: Some(200),
        error: None,
        flags: None,
        details: None,
        attempts: Some(3),
        proxy_time,
    };
    assert_eq!(Want::found(&span), want);
    assert_eq!(span.int("hopspan.proxy_time_ns"), Some(36_883_000));
    assert_eq!(span.int("hopspan.upstream_time_ns"), Some(20_000_000), "of the last try");
    assert_eq!(before.parent_id, span.span_id());
}

#[test]
fn the_span_of_a_failure_is_still_sent_when_the_collector_fails_too() {
    let hopspan = Hopspan::start(INBOUND);
    hopspan.collector.next([Answer::refused_connection()]);
    let stream = hopspan.stream();
    stream.request_headers(sampled_get(), true);
    stream.local_reply(503, UF, "upstream_reset_before_response_started{x}");
    stream.finish();
    hopspan.run_for(Duration::from_secs(4));
    let spans = hopspan.collector.taken();
    assert_eq!(spans.len(), 1);
    assert_eq!(spans[0].text("error.type"), Some("upstream_connection_failure"));
}

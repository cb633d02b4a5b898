//! Events at random, most of them near to what hosts and callers do.

use crate::hopspan::{SAMPLED, UNSAMPLED};
use host_test::Answer;
use proptest::prelude::*;
use std::time::Duration;

/// What can happen to a stream, or around it.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    RequestHeaders(Vec<(Vec<u8>, Vec<u8>)>, bool),
    RequestBody(bool),
    RequestTrailers,
    ResponseHeaders(Vec<u8>, Option<Vec<u8>>, bool),
    ResponseBody(Vec<u8>, bool),
    ResponseTrailers(Vec<u8>),
    Property(&'static str, Vec<u8>),
    Finish(u8),
    Refused,
    Pass(u64),
    Jump(i64),
    Run(u64),
    Reconfigure(u8),
    Shared(&'static str, Vec<u8>),
    Break(&'static str, u32),
    Heal,
}

/// All that hopspan asks for, and then some.
const PROPERTIES: [&str; 19] = [
    "xds.listener_direction",
    "request.protocol",
    "source.address",
    "xds.cluster_name",
    "upstream.address",
    "upstream.request_attempt_count",
    "response.backend_latency",
    "response.code",
    "response.flags",
    "response.code_details",
    "request.time",
    "request.duration",
    "xds.route_name",
    "xds.filter_chain_name",
    "xds.route_metadata.filter_metadata.hopspan.disabled",
    "xds.route_metadata.filter_metadata.hopspan.sampling_ratio",
    "connection.mtls",
    "connection.uri_san_peer_certificate",
    "connection.dns_san_peer_certificate",
];

/// Keys that workers share.
const KEYS: [&str; 5] =
    ["hopspan.keep.7", "hopspan.limit.0", "hopspan.floor.3", "hopspan.said.0", "hopspan.workers"];

/// Calls of requests, not of starts.
const CALLS: [&str; 9] = [
    "proxy_get_header_map_pairs",
    "proxy_get_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_add_header_map_value",
    "proxy_remove_header_map_value",
    "proxy_get_property",
    "proxy_get_buffer_bytes",
    "proxy_get_shared_data",
    "proxy_set_shared_data",
];

/// What hopspan may change of a request.
pub(crate) const OURS: [&str; 21] = [
    "traceparent",
    "tracestate",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "grpc-trace-bin",
    "uber-trace-id",
    "x-amzn-trace-id",
    "x-datadog-trace-id",
    "x-datadog-parent-id",
    "x-datadog-sampling-priority",
    "x-datadog-tags",
    "x-datadog-origin",
    "x-cloud-trace-context",
    "baggage",
    "x-force",
    "x-why",
    "traceresponse",
];

fn name() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        ":path",
        ":method",
        ":authority",
        ":scheme",
        "user-agent",
        "content-type",
        "connect-protocol-version",
        "connect-timeout-ms",
        "grpc-timeout",
        "traceparent",
        "tracestate",
        "cookie",
        "x-envoy-original-path",
    ];
    prop_oneof![
        3 => prop::sample::select(&OURS[..]).prop_map(|it| it.as_bytes().to_vec()),
        4 => prop::sample::select(known.to_vec()).prop_map(|it| it.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        SAMPLED,
        UNSAMPLED,
        "GET",
        "/a?b=c",
        "shop:80",
        "application/grpc",
        "application/grpc-web-text",
        "application/connect+json",
        "application/json",
        "POST",
        "100m",
        "a=1,b=2",
        "200",
        "500",
        "yes",
        "ot=th:8;rv:ffffffffffffff",
        "hopspan=b7ad6b7169203331;a",
        "d",
        "1",
        "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-d",
    ];
    prop_oneof![
        3 => prop::sample::select(known.to_vec()).prop_map(|it| it.as_bytes().to_vec()),
        2 => prop::collection::vec(any::<u8>(), 0..60),
        1 => "([a-z]{1,3}=[ -~]{0,9},){0,50}".prop_map(String::into_bytes),
        1 => (any::<u8>(), 0_usize..5000).prop_map(|(byte, count)| vec![byte; count]),
    ]
}

pub(crate) fn event() -> impl Strategy<Value = Event> {
    let headers = prop::collection::vec((name(), value()), 0..12);
    let fact = prop_oneof![
        any::<i64>().prop_map(|it| it.to_le_bytes().to_vec()),
        (0_i64..4).prop_map(|it| it.to_le_bytes().to_vec()),
        value(),
    ];
    prop_oneof![
        6 => (headers, any::<bool>()).prop_map(|(it, end)| Event::RequestHeaders(it, end)),
        1 => any::<bool>().prop_map(Event::RequestBody),
        1 => Just(Event::RequestTrailers),
        3 => (value(), prop::option::of(value()), any::<bool>())
            .prop_map(|(it, told, end)| Event::ResponseHeaders(it, told, end)),
        2 => (value(), any::<bool>()).prop_map(|(it, end)| Event::ResponseBody(it, end)),
        1 => value().prop_map(Event::ResponseTrailers),
        4 => (prop::sample::select(&PROPERTIES[..]), fact)
            .prop_map(|(it, fact)| Event::Property(it, fact)),
        5 => any::<u8>().prop_map(Event::Finish),
        1 => Just(Event::Refused),
        2 => (0_u64..3_000_000).prop_map(Event::Pass),
        1 => any::<i64>().prop_map(Event::Jump),
        2 => (0_u64..3_000).prop_map(Event::Run),
        1 => any::<u8>().prop_map(Event::Reconfigure),
        1 => (prop::sample::select(&KEYS[..]), prop::collection::vec(any::<u8>(), 0..50))
            .prop_map(|(key, it)| Event::Shared(key, it)),
        1 => (prop::sample::select(&CALLS[..]), 1_u32..13)
            .prop_map(|(call, status)| Event::Break(call, status)),
        2 => Just(Event::Heal),
    ]
}

pub(crate) fn answer() -> impl Strategy<Value = Answer> {
    let statuses = [200, 204, 302, 400, 429, 500, 503, 504];
    prop_oneof![
        (prop::sample::select(statuses.to_vec()), value(), value()).prop_map(
            |(status, wait, body)| {
                Answer::new(status, [(b"retry-after".to_vec(), wait)], body)
                    .after(Duration::from_millis(3))
            }
        ),
        Just(Answer::reset()),
        Just(Answer::silence()),
    ]
}

//! Anything at all, in any order: nothing traps, requests go through, the accounts stay whole.

use crate::hopspan::{DELAY, Hopspan, SAMPLED, UNSAMPLED, builder};
use host_test::{Action, Answer, Headers, Stream};
use proptest::prelude::*;
use std::time::Duration;

/// What can happen to a stream, or around it.
#[derive(Clone, Debug)]
enum Event {
    RequestHeaders(Vec<(Vec<u8>, Vec<u8>)>, bool),
    RequestBody(bool),
    RequestTrailers,
    ResponseHeaders(Vec<u8>, bool),
    ResponseBody(bool),
    ResponseTrailers(Vec<u8>),
    Property(&'static str, Vec<u8>),
    Finish(u8),
    Refused,
    Pass(u64),
    Jump(i64),
    Run(u64),
    Reconfigure(u8),
}

const CONFIGS: [&str; 3] = [
    r#"{"collector":{"cluster":"otel"},"batch":{"max_export_batch_size":2}}"#,
    r#"{"direction":"gateway","collector":{"cluster":"otel"},"sampling":{"ratio":0.5},
        "batch":{"max_queue_size":5,"max_in_flight":1,"schedule_delay_ms":10}}"#,
    r#"{"direction":"outbound","collector":{"cluster":"otel"},"retry":{"max_elapsed_ms":2000}}"#,
];

/// All that hopspan asks for, and then some.
const PROPERTIES: [&str; 13] = [
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
];

fn name() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        ":path",
        ":method",
        ":authority",
        ":scheme",
        "user-agent",
        "content-type",
        "traceparent",
        "tracestate",
        "cookie",
        "x-envoy-original-path",
    ];
    prop_oneof![
        4 => prop::sample::select(known.to_vec()).prop_map(|it| it.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let known =
        [SAMPLED, UNSAMPLED, "GET", "/a?b=c", "shop:80", "application/grpc", "a=1,b=2", "200"];
    prop_oneof![
        3 => prop::sample::select(known.to_vec()).prop_map(|it| it.as_bytes().to_vec()),
        2 => prop::collection::vec(any::<u8>(), 0..60),
        1 => "([a-z]{1,3}=[ -~]{0,9},){0,50}".prop_map(String::into_bytes),
        1 => (any::<u8>(), 0_usize..5000).prop_map(|(byte, count)| vec![byte; count]),
    ]
}

fn event() -> impl Strategy<Value = Event> {
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
        3 => (value(), any::<bool>()).prop_map(|(it, end)| Event::ResponseHeaders(it, end)),
        2 => any::<bool>().prop_map(Event::ResponseBody),
        1 => value().prop_map(Event::ResponseTrailers),
        4 => (prop::sample::select(&PROPERTIES[..]), fact)
            .prop_map(|(it, fact)| Event::Property(it, fact)),
        5 => any::<u8>().prop_map(Event::Finish),
        1 => Just(Event::Refused),
        2 => (0_u64..3_000_000).prop_map(Event::Pass),
        1 => any::<i64>().prop_map(Event::Jump),
        2 => (0_u64..3_000).prop_map(Event::Run),
        1 => any::<u8>().prop_map(Event::Reconfigure),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
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

/// Lets it happen to one of the streams; a stream that ended is followed by a new one.
fn happen(hopspan: &Hopspan, place: &mut Stream, event: Event) {
    let stream = &*place;
    let action = match event {
        Event::RequestHeaders(headers, end) => {
            let request: Headers = headers.into();
            let action = stream.request_headers(&request, end);
            let ours = |it: Headers| it.without("traceparent").without("tracestate");
            assert_eq!(ours(stream.upstream_headers()), ours(request));
            action
        }
        Event::RequestBody(end) => stream.request_body(b"abc", end),
        Event::RequestTrailers => stream.request_trailers([("x", "y")]),
        Event::ResponseHeaders(status, end) => {
            stream.response_headers([(b":status".to_vec(), status)], end)
        }
        Event::ResponseBody(end) => stream.response_body(b"abc", end),
        Event::ResponseTrailers(status) => {
            stream.response_trailers([(b"grpc-status".to_vec(), status)])
        }
        Event::Property(path, fact) => {
            stream.set_property(path, fact.as_slice());
            Action::Continue
        }
        Event::Finish(how) => {
            match how % 8 {
                0 => stream.finish_without_log(),
                1 => stream.finish_done_first(),
                2 => stream.finish_with_delete_alone(),
                _ => stream.finish(),
            }
            *place = hopspan.worker(usize::from(how) % 2).stream();
            Action::Continue
        }
        Event::Refused => {
            stream.refused([("traceparent", SAMPLED)], [(":status", "403")]);
            *place = hopspan.stream();
            Action::Continue
        }
        Event::Pass(microseconds) => {
            hopspan.pass(microseconds);
            Action::Continue
        }
        Event::Jump(nanoseconds) => {
            hopspan.clock().jump_wall(nanoseconds);
            Action::Continue
        }
        Event::Run(milliseconds) => {
            hopspan.run_for(Duration::from_millis(milliseconds));
            Action::Continue
        }
        Event::Reconfigure(which) => {
            hopspan.reconfigure(CONFIGS[usize::from(which) % CONFIGS.len()]).unwrap();
            Action::Continue
        }
    };
    assert_eq!(action, Action::Continue);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn anything_in_any_order_is_survived_and_accounted_for(
        events in prop::collection::vec((0_usize..3, event()), 1..120),
        answers in prop::collection::vec(answer(), 0..12),
        config in 0_usize..3,
        seed: u64,
    ) {
        let hopspan = Hopspan::of(builder(CONFIGS[config]).workers(2).random_seed(seed));
        hopspan.collector.next(answers);
        let mut streams = [hopspan.stream(), hopspan.worker(1).stream(), hopspan.stream()];
        for (number, event) in events {
            happen(&hopspan, &mut streams[number], event);
        }
        streams.iter().for_each(Stream::finish);
        hopspan.run_for(DELAY * 3);
        // The end of every configuration that made spans.
        hopspan.reconfigure("{}").unwrap();
        hopspan.drained();
        hopspan.run_for(DELAY * 7);
        let [created, exported, dropped, queued, in_flight] = hopspan.accounts();
        prop_assert_eq!((queued, in_flight), (0, 0), "at rest nothing waits");
        prop_assert_eq!(created, exported + dropped);
        prop_assert_eq!(hopspan.traps(), []);
    }
}

//! Anything at all, in any order: nothing traps, requests go through, the accounts stay whole.

mod events;

use crate::hopspan::{DELAY, Hopspan, SAMPLED, builder};
use events::{Event, OURS, answer, event};
use host_test::{Action, Headers, Injection, Status, Stream};
use proptest::prelude::*;
use std::time::Duration;

const CONFIGS: [&str; 5] = [
    r#"{"collector":{"cluster":"otel"},"batch":{"max_export_batch_size":2}}"#,
    r#"{"direction":"gateway","collector":{"cluster":"otel"},"sampling":{"ratio":0.5},
        "batch":{"max_queue_size":5,"max_in_flight":1,"schedule_delay_ms":10}}"#,
    r#"{"direction":"outbound","collector":{"cluster":"otel"},"retry":{"max_elapsed_ms":2000}}"#,
    r#"{"collector":{"cluster":"otel"},"sampling":{"ratio":0.5,"max_per_second":2,"min_per_minute":1,
        "keep":{"errors":true,"slower_than_ms":500},"force":{"header":"x-force"},
        "rules":[{"match":{"source":["192.0.2.0/24"],"route":"*a*"},"ratio":0.1}]},
        "explain":{"header":"x-why"},"routes":{"metadata":true},"propagation":{"extract":
        ["tracecontext","b3","b3multi","grpc-trace-bin","jaeger","xray","datadog","gcp"]}}"#,
    r#"{"direction":"gateway","collector":{"cluster":"otel"},"sampling":{"ratio":0,
        "keep":{"errors":true},"force":{"header":"x-force","value":"yes"}},
        "metrics":{"announce_caller":"always"},"explain":{"header":"x-why"},
        "trust":{"rules":[{"match":{"filter_chain":"*","peer":"*"},"action":"continue"},
            {"match":{"header":{"cookie":"*a*"}},"action":"restart"}],
        "strip_on_egress":{"clusters":"*1*","hosts":"shop:*"}},
        "propagation":{"inject":["tracecontext","b3multi","jaeger","preserve"]}}"#,
];

/// Lets it happen to one of the streams; a stream that ended is followed by a new one.
fn happen(hopspan: &Hopspan, place: &mut Stream, event: Event) {
    let stream = &*place;
    let action = match event {
        Event::RequestHeaders(headers, end) => {
            let request: Headers = headers.into();
            let action = stream.request_headers(&request, end);
            let ours = |it: Headers| OURS.iter().fold(it, |it, name| it.without(name));
            assert_eq!(ours(stream.upstream_headers()), ours(request));
            action
        }
        Event::RequestBody(end) => stream.request_body(b"abc", end),
        Event::RequestTrailers => stream.request_trailers([("x", "y")]),
        Event::ResponseHeaders(status, told, end) => {
            let headers = Headers::from([(b":status".to_vec(), status)]);
            let told = told.map(|it| headers.clone().with("traceresponse", it));
            stream.response_headers(told.unwrap_or(headers), end)
        }
        Event::ResponseBody(bytes, end) => stream.response_body(bytes, end),
        Event::ResponseTrailers(status) => {
            stream.response_trailers([(b"grpc-status".to_vec(), status)])
        }
        Event::Property(path, fact) => {
            stream.set_property(path, fact.as_slice());
            Action::Continue
        }
        Event::Finish(how) => {
            match how % 7 {
                0 => stream.finish_without_log(),
                1 => stream.finish_done_first(),
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
        Event::Shared(key, value) => {
            hopspan.set_shared_data(key, value);
            Action::Continue
        }
        Event::Break(call, status) => {
            hopspan.inject(Injection::always(call, Status(status)));
            Action::Continue
        }
        Event::Heal => {
            hopspan.heal();
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
        config in 0..CONFIGS.len(),
        seed: u64,
    ) {
        let hopspan = Hopspan::of(builder(CONFIGS[config]).workers(2).random_seed(seed));
        hopspan.collector.next(answers);
        let mut streams = [hopspan.stream(), hopspan.worker(1).stream(), hopspan.stream()];
        for (number, event) in events {
            happen(&hopspan, &mut streams[number], event);
        }
        streams.iter().for_each(Stream::finish);
        hopspan.heal();
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

//! A whole request through core: any headers, any facts, and the books balance.
#![no_main]

use hopspan_config::{self as config, Surroundings};
use hopspan_core::id::Generator;
use hopspan_core::propagation::{Edit, traceparent::Traceparent, tracestate};
use hopspan_core::request::{Headers, RequestHead};
use hopspan_core::stats::Stat;
use hopspan_core::time::{Monotonic, Now, UnixNanos};
use hopspan_core::tracer::Tracer;
use host::Host;

#[path = "../host.rs"]
mod host;

#[path = "../naive.rs"]
#[allow(dead_code, reason = "each target needs some of them")]
mod naive;

libfuzzer_sys::fuzz_target!(|input: (&[u8], Vec<&[u8]>, bool, [u64; 4])| {
    let (headers, facts, refused, times) = input;
    let around = Surroundings { node_id: "", node_cluster: "", metadata: &|_| None, env: &|_| None };
    let document = br#"{"collector":{"cluster":"otel"}}"#;
    let mut tracer = Tracer::new(config::read(document, &around).expect("a good configuration"));
    let mut ids = Generator::new([5; 32]);
    let mut stream = Host::new(&facts);
    let [started, request_end, response_end, ended] = times;
    let now = Now { wall: UnixNanos(ended), mono: Monotonic(ended) };
    if refused {
        tracer.refused(Headers::new(headers), &mut stream, &mut ids, now);
    } else {
        let head = RequestHead {
            headers: Headers::new(headers),
            end_of_stream: started % 2 == 0,
            now: Monotonic(started),
        };
        let started = tracer.start(&head, &mut stream, &mut ids);
        let [Edit::Replace("traceparent", value), more @ ..] = &started.edits[..] else {
            panic!("no traceparent goes out: {:?}", started.edits)
        };
        assert!(Traceparent::parse(value).is_ok());
        for edit in more {
            match edit {
                Edit::Replace("tracestate", list) => {
                    assert!(tracestate::check(list).is_ok_and(|it| !it.is_empty()));
                }
                Edit::Replace("b3", value) => assert!(naive::b3(value).is_some()),
                Edit::Replace("grpc-trace-bin", value) => {
                    assert!(naive::grpc_trace_bin(value).is_some());
                }
                Edit::Replace(name, value) => {
                    assert!(name.starts_with("x-b3-"), "{name} is not read by default");
                    assert!(value.iter().all(|it| b"0123456789abcdef".contains(it)));
                }
                Edit::Remove(name) => {
                    assert!(*name == "tracestate" || name.starts_with("x-b3-"), "{name}");
                }
                chosen => panic!("{chosen:?} is not configured"),
            }
        }
        let mut span = started.span.expect("hopspan is on");
        span.request_ended(|| Monotonic(request_end));
        span.response_ended(|| Monotonic(response_end));
        tracer.finish(span, &mut stream, || now);
    }
    let end = Monotonic(u64::MAX / 2);
    tracer.tick(Now { mono: end, ..now }, 0);
    let mut sent = 0;
    while let Some(call) = tracer.next_call(end, |_| None) {
        assert!(call.body.len() <= 1 << 20);
        sent += 1;
    }
    let created = tracer.stats.get(Stat::SpansCreated);
    assert!((0..=2).contains(&created) && sent == usize::from(created > 0));
    assert_eq!(created, tracer.stats.get(Stat::SpansInFlight));
});

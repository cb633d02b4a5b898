//! Everything that may decide on a request, switched on: whatever its headers, the host's facts
//! and its shared data say, what goes out obeys its grammar and the books balance.
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

const DOCUMENT: &[u8] = br#"{
    "collector": {"cluster": "otel"},
    "trust": {
        "rules": [
            {"match": {"header": {"a": "b*"}, "path": "/a*", "host": "*:1"}, "action": "continue"},
            {"match": {"source": ["10.0.0.0/8", "::/1"]}, "action": "continue"},
            {"match": {"peer": "spiffe://*/a*"}, "action": "restart"}],
        "strip_on_egress": {"clusters": "c*", "hosts": ["h", "*.example"]}},
    "sampling": {
        "ratio": 0.5,
        "rules": [{"match": {"filter_chain": "f", "route": ["r*", "*s"]}, "ratio": 0}],
        "max_per_second": 5, "min_per_minute": 1,
        "force": {"header": "force", "value": "x"},
        "keep": {"errors": true, "slower_than_ms": 10}},
    "routes": {"metadata": true},
    "metrics": {"announce_caller": "always"},
    "response": {"trace_id_header": "id", "traceresponse": true, "server_timing": true},
    "explain": {"header": "why"}
}"#;

/// `item *( "; " item )`, an item being `key "=" value`: all that a reader of the line relies on.
fn assert_explanation(line: &[u8]) {
    let line = std::str::from_utf8(line).expect("ASCII");
    for item in line.split("; ") {
        let (key, value) = item.split_once('=').unwrap_or_else(|| panic!("{line:?}"));
        assert!(key.bytes().all(|it| it.is_ascii_lowercase() || it == b'_'), "{line:?}");
        let visible = value.bytes().all(|it| it.is_ascii_graphic() && it != b';');
        assert!(visible && !value.is_empty(), "{line:?}");
    }
}

/// `POST /v1/traces` at `otel`, where the last header of a name counts.
fn is_export(headers: &[u8]) -> bool {
    let last = |names: [&str; 2]| {
        let found = Headers::new(headers).into_iter().filter(|(name, _)| {
            names.iter().any(|it| it.as_bytes() == *name)
        });
        String::from_utf8_lossy(found.last().map_or(b"", |(_, value)| value)).into_owned()
    };
    let path = last([":path", ":path"]);
    last([":method", ":method"]) == "POST"
        && path.split('?').next() == Some("/v1/traces")
        && last([":authority", "host"]).to_ascii_lowercase() == "otel"
}

libfuzzer_sys::fuzz_target!(|input: (&[u8], Vec<&[u8]>, bool, [u64; 4])| {
    let (headers, answers, refused, times) = input;
    let around = Surroundings { node_id: "router~a~b~c", node_cluster: "", metadata: &|_| None, env: &|_| None };
    let mut tracer = Tracer::new(config::read(DOCUMENT, &around).expect("a good configuration"));
    let mut ids = Generator::new([5; 32]);
    let mut host = Host::new(&answers);
    let [started, response, response_end, ended] = times;
    let now = Now { wall: UnixNanos(ended), mono: Monotonic(ended) };
    if refused {
        tracer.refused(Headers::new(headers), &mut host, &mut ids, now);
    } else {
        let head = RequestHead {
            headers: Headers::new(headers),
            end_of_stream: started % 2 == 0,
            now: Monotonic(started),
        };
        let started = tracer.start(&head, &mut host, &mut ids);
        for edit in &started.edits {
            match edit {
                Edit::Replace("traceparent", value) => assert!(Traceparent::parse(value).is_ok()),
                Edit::Replace("tracestate", list) => {
                    assert!(tracestate::check(list).is_ok_and(|it| *it == **list));
                }
                Edit::Replace(_, value) => assert!(value.iter().all(u8::is_ascii_graphic)),
                Edit::Remove(_) => {}
                Edit::RemoveChosen(name) => assert!(["force", "why"].contains(&&**name)),
                Edit::Add(..) | Edit::AddChosen(..) | Edit::ReplaceChosen(..) => panic!("{edit:?}"),
            }
        }
        let mut span = started.span.expect("hopspan is on");
        if span.wants_response() {
            for edit in tracer.respond(&mut span, &mut host, || Monotonic(response)) {
                match &edit {
                    Edit::AddChosen(name, line) if &**name == "why" => assert_explanation(line),
                    Edit::Replace("traceresponse", value) => {
                        assert!(Traceparent::parse(value).is_ok());
                    }
                    Edit::ReplaceChosen(name, id) if &**name == "id" => {
                        assert!(id.iter().all(u8::is_ascii_hexdigit) && id.len() == 32);
                    }
                    Edit::Add("server-timing", value) => {
                        let value = value.strip_prefix(b"traceparent;desc=\"").expect("the metric");
                        let value = value.strip_suffix(b"\"").expect("a closing quote");
                        assert!(Traceparent::parse(value).is_ok());
                    }
                    _ => panic!("{edit:?}"),
                }
            }
        }
        span.response_ended(|| Monotonic(response_end));
        tracer.finish(span, &mut host, || now);
    }
    let stat = |it| tracer.stats.get(it);
    let decided = stat(Stat::SamplingSampled) + stat(Stat::SamplingDropped);
    assert_eq!(decided, i64::from(!is_export(headers)), "of all but exports");
    assert!(stat(Stat::SamplingKept) <= stat(Stat::SamplingDropped));
    let created = stat(Stat::SpansCreated);
    assert!((0..=2).contains(&created));
    assert_eq!(created, stat(Stat::SpansQueued) + stat(Stat::SpansInFlight));
    let written = stat(Stat::SamplingSampled) + stat(Stat::SamplingKept);
    assert_eq!(created > 0, written > 0, "what is sampled or kept is written, and nothing else");
});

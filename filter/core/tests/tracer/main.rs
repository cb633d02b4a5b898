//! Whole requests through a [`Tracer`], as its configuration's document would have it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    reason = "a test may panic"
)]

mod contexts;
mod explain;
mod exports;
mod life;
mod keep;
mod links;
mod native_tracing;
mod responses;
mod access_log;
mod asked;
mod sampling;
mod settings;
mod spans;
mod trust;

use hopspan_config::{self as config, Surroundings};
use hopspan_core::export::answer::Answer;
use hopspan_core::id::Generator;
use hopspan_core::propagation::Edit;
use hopspan_core::request::{Fact, Headers, RequestHead, Stream, encode_headers};
use hopspan_core::shared::{Shared, Written};
use hopspan_core::stats::Stat;
use hopspan_core::time::{Monotonic, Now, UnixNanos};
use hopspan_core::tracer::{Started, Tracer};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1 as otlp_types;
use prost::Message as _;
use std::collections::HashMap;
use std::time::Duration;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// A host's side of a stream, with a list of what it was asked.
#[derive(Default)]
struct Scripted {
    facts: HashMap<Fact, Vec<u8>>,
    traceparent: Option<Vec<u8>>,
    request: Option<Vec<(&'static str, &'static str)>>,
    response: Option<Vec<(&'static str, &'static str)>>,
    trailers: HashMap<&'static str, &'static str>,
    properties: HashMap<&'static str, Vec<u8>>,
    asked: Vec<Fact>,
    /// What was left to the access log.
    left: Vec<(String, String)>,
    /// Whether the host takes nothing for it.
    leaves_nothing: bool,
    /// What the workers of the process share.
    shared: HashMap<String, (Vec<u8>, u32)>,
}

impl Stream for Scripted {
    fn fact(&mut self, fact: Fact) -> Option<Vec<u8>> {
        self.asked.push(fact);
        self.facts.get(&fact).cloned()
    }

    fn property(&mut self, path: &str) -> Option<Vec<u8>> {
        self.properties.get(path).cloned()
    }

    fn request_header(&mut self, name: &str) -> Option<Vec<u8>> {
        assert_eq!(name, "traceparent");
        self.traceparent.clone()
    }

    fn request_headers(&mut self) -> Option<Vec<u8>> {
        self.request.as_deref().map(encode_headers)
    }

    fn response_headers(&mut self) -> Option<Vec<u8>> {
        self.response.as_deref().map(encode_headers)
    }

    fn response_trailer(&mut self, name: &str) -> Option<Vec<u8>> {
        self.trailers.get(name).map(|it| it.as_bytes().to_vec())
    }

    fn leave(&mut self, name: &str, text: &[u8]) -> bool {
        self.left.push((name.to_owned(), String::from_utf8(text.to_vec()).unwrap()));
        !self.leaves_nothing
    }
}

impl Shared for Scripted {
    fn get(&mut self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.shared.get(key).cloned()
    }

    fn set(&mut self, key: &str, value: &[u8], cas: u32) -> Written {
        let state = self.shared.get(key).map(|(_, cas)| *cas);
        if state.is_some_and(|it| it != cas) {
            return Written::Raced;
        }
        self.shared.insert(key.to_owned(), (value.to_vec(), state.unwrap_or(0) + 1));
        Written::Done
    }
}

impl Scripted {
    /// A request that one upstream answered after 50 ms.
    fn answered(status: &'static str) -> Self {
        let number = |n: i64| n.to_le_bytes().to_vec();
        let facts = [
            (Fact::Protocol, b"HTTP/1.1".to_vec()),
            (Fact::ClientAddress, b"10.0.0.7:5555".to_vec()),
            (Fact::Cluster, b"shop".to_vec()),
            (Fact::UpstreamAddress, b"10.0.0.9:8080".to_vec()),
            (Fact::Attempts, number(1)),
            (Fact::BackendLatency, number(50_000_000)),
            (Fact::ResponseFlags, number(0)),
            (Fact::CodeDetails, b"via_upstream".to_vec()),
        ];
        Self {
            facts: facts.into(),
            response: Some(vec![(":status", status), ("content-type", "text/plain")]),
            ..Self::default()
        }
    }

    fn with(mut self, fact: Fact, value: &[u8]) -> Self {
        self.facts.insert(fact, value.to_vec());
        self
    }

    fn number(self, fact: Fact, value: i64) -> Self {
        self.with(fact, &value.to_le_bytes())
    }
}

/// These tests are about traces: a document that says nothing of metrics has none.
fn tracer(document: &str) -> Tracer {
    let around =
        Surroundings { node_id: "", node_cluster: "", metadata: &|_| None, env: &|_| None };
    let mut config = config::read(document.as_bytes(), &around).unwrap();
    config.metrics = config.metrics.filter(|_| document.contains("metrics"));
    Tracer::new(config)
}

fn inbound() -> Tracer {
    tracer(r#"{"direction":"inbound","collector":{"cluster":"otel"}}"#)
}

fn ms(millis: u64) -> Monotonic {
    Monotonic(millis * 1_000_000)
}

fn at(millis: u64) -> Now {
    Now { wall: UnixNanos(1_700_000_000_000_000_000 + millis * 1_000_000), mono: ms(millis) }
}

fn ids() -> Generator {
    Generator::new([3; 32])
}

const GET: [(&str, &str); 5] = [
    (":method", "GET"),
    (":path", "/cart?token=secret"),
    (":scheme", "http"),
    (":authority", "shop.example:8080"),
    ("user-agent", "curl/8"),
];

fn start(tracer: &mut Tracer, more: &[(&str, &str)], stream: &mut Scripted) -> Started {
    let bytes = encode_headers(&[&GET, more].concat());
    let head = RequestHead { headers: Headers::new(&bytes), end_of_stream: true, now: ms(0) };
    tracer.start(&head, stream, &mut ids())
}

/// The `traceparent` that a hop sends on: trace-id, parent-id, flags.
fn sent(started: &Started) -> (String, String, String) {
    assert!(!started.edits.is_empty());
    sent_on("", started)
}

/// The same, where the one that `came` may go on untouched.
fn sent_on(came: &str, started: &Started) -> (String, String, String) {
    let text = match &started.edits[..] {
        [] => came.to_owned(),
        [Edit::Replace("traceparent", value), ..] => String::from_utf8(value.clone()).unwrap(),
        other => panic!("{other:?}"),
    };
    let parts: Vec<&str> = text.split('-').collect();
    (parts[1].into(), parts[2].into(), parts[3].into())
}

/// One whole request; the response's last byte passes after 51 ms.
fn exchange(tracer: &mut Tracer, more: &[(&str, &str)], mut stream: Scripted) -> Started {
    let mut started = start(tracer, more, &mut stream);
    let mut span = started.span.take().unwrap();
    span.response_ended(|| ms(51));
    tracer.finish(span, &mut stream, || at(52));
    started
}

/// All spans that have been written, by an official decoder's reading.
fn exported(tracer: &mut Tracer) -> Vec<otlp_types::Span> {
    tracer.tick(at(3_600_000), 0);
    let mut spans = Vec::new();
    while let Some(call) = tracer.next_call(ms(3_600_000), |_| None) {
        let request = ExportTraceServiceRequest::decode(&call.body[..]).unwrap();
        for resource in request.resource_spans {
            spans.extend(resource.scope_spans.into_iter().flat_map(|it| it.spans));
        }
    }
    spans
}

/// `key=value` of each attribute, in the order in which they were written.
fn attributes(span: &otlp_types::Span) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::StringValue(it) => it.clone(),
        Value::IntValue(it) => it.to_string(),
        Value::BoolValue(it) => it.to_string(),
        other => format!("{other:?}"),
    };
    span.attributes
        .iter()
        .map(|it| {
            let value = it.value.as_ref().and_then(|it| it.value.as_ref());
            format!("{}={}", it.key, value.map(text).unwrap_or_default())
        })
        .collect()
}

/// `name: value` of every write, and `-name` of every removal.
fn written(started: &Started) -> Vec<String> {
    told(&started.edits)
}

/// The same of any edits.
fn told(edits: &[Edit]) -> Vec<String> {
    let text = |edit: &Edit| match edit {
        Edit::Replace(name, value) => format!("{name}: {}", value.escape_ascii()),
        Edit::Remove(name) => format!("-{name}"),
        Edit::Add(name, value) => format!("+{name}: {}", value.escape_ascii()),
        Edit::AddChosen(name, value) => format!("+{name}: {}", value.escape_ascii()),
        Edit::ReplaceChosen(name, value) => format!("{name}: {}", value.escape_ascii()),
        Edit::RemoveChosen(name) => format!("-{name}"),
    };
    edits.iter().map(text).collect()
}

use super::*;
use crate::config::{self, Surroundings};
use crate::request::encode_headers;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1 as otlp_types;
use prost::Message as _;
use std::collections::HashMap;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// A host's side of a stream, with a list of what it was asked.
#[derive(Default)]
struct Scripted {
    facts: HashMap<Fact, Vec<u8>>,
    traceparent: Option<Vec<u8>>,
    response: Option<Vec<(&'static str, &'static str)>>,
    trailers: HashMap<&'static str, &'static str>,
    asked: Vec<Fact>,
}

impl Stream for Scripted {
    fn fact(&mut self, fact: Fact) -> Option<Vec<u8>> {
        self.asked.push(fact);
        self.facts.get(&fact).cloned()
    }

    fn request_header(&mut self, name: &str) -> Option<Vec<u8>> {
        assert_eq!(name, "traceparent");
        self.traceparent.clone()
    }

    fn response_headers(&mut self) -> Option<Vec<u8>> {
        self.response.as_deref().map(encode_headers)
    }

    fn response_trailer(&mut self, name: &str) -> Option<Vec<u8>> {
        self.trailers.get(name).map(|it| it.as_bytes().to_vec())
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

fn tracer(document: &str) -> Tracer {
    let around = Surroundings { node_id: "", node_cluster: "", env: &|_| None };
    Tracer::new(config::read(document.as_bytes(), &around).unwrap())
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
    let [Edit::Replace("traceparent", value), ..] = &started.edits[..] else {
        panic!("{:?}", started.edits)
    };
    let text = String::from_utf8(value.clone()).unwrap();
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
    tracer.tick(ms(3_600_000), 0);
    let mut spans = Vec::new();
    while let Some(call) = tracer.next_call(ms(3_600_000)) {
        let request = ExportTraceServiceRequest::decode(call.body).unwrap();
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

#[test]
fn a_request_without_context_begins_a_trace() {
    let mut tracer = inbound();
    let started = exchange(&mut tracer, &[], Scripted::answered("200"));
    let (trace_id, parent_id, flags) = sent(&started);
    assert_eq!(flags, "03", "sampled and random");
    let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
    assert_eq!(crate::id::hex::<16>(trace_id.as_bytes()).unwrap(), &span.trace_id[..]);
    assert_eq!(crate::id::hex::<8>(parent_id.as_bytes()).unwrap(), &span.span_id[..]);
    assert!(span.parent_span_id.is_empty());
    assert_eq!(tracer.stats.get(Stat::ContextStarted), 1);
}

#[test]
fn a_span_says_what_the_proxy_knows() {
    let mut tracer = inbound();
    exchange(&mut tracer, &[], Scripted::answered("200"));
    let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
    assert_eq!((&span.name[..], span.kind), ("GET", 2));
    assert_eq!(span.start_time_unix_nano, 1_700_000_000_000_000_000);
    assert_eq!(span.end_time_unix_nano, 1_700_000_000_052_000_000);
    assert_eq!(
        attributes(span),
        [
            "http.request.method=GET",
            "server.address=shop.example",
            "server.port=8080",
            "url.scheme=http",
            "url.path=/cart",
            "url.query=token=REDACTED",
            "client.address=10.0.0.7",
            "client.port=5555",
            "user_agent.original=curl/8",
            "http.response.status_code=200",
            "network.protocol.version=1.1",
            "hopspan.upstream.cluster=shop",
            "hopspan.upstream.address=10.0.0.9:8080",
            "hopspan.proxy_time_ns=1000000",
            "hopspan.upstream_time_ns=50000000",
        ]
    );
    assert_eq!(span.status, None);
}

#[test]
fn a_context_goes_on_as_far_as_it_is_trusted() {
    let from = |flags: &str| format!("00-{TRACE}-{PARENT}-{flags}");
    let (inbound, gateway) = (r#""direction":"inbound""#, r#""direction":"gateway""#);
    let (none, all) = (r#""sampling":{"ratio":0}"#, r#""sampling":{"ratio":1}"#);
    let restart = r#""trust":{"default":"restart"}"#;
    let fresh = "another trace";
    for (why, settings, traceparent, want_trace, want_flags) in [
        ("a sampled caller", [inbound, none], from("01"), TRACE, "01"),
        ("its random flag", [inbound, none], from("03"), TRACE, "03"),
        ("an unsampled caller", [inbound, all], from("00"), TRACE, "00"),
        ("flags that nobody knows", [inbound, all], from("fc"), TRACE, "00"),
        ("a stranger cannot sample", [gateway, none], from("03"), TRACE, "02"),
        ("nor keep us from it", [gateway, all], from("00"), TRACE, "01"),
        ("no context", [inbound, none], String::new(), fresh, "02"),
        ("a broken one", [inbound, all], from("0g"), fresh, "03"),
        ("restart", [restart, all], from("00"), fresh, "03"),
    ] {
        let mut tracer =
            tracer(&format!(r#"{{{},"collector":{{"cluster":"c"}}}}"#, settings.join(",")));
        let headers = [("traceparent", &traceparent[..])];
        let headers = if traceparent.is_empty() { &[][..] } else { &headers };
        let started = exchange(&mut tracer, headers, Scripted::answered("200"));
        let (trace, parent, flags) = sent(&started);
        assert_eq!(trace == TRACE, want_trace == TRACE, "{why}: {trace}");
        assert_ne!(parent, PARENT, "{why}: the upstream's parent is this hop");
        assert_eq!(flags, want_flags, "{why}");
        let recorded = !exported(&mut tracer).is_empty();
        assert_eq!(recorded, flags.ends_with(['1', '3']), "{why}");
    }
}

#[test]
fn a_restarted_trace_is_linked_to_the_old_one() {
    let mut tracer = tracer(
        r#"{"direction":"gateway","trust":{"default":"restart"},"collector":{"cluster":"c"}}"#,
    );
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let headers = [("traceparent", &traceparent[..]), ("tracestate", "a=1")];
    let started = exchange(&mut tracer, &headers, Scripted::answered("200"));
    assert!(started.edits.contains(&Edit::Remove("tracestate")), "a stranger's state ends here");
    let [server, client] = &exported(&mut tracer)[..] else { panic!("two spans") };
    let [link] = &server.links[..] else { panic!("{:?}", server.links) };
    assert_eq!(crate::id::hex::<16>(TRACE.as_bytes()).unwrap(), &link.trace_id[..]);
    assert_eq!(link.trace_state, "a=1");
    assert_eq!(client.links, []);
    assert_eq!(tracer.stats.get(Stat::ContextUntrusted), 1);
}

#[test]
fn the_direction_decides_the_spans_of_a_hop() {
    for (why, document, listener, want) in [
        ("inbound", r#""direction":"inbound""#, None, &[2][..]),
        ("outbound", r#""direction":"outbound""#, None, &[3]),
        ("gateway", r#""direction":"gateway""#, None, &[2, 3]),
        ("inbound listener", r#""strict":true"#, Some(1), &[2]),
        ("outbound listener", r#""strict":true"#, Some(2), &[3]),
        ("listener without direction", r#""strict":true"#, Some(0), &[2, 3]),
        ("listener that does not tell", r#""strict":true"#, None, &[2, 3]),
        ("configured", r#""direction":"inbound","spans":{"kind":"client"}"#, None, &[3]),
    ] {
        let mut tracer = tracer(&format!(r#"{{{document},"collector":{{"cluster":"c"}}}}"#));
        let mut stream = Scripted::answered("200");
        if let Some(direction) = listener {
            stream = stream.number(Fact::ListenerDirection, direction);
        }
        let started = exchange(&mut tracer, &[], stream);
        let spans = exported(&mut tracer);
        assert_eq!(spans.iter().map(|it| it.kind).collect::<Vec<_>>(), want, "{why}");
        let innermost = spans.last().unwrap();
        let (_, parent_id, _) = sent(&started);
        assert_eq!(
            crate::id::hex::<8>(parent_id.as_bytes()).unwrap(),
            &innermost.span_id[..],
            "{why}"
        );
        if let [server, client] = &spans[..] {
            assert_eq!(client.parent_span_id, server.span_id, "{why}");
            assert_eq!(client.start_time_unix_nano - server.start_time_unix_nano, 1_000_000);
            assert_eq!(client.end_time_unix_nano - client.start_time_unix_nano, 50_000_000);
            let own =
                |it: &otlp_types::Span| attributes(it).iter().any(|it| it.contains("proxy_time"));
            assert!(own(server) && !own(client), "{why}: the outermost span has the proxy's view");
        }
    }
}

#[test]
fn without_an_attempt_there_is_no_client_span() {
    let mut tracer = tracer(r#"{"direction":"gateway","collector":{"cluster":"c"}}"#);
    exchange(&mut tracer, &[], Scripted::answered("404").number(Fact::Attempts, 0));
    let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
    let attributes = attributes(span);
    assert_eq!(span.kind, 2);
    assert!(attributes.contains(&"hopspan.proxy_time_ns=51000000".to_owned()), "{attributes:?}");
}

#[test]
fn an_outcome_is_judged_by_the_side_that_saw_it() {
    let reset = |it: Scripted| {
        it.number(Fact::ResponseFlags, 1 << 23)
            .with(Fact::CodeDetails, b"upstream_reset_after_response_started{protocol_error}")
    };
    let gone = |it: Scripted| it.number(Fact::ResponseFlags, 1 << 14);
    for (why, stream, complete, server, client) in [
        ("200", Scripted::answered("200"), true, None, None),
        ("404", Scripted::answered("404"), true, None, Some("404")),
        ("500", Scripted::answered("500"), true, Some("500"), Some("500")),
        (
            "reset in the middle",
            reset(Scripted::answered("200")),
            false,
            Some("upstream_reset_after_response_started"),
            Some("upstream_reset_after_response_started"),
        ),
        ("client gone in the middle", gone(Scripted::answered("200")), false, None, None),
        (
            "client gone before",
            Scripted { response: None, ..gone(Scripted::answered("")) },
            false,
            None,
            None,
        ),
        (
            "upgrade",
            Scripted::answered("101").number(Fact::ResponseFlags, 1 << 6),
            false,
            None,
            None,
        ),
        (
            "redirect by the proxy itself",
            Scripted::answered("302").with(Fact::CodeDetails, b"internal_redirect"),
            false,
            None,
            None,
        ),
        (
            "cut off, nobody knows why",
            Scripted::answered("200").with(Fact::CodeDetails, b""),
            false,
            Some("incomplete"),
            Some("incomplete"),
        ),
    ] {
        let mut tracer = tracer(r#"{"direction":"gateway","collector":{"cluster":"c"}}"#);
        let mut stream = stream;
        let mut span = start(&mut tracer, &[], &mut stream).span.unwrap();
        if complete {
            span.response_ended(|| ms(51));
        }
        tracer.finish(span, &mut stream, || at(52));
        let spans = exported(&mut tracer);
        let got: Vec<_> = spans
            .iter()
            .map(|span| {
                let class = attributes(span)
                    .into_iter()
                    .find_map(|it| it.strip_prefix("error.type=").map(str::to_owned));
                assert_eq!(
                    span.status.as_ref().map(|it| it.code),
                    class.as_ref().map(|_| 2),
                    "{why}"
                );
                class
            })
            .collect();
        assert_eq!(got, [server.map(str::to_owned), client.map(str::to_owned)], "{why}");
    }
}

#[test]
fn a_grpc_call_is_judged_by_its_own_status() {
    let grpc = [("content-type", "application/grpc"), (":path", "/shop.Cart/Get")];
    let trailers_only = |status| Scripted {
        response: Some(vec![(":status", "200"), ("grpc-status", status)]),
        ..Scripted::answered("200")
    };
    let trailers = |status| Scripted {
        trailers: [("grpc-status", status)].into(),
        ..Scripted::answered("200")
    };
    for (why, stream, want_status, want_error) in [
        ("ok", trailers("0"), "OK", None),
        ("not found is the client's affair", trailers("5"), "NOT_FOUND", None),
        ("unavailable", trailers("14"), "UNAVAILABLE", Some("UNAVAILABLE")),
        ("trailers only", trailers_only("13"), "INTERNAL", Some("INTERNAL")),
        (
            "cancelled",
            Scripted::answered("200").number(Fact::ResponseFlags, 1 << 28),
            "CANCELLED",
            None,
        ),
    ] {
        let mut tracer = inbound();
        exchange(&mut tracer, &grpc, stream);
        let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
        let attributes = attributes(span);
        let value =
            |key: &str| attributes.iter().find_map(|it| it.strip_prefix(&format!("{key}=")));
        assert_eq!(span.name, "shop.Cart/Get", "{why}");
        assert_eq!(value("rpc.system.name"), Some("grpc"), "{why}");
        assert_eq!(value("rpc.method"), Some("shop.Cart/Get"), "{why}");
        assert_eq!(value("rpc.response.status_code"), Some(want_status), "{why}");
        assert_eq!(value("error.type"), want_error, "{why}");
    }
}

#[test]
fn a_request_that_an_earlier_filter_answered_has_a_span_of_the_hosts_times() {
    let mut tracer = inbound();
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let bytes = encode_headers(&[&GET[..], &[("traceparent", &traceparent)]].concat());
    let mut stream = Scripted::answered("403")
        .number(Fact::Attempts, 0)
        .number(Fact::RequestTime, 1_700_000_000_000_000_000)
        .number(Fact::RequestDuration, 3_000_000);
    tracer.refused(Headers::new(&bytes), &mut stream, &mut ids(), at(9));
    let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
    assert_eq!(crate::id::hex::<8>(PARENT.as_bytes()).unwrap(), &span.parent_span_id[..]);
    assert_eq!(span.start_time_unix_nano, 1_700_000_000_000_000_000);
    assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 3_000_000);
    let attributes = attributes(span);
    assert!(attributes.contains(&"hopspan.proxy_time_ns=3000000".to_owned()), "{attributes:?}");
    assert!(attributes.contains(&"hopspan.proxy_time_upper_bound=true".to_owned()));
}

#[test]
fn nothing_is_asked_that_no_attribute_needs() {
    let asked = |document: &str, mut stream: Scripted| {
        let mut tracer = tracer(document);
        let mut span = start(&mut tracer, &[], &mut stream).span.unwrap();
        span.response_ended(|| ms(51));
        tracer.finish(span, &mut stream, || at(52));
        stream.asked
    };
    use Fact::*;
    let inbound = r#"{"direction":"inbound","collector":{"cluster":"c"}}"#;
    let fine = [Attempts, Cluster, UpstreamAddress, BackendLatency, ClientAddress, Protocol];
    assert_eq!(asked(inbound, Scripted::answered("200")), fine);
    let failed = [ResponseFlags, CodeDetails].iter().chain(&fine).copied().collect::<Vec<_>>();
    assert_eq!(asked(inbound, Scripted::answered("503")), failed);
    let local = Scripted::answered("200").number(Attempts, 0);
    assert_eq!(asked(inbound, local), [Attempts, ClientAddress, Protocol]);
    let unsampled = r#"{"direction":"inbound","collector":{"cluster":"c"},"sampling":{"ratio":0}}"#;
    assert_eq!(asked(unsampled, Scripted::answered("200")), []);
    assert_eq!(asked("{}", Scripted::answered("200")), [], "nothing is exported");
}

#[test]
fn native_tracing_is_noticed_and_said_once() {
    let mut tracer = inbound();
    let foreign = format!("00-{TRACE}-{PARENT}-01").into_bytes();
    for _ in 0..100 {
        let stream = Scripted { traceparent: Some(foreign.clone()), ..Scripted::answered("200") };
        exchange(&mut tracer, &[], stream);
    }
    assert_eq!(tracer.stats.get(Stat::NativeTracing), i64::from(LOOKS));
    let notice = tracer.notice().unwrap();
    assert!(notice.is_warning && notice.text.contains("overwrites traceparent"), "{notice:?}");
    assert_eq!(tracer.notice(), None);
}

#[test]
fn our_own_traceparent_is_no_native_tracing() {
    let mut tracer = inbound();
    let mut stream = Scripted::answered("200");
    let started = start(&mut tracer, &[], &mut stream);
    let (trace, parent, flags) = sent(&started);
    stream.traceparent = Some(format!("00-{trace}-{parent}-{flags}").into_bytes());
    tracer.finish(started.span.unwrap(), &mut stream, || at(1));
    assert_eq!(tracer.stats.get(Stat::NativeTracing), 0);
}

#[test]
fn ticks_come_at_the_delay_and_at_once_when_a_request_is_full() {
    let mut tracer = tracer(
        r#"{"direction":"inbound","collector":{"cluster":"c"},"batch":{"schedule_delay_ms":1000,"max_export_batch_size":2}}"#,
    );
    assert_eq!(tracer.tick(ms(0), 0), Duration::from_secs(1));
    let finish = |tracer: &mut Tracer| {
        let mut stream = Scripted::answered("200");
        let span = start(tracer, &[], &mut stream).span.unwrap();
        tracer.finish(span, &mut stream, || at(300))
    };
    assert!(!finish(&mut tracer), "one span waits");
    assert_eq!(tracer.tick(ms(400), 0), Duration::from_millis(600), "a call too early");
    assert!(tracer.next_call(ms(400)).is_none());
    assert!(finish(&mut tracer), "a full request does not");
    assert_eq!(tracer.tick(ms(401), 0), Duration::from_millis(599));
    assert!(tracer.next_call(ms(401)).is_some());
    finish(&mut tracer);
    assert_eq!(tracer.tick(ms(1000), 0), Duration::from_secs(1));
    assert!(tracer.next_call(ms(1000)).is_some(), "the delay is over");
}

#[test]
fn a_clock_that_goes_back_makes_nothing_wait() {
    let mut tracer = inbound();
    tracer.tick(ms(3_600_000), 0);
    exchange(&mut tracer, &[], Scripted::answered("200"));
    assert_eq!(tracer.tick(ms(50), 0), Duration::from_secs(1));
    let id = tracer.next_call(ms(50)).unwrap().id;
    tracer.answered(id, &Answer::NoSuchCluster, ms(90_000), 0);
    assert!(tracer.next_call(ms(90_001)).is_none());
    assert!(tracer.next_call(ms(50)).is_some());
}

#[test]
fn a_configuration_that_ends_waits_for_its_answers_but_not_for_ever() {
    let mut tracer = inbound();
    assert!(tracer.drain(ms(0)), "nothing to wait for");
    let mut tracer = inbound();
    exchange(&mut tracer, &[], Scripted::answered("200"));
    assert!(!tracer.drain(ms(60)));
    assert!(tracer.next_call(ms(60)).is_some());
    assert!(!tracer.is_drained(), "in flight");
    tracer.tick(ms(5_061), 0);
    assert!(tracer.is_drained());
    assert_eq!(tracer.stats.get(Stat::DroppedShutdown), 1);
}

#[test]
fn a_disabled_filter_leaves_requests_alone() {
    let around = Surroundings {
        node_id: "",
        node_cluster: "",
        env: &|name| (name == "OTEL_SDK_DISABLED").then(|| "true".to_owned()),
    };
    let mut tracer =
        Tracer::new(config::read(br#"{"collector":{"cluster":"c"}}"#, &around).unwrap());
    let started = start(&mut tracer, &[], &mut Scripted::default());
    assert!(started.span.is_none() && started.edits.is_empty());
}

/// `name: value` of every write, and `-name` of every removal.
fn written(started: &Started) -> Vec<String> {
    let text = |edit: &Edit| match edit {
        Edit::Replace(name, value) => format!("{name}: {}", value.escape_ascii()),
        Edit::Remove(name) => format!("-{name}"),
    };
    started.edits.iter().map(text).collect()
}

#[test]
fn a_decision_counts_as_far_as_its_caller_is_trusted() {
    let (trusted, stranger) = (r#""direction":"inbound""#, r#""direction":"gateway""#);
    let b3 = |state: &str| format!("{TRACE}-{PARENT}{state}");
    for (why, direction, ratio, b3, trace, state, recorded) in [
        ("accept", trusted, 0, b3("-1"), TRACE, "1", true),
        ("deny", trusted, 1, b3("-0"), TRACE, "0", false),
        ("debug", trusted, 0, b3("-d"), TRACE, "d", true),
        ("defer, we keep", trusted, 1, b3(""), TRACE, "1", true),
        ("defer, we drop", trusted, 0, b3(""), TRACE, "0", false),
        ("accept alone", trusted, 0, "1".into(), "new", "1", true),
        ("deny alone", trusted, 1, "0".into(), "new", "0", false),
        ("debug alone", trusted, 0, "d".into(), "new", "d", true),
        ("a stranger's accept", stranger, 0, b3("-1"), TRACE, "0", false),
        ("a stranger's deny", stranger, 1, b3("-0"), TRACE, "1", true),
        ("a stranger's debug", stranger, 0, b3("-d"), TRACE, "0", false),
        ("a stranger's debug, that we keep", stranger, 1, b3("-d"), TRACE, "1", true),
        ("a stranger's debug alone", stranger, 0, "d".into(), "new", "0", false),
        ("a stranger's deny alone", stranger, 1, "0".into(), "new", "1", true),
    ] {
        let mut tracer = tracer(&format!(
            r#"{{{direction},"sampling":{{"ratio":{ratio}}},"collector":{{"cluster":"c"}}}}"#
        ));
        let started = exchange(&mut tracer, &[("b3", &b3)], Scripted::answered("200"));
        let edits = written(&started);
        let [_, value] = &edits[..] else { panic!("{why}: {edits:?}") };
        let parts: Vec<_> = value.strip_prefix("b3: ").unwrap().split('-').collect();
        assert_eq!((parts[0] == TRACE, parts[2]), (trace == TRACE, state), "{why}");
        let spans = exported(&mut tracer);
        assert_eq!(!spans.is_empty(), recorded, "{why}");
        let debug = "hopspan.sampling.reason=debug".to_owned();
        let told = spans.first().is_some_and(|it| attributes(it).contains(&debug));
        assert_eq!(told, state == "d", "{why}");
        let untrusted = i64::from(direction == stranger);
        assert_eq!(tracer.stats.get(Stat::ContextUntrusted), untrusted, "{why}");
        let continued = i64::from(trace == TRACE);
        assert_eq!(tracer.stats.get(Stat::ContextContinued), continued, "{why}");
        assert_eq!(tracer.stats.get(Stat::ContextStarted), 1 - continued, "{why}");
    }
}

#[test]
fn a_caller_that_names_no_decision_is_decided_alike_everywhere() {
    let deferred = |seed: u8| {
        let bytes = encode_headers(&[("b3", &format!("{TRACE}-{PARENT}"))]);
        let head = RequestHead { headers: Headers::new(&bytes), end_of_stream: true, now: ms(0) };
        let mut tracer = tracer(r#"{"direction":"inbound","sampling":{"ratio":0.5}}"#);
        let mut ids = Generator::new([seed; 32]);
        tracer.start(&head, &mut Scripted::default(), &mut ids).span.unwrap().flags.is_sampled()
    };
    let first = deferred(0);
    assert!((1..50).all(|seed| deferred(seed) == first), "the trace-id decides");
}

#[test]
fn a_trace_that_loses_is_linked_and_counted() {
    let mut tracer = inbound();
    let other = "80f198ee56343ba864fe8b2a57d3eff7";
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let headers = [("traceparent", &traceparent[..]), ("b3", &format!("{other}-{PARENT}-0"))];
    let started = exchange(&mut tracer, &headers, Scripted::answered("200"));
    let (trace, span, _) = sent(&started);
    assert_eq!(trace, TRACE);
    assert_eq!(written(&started)[1], format!("b3: {TRACE}-{span}-1"));
    let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
    let [link] = &span.links[..] else { panic!("{:?}", span.links) };
    assert_eq!(crate::id::hex::<16>(other.as_bytes()).unwrap(), &link.trace_id[..]);
    assert_eq!(tracer.stats.get(Stat::ContextConflicts), 1);
    assert_eq!(tracer.stats.get(Stat::ContextInvalid), 0);
}

#[test]
fn of_a_restarted_trace_all_is_linked() {
    let mut tracer = tracer(
        r#"{"direction":"inbound","trust":{"default":"restart"},"collector":{"cluster":"c"}}"#,
    );
    let other = "80f198ee56343ba864fe8b2a57d3eff7";
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let headers = [("traceparent", &traceparent[..]), ("b3", &format!("{other}-{PARENT}-0"))];
    exchange(&mut tracer, &headers, Scripted::answered("200"));
    let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
    let links: Vec<_> = span.links.iter().map(|it| it.trace_id.clone()).collect();
    assert_eq!(
        links,
        [TRACE, other].map(|it| crate::id::hex::<16>(it.as_bytes()).unwrap().to_vec())
    );
}

#[test]
fn a_trace_without_a_span_goes_on_without_a_parent() {
    let mut tracer = tracer(
        r#"{"direction":"inbound","collector":{"cluster":"c"},"propagation":{"extract":["xray"]}}"#,
    );
    let root = "Root=1-67891233-abcdef012345678912345678";
    exchange(&mut tracer, &[("x-amzn-trace-id", root)], Scripted::answered("200"));
    let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
    assert_eq!(
        crate::id::hex::<16>(b"67891233abcdef012345678912345678").unwrap(),
        &span.trace_id[..]
    );
    assert!(span.parent_span_id.is_empty());
    assert_eq!(tracer.stats.get(Stat::ContextContinued), 1);
}

#[test]
fn allowed_baggage_becomes_attributes() {
    for (why, trust, want) in [
        ("trusted", "continue", &["tenant=a b"][..]),
        ("a stranger's trace", "ignore_sampling", &["tenant=a b"]),
        ("a new trace does not read it", "restart", &[]),
    ] {
        let mut tracer = tracer(&format!(
            r#"{{"direction":"inbound","collector":{{"cluster":"c"}},"trust":{{"default":"{trust}"}},
                "propagation":{{"baggage_attributes":["tenant"]}}}}"#
        ));
        let headers = [
            ("traceparent", &format!("00-{TRACE}-{PARENT}-01")[..]),
            ("baggage", "tenant=a%20b,user=x"),
        ];
        let started = exchange(&mut tracer, &headers, Scripted::answered("200"));
        assert!(!written(&started).iter().any(|it| it.contains("baggage")), "{why}: it passes");
        let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
        let told: Vec<_> = attributes(span)
            .into_iter()
            .filter(|it| it.starts_with("tenant") || it.starts_with("user="))
            .collect();
        assert_eq!(told, want, "{why}");
    }
}

#[test]
fn who_writes_no_traceparent_looks_for_no_other_tracer() {
    let mut tracer = tracer(
        r#"{"direction":"inbound","collector":{"cluster":"c"},"propagation":{"inject":["b3"]}}"#,
    );
    let foreign = format!("00-{TRACE}-{PARENT}-01").into_bytes();
    let stream = Scripted { traceparent: Some(foreign), ..Scripted::answered("200") };
    exchange(&mut tracer, &[], stream);
    assert_eq!(tracer.stats.get(Stat::NativeTracing), 0);
}

//! Exports: what brings spans to the collector has none of its own.

use super::*;
use hopspan_core::context::{Decision, SpanContext, TraceFlags};
use hopspan_core::propagation::{Format, Propagation};
use hopspan_core::request::fields::RequestFields;
use proptest::prelude::*;

/// An export as hopspan makes it, and what else it would be recorded for.
const EXPORT: [(&str, &str); 3] =
    [(":method", "POST"), (":path", "/v1/traces"), (":authority", "otel.example:4318")];

fn document(direction: &str, more: &str) -> String {
    format!(
        r#"{{"direction":"{direction}",
            "collector":{{"cluster":"otel","authority":"otel.example:4318"}},
            "sampling":{{"ratio":1,"min_per_minute":9,"keep":{{"errors":true,"slower_than_ms":1}},
                         "force":{{"header":"x-force"}}}},
            "response":{{"traceresponse":true}},"metrics":{{"to":[],"announce_caller":"always"}}{more}}}"#
    )
}

/// The context that an export is given.
fn unsampled() -> SpanContext<'static> {
    let (trace_id, span_id) = (ids().trace_id(), ids().span_id());
    SpanContext { trace_id, span_id, flags: TraceFlags::RANDOM, tracestate: Default::default() }
}

/// The headers of the export of one span.
fn headers_of_an_export(tracer: &mut Tracer) -> Vec<u8> {
    exchange(tracer, &[], Scripted::answered("200"));
    tracer.tick(at(3_600_000), 0);
    tracer.next_call(ms(3_600_000), |_| None).unwrap().headers(&unsampled())
}

/// The stats that moved.
fn counted(tracer: &Tracer) -> Vec<Stat> {
    Stat::ALL.into_iter().filter(|it| tracer.stats.get(*it) != 0).collect()
}

#[test]
fn an_export_is_neither_recorded_nor_counted_whoever_sends_it() {
    let sampled = format!("00-{TRACE}-{PARENT}-01");
    let unsampled = format!("00-{TRACE}-{PARENT}-00");
    let debug = format!("{TRACE}-{PARENT}-d");
    let other = format!("80f198ee56343ba864fe8b2a57d3eff7-{PARENT}-1");
    let restart = r#","trust":{"default":"restart"}"#;
    for (why, direction, more, headers) in [
        ("as hopspan sends it", "inbound", "", &[("traceparent", &unsampled[..])][..]),
        ("without a context", "outbound", "", &[]),
        ("sampled by a trusted caller", "inbound", "", &[("traceparent", &sampled)]),
        ("with a debug flag", "outbound", "", &[("b3", &debug)]),
        ("forced", "inbound", "", &[("x-force", "1")]),
        ("like a health check", "inbound", "", &[("user-agent", "kube-probe/1")]),
        ("with two traces", "inbound", "", &[("traceparent", &sampled), ("b3", &other)]),
        ("with a broken context", "inbound", "", &[("traceparent", "00-0-0-01")]),
        ("with a query", "inbound", "", &[(":path", "/v1/traces?tenant=1")]),
        ("in other letters", "inbound", "", &[(":authority", "OTEL.Example:4318")]),
        ("a stranger's", "gateway", "", &[("traceparent", &sampled), ("tracestate", "hopspan=x")]),
        ("a stranger's, forced", "gateway", "", &[("x-force", "1"), ("b3", &debug)]),
        ("a stranger's, begun anew", "gateway", restart, &[("traceparent", &sampled)]),
    ] {
        let mut tracer = tracer(&document(direction, more));
        let stream = Scripted::answered("503").with(Fact::RouteName, b"collector");
        let headers = [&EXPORT, headers].concat();
        let started = exchange(&mut tracer, &headers, stream);
        assert_eq!(counted(&tracer), [], "{why}");
        assert!(exported(&mut tracer).is_empty(), "{why}");
        // What a trusted caller sent stays as it is; a stranger's flags end here.
        if direction == "gateway" {
            assert_eq!(&sent(&started).2[1..], if more.is_empty() { "0" } else { "2" }, "{why}");
        } else {
            assert_eq!(written(&started), [""; 0], "{why}");
        }
    }
}

#[test]
fn an_export_that_is_answered_before_the_filter_sees_it_is_left_out_as_well() {
    let mut tracer = tracer(&document("gateway", ""));
    let bytes = encode_headers(&EXPORT);
    let mut host = Scripted::answered("503");
    assert!(!tracer.refused(Headers::new(&bytes), &mut host, &mut ids(), at(9)));
    assert_eq!(counted(&tracer), []);
}

#[test]
fn what_is_no_export_of_ours_is_traced() {
    for (why, headers) in [
        ("another method", &[(":method", "GET")][..]),
        ("another path", &[(":path", "/v1/metrics")]),
        ("a longer path", &[(":path", "/v1/traces/1")]),
        ("a shorter path", &[(":path", "/v1/trace")]),
        ("a path in other letters", &[(":path", "/v1/Traces")]),
        ("another collector", &[(":authority", "other.example:4318")]),
        ("another port", &[(":authority", "otel.example:4317")]),
        ("no authority", &[(":authority", "")]),
    ] {
        let mut tracer = tracer(&document("inbound", ""));
        let headers = [&EXPORT, headers].concat();
        exchange(&mut tracer, &headers, Scripted::answered("200"));
        assert_eq!(exported(&mut tracer).len(), 1, "{why}");
    }
}

#[test]
fn a_third_party_hears_nothing_in_an_export_either() {
    let strip = r#","trust":{"strip_on_egress":{"hosts":"otel.example"}}"#;
    let mut tracer = tracer(&document("outbound", strip));
    let traceparent = format!("00-{TRACE}-{PARENT}-00");
    let headers = [&EXPORT[..], &[("traceparent", &traceparent)]].concat();
    let started = exchange(&mut tracer, &headers, Scripted::answered("200"));
    assert_eq!(written(&started), ["-traceparent"]);
    assert_eq!(counted(&tracer), []);
}

/// Whoever is on an export's way reads one format at least, and finds there that it is not to be
/// traced.
#[test]
fn an_export_says_that_it_is_not_sampled_in_every_format() {
    let SpanContext { trace_id, span_id, .. } = unsampled();
    let bytes = headers_of_an_export(&mut inbound());
    let headers = Headers::new(&bytes);
    let fields = RequestFields::of(headers);
    for format in Format::ALL {
        let only = Propagation { extract: vec![format], ..Propagation::default() };
        let read = only.extract(&fields.trace, headers);
        let remote = read.context.unwrap_or_else(|| panic!("{format:?} is not there"));
        assert_eq!(remote.trace_id, trace_id, "{format:?}");
        assert_eq!(remote.span_id, Some(span_id), "{format:?}");
        // OpenCensus' flag says yes, or nothing.
        let no = if format == Format::GrpcTraceBin { Decision::Defer } else { Decision::Drop };
        assert_eq!(read.decision, no, "{format:?}");
        assert!(read.invalid.is_empty(), "{format:?}");
    }
    let all = Propagation { extract: Format::ALL.to_vec(), ..Propagation::default() };
    assert_eq!(all.extract(&fields.trace, headers).conflicts, [], "they are of one trace");
}

proptest! {
    /// A second opinion on what an export is, by URL and not by bytes.
    #[test]
    fn exactly_exports_are_left_out(
        method in "POST|GET|PUT|post|POSTS",
        path in "/v1/traces|/v1/trace|/v1/tracess|/in|/|",
        query in proptest::option::of("[a-z=?/&]{0,5}"),
        authority in "otel.example:4318|OTEL.example:4318|otel.example|otel.exampl:4318|",
        traces_path in "/v1/traces|/in|/",
    ) {
        let document = format!(
            r#"{{"direction":"inbound","collector":{{"cluster":"otel",
                "authority":"otel.example:4318","traces_path":"{traces_path}"}}}}"#
        );
        let mut tracer = tracer(&document);
        let whole = query.map_or(path.clone(), |it| format!("{path}?{it}"));
        let headers =
            [(":method", &method[..]), (":path", &whole[..]), (":authority", &authority[..])];
        exchange(&mut tracer, &headers, Scripted::answered("200"));
        let is_export = method == "POST"
            && path == traces_path
            && authority.to_lowercase() == "otel.example:4318";
        prop_assert_eq!(exported(&mut tracer).is_empty(), is_export);
    }
}

//! The configuration as operators meet it: refusals, warnings, what is said at the start.

use crate::hopspan::{DELAY, Hopspan, INBOUND, builder, refused, sampled_get, sent};
use host_test::{Action, Level, VmName};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};

#[test]
fn a_wrong_document_is_refused_with_all_its_problems_in_one_line() {
    let config = r#"{"collector":{"cluster":"otel","timeout_ms":0},"sampling":{"ratio":50},
        "direction":"sideways","batch":{"max_queue_size":"many"},"spans":{"kind":7}}"#;
    let refused = refused(builder(config).workers(2));
    assert_eq!(
        (refused.vm, refused.reason.as_str()),
        (VmName::Canary, "proxy_on_configure returned false")
    );
    let [line] = refused.log.as_slice() else { panic!("one line: {refused}") };
    assert_eq!(line.level, Level::Error);
    for path in [
        "collector.timeout_ms",
        "sampling.ratio",
        "direction",
        "batch.max_queue_size",
        "spans.kind",
    ] {
        assert!(line.text.contains(&format!("{path}: ")), "{path}: {line}");
    }
    assert!(!line.text.contains('\n'), "{line}");
}

#[test]
fn what_is_no_document_is_refused_and_says_where() {
    for (why, config, says) in [
        ("cut short", r#"{"collector":{"#.as_bytes(), "line 1"),
        ("a list", b"[]", "object"),
        ("text", b"hello", "line 1"),
        ("bytes", b"\xff\xfe\xfd", ""),
        ("a comma too many", b"{\n \"strict\": true,\n}", "line 3"),
        ("strict about unknown keys", br#"{"strict":true,"colector":{}}"#, "colector"),
        (
            "two that contradict",
            br#"{"batch":{"max_queue_size":1,"max_export_batch_size":2}}"#,
            "max_queue_size",
        ),
    ] {
        let refused = refused(builder(config));
        let [line] = refused.log.as_slice() else { panic!("{why}: one line: {refused}") };
        assert!(
            line.text.contains("configuration refused") && line.text.contains(says),
            "{why}: {line}"
        );
    }
}

#[test]
fn an_unknown_key_is_said_once_a_process_with_the_nearest_known_one() {
    let config =
        r#"{"direction":"inbound","collector":{"cluster":"otel","timeout":5},"smapling":{}}"#;
    let hopspan = Hopspan::of(builder(config).workers(4));
    for (key, nearest) in [("collector.timeout", "timeout_ms"), ("smapling", "sampling")] {
        let said = hopspan.said(key);
        let [line] = said.as_slice() else { panic!("{key} once: {:#?}", hopspan.log()) };
        assert!(line.level == Level::Warn && line.text.contains(nearest), "{line}");
    }
    assert_eq!(hopspan.stat("config.unknown_keys"), 2, "the same in every worker, not their sum");
    hopspan.requests(1);
    assert_eq!(hopspan.spans().len(), 1, "all else works");
}

#[test]
fn the_effective_configuration_is_said_once_a_process_without_secrets() {
    let config = r#"{"direction":"inbound","service":{"name":"cart"},"collector":{"cluster":"otel",
        "headers":{"authorization":"Bearer ${TOKEN}"}},"sampling":{"ratio":0.25}}"#;
    let hopspan = Hopspan::of(builder(config).workers(4).env("TOKEN", "s3cr3t"));
    let said = hopspan.said("hopspan: configuration ");
    let [line] = said.as_slice() else { panic!("one line: {:#?}", hopspan.log()) };
    assert_eq!(line.level, Level::Info);
    let json = &line.text[line.text.find('{').unwrap()..];
    let effective: serde_json::Value = serde_json::from_str(json).expect("one JSON document");
    assert_eq!(effective["service"]["name"], "cart");
    assert_eq!(effective["sampling"]["ratio"], 0.25);
    assert_eq!(effective["batch"]["schedule_delay_ms"], 1000, "defaults too");
    assert!(effective["collector"]["headers"]["authorization"].is_string());
    assert!(!line.text.contains("s3cr3t") && !line.text.contains("Bearer"), "{line}");
    // A different one is said again.
    hopspan.reconfigure(INBOUND).unwrap();
    assert_eq!(hopspan.said("hopspan: configuration ").len(), 2);
}

#[test]
fn no_configuration_at_all_is_an_empty_one() {
    for config in ["", "{}", " \n"] {
        let hopspan = Hopspan::start(config);
        let stream = hopspan.stream();
        stream.request_headers(sampled_get(), true);
        assert_eq!(sent(&stream).trace_id, crate::hopspan::TRACE, "{config:?}");
        stream.respond(200);
        stream.finish();
        assert_eq!(hopspan.said("nothing is exported").len(), 1, "{config:?}");
    }
}

fn of_struct(fields: impl IntoIterator<Item = (&'static str, Kind)>) -> Struct {
    let value = |kind| Value { kind: Some(kind) };
    Struct { fields: fields.into_iter().map(|(key, kind)| (key.to_owned(), value(kind))).collect() }
}

fn text(text: &str) -> Kind {
    Kind::StringValue(text.to_owned())
}

/// What Envoy hands over for a `google.protobuf.Struct`: its wire form, not JSON.
#[test]
fn a_struct_is_as_good_as_json() {
    let collector =
        of_struct([("cluster", text("otel")), ("timeout_ms", Kind::NumberValue(2500.0))]);
    let config = of_struct([
        ("direction", text("outbound")),
        ("strict", Kind::BoolValue(true)),
        ("collector", Kind::StructValue(collector)),
        ("sampling", Kind::StructValue(of_struct([("ratio", Kind::NumberValue(1.0))]))),
        ("metrics", Kind::StructValue(of_struct([("to", Kind::ListValue(ListValue::default()))]))),
    ]);
    let hopspan = Hopspan::of(builder(config.encode_to_vec()));
    hopspan.requests(1);
    hopspan.run_for(DELAY);
    assert_eq!(
        hopspan.collector.requests()[0].timeout,
        Some(std::time::Duration::from_millis(2500))
    );
    assert_eq!(hopspan.collector.taken()[0].kind(), SpanKind::Client);

    let wrong = of_struct([(
        "sampling",
        Kind::StructValue(of_struct([("ratio", Kind::NumberValue(7.0))])),
    )]);
    let refused = refused(builder(wrong.encode_to_vec()));
    assert!(refused.to_string().contains("sampling.ratio"), "{refused}");
}

#[test]
fn sdk_disabled_leaves_requests_as_they_are() {
    let hopspan = Hopspan::of(builder(INBOUND).env("OTEL_SDK_DISABLED", "true"));
    for request in
        [sampled_get(), sampled_get().without("traceparent"), sampled_get().with("tracestate", "A")]
    {
        let stream = hopspan.stream();
        assert_eq!(stream.request_headers(&request, true), Action::Continue);
        assert_eq!(stream.upstream_headers(), request);
        stream.respond(200);
        stream.finish();
    }
    hopspan.stream().refused(sampled_get(), [(":status", "403")]);
    hopspan.run_for(DELAY * 3);
    assert_eq!(hopspan.accounts(), [0; 5]);
    assert_eq!(hopspan.callouts_made().len(), 0);
    let counts = hopspan.hostcalls();
    assert_eq!(
        counts.of("proxy_replace_header_map_value") + counts.of("proxy_remove_header_map_value"),
        0
    );
}

#[test]
fn the_environment_fills_in_what_the_document_leaves_open() {
    let env = [
        ("OTEL_SERVICE_NAME", "from-env"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.version=9"),
        ("OTEL_TRACES_SAMPLER", "parentbased_always_off"),
        ("UNRELATED", "x"),
    ];
    let started = |config: &str| {
        Hopspan::of(env.iter().fold(builder(config), |it, (name, value)| it.env(name, value)))
    };
    let hopspan = started(INBOUND);
    hopspan.requests(1);
    let span = hopspan.span();
    assert_eq!(span.resource_text("service.name"), Some("from-env"));
    assert_eq!(span.resource_text("service.version"), Some("9"));
    assert_eq!(span.resource_text("deployment.environment.name"), Some("test"));
    assert_eq!(span.resource_text("telemetry.sdk.name"), Some("hopspan"));
    let new = hopspan.stream();
    new.request_headers(sampled_get().without("traceparent"), true);
    assert_eq!(sent(&new).flags, "02", "no new trace is sampled");
    new.finish();

    let written = started(
        r#"{"direction":"inbound","service":{"name":"written"},"collector":{"cluster":"otel"}}"#,
    );
    written.requests(1);
    assert_eq!(written.span().resource_text("service.name"), Some("written"));
}

#[test]
fn an_environment_that_makes_no_sense_is_said_and_ignored() {
    let hopspan = Hopspan::of(
        builder(INBOUND)
            .env("OTEL_TRACES_SAMPLER", "jaeger_remote")
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    );
    for name in ["OTEL_TRACES_SAMPLER", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
        assert_eq!(hopspan.said(name).len(), 1, "{:#?}", hopspan.log());
    }
    hopspan.requests(1);
    assert_eq!(hopspan.spans().len(), 1);
}

//! The environment's say: below the document, above the defaults.

use super::*;

/// A document, the environment, and what stands at a pointer of the effective configuration.
#[track_caller]
fn check(env: &[(&str, &str)], document: &str, pointer: &str, want: Value, warnings: &[&str]) {
    let proxy = Proxy { env, ..Proxy::default() };
    assert_eq!(proxy.effective(document, pointer), want, "{env:?} {document}");
    assert_eq!(proxy.read(document).unwrap().warnings, warnings, "{env:?} {document}");
}

#[test]
fn resource_attributes_are_added_to_those_written() {
    let list = "a=1, b = x%20y%2Cz ,service.version=2,telemetry.sdk.name=me,c=%C3%A9,,d=";
    check(
        &[("OTEL_RESOURCE_ATTRIBUTES", list)],
        r#"{"resource_attributes": {"a": true}}"#,
        "/resource_attributes",
        json!({"a": true, "b": "x y,z", "c": "é", "d": ""}),
        &[],
    );
    check(
        &[("OTEL_RESOURCE_ATTRIBUTES", list)],
        r#"{"service": {"version": "1"}}"#,
        "/service/version",
        json!("1"),
        &[],
    );
}

#[test]
fn a_bad_list_is_ignored_whole() {
    let long = format!("a={}", "x".repeat(1025));
    let many: String = (0..129).map(|it| format!("k{it}=v,")).collect();
    for (list, why) in [
        ("a=1,b", "member 2 is not key=value"),
        ("=1", "member 1 is not key=value"),
        ("a=%2", "member 1 has a % that two hexadecimal digits do not follow"),
        ("a=%+1", "member 1 has a % that two hexadecimal digits do not follow"),
        ("a=%ff", "member 1 is not UTF-8 when decoded"),
        (&long, "has a key or a value of more than 1024 characters"),
        (&many, "makes more than 128 resource attributes"),
    ] {
        let warning = format!("OTEL_RESOURCE_ATTRIBUTES: {why}; it is ignored");
        let env = [("OTEL_RESOURCE_ATTRIBUTES", list)];
        check(&env, "{}", "/resource_attributes", json!({}), &[&warning]);
    }
}

#[test]
fn headers_are_added_to_those_written() {
    let env = [("OTEL_EXPORTER_OTLP_HEADERS", "X-Tenant=a%20b,authorization=theirs")];
    let proxy = Proxy { env: &env, ..Proxy::default() };
    let document = r#"{"collector": {"cluster": "c", "headers": {"Authorization": "ours"}}}"#;
    let headers = proxy.read(document).unwrap().collector.unwrap().headers;
    let want = [("authorization", "ours"), ("x-tenant", "a b")];
    assert_eq!(headers, want.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn the_protocol_is_that_of_otlp_where_none_is_written() {
    for (variable, document, want) in [
        ("http/json", "{}", "http/json"),
        ("HTTP/Protobuf", "{}", "http/protobuf"),
        ("", "{}", "http/protobuf"),
        ("http/json", r#"{"collector": {"protocol": "zipkin/json"}}"#, "zipkin/json"),
        ("http/json", r#"{"collector": {"protocol": "http/protobuf"}}"#, "http/protobuf"),
    ] {
        let env = [("OTEL_EXPORTER_OTLP_PROTOCOL", variable)];
        let proxy = Proxy { env: &env, ..Proxy::default() };
        assert_eq!(proxy.effective(document, "/collector/protocol"), want, "{variable} {document}");
    }
}

#[test]
fn the_sampler_is_told_in_our_words() {
    let ratio = "/sampling/ratio";
    let trust = "/trust/default";
    let plain = "ignore_sampling";
    for (sampler, arg, pointer, want) in [
        ("parentbased_traceidratio", "0.25", ratio, json!(0.25)),
        ("parentbased_traceidratio", "0.25", trust, json!("auto")),
        ("ParentBased_TraceIdRatio", " 1e-9 ", ratio, json!(1e-9)),
        ("parentbased_traceidratio", ".5", ratio, json!(0.5)),
        ("parentbased_traceidratio", "", ratio, json!(1.0)),
        ("parentbased_always_on", "0.25", ratio, json!(1.0)),
        ("parentbased_always_off", "", ratio, json!(0.0)),
        ("always_on", "", trust, json!(plain)),
        ("always_off", "", ratio, json!(0.0)),
        ("traceidratio", "0.5", trust, json!(plain)),
        ("", "0.25", ratio, json!(1.0)),
    ] {
        let env = [("OTEL_TRACES_SAMPLER", sampler), ("OTEL_TRACES_SAMPLER_ARG", arg)];
        check(&env, "{}", pointer, want, &[]);
    }
    let env = [("OTEL_TRACES_SAMPLER", "always_off")];
    let written = r#"{"sampling": {"ratio": 0.1}, "trust": {"default": "continue"}}"#;
    check(&env, written, ratio, json!(0.1), &[]);
    check(&env, written, trust, json!("continue"), &[]);
}

#[test]
fn an_unknown_value_warns_and_is_ignored() {
    for (name, value, pointer, want, why) in [
        (
            "OTEL_TRACES_SAMPLER",
            "jaeger_remote",
            "/sampling/ratio",
            json!(1.0),
            r#"must be [parentbased_]always_on, always_off or traceidratio in this version, not "jaeger_remote""#,
        ),
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "grpc",
            "/collector/protocol",
            json!("http/protobuf"),
            r#"must be "http/protobuf" or "http/json", not "grpc""#,
        ),
        (
            // Its values are those of OTLP.
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "zipkin/json",
            "/collector/protocol",
            json!("http/protobuf"),
            r#"must be "http/protobuf" or "http/json", not "zipkin/json""#,
        ),
    ] {
        let warning = format!("{name}: {why}; it is ignored");
        check(&[(name, value)], "{}", pointer, want, &[&warning]);
    }
    for arg in ["50", "-1", "NaN", ".", "{}", "a tenth"] {
        let env = [("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", arg)];
        let warning =
            format!("OTEL_TRACES_SAMPLER_ARG: must be 0 to 1, not \"{arg}\"; it is ignored");
        check(&env, "{}", "/sampling/ratio", json!(1.0), &[&warning]);
    }
}

#[test]
fn only_true_disables() {
    for (value, want, warns) in
        [("true", false, 0), ("TRUE", false, 0), ("false", true, 0), ("", true, 0), ("1", true, 1)]
    {
        let proxy = Proxy { env: &[("OTEL_SDK_DISABLED", value)], ..Proxy::default() };
        let config = proxy.read("{}").unwrap();
        assert_eq!((config.enabled, config.warnings.len()), (want, warns), "{value:?}");
    }
}

//! What is refused, what is only warned of, and the exact words.

use super::*;
use serde_json::Map;

#[test]
fn a_wrong_value_is_named_with_what_was_expected_and_found() {
    let many: Map<_, _> = (0..200).map(|it| (it.to_string(), json!(""))).collect();
    let long = "x".repeat(1025);
    for (document, want) in [
        (json!([]), "document: must be an object, not a list"),
        (json!({"strict": "yes"}), r#"strict: must be true or false, not "yes""#),
        (
            json!({"direction": "in"}),
            r#"direction: must be "auto", "inbound", "outbound" or "gateway", not "in""#,
        ),
        (json!({"service": "shop"}), r#"service: must be an object, not "shop""#),
        (
            json!({"service": {"name": ""}}),
            r#"service.name: must be a text of 1 to 1024 characters, not """#,
        ),
        (
            json!({"service": {"version": 2}}),
            "service.version: must be a text of 1 to 1024 characters, not 2",
        ),
        (
            json!({"service": {"namespace": &long}}),
            &format!(
                "service.namespace: must be a text of 1 to 1024 characters, not \"{}...\"",
                &long[..60]
            ),
        ),
        (
            json!({"resource_attributes": {"k8s.pod": null}}),
            r#"resource_attributes["k8s.pod"]: must be a text of at most 1024 characters, a number, true or false, not null"#,
        ),
        (
            json!({"resource_attributes": {"service.instance.id": "7"}}),
            r#"resource_attributes["service.instance.id"]: must be written as the key service.instance_id"#,
        ),
        (
            json!({"resource_attributes": {"telemetry.sdk.name": "x"}}),
            r#"resource_attributes["telemetry.sdk.name"]: is set by hopspan alone"#,
        ),
        (
            json!({"resource_attributes": {"": "x"}}),
            r#"resource_attributes[""]: must have a key of 1 to 1024 characters"#,
        ),
        (
            json!({"resource_attributes": &many}),
            "resource_attributes: must be an object of strings, numbers and booleans, 128 at most, not an object of 200",
        ),
        (
            json!({"collector": {"cluster": "a\nb"}}),
            r#"collector.cluster: must be the name of a cluster: 1 to 1024 characters, no control characters, not "a\nb""#,
        ),
        (
            json!({"collector": {"cluster": "my collector"}}),
            r#"collector.authority: must be written, because the cluster's name "my collector" cannot be one"#,
        ),
        (
            json!({"collector": {"protocol": "grpc"}}),
            r#"collector.protocol: must be "http/protobuf", "http/json" or "zipkin/json", not "grpc""#,
        ),
        (
            json!({"collector": {"compression": true}}),
            r#"collector.compression: must be "none" or "gzip", not true"#,
        ),
        (
            json!({"collector": {"authority": "http://otel"}}),
            r#"collector.authority: must be a host, and a port if need be, like otel.example:4318, not "http://otel""#,
        ),
        (
            json!({"collector": {"traces_path": "v1/traces"}}),
            r#"collector.traces_path: must be a path of visible ASCII characters that begins with / and has no #, not "v1/traces""#,
        ),
        (
            json!({"collector": {"timeout_ms": 0}}),
            "collector.timeout_ms: must be 1 to 60000, not 0",
        ),
        (
            json!({"collector": {"timeout_ms": 1000.5}}),
            "collector.timeout_ms: must be a whole number, 1 to 60000, not 1000.5",
        ),
        (
            json!({"collector": {"timeout_ms": "1s"}}),
            r#"collector.timeout_ms: must be 1 to 60000, not "1s""#,
        ),
        (
            json!({"collector": {"timeout_ms": 18446744073709551615_u64}}),
            "collector.timeout_ms: must be 1 to 60000, not 18446744073709551615",
        ),
        (
            json!({"batch": {"schedule_delay_ms": 9}}),
            "batch.schedule_delay_ms: must be 10 to 60000, not 9",
        ),
        (
            json!({"batch": {"max_export_batch_size": 0}}),
            "batch.max_export_batch_size: must be 1 to 100000, not 0",
        ),
        (
            json!({"batch": {"max_export_batch_bytes": 4095}}),
            "batch.max_export_batch_bytes: must be 4096 to 67108864, not 4095",
        ),
        (
            json!({"batch": {"max_queue_size": -1}}),
            "batch.max_queue_size: must be 1 to 1000000, not -1",
        ),
        (
            json!({"batch": {"max_queue_bytes": 1e12}}),
            "batch.max_queue_bytes: must be 4096 to 268435456, not 1000000000000",
        ),
        (
            json!({"batch": {"max_in_flight": 101}}),
            "batch.max_in_flight: must be 1 to 100, not 101",
        ),
        (json!({"retry": {"enabled": 1}}), "retry.enabled: must be true or false, not 1"),
        (
            json!({"retry": {"initial_backoff_ms": 0}}),
            "retry.initial_backoff_ms: must be 1 to 600000, not 0",
        ),
        (
            json!({"retry": {"max_backoff_ms": 600_001}}),
            "retry.max_backoff_ms: must be 1 to 600000, not 600001",
        ),
        (
            json!({"retry": {"max_elapsed_ms": true}}),
            "retry.max_elapsed_ms: must be 0 to 86400000, not true",
        ),
        (
            json!({"trust": {"default": "never"}}),
            r#"trust.default: must be "auto", "continue", "restart" or "ignore_sampling", not "never""#,
        ),
        (json!({"sampling": {"ratio": 50}}), "sampling.ratio: must be 0 to 1, not 50"),
        (json!({"sampling": {"ratio": -1e-9}}), "sampling.ratio: must be 0 to 1, not -1e-9"),
        (
            json!({"spans": {"kind": ["server"]}}),
            r#"spans.kind: must be "auto", "server", "client" or "both", not a list"#,
        ),
        (
            json!({"metrics": {"to": ["statsd"]}}),
            r#"metrics.to[0]: must be "otlp" or "host", not "statsd""#,
        ),
        (
            json!({"collector": {"protocol": "zipkin/json"}, "metrics": {"to": ["host", "otlp"]}}),
            r#"metrics.to: must be without "otlp" where collector.protocol is "zipkin/json", which has no metrics"#,
        ),
    ] {
        let got = Proxy::default().read(document.to_string()).map(|it| it.effective);
        assert_eq!(got, Err(want.to_owned()), "{document}");
    }
}

#[test]
fn a_text_is_measured_in_characters() {
    for (key, value, fits) in [
        ("service/name", "é".repeat(1024), true),
        ("service/name", "é".repeat(1025), false),
        ("collector/cluster", "a|b c".to_owned(), true),
        ("collector/cluster", "a\u{85}b".to_owned(), false),
        ("collector/authority", "[::1]:80".to_owned(), true),
        ("collector/authority", "user@host".to_owned(), false),
        ("collector/traces_path", "/in?tenant=%20".to_owned(), true),
        ("collector/traces_path", "/in#part".to_owned(), false),
        ("collector/traces_path", "/in out".to_owned(), false),
    ] {
        let (group, key) = key.split_once('/').unwrap();
        let document = json!({group: {key: &value, "authority": "a"}});
        let document = if key == "cluster" { document } else { json!({group: {key: &value}}) };
        let got = Proxy::default().read(document.to_string());
        assert_eq!(got.is_ok(), fits, "{key} {value:?}");
    }
}

#[test]
fn all_problems_come_at_once() {
    let document = r#"{"sampling": {"ratio": 50}, "collector": {"timeout_ms": 0, "cluster": 1}}"#;
    assert_eq!(
        Proxy::default().read(document).unwrap_err(),
        "collector.cluster: must be the name of a cluster: 1 to 1024 characters, \
         no control characters, not 1; \
         collector.timeout_ms: must be 1 to 60000, not 0; \
         sampling.ratio: must be 0 to 1, not 50"
    );
}

#[test]
fn text_that_is_not_json_is_refused_with_its_place() {
    let deep = "[".repeat(1000);
    for (why, document, want) in [
        (
            "breaks off",
            "{\n  \"strict\":",
            "line 2 column 11: is not JSON: EOF while parsing a value",
        ),
        ("goes on", "{} {}", "line 1 column 4: is not JSON: trailing characters"),
        ("YAML", "strict: true", "line 1 column 1: is not JSON: expected value"),
        (
            "a key twice",
            "{\"batch\":{\"a\":1,\n\"a\":2}}",
            "line 2 column 3: is not JSON: the key \"a\" is there twice",
        ),
        (
            "a key twice, and nothing else wrong at first",
            r#"[{"a at line 7 column 9":1,"a at line 7 column 9" : 2}]"#,
            "line 1 column 50: is not JSON: the key \"a at line 7 column 9\" is there twice",
        ),
        (
            "a key twice, and without its value",
            r#"{"a":1,"a"}"#,
            "document: is not JSON: the key \"a\" is there twice",
        ),
        (
            "a number too far",
            r#"{"a":1e999}"#,
            "line 1 column 10: is not JSON: number out of range",
        ),
        ("too deep", &deep, "line 1 column 128: is not JSON: recursion limit exceeded"),
    ] {
        let got = Proxy::default().read(document).map(|it| it.effective);
        assert_eq!(got, Err(want.to_owned()), "{why}");
    }
    let got = Proxy::default().read(b"{\"a\":\"\xff\"}").map(|it| it.effective);
    assert_eq!(got, Err("line 1 column 7: is not JSON: invalid unicode code point".to_owned()));
}

#[test]
fn an_unknown_key_warns_with_the_nearest_known_one() {
    let document = r#"{
        "collecter": {"cluster": "x"}, "collector": {"Timeout_ms": 1, "cluster": "x"},
        "ratio": 1, "sampling": {"ratios": 1, "weather": 2}, "retry.enabled": false, "zzz": 0
    }"#;
    let config = Proxy::default().read(document).unwrap();
    let warnings = [
        "collector.Timeout_ms: is no key of hopspan; is it collector.timeout_ms?",
        "sampling.ratios: is no key of hopspan; is it sampling.ratio?",
        "sampling.weather: is no key of hopspan",
        "collecter: is no key of hopspan; is it collector?",
        "ratio: is no key of hopspan; is it sampling.ratio?",
        r#"["retry.enabled"]: is no key of hopspan; is it retry.enabled?"#,
        "zzz: is no key of hopspan",
    ];
    assert_eq!(config.warnings, warnings);
    assert_eq!(config.unknown_keys, warnings.len());
    assert_eq!(config.collector.unwrap().timeout, Duration::from_secs(10));
}

#[test]
fn strict_refuses_unknown_keys() {
    let got = Proxy::default().read(r#"{"strict": true, "zzz": "x", "sampling": {"ratio": 2}}"#);
    let want = "sampling.ratio: must be 0 to 1, not 2; zzz: is no key of hopspan";
    assert_eq!(got.map(|it| it.effective), Err(want.to_owned()));
}

#[test]
fn thousands_of_unknown_keys_are_twenty_lines_and_a_number() {
    let keys: Map<_, _> = (0..3000).map(|it| (format!("zzz{it}"), json!(0))).collect();
    let config = Proxy::default().read(Value::from(keys).to_string()).unwrap();
    assert_eq!((config.warnings.len(), config.unknown_keys), (21, 3000));
    assert_eq!(config.warnings[20], "2980 more keys are none of hopspan's");
}

#[test]
fn what_is_written_is_never_contradicted() {
    for (document, want) in [
        (
            json!({"batch": {"max_export_batch_size": 11, "max_queue_size": 10}}),
            "batch.max_export_batch_size: must be at most batch.max_queue_size, which is 10, not 11",
        ),
        (
            json!({"batch": {"max_export_batch_bytes": 9000, "max_queue_bytes": 8000}}),
            "batch.max_export_batch_bytes: must be at most batch.max_queue_bytes, which is 8000, not 9000",
        ),
        (
            json!({"retry": {"initial_backoff_ms": 3, "max_backoff_ms": 2}}),
            "retry.initial_backoff_ms: must be at most retry.max_backoff_ms, which is 2, not 3",
        ),
        (
            json!({"batch": {"max_export_batch_bytes": 4096}, "service": {"name": "x".repeat(1000), "version": "y".repeat(1000), "namespace": "z".repeat(1000)}}),
            "batch.max_export_batch_bytes: must be at least 6394, not 4096: the resource attributes take 3197",
        ),
    ] {
        let got = Proxy::default().read(document.to_string()).map(|it| it.effective);
        assert_eq!(got, Err(want.to_owned()), "{document}");
    }
}

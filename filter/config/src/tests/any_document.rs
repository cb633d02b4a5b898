//! What holds for every document, however it is written.

use super::*;
use proptest::prelude::*;
use prost::Message;
use prost_types::value::Kind as StructKind;
use serde_json::Map;
use std::collections::BTreeMap;

/// Any JSON, of any shape.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        // Numbers that JSON text and the doubles of a Struct both have exactly.
        any::<i64>().prop_map(|it| json!(it >> 11)),
        any::<i32>().prop_map(|it| json!(f64::from(it) / 4.0)),
        prop::sample::select(vec![1e300, -1e300, 1e15, 9_007_199_254_740_992.0])
            .prop_map(Value::from),
        (-5_i64..70_000).prop_map(Value::from),
        (0..96).prop_map(|it| json!(f64::from(it) / 64.0)),
        prop::sample::select(vec![
            "auto",
            "inbound",
            "gateway",
            "continue",
            "both",
            "http/protobuf",
            "zipkin/json",
            "gzip",
            "/v1",
            "c",
            "${A}",
        ])
        .prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(".*", inner, 0..4)
                .prop_map(|it| it.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

/// Documents with hopspan's keys, and any values.
fn any_document() -> impl Strategy<Value = Value> {
    let keys: Vec<_> = Document::all_paths().iter().map(|it| it.replace('.', "/")).collect();
    prop::collection::vec((prop::sample::select(keys), any_json()), 0..6).prop_map(|settings| {
        let mut document = json!({});
        for (key, value) in settings {
            let (group, key) = key.split_once('/').unwrap_or(("", &key));
            let mut place = &mut document;
            if !group.is_empty() {
                place = &mut place[group];
            }
            if place.is_object() || place.is_null() {
                place[key] = value;
            }
        }
        document
    })
}

/// The same as a Struct, by prost's encoder.
fn to_struct(value: &Value) -> Option<prost_types::Value> {
    let kind = match value {
        Value::Null => StructKind::NullValue(0),
        Value::Bool(flag) => StructKind::BoolValue(*flag),
        Value::Number(number) => StructKind::NumberValue(number.as_f64()?),
        Value::String(text) => StructKind::StringValue(text.clone()),
        Value::Array(list) => {
            let values = list.iter().map(to_struct).collect::<Option<_>>()?;
            StructKind::ListValue(prost_types::ListValue { values })
        }
        Value::Object(object) => {
            let pair = |(key, it): (&String, &Value)| Some((key.clone(), to_struct(it)?));
            let fields = object.iter().map(pair).collect::<Option<BTreeMap<_, _>>>()?;
            StructKind::StructValue(prost_types::Struct { fields })
        }
    };
    Some(prost_types::Value { kind: Some(kind) })
}

fn struct_bytes(document: &Value) -> Vec<u8> {
    match to_struct(document).and_then(|it| it.kind) {
        Some(StructKind::StructValue(it)) => it.encode_to_vec(),
        other => panic!("{other:?}"),
    }
}

/// What somebody sees of a reading.
fn outcome(read: Result<Config, String>) -> Result<(String, Vec<String>, Resource), String> {
    read.map(|it| (it.effective, it.warnings, it.resource))
}

fn within(config: &Config) {
    let Limits {
        schedule_delay,
        max_export_batch_size,
        max_export_batch_bytes,
        max_queue_size,
        max_queue_bytes,
        max_in_flight,
        max_open_bytes,
    } = config.batch;
    assert!((10..=60_000).contains(&schedule_delay.as_millis()));
    assert!((1..=100_000).contains(&max_export_batch_size));
    assert!((4096..=67_108_864).contains(&max_export_batch_bytes));
    assert!((max_export_batch_size..=1_000_000).contains(&max_queue_size));
    assert!((max_export_batch_bytes..=268_435_456).contains(&max_queue_bytes));
    assert!((1..=100).contains(&max_in_flight));
    assert!((4096..=536_870_912).contains(&max_open_bytes));
    let Retry { enabled: _, initial_backoff, max_backoff, max_elapsed } = config.retry;
    assert!(initial_backoff >= Duration::from_millis(1) && initial_backoff <= max_backoff);
    assert!(max_backoff <= Duration::from_secs(600));
    assert!(max_elapsed.is_none_or(|it| !it.is_zero() && it <= Duration::from_secs(86_400)));
    if let Some(collector) = &config.collector {
        assert!(!collector.cluster.is_empty() && !collector.authority.is_empty());
        assert!(collector.traces_path.starts_with('/'));
        assert!((1..=60_000).contains(&collector.timeout.as_millis()));
    }
}

proptest! {
    #[test]
    fn any_bytes_give_a_configuration_or_problems(bytes: Vec<u8>) {
        let _ = Proxy::default().read(&bytes);
        let _ = Proxy::default().read([&b"\n"[..], &bytes, b"\x12"].concat());
    }

    #[test]
    fn any_json_gives_a_configuration_or_problems(json in any_json()) {
        if let Ok(config) = Proxy::default().read(json.to_string()) {
            within(&config);
        }
    }

    #[test]
    fn what_is_accepted_is_within_its_ranges(document in any_document()) {
        match Proxy::default().read(document.to_string()) {
            Ok(config) => within(&config),
            Err(problems) => prop_assert!(!problems.is_empty() && !problems.contains('\n')),
        }
    }

    /// Another proxy can be given what this one says that it does.
    #[test]
    fn the_effective_configuration_is_a_document_that_means_the_same(document in any_document()) {
        if let Ok(config) = Proxy::default().read(document.to_string()) {
            let again = Proxy::default().read(&config.effective).unwrap();
            prop_assert_eq!(again.unknown_keys, 0);
            prop_assert_eq!((again.effective, again.batch), (config.effective, config.batch));
            prop_assert_eq!(again.resource, config.resource);
        }
    }

    #[test]
    fn a_struct_means_the_same_as_its_json(document in any_document()) {
        let bytes = struct_bytes(&document);
        let json = Proxy::default().read(document.to_string());
        prop_assert_eq!(outcome(Proxy::default().read(&bytes)), outcome(json));
    }

    #[test]
    fn a_struct_that_breaks_off_is_refused_or_a_beginning(
        document in any_document(), cut: prop::sample::Index,
    ) {
        let bytes = struct_bytes(&document);
        let _ = Proxy::default().read(&bytes[..cut.index(bytes.len().max(1)).min(bytes.len())]);
    }
}

//! The committed schema, and the examples that it and the reader must both like.

use hopspan_config::{Surroundings, read_strictly, schema};
use jsonschema::Validator;
use serde::Deserialize as _;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Whether hopspan takes a document; every variable that it may ask for is set.
fn problems(document: &Value) -> Option<String> {
    let env = |name: &str| (!name.starts_with("OTEL_")).then(|| "x".to_owned());
    let around = Surroundings { node_id: "", node_cluster: "", metadata: &|_| None, env: &env };
    read_strictly(document.to_string().as_bytes(), &around).err().map(|it| it.to_string())
}

fn validator() -> Validator {
    jsonschema::draft202012::new(&schema()).expect("the schema is one")
}

#[test]
fn the_committed_schema_is_what_the_code_says() {
    let committed = std::fs::read_to_string(format!("{ROOT}/filter/schema.json"))
        .expect("filter/schema.json can be read");
    assert!(
        committed == format!("{:#}\n", schema()),
        "filter/schema.json is stale; renew it with: \
         cargo run -p hopspan-cli -- schema >filter/schema.json"
    );
}

#[test]
fn every_key_has_a_description_and_no_others_are_allowed() {
    fn check(path: &str, schema: &Value) -> usize {
        assert!(schema["description"].is_string(), "{path} is not described");
        let Some(keys) = schema["properties"].as_object() else { return 1 };
        assert_eq!(schema["additionalProperties"], false, "{path}");
        keys.iter().map(|(key, it)| check(&format!("{path}.{key}"), it)).sum()
    }
    assert_eq!(check("", &schema()), 73);
}

/// Each key with each of these values, alone: schema and reader are two judges of one law.
#[test]
fn the_schema_allows_what_the_reader_takes() {
    let long = "x".repeat(1025);
    let mut values = vec![
        json!(null),
        json!(true),
        json!([]),
        json!({}),
        json!(["otlp"]),
        json!(["b3"]),
        json!(["b3", "b3"]),
        json!(["b3", "gcp", "preserve"]),
        json!(["preserve"]),
        json!(["user.id", "B3"]),
        json!(["a b"]),
        json!(["url.path"]),
        json!([""]),
        json!([1]),
        json!((0..64).map(|it| format!("k{it}")).collect::<Vec<_>>()),
        json!((0..65).map(|it| format!("k{it}")).collect::<Vec<_>>()),
        json!(["/x"]),
        json!(["/x", "/x"]),
        json!(["x".repeat(256)]),
        json!(["x".repeat(257)]),
        json!({"zzz": 1}),
        json!(""),
        json!("x"),
        json!("x y"),
        json!("/x"),
        json!("/x#y"),
        json!("a\nb"),
        json!("\u{85}"),
        json!("ü"),
        json!("/ü"),
        json!("[::1]:80"),
        json!("a/b"),
        json!("Auto"),
        json!(long),
        json!(long[1..]),
        json!("ü".repeat(1024)),
        json!({"a": "x"}),
        json!({"a": "x\ty"}),
        json!({"a": " x"}),
        json!({"a": "x y"}),
        json!({"a": "${B}"}),
        json!({"a": ""}),
        json!({"": "x"}),
        json!({"a b": "x"}),
        json!({"HOST": "x"}),
        json!({"hosts": "x"}),
        json!({"User-Agent": "x"}),
        json!({"X-B3-Sampled": "x"}),
        json!({"x-b3": "x"}),
        json!({"a": 1}),
        json!({"a": 1.5}),
        json!({"a": null}),
        json!({"a": []}),
        json!({"a": false}),
        json!({"a.b": "x"}),
        json!({"service.name": "x"}),
        json!({"service.names": "x"}),
        json!({"telemetry.sdk.name": "x"}),
        json!({"telemetry_sdk": "x"}),
        json!({"a": long}),
        json!({"a": long[1..]}),
        json!({&long: "x"}),
        json!({&long[1..]: "x"}),
    ];
    for number in [
        -1.0,
        -1e-9,
        0.0,
        1e-9,
        0.5,
        1.0,
        1.5,
        2.0,
        9.0,
        10.0,
        100.0,
        101.0,
        4_095.0,
        4_096.0,
        60_000.0,
        60_001.0,
        1e5,
        100_001.0,
        6e5,
        600_001.0,
        1e6,
        1_000_001.0,
        67_108_864.0,
        67_108_865.0,
        86_400_000.0,
        86_400_001.0,
        268_435_456.0,
        268_435_457.0,
        1e15,
        1e300,
    ] {
        values.push(json!(number));
        values.extend((number % 1.0 == 0.0).then(|| json!(number as i64)));
    }
    for length in [64, 65, 128, 129] {
        values.push((0..length).map(|it| (it.to_string(), json!("x"))).collect());
    }

    let schema = schema();
    let mut documents: Vec<_> = values.clone();
    for (group, keys) in schema["properties"].as_object().expect("keys") {
        let words = |it: &Value| it["enum"].as_array().cloned().unwrap_or_default();
        for value in values.iter().chain(&words(keys)) {
            documents.push(json!({group: value}));
        }
        for (key, schema) in keys["properties"].as_object().into_iter().flatten() {
            for value in values.iter().chain(&words(schema)) {
                // A cluster's name that cannot be an authority is only a name beside one.
                let mut document = json!({group: {key: value}});
                if key == "cluster" {
                    document[group]["authority"] = json!("x");
                }
                documents.push(document);
            }
        }
    }

    let validator = validator();
    let mut taken = 0;
    for document in documents {
        let problems = problems(&document);
        taken += usize::from(problems.is_none());
        assert_eq!(validator.is_valid(&document), problems.is_none(), "{document}: {problems:?}");
    }
    assert!(taken > 300, "only {taken} documents were good");
}

/// The same law for what lists have in them.
#[test]
fn the_schema_allows_the_templates_and_services_that_the_reader_takes() {
    let deep = |segments: usize, end: &str| format!("{}{end}", "/a".repeat(segments));
    let templates = [
        "/",
        "/*",
        "/a/*",
        "//",
        "/a/{b}/c",
        "GET /a",
        "M-SEARCH /",
        "/{a.b_c-d}",
        "/!$&'()+,-.:;=@_~|",
        "",
        "a",
        "*",
        "GET",
        " /a",
        "get /a",
        "GET  /a",
        "/a ",
        "/a?b",
        "/a#b",
        "/a*",
        "/*/a",
        "/*/",
        "/{}",
        "/{a",
        "/a}",
        "/{a}b",
        "/{a}{b}",
        "/{a:b}",
        "/\u{fc}",
        "/a b",
        "/\n",
        "/%C3",
    ];
    let long = format!("/{}", "a".repeat(255));
    let more =
        [deep(32, ""), deep(33, ""), deep(31, "/*"), deep(32, "/*"), format!("{long}a"), long];
    let templates = templates.into_iter().map(str::to_owned).chain(more);
    let mut documents: Vec<_> = templates.map(|it| json!({"routes": {"patterns": [it]}})).collect();
    for service in [
        json!({"name": "a", "cluster": "x"}),
        json!({"name": "a", "host": ["x", "y"]}),
        json!({"name": "a", "peer": "x", "cluster": "y"}),
        json!({"name": "a"}),
        json!({"cluster": "x"}),
        json!({"name": "", "cluster": "x"}),
        json!({"name": "a", "cluster": []}),
        json!({"name": "a", "cluster": "x", "zzz": 1}),
        json!({}),
    ] {
        documents.push(json!({"services": [service]}));
    }
    let validator = validator();
    let mut taken = 0;
    for document in documents {
        let problems = problems(&document);
        taken += usize::from(problems.is_none());
        assert_eq!(validator.is_valid(&document), problems.is_none(), "{document}: {problems:?}");
    }
    assert_eq!(taken, 9 + 1 + 3 + 3);
}

/// Files below `directory`.
fn files(directory: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files(&path, out) } else { out.push(path) }
    }
}

/// hopspan's configurations in a proxy's.
fn configurations(tree: &Value, out: &mut Vec<Value>) {
    const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
    if tree["@type"] == WASM {
        let any = &tree["config"]["configuration"];
        out.push(match &any["value"] {
            Value::String(text) => serde_json::from_str(text).expect("JSON text"),
            value => value.clone(),
        });
    }
    match tree {
        Value::Array(list) => list.iter().for_each(|it| configurations(it, out)),
        Value::Object(keys) => keys.values().for_each(|it| configurations(it, out)),
        _ => {}
    }
}

/// A template with something in its gaps.
fn fill(mut template: String) -> String {
    while let Some(start) = template.find("{{") {
        let end = template[start..].find("}}").expect("a gap has an end") + start + 2;
        let gap = if &template[start..end] == "{{sampling}}" { "{}" } else { "1" };
        template.replace_range(start..end, gap);
    }
    template
}

#[test]
fn every_example_is_a_good_configuration() {
    let mut paths = Vec::new();
    files(&Path::new(ROOT).join("examples"), &mut paths);
    let mut found = 0;
    for path in paths {
        let ends = |end| path.to_string_lossy().ends_with(end);
        let text = || std::fs::read_to_string(&path).expect("text");
        let mut documents = Vec::new();
        if ends("hopspan.json") {
            documents.push(serde_json::from_str(&text()).expect("JSON"));
        } else if ends(".yaml") || ends(".yml") {
            for tree in serde_yaml_ng::Deserializer::from_str(&fill(text())) {
                let tree = Value::deserialize(tree).unwrap_or_else(|it| panic!("{path:?}: {it}"));
                configurations(&tree, &mut documents);
            }
        }
        for document in documents {
            found += 1;
            assert_eq!(problems(&document), None, "{}", path.display());
            assert!(validator().is_valid(&document), "{}", path.display());
        }
    }
    assert!(found > 0, "there is no example left");
}

#[test]
fn every_configuration_in_the_docs_is_a_good_one() {
    let docs = std::fs::read_dir(format!("{ROOT}/docs")).expect("docs");
    let docs = docs.map(|it| it.expect("an entry").path());
    let docs = docs.filter(|it| it.extension().is_some_and(|it| it == "md"));
    for path in docs.chain([format!("{ROOT}/README.md").into()]) {
        let text = std::fs::read_to_string(&path).expect("a document");
        for (block, _) in text.split("```json\n").skip(1).filter_map(|it| it.split_once("```")) {
            let document: Value =
                serde_json::from_str(block).unwrap_or_else(|it| panic!("{it}: {block}"));
            assert_eq!(problems(&document), None, "{}: {document}", path.display());
            assert!(validator().is_valid(&document), "{}: {document}", path.display());
        }
    }
}

/// All keys, as the schema nests them.
fn keys(schema: &Value, path: &str, out: &mut Vec<String>) {
    for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match schema["properties"].as_object() {
            Some(_) => keys(schema, &path, out),
            None => out.push(path),
        }
    }
}

/// A row of the table may name several keys of one group: `batch.max_queue_size`, `.max_queue_bytes`.
#[test]
fn the_docs_have_every_key_and_no_other() {
    let text =
        std::fs::read_to_string(format!("{ROOT}/docs/configuration.md")).expect("a document");
    let table = text.split("\n\n").find(|it| it.starts_with("| key | default |")).expect("a table");
    let mut documented = Vec::new();
    for row in table.lines().skip(2) {
        let cell = row.split('|').nth(1).expect("a cell");
        let mut group = String::new();
        for name in cell.split('`').skip(1).step_by(2) {
            let name = match name.strip_prefix('.') {
                Some(last) => format!("{group}.{last}"),
                None => name.to_owned(),
            };
            group = name.rsplit_once('.').map_or(String::new(), |(group, _)| group.to_owned());
            documented.push(name);
        }
    }
    let mut known = Vec::new();
    keys(&schema(), "", &mut known);
    known.sort();
    documented.sort();
    assert_eq!(documented, known);
}

/// Reader and schema agree on what is below a group's keys, too.
#[test]
fn the_schema_allows_what_the_reader_takes_of_spans() {
    let attributes = [
        (true, json!({"key": "k", "from": "literal", "value": "x"})),
        (true, json!({"key": "k", "from": "literal", "value": false})),
        (true, json!({"key": "k", "from": "env", "name": "a b"})),
        (true, json!({"key": "k", "from": "baggage", "name": "x"})),
        (true, json!({"key": "k", "from": "property", "path": "a.b[c.d].e"})),
        (true, json!({"key": "k", "from": "property", "path": "a", "type": "float"})),
        (false, json!({"key": "k"})),
        (false, json!({"from": "literal", "value": "x"})),
        (false, json!({"key": "k", "from": "literal"})),
        (false, json!({"key": "k", "from": "literal", "value": [1]})),
        (false, json!({"key": "k", "from": "literal", "value": 1, "name": "x"})),
        (false, json!({"key": "k", "from": "nowhere", "name": "x"})),
        (false, json!({"key": "k", "from": "request_header", "name": "a b"})),
        (false, json!({"key": "k", "from": "request_header", "name": "a", "type": "text"})),
        (false, json!({"key": "k", "from": "property", "path": "a", "type": "list"})),
        (false, json!({"key": "k", "from": "property", "path": "a..b"})),
        (false, json!({"key": "k", "from": "property", "path": "a[b"})),
        (false, json!({"key": "k", "from": "property", "path": "request.headers"})),
        (false, json!({"key": "k", "from": "property", "path": "", "other": 1})),
        (false, json!({"key": "url.path", "from": "literal", "value": 1})),
        (false, json!({"key": "hopspan.x", "from": "literal", "value": 1})),
        (false, json!({"key": "", "from": "literal", "value": 1})),
        (false, json!("k")),
    ];
    let attributes = attributes.map(|(fits, it)| (fits, json!({"attributes": [it]})));
    let redact = [
        (true, json!({})),
        (true, json!({"query": "listed", "mode": "hash", "path": "template"})),
        (true, json!({"query_allow": "a*", "names": ["a", "b"]})),
        (false, json!({"query": "none"})),
        (false, json!({"mode": "sha256"})),
        (false, json!({"path": true})),
        (false, json!({"names": []})),
        (false, json!({"names": [""]})),
        (false, json!({"keys": []})),
    ];
    let redact = redact.map(|(fits, it)| (fits, json!({"redact": it})));
    for (fits, spans) in attributes.into_iter().chain(redact) {
        let document = json!({"spans": spans});
        assert_eq!(problems(&document).is_none(), fits, "{document}: {:?}", problems(&document));
        assert_eq!(validator().is_valid(&document), fits, "{document}");
    }
}

#[test]
fn the_docs_have_every_built_in_name_of_a_secret() {
    let text =
        std::fs::read_to_string(format!("{ROOT}/docs/configuration.md")).expect("a document");
    let list = text.split("\n\n").find(|it| it.trim_start().starts_with("`*accesskey*`"));
    let list: Vec<_> = list.expect("the list").split('`').skip(1).step_by(2).collect();
    assert_eq!(list, hopspan_core::redact::names::BUILT_IN);
}

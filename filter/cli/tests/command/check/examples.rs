//! The files of examples/, which people copy: nothing is found in them.

use super::mistake::{judge, judge_files};
use jsonschema::Validator;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Each file of a folder, by its end.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|it| it.expect("an entry").path())
        .filter(|it| it.extension().is_some_and(|it| it == "yaml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{}", folder.display());
    files
}

#[test]
fn each_file_for_a_plain_envoy_is_fine() {
    for file in files("envoy") {
        let text = std::fs::read_to_string(&file).expect("a text");
        assert!(!judge(&text).is_fine().instances().is_empty(), "{}", file.display());
    }
}

#[test]
fn manifests_are_fine_with_what_belongs_to_them() {
    let istio = |names: &[&str]| {
        let all = files("istio");
        let named = |it: &&str| all.iter().find(|file| file.ends_with(it)).expect("a file").clone();
        names.iter().map(named).collect::<Vec<_>>()
    };
    for together in [
        istio(&["wasmplugin.yaml", "collector.yaml"]),
        istio(&["traffic-extension.yaml", "collector.yaml"]),
        istio(&["envoyfilter.yaml", "collector.yaml"]),
        istio(&["wasmplugin-gateway.yaml", "vendor.yaml"]),
        files("envoy-gateway"),
        files("higress"),
    ] {
        assert_eq!(judge_files(&together).is_fine().instances().len(), 1, "{together:?}");
    }
}

/// The schemas that Istio and Envoy Gateway publish, from their definitions of resources, without
/// the rules in Common Expression Language. Higress' definitions are in no registry.
#[test]
fn manifests_have_what_their_kinds_have() {
    let mut held = Vec::new();
    for file in [files("istio"), files("envoy-gateway")].concat() {
        let text = std::fs::read_to_string(&file).expect("a text");
        for document in serde_yaml_ng::Deserializer::from_str(&text) {
            let manifest: Value = serde::Deserialize::deserialize(document).expect("YAML");
            let kind = manifest["kind"].as_str().expect("a kind");
            let Some(validator) = published(&manifest) else { continue };
            let errors: Vec<_> = validator
                .iter_errors(&manifest["spec"])
                .map(|it| format!("{}: {it}", it.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{}: {kind}: {errors:#?}", file.display());
            held.push(kind.to_owned());

            // And the schema is one that refuses: a key that no kind has.
            let mut odd = manifest["spec"].clone();
            odd["hopspan"] = json!({});
            assert!(!validator.is_valid(&odd), "{kind}");
        }
    }
    held.sort();
    held.dedup();
    let all = ["EnvoyExtensionPolicy", "EnvoyFilter", "EnvoyPatchPolicy", "EnvoyProxy"];
    let all = all.into_iter().chain(["ServiceEntry", "TrafficExtension", "WasmPlugin"]);
    assert_eq!(held, all.collect::<Vec<_>>());
}

/// The schema of a manifest's `spec`, if we have it.
fn published(manifest: &Value) -> Option<Validator> {
    let kind = manifest["kind"].as_str()?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crds");
    let text = std::fs::read_to_string(folder.join(format!("{kind}.json"))).ok()?;
    let definition: Value = serde_json::from_str(&text).expect("JSON");
    let (group, version) = manifest["apiVersion"].as_str()?.split_once('/')?;
    assert_eq!(definition["group"], group, "{kind}");
    let mut schema = definition["versions"][version].clone();
    assert!(schema.is_object(), "{kind} has a version {version}");
    close(&mut schema);
    Some(jsonschema::validator_for(&schema).expect("a schema"))
}

/// Kubernetes drops keys that a schema does not have; here they are mistakes.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(keywords) => {
            let is_open = keywords.contains_key("additionalProperties")
                || keywords.contains_key("x-kubernetes-preserve-unknown-fields");
            if keywords.get("properties").is_some_and(|it| {
                it.as_object().is_some_and(|it| it.values().all(Value::is_object))
            }) && keywords.contains_key("type")
                && !is_open
            {
                keywords.insert("additionalProperties".to_owned(), json!(false));
            }
            keywords.values_mut().for_each(close);
        }
        Value::Array(members) => members.iter_mut().for_each(close),
        _ => {}
    }
}

/// A newer module with an older document. A version that is released leaves one here with all its
/// keys; who upgrades the module must not have to touch it.
#[test]
fn documents_of_earlier_versions_are_still_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/command/check/documents");
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let file = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&file).expect("a text");
        let judged = judge(&text);
        let [instance] = judged.is_fine().instances() else { panic!("{}", file.display()) };
        let (document, effective): (Value, _) =
            (serde_json::from_str(&text).expect("JSON"), &instance["effective"]);
        for (key, value) in document["sampling"].as_object().expect("an object") {
            if !value.is_object() && !value.is_array() {
                assert_eq!(&effective["sampling"][key], value, "{}: {key}", file.display());
            }
        }
    }
}

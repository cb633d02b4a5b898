//! The files that are judged, and what kind of document each holds.

use super::envoy::Around;
use super::finding::{Finding, Findings, Rule, Weight};
use super::node::{At, Data, Node, Text};
use super::scene::{Given, Manifest, Platform, Scene};
use super::{gateway, higress, istio, yaml};
use crate::document::Document;
use hopspan_config as config;
use serde_json::Value;

/// A file, read.
#[derive(Debug)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) content: Content,
}

/// What a file holds.
#[derive(Debug)]
pub(super) enum Content {
    /// hopspan's configuration and nothing else, as bytes, and as a tree if it is one.
    Bare(Vec<u8>, Node),
    /// Documents of YAML or JSON, also those inside of others, each with the path to it.
    Documents(Vec<(String, Node)>),
    /// Nothing that could be judged: why is noted.
    Unreadable,
}

// === impl File ===

impl File {
    /// Reads a document; what is wrong with it as a text is noted.
    pub(super) fn read(number: usize, document: Document, findings: &mut Findings) -> Self {
        let Document { name, bytes } = document;
        if is_bare_json(&bytes) {
            let text = String::from_utf8_lossy(&bytes);
            let tree = yaml::read(&text).ok().and_then(|it| it.into_iter().next());
            let tree = tree.unwrap_or(Node { line: 1, data: Data::Null });
            return Self { name, content: Content::Bare(bytes, tree) };
        }
        let mut note = |line, message| {
            let (weight, rule, path) = (Weight::Problem, Rule::File, String::new());
            findings.all.push(Finding { weight, rule, file: number, line, path, message });
        };
        let Ok(text) = std::str::from_utf8(&bytes) else {
            note(None, "is not UTF-8, so it is neither JSON nor YAML".to_owned());
            return Self { name, content: Content::Unreadable };
        };
        match yaml::read(text) {
            Ok(documents) => {
                let mut all = Vec::new();
                for document in documents {
                    let mut inner = Vec::new();
                    embedded(&At::root(&document), &mut inner);
                    all.push((String::new(), document));
                    all.extend(inner);
                }
                Self { name, content: Content::Documents(all) }
            }
            Err(error) => {
                note(Some(error.line), format!("is not YAML: {error}"));
                Self { name, content: Content::Unreadable }
            }
        }
    }

    /// Whether it is hopspan's configuration alone.
    pub(super) fn is_bare(&self) -> bool {
        match &self.content {
            Content::Bare(..) => true,
            Content::Documents(all) => {
                all.iter().all(|(path, node)| is_bare(&At { node, path: path.as_str().into() }))
            }
            Content::Unreadable => false,
        }
    }

    pub(super) fn is_readable(&self) -> bool {
        !matches!(self.content, Content::Unreadable)
    }

    /// Adds what is declared in it to `scene`.
    pub(super) fn declare<'a>(&'a self, number: usize, scene: &mut Scene<'a>) {
        match &self.content {
            Content::Bare(bytes, tree) => scene.bare(number, Given::Bytes(bytes), At::root(tree)),
            Content::Documents(documents) => {
                for (path, node) in documents {
                    let at = At { node, path: path.as_str().into() };
                    declare(number, &at, scene);
                }
            }
            Content::Unreadable => {}
        }
    }
}

fn declare<'a>(file: usize, at: &At<'a>, scene: &mut Scene<'a>) {
    if at.get("apiVersion").is_some() && at.text_of("kind").is_some_and(|it| it.ends_with("List")) {
        at.list("items").iter().for_each(|it| declare(file, it, scene));
    } else if let Some(manifest) = Manifest::of(file, at) {
        match (manifest.group, manifest.kind) {
            ("extensions.istio.io", "WasmPlugin" | "TrafficExtension") => {
                istio::plugin(&manifest, scene);
            }
            ("networking.istio.io", "EnvoyFilter") => istio::patches(&manifest, scene),
            ("gateway.envoyproxy.io", "EnvoyExtensionPolicy") => {
                gateway::extensions(&manifest, scene);
            }
            ("gateway.envoyproxy.io", "EnvoyPatchPolicy") => gateway::patches(&manifest, scene),
            ("extensions.higress.io", "WasmPlugin") => higress::plugin(&manifest, scene),
            _ => {}
        }
        scene.manifests.push(manifest);
    } else if is_bare(at) {
        scene.bare(file, Given::Tree(at.clone()), at.clone());
    } else {
        scene.read_envoy(at, &Around::new(file, Platform::Envoy));
    }
}

/// Whether this is JSON, or meant as JSON, that is hopspan's configuration: whatever is not a
/// document of somebody else's. hopspan's own reader says what is wrong with it.
fn is_bare_json(bytes: &[u8]) -> bool {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(Value::Object(keys)) => !keys.keys().any(|it| is_foreign(it)),
        Ok(_) => true,
        Err(_) => {
            let start = bytes.iter().find(|it| !it.is_ascii_whitespace());
            // A binary Struct has this control character, which no text has.
            let is_binary = bytes.contains(&0x12);
            is_binary || start.is_none() || start == Some(&b'{') && !starts_foreign(bytes)
        }
    }
}

/// Whether a text that is not JSON begins like somebody else's document.
fn starts_foreign(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let first = text.split('"').nth(1).or_else(|| text.split(['{', ':']).nth(1));
    first.is_some_and(|it| is_foreign(it.trim()))
}

/// A key that is on top of documents of proxies and of Kubernetes.
fn is_foreign(key: &str) -> bool {
    const OF_PROXIES: [&str; 18] = [
        "apiVersion",
        "kind",
        "@type",
        "static_resources",
        "staticResources",
        "dynamic_resources",
        "dynamicResources",
        "resources",
        "admin",
        "node",
        "http_filters",
        "httpFilters",
        "filter_chains",
        "filterChains",
        "load_assignment",
        "loadAssignment",
        "typed_config",
        "typedConfig",
    ];
    OF_PROXIES.contains(&key)
}

/// Whether a YAML document is hopspan's configuration: it has a key of hopspan's, and none of
/// those that others have.
fn is_bare(at: &At<'_>) -> bool {
    let schema = config::schema();
    let known = |key: &str| schema.pointer(&format!("/properties/{key}")).is_some();
    let keys: Vec<_> = at.entries().map(|(key, _)| key).collect();
    keys.iter().any(|it| known(it)) && !keys.iter().any(|it| is_foreign(it))
}

/// Documents that stand as text in this one: in a ConfigMap, or in what Envoy Gateway starts
/// proxies with.
fn embedded(at: &At<'_>, out: &mut Vec<(String, Node)>) {
    if at.text_of("kind").is_some_and(|it| it.ends_with("List")) {
        return at.list("items").iter().for_each(|it| embedded(it, out));
    }
    let texts = match at.text_of("kind") {
        Some("ConfigMap") => at.get("data").map(|it| it.children()).unwrap_or_default(),
        Some("EnvoyProxy") => at.find(&["spec", "bootstrap", "value"]).into_iter().collect(),
        _ => return,
    };
    for at in texts {
        let Data::Text(Text { text, first_line }) = &at.node.data else { continue };
        for mut document in yaml::read(text).unwrap_or_default() {
            let root = At::root(&document);
            if !root.entries().any(|(key, _)| is_foreign(key)) && !is_bare(&root) {
                continue;
            }
            match first_line {
                Some(line) => document.shift(line - 1),
                None => document.flatten(at.node.line),
            }
            out.push((at.path.clone().into_owned(), document));
        }
    }
}

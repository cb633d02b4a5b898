//! A span as a map of texts: what is left of it in Zipkin, wherever it is read.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::scene::{PARENT, TRACE, differs};

/// All that spans are compared by. Names have no case in Zipkin.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Told {
    pub(crate) name: String,
    /// `SERVER`, `CLIENT`.
    pub(crate) kind: String,
    /// Of the span, its resource and its scope; what differs from play to play is there without
    /// its value.
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) parent: &'static str,
    pub(crate) is_in_callers_trace: bool,
}

impl Told {
    /// What [`comparable`](super::scene::comparable) says of a span that came as OTLP, by the
    /// rules of the mapping.
    pub(crate) fn of_otlp(span: &Value) -> Self {
        let attributes = ["resource", "attributes"].map(|key| span[key].as_object().unwrap());
        let mut tags: BTreeMap<_, _> =
            attributes.iter().flat_map(|it| it.iter()).map(|(key, it)| tag(key, it)).collect();
        let mut add = |key: &str, value: &str| tags.insert(key.to_owned(), value.to_owned());
        add("w3c.tracestate", span["state"].as_str().unwrap());
        for (key, at) in [("name", 0), ("version", 1)] {
            add(&format!("otel.scope.{key}"), span["scope"][at].as_str().unwrap());
            add(&format!("otel.library.{key}"), span["scope"][at].as_str().unwrap());
        }
        if span["status"][0] == "STATUS_CODE_ERROR" {
            add("otel.status_code", "ERROR");
            add("error", span["status"][1].as_str().unwrap());
        }
        for (at, link) in span["links"].as_array().unwrap().iter().enumerate() {
            let text = |key: &str| link[key].as_str().unwrap();
            let [trace, id, state] = ["trace", "span", "state"].map(text);
            add(&format!("otlp.link.{at}"), &format!("{trace}|{id}|{state}|{{}}|0"));
        }
        tags.retain(|key, value| !value.is_empty() || key == "error");
        Self {
            name: span[""][1].as_str().unwrap().to_lowercase(),
            kind: span["kind"].as_str().unwrap().trim_start_matches("SPAN_KIND_").to_owned(),
            tags,
            parent: match span["parent"].as_str().unwrap() {
                "" => "",
                "ours" => "ours",
                _ => "the caller's",
            },
            is_in_callers_trace: span["in the caller's trace"] == true,
        }
    }

    /// A span as Zipkin's API returns it.
    pub(crate) fn of_zipkin(span: &Value) -> Self {
        let text = |key: &str| span[key].as_str().unwrap_or_default();
        let mut tags: BTreeMap<_, _> =
            span["tags"].as_object().unwrap().iter().map(|(key, it)| tag(key, it)).collect();
        let service = span["localEndpoint"]["serviceName"].as_str().unwrap();
        tags.insert("service.name".to_owned(), service.to_owned());
        Self {
            name: text("name").to_lowercase(),
            kind: text("kind").to_owned(),
            tags,
            parent: parent(text("parentId")),
            is_in_callers_trace: text("traceId") == TRACE,
        }
    }

    /// A span as a Collector, which had it from Zipkin's JSON, writes it into a file.
    pub(crate) fn of_file(span: &Value) -> Self {
        let text = |key: &str| span[key].as_str().unwrap_or_default();
        let resource = span["resource"]["attributes"].as_array().unwrap();
        let all = resource.iter().chain(span["attributes"].as_array().unwrap());
        let mut tags: BTreeMap<_, _> =
            all.map(|it| tag(it["key"].as_str().unwrap(), &it["value"]["stringValue"])).collect();
        // What the Collector found a place for; as tags it is what it was.
        let mut add = |key: &str, value: &str| tags.insert(key.to_owned(), value.to_owned());
        add("w3c.tracestate", text("traceState"));
        for key in ["name", "version"] {
            add(&format!("otel.scope.{key}"), span["scope"][key].as_str().unwrap());
            add(&format!("otel.library.{key}"), span["scope"][key].as_str().unwrap());
        }
        if span["status"]["code"] == 2 {
            add("otel.status_code", "ERROR");
        }
        for (at, link) in span["links"].as_array().into_iter().flatten().enumerate() {
            let text = |key: &str| link[key].as_str().unwrap_or_default();
            let [trace, id, state] = ["traceId", "spanId", "traceState"].map(text);
            add(&format!("otlp.link.{at}"), &format!("{trace}|{id}|{state}|{{}}|0"));
        }
        tags.retain(|key, value| !value.is_empty() || key == "error");
        Self {
            name: text("name").to_lowercase(),
            kind: match &span["kind"] {
                it if *it == json!(2) => "SERVER".to_owned(),
                it if *it == json!(3) => "CLIENT".to_owned(),
                other => other.to_string(),
            },
            tags,
            parent: parent(text("parentSpanId")),
            is_in_callers_trace: text("traceId") == TRACE,
        }
    }
}

fn tag(key: &str, value: &Value) -> (String, String) {
    let value = match value {
        _ if differs(key) => "...".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    (key.to_owned(), value)
}

fn parent(id: &str) -> &'static str {
    match id {
        "" => "",
        PARENT => "the caller's",
        _ => "ours",
    }
}

/// In an order that does not depend on where they came from.
pub(crate) fn sorted(mut all: Vec<Told>) -> Vec<Told> {
    // A play has one span of each kind for each path.
    all.sort_by_key(|it| {
        let place = it.tags.get("url.path").or(it.tags.get("url.full")).cloned();
        (it.kind.clone(), place)
    });
    all
}

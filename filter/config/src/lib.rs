//! hopspan's configuration: a document as somebody wrote it, checked and turned into settings.
//!
//! [`read`] goes from bytes to [`Config`] in one pass that notices everything that is
//! wrong. What keys there are, with their ranges, defaults and descriptions, is said once,
//! in `keys.rs`; the checker, the effective configuration and the JSON Schema follow it.
#![cfg_attr(
    test,
    expect(clippy::arithmetic_side_effects, clippy::string_slice, reason = "a test may panic")
)]

mod document;
mod protobuf_struct;
mod reader;
mod kind;
mod text;
mod headers;
mod attributes;
mod list;
mod group;
mod rules;
mod routes;
mod services;
mod spans;
mod keys;
mod settle;
mod environment;
mod node;
mod key_values;
mod nearest;

pub use environment::VARIABLES;

use hopspan_core::config::{Config, Role};
use hopspan_core::export::ClusterNaming;
use hopspan_core::request::Direction;
use keys::Document;
use kind::Kind;
use reader::{Reader, as_json};
use serde_json::{Value, json};
use services::PeerService;
use std::fmt;

/// Where a document is read: what else has a say.
pub struct Surroundings<'a> {
    /// The proxy's node id; Istio's begin with `sidecar~`, `router~` or `waypoint~`.
    pub node_id: &'a str,
    /// The cluster that the proxy's node belongs to.
    pub node_cluster: &'a str,
    /// A text in the metadata of the proxy's node, by the keys that lead to it, NUL between
    /// them: `LABELS`, `app`. Asked for one by one: what Istio writes there is large.
    pub metadata: &'a dyn Fn(&str) -> Option<String>,
    /// A variable of the VM's environment.
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

/// Everything that is wrong with a document.
#[derive(Debug, Eq, PartialEq)]
pub struct Problems(pub Vec<Problem>);

/// One thing that is wrong with a document.
#[derive(Debug, Eq, PartialEq)]
pub struct Problem {
    /// Where: `collector.timeout_ms`, or `line 3 column 7`.
    pub path: String,
    /// What was expected and what was found; no secrets.
    pub message: String,
}

/// Checks a document and everything that it leaves to its surroundings.
///
/// `document` is JSON text or a binary `google.protobuf.Struct`; nothing at all is `{}`.
/// It is total: any bytes give a configuration or problems.
///
/// # Errors
///
/// All problems at once. An unknown key is one only where `strict` is set.
pub fn read(document: &[u8], around: &Surroundings<'_>) -> Result<Config, Problems> {
    read_as(document, around, false)
}

/// The same where nobody waits for the proxy to start: an unknown key always is a problem.
///
/// # Errors
///
/// All problems at once.
pub fn read_strictly(document: &[u8], around: &Surroundings<'_>) -> Result<Config, Problems> {
    read_as(document, around, true)
}

fn read_as(document: &[u8], around: &Surroundings<'_>, strictly: bool) -> Result<Config, Problems> {
    let tree = document::parse(document).map_err(|it| Problems(vec![it]))?;
    let mut reader = Reader::new(around.env);
    let mut keys = Document::read(&tree, &mut reader).unwrap_or_default();
    let unknown_keys = reader.unknown.len();
    let mut warnings = Vec::new();
    if strictly || keys.strict.value {
        reader.refuse_unknown_keys();
    } else {
        warnings = reader.unknown_keys();
    }
    let istio = Istio::of_node(around.node_id);
    let enabled = environment::fill(&mut keys, around, &mut warnings);
    node::fill(&mut keys, around, istio.is_some());
    keys.reconcile(&mut reader, &mut warnings);
    if matches!(istio, Some(Istio::Router | Istio::Waypoint)) {
        keys.direction.value = keys.direction.value.or(Some(Direction::Gateway));
    }
    let effective = as_json(&Document::write(&mut keys).unwrap_or_default());
    let Document {
        strict: _,
        role,
        direction,
        service,
        resource_attributes,
        collector,
        batch,
        retry,
        propagation,
        mut trust,
        sampling,
        routes,
        services,
        spans,
        metrics,
        response,
        access_log,
        explain,
    } = keys;
    let direction = direction.value;
    // Of a sidecar's listeners none is a gateway's, whichever direction it has.
    let faces = direction.or((istio == Some(Istio::Sidecar)).then_some(Direction::Inbound));
    let resource = service.value.resource(resource_attributes.value);
    let batch = batch.value.limits();
    settle::check_room(&resource, &batch, &mut reader);
    let kinds = spans.value.kind.value;
    let mut propagation = propagation.value;
    let baggage = std::mem::take(&mut propagation.baggage_attributes.value);
    let spans = spans.value.settle(baggage, &mut reader, &mut warnings);
    let mut config = Config {
        enabled,
        role: role.value,
        direction,
        resource,
        collector: collector.value.collector(match istio {
            Some(_) => ClusterNaming::Istio,
            None => ClusterNaming::Envoy,
        }),
        batch,
        retry: retry.value.retry(),
        propagation: propagation.propagation(),
        egress: trust.value.egress(),
        trust: trust.value.policy(faces, istio == Some(Istio::Waypoint)),
        keep: sampling.value.keep(),
        sampling: sampling.value.settings(routes.value.metadata.value),
        routes: routes.value.settings(),
        services: services.value.into_iter().map(PeerService::service).collect(),
        is_istio: istio.is_some(),
        metrics: metrics.value.settings(),
        announce: metrics.value.announce_caller.value,
        response: response.value.settle(),
        access_log: access_log.value.filter_state.value,
        explain: explain.value.header.value.map(|it| it.to_ascii_lowercase().into()),
        kinds,
        spans,
        warnings,
        unknown_keys,
        effective,
    };
    if config.role == Role::Upstream {
        settle::upstream(&mut config);
    }
    if reader.problems.is_empty() { Ok(config) } else { Err(Problems(reader.problems)) }
}

/// The JSON Schema of a document, for editors and for checks without hopspan.
pub fn schema() -> Value {
    let mut schema = Document::schema();
    if let Value::Object(keywords) = &mut schema {
        keywords.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        keywords.insert("title".into(), json!("hopspan's configuration"));
    }
    schema
}

/// What Istio's control plane made of a proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Istio {
    Sidecar,
    Router,
    Waypoint,
}

impl Istio {
    /// Reads a node id: `type~address~name.namespace~domain`.
    ///
    /// Source: <https://github.com/istio/istio/blob/1.27.0/pkg/model/proxy.go>
    fn of_node(id: &str) -> Option<Self> {
        match id.split_once('~')?.0 {
            "sidecar" => Some(Self::Sidecar),
            "router" => Some(Self::Router),
            "waypoint" => Some(Self::Waypoint),
            _ => None,
        }
    }
}

// === impl Surroundings ===

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node_id, node_cluster, metadata: _, env: _ } = self;
        write!(f, "Surroundings {{ node_id: {node_id:?}, node_cluster: {node_cluster:?} }}")
    }
}

// === impl Problems ===

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.0.iter().enumerate() {
            let separator = if number == 0 { "" } else { "; " };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

// === impl Problem ===

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, message } = self;
        write!(f, "{path}: {message}")
    }
}

#[cfg(test)]
mod tests;

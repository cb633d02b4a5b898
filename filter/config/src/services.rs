//! `services`: what the other end is called.

use super::group::group;
use super::kind::Kind;
use super::reader::Reader;
use super::rules::Patterns;
use super::text::{Anything, Text};
use hopspan_core::peer;
use serde_json::{Value, json};

group! {
    /// A service that calls or is called: anything that fits makes it known.
    struct Known needs ["name"] {
        /// Clusters of the proxy that lead to it.
        cluster: Patterns = Vec::new(),
        /// Hosts that requests to it name. A pattern with a colon is tried with the port, too.
        host: Patterns = Vec::new(),
        /// Subject alternative names (URI or DNS) of its certificate, whether it calls or is
        /// called.
        peer: Patterns = Vec::new(),
        /// What it is called: best as its own service.name.
        name: Text<Anything> = None,
    }
}

/// A service and by what it is known, which must not be nothing.
pub(super) struct PeerService;

impl Kind for PeerService {
    type Value = Known;

    fn read(found: &Value, reader: &mut Reader<'_>) -> Option<Known> {
        let it = Known::read(found, reader)?;
        let Known { cluster, host, peer, name: _ } = &it;
        if [cluster, host, peer].iter().all(|it| !it.written) {
            reader.problem("must have cluster, host or peer");
        }
        Some(it)
    }

    fn write(value: &mut Known) -> Option<Value> {
        Known::write(value)
    }

    fn schema() -> Value {
        let mut schema = Known::schema();
        if let Value::Object(keywords) = &mut schema {
            let known = ["cluster", "host", "peer"].map(|it| json!({ "required": [it] }));
            keywords.insert("anyOf".to_owned(), json!(known));
        }
        schema
    }

    fn paths(path: &str, out: &mut Vec<String>) {
        Known::paths(path, out);
    }
}

impl PeerService {
    pub(super) fn service(known: Known) -> peer::Service {
        let Known { cluster, host, peer, name } = known;
        peer::Service {
            name: name.value.unwrap_or_default().into(),
            cluster: cluster.value.into_iter().collect(),
            host: host.value.into_iter().collect(),
            peer: peer.value.into_iter().collect(),
        }
    }
}

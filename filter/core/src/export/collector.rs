//! Where spans go.

use crate::encode::{Compression, Protocol};
use std::fmt;
use std::time::Duration;

/// `collector.*` of the configuration.
#[derive(Clone, Eq, PartialEq)]
pub struct Collector {
    /// The proxy's cluster that requests go to.
    pub cluster: String,
    /// How clusters are called in this proxy.
    pub naming: ClusterNaming,
    /// What it is sent.
    pub protocol: Protocol,
    /// How that is made smaller.
    pub compression: Compression,
    /// `:authority` of requests.
    pub authority: String,
    /// `:path` of requests with spans.
    pub traces_path: String,
    /// `:path` of requests with metrics.
    pub metrics_path: String,
    /// Further headers, which may hold secrets.
    pub headers: Vec<(String, String)>,
    /// How long to wait for an answer.
    pub timeout: Duration,
}

/// How clusters are called in a proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClusterNaming {
    /// By whatever name the proxy's own configuration gives.
    Envoy,
    /// `outbound|port|subset|host`, by Istio's control plane.
    Istio,
}

impl fmt::Debug for Collector {
    /// Without the headers: they may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cluster,
            naming,
            protocol,
            compression,
            authority,
            traces_path,
            metrics_path,
            headers: _,
            timeout,
        } = self;
        let paths = (traces_path, metrics_path);
        let fields = (cluster, naming, protocol, compression, authority, paths, timeout);
        f.debug_tuple("Collector").field(&fields).finish_non_exhaustive()
    }
}

//! A request and the proxy that it comes to, as somebody describes them.

use crate::header::Header;
use hopspan_core::request::{Direction, Fact};

/// What is asked. All of it can be left out; [`accepted`](crate::accepted) says what texts may be.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// Headers, one by one.
    pub headers: Vec<Header>,
    /// The method; `GET` unless given.
    pub method: Option<String>,
    /// The host that the request names.
    pub host: Option<String>,
    /// The path with its query; `/` unless given.
    pub path: Option<String>,
    /// What the listener is; a gateway's unless given.
    pub direction: Option<Direction>,
    /// The client's address, as the proxy trusts it.
    pub source: Option<String>,
    /// The URI or the DNS name in the client's certificate.
    pub peer: Option<String>,
    /// The listener's filter chain.
    pub filter_chain: Option<String>,
    /// The route that the proxy chose.
    pub route: Option<String>,
    /// The cluster that it leads to.
    pub cluster: Option<String>,
    /// `hopspan.disabled` in the metadata of the route.
    pub route_disabled: Option<bool>,
    /// `hopspan.sampling_ratio` there.
    pub route_sampling_ratio: Option<f64>,
    /// Variables of the VM's environment: a name and a value. The last one of a name counts.
    pub environment: Vec<(String, String)>,
    /// The node's id; Istio's tell what the proxy is.
    pub node_id: String,
    /// The node's cluster.
    pub node_cluster: String,
}

/// A request as a proxy would show it to the filter.
#[derive(Debug)]
pub(crate) struct Request {
    /// All headers, pseudo-headers first.
    pub(crate) headers: Vec<(String, String)>,
    /// What else is known, in the proxy's own form.
    pub(crate) facts: Vec<(Fact, Vec<u8>)>,
    /// The options that say something of it.
    pub(crate) given: Vec<&'static str>,
}

/// The option that says what a fact is; none for those that are known when a stream ends.
pub(crate) fn option(fact: Fact) -> Option<&'static str> {
    match fact {
        Fact::ListenerDirection => Some("--direction"),
        Fact::ClientAddress => Some("--source"),
        Fact::MutualTls | Fact::PeerUriSan | Fact::PeerDnsSan => Some("--peer"),
        Fact::FilterChain => Some("--filter-chain"),
        Fact::RouteName => Some("--route"),
        Fact::Cluster => Some("--cluster"),
        Fact::RouteDisabled => Some("--route-disabled"),
        Fact::RouteSamplingRatio => Some("--route-sampling-ratio"),
        Fact::Protocol
        | Fact::UpstreamAddress
        | Fact::Attempts
        | Fact::BackendLatency
        | Fact::ResponseCode
        | Fact::ResponseFlags
        | Fact::CodeDetails
        | Fact::RequestTime
        | Fact::RequestDuration
        | Fact::DownstreamTls
        | Fact::PoolReady
        | Fact::UpstreamTls
        | Fact::UpstreamUriSan
        | Fact::UpstreamDnsSan
        | Fact::TransportFailure
        | Fact::RouteSpanName
        | Fact::RouteTemplate => None,
    }
}

// === impl Question ===

impl Question {
    /// The request that is described; `None` if it has two hosts.
    pub(crate) fn request(&self) -> Option<Request> {
        let Self { headers, method, host, path, .. } = self;
        let (hosts, others): (Vec<_>, Vec<_>) = headers.iter().partition(|it| it.name == "host");
        let mut hosts = host.iter().chain(hosts.iter().map(|it| &it.value));
        let host = hosts.next();
        if hosts.next().is_some() {
            return None;
        }
        let pseudo = [
            (":method", method.as_deref().or(Some("GET"))),
            (":authority", host.map(String::as_str)),
            (":scheme", Some("http")),
            (":path", path.as_deref().or(Some("/"))),
        ];
        let pseudo = pseudo.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let others = others.iter().map(|it| (it.name.as_str(), it.value.as_str()));
        let headers = pseudo.chain(others).map(|(name, value)| (name.into(), value.into()));
        let facts = self.facts();
        let parts = [("--method", method.as_ref()), ("--host", host), ("--path", path.as_ref())];
        let parts = parts.into_iter().filter_map(|(option, it)| it.and(Some(option)));
        let given = parts.chain(facts.iter().filter_map(|(fact, _)| option(*fact))).collect();
        Some(Request { headers: headers.collect(), facts, given })
    }

    fn facts(&self) -> Vec<(Fact, Vec<u8>)> {
        // As Envoy's TrafficDirection counts.
        let direction = self.direction.map(|it| match it {
            Direction::Gateway => 0_i64,
            Direction::Inbound => 1,
            Direction::Outbound => 2,
        });
        let text = |it: &Option<String>| it.as_ref().map(|it| it.as_bytes().to_vec());
        [
            (Fact::ListenerDirection, direction.map(|it| it.to_le_bytes().to_vec())),
            (Fact::ClientAddress, text(&self.source)),
            (Fact::MutualTls, self.peer.as_ref().map(|_| vec![1])),
            // No rule tells a URI from a DNS name.
            (Fact::PeerUriSan, text(&self.peer)),
            (Fact::FilterChain, text(&self.filter_chain)),
            (Fact::RouteName, text(&self.route)),
            (Fact::Cluster, text(&self.cluster)),
            (Fact::RouteDisabled, self.route_disabled.map(|it| vec![it.into()])),
            (
                Fact::RouteSamplingRatio,
                self.route_sampling_ratio.map(|it| it.to_le_bytes().to_vec()),
            ),
        ]
        .into_iter()
        .filter_map(|(fact, value)| Some((fact, value?)))
        .collect()
    }

    /// A variable of the proxy's environment, which is not that of this machine.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let given = self.environment.iter().rfind(|(it, _)| it == name);
        given.map(|(_, value)| &**value)
    }
}

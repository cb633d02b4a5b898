//! Where a host keeps the facts that core asks for.

use crate::host::{self, Map};
use crate::shared::SharedData;
use hopspan_core::request::{Fact, Stream};
use hopspan_core::shared::{Shared, Written};

/// The stream that the host is calling about.
#[derive(Debug)]
pub(crate) struct CurrentStream {
    /// Whether the host knows `xds.*` by its old, bare names.
    pub(crate) old_names: bool,
}

impl Stream for CurrentStream {
    fn fact(&mut self, fact: Fact) -> Option<Vec<u8>> {
        let path = path(fact);
        let path = if self.old_names { path.strip_prefix("xds\0").unwrap_or(path) } else { path };
        host::property(path)
    }

    fn request_header(&mut self, name: &str) -> Option<Vec<u8>> {
        host::header(Map::RequestHeaders, name)
    }

    fn request_headers(&mut self) -> Option<Vec<u8>> {
        host::header_map(Map::RequestHeaders)
    }

    fn response_headers(&mut self) -> Option<Vec<u8>> {
        host::header_map(Map::ResponseHeaders)
    }

    fn response_trailer(&mut self, name: &str) -> Option<Vec<u8>> {
        host::header(Map::ResponseTrailers, name)
    }
}

impl Shared for CurrentStream {
    fn get(&mut self, key: &str) -> Option<(Vec<u8>, u32)> {
        SharedData.get(key)
    }

    fn set(&mut self, key: &str, value: &[u8], cas: u32) -> Written {
        SharedData.set(key, value, cas)
    }
}

/// Source: <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/attributes>
fn path(fact: Fact) -> &'static str {
    match fact {
        Fact::ListenerDirection => "xds\0listener_direction",
        Fact::Protocol => "request\0protocol",
        Fact::ClientAddress => "source\0address",
        Fact::Cluster => "xds\0cluster_name",
        Fact::UpstreamAddress => "upstream\0address",
        Fact::Attempts => "upstream\0request_attempt_count",
        Fact::BackendLatency => "response\0backend_latency",
        Fact::ResponseCode => "response\0code",
        Fact::ResponseFlags => "response\0flags",
        Fact::CodeDetails => "response\0code_details",
        Fact::RequestTime => "request\0time",
        Fact::RequestDuration => "request\0duration",
        Fact::RouteDisabled => "xds\0route_metadata\0filter_metadata\0hopspan\0disabled",
        Fact::RouteSamplingRatio => "xds\0route_metadata\0filter_metadata\0hopspan\0sampling_ratio",
        Fact::RouteName => "xds\0route_name",
        Fact::FilterChain => "xds\0filter_chain_name",
        Fact::MutualTls => "connection\0mtls",
        Fact::PeerUriSan => "connection\0uri_san_peer_certificate",
        Fact::PeerDnsSan => "connection\0dns_san_peer_certificate",
    }
}

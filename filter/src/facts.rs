//! Where a host keeps the facts that core asks for.

use crate::expr::{AtOnce, Gathered};
use crate::host::{self, Map, Status};
use crate::shared::SharedData;
use hopspan_core::request::{Fact, Stream};
use hopspan_core::shared::{Shared, Written};

/// The stream that the host is calling about.
#[derive(Debug)]
pub(crate) struct CurrentStream<'a> {
    /// Whether the host knows `xds.*` by its old, bare names.
    old_names: bool,
    /// Whether it is a try. The proxy's own requests have tries as well (mirrored ones, callouts),
    /// and no client: Envoy 1.40 crashes when it is asked for the address of that.
    is_try: bool,
    /// How to get many facts at once, at the end of a request.
    at_once: Option<&'a mut AtOnce>,
    gathered: Option<Gathered>,
}

// === impl CurrentStream ===

impl<'a> CurrentStream<'a> {
    /// A stream that goes on.
    pub(crate) fn under_way(old_names: bool) -> Self {
        Self { old_names, is_try: false, at_once: None, gathered: None }
    }

    /// A try of a request. Its facts are few, and the client's address is none of them, so they
    /// do not come at once.
    pub(crate) fn of_try(old_names: bool) -> Self {
        Self { is_try: true, ..Self::under_way(old_names) }
    }

    /// A stream that has ended.
    pub(crate) fn ended(old_names: bool, at_once: &'a mut AtOnce) -> Self {
        // Hosts with bare names know `cluster_name`, about which `has()` cannot be asked.
        Self { at_once: Some(at_once).filter(|_| !old_names), ..Self::under_way(old_names) }
    }
}

impl Stream for CurrentStream<'_> {
    fn gather(&mut self) {
        self.gathered = self.at_once.as_mut().and_then(|it| it.gather());
    }

    fn gather_few(&mut self) {
        self.gathered = self.at_once.as_mut().and_then(|it| it.gather_few());
    }

    fn fact(&mut self, fact: Fact) -> Option<Vec<u8>> {
        if self.is_try && fact == Fact::ClientAddress {
            return None;
        }
        if let Some(known) = self.gathered.as_ref().and_then(|it| it.get(fact)) {
            return Some(known.to_vec()).filter(|it| !it.is_empty());
        }
        if fact == Fact::ResponseCode
            && let Some(code) = status()
        {
            return Some(code);
        }
        let path = path(fact);
        let path = if self.old_names { path.strip_prefix("xds\0").unwrap_or(path) } else { path };
        host::property(path)
    }

    fn property(&mut self, path: &str) -> Option<Vec<u8>> {
        let of_client = ["source", "destination", "connection"];
        if self.is_try && of_client.iter().any(|it| path.starts_with(it)) {
            return None;
        }
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

    fn leave(&mut self, name: &str, text: &[u8]) -> bool {
        host::set_property(name, text) == Status::OK
    }

    fn record(&mut self, histogram: u32, value: u64) {
        host::record_metric(histogram, value);
    }
}

impl Shared for CurrentStream<'_> {
    fn get(&mut self, key: &str) -> Option<(Vec<u8>, u32)> {
        SharedData.get(key)
    }

    fn set(&mut self, key: &str, value: &[u8], cas: u32) -> Written {
        SharedData.set(key, value, cas)
    }
}

/// The status by its header, which costs less than the property. A response that is none has no header.
fn status() -> Option<Vec<u8>> {
    let digits = host::header(Map::ResponseHeaders, ":status")?;
    let code: i64 = std::str::from_utf8(&digits).ok()?.parse().ok()?;
    Some(code.to_le_bytes().to_vec())
}

/// A fact's place among the host's properties, its parts separated by NUL.
///
/// Source: <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/attributes>
pub(crate) fn path(fact: Fact) -> &'static str {
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
        Fact::DownstreamTls => "connection\0tls_version",
        Fact::PoolReady => "upstream\0cx_pool_ready_duration",
        Fact::UpstreamTls => "upstream\0tls_version",
        Fact::UpstreamUriSan => "upstream\0uri_san_peer_certificate",
        Fact::UpstreamDnsSan => "upstream\0dns_san_peer_certificate",
        Fact::TransportFailure => "upstream\0transport_failure_reason",
        Fact::RouteSpanName => "xds\0route_metadata\0filter_metadata\0hopspan\0span_name",
        Fact::RouteTemplate => "xds\0route_metadata\0filter_metadata\0hopspan\0route",
    }
}

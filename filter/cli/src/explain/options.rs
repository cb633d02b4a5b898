//! What the command line says of a request and its proxy.

use super::header::{Header, is_tchar};
use clap::builder::NonEmptyStringValueParser as NonEmpty;
use clap::{ArgAction, Args, ValueEnum};
use hopspan_core::request::Fact;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Options {
    /// hopspan's configuration as JSON; - is standard input, and {} is taken without it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Draw ids and dice from this number, so that they are the same each time
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    request: RequestOptions,
    #[command(flatten)]
    stream: StreamOptions,
    #[command(flatten)]
    pub(crate) node: NodeOptions,
}

#[derive(Args)]
#[command(next_help_heading = "The request")]
struct RequestOptions {
    /// A header; several are given one by one
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<Header>,
    /// The method [default: GET]
    #[arg(short = 'X', long, value_parser = method)]
    method: Option<String>,
    /// The host that it names, with a port or without
    #[arg(long, value_parser = host)]
    host: Option<String>,
    /// The path, with its query if it has one [default: /]
    #[arg(long, value_parser = path)]
    path: Option<String>,
}

#[derive(Args)]
#[command(next_help_heading = "What the proxy knows of it")]
struct StreamOptions {
    /// The listener's traffic_direction; without one it is a gateway's
    #[arg(long)]
    direction: Option<Direction>,
    /// The client's address, as the proxy trusts it
    #[arg(long, value_name = "ADDRESS", value_parser = source)]
    source: Option<String>,
    /// The URI or the DNS name in the client's certificate
    #[arg(long, value_name = "NAME", value_parser = NonEmpty::new())]
    peer: Option<String>,
    /// The listener's filter chain
    #[arg(long, value_name = "NAME", value_parser = NonEmpty::new())]
    filter_chain: Option<String>,
    /// The route that the proxy chose
    #[arg(long, value_name = "NAME", value_parser = NonEmpty::new())]
    route: Option<String>,
    /// The cluster that it leads to
    #[arg(long, value_name = "NAME", value_parser = NonEmpty::new())]
    cluster: Option<String>,
    /// hopspan.disabled in the metadata of the route
    #[arg(long, value_name = "BOOLEAN", action = ArgAction::Set)]
    route_disabled: Option<bool>,
    /// hopspan.sampling_ratio there
    #[arg(long, value_name = "RATIO")]
    route_sampling_ratio: Option<f64>,
}

#[derive(Args)]
#[command(next_help_heading = "The proxy itself")]
pub(crate) struct NodeOptions {
    /// A variable of the VM's environment; others of OpenTelemetry are unset
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    environment: Vec<(String, String)>,
    /// The node's id; Istio's tell what the proxy is, like router~...
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub(crate) node_id: String,
    /// The node's cluster: the service's name where nothing else says it
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(crate) node_cluster: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Direction {
    /// to the service beside the proxy
    Inbound,
    /// from it
    Outbound,
    /// from outside to services
    Gateway,
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

// === impl Options ===

impl Options {
    /// The request that they describe.
    ///
    /// # Errors
    ///
    /// It has two hosts.
    pub(crate) fn request(&self) -> io::Result<Request> {
        let RequestOptions { headers, method, host, path } = &self.request;
        let (hosts, others): (Vec<_>, Vec<_>) = headers.iter().partition(|it| it.name == "host");
        let mut hosts = host.iter().chain(hosts.iter().map(|it| &it.value));
        let host = hosts.next();
        if hosts.next().is_some() {
            return Err(io::Error::other("a request has one host: --host or -H 'host: ...'"));
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
        let facts = self.stream.facts();
        let parts = [("--method", method.as_ref()), ("--host", host), ("--path", path.as_ref())];
        let parts = parts.into_iter().filter_map(|(option, it)| it.and(Some(option)));
        let given = parts.chain(facts.iter().filter_map(|(fact, _)| option(*fact))).collect();
        Ok(Request { headers: headers.collect(), facts, given })
    }
}

impl StreamOptions {
    fn facts(&self) -> Vec<(Fact, Vec<u8>)> {
        let Self {
            direction,
            source,
            peer,
            filter_chain,
            route,
            cluster,
            route_disabled,
            route_sampling_ratio,
        } = self;
        // As Envoy's TrafficDirection counts.
        let direction = direction.map(|it| match it {
            Direction::Gateway => 0_i64,
            Direction::Inbound => 1,
            Direction::Outbound => 2,
        });
        let text = |it: &String| it.as_bytes().to_vec();
        [
            (Fact::ListenerDirection, direction.map(|it| it.to_le_bytes().to_vec())),
            (Fact::ClientAddress, source.as_ref().map(text)),
            (Fact::MutualTls, peer.as_ref().map(|_| vec![1])),
            // No rule tells a URI from a DNS name.
            (Fact::PeerUriSan, peer.as_ref().map(text)),
            (Fact::FilterChain, filter_chain.as_ref().map(text)),
            (Fact::RouteName, route.as_ref().map(text)),
            (Fact::Cluster, cluster.as_ref().map(text)),
            (Fact::RouteDisabled, route_disabled.map(|it| vec![it.into()])),
            (Fact::RouteSamplingRatio, route_sampling_ratio.map(|it| it.to_le_bytes().to_vec())),
        ]
        .into_iter()
        .filter_map(|(fact, value)| Some((fact, value?)))
        .collect()
    }
}

impl NodeOptions {
    /// A variable of the proxy's environment, which is not that of this machine.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let given = self.environment.iter().rfind(|(it, _)| it == name);
        given.map(|(_, value)| value.clone())
    }
}

// === What an option may be ===

fn method(text: &str) -> Result<String, &'static str> {
    let is_token = !text.is_empty() && text.bytes().all(is_tchar);
    is_token.then(|| text.to_owned()).ok_or("a method is a word like GET")
}

fn host(text: &str) -> Result<String, &'static str> {
    let is_host = !text.is_empty() && text.bytes().all(|it| it.is_ascii_graphic() && it != b'/');
    is_host.then(|| text.to_owned()).ok_or("a host is a name or an address, like shop.example:8080")
}

fn path(text: &str) -> Result<String, &'static str> {
    let is_path =
        text == "*" || text.starts_with('/') && text.bytes().all(|it| it > b' ' && it != 0x7f);
    is_path
        .then(|| text.to_owned())
        .ok_or("a path begins with / and has no spaces, like /cart?id=7")
}

fn source(text: &str) -> Result<String, &'static str> {
    let is_address = text.parse::<IpAddr>().is_ok() || text.parse::<SocketAddr>().is_ok();
    let is_address = is_address.then(|| text.to_owned());
    is_address.ok_or("an address is IPv4 or IPv6, like 10.0.0.7, fd00::7 or 10.0.0.7:5555")
}

fn variable(text: &str) -> Result<(String, String), &'static str> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let parts = parts.map(|(name, value)| (name.to_owned(), value.to_owned()));
    parts.ok_or("a variable is NAME=VALUE")
}

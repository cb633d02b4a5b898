//! What the command line says of a request and its proxy.

use clap::builder::NonEmptyStringValueParser as NonEmpty;
use clap::{ArgAction, Args, ValueEnum};
use hopspan_core::request::Direction as Listener;
use hopspan_explain::accepted::{host, method, path, source, variable};
use hopspan_explain::{Header, Question};
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
    node: NodeOptions,
}

#[derive(Args, Clone)]
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

#[derive(Args, Clone)]
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

#[derive(Args, Clone)]
#[command(next_help_heading = "The proxy itself")]
struct NodeOptions {
    /// A variable of the VM's environment; others of OpenTelemetry are unset
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    environment: Vec<(String, String)>,
    /// The node's id; Istio's tell what the proxy is, like router~...
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    node_id: String,
    /// The node's cluster: the service's name where nothing else says it
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    node_cluster: String,
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

// === impl Options ===

impl Options {
    /// What they ask.
    pub(crate) fn question(&self) -> Question {
        let RequestOptions { headers, method, host, path } = self.request.clone();
        let StreamOptions {
            direction,
            source,
            peer,
            filter_chain,
            route,
            cluster,
            route_disabled,
            route_sampling_ratio,
        } = self.stream.clone();
        let NodeOptions { environment, node_id, node_cluster } = self.node.clone();
        let direction = direction.map(|it| match it {
            Direction::Inbound => Listener::Inbound,
            Direction::Outbound => Listener::Outbound,
            Direction::Gateway => Listener::Gateway,
        });
        Question {
            headers,
            method,
            host,
            path,
            direction,
            source,
            peer,
            filter_chain,
            route,
            cluster,
            route_disabled,
            route_sampling_ratio,
            environment,
            node_id,
            node_cluster,
        }
    }
}

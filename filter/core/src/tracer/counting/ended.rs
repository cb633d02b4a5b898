//! A request at its end: which labels it counts by, and on which edge.

use crate::config::Config;
use crate::metrics::edges::Passed;
use crate::metrics::{CallLabels, Example, Labels, Measured};
use crate::peer::Node;
use crate::request::{Direction, Fact, Stream};
use crate::route::Route;
use crate::semconv::rpc::Status;
use crate::semconv::{Kind, Outcome, http};
use crate::span::Kinds;
use crate::span::exchange::{Exchange, Place};
use std::time::Duration;

/// A request at its end, as it is counted.
pub(super) struct Ended<'a> {
    pub(super) exchange: &'a Exchange<'a>,
    pub(super) direction: Direction,
    pub(super) kinds: Kinds,
    pub(super) route: Option<&'a Route>,
    pub(super) cluster: &'a [u8],
    /// The service that calls, by its own word.
    pub(super) caller: Option<&'a str>,
    pub(super) is_probe: bool,
    pub(super) took: Duration,
    pub(super) example: Option<Example>,
}

/// One side of the hop, as it is counted.
#[derive(Clone, Copy)]
pub(super) struct Side {
    pub(super) kind: Kind,
    pub(super) place: Place,
    pub(super) took: Duration,
}

/// What health checks have for a route.
const HEALTH: &str = "_health";

// === impl Ended ===

impl<'a> Ended<'a> {
    pub(super) fn labels<'b>(
        &'b self,
        side: Side,
        outcome: &'b Outcome<'_>,
        method: Option<Option<&'b Route>>,
    ) -> Labels<'b> {
        let Self { exchange, route, cluster, is_probe, .. } = *self;
        let Side { kind, place, .. } = side;
        let Exchange { request, status, rpc, .. } = exchange;
        let was_received = exchange.was_received(place);
        let call = request.rpc.zip(method).map(|(protocol, method)| CallLabels {
            system: protocol.system(),
            method: method.map_or(b"", Route::text),
            status: rpc.filter(|_| was_received).map_or("", Status::name),
        });
        let is_http = call.is_none();
        Labels {
            kind,
            method: match http::known_method(request.method()) {
                _ if !is_http => "",
                Some(method) => method,
                None => http::OTHER,
            },
            status: status.filter(|_| is_http && was_received),
            error: match outcome {
                Outcome::Fine => "",
                Outcome::Failed(class) => class,
            },
            route: match route {
                _ if is_probe => HEALTH.as_bytes(),
                Some(route) => route.text(),
                None => b"",
            },
            is_configured: !is_probe && matches!(route, Some(Route::Configured(_))),
            cluster: if kind == Kind::Client { cluster } else { b"" },
            call,
        }
    }

    pub(super) fn measured(&self, side: Side) -> Measured {
        let Exchange { request_bytes, response_bytes, attempts, .. } = *self.exchange;
        Measured {
            took: side.took,
            bodies: [request_bytes, response_bytes],
            // They are the client's, and not always asked for on the other side.
            attempts: attempts.filter(|_| side.kind == Kind::Client).unwrap_or(0),
            example: self.example.filter(|_| side.place != Place::Inner),
        }
    }

    /// The request on the edge between this service and the one at the other end.
    pub(super) fn passed(
        &self,
        side: Side,
        outcome: &Outcome<'_>,
        config: &'a Config,
        host: &mut dyn Stream,
    ) -> Passed<'a> {
        let Self { exchange, direction, cluster, caller, .. } = *self;
        let stranger = match direction {
            Direction::Gateway => Node::EXTERNAL,
            Direction::Inbound | Direction::Outbound => Node::UNKNOWN,
        };
        let is_client = side.kind == Kind::Client;
        let [_, uri, dns] = facts(side.kind);
        let mut certificate = || {
            let name = if is_client { &exchange.upstream } else { &exchange.downstream };
            match name.name.is_empty() {
                true => host.fact(uri).or_else(|| host.fact(dns)).unwrap_or_default(),
                false => name.name.clone(),
            }
        };
        let services = &config.services;
        Passed {
            kind: side.kind,
            own: config.resource.service_name().as_bytes(),
            other: match (is_client, caller) {
                (true, _) => {
                    services.called(cluster, exchange.request.authority(), &mut certificate)
                }
                // That is how the caller counts itself.
                (false, Some(name)) if !name.is_empty() => Node::service(name.as_bytes()),
                (false, _) => services.calling(&mut certificate, stranger),
            },
            is_told: !is_client && caller.is_some(),
            failed: matches!(outcome, Outcome::Failed(_)),
            took: side.took,
        }
    }
}

/// What tells of the other end's connection: its TLS, and two names in its certificate.
pub(super) fn facts(kind: Kind) -> [Fact; 3] {
    match kind {
        Kind::Client => [Fact::UpstreamTls, Fact::UpstreamUriSan, Fact::UpstreamDnsSan],
        Kind::Server => [Fact::DownstreamTls, Fact::PeerUriSan, Fact::PeerDnsSan],
    }
}

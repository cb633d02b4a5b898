//! What a request was about: its route, and who was at the other ends.

use super::exchange::Exchange;
use super::hop::number;
use crate::peer::Services;
use crate::request::{Fact, Stream};
use crate::route::{Route, Routes, Sought};
use crate::semconv::{self as names, Attributes, Kind, http};
use std::rc::Rc;

/// What somebody has configured or hopspan has learned of a request.
#[derive(Debug, Default)]
pub struct About {
    /// Its route.
    pub route: Option<Route>,
    /// What the proxy's route wants its spans to be called; empty where it does not say.
    pub span_name: Vec<u8>,
    /// The name of who called.
    pub caller: Option<Rc<str>>,
    /// The name of who was called.
    pub callee: Option<Rc<str>>,
}

/// The longest text of a route's metadata that counts, in bytes.
const LONGEST: usize = 256;

// === impl About ===

impl About {
    /// Finds it out at the request's end; the host is asked only for what routes say themselves.
    pub fn of(
        exchange: &Exchange<'_>,
        sought: Sought,
        routes: &mut Routes,
        services: &Services,
        stream: &mut impl Stream,
    ) -> Self {
        let request = exchange.request;
        let mut span_name = Vec::new();
        if routes.are_in_metadata() {
            span_name = of_route(Fact::RouteSpanName, stream);
        }
        let (cluster, upstream) = (&exchange.cluster, &exchange.upstream.name);
        Self {
            route: route(exchange, sought, routes, stream),
            span_name,
            caller: services.caller(&exchange.downstream.name).cloned(),
            callee: services.callee(cluster, request.authority(), upstream).cloned(),
        }
    }

    /// What one of the spans tells of it.
    pub(super) fn describe(&self, kind: Kind, out: &mut impl Attributes) {
        let Self { route, span_name: _, caller, callee } = self;
        if let Some(route) = route {
            // Only the server knows a route, and what was learned is no more than a guess.
            match (route, kind) {
                (Route::Configured(it), Kind::Server) => out.text(names::HTTP_ROUTE, it.as_bytes()),
                (Route::Configured(_) | Route::Learned(_), _) => {
                    out.text(names::URL_TEMPLATE, route.text());
                }
                (Route::Other, _) => {}
            }
            out.text(names::ROUTE, route.text());
        }
        let peer = match kind {
            Kind::Server => caller,
            Kind::Client => callee,
        };
        if let Some(peer) = peer {
            out.text(names::SERVICE_PEER_NAME, peer.as_bytes());
        }
    }
}

/// The route of a request at its end; the host is asked for it only where its routes may say so.
#[inline(never)]
pub fn route(
    exchange: &Exchange<'_>,
    sought: Sought,
    routes: &mut Routes,
    stream: &mut impl Stream,
) -> Option<Route> {
    // The name of the method that is called says more than the shape of a path.
    let sought = match sought {
        Sought::Shape(_) if exchange.request.rpc.is_some() => Sought::Nothing,
        sought => sought,
    };
    let told = match routes.are_in_metadata() {
        true => of_route(Fact::RouteTemplate, stream),
        false => Vec::new(),
    };
    let sought = match String::from_utf8(told) {
        Ok(route) if !route.is_empty() => Sought::Configured(route.into()),
        _ => sought,
    };
    routes.at_end(sought, || has_found(exchange, stream))
}

/// What the proxy's route says of itself.
fn of_route(fact: Fact, stream: &mut impl Stream) -> Vec<u8> {
    stream.fact(fact).filter(|it| is_text(it)).unwrap_or_default()
}

/// Whether something was at the request's path: an upstream says so, and was asked for it.
///
/// What the proxy answers itself says nothing of the path, and an answer to OPTIONS is often the
/// same for all of them. Of an upgrade the host has no time. Where attempts were not asked for, they
/// are now; a host that does not know them is believed.
fn has_found(exchange: &Exchange<'_>, stream: &mut impl Stream) -> bool {
    let method = http::known_method(exchange.request.method());
    let asks = !matches!(method, None | Some("OPTIONS" | "CONNECT" | "TRACE"));
    let mut is_tried = |known: Option<u64>| {
        let attempts = known.or_else(|| number(stream, Fact::Attempts));
        attempts.is_none_or(|it| it > 0)
    };
    asks && match (exchange.status, exchange.attempts) {
        (Some(200..=299 | 304), Some(_)) => exchange.breakdown.upstream.is_some(),
        (Some(200..=299 | 304 | 101), attempts) => is_tried(attempts),
        _ => false,
    }
}

/// Whether metadata is a text: numbers and truth values come as other bytes.
fn is_text(value: &[u8]) -> bool {
    let text = std::str::from_utf8(value);
    value.len() <= LONGEST && text.is_ok_and(|it| !it.chars().any(char::is_control))
}

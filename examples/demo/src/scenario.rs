//! What clients do, and which trace each of it must leave behind.

use axum::http::Method;
use hopspan_lens::span::{Span, SpanKind, key};

use crate::mesh::Service;

/// One kind of request to the gateway.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scenario {
    /// Looks at a product: three services in a row.
    Product,
    /// Orders: every service takes part.
    Order,
    /// Looks at a product whose stock is slow to answer.
    Slow,
    /// Looks into a cart that refuses the first try, which the sidecar repeats.
    Flaky,
    /// Orders, but cannot pay.
    Fail,
}

/// A span that must be there, and those below it in the order of their begin.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Hop {
    pub(crate) service: &'static str,
    pub(crate) kind: SpanKind,
    pub(crate) code: u16,
    /// The cluster that a CLIENT span goes to.
    pub(crate) to: Option<&'static str>,
    pub(crate) tries: u8,
    /// Whether this span says how long the proxy held the request. Where a hop has two
    /// spans, the outer one does.
    pub(crate) timed: bool,
    pub(crate) below: Vec<Hop>,
}

// === impl Scenario ===

impl Scenario {
    pub(crate) const ALL: [Self; 5] =
        [Self::Product, Self::Order, Self::Slow, Self::Flaky, Self::Fail];

    /// In one word, for people.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Product => "a look at a product",
            Self::Order => "an order",
            Self::Slow => "a slow stock",
            Self::Flaky => "a flaky cart",
            Self::Fail => "a failed payment",
        }
    }

    pub(crate) const fn method(self) -> Method {
        match self {
            Self::Order | Self::Fail => Method::POST,
            Self::Product | Self::Slow | Self::Flaky => Method::GET,
        }
    }

    /// The path of request `number`.
    pub(crate) fn path(self, number: u64) -> String {
        match self {
            Self::Product => format!("/products/{number}"),
            Self::Order => format!("/orders/{number}"),
            Self::Slow => format!("/products/{number}/slow"),
            Self::Flaky => format!("/carts/{number}/flaky"),
            Self::Fail => format!("/orders/{number}/fail"),
        }
    }

    /// The scenario and the number of the request that a trace began with.
    pub(crate) fn of(root: &Span) -> Option<(Self, u64)> {
        let (method, path) = (root.text(key::METHOD)?, root.text(key::PATH)?);
        let number = path.split('/').nth(2)?.parse().ok()?;
        Self::ALL
            .into_iter()
            .find(|it| it.method() == method && it.path(number) == path)
            .map(|it| (it, number))
    }

    /// The status code that the client gets.
    pub(crate) const fn code(self) -> u16 {
        match self {
            Self::Fail => 502,
            Self::Product | Self::Order | Self::Slow | Self::Flaky => 200,
        }
    }

    /// The whole trace, from the gateway's SERVER span down.
    pub(crate) fn trace(self) -> Hop {
        use Service::{Cart, Catalog, Pay, Shop, Stock};

        let product = || call(Shop, Catalog, 200, vec![call(Catalog, Stock, 200, vec![])]);
        let calls = match self {
            Self::Product | Self::Slow => vec![product()],
            Self::Flaky => vec![Hop {
                tries: 2,
                below: vec![server(Cart.name(), 503, vec![]), server(Cart.name(), 200, vec![])],
                ..call(Shop, Cart, 200, vec![])
            }],
            Self::Order => {
                vec![call(Shop, Cart, 200, vec![]), product(), call(Shop, Pay, 200, vec![])]
            }
            Self::Fail => {
                vec![call(Shop, Cart, 200, vec![]), product(), call(Shop, Pay, 500, vec![])]
            }
        };
        let shop = server(Shop.name(), self.code(), calls);
        let inner = Hop { timed: false, ..client("gateway", Shop, self.code(), vec![shop]) };
        server("gateway", self.code(), vec![inner])
    }
}

// === impl Hop ===

impl Hop {
    /// Number of spans, this one included.
    pub(crate) fn spans(&self) -> usize {
        1 + self.below.iter().map(Self::spans).sum::<usize>()
    }

    /// Whether the span's status must be `Error`: for a server it is from 500 on, for a
    /// client from 400 on.
    ///
    /// Source: <https://opentelemetry.io/docs/specs/semconv/http/http-spans/#status>
    pub(crate) const fn fails(&self) -> bool {
        match self.kind {
            SpanKind::Server => self.code >= 500,
            _ => self.code >= 400,
        }
    }
}

/// Both sides of a call from one service to another.
fn call(from: Service, to: Service, code: u16, below: Vec<Hop>) -> Hop {
    client(from.name(), to, code, vec![server(to.name(), code, below)])
}

fn client(service: &'static str, to: Service, code: u16, below: Vec<Hop>) -> Hop {
    let (kind, to) = (SpanKind::Client, Some(to.name()));
    Hop { service, kind, code, to, tries: 1, timed: true, below }
}

fn server(service: &'static str, code: u16, below: Vec<Hop>) -> Hop {
    Hop { service, kind: SpanKind::Server, code, to: None, tries: 1, timed: true, below }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_has_as_many_spans_as_its_path_through_the_mesh() {
        for (scenario, want) in [
            // Gateway 2, shop 1, then 2 for each call.
            (Scenario::Product, 3 + 4),
            (Scenario::Order, 3 + 8),
            (Scenario::Slow, 3 + 4),
            (Scenario::Flaky, 3 + 3),
            (Scenario::Fail, 3 + 8),
        ] {
            assert_eq!(scenario.trace().spans(), want, "{scenario:?}");
        }
    }
}

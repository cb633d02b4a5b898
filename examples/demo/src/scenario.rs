//! What clients do, and which traces each of it must leave behind.

use axum::http::Method;
use hopspan_lens::span::{Span, SpanKind, key};

use crate::mesh::Service;

/// One kind of request to the gateway.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
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
    /// Orders and cannot pay, but the shop keeps that to itself.
    Hidden,
    /// Looks at a product; the catalog forgets the trace headers when it asks for the stock.
    Forgetful,
}

/// Where a trace came from.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Origin {
    pub(crate) scenario: Scenario,
    /// The number of the request.
    pub(crate) number: u64,
    /// Which of [`Scenario::pieces`].
    pub(crate) piece: usize,
}

/// One of the traces that a request leaves behind: more than one if it is broken on the way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Piece {
    /// All of it.
    pub(crate) whole: Hop,
    /// What is there of it if it was not sampled, but `sampling.keep.errors` is on.
    pub(crate) kept: Option<Hop>,
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
    /// Why it is recorded, where no ratio says so.
    pub(crate) reason: Option<&'static str>,
    /// Whether it has a parent that nobody recorded.
    pub(crate) adrift: bool,
    pub(crate) below: Vec<Hop>,
}

// === impl Scenario ===

impl Scenario {
    pub(crate) const ALL: [Self; 7] = [
        Self::Product,
        Self::Order,
        Self::Slow,
        Self::Flaky,
        Self::Fail,
        Self::Hidden,
        Self::Forgetful,
    ];

    /// In a few words, for people.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Product => "a look at a product",
            Self::Order => "an order",
            Self::Slow => "a slow stock",
            Self::Flaky => "a flaky cart",
            Self::Fail => "a failed payment",
            Self::Hidden => "a hidden error: the shop answers 200 all the same",
            Self::Forgetful => "a broken trace, on purpose: the catalog forgets the headers",
        }
    }

    pub(crate) const fn method(self) -> Method {
        match self {
            Self::Order | Self::Fail | Self::Hidden => Method::POST,
            Self::Product | Self::Slow | Self::Flaky | Self::Forgetful => Method::GET,
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
            Self::Hidden => format!("/orders/{number}/hidden"),
            Self::Forgetful => format!("/products/{number}/forgetful"),
        }
    }

    /// The status code that the client gets.
    pub(crate) const fn code(self) -> u16 {
        match self {
            Self::Fail => 502,
            Self::Product
            | Self::Order
            | Self::Slow
            | Self::Flaky
            | Self::Hidden
            | Self::Forgetful => 200,
        }
    }

    /// The traces, the one that begins with the gateway's SERVER span first.
    pub(crate) fn pieces(self) -> Vec<Piece> {
        use Service::{Cart, Catalog, Pay, Shop, Stock};

        let stock = || call(Catalog, Stock, 200, vec![]);
        let product = || call(Shop, Catalog, 200, vec![stock()]);
        let order = |payment| {
            vec![call(Shop, Cart, 200, vec![]), product(), call(Shop, Pay, payment, vec![])]
        };
        let first_try = server(Cart.name(), 503, vec![]);
        let (calls, torn_off) = match self {
            Self::Product | Self::Slow => (vec![product()], None),
            Self::Flaky => {
                let second_try = server(Cart.name(), 200, vec![]);
                let call = call(Shop, Cart, 200, vec![]);
                let below = vec![first_try.clone(), second_try];
                (vec![Hop { tries: 2, below, ..call }], None)
            }
            Self::Order => (order(200), None),
            Self::Fail | Self::Hidden => (order(500), None),
            Self::Forgetful => (vec![call(Shop, Catalog, 200, vec![])], Some(stock())),
        };
        let shop = server(Shop.name(), self.code(), calls);
        let inner = Hop { timed: false, ..client("gateway", Shop, self.code(), vec![shop]) };
        let whole = server("gateway", self.code(), vec![inner]);
        let kept = match self {
            // Envoy takes the answer to the first try for itself: nobody above hears of it.
            Self::Flaky => Some(Hop { adrift: true, reason: Some("error"), ..first_try }),
            _ => whole.kept(),
        };
        let torn_off = torn_off.map(|whole| Piece { kept: whole.kept(), whole });
        [Piece { whole, kept }].into_iter().chain(torn_off).collect()
    }
}

// === impl Origin ===

impl Origin {
    /// What the outermost span of a trace tells.
    pub(crate) fn of(top: &Span) -> Option<Self> {
        let (method, path) = (top.text(key::METHOD)?, top.path()?);
        let number = path.split('/').nth(2)?.parse().ok()?;
        let is_stock = path == format!("/stock/{number}/forgetful") && method == Method::GET;
        let torn_off = (is_stock && top.kind == SpanKind::Client).then_some(Self {
            scenario: Scenario::Forgetful,
            number,
            piece: 1,
        });
        torn_off.or_else(|| {
            let mut all = Scenario::ALL.into_iter();
            let scenario = all.find(|it| it.method() == method && it.path(number) == path)?;
            Some(Self { scenario, number, piece: 0 })
        })
    }

    /// Whether its request leaves several traces behind.
    pub(crate) fn is_torn(self) -> bool {
        self.scenario == Scenario::Forgetful
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

    /// What is kept of it because of an error: the hops that failed and those above them.
    /// Calls that had ended well before are gone.
    fn kept(&self) -> Option<Self> {
        let below: Vec<Hop> = self.below.iter().filter_map(Self::kept).collect();
        // An application says nothing about a trace: its proxy goes by the status, and only
        // if that is good, by what the calls of the application met. A proxy says more.
        let calls_an_application =
            self.kind == SpanKind::Server && self.below.iter().all(|it| it.timed);
        let reason = match (calls_an_application && self.code >= 500, below.is_empty()) {
            (true, _) => "error",
            (false, false) => "below",
            (false, true) => return None,
        };
        Some(Self { reason: Some(reason), below, ..self.clone() })
    }
}

/// Both sides of a call from one service to another.
fn call(from: Service, to: Service, code: u16, below: Vec<Hop>) -> Hop {
    client(from.name(), to, code, vec![server(to.name(), code, below)])
}

fn client(service: &'static str, to: Service, code: u16, below: Vec<Hop>) -> Hop {
    let (kind, to) = (SpanKind::Client, Some(to.name()));
    Hop { to, kind, ..server(service, code, below) }
}

fn server(service: &'static str, code: u16, below: Vec<Hop>) -> Hop {
    let (to, reason) = (None, None);
    let kind = SpanKind::Server;
    Hop { service, kind, code, to, tries: 1, timed: true, reason, adrift: false, below }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_has_as_many_spans_as_its_path_through_the_mesh() {
        for (scenario, want, want_kept) in [
            // Gateway 2, shop 1, then 2 for each call.
            (Scenario::Product, vec![3 + 4], vec![0]),
            (Scenario::Order, vec![3 + 8], vec![0]),
            (Scenario::Slow, vec![3 + 4], vec![0]),
            (Scenario::Flaky, vec![3 + 3], vec![1]),
            (Scenario::Fail, vec![3 + 8], vec![3 + 2]),
            (Scenario::Hidden, vec![3 + 8], vec![3 + 2]),
            (Scenario::Forgetful, vec![3 + 2, 2], vec![0, 0]),
        ] {
            let pieces = scenario.pieces();
            let whole: Vec<usize> = pieces.iter().map(|it| it.whole.spans()).collect();
            let kept = |it: &Piece| it.kept.as_ref().map_or(0, Hop::spans);
            let kept: Vec<usize> = pieces.iter().map(kept).collect();
            assert_eq!((whole, kept), (want, want_kept), "{scenario:?}");
        }
    }

    /// `gateway: below`, from the top down.
    fn reasons(hop: &Hop) -> Vec<String> {
        let own = format!("{}: {}", hop.service, hop.reason.unwrap_or("-"));
        std::iter::once(own).chain(hop.below.iter().flat_map(reasons)).collect()
    }

    #[test]
    fn an_error_is_kept_from_where_it_began_to_the_gateway() {
        for (scenario, shop) in [
            (Scenario::Fail, "shop: error"),   // its own 502
            (Scenario::Hidden, "shop: below"), // its 200
        ] {
            let kept = scenario.pieces().swap_remove(0).kept.unwrap();
            let want = ["gateway: below", "gateway: below", shop, "shop: below", "pay: error"];
            assert_eq!(reasons(&kept), want, "{scenario:?}");
        }
    }
}

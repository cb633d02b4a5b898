//! Who breaks traces: the calls that services make without passing trace headers on, as
//! hopspan counts them on the outbound side of each sidecar.

use std::fmt;

use hopspan_lens::span::SpanKind;

use crate::envoy;
use crate::mesh::{Ports, Proxy, Service};
use crate::scenario::{Hop, Scenario};

/// The calls of one service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Calls {
    pub(crate) service: Service,
    /// All of them.
    pub(crate) all: u64,
    /// Those that came to the sidecar without trace context.
    pub(crate) bare: u64,
}

/// What the sidecars have counted so far.
pub(crate) async fn counted(ports: Ports) -> Vec<Calls> {
    let mut all = Vec::new();
    for service in Service::ALL {
        let stats = envoy::hopspan_stats(ports.admin(Proxy::Sidecar(service))).await;
        all.push(Calls::read(service, &stats));
    }
    all
}

/// What they must have counted after these requests.
pub(crate) fn of_requests(requests: impl Iterator<Item = Scenario>) -> Vec<Calls> {
    fn add(hop: &Hop, is_bare: bool, all: &mut [Calls]) {
        let mut services = all.iter_mut();
        let service =
            services.find(|it| hop.kind == SpanKind::Client && it.service.name() == hop.service);
        if let Some(calls) = service {
            calls.all += 1;
            calls.bare += u64::from(is_bare);
        }
        hop.below.iter().for_each(|hop| add(hop, false, all));
    }

    let mut all = Service::ALL.map(|service| Calls { service, all: 0, bare: 0 });
    for piece in requests.flat_map(Scenario::pieces) {
        add(&piece.whole, true, &mut all);
    }
    all.into()
}

// === impl Calls ===

impl Calls {
    /// Reads them from lines like `wasmcustom.hopspan.context.missing.service=.=cart;.;: 3`.
    fn read(service: Service, stats: &[String]) -> Self {
        let count = |what: &str| {
            let name = format!("wasmcustom.hopspan.context.{what}.service=.={};.;", service.name());
            let lines = stats.iter().filter_map(|line| line.split_once(": "));
            let own = lines.filter(|(it, _)| *it == name);
            own.filter_map(|(_, value)| value.parse::<u64>().ok()).sum::<u64>()
        };
        let (bare, with_context) = (count("missing"), count("present"));
        Self { service, all: bare + with_context, bare }
    }
}

/// One sentence that names the service.
impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, all, bare } = self;
        write!(f, "{} made {bare} of {all} calls without trace context", service.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_that_forgets_is_named_by_its_sidecar() {
        let stats = [
            "wasmcustom.hopspan.context.missing.service=.=catalog;.;: 3",
            "wasmcustom.hopspan.context.present.service=.=catalog;.;: 9",
            "wasmcustom.hopspan.context.started: 3",
        ];
        let stats = stats.map(str::to_owned);
        let said = |service| Calls::read(service, &stats).to_string();
        assert_eq!(said(Service::Catalog), "catalog made 3 of 12 calls without trace context");
        assert_eq!(said(Service::Shop), "shop made 0 of 0 calls without trace context");
    }

    #[test]
    fn only_the_forgetful_catalog_makes_calls_without_context() {
        let all = of_requests(Scenario::ALL.into_iter());
        let all: Vec<_> = all.iter().map(|it| (it.service.name(), it.all, it.bare)).collect();
        // Three orders, two products, a product that ends at the catalog, a cart.
        let want =
            [("shop", 13, 0), ("catalog", 6, 1), ("stock", 0, 0), ("cart", 0, 0), ("pay", 0, 0)];
        assert_eq!(all, want);
    }
}

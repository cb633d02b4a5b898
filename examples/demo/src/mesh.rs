//! Who is in the mesh, and on which port everybody listens.

use std::fmt;

use clap::ValueEnum;

/// A service behind the gateway, with a sidecar of its own.
///
/// ```text
/// client -> gateway -> shop -> cart
///                          \-> catalog -> stock
///                          \-> pay
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Service {
    Shop,
    Catalog,
    Stock,
    Cart,
    Pay,
}

/// One of the proxies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Proxy {
    Gateway,
    Sidecar(Service),
}

/// Every port of the demo, counted from one base.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Ports {
    base: u16,
}

/// One port and who listens there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Port {
    pub(crate) number: u16,
    pub(crate) user: String,
}

// === impl Service ===

impl Service {
    pub(crate) const ALL: [Self; 5] =
        [Self::Shop, Self::Catalog, Self::Stock, Self::Cart, Self::Pay];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Shop => "shop",
            Self::Catalog => "catalog",
            Self::Stock => "stock",
            Self::Cart => "cart",
            Self::Pay => "pay",
        }
    }
}

// === impl Proxy ===

impl Proxy {
    pub(crate) const ALL: [Self; 6] = [
        Self::Gateway,
        Self::Sidecar(Service::Shop),
        Self::Sidecar(Service::Catalog),
        Self::Sidecar(Service::Stock),
        Self::Sidecar(Service::Cart),
        Self::Sidecar(Service::Pay),
    ];

    /// The `service.name` of its spans.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Sidecar(service) => service.name(),
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway => f.write_str("the gateway"),
            Self::Sidecar(service) => write!(f, "the sidecar of {}", service.name()),
        }
    }
}

impl ValueEnum for Proxy {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.name()))
    }
}

// === impl Ports ===

impl Ports {
    /// Ports from the base to the last one that is used.
    pub(crate) const SPAN: u16 = 10 * Service::ALL.len() as u16 + 4;
    /// The largest base with room above it.
    pub(crate) const LAST_BASE: u16 = u16::MAX - Self::SPAN + 1;

    /// Bases above [`Self::LAST_BASE`] are lowered to it.
    pub(crate) fn new(base: u16) -> Self {
        Self { base: base.min(Self::LAST_BASE) }
    }

    pub(crate) const fn gateway(self) -> u16 {
        self.base
    }

    pub(crate) const fn collector(self) -> u16 {
        self.base + 2
    }

    pub(crate) const fn admin(self, proxy: Proxy) -> u16 {
        match proxy {
            Proxy::Gateway => self.base + 1,
            Proxy::Sidecar(service) => self.of(service) + 3,
        }
    }

    /// Where a service itself listens.
    pub(crate) const fn app(self, service: Service) -> u16 {
        self.of(service)
    }

    /// Where its sidecar listens for others.
    pub(crate) const fn inbound(self, service: Service) -> u16 {
        self.of(service) + 1
    }

    /// Where its sidecar listens for the service.
    pub(crate) const fn outbound(self, service: Service) -> u16 {
        self.of(service) + 2
    }

    const fn of(self, service: Service) -> u16 {
        self.base + 10 * (service as u16 + 1)
    }

    /// Every port, in rising order.
    pub(crate) fn all(self) -> Vec<Port> {
        let mut all = vec![
            (self.gateway(), "the gateway".to_owned()),
            (self.admin(Proxy::Gateway), "the gateway's admin page".to_owned()),
            (self.collector(), "the collector".to_owned()),
        ];
        for service in Service::ALL {
            let name = service.name();
            all.push((self.app(service), format!("the service {name}")));
            all.push((self.inbound(service), format!("the inbound listener of {name}'s sidecar")));
            all.push((
                self.outbound(service),
                format!("the outbound listener of {name}'s sidecar"),
            ));
            all.push((
                self.admin(Proxy::Sidecar(service)),
                format!("the admin page of {name}'s sidecar"),
            ));
        }
        all.into_iter().map(|(number, user)| Port { number, user }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_has_one_user_within_the_block() {
        for base in [1, 18_000, u16::MAX] {
            let ports = Ports::new(base);
            let numbers: Vec<u16> = ports.all().into_iter().map(|port| port.number).collect();
            assert!(numbers.is_sorted_by(|a, b| a < b), "rising, so no number twice: {numbers:?}");
            assert_eq!(numbers.first(), Some(&ports.gateway()));
            assert_eq!(*numbers.last().unwrap() - ports.gateway(), Ports::SPAN - 1);
        }
    }
}

//! Who is at the other end: names of services, by what a proxy knows of them.

use crate::matching::hosts::Hosts;
use crate::pattern::Patterns;
use std::rc::Rc;

/// A service that calls or is called, and by what it is known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Service {
    /// What it is called.
    pub name: Rc<str>,
    /// The proxy's clusters that lead to it.
    pub cluster: Patterns,
    /// The hosts that requests name who want it.
    pub host: Hosts,
    /// The names in its certificate.
    pub peer: Patterns,
}

/// Services, of which the first that fits counts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Services(Vec<Service>);

// === impl Services ===

impl Services {
    /// The name of who called, by the certificate that was presented; may be empty.
    pub fn caller(&self, peer: &[u8]) -> Option<&Rc<str>> {
        self.first(|it| fits(&it.peer, peer))
    }

    /// The name of who was called, by the cluster that the request was routed to, the authority
    /// that it names and the certificate of the upstream host; each may be empty.
    pub fn callee(&self, cluster: &[u8], authority: &[u8], peer: &[u8]) -> Option<&Rc<str>> {
        self.first(|it| {
            fits(&it.cluster, cluster)
                || !it.host.is_empty() && it.host.hold_authority(authority)
                || fits(&it.peer, peer)
        })
    }

    fn first(&self, is_it: impl Fn(&Service) -> bool) -> Option<&Rc<str>> {
        self.0.iter().find(|it| is_it(it)).map(|it| &it.name)
    }
}

impl FromIterator<Service> for Services {
    fn from_iter<I: IntoIterator<Item = Service>>(services: I) -> Self {
        Self(services.into_iter().collect())
    }
}

/// What is not known fits no pattern.
fn fits(patterns: &Patterns, known: &[u8]) -> bool {
    !known.is_empty() && patterns.hold(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services() -> Services {
        let service = |name: &str, cluster: &[&str], host: &[&str], peer: &[&str]| Service {
            name: name.into(),
            cluster: cluster.iter().collect(),
            host: host.iter().collect(),
            peer: peer.iter().collect(),
        };
        [
            service("cart", &["outbound|80||cart.*"], &[], &["spiffe://*/sa/cart"]),
            service("stripe", &[], &["*.stripe.com"], &[]),
            service("mesh", &["*"], &[], &["*"]),
        ]
        .into_iter()
        .collect()
    }

    #[test]
    fn who_is_called_is_known_by_cluster_host_or_certificate() {
        let cart = "spiffe://cluster.local/ns/shop/sa/cart";
        for (why, cluster, authority, peer, want) in [
            ("by its cluster", "outbound|80||cart.shop.svc", "x", "", Some("cart")),
            ("by its host", "", "api.Stripe.com:443", "", Some("stripe")),
            ("by its certificate", "", "x", cart, Some("cart")),
            ("the first that fits", "other", "api.stripe.com", "", Some("stripe")),
            ("by what fits everything", "other", "x", "", Some("mesh")),
            ("what is not known fits nothing", "", "x", "", None),
        ] {
            let services = services();
            let found = services.callee(cluster.as_bytes(), authority.as_bytes(), peer.as_bytes());
            assert_eq!(found.map(|it| &**it), want, "{why}");
        }
    }

    #[test]
    fn who_calls_is_known_by_certificate_alone() {
        for (why, peer, want) in [
            ("its own", "spiffe://cluster.local/ns/shop/sa/cart", Some("cart")),
            ("another", "spiffe://cluster.local/ns/shop/sa/web", Some("mesh")),
            ("none", "", None),
        ] {
            assert_eq!(services().caller(peer.as_bytes()).map(|it| &**it), want, "{why}");
        }
        assert_eq!(Services::default().caller(b"web"), None);
    }
}

//! Who is at the other end: names of services, by what a proxy knows of them.

use crate::matching::cluster::Destination;
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

/// One end of an edge of the service graph.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Node<'a> {
    /// What it is called.
    pub name: &'a [u8],
    /// Whether it is no service of the mesh: a class, or a host outside.
    pub is_virtual: bool,
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

    /// Who called, by the certificate that was presented, or as `otherwise`.
    pub fn calling<'a>(
        &'a self,
        certificate: &mut dyn FnMut() -> Vec<u8>,
        otherwise: Node<'a>,
    ) -> Node<'a> {
        let mapped =
            if self.are_known_by_certificate() { self.caller(&certificate()) } else { None };
        mapped.map_or(otherwise, |it| Node::service(it.as_bytes()))
    }

    /// Who is called, by the cluster that the request was routed to, the authority that it names
    /// and the certificate of the upstream host, which is asked for only where it may decide.
    pub fn called<'a>(
        &'a self,
        cluster: &'a [u8],
        authority: &[u8],
        certificate: &mut dyn FnMut() -> Vec<u8>,
    ) -> Node<'a> {
        let mut mapped = self.callee(cluster, authority, b"");
        if mapped.is_none() && self.are_known_by_certificate() {
            mapped = self.callee(b"", b"", &certificate());
        }
        match (mapped, Destination::of(cluster)) {
            (Some(it), _) => Node::service(it.as_bytes()),
            (None, Destination::Service(name)) => Node::service(name),
            (None, Destination::Outside(name)) => Node { name, is_virtual: true },
            (None, Destination::Anywhere) if cluster.is_empty() => Node::UNKNOWN,
            (None, Destination::Anywhere) => Node::EXTERNAL,
        }
    }

    fn are_known_by_certificate(&self) -> bool {
        self.0.iter().any(|it| !it.peer.is_empty())
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

// === impl Node ===

impl<'a> Node<'a> {
    /// Whoever is outside of the mesh.
    pub const EXTERNAL: Node<'static> = Node { name: b"external", is_virtual: true };
    /// Somebody of whom nothing is known.
    pub const UNKNOWN: Node<'static> = Node { name: b"unknown", is_virtual: true };

    /// A service.
    pub fn service(name: &'a [u8]) -> Self {
        Self { name, is_virtual: false }
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
    fn an_end_of_an_edge_has_a_name_in_any_case() {
        let by_cluster: Services = services().0.into_iter().take(1).collect();
        let nobody = || -> Vec<u8> { panic!("nobody is known by a certificate") };
        for (why, cluster, authority, peer, want, is_virtual) in [
            ("as mapped", "outbound|80||cart.x", "", None, "cart", false),
            ("by its host", "c", "api.stripe.com", None, "stripe", false),
            ("by its certificate", "c", "x", Some("spiffe://a/sa/cart"), "cart", false),
            ("by its cluster", "c", "x", Some(""), "c", false),
            ("a host outside", "outbound|443||a.example", "x", Some(""), "a.example", true),
            ("anywhere", "PassthroughCluster", "x", Some(""), "external", true),
            ("nowhere", "", "x", Some(""), "unknown", true),
        ] {
            let services: Services = services().0.into_iter().take(2).collect();
            let mut certificate = || peer.unwrap_or_else(|| panic!("{why}")).into();
            let found = services.called(cluster.as_bytes(), authority.as_bytes(), &mut certificate);
            assert_eq!(found, Node { name: want.as_bytes(), is_virtual }, "{why}");
        }
        let mut certificate = || b"spiffe://a/sa/cart".to_vec();
        let found = by_cluster.calling(&mut certificate, Node::UNKNOWN);
        assert_eq!(found, Node::service(b"cart"));
        let known = Service { name: "a".into(), ..by_cluster.0[0].clone() };
        let plain: Services =
            [Service { peer: Patterns::default(), ..known }].into_iter().collect();
        assert_eq!(plain.calling(&mut nobody.clone(), Node::EXTERNAL), Node::EXTERNAL);
        assert_eq!(plain.called(b"c", b"", &mut nobody.clone()), Node::service(b"c"));
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

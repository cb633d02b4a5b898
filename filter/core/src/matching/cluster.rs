//! What the name of a cluster says of where it leads.
//!
//! ```text
//! istio = direction "|" port "|" subset "|" host
//! ```
//! Services of Kubernetes have a host that ends in `.svc.` and the cluster's domain, others of the
//! mesh one in `.local`, `.global` or `.internal`. What Istio knows nothing of goes through a cluster
//! without a host. The names of all other proxies are whatever somebody called the service.
//!
//! Source: <https://istio.io/latest/docs/ops/configuration/traffic-management/dns/>

/// Where a cluster leads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Destination<'a> {
    /// To a service of this name.
    Service(&'a [u8]),
    /// To this host outside of the mesh.
    Outside(&'a [u8]),
    /// Wherever the client wants, or nowhere: nothing is known.
    Anywhere,
}

impl<'a> Destination<'a> {
    /// By the cluster's name.
    pub fn of(cluster: &'a [u8]) -> Self {
        let mut parts = cluster.split(|&b| b == b'|');
        let host = match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(_), Some(_), Some(_), Some(host @ [_, ..]), None) => host,
            _ if matches!(cluster, b"" | b"PassthroughCluster" | b"BlackHoleCluster") => {
                return Self::Anywhere;
            }
            _ => return Self::Service(cluster),
        };
        let inside = [&b".local"[..], b".global", b".internal"];
        let is_inside = !host.contains(&b'.')
            || inside.iter().any(|it| host.ends_with(it))
            || host.windows(5).any(|it| it == b".svc.");
        match is_inside {
            true => Self::Service(host.split(|&b| b == b'.').next().unwrap_or(host)),
            false => Self::Outside(host),
        }
    }
}

#[test]
fn a_cluster_says_where_it_leads() {
    use Destination::{Anywhere, Outside, Service};
    for (why, cluster, want) in [
        ("a plain name", "cart", Service(b"cart")),
        ("one with dots", "cart.shop", Service(b"cart.shop")),
        ("Kubernetes", "outbound|80|v1|cart.shop.svc.cluster.local", Service(b"cart")),
        ("another domain", "outbound|80||cart.shop.svc.example.org", Service(b"cart")),
        ("of the mesh", "outbound|80||legacy.vm.internal", Service(b"legacy")),
        ("a short host", "outbound|80||cart", Service(b"cart")),
        ("inbound, where all are the same service", "inbound|8080||", Service(b"inbound|8080||")),
        ("a third party", "outbound|443||api.stripe.com", Outside(b"api.stripe.com")),
        ("whatever the client wants", "PassthroughCluster", Anywhere),
        ("nowhere", "BlackHoleCluster", Anywhere),
        ("none", "", Anywhere),
        ("fewer parts", "a|b", Service(b"a|b")),
        ("more parts", "a|b|c|d.example|e", Service(b"a|b|c|d.example|e")),
    ] {
        assert_eq!(Destination::of(cluster.as_bytes()), want, "{why}");
    }
}

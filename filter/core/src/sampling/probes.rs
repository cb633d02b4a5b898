//! Requests that only ask whether a service is alive, by what well-known probes say of
//! themselves.
//!
//! | user agent begins with | sent by | source |
//! |---|---|---|
//! | `kube-probe/` | Kubernetes' kubelet, over HTTP and gRPC; Istio's agent passes it on | [k] |
//! | `Envoy/HC` | Envoy's active health checks, over HTTP and gRPC | [e] |
//! | `GoogleHC/` | Google Cloud's load balancers | [g] |
//! | `ELB-HealthChecker/` | Amazon's load balancers, all generations | [a] |
//! | `Amazon-Route53-Health-Check-Service` | Amazon Route 53 | [r] |
//! | `Amazon Route 53 Health Check Service` | the same, formerly | [r] |
//! | `Load Balancer Agent` | Azure Load Balancer; not documented, as servers log it | |
//! | `Edge Health Probe` | Azure Front Door | [f] |
//! | `Consul Health Check` | Consul's HTTP checks | [c] |
//!
//! And the methods of the [gRPC health checking protocol][h], whoever calls them: many of its
//! clients give but their library's name.
//!
//! HAProxy's and NGINX's checks and those of Azure's Application Gateway name no agent of
//! their own, so nothing tells them from other requests. A scrape of Prometheus is no probe:
//! it does work that one may want to see.
//!
//! [k]: https://github.com/kubernetes/kubernetes/blob/master/pkg/probe/http/request.go
//! [e]: https://github.com/envoyproxy/envoy/blob/main/source/common/http/headers.h
//! [g]: https://github.com/oauth2-proxy/oauth2-proxy/blob/master/oauthproxy.go
//! [a]: https://github.com/oauth2-proxy/oauth2-proxy/issues/564
//! [r]: https://repost.aws/knowledge-center/route-53-fix-unwanted-health-checks
//! [f]: https://learn.microsoft.com/azure/frontdoor/health-probes#supported-protocols
//! [c]: https://github.com/hashicorp/consul/pull/951
//! [h]: https://github.com/grpc/grpc/blob/master/doc/health-checking.md

/// Whether a request with this `user-agent` and `:path` is a well-known probe. Whoever sends
/// it chooses both: believe it of callers that are trusted.
pub fn is_probe(user_agent: &[u8], path: &[u8]) -> bool {
    // Asked of every request: nearly all agents are out after their first byte.
    let agent: &[&[u8]] = match user_agent.first() {
        Some(b'k') => &[b"kube-probe/"],
        Some(b'E') => &[b"Envoy/HC", b"ELB-HealthChecker/", b"Edge Health Probe"],
        Some(b'G') => &[b"GoogleHC/"],
        Some(b'A') => {
            &[b"Amazon-Route53-Health-Check-Service", b"Amazon Route 53 Health Check Service"]
        }
        Some(b'L') => &[b"Load Balancer Agent"],
        Some(b'C') => &[b"Consul Health Check"],
        _ => &[],
    };
    agent.iter().any(|it| user_agent.starts_with(it))
        || matches!(path, b"/grpc.health.v1.Health/Check" | b"/grpc.health.v1.Health/Watch")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_known_by_their_agent() {
        for (user_agent, want) in [
            ("kube-probe/1.31", true),
            ("kube-probe/1.27+", true),
            ("Envoy/HC", true),
            ("GoogleHC/1.0", true),
            ("ELB-HealthChecker/1.0", true),
            ("ELB-HealthChecker/2.0", true),
            (
                "Amazon-Route53-Health-Check-Service (ref b5996862-d894-4595-88da-7940808e9665; \
                 report http://amzn.to/1vsZADi)",
                true,
            ),
            (
                "Amazon Route 53 Health Check Service; ref:47d9bc51-39d6-4cd9-9a7f-4c981c5db165; \
                 report http://amzn.to/1vsZADi",
                true,
            ),
            ("Load Balancer Agent", true),
            ("Edge Health Probe", true),
            ("Consul Health Check", true),
            ("", false),
            ("curl/8.7.1", false),
            ("kube-probe", false),
            ("kubectl/v1.31.0 (linux/amd64) kubernetes/9edcffc", false),
            ("KUBE-PROBE/1.31", false),
            ("Envoy", false),
            ("not Envoy/HC", false),
            ("Googlebot/2.1 (+http://www.google.com/bot.html)", false),
            ("Edge/12.246", false),
            ("Apache-HttpClient/4.5", false),
            ("Amazon CloudFront", false),
            ("Consul/1.15", false),
            ("Prometheus/2.53.0", false),
            ("Mozilla/5.0 (X11; Linux x86_64) GoogleHC/1.0", false),
        ] {
            assert_eq!(is_probe(user_agent.as_bytes(), b"/"), want, "{user_agent:?}");
        }
    }

    #[test]
    fn grpc_health_checks_are_known_by_their_method() {
        for (path, want) in [
            ("/grpc.health.v1.Health/Check", true),
            ("/grpc.health.v1.Health/Watch", true),
            ("/grpc.health.v1.Health/List", false),
            ("/grpc.health.v1.Health/CheckMate", false),
            ("/shop.grpc.health.v1.Health/Check", false),
            ("/healthz", false),
            ("", false),
        ] {
            assert_eq!(is_probe(b"grpc-go/1.66.0", path.as_bytes()), want, "{path:?}");
        }
    }
}

//! Rules on who calls: by address, by filter chain, by certificate.

use serde_json::{Value, json};

use self::Met::{Distrust, Refusal, Trust};
use super::{PARENT, TRACE};
use crate::bootstrap::{Direction, Setup, cluster};
use crate::client::{Client, get, with};
use crate::hop::Hop;
use crate::mutual_tls::Authority;
use crate::proxy::Proxy;
use crate::upstream::{Answer, Refusing};

/// A gateway that records nothing but what those tell it to whom this rule is for.
async fn gateway(rule: Value, change: impl FnOnce(&mut Setup)) -> Hop {
    let answer = |_: &_| Answer::status(200);
    Hop::start_with(Direction::Unspecified, answer, |it| {
        it.configure("sampling", json!({ "ratio": 0 }));
        let rules = json!([{ "match": rule, "action": "continue" }]);
        it.configure("trust", json!({ "rules": rules }));
        change(it);
    })
    .await
}

/// Whether the last request, which was sampled, still is so behind the gateway.
async fn was_trusted(gateway: &Hop, request: usize) -> bool {
    let sent = gateway.upstream.seen(request).await[request - 1].traceparent();
    assert_eq!(sent.trace_id, TRACE);
    sent.flags == "01"
}

fn sampled(path: &str) -> hyper::Request<crate::client::Body> {
    with(get(path), "traceparent", format!("00-{TRACE}-{PARENT}-01"))
}

/// The caveat of `source`, and the remedy.
#[tokio::test]
async fn a_forged_address_is_believed_where_envoy_believes_it() {
    let (here, mesh) = ("127.0.0.0/8", "10.0.0.0/8");
    for (why, use_remote_address, source, forged, want) in [
        ("the connection's own address", true, here, None, true),
        ("that of somebody else", true, mesh, None, false),
        ("a forged one, to an edge", true, mesh, Some("10.1.2.3"), false),
        ("a forged list, to an edge", true, mesh, Some("10.1.2.3, 10.1.2.4"), false),
        ("a forged one, to a proxy that is behind one", false, mesh, Some("10.1.2.3"), true),
    ] {
        let rule = json!({ "source": [source] });
        let gateway = gateway(rule, |it| it.use_remote_address = use_remote_address).await;

        let request =
            forged.iter().fold(sampled("/"), |it, forged| with(it, "x-forwarded-for", forged));
        assert_eq!(gateway.client().await.ask(request).await.status, 200, "{why}");

        assert_eq!(was_trusted(&gateway, 1).await, want, "{why}");
        if want {
            gateway.spans(2).await;
        }
    }
}

/// How the one proxy is asked to call the gateway in four ways: with the certificate of the shop's
/// cart, with that of another workload, with none, and without TLS.
const CALLERS: [&str; 4] = ["/cart", "/another", "/nobody", "/in-plain-text"];

/// What becomes of a caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Met {
    Trust,
    Distrust,
    /// Envoy does not let it in.
    Refusal,
}

/// A gateway with one filter chain for the mesh and one for the rest of the world.
async fn two_chained(rule: Value, tls: Value) -> Hop {
    gateway(rule, |it| {
        it.filter_chains = vec![
            json!({
                "name": "mesh",
                "filter_chain_match": { "transport_protocol": "tls" },
                "transport_socket": tls,
            }),
            json!({ "name": "world" }),
        ];
        let inspector = "type.googleapis.com/\
                         envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector";
        it.listener_filters =
            vec![json!({ "name": "tls", "typed_config": { "@type": inspector } })];
    })
    .await
}

/// A proxy that calls the gateway as each of [`CALLERS`], by certificates of this authority.
async fn callers(gateway: &Hop, authority: &Authority) -> Proxy {
    let nowhere = Refusing::anywhere();
    let address = gateway.proxy.address();
    let mut setup = Setup::new(Direction::Outbound, address, nowhere.address());
    setup.hopspan = None;
    let workloads =
        [Some("spiffe://mesh.test/ns/shop/cart"), Some("spiffe://mesh.test/ns/x"), None];
    for (path, workload) in CALLERS.into_iter().zip(workloads) {
        let mut cluster = cluster(path, Some(address), false);
        cluster["transport_socket"] = authority.upstream(workload);
        setup.clusters.push(cluster);
        setup.routes.push(json!({ "match": { "path": path }, "route": { "cluster": path } }));
    }
    Proxy::start(&setup).await
}

/// What each of [`CALLERS`] meets at a gateway with this rule and this transport socket.
async fn met(rule: Value, tls: Value, authority: &Authority) -> Vec<Met> {
    let gateway = two_chained(rule, tls).await;
    let callers = callers(&gateway, authority).await;
    let mut client = Client::http1(callers.address()).await;

    let (mut met, mut let_in) = (Vec::new(), 0);
    for caller in CALLERS {
        met.push(match client.ask(sampled(caller)).await.status {
            503 => Refusal,
            status => {
                assert_eq!(status, 200, "{caller}");
                let_in += 1;
                if was_trusted(&gateway, let_in).await { Trust } else { Distrust }
            }
        });
    }
    // Both spans of a gateway.
    gateway.spans(2 * met.iter().filter(|it| **it == Trust).count()).await;
    met
}

#[tokio::test]
async fn a_filter_chain_may_be_trusted() {
    let mesh = Authority::new();
    let rule = json!({ "filter_chain": "mesh" });
    assert_eq!(met(rule, mesh.downstream(), &mesh).await, [Trust, Trust, Trust, Distrust]);
}

#[tokio::test]
async fn a_workload_that_proves_its_name_may_be_trusted() {
    let mesh = Authority::new();
    let rule = json!({ "peer": "spiffe://mesh.test/ns/shop/*" });
    assert_eq!(met(rule, mesh.downstream(), &mesh).await, [Trust, Distrust, Distrust, Distrust]);
}

/// The caveat of `peer`: it is Envoy that says what is proved.
#[tokio::test]
async fn a_forged_name_is_believed_where_envoy_lets_it_in() {
    let (mesh, forger) = (Authority::new(), Authority::new());
    let rule = json!({ "peer": "spiffe://mesh.test/ns/shop/*" });
    let strict = mesh.downstream();
    let mut lax = strict.clone();
    let validation = &mut lax["typed_config"]["common_tls_context"]["validation_context"];
    validation["trust_chain_verification"] = json!("ACCEPT_UNTRUSTED");

    let refused = [Refusal, Refusal, Distrust, Distrust];
    assert_eq!(met(rule.clone(), strict, &forger).await, refused);
    assert_eq!(met(rule, lax, &forger).await, [Trust, Distrust, Distrust, Distrust]);
}

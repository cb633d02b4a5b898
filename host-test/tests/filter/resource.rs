//! Who the spans are of, by what the proxy's node says.

use crate::hopspan::{Hopspan, INBOUND, builder};
use host_test::{Builder, Injection, Status, Value};

/// A sidecar as Istio's agent starts it; `node` is where the host keeps it.
fn sidecar(config: &str, node: &str) -> Builder {
    let property = |it: Builder, (keys, value): (&str, &str)| {
        it.property(&format!("{node}\0{}", keys.replace(' ', "\0")), value)
    };
    [
        ("id", "sidecar~10.0.0.1~shop-7d4b9-x2x5z.web~web.svc.cluster.local"),
        ("cluster", "shop.web"),
        ("metadata LABELS app.kubernetes.io/name", "recommended"),
        ("metadata LABELS app", "shop"),
        ("metadata LABELS version", "v2"),
        ("metadata WORKLOAD_NAME", "workload"),
        ("metadata NAMESPACE", "web"),
        ("metadata NAME", "shop-7d4b9-x2x5z"),
        ("metadata NODE_NAME", "node-1"),
        ("metadata CLUSTER_ID", "Kubernetes"),
        ("metadata OWNER", "kubernetes://apis/apps/v1/namespaces/web/deployments/shop"),
    ]
    .into_iter()
    .fold(builder(config), property)
}

const OF_POD: [(&str, &str); 10] = [
    ("service.name", "recommended"),
    ("service.namespace", "web"),
    ("service.version", "v2"),
    ("service.instance.id", "web.shop-7d4b9-x2x5z.istio-proxy"),
    ("k8s.cluster.name", "Kubernetes"),
    ("k8s.namespace.name", "web"),
    ("k8s.pod.name", "shop-7d4b9-x2x5z"),
    ("k8s.container.name", "istio-proxy"),
    ("k8s.node.name", "node-1"),
    ("k8s.deployment.name", "shop"),
];

#[test]
fn a_sidecar_says_which_pod_it_is_in_on_new_hosts_and_old() {
    let new = sidecar(INBOUND, "xds\0node");
    let unknown = Injection::always("proxy_get_property", Status::NOT_FOUND).about("xds.node.id");
    let old = sidecar(INBOUND, "node").inject(unknown);
    for (host, proxy) in [("new", new), ("old", old)] {
        let hopspan = Hopspan::of(proxy);
        hopspan.requests(1);
        let span = hopspan.span();
        for (key, want) in OF_POD {
            assert_eq!(span.resource_text(key), Some(want), "{key} on a host that is {host}");
        }
    }
}

#[test]
fn what_is_written_wins_over_the_node() {
    let config = r#"{"direction":"inbound","collector":{"cluster":"otel"},
        "service":{"namespace":"written"},"resource_attributes":{"k8s.node.name":"mine"}}"#;
    let hopspan = Hopspan::of(sidecar(config, "xds\0node").env("OTEL_SERVICE_NAME", "of-variable"));
    hopspan.requests(1);
    let span = hopspan.span();
    for (key, want) in [
        ("service.name", "of-variable"),
        ("service.namespace", "written"),
        ("service.version", "v2"),
        ("k8s.node.name", "mine"),
    ] {
        assert_eq!(span.resource_text(key), Some(want), "{key}");
    }
}

#[test]
fn what_is_no_text_is_not_read_as_one() {
    let labels = "xds\0node\0metadata\0LABELS\0app";
    for value in [Value::from(2.0), Value::from(true), Value::Bytes(b"\xff".to_vec())] {
        let proxy = builder(INBOUND).property("xds.node.id", "node");
        let hopspan = Hopspan::of(proxy.property(labels, value.clone()));
        hopspan.requests(1);
        let name = hopspan.span().resource_text("service.name").map(str::to_owned);
        assert_eq!(name.as_deref(), Some("test-cluster"), "{value:?}");
    }
}

/// The whole node is large, and so is each map in it.
#[test]
fn the_node_is_read_leaf_by_leaf_and_only_at_configuration() {
    let hopspan = Hopspan::of(sidecar(INBOUND, "xds\0node"));
    let counts = hopspan.hostcalls();
    let read = counts.of("proxy_get_property");
    hopspan.requests(1);
    let of_request = hopspan.hostcalls().of("proxy_get_property") - read;
    hopspan.requests(1);
    let of_next = hopspan.hostcalls().of("proxy_get_property") - read - of_request;
    assert_eq!(of_request, of_next, "no request asks for the node");
    // For each worker and the main thread, and the VM that only tries the configuration.
    let vms = u64::try_from(hopspan.vms().len() + 1).unwrap();
    assert!(read / vms <= 22, "{read} reads in {vms} VMs");
}

//! Who the spans are of, by what the proxy's node says.

use serde_json::{Value, json};

use crate::bootstrap::Direction;
use crate::client::get;
use crate::hop::Hop;
use crate::received::Received;
use crate::upstream::Answer;

/// What Istio's agent writes for a sidecar in a pod of the deployment `shop`.
fn sidecar() -> Value {
    json!({
        "id": "sidecar~10.0.0.1~shop-7d4b9-x2x5z.web~web.svc.cluster.local",
        "cluster": "shop.web",
        "metadata": {
            "ANNOTATIONS": {
                "kubernetes.io/config.source": "api",
                "resource.opentelemetry.io/service.namespace": "shops",
            },
            "LABELS": {
                "app": "shop",
                "app.kubernetes.io/name": "web-shop",
                "pod-template-hash": "7d4b9",
                "version": "v2",
            },
            "CLUSTER_ID": "Kubernetes",
            "INSTANCE_IPS": "10.0.0.1",
            "NAME": "shop-7d4b9-x2x5z",
            "NAMESPACE": "web",
            "NODE_NAME": "node-1",
            "OWNER": "kubernetes://apis/apps/v1/namespaces/web/deployments/shop",
            "PLATFORM_METADATA": { "aws_instance_id": "i-0abc", "aws_region": "eu-central-1" },
            "WORKLOAD_NAME": "shop",
        },
    })
}

/// A span of a proxy that is such a node.
async fn span(node: Value, environment: Vec<(&'static str, &'static str)>) -> Received {
    let hop = Hop::start_with(
        Direction::Inbound,
        |_| Answer::status(200),
        |it| {
            it.node = node;
            it.environment = environment;
        },
    )
    .await;
    assert_eq!(hop.client().await.ask(get("/")).await.status, 200);
    hop.span().await
}

#[tokio::test]
async fn a_sidecar_says_which_pod_it_is_in() {
    let span = span(sidecar(), vec![]).await;
    for (key, want) in [
        ("service.name", "web-shop"),
        ("service.namespace", "shops"),
        ("service.version", "v2"),
        ("service.instance.id", "web.shop-7d4b9-x2x5z.istio-proxy"),
        ("k8s.cluster.name", "Kubernetes"),
        ("k8s.namespace.name", "web"),
        ("k8s.pod.name", "shop-7d4b9-x2x5z"),
        ("k8s.container.name", "istio-proxy"),
        ("k8s.node.name", "node-1"),
        ("k8s.deployment.name", "shop"),
        ("host.id", "i-0abc"),
        ("telemetry.sdk.name", "hopspan"),
        ("telemetry.sdk.language", "rust"),
    ] {
        assert_eq!(span.resource_text(key), Some(want), "{key}");
    }
    for key in ["host.name", "telemetry.distro.name"] {
        assert_eq!(span.resource_text(key), None, "{key}");
    }
}

#[tokio::test]
async fn the_environment_wins_over_the_node() {
    let environment = vec![("OTEL_RESOURCE_ATTRIBUTES", "service.name=mine,k8s.pod.name=pod")];
    let span = span(sidecar(), environment).await;
    for (key, want) in [
        ("service.name", "mine"),
        ("k8s.pod.name", "pod"),
        ("service.instance.id", "web.pod.istio-proxy"),
        ("k8s.node.name", "node-1"),
    ] {
        assert_eq!(span.resource_text(key), Some(want), "{key}");
    }
}

#[tokio::test]
async fn the_metadata_of_any_node_names_the_service() {
    let node = json!({
        "id": "edge-1",
        "cluster": "edge",
        "metadata": {
            "LABELS": { "app": 7, "app.kubernetes.io/name": "" },
            "WORKLOAD_NAME": "front",
        },
    });
    let span = span(node, vec![]).await;
    assert_eq!(span.resource_text("service.name"), Some("front"), "neither a number nor nothing");
    assert_eq!(span.resource_text("k8s.container.name"), None);
}

//! The node's say: below document and environment, above what nobody knows.

use super::*;
use std::cell::RefCell;

const SIDECAR: &str = "sidecar~10.0.0.1~shop-7d4b9-x2x5z.web~web.svc.cluster.local";

/// What Istio writes for a pod of a deployment.
const POD: [(&str, &str); 13] = [
    ("ANNOTATIONS resource.opentelemetry.io/service.name", "of-annotation"),
    ("LABELS service.istio.io/canonical-name", "canonical"),
    ("LABELS app.kubernetes.io/name", "recommended"),
    ("LABELS app", "app"),
    ("WORKLOAD_NAME", "workload"),
    ("NAMESPACE", "web"),
    ("NAME", "shop-7d4b9-x2x5z"),
    ("NODE_NAME", "node-1"),
    ("CLUSTER_ID", "Kubernetes"),
    ("OWNER", "kubernetes://apis/apps/v1/namespaces/web/deployments/shop"),
    ("LABELS app.kubernetes.io/version", "2.0"),
    ("LABELS version", "v2"),
    ("PLATFORM_METADATA aws_instance_id", "i-0abc"),
];

/// The metadata without some of its keys.
fn without<'a>(all: &[(&'a str, &'a str)], keys: &[&str]) -> Vec<(&'a str, &'a str)> {
    all.iter().filter(|(key, _)| !keys.contains(key)).copied().collect()
}

#[test]
fn the_service_name_falls_back_in_order() {
    let env = [
        ("OTEL_SERVICE_NAME", "from-variable"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=from-attributes"),
    ];
    let written = r#"{"service": {"name": "written"}}"#;
    let all = &POD[..];
    for (document, env, metadata, node_cluster, want) in [
        (written, &env[..], all, "cluster", "written"),
        ("{}", &env, all, "cluster", "from-variable"),
        ("{}", &env[1..], all, "cluster", "from-attributes"),
        ("{}", &[], all, "cluster", "of-annotation"),
        ("{}", &[], &all[1..], "cluster", "canonical"),
        ("{}", &[], &all[2..], "cluster", "recommended"),
        ("{}", &[], &all[3..], "cluster", "app"),
        ("{}", &[], &all[4..], "cluster", "workload"),
        ("{}", &[], &all[5..], "cluster", "cluster"),
        ("{}", &[], &[], "", "unknown_service:envoy"),
        ("{}", &[("OTEL_SERVICE_NAME", "")], &[], "", "unknown_service:envoy"),
        // What no service can be called is passed over.
        ("{}", &[], &[("LABELS app", ""), ("WORKLOAD_NAME", "workload")], "cluster", "workload"),
        ("{}", &[], &[("WORKLOAD_NAME", "\0\0\0\0\0\0\0@")], "cluster", "cluster"),
    ] {
        // Metadata counts whoever has written it.
        for node_id in ["", SIDECAR] {
            let proxy = Proxy { node_id, node_cluster, metadata, env };
            let config = proxy.read(document).unwrap();
            assert_eq!(attribute(&config.resource, "service.name"), text(want), "{metadata:?}");
            assert_eq!(proxy.effective(document, "/service/name"), want);
        }
    }
}

/// One attribute, of an Istio node whose metadata says this.
#[track_caller]
fn check(
    why: &str,
    key: &str,
    document: &str,
    env: &[(&str, &str)],
    pod: &[(&str, &str)],
    want: &str,
) {
    let proxy = Proxy { node_id: SIDECAR, metadata: pod, env, ..Proxy::default() };
    let config = proxy.read(document).unwrap();
    let want = Some(want).filter(|it| !it.is_empty()).and_then(text);
    assert_eq!(
        attribute(&config.resource, key),
        want,
        "{why}: {key} of {document} {env:?} {pod:?}"
    );
}

#[test]
fn the_rest_of_the_service_falls_back_in_order() {
    let annotated = |what: &'static str| {
        let key = format!("ANNOTATIONS resource.opentelemetry.io/{what}");
        (String::leak(key) as &str, "of")
    };
    let env = [("OTEL_RESOURCE_ATTRIBUTES", "service.namespace=e,service.version=e")];
    let written = r#"{"service": {"namespace": "d", "version": "d", "instance_id": "d"}}"#;
    let unversioned = without(&POD, &["LABELS app.kubernetes.io/version"]);
    let (pod, none) = (|| POD.to_vec(), Vec::new);
    let [namespace, version, instance] =
        ["service.namespace", "service.version", "service.instance.id"];
    for (why, key, document, env, metadata, want) in [
        ("the document first", namespace, written, &env[..], pod(), "d"),
        ("then the environment", namespace, "{}", &env, pod(), "e"),
        ("then the annotation", namespace, "{}", &[], vec![annotated(namespace), POD[5]], "of"),
        ("then the pod's", namespace, "{}", &[], pod(), "web"),
        ("or none", namespace, "{}", &[], none(), ""),
        ("the document first", version, written, &env, pod(), "d"),
        ("then the environment", version, "{}", &env, pod(), "e"),
        ("then the annotation", version, "{}", &[], vec![annotated(version), POD[10]], "of"),
        ("then the label", version, "{}", &[], pod(), "2.0"),
        ("then Istio's label", version, "{}", &[], unversioned, "v2"),
        ("or none", version, "{}", &[], none(), ""),
        ("the document first", instance, written, &[], pod(), "d"),
        ("then the container", instance, "{}", &[], pod(), "web.shop-7d4b9-x2x5z.istio-proxy"),
        ("whose pod is known", instance, "{}", &[], without(&POD, &["NAME"]), ""),
        ("with its namespace", instance, "{}", &[], without(&POD, &["NAMESPACE"]), ""),
    ] {
        check(why, key, document, env, &metadata, want);
    }
}

#[test]
fn a_pod_of_istio_says_where_it_runs() {
    let owner = |of: &'static str| [without(&POD, &["OWNER"]), vec![("OWNER", of)]].concat();
    let deployment = "k8s.deployment.name";
    for (why, key, metadata, want) in [
        ("the cluster", "k8s.cluster.name", POD.to_vec(), "Kubernetes"),
        ("the namespace", "k8s.namespace.name", POD.to_vec(), "web"),
        ("the pod", "k8s.pod.name", POD.to_vec(), "shop-7d4b9-x2x5z"),
        ("the container", "k8s.container.name", POD.to_vec(), "istio-proxy"),
        ("the node", "k8s.node.name", POD.to_vec(), "node-1"),
        ("the machine", "host.id", POD.to_vec(), "i-0abc"),
        ("the deployment", deployment, POD.to_vec(), "shop"),
        ("no deployment", deployment, owner("kubernetes://apis/v1/namespaces/a/pods/b"), ""),
        ("a set", "k8s.statefulset.name", owner("apps/v1/namespaces/a/statefulsets/db"), "db"),
        ("a job", "k8s.job.name", owner("batch/v1/namespaces/a/jobs/b-1"), "b-1"),
        ("no name", "k8s.job.name", owner("batch/v1/namespaces/a/jobs/"), ""),
        ("no path", "k8s.job.name", owner("jobs"), ""),
        ("a pod is no host", "host.name", POD.to_vec(), ""),
        ("still a pod", "k8s.pod.name", without(&POD, &["NODE_NAME"]), "shop-7d4b9-x2x5z"),
        ("a machine", "host.name", without(&POD, &["NODE_NAME", "OWNER"]), "shop-7d4b9-x2x5z"),
        ("no pod", "k8s.pod.name", without(&POD, &["NODE_NAME", "OWNER"]), ""),
        ("no id", "service.instance.id", without(&POD, &["NODE_NAME", "OWNER"]), ""),
    ] {
        check(why, key, "{}", &[], &metadata, want);
    }
}

#[test]
fn what_is_written_of_the_pod_wins() {
    let document = r#"{"resource_attributes": {"k8s.container.name": "gateway"}}"#;
    let env = [("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=mine")];
    check("what is written", "k8s.container.name", document, &env, &POD, "gateway");
    check("what is written", "k8s.pod.name", document, &env, &POD, "mine");
    check("what is written", "service.instance.id", document, &env, &POD, "web.mine.gateway");
    let proxy = Proxy { node_id: SIDECAR, metadata: &POD, env: &env, ..Proxy::default() };
    let written = proxy.effective(document, "/resource_attributes");
    assert_eq!(
        written,
        json!({
            "host.id": "i-0abc", "k8s.cluster.name": "Kubernetes", "k8s.container.name": "gateway",
            "k8s.deployment.name": "shop", "k8s.namespace.name": "web", "k8s.node.name": "node-1",
            "k8s.pod.name": "mine",
        })
    );
}

#[test]
fn the_downward_api_makes_an_instance_without_istio() {
    let list = "k8s.namespace.name=web,k8s.pod.name=shop-1,k8s.container.name=envoy";
    let env = [("OTEL_RESOURCE_ATTRIBUTES", list)];
    let proxy = Proxy { env: &env, ..Proxy::default() };
    assert_eq!(proxy.effective("{}", "/service/instance_id"), "web.shop-1.envoy");
}

#[test]
fn the_node_is_asked_only_for_what_is_open() {
    let all = r#"{"service": {"name": "a", "namespace": "b", "version": "c"}}"#;
    for (why, node_id, document, metadata, want) in [
        ("all is written", "", all, &POD[..], 0),
        ("the first of each", "", "{}", &POD, 1 + 2 + 2),
        ("nothing is there", "", "{}", &[], 5 + 2 + 3),
        ("a pod", SIDECAR, all, &POD, 2 + 2 + 3),
        ("a machine", SIDECAR, all, &[], 2 + 3 + 1),
    ] {
        let asked = RefCell::new(Vec::new());
        let proxy = Proxy { node_id, metadata, ..Proxy::default() };
        let config =
            proxy.read_asking(document, |keys| asked.borrow_mut().push(keys.to_owned())).unwrap();
        assert_eq!(config.warnings, [""; 0]);
        assert_eq!(asked.borrow().len(), want, "{why}: {:?}", asked.borrow());
    }
}

#[test]
fn attributes_beyond_the_limit_are_left_out() {
    let many: String = (0..127).map(|it| format!("k{it}=v,")).collect();
    let env = [("OTEL_RESOURCE_ATTRIBUTES", many.as_str())];
    let proxy = Proxy { node_id: SIDECAR, metadata: &POD, env: &env, ..Proxy::default() };
    let Value::Object(attributes) = proxy.effective("{}", "/resource_attributes") else { panic!() };
    assert_eq!((attributes.len(), attributes.contains_key("host.id")), (128, true));
}

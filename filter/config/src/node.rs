//! What the metadata of the proxy's node says where document and environment do not.
//!
//! Istio's injector and agent write it: of the pod its labels, its annotations and where it
//! runs, each a text. Each leaf is read alone and only where it counts: the whole is large.
//!
//! Source: `NodeMetadata` and `BootstrapNodeMetadata` in
//! <https://github.com/istio/istio/blob/1.27.0/pkg/model/proxy.go>

use super::Surroundings;
use super::attributes::MOST;
use super::keys::Document;
use super::text::{Anything, ClusterName, Text};
use hopspan_core::encode::Value;
use hopspan_core::semconv;

/// What the service is called, the first one that is there. The annotation is OpenTelemetry's:
/// <https://opentelemetry.io/docs/specs/semconv/non-normative/k8s-attributes/>
const NAME: [&str; 5] = [
    "ANNOTATIONS\0resource.opentelemetry.io/service.name",
    "LABELS\0service.istio.io/canonical-name",
    "LABELS\0app.kubernetes.io/name",
    "LABELS\0app",
    "WORKLOAD_NAME",
];

const NAMESPACE: [&str; 2] =
    ["ANNOTATIONS\0resource.opentelemetry.io/service.namespace", "NAMESPACE"];

/// Not Istio's canonical revision, which is `latest` where nobody says a version.
const VERSION: [&str; 3] = [
    "ANNOTATIONS\0resource.opentelemetry.io/service.version",
    "LABELS\0app.kubernetes.io/version",
    "LABELS\0version",
];

/// Where nothing says what the service is called.
const UNKNOWN_SERVICE: &str = "unknown_service:envoy";

/// The kinds of controllers that OpenTelemetry has a name for. `OWNER` is the pod's:
/// `kubernetes://apis/apps/v1/namespaces/web/deployments/shop`.
const CONTROLLERS: [(&str, &str); 6] = [
    ("deployments", semconv::K8S_DEPLOYMENT_NAME),
    ("statefulsets", semconv::K8S_STATEFULSET_NAME),
    ("daemonsets", semconv::K8S_DAEMONSET_NAME),
    ("replicasets", semconv::K8S_REPLICASET_NAME),
    ("cronjobs", semconv::K8S_CRONJOB_NAME),
    ("jobs", semconv::K8S_JOB_NAME),
];

/// What Kubernetes knows of a pod beside its controller.
const OF_POD: [(&str, &str); 3] = [
    (semconv::K8S_CLUSTER_NAME, "CLUSTER_ID"),
    (semconv::K8S_NAMESPACE_NAME, "NAMESPACE"),
    (semconv::K8S_POD_NAME, "NAME"),
];

/// The name of the proxy's container in every pod: spans are made there, and it tells them
/// from those of the application. Source: `ProxyContainerName` in
/// <https://github.com/istio/istio/blob/1.27.0/pkg/kube/inject/inject.go>
const CONTAINER: &str = "istio-proxy";

/// The machine, where its cloud told Istio's agent. Source:
/// <https://github.com/istio/istio/tree/1.27.0/pkg/bootstrap/platform>
const HOST: [&str; 3] = [
    "PLATFORM_METADATA\0gcp_gce_instance_id",
    "PLATFORM_METADATA\0aws_instance_id",
    "PLATFORM_METADATA\0azure_vmId",
];

/// What makes an instance of a service unique in Kubernetes, joined by dots.
const INSTANCE: [&str; 3] =
    [semconv::K8S_NAMESPACE_NAME, semconv::K8S_POD_NAME, semconv::K8S_CONTAINER_NAME];

/// Fills in what is still open. The service has a name afterwards.
pub(super) fn fill(keys: &mut Document, around: &Surroundings<'_>, is_istio: bool) {
    let service = &mut keys.service.value;
    for (key, alternatives) in [
        (&mut service.name, &NAME[..]),
        (&mut service.namespace, &NAMESPACE),
        (&mut service.version, &VERSION),
    ] {
        if key.value.is_none() {
            key.value = first(around, alternatives);
        }
    }
    let name = &mut service.name.value;
    let cluster = || Some(around.node_cluster.to_owned()).filter(|it| Text::<Anything>::allows(it));
    *name = name.take().or_else(cluster).or_else(|| Some(UNKNOWN_SERVICE.to_owned()));
    let mut attributes = Attributes { around, all: &mut keys.resource_attributes.value };
    if is_istio {
        attributes.describe();
    }
    if service.instance_id.value.is_none() {
        service.instance_id.value = attributes.instance();
    }
}

/// The first of these leaves that says something.
#[inline(never)]
fn first(around: &Surroundings<'_>, leaves: &[&str]) -> Option<String> {
    // A number has other bytes than a text.
    let text = |leaf: &&str| (around.metadata)(leaf).filter(|it| Text::<ClusterName>::allows(it));
    leaves.iter().find_map(text)
}

struct Attributes<'a> {
    around: &'a Surroundings<'a>,
    all: &'a mut Vec<(String, Value)>,
}

impl Attributes<'_> {
    fn describe(&mut self) {
        let owner = first(self.around, &["OWNER"]);
        let node = first(self.around, &["NODE_NAME"]);
        self.read(semconv::HOST_ID, &HOST);
        if owner.is_none() && node.is_none() {
            // Istio runs on machines as well, which it calls by the same key.
            return self.read(semconv::HOST_NAME, &["NAME"]);
        }
        for (key, leaf) in OF_POD {
            self.read(key, &[leaf]);
        }
        self.add(semconv::K8S_CONTAINER_NAME, Some(CONTAINER.to_owned()));
        self.add(semconv::K8S_NODE_NAME, node);
        let owner = owner.unwrap_or_default();
        let mut parts = owner.rsplit('/');
        if let (Some(name), Some(kind)) = (parts.next(), parts.next())
            && let Some((_, key)) = CONTROLLERS.iter().find(|(it, _)| *it == kind)
        {
            self.add(key, Some(name.to_owned()).filter(|it| !it.is_empty()));
        }
    }

    /// Whether there is room for an attribute, and nobody has said it already.
    fn is_open(&self, key: &str) -> bool {
        self.all.len() < MOST && !self.all.iter().any(|(it, _)| it == key)
    }

    fn read(&mut self, key: &str, leaves: &[&str]) {
        if self.is_open(key) {
            self.add(key, first(self.around, leaves));
        }
    }

    fn add(&mut self, key: &str, value: Option<String>) {
        if let Some(value) = value
            && self.is_open(key)
        {
            self.all.push((key.to_owned(), Value::Text(value)));
        }
    }

    fn instance(&self) -> Option<String> {
        let mut id = String::new();
        for key in INSTANCE {
            let (_, Value::Text(part)) = self.all.iter().find(|(it, _)| it == key)? else {
                return None;
            };
            if !id.is_empty() {
                id.push('.');
            }
            id.push_str(part);
        }
        Some(id).filter(|it| Text::<Anything>::allows(it))
    }
}
